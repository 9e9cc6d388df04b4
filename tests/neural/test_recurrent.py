"""Where autocast does not do what it was asked for, recurrent layers stay in float32."""

import pytest
import torch
from torch import nn

from lmzoo.neural import device, recurrent


@pytest.fixture
def layer():
    torch.manual_seed(0)
    return nn.LSTM(4, 4, batch_first=True)


def read(layer, **weights):
    x, state = torch.randn(2, 3, 4), (torch.zeros(1, 2, 4), torch.zeros(1, 2, 4))
    torch.manual_seed(1)
    return recurrent.run(layer, torch.randn_like(x), state, weights or None)[0]


def test_an_lstm_is_in_float32_where_bf16_is_emulated(layer, monkeypatch):
    monkeypatch.setattr(recurrent, "cpu_has_bf16", lambda: False)
    exact = read(layer)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(read(layer), exact)


@pytest.mark.skipif(not device.cpu_has_bf16(), reason="this CPU has no bf16 of its own")
def test_an_lstm_is_in_bf16_where_the_cpu_has_it(layer):
    with torch.autocast("cpu", torch.bfloat16):
        assert read(layer).dtype == torch.bfloat16


def test_autocast_would_run_cudnn_in_fp16_so_it_is_left_out_there(layer, monkeypatch):
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda kind: kind == "cuda")
    assert recurrent._needs_float32(layer, "cuda")
    assert not recurrent._needs_float32(layer, "cpu")


def test_given_weights_stand_in_for_its_own(layer):
    zeros = torch.zeros_like(layer.weight_hh_l0)
    assert not torch.equal(read(layer, weight_hh_l0=zeros), read(layer))
