import os
from functools import partial

import pytest
import torch

from lmzoo.errors import UsageError
from lmzoo.interface import Run
from lmzoo.neural import device as _device

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")


@pytest.mark.parametrize("name", ["nonsense", "", "cuda:", "cuda:x", "cpu:-1", "gpu"])
def test_an_unknown_device_is_an_error(name):
    with pytest.raises(UsageError, match=r"no device .*auto, cpu, cuda, cuda:N or mps"):
        _device.find(name)


@no_gpu
@pytest.mark.parametrize("name", ["cuda", "cuda:1", "cpu:1"])
def test_a_missing_device_is_an_error_that_lists_the_present_ones(name):
    with pytest.raises(UsageError, match=rf"no device {name}: it has cpu \(1\)"):
        _device.find(name)


@no_gpu
def test_auto_is_the_cpu_where_there_is_no_accelerator():
    assert _device.find("auto").type in ("cpu", "mps")


@pytest.mark.parametrize(("setting", "value"), [("precision", "float16"), ("compile", "maybe")])
def test_an_unknown_precision_or_compile_mode_is_an_error(setting, value):
    with pytest.raises(UsageError, match=f"{value!r}"):
        _device.choose(Run(device="cpu", **{setting: value}), 64, False)


def test_explicit_settings_override_auto(monkeypatch):
    monkeypatch.setattr(_device, "can_compile_for_cpu", lambda: True)
    compute = _device.choose(Run(device="cpu", precision="bfloat16", compile="yes"), 1, False)
    assert compute == _device.Compute(torch.device("cpu"), bf16=True, compiled=True)
    compute = _device.choose(Run(device="cpu", precision="float32", compile="no"), 4096, True)
    assert compute == _device.Compute(torch.device("cpu"), bf16=False, compiled=False, allow_tf32=False)


def test_compiling_without_a_compiler_is_an_error(monkeypatch):
    monkeypatch.setattr(_device, "can_compile_for_cpu", lambda: False)
    with pytest.raises(UsageError, match="needs a C\\+\\+ compiler"):
        _device.choose(Run(device="cpu", compile="yes"), 64, False)


def test_failing_to_compile_falls_back_to_eager_unless_compile_is_yes(monkeypatch):
    def broken(graph, inputs):
        raise RuntimeError("no compiler after all")

    def double(x):
        return 2 * x

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=broken))
    assert float(_device.compiled(double, Run(compile="auto"))(torch.ones(()))) == 2.0
    torch._dynamo.reset()
    with pytest.raises(Exception, match="no compiler after all"):
        _device.compiled(double, Run(compile="yes"))(torch.ones(()))


def test_a_narrow_network_stays_in_float32_and_autocast_multiplies_in_bf16():
    assert not _device.choose(Run(device="cpu"), _device.NARROWEST_BF16 - 1, False).bf16
    with _device.Compute(torch.device("cpu"), bf16=True, compiled=False).autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16


def test_each_process_of_several_takes_its_own_gpu(monkeypatch):
    monkeypatch.setattr(os, "environ", {"LOCAL_WORLD_SIZE": "2", "LOCAL_RANK": "1"})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert _device._of_this_process("auto") == _device._of_this_process("cuda") == "cuda:1"
    assert _device._of_this_process("cpu") == "cpu"
    with pytest.raises(UsageError, match="2 processes cannot share cuda:0"):
        _device._of_this_process("cuda:0")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match="2 processes need a GPU each, and this machine has 1"):
        _device._of_this_process("auto")
