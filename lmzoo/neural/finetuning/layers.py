"""The layers of a network by the names of its weights: which are transferred, which learn when, and how fast.

0        embeddings and positions
1 … L    the layers
L + 1    what stands above them: the last norm, a softmax that is not tied
L + 2    what is new: the head and the markers
"""

import re

from torch import nn

from lmzoo.errors import UsageError
from lmzoo.neural.module import Module

NUMBERED = re.compile(r"(?:^|\.)(?:blocks|layers)\.(\d+)\.|_l(\d+)$")  # blocks.3.mlp.up.weight, weight_hh_l0
LOWEST = ("embedding.", "positions.", "ngrams.")
NEW = ("classifier.", "embedding.markers")


class Layers:
    """The depth of each weight of a network."""

    def __init__(self, network: Module):
        numbers = {name: NUMBERED.search(name) for name in network.weights()}
        of_layers = {name: 1 + int(found[1] or found[2]) for name, found in numbers.items() if found}
        self.count = max(of_layers.values(), default=0)  # L
        self.depth = {name: of_layers.get(name, 0 if name.startswith(LOWEST) else self.count + 1) for name in numbers}

    def check(self, transferred: int) -> None:
        """Raise UsageError for more layers than there are."""
        if not -1 <= transferred <= self.count:
            raise UsageError(
                f"{transferred} layers cannot be transferred: this network has {self.count}, so 0 (the embeddings "
                f"alone) to {self.count}, or -1 for all"
            )

    def is_transferred(self, name: str, layers: int) -> bool:
        """Whether a weight comes with the lowest `layers`; -1: all of them."""
        return layers in (-1, self.count) or self.depth[name] <= layers

    def of(self, tuned: nn.Module) -> dict[int, int]:
        """The depth of each weight of a network with a head, by the weight's id; L + 2 of what is new."""
        top = self.count + 2
        names = [(name.removeprefix("network."), id(weight)) for name, weight in tuned.named_parameters()]
        return {key: top if name.startswith(NEW) else self.depth[name] for name, key in names}

    def rate(self, depth: int, decay: float) -> float:
        """The share of the learning rate at that depth: each layer's is that of the one above it, over `decay`.

        η_{l-1} = η_l / 2.6 (Howard & Ruder 2018, section 3.2), the head being the uppermost.
        """
        return 1.0 if depth > self.count + 1 else decay ** (min(depth, self.count) - self.count - 1)

    def unfrozen_from(self, epoch: int) -> int:
        """The lowest depth that learns in that epoch (0, 1, …) of gradual unfreezing: one more layer in each."""
        return self.count + 1 - epoch if epoch else self.count + 2  # the head; layer L and what stands above; …
