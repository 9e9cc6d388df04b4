"""What another text says of counts: what smoothings that are fitted on validation text need to know of it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmzoo.interface import Ids
from lmzoo.ngrams.counts import Level

Array = NDArray[Any]


def occurrences(levels: list[Level], tokens: Ids) -> Iterator[tuple[Array, Array]]:
    """For each level, at each position of another text (T,): how often the n-gram that ends there was counted, and
    how often its context: two arrays (T,), zero where the n-gram or the context was not seen.
    """
    vocab_size = len(levels[0])
    end = vocab_size - 1
    words = np.concatenate([np.array([end], dtype=np.int64), tokens])
    context = np.zeros(len(words), dtype=np.int64)  # the n-gram of the level below before each position, or -1
    for level in levels:
        keys = level.context.astype(np.int64) * vocab_size + level.word
        wanted = context * vocab_size + words
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        seen = (context >= 0) & (keys[place] == wanted)
        total = level.total(level.count)
        yield np.where(seen, level.count[place], 0)[1:], np.where(context >= 0, total[np.maximum(context, 0)], 0)[1:]
        ngram = np.where(seen, place, -1)
        if level.order > 1:  # of what ends with `end`, nothing longer than `end` itself is a context
            ngram[words == end] = -1
            ngram[0] = -1
        else:
            ngram[0] = end
        context = np.concatenate([[-1], ngram[:-1]])


def nearest_known(weights: Array, known: Array) -> Array:
    """`weights` (K,) by size class, with the nearest smaller known one for each unknown, else the nearest greater.

    Class 0, of contexts that were not seen, is no neighbour of any. Where none is known all are 1/2.
    """
    places = np.flatnonzero(known[1:]) + 1
    if len(places) == 0:
        return np.full(len(weights), 0.5)
    nearest_below = np.searchsorted(places, np.arange(len(weights)), side="right") - 1
    return weights[places[np.maximum(nearest_below, 0)]]


def digits(counts: Array) -> Array:
    """How many binary digits each count has, 0 for 0."""
    return np.frexp(counts)[1].clip(0, 32)
