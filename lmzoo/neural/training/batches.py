"""In what order a network reads its training text. A batch is a function of the seed and the step alone, so a run
that was killed goes on with the very batch that it would have read.

`Streams` cuts the text into B long pieces that are read side by side, window after window: what a recurrent net
carries from one window to the next is what came before it in the text. `Windows` draws short pieces in random order,
each once before any comes again.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from lmzoo.errors import UsageError
from lmzoo.interface import Ids

LARGEST_SHUFFLE = 1 << 26  # windows; of more, each is drawn for itself, for no epoch of them will ever end


@dataclass(frozen=True)
class Batch:
    """Ids to read (B, lead + T), the ids that follow the last T (B, T), and whether the text is read from anew."""

    ids: torch.Tensor
    targets: torch.Tensor
    fresh: bool


@dataclass(frozen=True)
class Share:
    """The rows of each batch that this process reads, of those that `of` processes read together."""

    rank: int = 0
    of: int = 1

    def rows(self, batch: int) -> slice:
        """Its rows of the common batch, which has `batch` rows for each process."""
        return slice(self.rank * batch, (self.rank + 1) * batch)


class Streams:
    """Contiguous windows of B pieces of the text; every pass begins at another offset, so no cut is always a cut."""

    def __init__(self, train: Ids, end: int, batch: int, window: int, seed: int, share: Share):
        rows = batch * share.of
        _refuse_too_short(len(train), rows, window)
        self.window, self.seed, self.rows = window, seed, share.rows(batch)
        text = np.concatenate([np.array([end], dtype=train.dtype), train])  # the first token is predicted too
        self.length = (len(text) - 1) // rows
        # Each row ends with the token that the next begins with, so that every token is predicted once.
        self.text = np.lib.stride_tricks.as_strided(
            text, (rows, self.length + 1), (self.length * text.itemsize, text.itemsize), writeable=False
        )
        self.room = window - 1 if self.length >= 4 * window else self.length % window
        self.per_pass = (self.length - self.room) // window

    def __call__(self, step: int) -> Batch:
        """The batch of that step."""
        number, place = divmod(step, self.per_pass)
        offset = int(np.random.default_rng((self.seed, number)).integers(self.room + 1))
        at = offset + place * self.window
        piece = self.text[self.rows, at : at + self.window + 1]
        ids = torch.from_numpy(piece.astype(np.int64))
        return Batch(ids[:, :-1], ids[:, 1:], fresh=place == 0)


class Windows:
    """Windows of the text in random order, without replacement; each pass is cut at another offset.

    With `lead`, each comes with that many ids before it, which are read and not predicted.
    """

    def __init__(self, train: Ids, end: int, batch: int, window: int, lead: int, seed: int, share: Share):
        _refuse_too_short(len(train), batch * share.of, window)
        self.batch, self.window, self.lead, self.seed = batch * share.of, window, lead, seed
        self.rows = share.rows(batch)
        self.text = np.concatenate([np.full(lead + 1, end, dtype=train.dtype), train])
        self.room = min(window, len(train) - window + 1)  # how many offsets a pass can begin at
        self.count = (len(train) - self.room + 1) // window
        self.per_pass = self.count // self.batch
        self._pass: tuple[int, NDArray[np.integer]] | None = None

    def __call__(self, step: int) -> Batch:
        """The batch of that step: its windows may be the last of one pass and the first of the next."""
        first = step * self.batch
        starts = np.concatenate([self._drawn(first + i) for i in self._runs(first)])[self.rows]
        at = starts[:, None] + np.arange(self.lead + self.window + 1)
        ids = torch.from_numpy(self.text[at].astype(np.int64))
        return Batch(ids[:, :-1], ids[:, self.lead + 1 :], fresh=True)

    def _runs(self, first: int) -> list[int]:
        """Where in the batch that begins with window number `first` a pass ends and another begins."""
        return [0, *range((-first) % self.count or self.count, self.batch, self.count)]

    def _drawn(self, number: int) -> NDArray[np.integer]:
        """The starts of windows `number` and on, to the end of their pass or of the batch."""
        which, place = divmod(number, self.count)
        left = self.batch - number % self.batch
        if self.count > LARGEST_SHUFFLE:
            rng = np.random.default_rng((self.seed, number))
            return rng.integers(len(self.text) - self.lead - self.window, size=left)
        if self._pass is None or self._pass[0] != which:
            rng = np.random.default_rng((self.seed, which))
            offset = rng.integers(self.room)
            self._pass = which, offset + self.window * rng.permutation(self.count)
        return self._pass[1][place : place + left]


def _refuse_too_short(tokens: int, batch: int, window: int) -> None:
    if window < 1 or batch < 1:
        raise UsageError(f"a window of {window} tokens, {batch} to a batch: both must be at least 1")
    if window > tokens:
        raise UsageError(f"a window of {window} tokens is longer than the training text, which has {tokens}")
    if batch * window > tokens:
        raise UsageError(
            f"a batch of {batch} windows of {window} tokens is more than the training text, which has {tokens} "
            f"tokens: at most {tokens // window} such windows fit"
        )
