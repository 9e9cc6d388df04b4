"""Optimisers under the names of their papers, and the average of the weights."""

import inspect
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import accumulate
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lmzoo.errors import one_of
from lmzoo.neural.device import cpu_has_bf16
from lmzoo.neural.module import FusedLinear, Module
from lmzoo.neural.training.config import Training

NAMES = ("adamw", "muon", "sgd")
AT_ONCE = 1 << 24  # numbers of the matrices that are orthogonalised together; bounds the memory of a step
Matrices = tuple[Tensor, Tensor, Tensor, list[int]]  # a weight, its gradient and momentum, and the rows of each matrix


def create(module: Module, training: Training) -> list[torch.optim.Optimizer]:
    """The optimisers of `module`'s weights; each of their groups keeps its peak learning rate as `initial_lr`.

    adamw (Loshchilov & Hutter 2019): weight decay for matrices only. muon (Jordan 2024): the hidden matrices get an
    orthogonalised momentum of the rate `matrix_rate`, all other weights AdamW. sgd: plain, as Zaremba 2014. Biases and
    gains have no weight decay in any of them.
    Raises UsageError for a name that is none of NAMES.
    """
    one_of("optimizer", training.optimizer, NAMES)
    leave_the_compiler()
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    shared = type(weights[0]) is not nn.Parameter  # among processes
    optimizers: list[torch.optim.Optimizer] = []
    matrices = module.hidden_matrices() if training.optimizer == "muon" else []
    if matrices:
        kind = SharedMuon if shared else FusedMuon
        optimizers.append(kind(matrices, fused_rows(module), training.matrix_rate, training.weight_decay))
    taken = set(map(id, matrices))
    rest = [weight for weight in weights if id(weight) not in taken]
    groups: list[dict[str, Any]] = [
        {"params": [w for w in rest if w.ndim > 1], "weight_decay": training.weight_decay},
        {"params": [w for w in rest if w.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if training.optimizer == "sgd":  # PyTorch has no fused one for shared weights
        optimizers.append(torch.optim.SGD(groups, training.learning_rate, fused=not shared))
    else:
        betas = training.beta1, training.beta2
        optimizers.append(torch.optim.AdamW(groups, training.learning_rate, betas=betas, fused=True))
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
    """Muon (Jordan 2024) that orthogonalises each matrix of a fused weight by itself, and all of one shape at once.

    `rows` are those of each matrix, by the weight's id; a weight that is not in it is one matrix.
    """

    def __init__(self, weights: list[nn.Parameter], rows: dict[int, list[int]], rate: float, decay: float):
        super().__init__(weights, rate, weight_decay=decay)
        self.rows = [rows.get(id(weight), [len(weight)]) for weight in weights]

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:  # noqa: ARG002 (PyTorch's signature)
        """M ← μM + (1-μ)G, W ← (1-ηλ)W - 0.2 η √(longer side) · orthogonalised(μM + (1-μ)G) (Nesterov)."""
        (group,) = self.param_groups
        whole: list[Matrices] = []
        for weight, rows in zip(group["params"], self.rows, strict=True):
            if weight.grad is None:
                continue
            state = self.state[weight]
            if not state:
                state["momentum_buffer"] = torch.zeros_like(weight)
            state["momentum_buffer"].lerp_(weight.grad, 1 - group["momentum"])
            weight.mul_(1 - group["lr"] * group["weight_decay"])
            whole.append((weight, weight.grad, state["momentum_buffer"], rows))
        self._descend(whole, group["lr"], group["momentum"])

    def _descend(self, whole: Sequence[Matrices], rate: float, inertia: float) -> None:
        alike: dict[tuple[int, ...], list[tuple[Tensor, ...]]] = defaultdict(list)  # matrix, gradient, momentum
        for weight, gradient, momentum, rows in whole:
            for part in zip(weight.split(rows), gradient.split(rows), momentum.split(rows), strict=True):
                tall = len(part[0]) > part[0].shape[1]  # lying down, the Gram matrix is the smaller one
                alike[tuple(sorted(part[0].shape))].append(tuple(x.T for x in part) if tall else part)
        for shape, parts in alike.items():
            # Scaled to the RMS of AdamW's updates, one rate suits matrices of every shape (Liu et al. 2025).
            scale, many = -0.2 * rate * math.sqrt(max(shape)), max(1, AT_ONCE // math.prod(shape))
            for batch in (parts[n : n + many] for n in range(0, len(parts), many)):
                directions = torch.stack([gradient.lerp(momentum, inertia) for _, gradient, momentum in batch])
                for (matrix, *_), direction in zip(batch, self._orthogonal(directions), strict=True):
                    matrix.add_(direction, alpha=scale)

    def _orthogonal(self, matrices: Tensor) -> Tensor:
        """In bf16, but not on a CPU that only emulates it: that is thirty times slower."""
        emulated = matrices.device.type == "cpu" and not cpu_has_bf16()
        (group,) = self.param_groups
        given = group["ns_coefficients"], group["ns_steps"], group["eps"]
        return newton_schulz(matrices if emulated else matrices.bfloat16(), *given)


class SharedMuon(FusedMuon):
    """Muon of weights of which each process has some rows: matrices are gathered, and orthogonalised by one process."""

    def _descend(self, whole: Sequence[Matrices], rate: float, inertia: float) -> None:
        from torch.distributed.tensor import distribute_tensor

        while whole:
            sizes = accumulate(weight.numel() for weight, *_ in whole)
            count = max(1, sum(size <= AT_ONCE for size in sizes))  # gathered at once
            some, whole = whole[:count], whole[count:]
            updates: Any = [gradient.lerp(momentum, inertia) for _, gradient, momentum, _ in some]
            updates = [update.full_tensor() for update in updates]
            changes = [torch.zeros_like(update) for update in updates]
            rows = [rows for *_, rows in some]
            super()._descend(list(zip(changes, updates, updates, rows, strict=True)), rate, inertia)
            for (weight, *_), change in zip(some, changes, strict=True):
                mesh, placements = weight.device_mesh, weight.placements  # type: ignore[attr-defined]
                weight.add_(distribute_tensor(change, mesh, placements, src_data_rank=None))  # its own rows of it

    def _orthogonal(self, matrices: Tensor) -> Tensor:
        """Each process an equal number of them, the last ones of zeros."""
        rank, size = dist.get_rank(), dist.get_world_size()
        each = -(-len(matrices) // size)
        padding = matrices.new_zeros(each * size - len(matrices), *matrices.shape[1:])
        own = super()._orthogonal(torch.cat([matrices, padding])[rank * each : (rank + 1) * each])
        every = own.new_empty(each * size, *own.shape[1:])
        dist.all_gather(list(every.view(torch.uint8).chunk(size)), own.contiguous().view(torch.uint8))
        return every[: len(matrices)]


def newton_schulz(matrices: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """Orthogonalise: about U Vᵀ of each of `matrices`, U S Vᵀ (B, N, M), N ≤ M, with singular values of 0.5 to 1.5.

    X ← aX + b(XXᵀ)X + c(XXᵀ)²X for `steps` iterations from X = matrix / |matrix|, in their own precision (Jordan 2024).
    """
    a, b, c = coefficients
    x = matrices / matrices.flatten(1).norm(dim=1).clamp(min=eps)[:, None, None]
    for _ in range(steps):
        gram = x @ x.mT  # (B, N, N)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def _groups(optimizers: Iterable[torch.optim.Optimizer]) -> list[dict[str, Any]]:
    return [group for optimizer in optimizers for group in optimizer.param_groups]


def set_rate(optimizers: Iterable[torch.optim.Optimizer], factor: float) -> None:
    """Set each learning rate to `factor` of its peak."""
    for group in _groups(optimizers):
        group["lr"] = group["initial_lr"] * factor


def split(optimizers: Iterable[torch.optim.Optimizer], shares: dict[int, float]) -> None:
    """Give each weight, by its id, a peak learning rate of its own: a share of that of its group."""
    for optimizer in optimizers:
        parts: dict[tuple[int, float], dict[str, Any]] = {}
        for n, group in enumerate(optimizer.param_groups):
            for weight in group["params"]:
                share = shares[id(weight)]
                part = {**group, "params": [], "initial_lr": group["initial_lr"] * share}
                parts.setdefault((n, share), part)["params"].append(weight)
        optimizer.param_groups[:] = parts.values()


@torch.no_grad()
def step(optimizers: Iterable[torch.optim.Optimizer]) -> None:
    """Change the weights, and drop their gradients."""
    for optimizer in optimizers:
        inspect.unwrap(type(optimizer).step)(optimizer)  # its decorators import the compiler: `leave_the_compiler`
        optimizer.zero_grad()


@cache
def leave_the_compiler() -> None:
    """Let optimisers be made and saved without importing PyTorch's compiler, which takes two to five seconds.

    They import it to keep it out of what they do. No step of an optimiser is compiled here.
    """
    for name in ("add_param_group", "zero_grad", "state_dict", "load_state_dict"):
        method: Any = inspect.unwrap(getattr(torch.optim.Optimizer, name))
        if not hasattr(method, "__dynamo_disable"):
            method.__dynamo_disable = method  # what the decorator calls, where it has found that once


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
