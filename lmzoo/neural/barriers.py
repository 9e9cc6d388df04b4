"""How OpenMP's threads wait for each other: spinning, which is quick, or asleep, which leaves the processor to others.

PyTorch's threads meet at a barrier after every parallel operation, thousands of times in a training step, and GNU's
OpenMP lets them spin there for some milliseconds before they sleep. On an idle machine that saves waking them. Where
another process runs on one of the cores, the thread it displaced is what the others spin for, until the scheduler
takes a core from one of them: training is three times slower beside one process, and all but stands still beside four
(benchmarks/busy.py).

The policy is read from the environment when the library is loaded, and cannot be set afterwards. But a process with
more OpenMP threads than cores spins a few hundred turns only, as its manual says (GOMP_SPINCOUNT), and the number of
threads can change at any time: `sleep` starts that many, which do nothing. No result depends on it.
"""

import ctypes
import os
import sys
import threading
import time
from functools import cache
from pathlib import Path

import torch

POLICIES = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}  # variables of the environment
BETWEEN = 0.5  # seconds at least between two looks at the load: the kernel counts in hundredths, by sampling
TOLERATED = 0.45  # cores: a busy process takes two thirds of one from two spinning threads, and sampling errs by 0.2


def available_cores() -> set[int]:
    """The cores that this process may run on, by number."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


class Load:
    """What other processes take of this process's cores, since the object was made."""

    def __init__(self) -> None:
        self.cores = available_cores()
        self.since, self._busy = time.perf_counter(), self._busy_seconds()

    def others(self) -> float:
        """How many of the cores other processes kept busy on average; 0 where the system does not say."""
        return max(0.0, (self._busy_seconds() - self._busy) / max(time.perf_counter() - self.since, 1e-9))

    def spare(self) -> float:
        """How many cores others may use before they displace one of PyTorch's threads."""
        return max(0, len(self.cores) - torch.get_num_threads()) + TOLERATED

    def _busy_seconds(self) -> float:
        """Seconds for which this process's cores computed for others."""
        try:
            lines = Path("/proc/stat").read_text("ascii").splitlines()
        except (OSError, ValueError):
            return 0.0
        mine = {f"cpu{core}" for core in self.cores}
        ticks = 0
        for name, *numbers in map(str.split, lines):
            if name in mine:  # user, nice, system, idle, iowait, irq, softirq, steal
                ticks += sum(map(int, numbers[:3])) + sum(map(int, numbers[5:8]))
        return ticks / os.sysconf("SC_CLK_TCK") - time.process_time()


_lock = threading.Lock()
_stop: threading.Event | None = None  # ends the thread whose team makes the others sleep
_load: Load | None = None


def adapt() -> None:
    """Let threads sleep at barriers while other processes need the cores, and spin while they do not.

    To be called between pieces of work: it looks at the load a few times a second. The first call lets them sleep.
    """
    global _load
    if _load is not None and time.perf_counter() - _load.since < BETWEEN:
        return
    crowded = _load is None or _load.others() > _load.spare()
    _load = Load()
    if crowded:
        sleep()
    else:
        spin()


def sleep() -> None:
    """Let threads sleep at barriers, after spinning for some microseconds. Does nothing where that cannot be chosen."""
    global _stop
    with _lock:
        if _stop is not None or not can_choose():
            return
        started, _stop = threading.Event(), threading.Event()
        threading.Thread(target=_hold_a_team, args=(started, _stop), daemon=True, name="barriers").start()
        started.wait()


def spin() -> None:
    """Let threads spin at barriers, as is OpenMP's default."""
    global _stop
    with _lock:
        if _stop is not None:
            _stop.set()
            _stop = None


def asleep() -> bool:
    """Whether threads sleep at barriers."""
    return _stop is not None


def can_choose() -> bool:
    """Whether PyTorch computes by GNU's OpenMP in several threads, and the environment sets no policy of its own."""
    chosen_by_user = POLICIES & os.environ.keys()
    return torch.get_num_threads() > 1 and not chosen_by_user and _libgomp() is not None


def _hold_a_team(started: threading.Event, stop: threading.Event) -> None:
    # A thread that starts a team of its own owns its workers until it ends: one more of them than there are cores.
    # What each of them runs is free(NULL), a function of C that does nothing.
    library = _libgomp()
    assert library is not None
    nothing = ctypes.cast(ctypes.CDLL(None).free, ctypes.c_void_p)
    library.GOMP_parallel(nothing, None, ctypes.c_uint(library.omp_get_num_procs() + 1), ctypes.c_uint(0))
    started.set()
    stop.wait()


@cache
def _libgomp() -> ctypes.CDLL | None:
    """The OpenMP library that PyTorch has loaded (scikit-learn brings another); None where it is not GNU's."""
    if sys.platform != "linux":
        return None
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
        paths = {line.split(maxsplit=5)[5] for line in lines if "libgomp" in line}
        library = ctypes.CDLL(min(paths, key=lambda path: ("torch" not in path, path)))
        return library if hasattr(library, "GOMP_parallel") else None
    except (OSError, ValueError):
        return None
