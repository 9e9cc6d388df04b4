"""Pointwise mutual information: how much more often two words co-occur than by chance (Church & Hanks 1990).

    PMI(w, c) = log  n(w, c) N / (n(w) n(c))

n(w, c) counts the context c within a window around w, n(w) and n(c) are its sums over contexts and over words, N is the
sum of all. The vector of a word is its row of PMI with all contexts, where

    PPMI(w, c)  = max(0, PMI(w, c))           `positive`: that a pair is not seen says little
                                              (Bullinaria & Levy 2007)
    SPPMI(w, c) = max(0, PMI(w, c) - log k)   `shift` k: what skip-gram with k negative samples factorises
                                              (Levy & Goldberg 2014)

and context distribution smoothing replaces n(c) by n(c)^α, and N by Σ_c n(c)^α, with α = 0.75, so that rare contexts do
not have the highest scores (Levy, Goldberg & Dagan 2015, §3.1).

As a predictor (`embeddings/predictor.py`) it is a bigram for each distance: with a window of one token to the left, no
smoothing of contexts and no shift, p(w) exp PMI(w, c) is the relative frequency of w after c.

Departures: pairs that were not seen score 0 whatever `positive` says, where the formula has -∞.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from lmzoo.embeddings.cooccurrence import Counted
from lmzoo.embeddings.sparse import Table
from lmzoo.errors import FormatError, in_range
from lmzoo.interface import Array, Ids, Origin, Run


def pmi(counts: Any, smoothing: float = 0.75, shift: float = 1.0, positive: bool = True) -> Any:
    """PMI in nats of `counts`, scipy CSR (V, V) of words by contexts: CSR of the seen pairs, above 0 if `positive`."""
    import scipy.sparse

    of_words, of_contexts = counts.sum(axis=1), counts.sum(axis=0) ** smoothing
    with np.errstate(divide="ignore"):  # log 0 of words that are in no pair is not used
        log_words, log_contexts = np.log(of_words), np.log(of_contexts)
    scores = np.log(counts.data, dtype=np.float64)
    scores += np.log(of_contexts.sum()) - np.log(shift)
    scores -= np.repeat(log_words, np.diff(counts.indptr))
    scores -= log_contexts[counts.indices]
    table = scipy.sparse.csr_array((scores.astype(np.float32), counts.indices, counts.indptr), counts.shape)
    if positive:
        np.maximum(table.data, 0, out=table.data)
    table.eliminate_zeros()
    return table


def check(smoothing: float, shift: float) -> None:
    """Raises UsageError for settings out of range."""
    in_range("smoothing", smoothing, 0, 1, why="1 leaves context frequencies unchanged")
    in_range("shift", shift, above=0, why="it is the number k of negative samples of skip-gram")


@dataclass
class PMI(Counted, Table):
    """Words as sparse vectors: the contexts that each co-occurs with more often than by chance."""

    positive: bool = True  # keep only scores above 0: PPMI
    shift: float = 1.0  # k: log k is subtracted from each score, as in shifted PPMI; 1 subtracts nothing
    smoothing: float = 0.75  # context distribution smoothing α, the power of context frequencies; 1: none

    name: ClassVar[str] = "pmi"
    year: ClassVar[int] = 1990
    paper: ClassVar[str] = "Church & Hanks 1990, Word Association Norms, Mutual Information, and Lexicography"
    family: ClassVar[str] = "association"
    label_settings: ClassVar[Mapping[str, str]] = {"window": "window {}"}
    on_cluster: ClassVar[bool] = True

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "tiny": {"window": 2, "min_count": 1},  # for a first try
        "bigram": {  # p(w) exp PMI(w, c) = p(w | c): the unsmoothed bigram of seen pairs
            "window": 1, "sides": "left", "positive": False, "smoothing": 1.0, "min_count": 1,
        },
    }  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.smoothing, self.shift)

    @property
    def title(self) -> str:
        """ "PMI", "shifted PMI"."""
        return "PMI" if self.shift == 1 else "shifted PMI"

    @property
    def origin(self) -> Origin:
        """With a shift it is the matrix that skip-gram factorises."""
        if self.shift == 1:
            return super().origin
        return Origin(2014, "Levy & Goldberg 2014, Neural Word Embedding as Implicit Matrix Factorization")

    def _learn(self, train: Ids, vocab_size: int, run: Run) -> None:
        by_word = pmi(self.count(train, vocab_size, run), self.smoothing, self.shift, self.positive)
        by_context = by_word.T.tocsr()
        by_context.sort_indices()
        self.__dict__.pop("_by_word", None)
        self.indptr_ = by_context.indptr.astype(np.int64)
        self.indices_, self.data_ = by_context.indices.astype(np.int32), by_context.data

    def restore(self, arrays: dict[str, Array]) -> Self:
        """The inverse of `arrays`. Raises FormatError for a table that no fit could have made."""
        super().restore(arrays)
        indptr, indices, v = self.indptr_, self.indices_, self.vocab_size_
        kinds = [(array.ndim, array.dtype.kind) for array in map(np.asarray, self.table())]
        whole = kinds == [(1, "i"), (1, "i"), (1, "f")] and len(indptr) == v + 1 and indptr[0] == 0
        whole = whole and indptr[-1] == len(indices) == len(self.data_)
        if not whole or (np.diff(indptr) < 0).any() or (len(indices) and not 0 <= indices.min() <= indices.max() < v):
            raise FormatError(f"the table of associations is not one of {v} by {v} words: this run is damaged")
        self.__dict__.pop("_by_word", None)
        return self

    def table(self) -> tuple[Array, Array, Array]:
        """indptr (V+1,), words (M,), scores (M,): a row for each context."""
        return self.indptr_, self.indices_, self.data_

    def vectors(self) -> Any:
        """PMI of each word with each context, in nats: scipy CSR (V, V), a row a word."""
        return self._by_word

    @cached_property
    def _by_word(self) -> Any:
        import scipy.sparse

        v = self.vocab_size_
        return scipy.sparse.csr_array((self.data_, self.indices_, self.indptr_), (v, v)).T.tocsr()

    def size(self) -> tuple[int, str]:
        """The pairs of words that have a score."""
        return len(self.data_), "associations"
