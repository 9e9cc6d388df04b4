"""Where n-grams stand in a text, and how often two of them stand near each other: the counting for
`tasks/pmi_solver.py`.

The text's words become numbers, of the words that are asked for; all others are 0. An n-gram's key is made of its
words' numbers, so that it is found by bisection in the sorted keys of its kind. With a list of places for each n-gram
and a list of n-grams for each place, a pair is counted by looking around the places of one of its two: in time
O(occurrences · window), whatever the number of pairs. Memory is some 20 bytes a word of the text and 4 an occurrence.
"""

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lmzoo.data.tokenizers.base import spans
from lmzoo.interface import Progress

Array = NDArray[Any]

KINDS = ((0,), (0, 1), (0, 1, 2), (0, 2))  # where an n-gram's words stand; the last is the skip-bigram
LENGTHS = np.array([offsets[-1] + 1 for offsets in KINDS])  # places that each kind takes
THREADS = min(8, os.cpu_count() or 1)
TASKS = 64  # that counting is cut into, so that progress shows and threads end together
PART = 1_000_000  # words that are looked up at a time
_WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> list[str]:
    """Lower-case words: runs of letters and digits. What stands between them is passed over, and bounds nothing."""
    return _WORD.findall(text.lower())


class Ngrams:
    """The distinct n-grams of each of some short texts, and a number 0 … G-1 for each of them.

    Text t has the n-grams ids[rows[t]:rows[t + 1]]. Those that consist of words in `left_out` alone are none.
    """

    def __init__(self, texts: Sequence[str], left_out: frozenset[str] = frozenset()):
        self.numbers: dict[str, int] = {}
        coded = [[self.numbers.setdefault(word, len(self.numbers) + 1) for word in words_of(text)] for text in texts]
        gap = [0] * max(LENGTHS)  # no n-gram reaches from one text into the next
        words = np.array([number for text in coded for number in (*text, *gap)], dtype=np.int32)
        owner = np.repeat(np.arange(len(texts)), [len(text) + len(gap) for text in coded])
        plain = np.array([True, *(word not in left_out for word in self.numbers)])
        self._keys: list[Array] = []
        seen = [np.empty(0, dtype=np.int64)]
        for offsets in KINDS:
            keys = self._keys_at(words, offsets)
            asked = (keys >= 0) & np.any([np.roll(plain[words], -offset) for offset in offsets], axis=0)
            distinct, number = np.unique(keys[asked], return_inverse=True)
            seen.append(np.unique(owner[asked] << 32 | number + len(self)))
            self._keys.append(distinct)
        pairs = np.sort(np.concatenate(seen))
        self.rows: Array = np.searchsorted(pairs, np.arange(len(texts) + 1) << 32)
        self.ids: Array = (pairs & 0xFFFFFFFF).astype(np.int32)
        self.lengths: Array = np.repeat(LENGTHS, list(map(len, self._keys)))  # (G,) places that each takes

    def __len__(self) -> int:
        return sum(map(len, self._keys))

    def of(self, text: int) -> Array:
        """The n-grams of that text."""
        ids: Array = self.ids[self.rows[text] : self.rows[text + 1]]
        return ids

    def name(self, number: int) -> str:
        """The n-gram as text: "carbon dioxide", or "carbon _ dioxide" for a skip-bigram."""
        ends = np.cumsum([len(keys) for keys in self._keys])
        kind = int(np.searchsorted(ends, number, side="right"))
        key = int(self._keys[kind][number - ends[kind]])
        words, names = list(self.numbers), ["_"] * int(LENGTHS[kind])
        for offset in reversed(KINDS[kind]):
            key, word = divmod(key, len(words) + 1)
            names[offset] = words[word - 1]
        return " ".join(names)

    def find(self, words: Array) -> Array:
        """The number of the n-gram of each kind that begins at each of `words` (T,), or -1: (T, K) int32."""
        found = np.full((len(words), len(KINDS)), -1, dtype=np.int32)
        for start in range(0, len(words), PART):
            first = 0
            for kind, (offsets, known) in enumerate(zip(KINDS, self._keys, strict=True)):
                keys = self._keys_at(words[start : start + PART + offsets[-1]], offsets)[:PART]
                places = np.flatnonzero(keys >= 0)
                at = np.searchsorted(known, keys[places])
                inside = at < len(known)
                at, places = at[inside], places[inside]
                hits = known[at] == keys[places]
                found[start + places[hits], kind] = first + at[hits]
                first += len(known)
        return found

    def _keys_at(self, words: Array, offsets: tuple[int, ...]) -> Array:
        """The key of the n-gram that begins at each of `words` (T,), or -1 where it has other words or no end."""
        keys = np.full(len(words), -1, dtype=np.int64)
        whole = max(len(words) - offsets[-1], 0)
        key, known = np.zeros(whole, dtype=np.int64), np.ones(whole, dtype=bool)
        for offset in offsets:
            word = words[offset : offset + whole]
            key = key * (len(self.numbers) + 1) + word
            known &= word > 0
        keys[:whole][known] = key[known]
        return keys


@dataclass
class Occurrences:
    """Where each of `ngrams` stands in a text of `words` words, and how often: counts (G,). Made by `look_up`."""

    ngrams: Ngrams
    words: int
    counts: Array
    _found: Array = field(repr=False)  # (T, K) the n-grams that begin at each word
    _starts: Array = field(repr=False)  # (G + 1,) where the places of each n-gram begin in …
    _places: Array = field(repr=False)  # (occurrences,) … this, in the order of the text

    def together(self, left: Array, right: Array, window: int, progress: Progress | None = None) -> Array:
        """How often left[p] and right[p] (P,) stand whole within `window` words, with no word in common: (P,) int64.

        An occasion is an occurrence of the one with an occurrence of the other.
        """
        total = len(self.ngrams)
        keys, number = np.unique(left.astype(np.int64) * total + right, return_inverse=True)
        lefts, first = np.unique(keys // max(total, 1), return_index=True)
        rows, rights = np.append(first, len(keys)), keys % max(total, 1)
        counts = np.zeros(len(keys), dtype=np.int64)
        work = np.cumsum(self.counts[lefts])
        cuts = np.searchsorted(work, np.linspace(0, work[-1] if len(work) else 0, TASKS + 1)[1:-1])
        tasks = np.split(np.arange(len(lefts)), cuts)

        def count(task: Array) -> int:
            lengths = self.ngrams.lengths
            _count(self._found, self._starts, self._places, lengths, window, lefts, rows, rights, counts, task)
            return int(self.counts[lefts[task]].sum())

        bar = (progress or Progress()).task("counting co-occurrences", int(work[-1]) if len(work) else 0)
        with bar as running, ThreadPoolExecutor(THREADS) as pool:
            for done in pool.map(count, tasks):
                running.advance(done)
        together: Array = counts[number]
        return together


def look_up(ngrams: Ngrams, text: str, progress: Progress | None = None) -> Occurrences:
    """Find all of `ngrams` in `text`."""
    parts = [np.empty(0, dtype=np.int32)]
    with (progress or Progress()).task("reading the corpus", len(text)) as bar:
        for start, end in spans(text, longest=len(text)):  # never inside a word
            words = words_of(text[start:end])
            parts.append(np.fromiter(map(ngrams.numbers.get, words, repeat(0)), np.int32, len(words)))
            bar.advance(end - start)
    coded = np.concatenate(parts)
    found = ngrams.find(coded)
    counts = _tally(found, len(ngrams))
    starts = np.append(0, np.cumsum(counts))
    return Occurrences(ngrams, len(coded), counts, found, starts, _gather(found, starts))


@njit(cache=True, nogil=True)
def _tally(found: Array, total: int) -> Array:
    counts = np.zeros(total, dtype=np.int64)
    for place in range(found.shape[0]):
        for kind in range(found.shape[1]):
            if found[place, kind] >= 0:
                counts[found[place, kind]] += 1
    return counts


@njit(cache=True, nogil=True)
def _gather(found: Array, starts: Array) -> Array:
    """The places of each n-gram, one n-gram after the other: a counting sort."""
    free = starts[:-1].copy()
    places = np.empty(starts[-1], dtype=np.int32)
    for place in range(found.shape[0]):
        for kind in range(found.shape[1]):
            ngram = found[place, kind]
            if ngram >= 0:
                places[free[ngram]] = place
                free[ngram] += 1
    return places


@njit(cache=True, nogil=True)
def _count(
    found: Array,
    starts: Array,
    places: Array,
    lengths: Array,
    window: int,
    lefts: Array,
    rows: Array,
    rights: Array,
    counts: Array,
    task: Array,
) -> None:
    """Fill counts[rows[n]:rows[n+1]] for each n of `task`: lefts[n] with each of rights[rows[n]:rows[n+1]]."""
    slot = np.full(len(lengths), -1, dtype=np.int64)  # where the pair with this n-gram is counted
    for n in task:
        for pair in range(rows[n], rows[n + 1]):
            slot[rights[pair]] = pair
        length = lengths[lefts[n]]
        for at in range(starts[lefts[n]], starts[lefts[n] + 1]):
            here = places[at]
            for there in range(max(here + length - window, 0), min(here + window, found.shape[0])):
                for kind in range(found.shape[1]):
                    other = found[there, kind]
                    if other < 0 or slot[other] < 0:
                        continue
                    end = there + lengths[other]
                    if end <= here or (there >= here + length and end <= here + window):
                        counts[slot[other]] += 1
        for pair in range(rows[n], rows[n + 1]):
            slot[rights[pair]] = -1
