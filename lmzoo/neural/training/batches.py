"""The order in which a network reads its training text.

A batch is a function of the seed and the step alone, so a resumed training reads the very batches that an
uninterrupted one would have read.
"""

from abc import ABC, abstractmethod
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmzoo.errors import UsageError
from lmzoo.interface import Ids
from lmzoo.neural.softmax import IGNORED
from lmzoo.neural.training.parallel import Parallel

# Windows. A permutation of more would take too much memory; each is then drawn by itself, with replacement, which
# makes no difference as no pass over so many will ever end.
LARGEST_SHUFFLE = 1 << 26


class Batch(NamedTuple):
    """Ids to read and the ids that follow them."""

    ids: Tensor  # (B, L + T): L ids of left context, then those whose next ids are predicted
    targets: Tensor  # (B, T), IGNORED where there is none
    fresh: bool  # whether the texts begin here, so that no state is carried over from the batch before

    @property
    def tokens(self) -> int:
        """How many are predicted."""
        return int((self.targets != IGNORED).sum())

    def parts(self, count: int) -> "list[Batch]":
        """Its rows in so many parts, the first ones at most one row longer than the others."""
        ends = [-(-len(self.ids) * n // count) for n in range(count + 1)]
        return [Batch(self.ids[a:b], self.targets[a:b], self.fresh) for a, b in pairwise(ends)]

    def to(self, device: torch.device) -> "Batch":
        """On that device."""
        return Batch(_moved(self.ids, device), _moved(self.targets, device), self.fresh)


def _moved(ids: Tensor, device: torch.device) -> Tensor:
    if device.type != "cuda":
        return ids.to(device)
    # Contiguous first: rows cut from longer ones would be copied once more, into memory that is not pinned.
    return ids.contiguous().pin_memory().to(device, non_blocking=True)


class _Equal(ABC):
    """Steps of equally many tokens, each one batch of windows."""

    tokens_per_step: int  # in all processes

    @abstractmethod
    def __call__(self, step: int) -> Batch:
        """The batch of that step."""

    def parts(self, step: int, count: int = 1) -> list[Batch]:
        """The batch of that step in so many parts."""
        return self(step).parts(count)

    def tokens(self, step: int) -> int:  # noqa: ARG002
        """The tokens of a step, in all processes."""
        return self.tokens_per_step


class Streams(_Equal):
    """Truncated backpropagation through time: B long pieces of the text, read side by side, window after window.

    What a recurrent network carries from one window to the next is what came before in the text. Every pass begins at
    another offset, so no place is always at the end of a window.
    """

    def __init__(self, train: Ids, end: int, batch: int, window: int, seed: int, parallel: Parallel):
        rows = batch * parallel.size
        _check_size(len(train), rows, window)
        self.window, self.seed, self.own_rows = window, seed, parallel.rows(batch)
        text = np.concatenate([np.array([end], dtype=train.dtype), train])  # the first token is predicted too
        self.length = (len(text) - 1) // rows
        # (rows, length + 1): each row ends with the token that the next begins with, so every token is predicted once.
        self.text = np.lib.stride_tricks.as_strided(
            text, (rows, self.length + 1), (self.length * text.itemsize, text.itemsize), writeable=False
        )
        self.offsets = window - 1 if self.length >= 4 * window else self.length % window
        self.steps_per_pass = (self.length - self.offsets) // window
        self.tokens_per_step = rows * window

    def __call__(self, step: int) -> Batch:
        """The batch of that step."""
        number, place = divmod(step, self.steps_per_pass)
        offset = int(np.random.default_rng((self.seed, number)).integers(self.offsets + 1))
        start = offset + place * self.window
        piece = self.text[self.own_rows, start : start + self.window + 1]  # (B, T + 1)
        ids = torch.from_numpy(piece.astype(np.int64))
        return Batch(ids[:, :-1], ids[:, 1:], fresh=place == 0)


class Windows(_Equal):
    """Windows of the text in random order, each once a pass; every pass is cut at another offset.

    Each comes with `left_context` ids before it, which are read and not predicted.
    """

    def __init__(self, train: Ids, end: int, batch: int, window: int, left_context: int, seed: int, parallel: Parallel):
        _check_size(len(train), batch * parallel.size, window)
        self.batch, self.window, self.left_context, self.seed = batch * parallel.size, window, left_context, seed
        self.own_rows = parallel.rows(batch)
        self.text = np.concatenate([np.full(left_context + 1, end, dtype=train.dtype), train])
        self.offsets = min(window, len(train) - window + 1)
        self.count = (len(train) - self.offsets + 1) // window  # windows in a pass
        self.steps_per_pass = self.count // self.batch
        self.tokens_per_step = self.batch * window
        self._pass: tuple[int, NDArray[np.integer]] | None = None

    def __call__(self, step: int) -> Batch:
        """The batch of that step: its windows may be the last of one pass and the first of the next."""
        first = step * self.batch
        starts = np.concatenate([self._starts(first + i) for i in self._passes_begin(first)])[self.own_rows]
        places = starts[:, None] + np.arange(self.left_context + self.window + 1)
        ids = torch.from_numpy(self.text[places].astype(np.int64))  # (B, L + T + 1)
        return Batch(ids[:, :-1], ids[:, self.left_context + 1 :], fresh=True)

    def _passes_begin(self, first: int) -> list[int]:
        """Where in the batch that begins with window number `first` windows of another pass begin."""
        return [0, *range((-first) % self.count or self.count, self.batch, self.count)]

    def _starts(self, number: int) -> NDArray[np.integer]:
        """The starts of windows `number` and on, to the end of their pass or of the batch."""
        this_pass, place = divmod(number, self.count)
        left = self.batch - number % self.batch
        if self.count > LARGEST_SHUFFLE:
            rng = np.random.default_rng((self.seed, number))
            return rng.integers(len(self.text) - self.left_context - self.window, size=left)
        if self._pass is None or self._pass[0] != this_pass:
            rng = np.random.default_rng((self.seed, this_pass))
            offset = rng.integers(self.offsets)
            self._pass = this_pass, offset + self.window * rng.permutation(self.count)
        return self._pass[1][place : place + left]


class Lines:
    """Whole lines in random order, each once a pass, as many in a step as have about batch × window tokens.

    Each is read from the start state, so no context runs across lines. A step is read in parts of lines of similar
    length, padded on the right, which a causal network never looks at.
    """

    def __init__(self, train: Ids, end: int, batch: int, window: int, left_context: int, seed: int, parallel: Parallel):
        _check_positive(batch, window)
        self.train, self.end, self.window, self.left_context, self.seed = train, end, window, left_context, seed
        self.parallel, self.room = parallel, batch * window
        starts = np.append(0, np.flatnonzero(train == end) + 1)
        stops = np.append(starts[1:], len(train))
        # A line of more than a batch of windows begins anew after so many tokens, so that no step is without lines.
        long = np.flatnonzero(stops - starts > self.room)
        cuts = [np.arange(starts[n] + self.room, stops[n], self.room) for n in long]
        self.starts: NDArray[np.integer] = np.sort(np.concatenate([starts[starts < stops], *cuts]))
        self.lengths = np.diff(np.append(self.starts, len(train)))
        if len(self.starts) < parallel.size:
            raise UsageError(f"{len(self.starts)} lines are too few to train on: each process needs one")
        self.steps_per_pass = max(1, len(train) // (self.room * parallel.size))
        self.tokens_per_step = len(train) / self.steps_per_pass  # on average
        self._pass: tuple[int, NDArray[np.integer], NDArray[np.integer]] | None = None

    def parts(self, step: int, count: int = 1) -> list[Batch]:
        """That step in parts of at most batch × window / `count` ids: those that this process reads.

        One that is not fresh goes on with the first rows of the part before, which are the longest lines.
        """
        room, parts, numbers = -(-self.room // count), list[Batch](), self._lines(step)
        lines = numbers[np.argsort(-self.lengths[numbers], kind="stable")]  # the longest first
        lines = lines[self.parallel.rank :: self.parallel.size]
        while len(lines):
            lengths = self.lengths[lines]
            fits = max(1, room // min(int(lengths[0]), self.window))
            rows = min(fits, int((lengths >= lengths[0] // 2).sum()))
            parts += self._parts(lines[:rows])
            lines = lines[rows:]
        return parts

    def tokens(self, step: int) -> int:
        """The tokens of a step, in all processes."""
        return int(self.lengths[self._lines(step)].sum())

    def _lines(self, step: int) -> NDArray[np.integer]:
        """The numbers of the lines of that step."""
        number, place = divmod(step, self.steps_per_pass)
        if self._pass is None or self._pass[0] != number:
            order: NDArray[np.integer] = np.random.default_rng((self.seed, number)).permutation(len(self.lengths))
            begins = np.cumsum(self.lengths[order]) - self.lengths[order]
            step_of = begins * self.steps_per_pass // len(self.train)
            self._pass = number, order, np.searchsorted(step_of, np.arange(self.steps_per_pass + 1))
        _, order, cuts = self._pass
        return order[cuts[place] : cuts[place + 1]]

    def _parts(self, lines: NDArray[np.integer]) -> list[Batch]:
        """These lines, the longest first, a window at a time."""
        lengths, context = self.lengths[lines], self.left_context + 1
        longest = int(lengths[0])
        ids = np.full((len(lines), context + longest), self.end, dtype=np.int64)  # (B, L + 1 + T)
        targets = np.full((len(lines), longest), IGNORED, dtype=np.int64)  # (B, T)
        for row, (start, length) in enumerate(zip(self.starts[lines].tolist(), lengths.tolist(), strict=True)):
            targets[row, :length] = self.train[start : start + length]
            ids[row, context : context + length] = targets[row, :length]
        parts = []
        for begin in range(0, longest, self.window):
            rows, stop = int((lengths > begin).sum()), min(begin + self.window, longest)
            before = torch.from_numpy(ids[:rows, begin : stop + self.left_context])
            parts.append(Batch(before, torch.from_numpy(targets[:rows, begin:stop]), fresh=begin == 0))
        return parts


Batches = Streams | Windows | Lines


def _check_positive(batch: int, window: int) -> None:
    if window < 1 or batch < 1:
        raise UsageError(f"a window of {window} tokens, {batch} to a batch: both must be at least 1")


def _check_size(tokens: int, batch: int, window: int) -> None:
    _check_positive(batch, window)
    if window > tokens:
        raise UsageError(f"a window of {window} tokens is longer than the training text, which has {tokens}")
    if batch * window > tokens:
        raise UsageError(
            f"a batch of {batch} windows of {window} tokens is more than the training text, which has {tokens} "
            f"tokens: at most {tokens // window} such windows fit"
        )
