"""Counting n-grams: ids → one `Level` per order, sorted by context and then by word.

The n-grams of order n are counted from those of order n-1: text positions are grouped by context, the (n-1)-gram that
ends one token earlier (a counting sort), and sorted by word within each group. Time is O(T) per order, apart from the
sorting; memory is some 20 bytes a token and 12 a distinct n-gram.

`end` bounds a line or a text: an n-gram may begin with it (as the start symbol, KenLM's <s>) or finish with it (</s>),
but never has it in between.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit

from lmzoo.interface import Array, Ids, Progress
from lmzoo.ngrams.out_of_core import Scratch, ranges, release

BYTES_A_TOKEN = 32  # memory that a run needs for each of its positions
PART = 100_000  # n-grams smoothed at a time
RUN = 2_000_000  # positions in a run, at most: longer ones do not fit in the processor's cache
THREADS = min(8, os.cpu_count() or 1)


@dataclass
class Level:
    """The G distinct n-grams of one order, numbered 0 … G-1 in the order of (context, word).

    A context is an n-gram of the order below, by its number there. Order 1 has one context, 0, the empty one, and V
    unigrams, one for each word, seen or not.
    """

    order: int
    word: Array  # (G,) the last word
    suffix: Array  # (G,) the n-gram without its first word, by its number in the order below
    count: Array  # (G,) occurrences
    children: Array  # (C+1,) n-grams children[c] … children[c+1]-1 extend context c
    continuations: Array | None = None  # (G,) distinct words seen before it; None at the highest order
    last: int | None = None  # the suffix, of this order, of the text's last n-gram in suffix order, if there is one

    def __len__(self) -> int:
        return len(self.word)

    @cached_property
    def context(self) -> Array:
        """The n-gram without its last word, (G,)."""
        return np.repeat(np.arange(len(self.children) - 1, dtype=np.int32), np.diff(self.children))

    @cached_property
    def adjusted(self) -> Array:
        """Kneser & Ney's adjusted counts a(·), (G,): the number of distinct words seen before the n-gram.

        At the highest order, and for n-grams that begin with `end`, before which there is nothing, they are the
        occurrences (Heafield 2013, §3.2).
        """
        if self.continuations is None:
            return self.count
        return np.where(self.continuations > 0, self.continuations, self.count)

    def counts_of_counts(self, counts: Array, most: int = 5) -> Array:
        """n_r, the number of n-grams with a count of r = 0, 1, … most-1, and `most` or more: (most+1,)."""
        return tally(counts, most + 1)

    def total(self, values: Array) -> Array:
        """Sum of `values` (G,) over the n-grams of each context: (C,) float64."""
        sums = np.empty(len(self.children) - 1)
        _sum_runs(values, self.children, sums)
        return sums

    def parts(self) -> Iterator[tuple[slice, slice, "Level"]]:
        """This level in parts that fit in the processor's cache: ranges of n-grams and contexts, and their level.

        Contexts are never cut, so totals over a context are those of the whole; their numbers start from 0 in a part.
        """
        cuts = np.searchsorted(self.children, np.arange(PART, len(self) + PART, PART), side="left").tolist()
        start = 0
        for stop in cuts:
            stop = min(stop, len(self.children) - 1)
            if stop > start:
                here = slice(int(self.children[start]), int(self.children[stop]))
                more = None if self.continuations is None else self.continuations[here]
                children = self.children[start : stop + 1] - self.children[start]
                part = Level(self.order, self.word[here], self.suffix[here], self.count[here], children, more)
                yield here, slice(start, stop), part
            start = stop

    def release(self) -> None:
        """Free the memory of what can be read or computed again."""
        release(self.word, self.suffix, self.count, self.children, self.continuations)
        self.__dict__.pop("context", None)
        self.__dict__.pop("adjusted", None)


def count_ngrams(
    tokens: Ids, vocab_size: int, order: int, scratch: Scratch | None = None, progress: Progress | None = None
) -> list[Level]:
    """Count the n-grams of orders 1 … `order` in `tokens` (T,): a list of levels, lowest order first.

    It is shorter than `order` if the text has no n-grams that long. If `scratch` has a memory limit, counting is done
    in shorter runs, and levels are kept in files.
    """
    scratch = scratch or Scratch()
    end = vocab_size - 1
    text = np.concatenate([np.array([end], dtype=np.int32), tokens], dtype=np.int32)  # (T+1,), with the start symbol
    depth = np.zeros(len(text), dtype=np.uint8)
    _depths(text, end, order, depth)
    last = _last_in_suffix_order(text, end, order)
    levels = [_unigrams(text, vocab_size)]
    levels[0].last = int(text[last])
    ngram = text.copy()  # (T+1,) the n-gram of the current order that ends at each position
    with (progress or Progress()).task("counting n-grams", order) as task:
        for n in range(2, order + 1):
            task.advance(1, f"order {n}")
            level = _next_level(n, text, depth, ngram, levels[-1], scratch)
            if level is None:
                break
            level.last = int(ngram[last]) if depth[last] >= n - 1 else None
            levels[-1].continuations = scratch.keep(tally(level.suffix, len(levels[-1])))
            levels[-1].release()
            levels.append(level)
    return levels


def _next_level(n: int, text: Array, depth: Array, ngram: Array, below: Level, scratch: Scratch) -> Level | None:
    """The n-grams of order n, given those of order n-1 in `ngram` (T+1,), which is overwritten by those of order n."""
    context = np.full(len(text), -1, dtype=np.int32)
    _contexts(ngram, depth, n, context)
    children = np.zeros(len(below) + 1, dtype=np.int32)
    memory = scratch.memory  # of which each thread gets its share
    room = min(RUN, len(text)) if memory is None else min(RUN, max(1024, memory // BYTES_A_TOKEN // THREADS))
    starts = np.append(0, np.cumsum(below.count, dtype=np.int64))

    def count_run(run: tuple[int, int]) -> list[Array]:
        """The words, suffixes and counts of the n-grams with a context in a range."""
        first, stop = run
        size = int(starts[stop] - starts[first]) + 1  # positions at most: the start symbol is not counted below
        columns = [np.empty(size, np.int32) for _ in range(3)]
        place, pairs, spare = np.zeros(stop - first + 1, np.int64), np.empty(size, np.int64), np.empty(size, np.int64)
        found = _count_run(text, context, ngram, children, first, stop, place, pairs, spare, *columns)
        return [column[:found] for column in columns]  # what lies behind was never touched: it takes no memory

    with ThreadPoolExecutor(THREADS) as pool:  # the compiled loops release the GIL
        runs = list(pool.map(count_run, ranges(starts, room)))
    if not children.any():
        return None
    np.cumsum(children, out=children)
    _renumber(ngram, context, children)
    word, suffix, count = (scratch.joined(column) for column in zip(*runs, strict=True))
    return Level(n, word, suffix, count, scratch.keep(children))


def _unigrams(text: Array, vocab_size: int) -> Level:
    words = np.arange(vocab_size, dtype=np.int32)
    nothing = np.zeros(vocab_size, dtype=np.int32)
    return Level(1, words, nothing, tally(text[1:], vocab_size), np.array([0, vocab_size], dtype=np.int32))


def _last_in_suffix_order(text: Array, end: int, order: int) -> int:
    """The position where the last n-gram of the text in suffix order ends."""
    seen = np.zeros(int(text.max()) + 1, dtype=np.int32)
    seen[text[::-1]] = np.arange(len(text), dtype=np.int32)[::-1]  # of equal words the first is written last
    seen[end] = -1
    return last_in_suffix_order(text, np.arange(min(1, len(text) - 1), len(text), dtype=np.int32), seen, order)


def last_in_suffix_order(text: Array, ends: Array, seen: Array, order: int) -> int:
    """Of the n-grams of `text` that end at `ends`, where the last in suffix order ends.

    Suffix order compares n-grams from their last word backwards, words by their first occurrence, `seen`, which is -1
    for `end`. KenLM treats that n-gram in a special way (`ModifiedKneserNey._as_kenlm_counts`).
    """
    for back in range(order):
        rank = seen[text[ends - back]]
        ends = ends[rank == rank.max()]
        if len(ends) == 1 or (rank.max() < 0 and back > 0):
            break
    return int(ends[0])


def tally(keys: Array, buckets: int) -> Array:
    """How often each number below `buckets`, the last of which is for larger ones too, is among `keys`: (buckets,)."""
    counts = np.zeros(buckets, np.int32)
    _tally(keys, counts)
    return counts


# The loops are given the arrays that they fill: compiling np.zeros takes longer than compiling a loop.


@njit(cache=True, nogil=True)
def _tally(keys, counts):  # type: ignore[no-untyped-def]
    last = len(counts) - 1
    for key in keys:
        counts[min(key, last)] += 1


@njit(cache=True, nogil=True)
def _sum_runs(values, cuts, sums):  # type: ignore[no-untyped-def]
    """The sums of values[cuts[c]:cuts[c+1]] for each c."""
    for c in range(len(sums)):
        total = 0.0
        for g in range(cuts[c], cuts[c + 1]):
            total += values[g]
        sums[c] = total


@njit(cache=True, nogil=True)
def _count_run(text, context, ngram, children, first, stop, place, pairs, spare, word, suffix, count):  # type: ignore[no-untyped-def]
    """Count the n-grams whose context is in [first, stop), sorted: how many, and their `word`, `suffix` and `count`.

    Writes into `children`, shifted by one, the number of n-grams of each context, and into `ngram` the number of each
    position's n-gram among those of its context: 0, 1, … Work space are `place`, zeros, and `pairs` and `spare`.
    """
    for c in context:
        if first <= c < stop:
            place[c - first + 1] += 1
    for c in range(stop - first):
        place[c + 1] += place[c]
    for t in range(len(context)):
        c = context[t]
        if first <= c < stop:
            pairs[place[c - first]] = (np.int64(text[t]) << 32) | t  # one number, so that one sort orders by both
            place[c - first] += 1
    g = -1
    begin = 0
    for c in range(stop - first):
        _sort(pairs[begin : place[c]], spare)
        child = -1
        for i in range(begin, place[c]):
            w, t = pairs[i] >> 32, pairs[i] & 0xFFFFFFFF
            if child < 0 or w != word[g]:
                g += 1
                child += 1
                word[g], suffix[g], count[g] = w, ngram[t], 0
            count[g] += 1
            ngram[t] = child
        children[first + c + 1] = child + 1
        begin = place[c]
    return g + 1


@njit(cache=True, nogil=True)
def _sort(values, spare):  # type: ignore[no-untyped-def]
    """Merge sort in place, with `spare` as work space: it compiles in a fifth of the time of numba's quicksort."""
    length, width = len(values), 16
    for low in range(0, length, width):  # insertion sort of short runs: most contexts have no more positions
        for i in range(low + 1, min(low + width, length)):
            value = values[i]
            k = i
            while k > low and values[k - 1] > value:
                values[k] = values[k - 1]
                k -= 1
            values[k] = value
    while width < length:
        for low in range(0, length - width, 2 * width):
            middle, high = low + width, min(low + 2 * width, length)
            for i in range(low, middle):
                spare[i] = values[i]
            i, j, k = low, middle, low
            while i < middle:  # what is left of the second run is in its place already
                if j < high and values[j] < spare[i]:
                    values[k] = values[j]
                    j += 1
                else:
                    values[k] = spare[i]
                    i += 1
                k += 1
        width *= 2


@njit(cache=True, nogil=True)
def _renumber(ngram, context, children):  # type: ignore[no-untyped-def]
    """Turn numbers within a context into numbers within the level."""
    for t in range(len(ngram)):
        if context[t] >= 0:
            ngram[t] += children[context[t]]


@njit(cache=True, nogil=True)
def _depths(text, end, order, depth):  # type: ignore[no-untyped-def]
    """The tokens of context of each position, including the `end` before it; at most `order`; 0 for the first."""
    for t in range(1, len(text)):
        depth[t] = 1 if text[t - 1] == end else min(depth[t - 1] + 1, order)


@njit(cache=True, nogil=True)
def _contexts(ngram, depth, n, context):  # type: ignore[no-untyped-def]
    """The (n-1)-gram before each position; -1 stays where that would reach beyond an `end`."""
    for t in range(1, len(ngram)):
        if depth[t] >= n - 1:
            context[t] = ngram[t - 1]
