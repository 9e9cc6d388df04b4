"""An index of n-grams in a text, and how often two of them co-occur: the counting behind `tasks/pmi_solver.py`.

The text's words become numbers, those of the questions' words; all others are 0. An n-gram's key is made of its words'
numbers and found by binary search. With a list of positions for each n-gram and of n-grams for each position, a pair is
counted by looking around the positions of one of the two: time O(occurrences · window), whatever the number of pairs;
memory some 20 bytes a word of the text and 4 an occurrence.
"""

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat

import numpy as np
from numba import njit
from scipy.sparse import csr_array

from lmzoo.data.tokenizers.base import spans
from lmzoo.interface import Array, Progress

KINDS = ((0,), (0, 1), (0, 1, 2), (0, 2))  # offsets of an n-gram's words; the last is the skip-bigram
LENGTHS = np.array([offsets[-1] + 1 for offsets in KINDS])  # positions that each kind spans
THREADS = min(8, os.cpu_count() or 1)
TASKS = 64  # counting is split into as many, so that progress shows and threads end together
PART = 1_000_000  # words that are looked up at a time
_WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> list[str]:
    """Lower-case words: runs of letters and digits. Punctuation and line ends are ignored, and end no n-gram."""
    return _WORD.findall(text.lower())


class Ngrams:
    """The distinct n-grams of each of several short texts, numbered 0 … G-1.

    Text t has the n-grams ids[rows[t]:rows[t + 1]]. N-grams of `stop_words` alone are left out.
    """

    def __init__(self, texts: Sequence[str], stop_words: frozenset[str] = frozenset()):
        self.numbers: dict[str, int] = {}
        coded = [[self.numbers.setdefault(word, len(self.numbers) + 1) for word in words_of(text)] for text in texts]
        gap = [0] * max(LENGTHS)  # no n-gram reaches from one text into the next
        words = np.array([number for text in coded for number in (*text, *gap)], dtype=np.int32)
        owner = np.repeat(np.arange(len(texts)), [len(text) + len(gap) for text in coded])
        is_content = np.array([True, *(word not in stop_words for word in self.numbers)])
        self._keys: list[Array] = []
        of_texts = [np.empty(0, dtype=np.int64)]  # pairs of a text and an n-gram in it, text << 32 | n-gram
        for offsets in KINDS:
            keys = self._keys_at(words, offsets)
            counted = (keys >= 0) & np.any([np.roll(is_content[words], -offset) for offset in offsets], axis=0)
            distinct, number = np.unique(keys[counted], return_inverse=True)
            of_texts.append(np.unique(owner[counted] << 32 | number + len(self)))
            self._keys.append(distinct)
        pairs = np.sort(np.concatenate(of_texts))
        self.rows: Array = np.searchsorted(pairs, np.arange(len(texts) + 1) << 32)
        self.ids: Array = (pairs & 0xFFFFFFFF).astype(np.int32)
        self.lengths: Array = np.repeat(LENGTHS, list(map(len, self._keys)))  # (G,) positions that each spans

    def __len__(self) -> int:
        return sum(map(len, self._keys))

    def of(self, text: int) -> Array:
        """The n-grams of text number `text`."""
        return self.ids[self.rows[text] : self.rows[text + 1]]

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
        numbers = np.full((len(words), len(KINDS)), -1, dtype=np.int32)
        for start in range(0, len(words), PART):
            first = 0  # number of the first n-gram of this kind
            for kind, (offsets, known) in enumerate(zip(KINDS, self._keys, strict=True)):
                keys = self._keys_at(words[start : start + PART + offsets[-1]], offsets)[:PART]
                positions = np.flatnonzero(keys >= 0)
                at = np.searchsorted(known, keys[positions])
                inside = at < len(known)
                at, positions = at[inside], positions[inside]
                hits = known[at] == keys[positions]
                numbers[start + positions[hits], kind] = first + at[hits]
                first += len(known)
        return numbers

    def _keys_at(self, words: Array, offsets: tuple[int, ...]) -> Array:
        """The key of the n-gram that begins at each of `words` (T,), or -1 where it has unknown words or no end."""
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
    """Where each of `ngrams` occurs in a text of `words` words, and how often: counts (G,). Made by `look_up`."""

    ngrams: Ngrams
    words: int
    counts: Array
    _beginning: Array = field(repr=False)  # (T, K) the n-grams that begin at each word
    _starts: Array = field(repr=False)  # (G + 1,) where the positions of each n-gram begin in …
    _positions: Array = field(repr=False)  # (occurrences,) … this, in the order of the text

    def together(self, left: Array, right: Array, window: int, progress: Progress | None = None) -> Array:
        """How often left[p] and right[p] (P,) lie wholly within `window` words without overlap: (P,) int64."""
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
            _count(self._beginning, self._starts, self._positions, lengths, window, lefts, rows, rights, counts, task)
            return int(self.counts[lefts[task]].sum())

        bar = (progress or Progress()).task("counting co-occurrences", int(work[-1]) if len(work) else 0)
        with bar as running, ThreadPoolExecutor(THREADS) as pool:
            for done in pool.map(count, tasks):
                running.advance(done)
        return counts[number]


def look_up(ngrams: Ngrams, text: str, progress: Progress | None = None) -> Occurrences:
    """Find all of `ngrams` in `text`."""
    parts = [np.empty(0, dtype=np.int32)]
    with (progress or Progress()).task("reading the corpus", len(text)) as bar:
        for start, end in spans(text, longest=len(text)):  # never inside a word
            words = words_of(text[start:end])
            parts.append(np.fromiter(map(ngrams.numbers.get, words, repeat(0)), np.int32, len(words)))
            bar.advance(end - start)
    coded = np.concatenate(parts)
    beginning = ngrams.find(coded)
    known = beginning >= 0
    shape, ends = (len(coded), len(ngrams)), np.append(0, np.cumsum(known.sum(axis=1)))
    if ends[-1] < 2**31:
        ends = ends.astype(np.int32)  # with int64 bounds scipy would take twice the memory
    by_position = csr_array((np.ones(ends[-1], np.int8), beginning[known], ends), shape)
    by_ngram = by_position.tocsc()  # a counting sort
    counts = np.diff(by_ngram.indptr).astype(np.int64)
    return Occurrences(ngrams, len(coded), counts, beginning, by_ngram.indptr, by_ngram.indices)


@njit(cache=True, nogil=True)
def _count(
    beginning: Array,
    starts: Array,
    positions: Array,
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
            here = positions[at]
            for there in range(max(here + length - window, 0), min(here + window, beginning.shape[0])):
                for kind in range(beginning.shape[1]):
                    other = beginning[there, kind]
                    if other < 0 or slot[other] < 0:
                        continue
                    end = there + lengths[other]
                    if end <= here or (there >= here + length and end <= here + window):
                        counts[slot[other]] += 1
        for pair in range(rows[n], rows[n + 1]):
            slot[rights[pair]] = -1
