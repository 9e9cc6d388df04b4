"""The rows of a table of co-occurrence counts: for each word, the weights of its contexts summed.

Positions of the text are grouped by word (a counting sort). A row is the sum of the weights of the neighbours of its
word's positions, added up in a table of V numbers, of which those that are not zero are read out in order. No pair of
words is ever stored or sorted, so time is O(T · window).
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from lmzoo.interface import Array, Ids, Progress
from lmzoo.ngrams.out_of_core import Scratch, ranges

THREADS = min(8, os.cpu_count() or 1)
POSITIONS = 200_000  # of the text in a range of rows, about: a job for a thread
CHUNK = 1 << 20  # tokens read at a time
BYTES_A_CELL = 8  # a column and a value


@dataclass(frozen=True)
class Weights:
    """What an occurrence counts for, in integers: such sums do not depend on the order of their terms."""

    by_distance: Array  # (window,) int64, of those 1 … window tokens away
    unit: int  # that of which the sums are multiples: they are divided by it
    left_only: bool  # only words before a word are its contexts


Cells = tuple[list[Array], list[Array], list[Array]]  # in pieces: the cells of each row, their columns, their values


def thinned(tokens: Ids, keep: Array, seed: int, start: int) -> Array:
    """Of `tokens` (T,), position `start` and on of a text, those that are kept: each w with probability keep[w]."""
    rng = np.random.default_rng(seed)
    rng.bit_generator.advance(start)  # type: ignore[attr-defined]  # a number was drawn for each token before
    return tokens[rng.random(len(tokens)) < keep[tokens]]


def count_rows(
    text: Array, counts: Array, weights: Weights, exact: bool, scratch: Scratch, progress: Progress
) -> Cells:
    """The rows of all words in `text` (T,), of whose occurrences are `counts` (V,).

    Values are float32, or if `exact` int64 in units of the weights.
    """
    # (V+1,) where each word's positions start when positions are grouped by word
    starts = np.append(0, np.cumsum(counts))
    positions = scratch.empty(len(text), np.int32 if len(text) < 2**31 else np.int64)
    _gather(text, starts, positions)
    window = len(weights.by_distance)
    one = np.ones(1, np.int64) if exact else np.array([1.0 / weights.unit])  # what values are sums times
    none = np.empty(0, np.int64 if exact else np.float32)

    def count_range(rows: tuple[int, int]) -> tuple[Array, Array, Array]:
        first, stop = rows
        pairs = np.diff(starts[first : stop + 1]) * window * (1 if weights.left_only else 2)
        room = int(np.minimum(pairs, len(starts) - 1).sum())  # an upper bound on the cells of these rows
        lengths, *cells = _count_rows(
            text, positions, starts, *rows, weights.by_distance, weights.left_only, one, none, room
        )
        columns, values = map(scratch.keep, cells)
        return lengths, columns, values

    most = POSITIONS
    if scratch.memory is not None:  # half for the jobs in progress, half for pages of the files
        most = min(most, max(1, scratch.memory // 2 // THREADS // (2 * window * BYTES_A_CELL)))
    runs, bounds = [], ranges(starts, most)
    with ThreadPoolExecutor(THREADS) as pool, progress.task("counting pairs", len(text)) as task:
        for (first, stop), run in zip(bounds, pool.map(count_range, bounds), strict=True):
            runs.append(run)
            task.advance(int(starts[stop] - starts[first]))
    lengths, columns, values = (list(column) for column in zip(*runs, strict=True))
    return lengths, columns, values


@njit(cache=True, nogil=True)
def _gather(text, starts, positions):  # type: ignore[no-untyped-def]
    """Fill `positions` (T,): positions[starts[w]:starts[w+1]] are the positions of word w, ascending."""
    place = starts[:-1].copy()
    for t in range(len(text)):
        word = text[t]
        positions[place[word]] = t
        place[word] += 1


@intrinsic
def _lowest(typing, bits):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """The index of the lowest bit that is set (count trailing zeros, which numba does not offer)."""

    def instruction(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ARG001
        return builder.cttz(arguments[0], context.get_constant(types.boolean, True))

    return types.uint64(types.uint64), instruction


@njit(cache=True, nogil=True)
def _count_rows(text, positions, starts, first, stop, weights, left_only, scale, none, room):  # type: ignore[no-untyped-def]
    """The rows of words `first` … `stop`-1: the number of cells of each, and the cells' columns and values."""
    vocab_size = len(starts) - 1
    end, window = vocab_size - 1, len(weights)
    sums = np.zeros(vocab_size, np.int64)
    # A bit for each column that is not zero, and a bit for each 64 of those: columns are read out in order at a cost
    # proportional to their number, not to V.
    touched = np.zeros((vocab_size >> 6) + 1, np.uint64)
    groups = np.zeros((len(touched) >> 6) + 1, np.uint64)
    lengths = np.zeros(stop - first, np.int64)
    columns, values = np.empty(room, np.int32), np.empty(room, none.dtype)
    size = 0
    for word in range(first, stop):
        for i in range(starts[word], starts[word + 1]):
            t = positions[i]
            for d in range(min(window, t)):
                context = text[t - 1 - d]
                _add(context, weights[d], sums, touched, groups)
                if context == end:
                    break
            if left_only:
                continue
            for d in range(min(window, len(text) - 1 - t)):
                context = text[t + 1 + d]
                _add(context, weights[d], sums, touched, groups)
                if context == end:
                    break
        before = size
        size = _read_out(sums, touched, groups, columns, values, size, scale[0])
        lengths[word - first] = size - before
    return lengths, columns[:size].copy(), values[:size].copy()


@njit(cache=True, nogil=True, inline="always")
def _add(context, weight, sums, touched, groups):  # type: ignore[no-untyped-def]
    if sums[context] == 0:
        block = context >> 6
        touched[block] |= np.uint64(1) << np.uint64(context & 63)
        groups[block >> 6] |= np.uint64(1) << np.uint64(block & 63)
    sums[context] += weight


@njit(cache=True, nogil=True)
def _read_out(sums, touched, groups, columns, values, size, scale):  # type: ignore[no-untyped-def]
    """Append the sums that are not zero to `columns` and `values`, and reset them; returns the new size."""
    one = np.uint64(1)
    for group in range(len(groups)):
        blocks = groups[group]
        groups[group] = 0
        while blocks:
            block = (group << 6) + np.int64(_lowest(blocks))  # type: ignore[call-arg]
            blocks &= blocks - one
            bits = touched[block]
            touched[block] = 0
            while bits:
                column = (block << 6) + np.int64(_lowest(bits))
                bits &= bits - one
                columns[size] = column
                values[size] = sums[column] * scale
                sums[column] = 0
                size += 1
    return size
