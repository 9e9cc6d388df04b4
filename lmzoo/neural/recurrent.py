"""PyTorch's recurrent layers under mixed precision, where autocast does not do what it was asked for."""

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from lmzoo.neural.device import cpu_has_bf16


def run(layer: nn.Module, x: Tensor, state: Any, weights: dict[str, Tensor] | None = None) -> Any:
    """`layer(x, state)`, with `weights` in place of its own of the same names: outputs (B, T, H) and the new state."""
    float32 = _needs_float32(layer, x.device.type)
    with torch.autocast(x.device.type, enabled=False) if float32 else nullcontext():
        if float32:
            x = x.float()
            state = state.float() if isinstance(state, Tensor) else tuple(part.float() for part in state)
        if isinstance(layer, nn.LSTM) and _one_token(layer, x) and not weights:
            # A layer that reads a text lays its weights out anew first, which takes four times as long as one token.
            h, c = torch.lstm_cell(x[:, 0], (state[0][0], state[1][0]), *layer.all_weights[0])
            return h[:, None], (h[None], c[None])
        return torch.func.functional_call(layer, weights, (x, state)) if weights else layer(x, state)


def _one_token(layer: nn.LSTM, x: Tensor) -> bool:
    simple = layer.num_layers == 1 and not layer.bidirectional and not layer.training
    return simple and x.shape[1] == 1 and x.device.type == "cpu" and not layer._forward_hooks  # those see the layer


def _needs_float32(layer: nn.Module, device: str) -> bool:
    if not torch.is_autocast_enabled(device):
        return False
    if device == "cuda":
        # Autocast runs cuDNN's recurrent layers in fp16 whatever type was asked for (pytorch pull request 42385), and
        # small gradients underflow in fp16 without loss scaling. In float32 cuDNN multiplies in TF32 in training.
        return True
    # PyTorch has no LSTM in bf16 for a CPU that only emulates it.
    return device == "cpu" and isinstance(layer, nn.LSTM) and not cpu_has_bf16()
