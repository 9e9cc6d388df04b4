"""Optimisers, by the names that they have in the papers, and the average of the weights on their way."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import _muon

from lmzoo.errors import UsageError
from lmzoo.neural.device import cpu_has_bf16
from lmzoo.neural.module import Net, Stack
from lmzoo.neural.training.config import Training

NAMES = ("adamw", "muon", "sgd")


def make(net: Net, training: Training) -> list[torch.optim.Optimizer]:
    """The optimisers of `net`'s weights, each with its learning rate as `initial_lr` of its groups.

    adamw (Loshchilov & Hutter 2019): decay for matrices only. muon (Jordan 2024): the matrices between hidden
    layers get an orthogonalised momentum of the rate `matrix_rate`, all else AdamW. sgd: plain, as Zaremba 2014.
    Raises UsageError for a name that is none of NAMES.
    """
    if training.optimizer not in NAMES:
        raise UsageError(f"no optimizer {training.optimizer!r}; there are: {', '.join(NAMES)}")
    weights = [weight for weight in net.parameters() if weight.requires_grad]
    made: list[torch.optim.Optimizer] = []
    if training.optimizer == "sgd":
        made.append(torch.optim.SGD(weights, training.learning_rate, weight_decay=training.weight_decay, fused=True))
    else:
        inner = _inner(net, weights) if training.optimizer == "muon" else []
        if inner:
            made.append(StackedMuon(inner, _stacked(net), training.matrix_rate, training.weight_decay))
        taken = set(map(id, inner))
        rest = [weight for weight in weights if id(weight) not in taken]
        groups = [
            {"params": [w for w in rest if w.ndim > 1], "weight_decay": training.weight_decay},
            {"params": [w for w in rest if w.ndim <= 1], "weight_decay": 0.0},
        ]
        made.append(
            torch.optim.AdamW(
                [group for group in groups if group["params"]],
                training.learning_rate,
                betas=(0.9, training.beta2),
                fused=True,
            )
        )
    for group in _groups(made):
        group["initial_lr"] = group["lr"]
    return made


def _inner(net: Net, weights: list[nn.Parameter]) -> list[nn.Parameter]:
    """The matrices between hidden layers: neither a table that is looked up nor what makes the logits."""
    tables = {id(module.weight) for module in net.modules() if isinstance(module, nn.Embedding)}
    hidden, _ = net(torch.zeros(1, 1, dtype=torch.long, device=net.device), net.blank(1))
    logits = net.head(hidden.detach())
    of_head = torch.autograd.grad(logits.sum(), weights, allow_unused=True)
    return [
        weight
        for weight, gradient in zip(weights, of_head, strict=True)
        if weight.ndim == 2 and gradient is None and id(weight) not in tables
    ]


def _stacked(net: Net) -> dict[int, list[int]]:
    """The rows of each matrix of a weight (by its id) in which several stand on each other: gates; queries, keys, …"""
    found: dict[int, list[int]] = {}
    for module in net.modules():
        if isinstance(module, nn.RNNBase):
            size = module.hidden_size
            found |= {id(weight): [size] * (len(weight) // size) for weight in module.parameters()}
        elif isinstance(module, Stack):
            found[id(module.weight)] = module.sizes
    return found


class StackedMuon(torch.optim.Muon):
    """Muon (Jordan 2024) in which matrices that stand on each other in one weight are orthogonalised each by itself.

    `stacked` has the rows of each, by the id of the weight; a weight that is not in it is one matrix.
    """

    def __init__(self, weights: list[nn.Parameter], stacked: dict[int, list[int]], rate: float, decay: float):
        self.weights = weights
        self.parts = [
            [nn.Parameter(part) for part in weight.detach().split(stacked.get(id(weight), [len(weight)]))]
            for weight in weights
        ]
        every = [part for parts in self.parts for part in parts]
        # One rate suits matrices of every shape, and the one that suits AdamW.
        super().__init__(every, rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw")

    def step(self, closure: Any = None) -> Any:
        """Give each part its rows of the gradient, and step: the parts are views of the weights."""
        for weight, parts in zip(self.weights, self.parts, strict=True):
            sizes = [len(part) for part in parts]
            gradients = (None,) * len(parts) if weight.grad is None else weight.grad.split(sizes)
            for part, rows, gradient in zip(parts, weight.detach().split(sizes), gradients, strict=True):
                part.data, part.grad = rows, gradient  # anew, lest the weight have moved
        on_cpu = self.weights[0].device.type == "cpu"
        with _orthogonalising_in_float32() if on_cpu and not cpu_has_bf16() else nullcontext():
            return super().step(closure)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of the weights."""
        for weight in self.weights:
            weight.grad = None
        super().zero_grad(set_to_none)


@contextmanager
def _orthogonalising_in_float32() -> Iterator[None]:
    """PyTorch's Muon multiplies in bf16, which a CPU that only emulates it does thirty times as slowly."""
    theirs = _muon._zeropower_via_newtonschulz
    _muon._zeropower_via_newtonschulz = newton_schulz  # type: ignore[assignment]
    try:
        yield
    finally:
        _muon._zeropower_via_newtonschulz = theirs


def newton_schulz(matrix: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """About U Vᵀ of `matrix` = U S Vᵀ (N, M), with singular values of 0.5 to 1.5, in the matrix's own precision.

    X ← aX + b(XXᵀ)X + c(XXᵀ)²X, some `steps`, from X = matrix / |matrix| (Jordan 2024).
    """
    a, b, c = coefficients
    x = matrix.T if len(matrix) > matrix.shape[1] else matrix
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if len(matrix) > matrix.shape[1] else x


def _groups(optimizers: Iterable[torch.optim.Optimizer]) -> list[dict[str, Any]]:
    return [group for optimizer in optimizers for group in optimizer.param_groups]


def set_rate(optimizers: Iterable[torch.optim.Optimizer], factor: float) -> None:
    """Let each learn at `factor` of its own rate."""
    for group in _groups(optimizers):
        group["lr"] = group["initial_lr"] * factor


class Average:
    """The mean of the weights since `add` was first called (Polyak & Juditsky 1992), kept beside them."""

    def __init__(self, net: nn.Module):
        self.weights = list(net.parameters())
        self.mean: list[torch.Tensor] = []
        self.count = 0

    @torch.no_grad()
    def add(self) -> None:
        """Take in the weights as they are now."""
        self.count += 1
        if self.count == 1:
            self.mean = [weight.detach().clone() for weight in self.weights]
        else:
            torch._foreach_lerp_(self.mean, [w.detach() for w in self.weights], 1 / self.count)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the mean and the weights; a second time puts them back. Nothing before the first `add`."""
        for weight, mean in zip(self.weights, self.mean, strict=False):
            kept = weight.detach().clone()
            weight.copy_(mean)
            mean.copy_(kept)
