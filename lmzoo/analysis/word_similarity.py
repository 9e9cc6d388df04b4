"""How good word vectors are: agreement with human similarity judgments, and accuracy on analogies.

The procedure is that of gensim's `evaluate_word_pairs` and `evaluate_word_analogies`, and gives the same figures:

- Case is ignored: the most frequent spelling of a word ("us", "US") stands for all.
- A pair or question with an unknown word is left out and counted: only figures over the same items can be compared.
- Only the `restrict` most frequent words take part in analogies, as questions and as answers. (Published figures use
  30,000 with the word2vec program, 300,000 with gensim.)
- A word of the question, in any spelling, is never its answer.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import issparse

from lmzoo.analysis.word_vectors import EPSILON, METHODS, Vectors
from lmzoo.errors import FormatError, one_of
from lmzoo.interface import Array

BLOCK = 1 << 20  # cosines in memory at a time: 4 MB


def judge(vectors: Vectors, pairs: str) -> dict[str, Any]:
    r"""The correlation of cosines with human judgments of how similar two words are.

    `pairs` is the text of a set, a line "word\tword\tjudgment" for each pair; empty lines and lines with # are skipped.
    Returns Spearman's ρ as `spearman` and Pearson's r as `pearson` (None where undefined), the number of `pairs` whose
    words are both known, and of those left out as `unknown`. Raises FormatError for a malformed line.
    """
    from scipy import stats

    lines = _lines(pairs)
    asked = [(*_places(vectors, (a, b)), judgment) for a, b, judgment in (_pair(n, line) for n, line in lines)]
    known = [row for row in asked if min(row[:2]) >= 0]
    facts: dict[str, Any] = {"spearman": None, "pearson": None, "pairs": len(known), "unknown": len(asked) - len(known)}
    judgments = np.array([row[2] for row in known])
    cosines = _pair_cosines(vectors.matrix, [int(row[0]) for row in known], [int(row[1]) for row in known])
    if len(known) > 1 and np.ptp(judgments) > 0 and np.ptp(cosines) > 0:
        facts["spearman"] = float(stats.spearmanr(judgments, cosines).statistic)
        facts["pearson"] = float(stats.pearsonr(judgments, cosines).statistic)
    return facts


def solve_analogies(
    vectors: Vectors, questions: str, restrict: int | None = 30_000, method: str = "add"
) -> dict[str, Any]:
    """Accuracy on analogy questions: "a b c d" for "a is to b as c is to d", under ": section" lines.

    `restrict`: how many of the most frequent words take part (None: all). Returns {"sections": [score, …], "semantic":
    score, "syntactic": score, "total": score, "unanswerable": int}, where a score is {"section", "correct",
    "questions", "accuracy", "unanswerable"}: "accuracy" is correct / questions (None where there are none), and
    "unanswerable" counts the questions left out. Sections whose names begin with "gram" are syntactic. Raises
    FormatError for a malformed line.
    """
    one_of("method", method, METHODS)
    limit = len(vectors) if restrict is None else min(restrict, len(vectors))
    names, sections, places = _read_questions(vectors, questions)
    known: Array = np.all((places >= 0) & (places < limit), axis=1)
    asked = places[known]
    right = np.zeros(len(places), bool)
    right[known] = _answers(vectors, asked[:, :3], limit, method) == asked[:, 3]
    syntactic = np.array([name.startswith("gram") for name in names], bool)[sections]
    return {
        "method": method,
        "restrict": limit,
        "sections": [_score(name, right[sections == n], known[sections == n]) for n, name in enumerate(names)],
        "semantic": _score("semantic", right[~syntactic], known[~syntactic]),
        "syntactic": _score("syntactic", right[syntactic], known[syntactic]),
        "total": _score("total", right, known),
        "unanswerable": int((~known).sum()),
    }


def _score(name: str, right: Array, known: Array) -> dict[str, Any]:
    """A score: which questions (Q,) are answered right, and which have only known words."""
    correct, questions = int(right.sum()), int(known.sum())
    return {
        "section": name,
        "correct": correct,
        "questions": questions,
        "accuracy": correct / questions if questions else None,
        "unanswerable": len(known) - questions,
    }


def _lines(text: str) -> list[tuple[int, str]]:
    """(number, line) of all lines but empty ones and comments."""
    return [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip() and not line.startswith("#")]


def _pair(number: int, line: str) -> tuple[str, str, float]:
    try:
        a, b, judgment = line.split("\t")
        return a, b, float(judgment)
    except ValueError:
        raise FormatError(
            f"line {number} of the pairs is {line[:60]!r}: it must be two words and a number, with tabs between them"
        ) from None


def _places(vectors: Vectors, words: Sequence[str]) -> list[int]:
    """The row of each word, ignoring case; -1 for an unknown one."""
    return [vectors.by_upper.get(word.upper(), -1) for word in words]


def _pair_cosines(matrix: Any, first: list[int], second: list[int]) -> Array:
    """The cosine of each pair of rows, (n,)."""
    if issparse(matrix):
        return np.asarray(matrix[first].multiply(matrix[second]).sum(axis=1))
    return np.einsum("nd,nd->n", matrix[first], matrix[second])


def _read_questions(vectors: Vectors, text: str) -> tuple[list[str], Array, Array]:
    """The names of the sections, the section of each question (Q,), and the rows of its words (Q, 4)."""
    names: list[str] = []
    sections: list[int] = []
    places: list[list[int]] = []
    for number, line in _lines(text):
        words = line.split()
        if words[0] == ":":
            names.append(" ".join(words[1:]))
        elif not names or len(words) != 4:
            expected = "four words" if names else "the name of a section, as in ': family', before the first question"
            raise FormatError(f"line {number} of the questions is {line[:60]!r}: it must be {expected}")
        else:
            sections.append(len(names) - 1)
            places.append(_places(vectors, words))
    return names, np.array(sections, int), np.array(places, int).reshape(-1, 4)


def _answers(vectors: Vectors, asked: Array, limit: int, method: str) -> Array:
    """The row of the answer to each question a, b, c (Q, 3): of the most frequent spelling, where it has several.

    The cosines of all words with all question words are computed once; the scores of a question are then a sum or
    product of three rows of them (Levy & Goldberg 2014), instead of a matrix product for each question.
    """
    needed, inverse = np.unique(asked, return_inverse=True)
    a, b, c = inverse.reshape(-1, 3).T
    spelling = np.array([vectors.by_upper[word.upper()] for word in vectors.words[:limit]])
    rows = vectors.matrix[needed]
    columns = np.ascontiguousarray((rows.toarray() if issparse(rows) else rows).T)  # (D, needed)
    best, answers = np.full(len(asked), -np.inf, np.float32), np.full(len(asked), -1)
    width = max(1, BLOCK // max(len(needed), 1))
    height = max(1, BLOCK // width // 4)
    for left in range(0, limit, width):
        words = slice(left, min(left + width, limit))
        like, unlike = _terms((vectors.matrix[words] @ columns).T, needed[:, None] == spelling[words], method)
        for top in range(0, len(asked), height):
            block = slice(top, top + height)
            scores = like[b[block]]
            (np.add if method == "add" else np.multiply)(scores, like[c[block]], out=scores)
            (np.subtract if method == "add" else np.divide)(scores, unlike[a[block]], out=scores)
            column = scores.argmax(axis=1)
            value = np.take_along_axis(scores, column[:, None], axis=1)[:, 0]
            better = value > best[block]
            best[block][better] = value[better]
            answers[block][better] = spelling[left + column[better]]
    return answers


def _terms(cosines: Array, own: Array, method: str) -> tuple[Array, Array]:
    """What a question word contributes to the score of each candidate: in the position of b or c, and of a.

    `cosines` and `own` (needed, candidates). Where the candidate is the question word itself (`own`) the score becomes
    the lowest possible, whatever the other two contribute: -inf for sums, 0 for products.
    """
    like = np.ascontiguousarray(cosines)
    if method == "mul":
        like = np.maximum((1 + like) / 2, 0)
        unlike = like + np.float32(EPSILON)
    else:
        unlike = like.copy()
    like[own] = -np.inf if method == "add" else 0
    unlike[own] = np.inf
    return like, unlike
