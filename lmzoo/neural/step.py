"""The next token of a text through a transformer's layers on a CPU, in NumPy: what generating consists of.

The vectors of one token are so short that PyTorch spends most of a step on dispatch: NumPy takes a quarter of its time.
The modules of a network give functions for one token, over their own weights (`numpy_step`); what they compute is
what `forward` does, up to rounding.
"""

import math
import threading
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Vector = NDArray[np.float32]
Function = Callable[[Vector], Vector]

Layer = Callable[[Vector, Vector, NDArray[np.float32], int], Vector]  # see `Block.numpy_step`

ROOT = math.sqrt(2 / math.pi)


class Tape:
    """The keys and values (L, 2, K, S, d) of one text in L layers, with room for more tokens.

    What a state has of it is never written to again: only one state can go on behind its last token, others copy it.
    """

    def __init__(self, caches: Sequence[Tensor]):
        """`caches`, keys and values in turn, (1, K, S, d) each."""
        self.used = caches[0].shape[2]
        self._tensor = caches[0].new_empty(len(caches), *caches[0].shape[:2], 2 * self.used + 16, caches[0].shape[3])
        torch.stack(list(caches), out=self._tensor[..., : self.used, :])
        self.array: NDArray[np.float32] = self._tensor[:, 0].unflatten(0, (-1, 2)).numpy()
        self._lock = threading.Lock()

    def claim(self, place: int) -> bool:
        """Whether the token at `place` may be written: it is the next one, there is room, and nobody else writes it."""
        with self._lock:
            free = place == self.used < self.array.shape[3]
            self.used += free
            return free

    def upto(self, place: int, before: Sequence[Tensor]) -> "Taped":
        """The keys and values of that many tokens, as a module carries them, behind what it carries `before` them."""
        taped = Taped([*before, *self._tensor[..., :place, :].unbind()])
        taped.tape = self
        return taped


class Taped(tuple[Tensor, ...]):
    """What a module carries, its keys and values being on a tape."""

    tape: Tape


def of(weight: Tensor) -> Vector:
    """The weight as an array that changes with it."""
    array: Vector = weight.detach().numpy()
    return array


def linear(layer: nn.Linear) -> Function:
    """W x + b."""
    weight = of(layer.weight)
    if layer.bias is None:
        return lambda x: weight @ x
    bias = of(layer.bias)
    return lambda x: weight @ x + bias


def norm(layer: nn.Module) -> Function:
    """LayerNorm, RMSNorm or none. Raises TypeError for another module."""
    if isinstance(layer, nn.Identity):
        return lambda x: x
    if not isinstance(layer, nn.LayerNorm | nn.RMSNorm) or layer.eps is None:
        raise TypeError(f"no norm that is known here: {layer}")
    weight, eps, size = of(layer.weight), layer.eps, layer.weight.numel()
    if isinstance(layer, nn.RMSNorm):
        return lambda x: weight * (x / np.float32(math.sqrt(x @ x / size + eps)))
    bias = of(layer.bias) if layer.bias is not None else np.float32(0)

    def layer_norm(x: Vector) -> Vector:
        x = x - np.add.reduce(x) / np.float32(size)
        return weight * (x / np.float32(math.sqrt(x @ x / size + eps))) + bias

    return layer_norm


def gelu(x: Vector) -> Vector:
    """Its tanh approximation."""
    return 0.5 * x * (1 + np.tanh(ROOT * (x + 0.044715 * (x * x * x))))


def exact_gelu(x: Vector) -> Vector:
    """x Φ(x)."""
    from scipy.special import erf

    phi: Vector = erf(x / np.float32(math.sqrt(2)))
    return 0.5 * x * (1 + phi)


def squared_relu(x: Vector) -> Vector:
    """max(0, x)²."""
    x = np.maximum(x, 0)
    return x * x


def silu(x: Vector) -> Vector:
    """x σ(x), where exp cannot overflow."""
    return 0.5 * x * (1 + np.tanh(0.5 * x))
