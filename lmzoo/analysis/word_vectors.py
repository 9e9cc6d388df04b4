"""Word vectors: nearest neighbours, analogies, and the similarity of two words.

The similarity of two words is the cosine of the angle between their vectors, which for unit vectors is a dot product:

    neighbours of a                     argmax over x of  cos(x, a)
    a is to b as c is to x   "add"      argmax over x of  cos(x, b) - cos(x, a) + cos(x, c)
                             "mul"      argmax over x of  cos(x, b) · cos(x, c) / (cos(x, a) + ε)

"add" is 3CosAdd (Mikolov, Yih & Zweig 2013), "mul" is 3CosMul (Levy & Goldberg 2014, equation 4).
"""

import difflib
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, issparse

from lmzoo.data.tokenizers import Tokenizer
from lmzoo.errors import UsageError, one_of
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Array

METHODS = ("add", "mul")
EPSILON = 1e-6  # keeps 3CosMul from dividing by zero
Scored = list[tuple[str, float]]  # words and their scores, best first


def words_of(tokenizer: Tokenizer, counts: ArrayLike) -> tuple[list[str], NDArray[np.int64]]:
    """The whole words (N,) among the tokens, most frequent first (ties by id), and the token id of each (N,).

    `counts` (V,) says how often each token occurs; words that never do are left out. Words are written without the
    space before them: of the tokens " king" and "king" the more frequent one stands for both.
    """
    occurrences = np.asarray(counts)
    ids = np.flatnonzero(occurrences)
    ids = ids[np.argsort(-occurrences[ids], kind="stable")]
    first: dict[str, int] = {}
    for i in ids.tolist():
        if word := tokenizer.word(i):
            first.setdefault(word, i)
    return list(first), np.fromiter(first.values(), np.int64, len(first))


class Vectors:
    """N words and a unit vector for each, the most frequent word first.

    Attributes: `words`, a list; `index`, the row of each word; `matrix` (N, D) of unit rows, a float32 array or a scipy
    csr_array; `counts` (N,), how often each word occurs, or None; `by_upper`, the row of the most frequent spelling of
    each word in capitals.
    """

    def __init__(self, words: Sequence[str], matrix: Any, counts: ArrayLike | None = None):
        """`matrix` (N, D): a vector for each of `words`, dense or sparse, most frequent first.

        Words with a zero vector and repeated words are left out. Raises UsageError where the sizes do not match, a
        number is not finite, or no word is left.
        """
        rows = csr_array(matrix, dtype=np.float32) if issparse(matrix) else np.asarray(matrix, np.float32)
        if rows.ndim != 2 or rows.shape[0] != len(words):
            raise UsageError(f"{len(words)} words need a matrix of as many rows, not one of shape {rows.shape}")
        lengths = _lengths(rows)
        if not np.isfinite(lengths).all():
            worst = words[int(np.argmin(np.isfinite(lengths)))]
            raise UsageError(f"the vector of {worst!r} holds a number that is not finite: these vectors are damaged")
        first = {word: i for i, word in reversed(list(enumerate(words)))}
        rows_used = [i for i, word in enumerate(words) if lengths[i] > 0 and first[word] == i]
        if not rows_used:
            raise UsageError(f"none of these {len(words)} words has a vector: was there enough text to learn from?")
        if len(rows_used) < len(words):
            rows, lengths = rows[rows_used], lengths[rows_used]
        self.words = [words[i] for i in rows_used]
        self.index = {word: i for i, word in enumerate(self.words)}
        self.matrix = _scaled(rows, 1 / lengths)
        self.counts = None if counts is None else np.asarray(counts)[rows_used]
        # Reversed, so that of several spellings the most frequent one, which comes first, is the one that stays.
        self.by_upper = {word.upper(): i for i, word in reversed(list(enumerate(self.words)))}

    @classmethod
    def of(cls, text_model: TextModel) -> Self:
        """The whole words that a model has vectors for; of a network, those of its embedding, in the order of its
        tokens. Raises UsageError where it has none.
        """
        model, tokenizer = text_model
        table, counts = _table(model)
        if table is None:
            raise UsageError(f"{model.name} has no word vectors; lmzoo train svd learns some, as pmi and glove do")
        words, ids = words_of(tokenizer, np.ones(model.vocab_size_) if counts is None else counts)
        if not words:
            raise UsageError(f"the tokenizer {tokenizer.spec} has no whole words: train with split or word:30000")
        return cls(words, table[ids], None if counts is None else counts[ids])

    def __len__(self) -> int:
        return len(self.words)

    def places(self, words: Sequence[str]) -> list[int]:
        """The rows of `words`: of this spelling, else of one with other capitals.

        Raises UsageError that names every unknown word, with suggestions.
        """
        rows = [self.index.get(word, self.by_upper.get(word.upper(), -1)) for word in words]
        unknown = [word for word, row in zip(words, rows, strict=True) if row < 0]
        if unknown:
            named = ", ".join(repr(word) + self._suggestions(word) for word in dict.fromkeys(unknown))
            raise UsageError(f"no vector for {named}: it must be one of the {len(self):,} words that have one")
        return rows

    def _suggestions(self, word: str) -> str:
        """' (perhaps a, b or c)': known words with a similar spelling; '' where there are none."""
        upper = word.upper()
        near = [known for known in self.by_upper if abs(len(known) - len(upper)) <= 2]
        close = [self.words[self.by_upper[known]] for known in difflib.get_close_matches(upper, near, n=3, cutoff=0.6)]
        return f" (perhaps {' or '.join(filter(None, [', '.join(close[:-1]), close[-1]]))})" if close else ""

    def dense(self, words: Sequence[str]) -> NDArray[np.float32]:
        """The unit vectors of `words`, (n, D). Raises as `places` does."""
        return self._dense(self.places(words))

    def _dense(self, places: Sequence[int]) -> NDArray[np.float32]:
        rows = self.matrix[places]
        return rows.toarray() if issparse(rows) else rows

    def similarity(self, a: str, b: str) -> float:
        """The cosine of two words, -1 to 1. Raises as `places` does."""
        first, second = self.dense([a, b])
        return float(first @ second)

    def neighbours(self, of: str | Array, n: int = 10) -> Scored:
        """The `n` nearest words, by cosine, to a word (itself left out) or to a vector (D,)."""
        if isinstance(of, str):
            (place,) = self.places([of])
            return self._best(self.matrix @ self._dense([place])[0], n, [place])
        vector = np.asarray(of, np.float32)
        length = float(np.linalg.norm(vector))
        if vector.shape != self.matrix.shape[1:] or not 0 < length < np.inf:
            raise UsageError(
                f"a vector here is {self.matrix.shape[1]} finite numbers, not all zero; this one has shape "
                f"{vector.shape} and length {length:g}"
            )
        return self._best(self.matrix @ (vector / length), n, [])

    def analogy(self, a: str, b: str, c: str, n: int = 5, method: str = "add") -> Scored:
        """a is to b as c is to …: the `n` best answers with their scores, none of them a, b or c.

        The score of "add" is the cosine with b - a + c; that of "mul" is 3CosMul's, 0 or more. Raises UsageError for
        another method, and as `places` does.
        """
        one_of("method", method, METHODS)
        places = self.places([a, b, c])
        first, second, third = self._dense(places)
        if method == "add":
            target = second - first + third
            return self._best(self.matrix @ (target / max(float(np.linalg.norm(target)), EPSILON)), n, places)
        # Levy & Goldberg shift cosines to 0 … 1, so that products of negative ones are not positive.
        x, y, z = ((1 + self.matrix @ vector) / 2 for vector in (first, second, third))
        return self._best(y * z / (x + EPSILON), n, places)

    def odd_one_out(self, words: Sequence[str]) -> Scored:
        """`words` with their cosines to the mean of their unit vectors, lowest first: that one does not belong.

        Raises UsageError for fewer than three different words, and as `places` does.
        """
        places = list(dict.fromkeys(self.places(words)))
        if len(places) < 3:
            raise UsageError(f"to find the odd one out there must be three different words or more, not {len(places)}")
        rows = self._dense(places)
        mean = rows.mean(axis=0)
        cosines = rows @ (mean / max(float(np.linalg.norm(mean)), EPSILON))
        return [(self.words[places[i]], float(cosines[i])) for i in np.argsort(cosines, kind="stable").tolist()]

    def _best(self, scores: Array, n: int, without: Sequence[int]) -> Scored:
        """The `n` words with the highest `scores` (N,), ties by frequency."""
        if n < 1:
            raise UsageError(f"at least 1 word can be asked for, not {n}")
        order = np.argsort(-scores, kind="stable")[: n + len(without)].tolist()
        return [(self.words[i], float(scores[i])) for i in order if i not in without][:n]


def _table(model: Any) -> tuple[Any, Any]:
    """The vectors (V, D) of a model's tokens and how often each occurred, None where it does not know; else None."""
    if hasattr(model, "vectors") and hasattr(model, "counts_"):
        return model.vectors(), model.counts_
    weight = getattr(getattr(vars(model).get("net_"), "embedding", None), "weight", None)
    return (None if weight is None else weight.detach().float().cpu().numpy()), None


def _lengths(rows: Any) -> NDArray[np.float64]:
    """The Euclidean length of each row, (N,)."""
    if issparse(rows):
        squares = csr_array((np.square(rows.data, dtype=np.float64), rows.indices, rows.indptr), shape=rows.shape)
        return np.sqrt(np.asarray(squares.sum(axis=1)))
    return np.sqrt(np.einsum("nd,nd->n", rows, rows, dtype=np.float64))


def _scaled(rows: Any, factors: NDArray[np.float64]) -> Any:
    """Each row times its factor, in float32."""
    factors = factors.astype(np.float32)
    if issparse(rows):
        data = rows.data * np.repeat(factors, np.diff(rows.indptr))
        return csr_array((data, rows.indices, rows.indptr), shape=rows.shape)
    return rows * factors[:, None]
