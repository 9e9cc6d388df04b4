"""Co-occurrence counts: ids → a sparse matrix, one row a word, one column a context word. PMI and GloVe start from it.

Positions of the text are grouped by word (a counting sort). A row is the sum of the weights of the neighbours of its
word's positions, added up in a table of V numbers, of which those that are not zero are read out in order. No pair of
words is ever stored or sorted, so time is O(T · window).
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from lmzoo.errors import UsageError, in_range, one_of
from lmzoo.interface import Array, Ids, Progress, Run, check_ids
from lmzoo.ngrams.out_of_core import Scratch, ranges

WEIGHTS = ("harmonic", "linear", "flat")  # at distance d of k: 1/d; (k-d+1)/k, the mean over word2vec's windows; 1
SIDES = ("both", "left")  # left: only words before it are contexts
THREADS = min(8, os.cpu_count() or 1)
POSITIONS = 200_000  # of the text in a range of rows, about: a job for a thread
CHUNK = 1 << 20  # tokens read at a time
BYTES_A_CELL = 8  # a column and a value
# Harmonic weights are summed as integers in units of 2^-32. Such sums do not depend on the order of their terms, so
# neither threads nor memory change a result, and counts of both sides are exactly symmetric. The error is 2^-33, in a
# sum that is rounded to 24 bits.
FIXED = 1 << 32


@dataclass
class Counted:
    """The settings of co-occurrence counts; a dataclass to derive from."""

    window: int = 5  # tokens on each side that are contexts of a word, 1 or more; the predictor looks back as far
    weights: str = "flat"  # of an occurrence d tokens away: flat 1, harmonic 1/d, linear (window - d + 1) / window
    sides: str = "both"  # both, or left: only words before it are contexts of a word
    subsample: float = 0.0  # drop occurrences of words more frequent than this share of the text, as 1e-4; 0: none
    min_count: int = 5  # words that occur less often are dropped

    def __post_init__(self) -> None:
        in_range("window", self.window, 1, why="it is how many tokens on each side go with a word")
        for kind, value, known in (("weights", self.weights, WEIGHTS), ("sides", self.sides, SIDES)):
            one_of(kind, value, known)
        if not 0 <= self.subsample < float("inf"):
            raise UsageError(f"subsample must be 0 or a share of the text, as 1e-4, not {self.subsample}")
        in_range("min-count", self.min_count, 0)

    def count(self, train: Ids, vocab_size: int, run: Run) -> Any:
        """(V, V) scipy.sparse.csr_array of float32: row = word, column = context, columns sorted within rows.

        A value is the sum of the weights of all occurrences of the context within `window` tokens of the word. `end`
        bounds a line or text and one precedes the first token: a window includes an `end` and nothing beyond it.

        Words dropped by `subsample` or `min_count` are taken out before windows are laid, as word2vec's and GloVe's
        programs do; `end` is never dropped. `run.memory` bounds the bytes used beside the input; else it is some 12 a
        token and 16 a distinct pair. Raises UsageError for a text in which fewer than two distinct words are left.
        """
        from scipy.sparse import csr_array

        tokens = check_ids(train, vocab_size)
        if self.window > len(tokens):
            raise UsageError(f"window must be at most the text's length, {len(tokens)} tokens, not {self.window}")
        scratch = Scratch(run.memory)
        text = self._prepared(tokens, vocab_size, run.seed, scratch)
        counts = np.bincount(text, minlength=vocab_size)
        if np.count_nonzero(counts[:-1]) < 2:  # `end` is no word
            raise UsageError(
                f"of this text of {len(tokens)} tokens fewer than two different words are left with min-count "
                f"{self.min_count} and subsample {self.subsample:g}, and only two can co-occur: lower min-count, or "
                "train on another text"
            )
        # (V+1,) where each word's positions start when positions are grouped by word
        starts = np.append(0, np.cumsum(counts))
        lengths, columns, values = self._rows(text, starts, scratch, run.progress)
        del text
        bounds = np.append(0, np.cumsum(np.concatenate(lengths)))
        if bounds[-1] < 2**31:
            bounds = bounds.astype(np.int32)  # with int64 bounds scipy would convert the columns to int64
        cells = (scratch.joined(values), scratch.joined(columns), bounds)
        return csr_array(cells, shape=(vocab_size, vocab_size))

    def _prepared(self, tokens: Ids, vocab_size: int, seed: int, scratch: Scratch) -> Array:
        """`end`, then `tokens` (T,) without rare and subsampled words."""
        end = vocab_size - 1
        counts = np.bincount(tokens, minlength=vocab_size)
        counts[:end][counts[:end] < self.min_count] = 0
        keep = keep_probabilities(counts, self.subsample)
        keep[counts == 0] = 0
        keep[end] = 1
        text = scratch.empty(len(tokens) + 1, np.int32)
        text[0], size = end, 1
        rng = np.random.default_rng(seed)
        for i in range(0, len(tokens), CHUNK):
            chunk = tokens[i : i + CHUNK]
            left = chunk[rng.random(len(chunk)) < keep[chunk]]
            text[size : size + len(left)] = left
            size += len(left)
        return text[:size]

    def _rows(
        self, text: Array, starts: Array, scratch: Scratch, progress: Progress
    ) -> tuple[list[Array], list[Array], list[Array]]:
        """The number of cells of each row, their columns and their values, in pieces."""
        positions = scratch.empty(len(text), np.int32 if len(text) < 2**31 else np.int64)
        _gather(text, starts, positions)
        unit, by_distance = self._integer_weights()
        left_only = self.sides == "left"

        def count_range(rows: tuple[int, int]) -> tuple[Array, Array, Array]:
            first, stop = rows
            pairs = np.diff(starts[first : stop + 1]) * self.window * (1 if left_only else 2)
            room = int(np.minimum(pairs, len(starts) - 1).sum())  # an upper bound on the cells of these rows
            lengths, *cells = _count_rows(text, positions, starts, *rows, by_distance, left_only, unit, room)
            columns, values = map(scratch.keep, cells)
            return lengths, columns, values

        most = POSITIONS
        if scratch.memory is not None:  # half for the jobs in progress, half for pages of the files
            most = min(most, max(1, scratch.memory // 2 // THREADS // (2 * self.window * BYTES_A_CELL)))
        runs, bounds = [], ranges(starts, most)
        with ThreadPoolExecutor(THREADS) as pool, progress.task("counting pairs", len(text)) as task:
            for (first, stop), run in zip(bounds, pool.map(count_range, bounds), strict=True):
                runs.append(run)
                task.advance(int(starts[stop] - starts[first]))
        lengths, columns, values = (list(column) for column in zip(*runs, strict=True))
        return lengths, columns, values

    def _integer_weights(self) -> tuple[int, Array]:
        """The unit, and the weight of distances 1 … `window` in it: (window,) int64."""
        distances = np.arange(1, self.window + 1)
        if self.weights == "harmonic":
            return FIXED, np.rint(FIXED / distances).astype(np.int64)
        if self.weights == "linear":
            return self.window, self.window - distances + 1
        return 1, np.ones(self.window, dtype=np.int64)


def keep_probabilities(counts: Array, subsample: float) -> Array:
    """Probability that subsampling keeps an occurrence of each word, (V,): (√(f/t) + 1) · t/f, at most 1.

    f is the word's relative frequency in `counts` (V,), t is `subsample`, 0 for none. This is the formula of Mikolov et
    al.'s program; their paper (2013, Distributed Representations of Words and Phrases) has √(t/f).
    """
    if subsample == 0:
        return np.ones(len(counts))
    relative = subsample / np.maximum(counts / max(counts.sum(), 1), 1e-300)
    return np.minimum(np.sqrt(relative) + relative, 1.0)


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
def _count_rows(text, positions, starts, first, stop, weights, left_only, unit, room):  # type: ignore[no-untyped-def]
    """The rows of words `first` … `stop`-1: the number of cells of each, and the cells' columns and values."""
    vocab_size = len(starts) - 1
    end, window = vocab_size - 1, len(weights)
    sums = np.zeros(vocab_size, np.int64)
    # A bit for each column that is not zero, and a bit for each 64 of those: columns are read out in order at a cost
    # proportional to their number, not to V.
    touched = np.zeros((vocab_size >> 6) + 1, np.uint64)
    groups = np.zeros((len(touched) >> 6) + 1, np.uint64)
    lengths = np.zeros(stop - first, np.int64)
    columns, values = np.empty(room, np.int32), np.empty(room, np.float32)
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
        size = _read_out(sums, touched, groups, columns, values, size, 1.0 / unit)
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
