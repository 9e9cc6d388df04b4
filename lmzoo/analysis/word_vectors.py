"""What word vectors are good for: neighbours, analogies, and how like two words are, beside people's judgments.

How like two words are is the cosine of the angle between their vectors. With unit vectors it is their product:

    neighbours of a                     the x with the greatest  cos(x, a)
    a is to b as c is to x   "add"      the x with the greatest  cos(x, b) - cos(x, a) + cos(x, c)
                             "mul"      the x with the greatest  cos(x, b) · cos(x, c) / (cos(x, a) + ε)

"add" is 3CosAdd (Mikolov, Yih & Zweig 2013), "mul" is 3CosMul (Levy & Goldberg 2014), for which cosines are shifted to
(1 + cos) / 2, lest they be negative. The words of the question are never its answer. The two test procedures, `judge`
and `solve_analogies`, are in `analysis/word_similarity.py`.
"""

import difflib
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, issparse

from lmzoo.analysis.word_similarity import EPSILON, METHODS, check_method, judge, solve_analogies
from lmzoo.data.tokenizers import Tokenizer
from lmzoo.data.tokenizers.base import BYTES
from lmzoo.errors import UsageError
from lmzoo.evaluation.text_model import TextModel

__all__ = ["METHODS", "Vectors", "judge", "solve_analogies", "words_of"]

UNKNOWN = "<unk>"
Found = list[tuple[str, float]]  # words and their scores, best first


def words_of(tokenizer: Tokenizer, counts: ArrayLike) -> tuple[list[str], NDArray[np.int64]]:
    """The plain words (N,) among the tokens, most frequent first (ties by id), and the token id of each (N,).

    `counts` (V,) says how often each token occurred; one that never did is left out. A word has neither white space
    nor the space before it: of " king" and "king" the more frequent stands for both. No words are: bytes, white
    space, `end`, `<unk>` (it stands for many), and of byte-pair encodings what does not begin with a space, for it
    may be a part of a word.
    """
    occurred = np.asarray(counts)
    ids = np.flatnonzero(occurred)
    ids = ids[np.argsort(-occurred[ids], kind="stable")]
    kind = tokenizer.spec.partition(":")[0]
    if kind != "split":
        ids = ids[ids >= BYTES]
    found: dict[str, int] = {}
    for i in ids[ids != tokenizer.end].tolist():
        (piece,) = tokenizer.pieces([i])
        word = piece.removeprefix(" ")
        if _is_word(word) and (kind in ("word", "split") or (kind != "char" and piece != word)):
            found.setdefault(word, i)
    return list(found), np.fromiter(found.values(), np.int64, len(found))


def _is_word(text: str) -> bool:
    """One stretch of text, whole (a piece of a character is U+FFFD)."""
    return text.split() == [text] and text != UNKNOWN and "\ufffd" not in text


class Vectors:
    """N words and the unit vector of each, the most frequent word first.

    Attributes: `words`, a list; `index`, the place of each word in it; `matrix` (N, D), whose rows have length one,
    a float32 array or a scipy csr_array; `counts` (N,), how often each word occurred, where that is known.
    """

    def __init__(self, words: Sequence[str], matrix: Any, counts: ArrayLike | None = None):
        """`matrix` (N, D): a vector for each of `words`, dense or sparse, most frequent first.

        Words whose vector is zero are left out, and so is all but the first of those that occur twice. Raises
        UsageError where the sizes do not fit, where a number is not finite, and where no word is left.
        """
        rows = csr_array(matrix, dtype=np.float32) if issparse(matrix) else np.asarray(matrix, np.float32)
        if rows.ndim != 2 or rows.shape[0] != len(words):
            raise UsageError(f"{len(words)} words need a matrix of as many rows, not one of shape {rows.shape}")
        lengths = _lengths(rows)
        if not np.isfinite(lengths).all():
            worst = words[int(np.argmin(np.isfinite(lengths)))]
            raise UsageError(f"the vector of {worst!r} holds a number that is not finite: these vectors are damaged")
        first = {word: i for i, word in reversed(list(enumerate(words)))}
        kept = [i for i, word in enumerate(words) if lengths[i] > 0 and first[word] == i]
        if not kept:
            raise UsageError(f"none of these {len(words)} words has a vector: was there enough text to learn from?")
        if len(kept) < len(words):
            rows, lengths = rows[kept], lengths[kept]
        self.words = [words[i] for i in kept]
        self.index = {word: i for i, word in enumerate(self.words)}
        self.matrix = _scaled(rows, 1 / lengths)
        self.counts = None if counts is None else np.asarray(counts)[kept]
        # The most frequent spelling of each word, whichever letters are capitals.
        self.by_upper = {word.upper(): i for i, word in reversed(list(enumerate(self.words)))}

    @classmethod
    def of(cls, text_model: TextModel) -> Self:
        """The words that a fitted model has vectors for. Raises UsageError where it has none."""
        model, tokenizer = text_model
        if not (hasattr(model, "vectors") and hasattr(model, "counts_")):
            raise UsageError(f"{model.name} has no word vectors; lmzoo train svd learns some, as pmi and glove do")
        words, ids = words_of(tokenizer, model.counts_)
        if not words:
            raise UsageError(f"the tokenizer {tokenizer.spec} has no whole words: train with split or word:30000")
        return cls(words, model.vectors()[ids], model.counts_[ids])

    def __len__(self) -> int:
        return len(self.words)

    def places(self, words: Sequence[str]) -> list[int]:
        """Where `words` are in `self.words`: spelled so, or else with other capitals.

        Raises UsageError that names all which are unknown, and what they may have been meant to be.
        """
        found = [self.index.get(word, self.by_upper.get(word.upper(), -1)) for word in words]
        unknown = [word for word, place in zip(words, found, strict=True) if place < 0]
        if unknown:
            named = ", ".join(repr(word) + self._meant(word) for word in dict.fromkeys(unknown))
            raise UsageError(f"no vector for {named}: it must be one of the {len(self):,} words that have one")
        return found

    def _meant(self, word: str) -> str:
        """' (perhaps a, b or c)': known words that are spelled nearly so."""
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

    def neighbours(self, of: str | NDArray[Any], n: int = 10) -> Found:
        """The `n` words nearest to a word (itself left out) or to a vector (D,), with their cosines."""
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

    def analogy(self, a: str, b: str, c: str, n: int = 5, method: str = "add") -> Found:
        """a is to b as c is to …: the `n` best answers with their scores, none of them a, b or c.

        The score of "add" is the cosine with b - a + c; that of "mul" is 3CosMul's, 0 or more.
        Raises UsageError for another method, and as `places` does, naming all words that are unknown.
        """
        check_method(method)
        places = self.places([a, b, c])
        first, second, third = self._dense(places)
        if method == "add":
            target = second - first + third
            return self._best(self.matrix @ (target / max(float(np.linalg.norm(target)), EPSILON)), n, places)
        x, y, z = ((1 + self.matrix @ vector) / 2 for vector in (first, second, third))
        return self._best(y * z / (x + EPSILON), n, places)

    def odd_one_out(self, words: Sequence[str]) -> Found:
        """`words` with their cosines to the mean of their unit vectors, the farthest first: it does not belong.

        Raises UsageError for fewer than three different words, and as `places` does.
        """
        places = list(dict.fromkeys(self.places(words)))
        if len(places) < 3:
            raise UsageError(f"to find the odd one out there must be three different words or more, not {len(places)}")
        rows = self._dense(places)
        mean = rows.mean(axis=0)
        cosines = rows @ (mean / max(float(np.linalg.norm(mean)), EPSILON))
        return [(self.words[places[i]], float(cosines[i])) for i in np.argsort(cosines, kind="stable").tolist()]

    def _best(self, scores: NDArray[Any], n: int, without: Sequence[int]) -> Found:
        """The `n` words with the greatest of `scores` (N,); of equals the more frequent first."""
        if n < 1:
            raise UsageError(f"at least 1 word can be asked for, not {n}")
        order = np.argsort(-scores, kind="stable")[: n + len(without)].tolist()
        return [(self.words[i], float(scores[i])) for i in order if i not in without][:n]


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
