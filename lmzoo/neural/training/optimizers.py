"""Optimisers under the names of their papers, and the average of the weights."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import _muon

from lmzoo.errors import one_of
from lmzoo.neural.device import cpu_has_bf16
from lmzoo.neural.module import FusedLinear, Module
from lmzoo.neural.training.config import Training

NAMES = ("adamw", "muon", "sgd")


def create(module: Module, training: Training) -> list[torch.optim.Optimizer]:
    """The optimisers of `module`'s weights; each of their groups keeps its peak learning rate as `initial_lr`.

    adamw (Loshchilov & Hutter 2019): weight decay for matrices only. muon (Jordan 2024): the hidden matrices get an
    orthogonalised momentum of the rate `matrix_rate`, all other weights AdamW. sgd: plain, as Zaremba 2014.
    Raises UsageError for a name that is none of NAMES.
    """
    one_of("optimizer", training.optimizer, NAMES)
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    optimizers: list[torch.optim.Optimizer] = []
    if training.optimizer == "sgd":
        optimizers.append(
            torch.optim.SGD(weights, training.learning_rate, weight_decay=training.weight_decay, fused=True)
        )
    else:
        matrices = module.hidden_matrices() if training.optimizer == "muon" else []
        if matrices:
            optimizers.append(FusedMuon(matrices, fused_rows(module), training.matrix_rate, training.weight_decay))
        taken = set(map(id, matrices))
        rest = [weight for weight in weights if id(weight) not in taken]
        groups = [
            {"params": [w for w in rest if w.ndim > 1], "weight_decay": training.weight_decay},
            {"params": [w for w in rest if w.ndim <= 1], "weight_decay": 0.0},
        ]
        optimizers.append(
            torch.optim.AdamW(
                [group for group in groups if group["params"]],
                training.learning_rate,
                betas=(0.9, training.beta2),
                fused=True,
            )
        )
    for group in _groups(optimizers):
        group["initial_lr"] = group["lr"]
    return optimizers


def fused_rows(module: Module) -> dict[int, list[int]]:
    """The rows of each matrix in a fused weight, by the weight's id: the gates of an LSTM; queries, keys, values."""
    rows: dict[int, list[int]] = {}
    for part in module.modules():
        if isinstance(part, nn.RNNBase):
            size = part.hidden_size
            rows |= {id(weight): [size] * (len(weight) // size) for weight in part.parameters()}
        elif isinstance(part, FusedLinear):
            rows[id(part.weight)] = part.sizes
    return rows


class FusedMuon(torch.optim.Muon):
    """Muon (Jordan 2024) that orthogonalises each matrix of a fused weight by itself.

    `rows` are those of each matrix, by the weight's id; a weight that is not in it is one matrix.
    """

    def __init__(self, weights: list[nn.Parameter], rows: dict[int, list[int]], rate: float, decay: float):
        self.weights = weights
        self.parts = [
            [nn.Parameter(part) for part in weight.detach().split(rows.get(id(weight), [len(weight)]))]
            for weight in weights
        ]
        # With updates scaled to the RMS of AdamW's, one rate suits matrices of every shape.
        super().__init__(
            [part for parts in self.parts for part in parts], rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw"
        )

    def step(self, closure: Any = None) -> Any:
        """Give each part its rows of the gradient, and step: parts are views of the weights."""
        for weight, parts in zip(self.weights, self.parts, strict=True):
            sizes = [len(part) for part in parts]
            gradients = (None,) * len(parts) if weight.grad is None else weight.grad.split(sizes)
            for part, rows, gradient in zip(parts, weight.detach().split(sizes), gradients, strict=True):
                part.data, part.grad = rows, gradient  # the view is taken again, as the weight may have moved
        on_cpu = self.weights[0].device.type == "cpu"
        with _orthogonalising_in_float32() if on_cpu and not cpu_has_bf16() else nullcontext():
            return super().step(closure)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of the whole weights too."""
        for weight in self.weights:
            weight.grad = None
        super().zero_grad(set_to_none)


@contextmanager
def _orthogonalising_in_float32() -> Iterator[None]:
    """PyTorch's Muon multiplies in bf16, which is thirty times slower on a CPU that only emulates it."""
    original = _muon._zeropower_via_newtonschulz
    _muon._zeropower_via_newtonschulz = newton_schulz  # type: ignore[assignment]
    try:
        yield
    finally:
        _muon._zeropower_via_newtonschulz = original


def newton_schulz(matrix: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """Orthogonalise: about U Vᵀ of `matrix` = U S Vᵀ (N, M), with singular values of 0.5 to 1.5 (Jordan 2024).

    X ← aX + b(XXᵀ)X + c(XXᵀ)²X for `steps` iterations from X = matrix / |matrix|, in the matrix's own precision.
    """
    a, b, c = coefficients
    x = matrix.T if len(matrix) > matrix.shape[1] else matrix  # the Gram matrix is the smaller one
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if len(matrix) > matrix.shape[1] else x


def _groups(optimizers: Iterable[torch.optim.Optimizer]) -> list[dict[str, Any]]:
    return [group for optimizer in optimizers for group in optimizer.param_groups]


def set_rate(optimizers: Iterable[torch.optim.Optimizer], factor: float) -> None:
    """Set each learning rate to `factor` of its peak."""
    for group in _groups(optimizers):
        group["lr"] = group["initial_lr"] * factor


class Average:
    """The running mean of the weights since the first `add` (Polyak & Juditsky 1992)."""

    def __init__(self, net: nn.Module):
        self.weights = list(net.parameters())
        self.mean: list[torch.Tensor] = []
        self.count = 0

    @torch.no_grad()
    def add(self) -> None:
        """Include the weights as they are now."""
        self.count += 1
        if self.count == 1:
            self.mean = [weight.detach().clone() for weight in self.weights]
        else:
            torch._foreach_lerp_(self.mean, [w.detach() for w in self.weights], 1 / self.count)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the mean and the weights; a second time puts them back. Nothing before the first `add`."""
        for weight, mean in zip(self.weights, self.mean, strict=False):
            current = weight.detach().clone()
            weight.copy_(mean)
            mean.copy_(current)
