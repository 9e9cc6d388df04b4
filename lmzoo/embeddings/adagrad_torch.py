"""The descent of `embeddings/adagrad.py` on a GPU: the same cost and rates, many cells at a time.

Cells are taken in batches, in another random order each epoch. The squares of all steps of a batch are added first,
then the steps are taken with these: words that are in a batch often do not run away. What a GPU adds up at once has no
fixed order, so there two runs of one seed agree to rounding only.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lmzoo.embeddings.adagrad import CLIP, initial

Array = NDArray[Any]

LARGEST_BATCH = 1 << 16  # cells
SMALLEST_BATCH = 64
BATCHES = 1000  # of an epoch, at least: in larger ones too much would be learned from the same vectors


class TorchDescent:
    """Stochastic gradient descent on the cells of `table` (V, V), with AdaGrad's rates, on `device`."""

    def __init__(
        self, table: Any, dimensions: int, x_max: float, alpha: float, rate: float, seed: int, device: torch.device
    ) -> None:
        counts = torch.from_numpy(np.ascontiguousarray(table.data)).to(device)
        per_word = torch.from_numpy(np.diff(table.indptr)).to(device, torch.int64)
        self.words = torch.repeat_interleave(per_word)
        self.contexts = torch.from_numpy(np.ascontiguousarray(table.indices)).to(device, torch.int64)
        self.targets = counts.log()
        self.importance = (counts / x_max).clamp(max=1) ** alpha
        # (2, 2, V, D+1): numbers and sums of squares of the words, then of the contexts
        tables = initial(table.shape[0], dimensions, seed).swapaxes(1, 2)
        self.tables = torch.from_numpy(np.ascontiguousarray(tables)).to(device)
        self.rates = torch.tensor([rate] * dimensions + [1.0], device=device)  # a bias has none of its own
        self.order = torch.Generator(device).manual_seed(seed)

    def epoch(self, report: Callable[[float], None]) -> float:
        """Take a step for every cell; returns the mean of their costs, met on the way. `report`s parts of 1."""
        cells = len(self.targets)
        batch = min(LARGEST_BATCH, max(SMALLEST_BATCH, cells // BATCHES))
        order = torch.randperm(cells, generator=self.order, device=self.targets.device)
        cost = torch.zeros((), dtype=torch.float64, device=self.targets.device)
        for chosen in order.split(batch):
            cost += self._step(chosen)
            report(len(chosen) / cells)
        return float(cost) / cells

    def _step(self, chosen: torch.Tensor) -> torch.Tensor:
        """One step for `chosen` (N,) cells; returns the sum of their costs."""
        ids = self.words[chosen], self.contexts[chosen]
        w, c = (self.tables[side, 0, ids[side]] for side in (0, 1))  # (N, D+1)
        error = (w[:, :-1] * c[:, :-1]).sum(1) + w[:, -1] + c[:, -1] - self.targets[chosen]
        slope = self.importance[chosen] * error
        for side, other in enumerate((c, w)):
            by_numbers = (slope[:, None] * other[:, :-1]).clamp(-CLIP, CLIP)
            steps = torch.cat([by_numbers, slope[:, None]], 1) * self.rates
            numbers, squares = self.tables[side]
            squares.index_add_(0, ids[side], steps**2)
            numbers.index_add_(0, ids[side], -steps / squares[ids[side]].sqrt())
        return 0.5 * (slope * error).sum(dtype=torch.float64)

    def learned(self) -> tuple[Array, Array, Array]:
        """Word vectors (V, D), context vectors (V, D) and the biases of both (2, V)."""
        numbers = self.tables[:, 0].cpu().numpy()
        return numbers[0, :, :-1].copy(), numbers[1, :, :-1].copy(), numbers[:, :, -1].copy()
