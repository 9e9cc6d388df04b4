"""Association scores in a sparse table: most pairs of words never co-occur, so only the others are stored."""

from abc import abstractmethod

import numpy as np
from numba import njit

from lmzoo.embeddings.gpu import OnDevice
from lmzoo.embeddings.predictor import Association
from lmzoo.embeddings.softmax import in_parts, log_normaliser
from lmzoo.interface import Array, Ids


class Table(Association):
    """s(w, c) looked up, 0 where it is not stored."""

    @abstractmethod
    def table(self) -> tuple[Array, Array, Array]:
        """indptr (V+1,), words (M,) and scores (M,), as in a CSR matrix with a row for each context c.

        scores[indptr[c]:indptr[c+1]] are s(w, c) for words[indptr[c]:indptr[c+1]], in ascending order.
        """

    def scores(self, words: Ids, contexts: Ids) -> Array:
        """s(w, c) of N pairs: `words` (N,) and `contexts` (N,)."""
        return _look_up(*self.table(), np.asarray(words, np.int64), np.asarray(contexts, np.int64))

    def _put_scores(self, logits: Array, contexts: Ids, lambdas: Array) -> None:
        in_parts(len(logits), lambda rows: _put(*self.table(), logits[rows], contexts[rows], lambdas))

    def _scored(self, contexts: Ids, tokens: Ids) -> Array:
        """log P of each of `tokens` (N,) after `contexts` (N, k): (N,)."""
        if self._on_device:
            return super()._scored(contexts, tokens)
        log_probs = np.empty(len(tokens))
        table = (*self.table(), self._base(), self._lambdas())
        # One position at a time, so that its V logits stay in the processor's cache.
        in_parts(len(tokens), lambda rows: _log_probs(*table, contexts[rows], tokens[rows], log_probs[rows]))
        return log_probs

    def _moved(self, device: str) -> OnDevice:
        import scipy.sparse

        indptr, words, scores = self.table()
        v = self.vocab_size_
        dense = scipy.sparse.csr_array((scores, words, indptr), (v, v)).toarray()
        return OnDevice(self._base(), self.lambdas_, None, dense, device)

    def _expected_scores(self, probs: Array, contexts: Ids) -> Array:
        expected = np.zeros(contexts.shape, dtype=np.float64)
        in_parts(len(probs), lambda rows: _expect(*self.table(), probs[rows], contexts[rows], expected[rows]))
        return expected


@njit(cache=True, nogil=True)
def _put(indptr, words, scores, logits, contexts, lambdas):  # type: ignore[no-untyped-def]
    """logits[n, w] = Σ_d λ_d s(w, c_d)."""
    for n in range(len(contexts)):
        _put_row(indptr, words, scores, logits[n], contexts[n], lambdas)


@njit(cache=True, nogil=True)
def _put_row(indptr, words, scores, row, contexts, lambdas):  # type: ignore[no-untyped-def]
    row[:] = 0
    for d in range(len(lambdas)):
        c, weight = contexts[d], lambdas[d]
        if c >= 0 and weight != 0:
            for i in range(indptr[c], indptr[c + 1]):
                row[words[i]] += weight * scores[i]


@njit(cache=True, nogil=True)
def _log_probs(indptr, words, scores, base, lambdas, contexts, tokens, out):  # type: ignore[no-untyped-def]
    """out[n] = log softmax(base + Σ_d λ_d s(·, c_d)) at tokens[n]."""
    row = np.empty(len(base), dtype=np.float32)
    for n in range(len(tokens)):
        _put_row(indptr, words, scores, row, contexts[n], lambdas)
        log_z = log_normaliser(row, base)
        out[n] = row[tokens[n]] - log_z


@njit(cache=True, nogil=True)
def _expect(indptr, words, scores, probs, contexts, expected):  # type: ignore[no-untyped-def]
    """expected[n, d] = Σ_w p(w) s(w, c_d)."""
    for n in range(len(contexts)):
        for d in range(contexts.shape[1]):
            c = contexts[n, d]
            if c >= 0:
                total = 0.0
                for i in range(indptr[c], indptr[c + 1]):
                    total += probs[n, words[i]] * scores[i]
                expected[n, d] = total


@njit(cache=True, nogil=True)
def _look_up(indptr, words, scores, wanted, contexts):  # type: ignore[no-untyped-def]
    """The score of each pair, by binary search among the words of its context."""
    pair_scores = np.zeros(len(wanted), scores.dtype)
    for n in range(len(wanted)):
        first, last = indptr[contexts[n]], indptr[contexts[n] + 1]
        i = first + np.searchsorted(words[first:last], wanted[n])
        if i < last and words[i] == wanted[n]:
            pair_scores[n] = scores[i]
    return pair_scores
