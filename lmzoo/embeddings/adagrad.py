"""Fitting a product of two tables to the cells of a sparse matrix on several threads, the same for any number of them.

Plumbing for `glove.py`, which says what is fitted. Its program lets threads change the same vectors at the same time
and takes what comes of it. Here, as in Gemulla, Nijkamp, Haas & Sismanis (2011), words and contexts are each dealt out
to P blocks, and so the cells to P². A stratum is P of these that have no word and no context in common: threads that
share out its blocks never touch the same vector, and what they compute is what one alone would. The P strata of an
epoch, s = 0 … P-1, are the blocks (i, (i + s) mod P); they are taken in a random order that changes every epoch. Within
a block cells are in random order, the same in each epoch.

P is fixed, so results do not depend on the machine's cores; and the vectors that a block needs are few enough to stay
in the processor's cache while it is worked on.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lmzoo.ngrams.out_of_core import Scratch, release

Array = NDArray[Any]

BLOCKS = 8  # P: as many as there may be threads
THREADS = min(BLOCKS, os.cpu_count() or 1)
CLIP = 100.0  # the largest derivative by one number of a vector, as in GloVe's program
# Everything that fastmath allows but to forget that there are NaN and infinity.
FAST = {"reassoc", "contract", "arcp", "afn", "nsz"}


@dataclass
class Cells:
    """The cells X_wc > 0 of a matrix, block by block: block b = i · P + j is cells bounds[b] … bounds[b+1]-1."""

    words: Array  # (cells,) int32
    contexts: Array  # (cells,) int32
    targets: Array  # (cells,) float32: log X_wc
    importance: Array  # (cells,) float32: f(X_wc)
    bounds: Array  # (P² + 1,)

    def __len__(self) -> int:
        return len(self.words)

    def block(self, b: int) -> tuple[Array, Array, Array, Array]:
        """Words, contexts, targets and importance of the cells of block b."""
        here = slice(int(self.bounds[b]), int(self.bounds[b + 1]))
        return self.words[here], self.contexts[here], self.targets[here], self.importance[here]

    def release(self) -> None:
        """Let go of what can be read again, where it is kept in files."""
        release(self.words, self.contexts, self.targets, self.importance)


def deal(table: Any, x_max: float, alpha: float, seed: int, scratch: Scratch) -> Cells:
    """The cells of a sparse `table` (V, V) in P² blocks of about equal size, shuffled within each."""
    per_word = np.diff(table.indptr)
    per_context = np.bincount(table.indices, minlength=table.shape[1])
    word_block, context_block = _dealt(per_word), _dealt(per_context)
    bounds = _block_bounds(table.indptr, table.indices, word_block, context_block, BLOCKS)
    words, contexts, targets, importance = (
        scratch.empty(table.nnz, dtype) for dtype in (np.int32, np.int32, np.float32, np.float32)
    )
    cells = Cells(words, contexts, targets, importance, bounds)
    _fill(table.indptr, table.indices, table.data, word_block, context_block, bounds, words, contexts, targets)

    def finish(b: int) -> None:
        words, contexts, targets, importance = cells.block(b)
        order = np.random.default_rng([seed, b]).permutation(len(words))
        for column in (words, contexts, targets):
            column[:] = column[order]
        importance[:] = np.minimum(targets / x_max, 1.0) ** alpha
        np.log(targets, out=targets)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(finish, range(BLOCKS**2)))
    cells.release()
    return cells


def _dealt(counts: Array) -> Array:
    """A block for each of the V words, those with most cells dealt out first: (V,) int32."""
    blocks = np.empty(len(counts), dtype=np.int32)
    blocks[np.argsort(-counts, kind="stable")] = np.arange(len(counts)) % BLOCKS
    return blocks


def initial(vocab_size: int, dimensions: int, seed: int) -> Array:
    """Both tables, (2, V, 2, D+1) float32: of each word the vector and its bias, then their sums of squared steps.

    Numbers are uniform between -1/2D and 1/2D, and squares begin with 1, as in GloVe's program. What a cell needs of a
    word is in one place.
    """
    rng = np.random.default_rng(seed)
    tables = np.ones((2, vocab_size, 2, dimensions + 1), dtype=np.float32)
    for table in tables:
        table[:, 0] = (rng.random((vocab_size, dimensions + 1), dtype=np.float32) - 0.5) / dimensions
    return tables


class Descent:
    """Stochastic gradient descent on the cells of `table` (V, V), with AdaGrad's rates, by the strata above."""

    def __init__(
        self, table: Any, dimensions: int, x_max: float, alpha: float, rate: float, seed: int, scratch: Scratch
    ) -> None:
        self.tables = initial(table.shape[0], dimensions, seed)
        self.cells = deal(table, x_max, alpha, seed, scratch)
        self.rate = np.float32(rate)
        self.rng = np.random.default_rng([seed, BLOCKS**2])  # the strata's; a block's cells are shuffled by [seed, b]

    def epoch(self, report: Callable[[float], None]) -> float:
        """Take a step for every cell; returns the mean of their costs, met on the way. `report`s parts of 1."""
        cost = 0.0
        with ThreadPoolExecutor(THREADS) as pool:
            for stratum in self.rng.permutation(BLOCKS):
                blocks = [i * BLOCKS + (i + stratum) % BLOCKS for i in range(BLOCKS)]
                cost += sum(pool.map(self._of_block, blocks))
                self.cells.release()
                report(1 / BLOCKS)
        return cost / len(self.cells)

    def _of_block(self, b: int) -> float:
        words, contexts = self.tables
        cost: float = _descend(*self.cells.block(b), words, contexts, self.rate, np.float32(CLIP))
        return cost

    def learned(self) -> tuple[Array, Array, Array]:
        """Word vectors (V, D), context vectors (V, D) and the biases of both (2, V)."""
        vectors = self.tables[:, :, 0]
        return vectors[0, :, :-1].copy(), vectors[1, :, :-1].copy(), vectors[:, :, -1].copy()


@njit(cache=True)
def _block_bounds(starts, columns, word_block, context_block, blocks):  # type: ignore[no-untyped-def]
    sizes = np.zeros(blocks * blocks + 1, np.int64)
    for word in range(len(starts) - 1):
        first = word_block[word] * blocks + 1
        for i in range(starts[word], starts[word + 1]):
            sizes[first + context_block[columns[i]]] += 1
    return np.cumsum(sizes)


@njit(cache=True)
def _fill(starts, columns, values, word_block, context_block, bounds, words, contexts, targets):  # type: ignore[no-untyped-def]
    """Each cell to the end of its block."""
    place = bounds[:-1].copy()
    blocks = np.int64(np.sqrt(len(place)))
    for word in range(len(starts) - 1):
        for i in range(starts[word], starts[word + 1]):
            b = word_block[word] * blocks + context_block[columns[i]]
            words[place[b]], contexts[place[b]], targets[place[b]] = word, columns[i], values[i]
            place[b] += 1


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def _descend(words, contexts, targets, importance, word_table, context_table, rate, clip):  # type: ignore[no-untyped-def]
    """AdaGrad, one step a cell: the sum of the costs. What the letters are is said in `glove.py`."""
    D = word_table.shape[2] - 1
    cost = 0.0
    for i in range(len(words)):
        w, c = word_table[words[i], 0], context_table[contexts[i], 0]
        squares_w, squares_c = word_table[words[i], 1], context_table[contexts[i], 1]
        error = w[D] + c[D] - targets[i]
        for d in range(D):
            error += w[d] * c[d]
        slope = importance[i] * error
        cost += np.float64(0.5) * slope * error
        for d in range(D):
            step_w = rate * min(max(slope * c[d], -clip), clip)
            step_c = rate * min(max(slope * w[d], -clip), clip)
            w[d] -= step_w / np.sqrt(squares_w[d])
            c[d] -= step_c / np.sqrt(squares_c[d])
            squares_w[d] += step_w * step_w
            squares_c[d] += step_c * step_c
        w[D] -= slope / np.sqrt(squares_w[D])
        c[D] -= slope / np.sqrt(squares_c[D])
        squares_w[D] += slope * slope
        squares_c[D] += slope * slope
    return cost
