"""GloVe, global vectors: inner products fitted to log co-occurrence counts (Pennington, Socher & Manning 2014).

X_wc counts the context c near the word w, an occurrence d tokens away as 1/d (`embeddings/cooccurrence.py`). Words and
contexts have a vector and a bias each, which minimise the weighted least squares

    J = ½ Σ_{w,c: X_wc > 0} f(X_wc) (w · c + b_w + b_c - log X_wc)²        f(x) = min(1, x / x_max)^α

so that ratios of co-occurrence probabilities become vector differences (§3). f gives noisy rare pairs a low weight, and
does not let the most frequent ones dominate. AdaGrad updates one cell at a time, in random order:

    for each parameter θ of w and c, with the gradient g of the cell's cost:
        θ ← θ - ηg / √G_θ,    then  G_θ ← G_θ + (ηg)²        G_θ = 1 at first

The vector of a word is w + w̃, the sum of its two vectors (§4.2); the predictor's score is the inner product w · c.

Departures. As in the authors' program, and not in the paper: biases are updated by g / √G without η, gradients of
vector components are clipped to ±100, J has the factor ½, and so has the mean cost shown. `end` is no word, unless
`ends` makes it one. Their threads overwrite each other's updates; here no two threads use the same vector, so the
result depends on the seed alone (`embeddings/adagrad.py`).
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from lmzoo.cluster import DistributedIds
from lmzoo.embeddings.adagrad import Descent, TorchDescent
from lmzoo.embeddings.cooccurrence import Counted
from lmzoo.embeddings.gpu import accelerator
from lmzoo.embeddings.predictor import LowRank
from lmzoo.errors import FormatError, ScoreError, UsageError, in_range
from lmzoo.interface import Array, Ids, Run
from lmzoo.ngrams.out_of_core import Scratch


@dataclass
class GloVe(Counted, LowRank):
    """Words as dense vectors whose inner products are the logarithms of co-occurrence counts."""

    window: int = 10  # tokens on each side that are contexts of a word, 1 or more; the predictor looks back as far
    weights: str = "harmonic"  # of an occurrence d tokens away: harmonic 1/d, flat 1, linear (window - d + 1) / window
    dimensions: int = 100  # D, of a word vector
    x_max: float = 100.0  # pairs with this count or more have weight 1; 100 in the paper, 10 for few million words
    alpha: float = 0.75  # exponent of the weight of less frequent pairs
    learning_rate: float = 0.05  # η of AdaGrad
    epochs: int = 15  # passes over the pairs; 50 in the paper, and 100 from 300 dimensions on
    ends: bool = False  # treat `end` as a word: predicts better (PTB), but makes worse vectors of rare words

    name: ClassVar[str] = "glove"
    year: ClassVar[int] = 2014
    paper: ClassVar[str] = "Pennington, Socher & Manning 2014, GloVe: Global Vectors for Word Representation"
    family: ClassVar[str] = "association"
    title: ClassVar[str] = "GloVe"
    label_settings: ClassVar[Mapping[str, str]] = {}
    on_cluster: ClassVar[bool] = True

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "tiny": {"dimensions": 5, "window": 2, "min_count": 1, "epochs": 5, "x_max": 10.0}
    }  # for a first try

    def __post_init__(self) -> None:
        super().__post_init__()
        in_range("dimensions", self.dimensions, 1, why="it is the size of a word vector")
        in_range("epochs", self.epochs, 1, why="it is the number of passes over the pairs")
        in_range("x-max", self.x_max, above=0)
        in_range("learning-rate", self.learning_rate, above=0)
        in_range("alpha", self.alpha, 0, why="it is an exponent, and 0 gives all pairs the same weight")

    def count(self, train: Ids | DistributedIds, vocab_size: int, run: Run) -> Any:
        """X, scipy CSR (V, V), without pairs of `end` unless it counts as a word. Raises UsageError if X is empty."""
        table = super().count(train, vocab_size, run)
        if not self.ends:
            table.data[table.indptr[-2] :] = 0
            table.data[table.indices == vocab_size - 1] = 0
            table.eliminate_zeros()
        if not table.nnz:
            raise UsageError(
                "no two words stand on one line, so there is nothing to learn from: --ends counts line ends"
            )
        return table

    def _learn(self, train: Ids, vocab_size: int, run: Run) -> None:
        began = time.perf_counter()
        table = self.count(train, vocab_size, run)
        unseen = np.diff(table.indptr) == 0, np.bincount(table.indices, minlength=vocab_size) == 0
        cells, descent = table.nnz, self._descent(table, run)
        del table
        self._descend(descent, run, began)
        self.words_, self.contexts_, self.biases_ = descent.learned()  # (V, D), (V, D), (2, V)
        if not all(np.isfinite(array).all() for array in (self.words_, self.contexts_, self.biases_)):
            raise ScoreError(self._diverged("its vectors are not finite"))
        self.words_[unseen[0]], self.contexts_[unseen[1]] = 0, 0
        self.biases_[0, unseen[0]], self.biases_[1, unseen[1]] = 0, 0
        self.facts = {**self.facts, "cells": cells, "epochs": len(self.history)}

    def _descent(self, table: Any, run: Run) -> Descent | TorchDescent:
        """The optimiser, on CPU threads or a GPU."""
        settings = (table, self.dimensions, self.x_max, self.alpha, self.learning_rate, run.seed)
        device = accelerator(run.device)
        if device is None:
            return Descent(*settings, Scratch(run.memory))
        return TorchDescent(*settings, device)

    def _descend(self, descent: Descent | TorchDescent, run: Run, began: float) -> None:
        """Train for `epochs`, or as many as fit into the time budget; sets `history`."""
        history: list[dict[str, Any]] = []
        with run.progress.task("epochs", self.epochs) as task:
            for number in range(1, self.epochs + 1):
                cost = descent.epoch(task.advance)
                seconds = time.perf_counter() - began
                if not np.isfinite(cost):
                    raise ScoreError(self._diverged(f"its mean cost is {cost} in epoch {number}"))
                history.append({"epoch": number, "cost": cost, "seconds": seconds})
                task.advance(0, f"cost {cost:.4f}")
                if run.seconds is not None and seconds >= run.seconds and number < self.epochs:
                    remark = f"{number} of {self.epochs} epochs were trained: the budget of {run.seconds:g} s was spent"
                    self.remarks = (*self.remarks, remark)
                    break
        self.history = history

    def _diverged(self, finding: str) -> str:
        return f"glove diverged: {finding}; lower learning-rate, which is {self.learning_rate:g}, to 0.05 or so"

    def restore(self, arrays: dict[str, Array]) -> Self:
        """The inverse of `arrays`. Raises FormatError for arrays that no fit could have made."""
        super().restore(arrays)
        if np.shape(self.biases_) != (2, self.vocab_size_) or not np.isfinite(self.biases_).all():
            raise FormatError(f"the biases are not 2 × {self.vocab_size_} finite numbers: this run is damaged")
        self.refuse_infinite()
        return self

    def vectors(self) -> Array:
        """w + w̃, (V, D); zero for words that were too rare to be counted."""
        return self.words_ + self.contexts_

    def factors(self) -> tuple[Array, Array]:
        """The vectors of words and those of contexts, (V, D) each."""
        return self.words_, self.contexts_
