"""The blocks that decoder-only transformers share: attention and MLP around a residual stream x (B, T, D).

A model's file has what is its own: embeddings, positions, which norm and which activation.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import gelu, relu, silu

from lmzoo.errors import UsageError
from lmzoo.interface import Run
from lmzoo.neural import device, step
from lmzoo.neural.attention import Attention
from lmzoo.neural.graphed import GraphedStep, Slots
from lmzoo.neural.module import Carried, FusedLinear, Module
from lmzoo.neural.windowed import Windowed

# Seconds. Compiling takes half a minute on two cores and makes a step in bf16 a third faster.
ENOUGH_TO_COMPILE = 120.0


class MLP(nn.Module):
    """W₂ f(W₁ x), four times as wide; f is GELU (Hendrycks & Gimpel 2016), exact or not, or relu² (So et al. 2021)."""

    def __init__(self, width: int, bias: bool = True, activation: str = "gelu"):
        super().__init__()
        self.activation = activation
        self.up = nn.Linear(width, 4 * width, bias=bias)
        self.down = nn.Linear(4 * width, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) → (…, D)."""
        inner = self.up(x)  # (…, 4 D)
        if self.activation == "relu2":
            return self.down(relu(inner).square())
        # "gelu" is its tanh approximation, as in GPT-1's and GPT-2's code.
        return self.down(gelu(inner, approximate="none" if self.activation == "exact gelu" else "tanh"))

    def numpy_step(self) -> step.Function:
        """`forward` of one token."""
        up, down = step.linear(self.up), step.linear(self.down)
        f = {"relu2": step.squared_relu, "exact gelu": step.exact_gelu}.get(self.activation, step.gelu)
        return lambda x: down(f(up(x)))


class SwiGLU(nn.Module):
    """W₂ (silu(W₁ x) ⊙ W₃ x) (Shazeer 2020): three matrices, so 8/3 as wide inside for as many weights as an `MLP`."""

    def __init__(self, width: int, bias: bool = False):
        super().__init__()
        inner = -(-8 * width // 3 // 8) * 8  # rounded up to a multiple of 8
        self.up = FusedLinear(width, [inner, inner], bias)
        self.down = nn.Linear(inner, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) → (…, D)."""
        gate, inner = self.up(x).chunk(2, -1)
        return self.down(silu(gate) * inner)

    def numpy_step(self) -> step.Function:
        """`forward` of one token."""
        up, down, half = step.linear(self.up), step.linear(self.down), self.up.sizes[0]

        def mlp(x: step.Vector) -> step.Vector:
            inner = up(x)
            return down(step.silu(inner[:half]) * inner[half:])

        return mlp


class Block(nn.Module):
    """A layer. Pre-norm: x ← x + attention(norm(x)), x ← x + MLP(norm(x)), as GPT-2.

    Post-norm: x ← norm(x + attention(x)), x ← norm(x + MLP(x)), as Vaswani et al. 2017 and GPT-1.
    """

    def __init__(
        self, attention: Attention, mlp: nn.Module, norms: list[nn.Module], dropout: float, norm_first: bool = True
    ):
        super().__init__()
        self.norm_first = norm_first
        self.norms = nn.ModuleList(norms)
        self.attention = attention
        self.mlp = mlp
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, cache: Any, x0: Tensor | None = None) -> tuple[Tensor, Any]:  # noqa: ARG002
        """x (B, T, D) after `cache` → (B, T, D), and the cache with these T tokens; x₀ is what the first layer read.

        `cache` is whatever the block's attention takes beside x: of `BothWays`, which tokens are no padding.
        """
        norm_1, norm_2 = self.norms
        if self.norm_first:
            added, after = self.attention(norm_1(x), cache)
            x = x + self.dropout(added)
            return x + self.dropout(self.mlp(norm_2(x))), after
        added, after = self.attention(x, cache)
        x = norm_1(x + self.dropout(added))
        return norm_2(x + self.dropout(self.mlp(x))), after

    def numpy_step(self) -> step.Layer:
        """`forward` of one token: x (D,), what the first layer read (D,), a tape of keys and values, its place → x."""
        norm_1, norm_2 = (step.norm(norm) for norm in self.norms)
        attention, mlp = self.attention.numpy_step(), self.mlp.numpy_step()  # type: ignore[operator]

        def pre_norm(x: step.Vector, _: step.Vector, tape: NDArray[np.float32], place: int) -> step.Vector:
            x = x + attention(norm_1(x), tape, place)
            return x + mlp(norm_2(x))

        def post_norm(x: step.Vector, _: step.Vector, tape: NDArray[np.float32], place: int) -> step.Vector:
            x = norm_1(x + attention(x, tape, place))
            return norm_2(x + mlp(x))

        return pre_norm if self.norm_first else post_norm


class TransformerModule(Module):
    """Embeddings → blocks → norm → softmax. A subclass makes `embedding`, `blocks`, `norm`, `output`, and `embed`.

    Carried on are the keys and values of each layer; nothing in training.
    """

    embedding: nn.Embedding
    blocks: nn.ModuleList
    norm: nn.Module
    output: nn.Linear
    _step: Callable[[Tensor, Carried], tuple[Tensor, Carried]] | None = None
    _weights_at = 0  # where in memory they were when `_step` was made

    @property
    def device(self) -> torch.device:
        """Where its weights are, found quickly: it is asked for at every token."""
        return self.embedding.weight.device

    def embed(self, ids: Tensor, first: int) -> Tensor:
        """What the first block reads of ids (B, T) at positions `first` and on: (B, T, D)."""
        raise NotImplementedError

    def initial_state(self, batch: int) -> Carried:  # noqa: ARG002
        """Nothing has been read."""
        return ()

    def forward(self, ids: Tensor, carried: Carried) -> tuple[Tensor, Carried]:
        """ids (B, T) → hidden vectors (B, T, D), each of the tokens up to its own."""
        x = self.embed(ids, carried[0].shape[-2] if carried else 0)
        caches: list[Tensor] = []
        for n, block in enumerate(self.blocks):
            x, (keys, values) = block(x, (carried[2 * n], carried[2 * n + 1]) if carried else None)
            caches += [keys, values]
        return self.norm(x), () if self.training else tuple(caches)

    def next(self, ids: Tensor, carried: Carried) -> tuple[Tensor, Carried]:
        """`forward` of one token (1, 1) after others, of a network that is not trained: in NumPy or by a CUDA graph."""
        make = {"cpu": self._numpy_step, "cuda": self._graphed_step}.get(self.embedding.weight.device.type)
        if make is None or not carried:
            return self(ids, carried)
        if self._weights_at != self.embedding.weight.data_ptr():
            self._weights_at, (expected, _) = self.embedding.weight.data_ptr(), self(ids, carried)
            self._step = make()
            # Another's network may compute otherwise than its blocks say.
            if self._step and not torch.allclose(self._step(ids, carried)[0], expected, atol=1e-3, rtol=1e-3):
                self._step = None
        return self._step(ids, carried) if self._step else self(ids, carried)

    def _numpy_step(self) -> Callable[[Tensor, Carried], tuple[Tensor, Carried]] | None:
        """None where a module has no such step, or computes in another precision."""
        if self.embedding.weight.dtype != torch.float32:
            return None
        try:
            steps, norm = [block.numpy_step() for block in self.blocks], step.norm(self.norm)  # type: ignore[operator]
        except (AttributeError, TypeError):
            return None

        def one(ids: Tensor, carried: Carried) -> tuple[Tensor, Carried]:
            # The ids of what was read, if they are carried, then keys and values.
            older, caches = carried[: len(carried) % 2], carried[len(carried) % 2 :]
            read, place = torch.cat([*older, ids], 1), caches[0].shape[2]
            tape = carried.tape if isinstance(carried, step.Taped) else step.Tape(caches)
            if not tape.claim(place):
                tape = step.Tape(caches)
                tape.claim(place)
            x = first = self.embed(read, place)[0, 0].numpy()
            for layer, block in enumerate(steps):
                x = block(x, first, tape.array[layer], place)
            return torch.from_numpy(norm(x))[None, None], tape.upto(place + 1, [read] if older else [])

        return one

    def _graphed_step(self) -> Callable[[Tensor, Carried], tuple[Tensor, Carried]]:
        """With slots for a window on the GPU."""

        def layers(x: Tensor, slots: list[Slots]) -> Tensor:
            first = x
            for block, own in zip(self.blocks, slots, strict=True):
                x, _ = block(x, own, first)
            return self.norm(x)

        graphed = GraphedStep(layers)
        last: tuple[Carried, list[Tensor]] = (), []

        def one(ids: Tensor, carried: Carried) -> tuple[Tensor, Carried]:
            nonlocal last
            older, caches = carried[: len(carried) % 2], carried[len(carried) % 2 :]
            read = torch.cat([*older, ids], 1)
            x = self.embed(read, caches[0].shape[2])
            hidden, after = graphed(x, last[1] if carried is last[0] else caches)
            last = (*([read] if older else []), *after), after
            return hidden, last[0]

        return one

    def layer_modules(self) -> dict[str, nn.Module]:
        """The embedding table and the blocks; of the last one what the softmax sees, behind the norm."""
        outputs = [*list(self.blocks)[:-1], self.norm]
        return {"embedding": self.embedding} | {f"layer {n}": module for n, module in enumerate(outputs, 1)}

    def flops(self, window: int) -> float:
        """Those of the weights and of the products of queries, keys and values: 12 · layers · width · window."""
        return super().flops(window) + 12.0 * len(self.blocks) * self.embedding.embedding_dim * window

    def blocks_to_share(self) -> list[nn.Module]:
        """The layers."""
        return list(self.blocks)

    def initialise(self, residual_scale: float) -> None:
        """N(0, 0.02) for matrices, those that add to the residual stream times `residual_scale`; biases are zero."""
        for name, weight in self.named_parameters():
            if weight.ndim > 1:
                nn.init.normal_(weight, std=0.02 * residual_scale if adds_to_residual(name) else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(weight)


def adds_to_residual(name: str) -> bool:
    """Whether a weight of that name makes what is added to the residual stream."""
    return name.endswith(("attention.out.weight", "mlp.down.weight"))


def gpt2_scale(layers: int) -> float:
    """1/√N of N residual additions, two a layer, so that their sum keeps its variance (Radford et al. 2019, 2.3)."""
    return 1 / math.sqrt(2 * layers)


@dataclass
class Transformer(Windowed):
    """What the decoder-only transformers share in their settings."""

    def compile_pays(self, run: Run) -> bool:
        """On a CPU too, where a budget of time has room for it."""
        timed = run.steps is None and run.tokens is None and run.flops is None
        enough = run.seconds is None or run.seconds >= ENOUGH_TO_COMPILE
        on_cpu = timed and enough and device.find(run.device).type == "cpu"
        return super().compile_pays(run) or (on_cpu and device.can_compile_for_cpu())

    def check_sizes(self, **least: float) -> None:
        """Raise UsageError also where heads do not share the width."""
        super().check_sizes(layers=1, heads=1, width=1, **least)
        settings: dict[str, Any] = self.config()
        heads, kv_heads = settings["heads"], settings.get("kv_heads", 0)
        check_shared(settings["width"], heads)
        if heads % (kv_heads or heads):
            raise UsageError(f"{heads} heads cannot share {kv_heads} kv_heads: choose a divisor")


def check_shared(width: int, heads: int) -> None:
    """Raise UsageError where heads cannot share the width."""
    if width % heads:
        raise UsageError(f"a width of {width} cannot be shared by {heads} heads: choose a multiple")


def check_even(positions: str, width: int, heads: int) -> None:
    """Raise UsageError where the features of a head cannot be paired."""
    if width // heads % 2:
        raise UsageError(f"{positions} positions need an even width of each head, not {width}/{heads}")


def rms_norm(width: int) -> nn.Module:
    """x / RMS(x), times a learned gain (Zhang & Sennrich 2019)."""
    return nn.RMSNorm(width, eps=1e-5)
