"""What the file of a neural model brings: a module that turns ids into hidden vectors, and those into logits."""

from typing import Any

import torch
from torch import Tensor, nn

Memory = tuple[Tensor, ...]  # what a net carries from one token to the next; each tensor is (B, …)


class Stack(nn.Linear):
    """Several matrices of `sizes` rows that stand on each other, for one product; an optimiser may take them apart."""

    def __init__(self, width: int, sizes: list[int], bias: bool):
        super().__init__(width, sum(sizes), bias)
        self.sizes = sizes


class Net(nn.Module):
    """`forward(ids (B, T), memory) → (hidden (B, T, D), memory)` and `head(hidden) → logits (B, T, V)`.

    Position t of `hidden` has read ids 0 … t, so its logits are of token t + 1. `memory` is what was read before
    (`blank`: nothing), as new tensors each time: none that was given is changed.
    """

    def blank(self, batch: int) -> Memory:
        """The memory of `batch` texts that have not begun."""
        raise NotImplementedError

    def forward(self, ids: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Read ids (B, T): the hidden vectors (B, T, D) and the memory after the last."""
        raise NotImplementedError

    def head(self, hidden: Tensor) -> Tensor:
        """Logits (…, V) of the token that follows each hidden vector (…, D)."""
        raise NotImplementedError

    def stages(self) -> dict[str, nn.Module]:
        """The modules that put out a token's vectors, by the names of their layers, lowest first."""
        layers = self.get_submodule("layers").children()
        return {"embedding": self.get_submodule("embedding")} | {f"layer {n}": m for n, m in enumerate(layers, 1)}

    def every_layer(self, ids: Tensor, memory: Memory) -> tuple[list[Tensor], Memory]:
        """What each of `stages` makes of ids (B, T): vectors (B, T, D); and the memory after the last."""
        seen: list[Tensor] = []

        def see(_module: nn.Module, _arguments: Any, output: Any) -> None:
            seen.append(output[0] if isinstance(output, tuple) else output)

        hooks = [module.register_forward_hook(see) for module in self.stages().values()]
        try:
            _, memory = self(ids, memory)
        finally:
            for hook in hooks:
                hook.remove()
        return seen, memory

    def penalty(self, hidden: Tensor) -> Tensor | float:  # noqa: ARG002
        """What is added to the loss of a training step, nats per token: nothing, but for nets that say so."""
        return 0.0

    def flops(self, window: int) -> float:  # noqa: ARG002
        """Floating-point operations of a training step for each token (Kaplan et al. 2020, section 2.1).

        For each weight of a matrix two to multiply and add going forward and four going back; a table that is only
        looked up costs none. A net with products of activations (attention) adds them for its `window`.
        """
        tables = {id(module.weight) for module in self.modules() if isinstance(module, nn.Embedding)}
        used = [module.weight for module in self.modules() if isinstance(module, nn.Linear)]
        tables -= set(map(id, used))  # an embedding tied to the output is multiplied too
        return 6.0 * sum(w.numel() for w in self.parameters() if w.ndim == 2 and id(w) not in tables)

    def weights(self) -> dict[str, Tensor]:
        """All that it has learned, by name; a weight with two names (tied) by its first."""
        seen: set[int] = set()
        found = {}
        for name, value in self.state_dict().items():
            if value.data_ptr() not in seen or not value.numel():
                found[name] = value
            seen.add(value.data_ptr())
        return found

    @torch.no_grad()
    def put_weights(self, weights: dict[str, Tensor]) -> None:
        """The inverse of `weights`. Raises KeyError for one that is missing, ValueError for one of another shape."""
        for name, value in self.weights().items():
            if value.shape != weights[name].shape:
                raise ValueError(f"{name} is {tuple(weights[name].shape)} where {tuple(value.shape)} is expected")
            value.copy_(weights[name])

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device
