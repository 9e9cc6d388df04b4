"""What a training step minimises, and what it reads for that."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from lmzoo.interface import Ids
from lmzoo.neural.module import Carried, Module
from lmzoo.neural.training.batches import IGNORED, Batch, Batches, Lines, Streams, Windows
from lmzoo.neural.training.masking import PADDING, Masked, Masking
from lmzoo.neural.training.parallel import Parallel


class Loss(NamedTuple):
    """The loss of a batch."""

    nats: Tensor  # mean negative log-likelihood of the targets, per token or blank: what is reported
    extra: Mapping[str, Tensor]  # named terms that are added to it, such as the LSTM's AR and TAR
    carried: Carried  # state for the next batch, detached from the graph

    @property
    def total(self) -> Tensor:
        """What gradients are taken of."""
        return self.nats + sum(self.extra.values())


class Objective(Protocol):
    """Makes batches of a text, and a loss of a batch."""

    unit: ClassVar[str]  # what the loss is the mean over: "token", or "blank" where it is no loss of the text

    def batches(self, text: Ids, batch: int, window: int, seed: int, parallel: Parallel, lines: bool) -> Any:
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

    unit: ClassVar[str] = "token"
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


@dataclass(frozen=True)
class Autoencoder:
    """Read x, then say it again: the sequence autoencoder of Dai & Le 2015.

        state = that after x_1 … x_T, read from the start
        loss  = mean over t of −log P(x_t | x_1 … x_{t-1}, state)

    One network reads and writes, so it must carry states, and writing begins after `end`, as every text does. x is a
    window of the text, or a line; of a line longer than a window each window is a text of its own. A run's count of
    floating-point operations has one of the two readings.
    """

    unit: ClassVar[str] = "token"
    end: int

    def batches(self, text: Ids, batch: int, window: int, seed: int, parallel: Parallel, lines: bool) -> Batches:
        """Shuffled windows, or shuffled lines."""
        return (Lines if lines else Windows)(text, self.end, batch, window, 0, seed, parallel)

    def state_before(self, module: Module, batch: Batch, carried: Carried) -> Carried:  # noqa: ARG002
        """Nothing."""
        return module.initial_state(len(batch.ids))

    def loss(self, module: Module, batch: Batch, carried: Carried) -> Loss:
        """Mean nats per token of `batch.targets` (B, T), once they have been read."""
        targets = batch.targets
        length = targets.shape[1]
        # A row shorter than the batch is read after `end`, `end`, …, so that its last token is read last.
        missing = (targets == IGNORED).sum(1, keepdim=True)  # (B, 1)
        places = torch.arange(length, device=targets.device) - missing  # (B, T)
        read = torch.where(places < 0, self.end, targets.gather(1, places.clamp(min=0)))
        _, state = module(read, carried)
        told = torch.where(targets == IGNORED, self.end, targets)[:, :-1]
        hidden, _ = module(torch.cat([torch.full_like(targets[:, :1], self.end), told], 1), state)  # (B, T, D)
        return Loss(module.loss(hidden, targets), module.auxiliary_losses(hidden), ())


@dataclass(frozen=True)
class FillBlanks:
    """−log P(each hidden token | what is left of its text), and whether the second half follows (Devlin et al. 2018).

    Only the vectors of blanks go through the softmax, which is most of the work where the vocabulary is large.
    """

    vocab_size: int
    masking: Masking

    unit: ClassVar[str] = "blank"

    def batches(self, text: Ids, batch: int, window: int, seed: int, parallel: Parallel, lines: bool) -> Masked:
        """Shuffled windows, or shuffled lines, with blanks."""
        texts = (Lines if lines else Windows)(text, self.vocab_size - 1, batch, window, 0, seed, parallel)
        return Masked(texts, self.masking, self.vocab_size, seed, parallel.rank)

    def state_before(self, module: Module, batch: Batch, carried: Carried) -> Carried:  # noqa: ARG002
        """Nothing."""
        return ()

    def loss(self, module: Module, batch: Batch, carried: Carried) -> Loss:
        """Mean nats per blank of the tokens in `batch.targets` (B, T)."""
        hidden, _ = module(batch.ids, carried)  # (B, T, D)
        blanks = batch.targets != IGNORED
        extra = dict(module.auxiliary_losses(hidden))
        if self.masking.pairs:  # the target of [CLS] is whether the second half follows
            blanks[:, 0] = False
            extra["next sentence"] = cross_entropy(module.follows(hidden[:, 0]).float(), batch.targets[:, 0])
        return Loss(module.loss(hidden[blanks][None], batch.targets[blanks][None]), extra, ())


@dataclass(frozen=True)
class FindReplaced(FillBlanks):
    """Which tokens did a generator put there? (Clark et al. 2020, section 2)

        L = mean over blanks of −log P_G(token | what is left)
            + λ · mean over all tokens of −log P_D(replaced or not | the text with what G drew in its blanks)

    G learns from blanks alone: nothing is passed back through what it draws. A token that it happens to get right is
    not replaced. `module` is D, `module.generator` G. What is reported, and chosen by, is G's loss.
    """

    weight: float = 50.0  # λ

    def loss(self, module: Module, batch: Batch, carried: Carried) -> Loss:
        """Mean nats per blank of the generator, and beside it the weighted loss of the discriminator."""
        generator: Any = module.get_submodule("generator")
        blanks = batch.targets != IGNORED
        hidden, _ = generator(batch.ids, carried)  # (B, T, D_G)
        logits = generator.head(hidden[blanks]).float()  # (H, V)
        hidden_tokens = batch.targets[blanks]
        with torch.no_grad():
            # Outside of training it draws the same each time: a validation must not change what is drawn next.
            dice = None if module.training else torch.Generator(logits.device).manual_seed(0)
            drawn = torch.multinomial(logits.softmax(-1), 1, generator=dice)[:, 0]  # (H,)
        text = torch.where(blanks, batch.targets, batch.ids)
        shown = text.masked_scatter(blanks, drawn)
        judged, _ = module(shown, carried)
        seen = batch.ids != PADDING
        odds = module.head(judged).float()  # (B, T)
        found = binary_cross_entropy_with_logits(odds[seen], (shown != text)[seen].float())
        return Loss(cross_entropy(logits, hidden_tokens), {"replaced": self.weight * found}, ())
