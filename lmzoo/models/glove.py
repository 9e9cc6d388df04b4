"""GloVe, global vectors: words such that inner products are logarithms of counts (Pennington, Socher & Manning 2014).

X_wc is how often the context c stood near the word w, an occasion d tokens away counting 1/d
(`embeddings/cooccurrence.py`).
Word and context have a vector each, and a bias each; they are to make

    J = ½ Σ_{w,c: X_wc > 0} f(X_wc) (w · c + b_w + b_c - log X_wc)²        f(x) = min(1, x / x_max)^α

small, so that ratios of probabilities of co-occurrence become differences of vectors (§3). f has rare pairs, which are
noise, count little, and the most frequent ones not more than others. AdaGrad takes one cell at a time, in random order:

    for each number θ of w and c, with the derivative g of the cell's cost:
        θ ← θ - ηg / √G_θ,    then  G_θ ← G_θ + (ηg)²        G_θ = 1 at first

A bias is changed by g / √G, without η, and derivatives by the vectors' numbers are cut at ±100: both as in the authors'
program, of which the paper says less. A word is w + w̃, the sum of its two vectors (§4.2); a score of the predictor is
the inner product w · c.

The program lets threads overwrite each other's steps; here they never touch the same vector, and what is learned
depends on the seed alone (`embeddings/adagrad.py`). The paper's J has no ½; the program's has, and so has the mean
cost of a pair
that is shown. As in the program, `end` bounds a line and is no word, unless `ends` makes it one.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from lmzoo.embeddings.adagrad import Descent, TorchDescent
from lmzoo.embeddings.cooccurrence import Counted
from lmzoo.embeddings.gpu import accelerator
from lmzoo.embeddings.predictor import LowRank
from lmzoo.errors import FormatError, ScoreError, UsageError
from lmzoo.interface import Ids, Run
from lmzoo.ngrams.out_of_core import Scratch

Array = NDArray[Any]


class _Descends(Protocol):
    def epoch(self, report: Any) -> float: ...

    def learned(self) -> tuple[Array, Array, Array]: ...


@dataclass
class GloVe(Counted, LowRank):
    """Words as short vectors whose inner products are the logarithms of how often they stood together."""

    window: int = 10  # how many tokens on each side go with a word, 1 or more; the predictor looks back as far
    weights: str = "harmonic"  # of an occasion d tokens away: harmonic 1/d, flat 1, linear (window - d + 1) / window
    dimensions: int = 100  # D, the size of a word's vector
    x_max: float = 100.0  # from this count on a pair weighs 1; 100 in the paper, 10 where there are few million words
    alpha: float = 0.75  # the power by which a pair of a lower count weighs less
    learning_rate: float = 0.05  # η, of AdaGrad's steps
    epochs: int = 15  # how often each pair is taken; the paper has 50, and 100 from 300 dimensions on
    ends: bool = False  # let `end` be a word as any other: predicts better (PTB), and blurs what rare words mean

    name: ClassVar[str] = "glove"
    year: ClassVar[int] = 2014
    paper: ClassVar[str] = "Pennington, Socher & Manning 2014, GloVe: Global Vectors for Word Representation"
    family: ClassVar[str] = "association"
    title: ClassVar[str] = "GloVe"
    label_settings: ClassVar[Mapping[str, str]] = {}

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "tiny": {"dimensions": 5, "window": 2, "min_count": 1, "epochs": 5, "x_max": 10.0}
    }  # for a first try

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dimensions < 1:
            raise UsageError(f"dimensions must be 1 or more, not {self.dimensions}: it is the size of a word's vector")
        if self.epochs < 1:
            raise UsageError(f"epochs must be 1 or more, not {self.epochs}: it is how often each pair is taken")
        for key in ("x_max", "learning_rate"):
            if not 0 < getattr(self, key) < float("inf"):
                raise UsageError(f"{key.replace('_', '-')} must be above 0, not {getattr(self, key)}")
        if not 0 <= self.alpha < float("inf"):
            raise UsageError(f"alpha must be 0 or more, not {self.alpha}: it is a power, and 0 weighs all pairs alike")

    def count(self, train: Ids, vocab_size: int, run: Run) -> Any:
        """X, scipy CSR (V, V); nothing goes with `end` unless it is to be a word. UsageError: it is empty."""
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
            raise ScoreError(self._too_fast("its vectors are not finite"))
        self.words_[unseen[0]], self.contexts_[unseen[1]] = 0, 0
        self.biases_[0, unseen[0]], self.biases_[1, unseen[1]] = 0, 0
        self.facts = {**self.facts, "cells": cells, "epochs": len(self.history)}

    def _descent(self, table: Any, run: Run) -> _Descends:
        """What takes the steps: threads here, or a GPU."""
        settings = (table, self.dimensions, self.x_max, self.alpha, self.learning_rate, run.seed)
        device = accelerator(run.device)
        if device is None:
            return Descent(*settings, Scratch(run.memory))
        return TorchDescent(*settings, device)

    def _descend(self, descent: _Descends, run: Run, began: float) -> None:
        """As many epochs as are asked for, or fit into the seconds there are; sets `history`."""
        history: list[dict[str, Any]] = []
        with run.progress.task("epochs", self.epochs) as task:
            for number in range(1, self.epochs + 1):
                cost = descent.epoch(task.advance)
                seconds = time.perf_counter() - began
                if not np.isfinite(cost):
                    raise ScoreError(self._too_fast(f"its mean cost is {cost} in epoch {number}"))
                history.append({"epoch": number, "cost": cost, "seconds": seconds})
                task.advance(0, f"cost {cost:.4f}")
                if run.seconds is not None and seconds >= run.seconds and number < self.epochs:
                    told = f"{number} of {self.epochs} epochs were trained: the budget of {run.seconds:g} s was spent"
                    self.remarks = (*self.remarks, told)
                    break
        self.history = history

    def _too_fast(self, finding: str) -> str:
        return f"glove ran away: {finding}; lower learning-rate, which is {self.learning_rate:g}, to 0.05 or so"

    def restore(self, arrays: dict[str, Array]) -> Self:
        """The inverse of `arrays`. Raises FormatError for arrays that no fit could have made."""
        super().restore(arrays)
        learned = [np.asarray(array) for array in (self.words_, self.contexts_, self.biases_)]
        shapes = [array.shape for array in learned]
        if shapes != [(self.vocab_size_, self.dimensions)] * 2 + [(2, self.vocab_size_)]:
            raise FormatError(f"the vectors are not {self.vocab_size_} of {self.dimensions} numbers: damaged run")
        if not all(array.dtype.kind == "f" and np.isfinite(array).all() for array in learned):
            raise FormatError("the vectors have numbers that are not finite: damaged run")
        return self

    def vectors(self) -> Array:
        """w + w̃, (V, D); zero for words that were too rare to be counted."""
        vectors: Array = self.words_ + self.contexts_
        return vectors

    def factors(self) -> tuple[Array, Array]:
        """The vectors of words and those of contexts, (V, D) each."""
        return self.words_, self.contexts_
