"""What a training step minimises, and what it reads for that."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from torch import Tensor

from lmzoo.interface import Ids
from lmzoo.neural.module import Carried, Module
from lmzoo.neural.training.batches import Batch, Batches, Lines, Streams, Windows
from lmzoo.neural.training.parallel import Parallel


class Loss(NamedTuple):
    """The loss of a batch."""

    nats: Tensor  # mean negative log-likelihood of the targets, per token: what is reported
    extra: Mapping[str, Tensor]  # named terms that are added to it, such as the LSTM's AR and TAR
    carried: Carried  # state for the next batch, detached from the graph

    @property
    def total(self) -> Tensor:
        """What gradients are taken of."""
        return self.nats + sum(self.extra.values())


class Objective(Protocol):
    """Makes batches of a text, and a loss of a batch."""

    def batches(self, text: Ids, batch: int, window: int, seed: int, parallel: Parallel, lines: bool) -> Batches:
        """Step → `Batch`, `batch` rows for each process; with `lines`, each line is a text of its own.

        Raises UsageError where the text is too short for one.
        """

    def state_before(self, module: Module, batch: Batch, carried: Carried) -> Carried:
        """What each row has read before the batch, `carried` being the state after the batch before."""

    def loss(self, module: Module, batch: Batch, carried: Carried) -> Loss:
        """The loss of a batch whose rows have read `carried`."""


@dataclass(frozen=True)
class NextToken:
    """−log P(each token | those before it)."""

    end: int  # the token that every text begins after
    carries_state: bool  # read the text in order and carry states on, or windows of it in random order
    left_context: int = 0  # ids prepended to each window, for a network whose state is the last ids

    def batches(self, text: Ids, batch: int, window: int, seed: int, parallel: Parallel, lines: bool) -> Batches:
        """Consecutive windows of long streams, or shuffled windows, or shuffled lines."""
        if lines:
            return Lines(text, self.end, batch, window, self.left_context, seed, parallel)
        if self.carries_state:
            return Streams(text, self.end, batch, window, seed, parallel)
        return Windows(text, self.end, batch, window, self.left_context, seed, parallel)

    def state_before(self, module: Module, batch: Batch, carried: Carried) -> Carried:
        """The left context; or the state carried on, unless the text begins anew."""
        if self.left_context:
            return (batch.ids[:, : self.left_context],)
        return module.initial_state(len(batch.ids)) if batch.fresh else carried

    def loss(self, module: Module, batch: Batch, carried: Carried) -> Loss:
        """Mean nats per token of `batch.targets` (B, T)."""
        hidden, carried = module(batch.ids[:, self.left_context :], carried)  # (B, T, D)
        nats = module.loss(hidden, batch.targets)
        after = tuple(part.detach() for part in carried) if self.carries_state else ()
        return Loss(nats, module.auxiliary_losses(hidden), after)
