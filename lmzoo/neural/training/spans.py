"""Texts of which spans are left out, and what was left out: what T5 learns from (Raffel et al. 2020, section 3.1.4).

    Thank you ⟨0⟩ me to your party ⟨1⟩ week. [end]        source: each span is one sentinel
    ⟨0⟩ for inviting ⟨1⟩ last ⟨2⟩ [end]                   target: each sentinel, what it stands for, and a last one

or, of lines, what stands before a tab and behind it: a task as text. Sentinels are the ids V, V + 1, …, in order, and
`end` is the vocabulary's last token. Which spans are left out is a function of the seed and the step alone.

Departure: the authors' own masks begin with a token that stays and end with one that is left out; here a span may begin
a text, and text may follow the last one.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from lmzoo.errors import UsageError, in_range
from lmzoo.interface import Ids
from lmzoo.neural.module import Carried, Module
from lmzoo.neural.training.batches import IGNORED, Batches, Lines, Windows
from lmzoo.neural.training.masking import PADDING
from lmzoo.neural.training.objectives import Loss
from lmzoo.neural.training.parallel import Parallel

Row = NDArray[np.int64]


@dataclass(frozen=True)
class Spans:
    """Which spans are left out."""

    share: float = 0.15  # of the tokens
    mean: float = 3.0  # tokens of a span
    sentinels: int = 100  # that there are

    def check(self) -> None:
        """Raise UsageError for what cannot be."""
        in_range("span_share", self.share, 0, 1)
        in_range("span_length", self.mean, 1)
        in_range("sentinels", self.sentinels, 1)

    def check_window(self, window: int) -> None:
        """Raise UsageError for a window that uses up the sentinels."""
        _, spans = self.counts(window)
        if spans >= self.sentinels:
            raise UsageError(
                f"a window of {window:,} tokens with {self.share:g} of them in spans of {self.mean:g} needs "
                f"{spans + 1:,} sentinels, and there are {self.sentinels}: raise --sentinels or --span-length"
            )

    def counts(self, length: int) -> tuple[int, int]:
        """How many tokens of a text are left out, one at least, and in how many spans."""
        out = min(max(1, round(self.share * length)), length)
        return out, min(max(1, round(out / self.mean)), length - out + 1)

    def cut(self, text: Row, rng: np.random.Generator, vocab_size: int) -> tuple[Row, Row]:
        """The source and the target of a text (T,), without its `end`s."""
        out, spans = self.counts(len(text))
        lengths = _parts(out, spans, 1, rng)
        kept = _parts(len(text) - out - (spans - 1), spans + 1, 0, rng)
        kept[1:-1] += 1  # between two spans something stays
        source, target, place = list[Row](), list[Row](), 0
        for n in range(spans):
            sentinel = np.array([vocab_size + n])
            source += [text[place : place + kept[n]], sentinel]
            place += kept[n]
            target += [sentinel, text[place : place + lengths[n]]]
            place += lengths[n]
        return np.concatenate([*source, text[place:]]), np.concatenate([*target, [vocab_size + spans]])


def _parts(total: int, count: int, least: int, rng: np.random.Generator) -> Row:
    """`total` in so many parts of at least `least`, all ways equally likely."""
    free = total - least * count + count
    cuts = np.sort(rng.choice(free - 1, count - 1, replace=False)) + 1
    parts: Row = np.diff(np.concatenate([[0], cuts, [free]])) - 1 + least
    return parts


class PairBatch(NamedTuple):
    """Sources and targets."""

    ids: Tensor  # (B, S) sources, PADDING behind the shorter ones
    targets: Tensor  # (B, T), IGNORED behind the shorter ones
    read: Tensor  # (B,) tokens of the text that each was made of
    fresh: bool = True  # as in `batches.Batch`

    @property
    def tokens(self) -> int:
        """How many tokens of text are read."""
        return int(self.read.sum())

    def parts(self, count: int) -> "list[PairBatch]":
        """Its rows in so many parts."""
        cut = zip(*(one.tensor_split(count) for one in self[:3]), strict=True)
        return [PairBatch(*part) for part in cut]

    def to(self, device: torch.device) -> "PairBatch":
        """On that device."""
        return PairBatch(self.ids.to(device), self.targets.to(device), self.read)


class Pairs:
    """Batches of sources and targets, made of `texts`, whose targets are the tokens of each text."""

    def __init__(self, texts: Batches, spans: Spans, separator: int | None, vocab_size: int, seed: int, rank: int):
        self.texts, self.spans, self.separator, self.vocab_size = texts, spans, separator, vocab_size
        self.seed, self.rank = seed, rank
        self.steps_per_pass, self.tokens_per_step = texts.steps_per_pass, texts.tokens_per_step

    def tokens(self, step: int) -> int:
        """The tokens of text of a step, in all processes."""
        return self.texts.tokens(step)

    def parts(self, step: int, count: int = 1) -> list[PairBatch]:
        """The batch of that step in so many parts."""
        lines = isinstance(self.texts, Lines)
        texts = self.texts.parts(step, count if lines else 1)
        made = [self._pairs(one.targets.numpy(), step, n) for n, one in enumerate(texts)]
        return made if lines else made[0].parts(count)

    def _pairs(self, texts: Row, step: int, part: int) -> PairBatch:
        rng, end = np.random.default_rng((self.seed, step, self.rank, part)), np.array([self.vocab_size - 1])
        sources, targets = list[Row](), list[Row]()
        for row in texts:
            text = row[row != IGNORED]
            if isinstance(self.texts, Lines) and text[-1:] == end:
                text = text[:-1]
            if self.separator is not None:
                source, target = self._at_the_tab(text)
            elif len(text):
                source, target = self.spans.cut(text, rng, self.vocab_size)
            else:
                source, target = text, text
            sources.append(np.concatenate([source, end]))
            targets.append(np.concatenate([target, end]))
        read = torch.from_numpy((texts != IGNORED).sum(1))
        return PairBatch(padded(sources, PADDING), padded(targets, IGNORED), read)

    def _at_the_tab(self, text: Row) -> tuple[Row, Row]:
        places = np.flatnonzero(text == self.separator)
        if not len(places):
            raise UsageError(
                "a line of the text has no tab: with --goal pairs each line is a source, a tab and its target"
            )
        return text[: places[0]], text[places[0] + 1 :]


def padded(rows: list[Row], value: int) -> Tensor:
    """(B, T) of rows that may be shorter, `value` behind them."""
    table = np.full((len(rows), max(map(len, rows))), value, dtype=np.int64)
    for to, row in zip(table, rows, strict=True):
        to[: len(row)] = row
    return torch.from_numpy(table)


@dataclass(frozen=True)
class SaySpans:
    """−log P(each token of the target | the source and the target's tokens before it), mean over the targets' tokens.

    `module(ids, ())` reads sources (B, S), and `module.decoded(memory, seen, targets)` says the vectors (B, T, D) that
    the targets are predicted from.
    """

    vocab_size: int
    spans: Spans
    separator: int | None = None  # the tab of lines that are pairs; None: spans of a text

    unit: ClassVar[str] = "target"

    def batches(self, text: Ids, batch: int, window: int, seed: int, parallel: Parallel, lines: bool) -> Pairs:
        """Shuffled windows, or shuffled lines. Raises UsageError for pairs that are no lines."""
        if self.separator is not None and not lines:
            raise UsageError("with --goal pairs each line is a source and its target: give --lines too")
        if self.separator is None:
            self.spans.check_window(window)
        texts = (Lines if lines else Windows)(text, self.vocab_size - 1, batch, window, 0, seed, parallel)
        return Pairs(texts, self.spans, self.separator, self.vocab_size, seed, parallel.rank)

    def state_before(self, module: Module, batch: Any, carried: Carried) -> Carried:  # noqa: ARG002
        """Nothing."""
        return ()

    def loss(self, module: Module, batch: Any, carried: Carried) -> Loss:
        """Mean nats per token of the targets, sentinels and `end` among them."""
        memory, _ = module(batch.ids, carried)  # (B, S, D)
        vectors = module.decoded(memory, batch.ids >= 0, batch.targets)  # (B, T, D)
        logits = module.head(vectors).float()
        nats = cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORED)
        return Loss(nats, {}, ())
