"""The order in which a network reads its training text.

A batch is a function of the seed and the step alone, so a resumed training reads the very batches that an
uninterrupted one would have read.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmzoo.errors import UsageError
from lmzoo.interface import Ids
from lmzoo.neural.training.parallel import Parallel

# Windows. A permutation of more would take too much memory; each is then drawn by itself, with replacement, which
# makes no difference as no pass over so many will ever end.
LARGEST_SHUFFLE = 1 << 26


class Batch(NamedTuple):
    """Ids to read and the ids that follow them."""

    ids: Tensor  # (B, L + T): L ids of left context, then those whose next ids are predicted
    targets: Tensor  # (B, T)
    fresh: bool  # whether the texts begin here, so that no state is carried over from the batch before

    def rows(self, part: slice) -> "Batch":
        """Some rows of it."""
        return Batch(self.ids[part], self.targets[part], self.fresh)

    def to(self, device: torch.device) -> "Batch":
        """On that device."""
        return Batch(_moved(self.ids, device), _moved(self.targets, device), self.fresh)


def _moved(ids: Tensor, device: torch.device) -> Tensor:
    if device.type != "cuda":
        return ids.to(device)
    # Contiguous first: rows cut from longer ones would be copied once more, into memory that is not pinned.
    return ids.contiguous().pin_memory().to(device, non_blocking=True)


class Streams:
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

    def __call__(self, step: int) -> Batch:
        """The batch of that step."""
        number, place = divmod(step, self.steps_per_pass)
        offset = int(np.random.default_rng((self.seed, number)).integers(self.offsets + 1))
        start = offset + place * self.window
        piece = self.text[self.own_rows, start : start + self.window + 1]  # (B, T + 1)
        ids = torch.from_numpy(piece.astype(np.int64))
        return Batch(ids[:, :-1], ids[:, 1:], fresh=place == 0)


class Windows:
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


Batches = Streams | Windows


def _check_size(tokens: int, batch: int, window: int) -> None:
    if window < 1 or batch < 1:
        raise UsageError(f"a window of {window} tokens, {batch} to a batch: both must be at least 1")
    if window > tokens:
        raise UsageError(f"a window of {window} tokens is longer than the training text, which has {tokens}")
    if batch * window > tokens:
        raise UsageError(
            f"a batch of {batch} windows of {window} tokens is more than the training text, which has {tokens} "
            f"tokens: at most {tokens // window} such windows fit"
        )
