"""On what device a network computes, in what precision, compiled or not: decided here and nowhere else."""

import ctypes
import os
import shutil
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from lmzoo.errors import UsageError, one_of, whole_number_in
from lmzoo.interface import Run

# Below this width the casts of bf16 autocast may cost more on a CPU than its faster products save; at this width two
# layers of attention train 1.3 times as fast (AVX-512, one thread).
NARROWEST_BF16 = 64
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of mallopt(3)
PRECISIONS = ("auto", "float32", "bfloat16")
COMPILE = ("auto", "yes", "no")


@dataclass(frozen=True)
class Compute:
    """The device, the precision, and whether training steps are compiled."""

    device: torch.device
    bf16: bool
    compiled: bool
    allow_tf32: bool = True  # float32 was not asked for by name

    def autocast(self) -> torch.autocast:
        """Mixed precision where bf16 was chosen: matrix products in bf16; weights, sums and losses in float32."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16)

    @contextmanager
    def training_precision(self) -> Iterator[None]:
        """TF32 on a GPU for what autocast leaves in float32, unless float32 was asked for: in training only.

        PyTorch keeps this choice for the whole process, and a model scored after training must score as it does in a
        process of its own: TF32 shifts single log-probabilities by some 5e-4 nats.
        """
        _allow_tf32(self.device, self.allow_tf32)
        try:
            yield
        finally:
            _allow_tf32(self.device, False)


def find(name: str) -> torch.device:
    """'auto', 'cpu', 'cuda', 'cuda:1' or 'mps' as a device. Raises UsageError where this machine has none such."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind, colon, number = name.partition(":")
    counts = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if kind not in counts or (colon and not number.isdecimal()):
        raise UsageError(f"no device {name!r}: it can be auto, cpu, cuda, cuda:N or mps")
    if int(number or 0) >= counts[kind]:
        has = ", ".join(f"{key} ({count})" for key, count in counts.items() if count)
        raise UsageError(f"this machine has no device {name}: it has {has}")
    device = torch.device(name)
    _allow_tf32(device, False)  # cuDNN's own default would score recurrent networks in TF32
    return device


def choose(run: Run, width: int, compile_pays: bool) -> Compute:
    """What `run` asks for, with each "auto" decided for a network of that width.

    `compile_pays`: whether compilation would pay for itself within the budget. Raises UsageError for what this machine
    cannot do.
    """
    device = find(_of_this_process(run.device))
    one_of("precision", run.precision, PRECISIONS)
    one_of("answer to compile", run.compile, COMPILE)
    bf16 = run.precision == "bfloat16" or (run.precision == "auto" and _bf16_pays(device, width))
    compiled = run.compile == "yes" or (run.compile == "auto" and compile_pays)
    if run.compile == "yes" and device.type == "cpu" and not can_compile_for_cpu():
        raise UsageError("--compile yes needs a C++ compiler and Python's headers on a CPU: install them, or say no")
    if device.type == "cpu":
        _keep_freed_memory()
    return Compute(device, bf16, compiled, allow_tf32=run.precision != "float32")


def _allow_tf32(device: torch.device, allow: bool) -> None:
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high" if allow else "highest")
        torch.backends.cudnn.allow_tf32 = allow


def _keep_freed_memory() -> None:
    """Tell glibc not to return freed memory to the system.

    The arrays of a step with a large vocabulary would be unmapped and mapped again, zeroed, in every step: a fifth of
    the time of a softmax over 10,000 words, and more with larger vocabularies.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            libc.mallopt(M_MMAP_MAX, 0)
            libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def _of_this_process(name: str) -> str:
    """Under torchrun each process takes the GPU of its local rank. Raises UsageError where there are too few."""
    processes, rank = whole_number_in("LOCAL_WORLD_SIZE", 1), whole_number_in("LOCAL_RANK", 0)
    if processes == 1 or not (name.startswith("cuda") or (name == "auto" and torch.cuda.is_available())):
        return name
    if ":" in name:
        raise UsageError(f"{processes} processes cannot share {name}: with --device cuda each takes its own")
    if torch.cuda.device_count() < processes:
        raise UsageError(f"{processes} processes need a GPU each, and this machine has {torch.cuda.device_count()}")
    return f"cuda:{rank}"


def _bf16_pays(device: torch.device, width: int) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and width >= NARROWEST_BF16 and cpu_has_bf16()


@cache
def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bf16 itself (AVX-512 BF16 or AMX): elsewhere it is emulated, and slower."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def can_compile_for_cpu() -> bool:
    """Whether torch.compile can target the CPU: it needs a C++ compiler and Python's headers."""
    compilers = [os.environ.get("CXX", ""), "g++", "clang++"]
    headers = Path(sysconfig.get_paths()["include"]) / "Python.h"
    return headers.is_file() and any(name and shutil.which(name) for name in compilers)


def compiled(function: Callable[..., Any], run: Run) -> Callable[..., Any]:
    """`function`, compiled at its first call. With compile="auto" a failure to compile falls back to eager mode."""
    import torch._dynamo

    torch._dynamo.config.suppress_errors = run.compile == "auto"
    # All networks of a process would share this function's cache, and a second one with another batch would be compiled
    # for dynamic shapes, a ninth not at all.
    torch._dynamo.reset()
    return torch.compile(function, dynamic=False)


def peak_flops(compute: Compute, size: int = 8192, times: int = 100) -> float:
    """FLOP/s of a large matrix product on a GPU, measured: the denominator of model FLOPs utilisation (MFU).

    `times` products one after the other, so many that the clock has settled: ten are 10 % faster.

    0 on other devices, and where memory does not suffice to measure it.
    """
    if compute.device.type != "cuda":
        return 0.0
    try:
        return _measure(compute, size, times)
    except torch.OutOfMemoryError:
        return 0.0
    finally:
        torch.cuda.empty_cache()


def _measure(compute: Compute, size: int, times: int) -> float:
    matrix = torch.randn(size, size, device=compute.device, dtype=torch.bfloat16 if compute.bf16 else torch.float32)
    matrix @ matrix
    torch.cuda.synchronize(compute.device)
    began = time.perf_counter()
    for _ in range(times):
        matrix @ matrix
    torch.cuda.synchronize(compute.device)
    return 2.0 * size**3 * times / (time.perf_counter() - began)
