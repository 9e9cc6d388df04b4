"""The PyTorch module behind a neural model: ids to hidden vectors, hidden vectors to logits."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.modules.module import register_module_parameter_registration_hook

from lmzoo.errors import FormatError
from lmzoo.interface import Ids
from lmzoo.neural import barriers
from lmzoo.neural.softmax import AdaptiveSoftmax, FullLoss

# What is carried from one token to the next: LSTM states, a KV cache, the last ids. The first axis of each is B.
Carried = tuple[Tensor, ...]


class FusedLinear(nn.Linear):
    """A fused projection: several matrices with `sizes` rows each in one product (Q, K and V, say).

    Muon orthogonalises each of them by itself.
    """

    def __init__(self, width: int, sizes: list[int], bias: bool):
        super().__init__(width, sum(sizes), bias)
        self.sizes = sizes


class Module(nn.Module):
    """`forward(ids (B, T), carried) → (hidden (B, T, D), carried)` and `head(hidden) → logits (B, T, V)`.

    Position t of `hidden` has read ids 0 … t, so its logits are of token t + 1. `carried` holds what was read before
    (`initial_state`: nothing). States are values: what is given is left as it is, what comes back is new.
    """

    def __init__(self) -> None:
        super().__init__()
        barriers.adapt()

    def initial_state(self, batch: int) -> Carried:
        """What `batch` texts carry before their first token."""
        raise NotImplementedError

    def forward(self, ids: Tensor, carried: Carried) -> tuple[Tensor, Carried]:
        """Read ids (B, T): the hidden vectors (B, T, D), and what is carried on after the last."""
        raise NotImplementedError

    def held(self, carried: Carried) -> Tensor | None:  # noqa: ARG002
        """What the units of the top recurrent layer hold, (B, H), a view of `carried`: c of an LSTM, h of others.

        None: it has no such units.
        """
        return None

    def before_output(self, hidden: Tensor) -> Tensor:
        """What the softmax sees of hidden vectors (…, D): dropout of them, say."""
        return hidden

    def next(self, ids: Tensor, carried: Carried) -> tuple[Tensor, Carried]:
        """`forward` of one token (1, 1) after others, where that can be faster."""
        return self(ids, carried)

    def head(self, hidden: Tensor) -> Tensor:
        """Logits (…, V) of the token that follows each hidden vector (…, D)."""
        logits: Tensor = self.get_submodule("output")(self.before_output(hidden))
        return logits

    def loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Mean -log P of `targets` (B, T) by the hidden vectors (B, T, D) before them, in nats."""
        softmax = self.get_submodule("output")
        if isinstance(softmax, AdaptiveSoftmax):
            return softmax.loss(self.before_output(hidden), targets)
        plain = isinstance(softmax, nn.Linear) and type(self).head is Module.head
        # Only compiled is it faster, as it then makes one pass of what are twelve; and a CPU's losses stay as they are.
        if plain and hidden.is_cuda and torch.is_grad_enabled() and torch.compiler.is_compiling():
            vectors = self.before_output(hidden).flatten(0, -2)
            return FullLoss.apply(vectors, softmax.weight, softmax.bias, targets.flatten())
        return cross_entropy(self.head(hidden).float().flatten(0, -2), targets.flatten())  # logits (B, T, V)

    def follows(self, first: Tensor) -> Tensor:
        """Logits (B, 2) of the second half of a text following the first, by the vectors (B, D) of its first id."""
        raise NotImplementedError

    def decoded(self, memory: Tensor, seen: Tensor, targets: Tensor) -> Tensor:
        """The vectors (B, T, D) that targets (B, T) are predicted from, after sources with vectors `memory` (B, S, D).

        `seen` (B, S) is False at the padding of sources.
        """
        raise NotImplementedError

    def look_at(self, text: Ids) -> None:
        """Learn from the training text (T,) what is not learned by gradient descent: which tokens are frequent."""
        for part in self.modules():
            if isinstance(part, AdaptiveSoftmax):
                ids = torch.from_numpy(np.asarray(text, dtype=np.int64)).to(self.device)
                part.order_by(torch.bincount(ids, minlength=len(part.rank)))

    def auxiliary_losses(self, hidden: Tensor) -> Mapping[str, Tensor]:  # noqa: ARG002
        """Terms that a training step adds to the loss, by name, in nats per token: none by default."""
        return {}

    # ── Layers, for probing ───────────────────────────────────────────────────────────────────────

    def layer_modules(self) -> dict[str, nn.Module]:
        """The modules whose outputs are a token's vectors, by the names of the layers, lowest first."""
        layers = self.get_submodule("layers").children()
        return {"embedding": self.get_submodule("embedding")} | {f"layer {n}": m for n, m in enumerate(layers, 1)}

    def all_layers(self, ids: Tensor, carried: Carried) -> tuple[list[Tensor], Carried]:
        """The vectors (B, T, D) of ids (B, T) in each layer, lowest first, and what is carried on after the last id."""
        outputs: list[Tensor] = []

        def record(_module: nn.Module, _arguments: Any, output: Any) -> None:
            outputs.append(output[0] if isinstance(output, tuple) else output)

        hooks = [module.register_forward_hook(record) for module in self.layer_modules().values()]
        try:
            _, carried = self(ids, carried)
        finally:
            for hook in hooks:
                hook.remove()
        return outputs, carried

    # ── Weights ───────────────────────────────────────────────────────────────────────────────────

    def hidden_matrices(self) -> list[nn.Parameter]:
        """The matrices between hidden layers, which Muon trains: no embedding table, and not the softmax's matrix."""
        outside = {id(module.weight) for module in self.modules() if isinstance(module, nn.Embedding)}
        outside |= {id(weight) for weight in self.get_submodule("output").parameters()}
        return [w for w in self.parameters() if w.requires_grad and w.ndim == 2 and id(w) not in outside]

    def flops(self, window: int) -> float:  # noqa: ARG002
        """Floating-point operations of a training step for each token (Kaplan et al. 2020, section 2.1).

        Each weight of a matrix costs a multiplication and an addition in the forward pass and four operations in the
        backward pass; looking up a table costs none. A transformer adds the products of attention over `window`. An
        adaptive softmax counts in full, though each token needs a part of it.
        """
        tables = {id(module.weight) for module in self.modules() if isinstance(module, nn.Embedding)}
        used = [module.weight for module in self.modules() if isinstance(module, nn.Linear)]
        tables -= set(map(id, used))  # an embedding tied to the output is multiplied too
        return 6.0 * sum(w.numel() for w in self.parameters() if w.ndim == 2 and id(w) not in tables)

    def blocks_to_share(self) -> list[nn.Module]:
        """The parts whose weights several processes share, each gathering one part at a time; none: it cannot be."""
        return []

    def weights(self) -> dict[str, Tensor]:
        """All that is learned, by name; a tied weight once, under its first name."""
        seen: set[int] = set()
        unique = {}
        for name, value in self.state_dict(keep_vars=True).items():
            if id(value) not in seen:
                unique[name] = value.detach()
            seen.add(id(value))
        return unique

    @torch.no_grad()
    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """The inverse of `weights`. Raises KeyError for one that is missing, ValueError for one that cannot be."""
        for name, value in self.weights().items():
            if value.shape != weights[name].shape:
                raise ValueError(f"{name} is {tuple(weights[name].shape)} where {tuple(value.shape)} is expected")
            value.copy_(weights[name])
        for part in self.modules():
            if isinstance(part, AdaptiveSoftmax):
                part.check()

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device


@contextmanager
def weights_at_most(limit: int) -> Iterator[None]:
    """Stop a module being built that has more weights than its file can hold, before they take memory."""
    total = 0

    def count(module: torch.nn.Module, name: str, weight: Any) -> None:  # noqa: ARG001
        nonlocal total
        total += weight.numel() if weight is not None else 0
        if total > limit:
            raise FormatError("its settings ask for many more weights than there are in its file")

    with register_module_parameter_registration_hook(count):
        yield
