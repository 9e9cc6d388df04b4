"""Counting n-grams: ids → one `Level` per order, sorted by context and then by word.

`ordering.py` sorts the positions of the text, from which the n-grams of each order are listed. Memory is some 40 bytes
a token and 12 a distinct n-gram.

`end` bounds a line or a text: an n-gram may begin with it (as the start symbol, KenLM's <s>) or finish with it (</s>),
but never has it in between.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lmzoo.interface import Array, Ids, Progress, check_ids
from lmzoo.loops import loop
from lmzoo.ngrams.ordering import Ordered
from lmzoo.ngrams.out_of_core import Scratch, release

PART = 100_000  # n-grams smoothed at a time


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

    It is shorter than `order` if the text has no n-grams that long. If `scratch` has a memory limit, levels are kept in
    files.
    """
    scratch = scratch or Scratch()
    start = np.array([vocab_size - 1], dtype=np.int32)
    text = np.concatenate([start, check_ids(tokens, vocab_size)], dtype=np.int32)  # (T+1,), with the start symbol
    counts = tally(text, vocab_size)
    levels = [_unigrams(counts)]
    with (progress or Progress()).task("counting n-grams", order) as task:
        task.advance(1, "sorting")
        ordered = Ordered(text, counts, order, scratch)
        for n in range(2, order + 1):
            if not ordered.new[:, n].any():
                break
            task.advance(1, f"order {n}")
            level = Level(n, *ordered.level(n, len(levels[-1]), scratch))
            levels[-1].continuations = scratch.keep(tally(level.suffix, len(levels[-1])))
            levels[-1].release()
            levels.append(level)
    words = _last_in_suffix_order(text, ordered.seen, order)
    for n, level in enumerate(levels, 1):
        level.last = number_of(levels, words[n - 1 :: -1]) if len(words) >= n else None
    return levels


def _unigrams(counts: Array) -> Level:
    """Every word, seen or not; `counts` (V,) include the start symbol."""
    words, nothing = np.arange(len(counts), dtype=np.int32), np.zeros(len(counts), dtype=np.int32)
    count = counts.copy()
    count[-1] -= 1
    return Level(1, words, nothing, count, np.array([0, len(counts)], dtype=np.int32))


def _last_in_suffix_order(text: Array, seen: Array, order: int) -> list[int]:
    """The words of the last n-gram of the text in suffix order, from the last to the first."""
    ends = np.array([0])
    if len(text) > 1:
        ends = np.flatnonzero(text[1:] == text[seen.max()]) + 1  # where the word stands that is the last to appear
    return words_before(text, last_in_suffix_order(text, ends, seen, order), order)


def words_before(text: Array, position: int, order: int) -> list[int]:
    """The words from a position backwards, at most `order`, up to the `end` before them, which the text begins with."""
    words: list[int] = text[position::-1][:order].tolist()
    end = int(text[0])
    return words[: words.index(end, 1) + 1] if end in words[1:] else words


def number_of(levels: list[Level], words: Sequence[int]) -> int:
    """The number of the n-gram that has these words, first to last, in its order."""
    number = words[0]
    for level, word in zip(levels[1 : len(words)], words[1:], strict=True):
        first, stop = level.children[number : number + 2].tolist()
        number = first + int(np.searchsorted(level.word[first:stop], word))
    return number


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


@loop
def _tally(keys, counts):  # type: ignore[no-untyped-def]
    last = len(counts) - 1
    for key in keys:
        counts[min(key, last)] += 1


@loop
def _sum_runs(values, cuts, sums):  # type: ignore[no-untyped-def]
    """The sums of values[cuts[c]:cuts[c+1]] for each c."""
    for c in range(len(sums)):
        total = 0.0
        for g in range(cuts[c], cuts[c + 1]):
            total += values[g]
        sums[c] = total
