"""Co-occurrence counts: ids → a sparse matrix, one row a word, one column a context word. PMI and GloVe start from it.

`rows.py` sums them, here or in parts on a cluster (`distributed.py`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lmzoo.cluster import DistributedIds
from lmzoo.embeddings import distributed
from lmzoo.embeddings.rows import CHUNK, Cells, Weights, count_rows, thinned
from lmzoo.errors import UsageError, in_range, one_of
from lmzoo.interface import Array, Ids, Run, check_ids
from lmzoo.ngrams.out_of_core import Scratch

WEIGHTS = ("harmonic", "linear", "flat")  # at distance d of k: 1/d; (k-d+1)/k, the mean over word2vec's windows; 1
SIDES = ("both", "left")  # left: only words before it are contexts
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

    def count(self, train: Ids | DistributedIds, vocab_size: int, run: Run) -> Any:
        """(V, V) scipy.sparse.csr_array of float32: row = word, column = context, columns sorted within rows.

        A value is the sum of the weights of all occurrences of the context within `window` tokens of the word. `end`
        bounds a line or text and one precedes the first token: a window includes an `end` and nothing beyond it.

        Words dropped by `subsample` or `min_count` are taken out before windows are laid, as word2vec's and GloVe's
        programs do; `end` is never dropped. `run.memory` bounds the bytes used beside the input; else it is some 12 a
        token and 16 a distinct pair. Raises UsageError for a text in which fewer than two distinct words are left.
        """
        from scipy.sparse import csr_array

        if self.window > len(train):
            raise UsageError(f"window must be at most the text's length, {len(train)} tokens, not {self.window}")
        scratch = Scratch(run.memory)
        if isinstance(train, DistributedIds):
            lengths, columns, values = self._count_there(train, vocab_size, run.seed)
        else:
            lengths, columns, values = self._count_here(train, vocab_size, run, scratch)
        bounds = np.append(0, np.cumsum(np.concatenate(lengths)))
        if bounds[-1] < 2**31:
            bounds = bounds.astype(np.int32)  # with int64 bounds scipy would convert the columns to int64
        cells = (scratch.joined(values), scratch.joined(columns), bounds)
        return csr_array(cells, shape=(vocab_size, vocab_size))

    def _count_here(self, train: Ids, vocab_size: int, run: Run, scratch: Scratch) -> Cells:
        """The rows, of ids in this process."""
        tokens = check_ids(train, vocab_size)
        keep = self._keep(np.bincount(tokens, minlength=vocab_size))
        text = scratch.empty(len(tokens) + 1, np.int32)
        text[0], size = vocab_size - 1, 1  # an `end`
        for i in range(0, len(tokens), CHUNK):
            left = thinned(tokens[i : i + CHUNK], keep, run.seed, i)
            text[size : size + len(left)] = left
            size += len(left)
        text = text[:size]
        counts = np.bincount(text, minlength=vocab_size)
        self._refuse_too_few(counts, len(tokens))
        return count_rows(text, counts, self._weights(), False, scratch, run.progress)

    def _count_there(self, train: DistributedIds, vocab_size: int, seed: int) -> Cells:
        """The rows, of ids on a cluster."""
        keep = self._keep(distributed.count_tokens(train, vocab_size))
        text = distributed.thin(train, keep, seed)
        counts = distributed.count_tokens(text, vocab_size)
        self._refuse_too_few(counts, len(train))
        return distributed.count_rows(text, counts, self._weights())

    def _keep(self, counts: Array) -> Array:
        """The probability that an occurrence of each word is kept, (V,); of `end` it is 1."""
        counts = counts.copy()
        counts[:-1][counts[:-1] < self.min_count] = 0
        keep = keep_probabilities(counts, self.subsample)
        keep[counts == 0] = 0
        keep[-1] = 1
        return keep

    def _refuse_too_few(self, counts: Array, length: int) -> None:
        if np.count_nonzero(counts[:-1]) < 2:  # `end` is no word
            raise UsageError(
                f"of this text of {length} tokens fewer than two different words are left with min-count "
                f"{self.min_count} and subsample {self.subsample:g}, and only two can co-occur: lower min-count, or "
                "train on another text"
            )

    def _weights(self) -> Weights:
        distances = np.arange(1, self.window + 1)
        unit, by_distance = 1, np.ones(self.window, dtype=np.int64)
        if self.weights == "harmonic":
            unit, by_distance = FIXED, np.rint(FIXED / distances).astype(np.int64)
        if self.weights == "linear":
            unit, by_distance = self.window, self.window - distances + 1
        return Weights(by_distance, unit, self.sides == "left")


def keep_probabilities(counts: Array, subsample: float) -> Array:
    """Probability that subsampling keeps an occurrence of each word, (V,): (√(f/t) + 1) · t/f, at most 1.

    f is the word's relative frequency in `counts` (V,), t is `subsample`, 0 for none. This is the formula of Mikolov et
    al.'s program; their paper (2013, Distributed Representations of Words and Phrases) has √(t/f).
    """
    if subsample == 0:
        return np.ones(len(counts))
    relative = subsample / np.maximum(counts / max(counts.sum(), 1), 1e-300)
    return np.minimum(np.sqrt(relative) + relative, 1.0)
