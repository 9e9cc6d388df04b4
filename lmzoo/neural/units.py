"""A recurrent network one of whose units is held at a value, whatever it reads (Radford et al. 2017, table 5)."""

import torch
from torch import Tensor, nn

from lmzoo.neural.module import Carried, Module


class Clamped(Module):
    """`net` with one unit of what it carries set before and after each token.

    What is predicted behind a token comes from the gates that it opened: the value itself is read with the next one.
    """

    def __init__(self, net: Module, unit: int, value: float):
        super().__init__()
        self.net, self.unit, self.value = net, unit, value

    def initial_state(self, batch: int) -> Carried:
        """That of the network, with the value."""
        return self._set(self.net.initial_state(batch))

    def forward(self, ids: Tensor, carried: Carried) -> tuple[Tensor, Carried]:
        """ids (B, T) → outputs (B, T, D), a token at a time."""
        outputs = []
        for t in range(ids.shape[1]):
            hidden, carried = self.net(ids[:, t : t + 1], self._set(carried))
            outputs.append(hidden)
        return torch.cat(outputs, 1), self._set(carried)

    def held(self, carried: Carried) -> Tensor | None:
        """The network's."""
        return self.net.held(carried)

    def head(self, hidden: Tensor) -> Tensor:
        """The network's."""
        return self.net.head(hidden)

    def layer_modules(self) -> dict[str, nn.Module]:
        """The network's."""
        return self.net.layer_modules()

    def _set(self, carried: Carried) -> Carried:
        changed = tuple(part.clone() for part in carried)
        held = self.net.held(changed)
        assert held is not None
        held[:, self.unit] = self.value
        return changed
