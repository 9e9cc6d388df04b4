"""Counting n-grams: ids → one `Level` per order, sorted by context and then by word.

Plumbing, not mathematics: every probability is made of these counts in `ngram.py`.

An n-gram is found by extending the (n-1)-gram that ends one token earlier. So a level is made from the one
below it by a single stable counting sort of text positions: they are sorted by word once, and a stable sort by
context then leaves them sorted by (context, word). That is two passes of O(T) an order, whatever the order, and
needs memory for a few integers a token.

`end` bounds a line or a text: an n-gram may begin with it (it is then the start symbol, KenLM's <s>) or finish
with it (</s>), and never has it in between.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lmzoo.interface import Ids

Array = NDArray[Any]


@dataclass
class Level:
    """All distinct n-grams of one order, numbered 0 … G-1 in the order of (context, word).

    A context is an n-gram of the order below, by its number there; order 1 has the one empty context, 0, and
    one unigram for each of the V words, seen or not.
    """

    order: int
    word: Array  # (G,) the last word
    context: Array  # (G,) the n-gram without its last word
    suffix: Array  # (G,) the n-gram without its first word
    count: Array  # (G,) how often it occurs
    children: Array  # (C+1,) n-grams children[c] … children[c+1]-1 extend context c
    continuations: Array | None = None  # (G,) distinct words before it; None at the highest order
    last: int | None = None  # the n-gram that the text's last n-gram in suffix order ends with, if it has one

    def __len__(self) -> int:
        return len(self.word)

    @property
    def adjusted(self) -> Array:
        """Kneser & Ney's counts (G,): distinct words before the n-gram, where it has any before it.

        The occurrences themselves at the highest order, and for n-grams that begin at a boundary, before which
        there is nothing (Heafield 2013, §3.2).
        """
        if self.continuations is None:
            return self.count
        return np.where(self.continuations > 0, self.continuations, self.count)

    def counts_of_counts(self) -> Array:
        """How many n-grams have an adjusted count of 0, 1, 2, 3, 4, and 5 or more: (6,)."""
        return np.bincount(np.minimum(self.adjusted, 5), minlength=6)

    def total(self, values: Array) -> Array:
        """Sum of `values` (G,) over the n-grams of each context: (C,)."""
        sums: Array = np.zeros(len(self.children) - 1)
        occupied = self.children[1:] > self.children[:-1]
        if len(values):
            sums[occupied] = np.add.reduceat(values, self.children[:-1][occupied], dtype=np.float64)
        return sums


def count_ngrams(tokens: Ids, vocab_size: int, order: int) -> list[Level]:
    """Count the n-grams of orders 1 … `order` in `tokens` (T,): a list of levels, shortest first.

    The list is shorter than `order` where the text has no n-grams that long.
    """
    end = vocab_size - 1
    text = np.concatenate([[end], tokens]).astype(np.int32)  # position 0 is the start symbol
    depth = _depths(text, end, order)
    by_word = _sort_by(np.arange(1, len(text), dtype=np.int32), text, vocab_size)
    last = _last_in_suffix_order(text, end, order)
    levels = [_unigrams(text, vocab_size)]
    levels[0].last = int(text[last])
    ngram = text.copy()  # ngram[t]: number of the n-gram of the current order that ends at position t
    for n in range(2, order + 1):
        context = _contexts(ngram, depth, n)
        positions = _sort_by(by_word, context, len(levels[-1]))
        if len(positions) == 0:
            break
        level = Level(n, *_extend(text, context, positions, ngram, len(levels[-1])))
        level.last = int(ngram[last]) if depth[last] >= n - 1 else None
        levels[-1].continuations = np.bincount(level.suffix, minlength=len(levels[-1])).astype(np.int32)
        levels.append(level)
    return levels


def _unigrams(text: Array, vocab_size: int) -> Level:
    words = np.arange(vocab_size, dtype=np.int32)
    nothing = np.zeros(vocab_size, dtype=np.int32)
    count = np.bincount(text[1:], minlength=vocab_size).astype(np.int32)
    return Level(1, words, nothing, nothing, count, np.array([0, vocab_size]))


def _last_in_suffix_order(text: Array, end: int, order: int) -> int:
    """Where the n-gram ends that is last when compared word by word from its end, newest words last."""
    seen = np.zeros(text.max() + 1, dtype=np.int64)
    seen[text[::-1]] = np.arange(len(text))[::-1]  # where each word was first seen
    seen[end] = -1
    ends = np.arange(1, len(text)) if len(text) > 1 else np.array([0])
    for back in range(order):
        rank = seen[text[ends - back]]
        ends = ends[rank == rank.max()]
        if len(ends) == 1 or (rank.max() < 0 and back > 0):
            break
    return int(ends[0])


@njit(cache=True)
def _depths(text, end, order):  # type: ignore[no-untyped-def]
    """How many tokens of context each position has, counting the boundary before it; at most `order`."""
    depth = np.zeros(len(text), np.uint8)
    for t in range(1, len(text)):
        depth[t] = 1 if text[t - 1] == end else min(depth[t - 1] + 1, order)
    return depth


@njit(cache=True)
def _contexts(ngram, depth, n):  # type: ignore[no-untyped-def]
    """The (n-1)-gram before each position, or -1 where the boundary is nearer than that."""
    context = np.full(len(ngram), -1, np.int32)
    for t in range(1, len(ngram)):
        if depth[t] >= n - 1:
            context[t] = ngram[t - 1]
    return context


@njit(cache=True)
def _sort_by(positions, key, buckets):  # type: ignore[no-untyped-def]
    """`positions`, stably sorted by key[position]; those with a negative key are left out."""
    place = np.zeros(buckets + 1, np.int64)
    for p in positions:
        if key[p] >= 0:
            place[key[p] + 1] += 1
    for k in range(buckets):
        place[k + 1] += place[k]
    out = np.empty(place[buckets], np.int32)
    for p in positions:
        k = key[p]
        if k >= 0:
            out[place[k]] = p
            place[k] += 1
    return out


@njit(cache=True)
def _extend(text, context, positions, ngram, contexts):  # type: ignore[no-untyped-def]
    """Number the n-grams at `positions`, which are sorted by (context, word).

    Overwrites `ngram`; gives word, context, suffix, count (G,) and children (C+1,).
    """
    distinct = 0
    for i in range(len(positions)):
        p = positions[i]
        if i == 0 or context[p] != context[positions[i - 1]] or text[p] != text[positions[i - 1]]:
            distinct += 1
    word = np.empty(distinct, np.int32)
    parent = np.empty(distinct, np.int32)
    suffix = np.empty(distinct, np.int32)
    count = np.zeros(distinct, np.int32)
    children = np.zeros(contexts + 1, np.int64)
    g = -1
    for i in range(len(positions)):
        p = positions[i]
        if g < 0 or context[p] != parent[g] or text[p] != word[g]:
            g += 1
            word[g] = text[p]
            parent[g] = context[p]
            suffix[g] = ngram[p]
            children[context[p] + 1] += 1
        count[g] += 1
        ngram[p] = g
    for c in range(contexts):
        children[c + 1] += children[c]
    return word, parent, suffix, count, children
