"""Counting n-grams on a cluster: the levels of `counts.py`, to the last bit, for any number of chunks and workers.

    chunk of ids  → `count_chunk`: its n-grams, sorted, cut by first word into ranges
    one range of all chunks → `merge`: sorted, each once
    all ranges, in order → `_levels`: the whole, on the client

The n-grams of each order are numbered in the order of their words, so a range of first words is a slice of each order,
and the slices one after the other are the order itself. A chunk is counted together with the order-1 ids before it, and
what is counted in those alone is taken off again. Only words, counts and numbers of children travel; suffixes and
continuations follow from them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import getitem

import numpy as np

from lmzoo.cluster import DistributedIds
from lmzoo.errors import LmzooError
from lmzoo.interface import Array, Ids, Progress
from lmzoo.loops import loop
from lmzoo.ngrams.counts import Level, count_ngrams, last_in_suffix_order, number_of, tally, words_before
from lmzoo.ngrams.out_of_core import Scratch

MOST = 2**31 - 1  # n-grams of an order, and occurrences of one: they are counted in 32 bits


@dataclass(frozen=True)
class Rows:
    """The n-grams of one order, in the order of their words: those of a chunk, or of a range of first words.

    The first order has every word of the range, seen or not. Of a chunk, counts may be 0: n-grams that begin others.
    """

    word: Array  # (G,) the last word
    count: Array  # (G,)
    children: Array  # (C+1,) n-grams children[c] … children[c+1]-1 extend number c of the order below

    def __sizeof__(self) -> int:
        """The bytes of the arrays: Dask decides by it what to keep in memory and where to compute."""
        return self.word.nbytes + self.count.nbytes + self.children.nbytes


def count(
    tokens: Ids | DistributedIds,
    vocab_size: int,
    order: int,
    scratch: Scratch | None = None,
    progress: Progress | None = None,
) -> list[Level]:
    """`count_ngrams` where the text lies: here, or in chunks on the workers of a cluster."""
    if not isinstance(tokens, DistributedIds):
        return count_ngrams(tokens, vocab_size, order, scratch, progress)
    workers, before = tokens.workers, tokens.before(order - 1)
    surveys = [
        workers.submit(_survey, chunk, start, vocab_size)
        for chunk, start in zip(tokens.chunks, tokens.starts(), strict=True)
    ]
    survey = workers.reduce(_all_surveys, surveys)
    ((counts, seen),) = workers.gather("counting words", [survey])
    seen = workers.share(seen)
    last = [workers.submit(_last_words, *chunk, seen, order) for chunk in zip(tokens.chunks, before, strict=True)]
    cuts = workers.cuts(counts)
    counted = [
        workers.submit(count_chunk, *chunk, vocab_size, order, cuts)
        for chunk in zip(tokens.chunks, before, strict=True)
    ]
    merged = [
        workers.submit(merge, [workers.submit(getitem, chunk, n) for chunk in counted]) for n in range(len(cuts) - 1)
    ]
    workers.wait("counting n-grams", counted)
    del counted
    ranges = workers.gather("merging n-grams", merged)
    words = max(workers.gather("looking for the last n-gram", last))[1]
    return _levels(ranges, order, words or [vocab_size - 1], scratch or Scratch())


def _survey(ids: Ids, start: int, vocab_size: int) -> tuple[Array, Array]:
    """Of each word the occurrences and the position of the first, (V,) each; of one that is not there the largest."""
    seen = np.full(vocab_size, np.iinfo(np.int64).max)
    seen[ids[::-1]] = start + np.arange(len(ids))[::-1]  # of equal words the first is written last
    seen[-1] = -1  # `end`, which stands before the text
    return np.bincount(ids, minlength=vocab_size), seen


def _all_surveys(surveys: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    counts, seen = zip(*surveys, strict=True)
    return np.sum(counts, axis=0), np.min(seen, axis=0)


def _last_words(ids: Ids, before: Ids, seen: Array, order: int) -> tuple[list[int], list[int]]:
    """Of the n-gram that ends in a chunk and is last in suffix order, from the last word backwards: rank and word."""
    if not len(ids):
        return [], []
    text = np.concatenate([[len(seen) - 1], before, ids])
    at = last_in_suffix_order(text, np.arange(len(text) - len(ids), len(text)), seen, order)
    words = words_before(text, at, order)
    return seen[words].tolist(), words


def count_chunk(ids: Ids, before: Ids, vocab_size: int, order: int, cuts: Sequence[int]) -> list[list[Rows]]:
    """The n-grams that end in the chunk `ids` (T,), with the `before` that precede it, for each range of first words.

    `before` are the order-1 ids before the chunk, fewer only at the beginning of the text. Begun with an `end` that the
    text need not have, they are counted with the chunk and without it, so n-grams that end in them cancel.
    """
    levels = count_ngrams(np.concatenate([before, ids]), vocab_size, order)
    if len(before):
        _take_off(levels, count_ngrams(before, vocab_size, order))
    return [_range(levels, first, stop) for first, stop in pairwise(cuts)]


def _take_off(levels: list[Level], others: list[Level]) -> None:
    """Subtract the counts of `others`, whose n-grams are all among `levels`."""
    levels[0].count -= others[0].count
    place = others[0].word  # of each n-gram of an order in `levels`: words have the same number in both
    for level, other in zip(levels[1:], others[1:], strict=False):
        starts, stops = level.children[place[other.context]], level.children[place[other.context] + 1]
        found = [
            first + int(np.searchsorted(level.word[first:stop], word))
            for first, stop, word in zip(starts.tolist(), stops.tolist(), other.word.tolist(), strict=True)
        ]
        place = np.array(found, dtype=np.int64)
        level.count[place] -= other.count


def _range(levels: list[Level], first: int, stop: int) -> list[Rows]:
    """The n-grams of each order whose first word is in [first, stop)."""
    rows = [Rows(levels[0].word[first:stop], levels[0].count[first:stop], np.array([0, stop - first]))]
    for level in levels[1:]:
        children = level.children[first : stop + 1]
        first, stop = int(children[0]), int(children[-1])
        rows.append(Rows(level.word[first:stop], level.count[first:stop], children - children[0]))
    return rows


def merge(chunks: Sequence[list[Rows]]) -> list[Rows]:
    """The n-grams of a range of first words in all `chunks`, each once, with its count in all of them.

    Raises LmzooError for more than MOST of an order, or of one n-gram.
    """
    merged = [Rows(chunks[0][0].word, _sum([chunk[0].count for chunk in chunks]), chunks[0][0].children)]
    places = [np.arange(len(merged[0].word)) for _ in chunks]  # of each chunk's n-grams in `merged`; -1: left out
    for n in range(1, max(map(len, chunks))):
        keys, counts = zip(*(_keys(chunk, n, place) for chunk, place in zip(chunks, places, strict=True)), strict=True)
        key = np.concatenate(keys)  # a context and a word in one number
        order = np.argsort(key, kind="stable")  # of sorted runs: they are merged
        key = key[order]
        first = np.flatnonzero(np.diff(key, prepend=-2))
        count = _sum_runs(np.concatenate(counts)[order], first)
        there = (count > 0) & (key[first] >= 0)  # an n-gram that ends before its chunk was counted where it ends
        number = np.where(there, np.cumsum(there) - 1, -1)
        place = np.empty(len(key), np.int64)
        place[order] = np.repeat(number, np.diff(first, append=len(key)))
        places = np.split(place, np.cumsum(list(map(len, keys)))[:-1])
        context, word = key[first][there] >> 32, (key[first][there] & 0xFFFFFFFF).astype(np.int32)
        if not len(word):
            break
        children = np.searchsorted(context, np.arange(len(merged[-1].word) + 1))
        merged.append(Rows(word, _narrowed(count[there]), children.astype(np.int32)))
    return merged


def _keys(chunk: list[Rows], n: int, place: Array) -> tuple[Array, Array]:
    """For each n-gram of order n+1 of a chunk, its context in the merged order below and its word in one number; and
    its count. Negative: the context is left out, and so is it.
    """
    if len(chunk) <= n:
        return np.empty(0, np.int64), np.empty(0, np.int32)
    rows = chunk[n]
    return (np.repeat(place, np.diff(rows.children)) << 32) | rows.word, rows.count


def _sum(counts: Sequence[Array]) -> Array:
    return _narrowed(np.stack(counts).sum(axis=0, dtype=np.int64))


def _sum_runs(counts: Array, first: Array) -> Array:
    return np.add.reduceat(counts, first, dtype=np.int64) if len(first) else np.empty(0, np.int64)


def _narrowed(counts: Array) -> Array:
    if len(counts) > MOST or (len(counts) and counts.max() > MOST):
        raise LmzooError(f"more than {MOST:,} n-grams of one order, or of one kind: count a smaller part of the text")
    return counts.astype(np.int32)


def _levels(ranges: Sequence[list[Rows]], order: int, last: Sequence[int], scratch: Scratch) -> list[Level]:
    """The levels made of the ranges in order. `last`: the words of the last n-gram in suffix order, the last first."""
    words = [rows.word for rows, *_ in ranges]
    vocab_size = sum(map(len, words))
    levels = [
        Level(
            1,
            np.concatenate(words),
            np.zeros(vocab_size, np.int32),
            np.concatenate([rows.count for rows, *_ in ranges]),
            np.array([0, vocab_size], np.int32),
            last=last[0],
        )
    ]
    for n in range(1, order):
        rows = [part[n] if len(part) > n else _no_rows(part, n) for part in ranges]
        if sum(len(one.word) for one in rows) > MOST:
            raise LmzooError(f"the text has more than {MOST:,} n-grams of order {n + 1}: choose a lower order")
        starts = np.cumsum([0, *(len(one.word) for one in rows)])
        children = np.concatenate(
            [*(one.children[:-1] + start for one, start in zip(rows, starts, strict=False)), starts[-1:]]
        )
        if not starts[-1]:
            break
        word, counts = scratch.joined([one.word for one in rows]), scratch.joined([one.count for one in rows])
        below, children = levels[-1], children.astype(np.int32)
        suffix = scratch.empty(len(word), np.int32)
        _put_suffixes(children, word, below.children, below.word, below.suffix, suffix)
        levels.append(Level(n + 1, word, suffix, counts, scratch.keep(children)))
        levels[-1].last = number_of(levels, last[n::-1]) if len(last) > n else None
        below.continuations = scratch.keep(tally(suffix, len(below)))
        below.release()
    return levels


def _no_rows(part: list[Rows], n: int) -> Rows:
    """Of a range without n-grams of order n+1: none of those of order n, if there are any, has a child."""
    contexts = len(part[n - 1].word) if len(part) == n else 0
    return Rows(np.empty(0, np.int32), np.empty(0, np.int32), np.zeros(contexts + 1, np.int32))


@loop
def _put_suffixes(children, word, below_children, below_word, below_suffix, suffix):  # type: ignore[no-untyped-def]
    """Of each n-gram (G,), the number of the one without its first word in the order below: the context without its
    first word, extended by the same word.
    """
    for c in range(len(children) - 1):
        shorter = below_suffix[c]
        low = below_children[shorter]
        for i in range(children[c], children[c + 1]):
            high = below_children[shorter + 1]
            while low < high:  # words of a context ascend
                middle = (low + high) >> 1
                if below_word[middle] < word[i]:
                    low = middle + 1
                else:
                    high = middle
            suffix[i] = low
