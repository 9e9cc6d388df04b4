"""Where a text copies a training text, found through an index of it: for many texts, one after another.

`memorization.copied` reads the training text once for each text, and also finds the longest match of any length.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from lmzoo.analysis.memorization import LEAST
from lmzoo.interface import Array
from lmzoo.progress import result_of

BLOCK = LEAST // 2  # characters: every LEAST characters of the training text in a row hold a whole block of it
AT_ONCE = 1 << 13  # blocks that are hashed at a time: a few milliseconds
BASE = np.uint64(0x9E3779B97F4A7C15)  # of the polynomial hash: odd, and its powers spread over all 64 bits


@dataclass(frozen=True)
class Copies:
    """An index of a training text, cut into blocks of BLOCK characters: 16 bytes a block beside the text itself."""

    training: Array  # (C,) code points
    hashes: Array  # (C // BLOCK,), sorted
    places: Array  # (C // BLOCK,): where the block with each hash begins

    @classmethod
    def of(cls, training: str) -> "Copies":
        """The index of `training`."""
        return result_of(cls.indexing(training))

    @classmethod
    def indexing(cls, training: str) -> Generator[None, None, "Copies"]:
        """The index of `training`, a part of it at each step."""
        codes = _codes(training)
        blocks = codes[: len(codes) // BLOCK * BLOCK].reshape(-1, BLOCK)
        hashes = np.empty(len(blocks), np.uint64)
        for n in range(0, len(blocks), AT_ONCE):
            hashes[n : n + AT_ONCE] = _hashes(blocks[n : n + AT_ONCE])
            yield
        order = np.argsort(hashes, kind="stable")
        return cls(codes, hashes[order], order * BLOCK)

    def stretches(self, text: str) -> list[list[int]]:
        """What `memorization.copied` calls so: [start, end] of the matches of LEAST characters or more, merged."""
        codes = _codes(text)
        if len(codes) < LEAST:
            return []
        hashes = _hashes(np.lib.stride_tricks.sliding_window_view(codes, BLOCK))
        firsts, lasts = (np.searchsorted(self.hashes, hashes, side) for side in ("left", "right"))
        within = np.zeros(len(codes) + 2, dtype=np.bool_)  # a False before and behind
        _mark(codes, self.training, self.places, firsts, lasts, within[1:-1])
        return np.flatnonzero(within[1:] != within[:-1]).reshape(-1, 2).tolist()


def _codes(text: str) -> Array:
    """The code points of a text (C,), in as few bytes as Python needs for it."""
    highest = ord(max(text, default="\0"))
    for encoding, kind in (("latin-1", np.uint8), ("utf-16-le", np.uint16), ("utf-32-le", np.uint32)):
        if highest <= np.iinfo(kind).max:
            return np.frombuffer(text.encode(encoding, "surrogatepass"), kind)
    raise AssertionError


def _hashes(rows: Any) -> Array:
    """A hash (N,) of each row of code points (N, BLOCK), by Horner's rule."""
    hashes = np.zeros(len(rows), np.uint64)
    for column in range(BLOCK):
        hashes = hashes * BASE + rows[:, column] + np.uint64(1)
    return hashes


@njit(cache=True, nogil=True)
def _mark(text: Array, training: Array, places: Array, firsts: Array, lasts: Array, within: Array) -> None:
    """Set `within` (C,) where `text` (C,) copies `training`: from each block that may be equal, as far as it goes.

    `places[firsts[n] : lasts[n]]`: where the training text has blocks with the hash of BLOCK characters from n.
    """
    for n in range(len(firsts)):
        for k in range(firsts[n], lasts[n]):
            start, place = n, places[k]
            while start > 0 and place > 0 and text[start - 1] == training[place - 1]:
                start, place = start - 1, place - 1
            end, place = n, places[k]
            while end < len(text) and place < len(training) and text[end] == training[place]:
                end, place = end + 1, place + 1
            if end - start >= LEAST:
                within[start:end] = True
