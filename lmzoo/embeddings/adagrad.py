"""AdaGrad for GloVe's weighted least squares: on CPU threads, the same for any number of them, or on a GPU.

`models/glove.py` has the objective and the update. On CPUs the schedule is that of Gemulla, Nijkamp, Haas & Sismanis
2011: words and contexts are divided into P blocks each, so the cells fall into P² blocks, and a stratum is P of these
that share no word and no context. Threads that work on different blocks of a stratum never touch the same vector.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from lmzoo.interface import Array
from lmzoo.ngrams.out_of_core import Scratch, release

if TYPE_CHECKING:
    import torch  # imported where it is used: only a GPU needs it

# P, the most threads there can be. It is fixed, so that results do not depend on the machine's cores; and the vectors
# of one block are few enough to stay in the processor's cache.
BLOCKS = 8
THREADS = min(BLOCKS, os.cpu_count() or 1)
CLIP = 100.0  # gradient clipping, for each component of a vector, as in the authors' program
FAST = {"reassoc", "contract", "arcp", "afn", "nsz"}  # all of fastmath that respects NaN and infinity

LARGEST_BATCH = 1 << 16  # cells, on a GPU
SMALLEST_BATCH = 64
BATCHES = 1000  # of an epoch, at least: larger ones would change the same vectors too often at once


@dataclass
class Cells:
    """The cells X_wc > 0 of a matrix, sorted by block: block b = i · P + j is cells bounds[b] … bounds[b+1]-1."""

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
        """Free the memory of arrays that are in files."""
        release(self.words, self.contexts, self.targets, self.importance)


def deal(table: Any, x_max: float, alpha: float, seed: int, scratch: Scratch) -> Cells:
    """The cells of a sparse `table` (V, V) in P² blocks of about equal size, shuffled within each."""
    per_word = np.diff(table.indptr)
    per_context = np.bincount(table.indices, minlength=table.shape[1])
    word_block, context_block = _assign_blocks(per_word), _assign_blocks(per_context)
    bounds = _block_bounds(table.indptr, table.indices, word_block, context_block, BLOCKS)
    words, contexts, targets, importance = (
        scratch.empty(table.nnz, dtype) for dtype in (np.int32, np.int32, np.float32, np.float32)
    )
    cells = Cells(words, contexts, targets, importance, bounds)
    _fill(table.indptr, table.indices, table.data, word_block, context_block, bounds, words, contexts, targets)

    def finish(b: int) -> None:
        words, contexts, targets, importance = cells.block(b)
        order = np.random.default_rng([seed, b]).permutation(len(words))  # the same order in every epoch
        for column in (words, contexts, targets):
            column[:] = column[order]
        importance[:] = np.minimum(targets / x_max, 1.0) ** alpha  # f(X)
        np.log(targets, out=targets)  # until here they are X

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(finish, range(BLOCKS**2)))
    cells.release()
    return cells


def _assign_blocks(counts: Array) -> Array:
    """A block for each of the V words, (V,) int32, in turns by number of cells, so that blocks are of like size."""
    blocks = np.empty(len(counts), dtype=np.int32)
    blocks[np.argsort(-counts, kind="stable")] = np.arange(len(counts)) % BLOCKS
    return blocks


def initial(vocab_size: int, dimensions: int, seed: int) -> Array:
    """Parameters of words and contexts, (2, V, 2, D+1) float32: vector and bias, then their sums of squared gradients.

    Parameters are uniform in ±1/2D, and the sums begin with 1, as in the authors' program. All that a cell needs of a
    word is in one place in memory.
    """
    rng = np.random.default_rng(seed)
    tables = np.ones((2, vocab_size, 2, dimensions + 1), dtype=np.float32)
    for table in tables:
        table[:, 0] = (rng.random((vocab_size, dimensions + 1), dtype=np.float32) - 0.5) / dimensions
    return tables


class Descent:
    """AdaGrad on the cells of `table` (V, V), one cell at a time, on CPU threads."""

    def __init__(
        self, table: Any, dimensions: int, x_max: float, alpha: float, rate: float, seed: int, scratch: Scratch
    ) -> None:
        self.tables = initial(table.shape[0], dimensions, seed)
        self.cells = deal(table, x_max, alpha, seed, scratch)
        self.rate = np.float32(rate)
        self.rng = np.random.default_rng([seed, BLOCKS**2])  # the strata's; a block's cells are shuffled by [seed, b]

    def epoch(self, report: Callable[[float], None]) -> float:
        """One update for each cell; returns the mean cost of a cell before its update. `report`s shares of 1."""
        cost = 0.0
        with ThreadPoolExecutor(THREADS) as pool:
            for stratum in self.rng.permutation(BLOCKS):  # s: blocks (i, (i + s) mod P)
                blocks = [i * BLOCKS + (i + stratum) % BLOCKS for i in range(BLOCKS)]
                cost += sum(pool.map(self._block_epoch, blocks))
                self.cells.release()
                report(1 / BLOCKS)
        return cost / len(self.cells)

    def _block_epoch(self, b: int) -> float:
        words, contexts = self.tables
        return _descend(*self.cells.block(b), words, contexts, self.rate, np.float32(CLIP))

    def learned(self) -> tuple[Array, Array, Array]:
        """Word vectors (V, D), context vectors (V, D) and the biases of both (2, V)."""
        vectors = self.tables[:, :, 0]
        return vectors[0, :, :-1].copy(), vectors[1, :, :-1].copy(), vectors[:, :, -1].copy()


class TorchDescent:
    """AdaGrad on the cells of `table` (V, V), in batches, on `device`: the same cost and learning rate.

    Squared gradients of a whole batch are summed before its updates, so that words which are in it often do not
    diverge. A GPU adds up in no fixed order, so there two runs of one seed agree to rounding only.
    """

    def __init__(
        self, table: Any, dimensions: int, x_max: float, alpha: float, rate: float, seed: int, device: str
    ) -> None:
        import torch

        counts = torch.from_numpy(np.ascontiguousarray(table.data)).to(device)
        per_word = torch.from_numpy(np.diff(table.indptr)).to(device, torch.int64)
        self.words = torch.repeat_interleave(per_word)
        self.contexts = torch.from_numpy(np.ascontiguousarray(table.indices)).to(device, torch.int64)
        self.targets = counts.log()
        self.importance = (counts / x_max).clamp(max=1) ** alpha
        # (2, 2, V, D+1): parameters and sums of squared gradients of the words, then of the contexts
        tables = initial(table.shape[0], dimensions, seed).swapaxes(1, 2)
        self.tables = torch.from_numpy(np.ascontiguousarray(tables)).to(device)
        self.rates = torch.tensor([rate] * dimensions + [1.0], device=device)  # a bias has no η
        self.order = torch.Generator(device).manual_seed(seed)

    def epoch(self, report: Callable[[float], None]) -> float:
        """One update for each cell; returns the mean cost of a cell before its update. `report`s shares of 1."""
        import torch

        cells = len(self.targets)
        batch = min(LARGEST_BATCH, max(SMALLEST_BATCH, cells // BATCHES))
        order = torch.randperm(cells, generator=self.order, device=self.targets.device)
        cost = torch.zeros((), dtype=torch.float64, device=self.targets.device)
        for chosen in order.split(batch):
            cost += self._step(chosen)
            report(len(chosen) / cells)
        return float(cost) / cells

    def _step(self, chosen: "torch.Tensor") -> "torch.Tensor":
        """One update with the gradients of `chosen` (N,) cells; returns the sum of their costs."""
        import torch

        ids = self.words[chosen], self.contexts[chosen]
        w, c = (self.tables[side, 0, ids[side]] for side in (0, 1))  # (N, D+1)
        error = (w[:, :-1] * c[:, :-1]).sum(1) + w[:, -1] + c[:, -1] - self.targets[chosen]
        slope = self.importance[chosen] * error
        for side, other in enumerate((c, w)):
            gradient = (slope[:, None] * other[:, :-1]).clamp(-CLIP, CLIP)  # (N, D)
            steps = torch.cat([gradient, slope[:, None]], 1) * self.rates  # (N, D+1)
            parameters, squares = self.tables[side]
            squares.index_add_(0, ids[side], steps**2)
            parameters.index_add_(0, ids[side], -steps / squares[ids[side]].sqrt())
        return 0.5 * (slope * error).sum(dtype=torch.float64)

    def learned(self) -> tuple[Array, Array, Array]:
        """Word vectors (V, D), context vectors (V, D) and the biases of both (2, V)."""
        parameters = self.tables[:, 0].cpu().numpy()  # (2, V, D+1)
        return parameters[0, :, :-1].copy(), parameters[1, :, :-1].copy(), parameters[:, :, -1].copy()


@njit(cache=True, nogil=True)
def _block_bounds(starts, columns, word_block, context_block, blocks):  # type: ignore[no-untyped-def]
    sizes = np.zeros(blocks * blocks + 1, np.int64)
    for word in range(len(starts) - 1):
        first = word_block[word] * blocks + 1
        for i in range(starts[word], starts[word + 1]):
            sizes[first + context_block[columns[i]]] += 1
    return np.cumsum(sizes)


@njit(cache=True, nogil=True)
def _fill(starts, columns, values, word_block, context_block, bounds, words, contexts, targets):  # type: ignore[no-untyped-def]
    """Append each cell to its block."""
    place = bounds[:-1].copy()
    blocks = np.int64(np.sqrt(len(place)))
    for word in range(len(starts) - 1):
        for i in range(starts[word], starts[word + 1]):
            b = word_block[word] * blocks + context_block[columns[i]]
            words[place[b]], contexts[place[b]], targets[place[b]] = word, columns[i], values[i]
            place[b] += 1


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def _descend(words, contexts, targets, importance, word_table, context_table, rate, clip):  # type: ignore[no-untyped-def]
    """AdaGrad, one update a cell (the equations are in `models/glove.py`): returns the sum of the costs."""
    D = word_table.shape[2] - 1
    cost = 0.0
    for i in range(len(words)):
        w, c = word_table[words[i], 0], context_table[contexts[i], 0]
        squares_w, squares_c = word_table[words[i], 1], context_table[contexts[i], 1]
        error = w[D] + c[D] - targets[i]
        for d in range(D):
            error += w[d] * c[d]  # w · c + b_w + b_c - log X
        slope = importance[i] * error
        cost += np.float64(0.5) * slope * error
        for d in range(D):
            step_w = rate * min(max(slope * c[d], -clip), clip)
            step_c = rate * min(max(slope * w[d], -clip), clip)
            w[d] -= step_w / np.sqrt(squares_w[d])
            c[d] -= step_c / np.sqrt(squares_c[d])
            squares_w[d] += step_w * step_w
            squares_c[d] += step_c * step_c
        w[D] -= slope / np.sqrt(squares_w[D])  # biases: without η
        c[D] -= slope / np.sqrt(squares_c[D])
        squares_w[D] += slope * slope
        squares_c[D] += slope * slope
    return cost
