"""The PMI solver (Clark et al. 2016): multiple-choice questions answered by co-occurrence in a corpus.

    PMI(x, y) = log (p(x, y) / (p(x) p(y)))       nats
    score(a)  = mean of PMI(x, y) over all pairs of an n-gram x of the question and an n-gram y of the option a

N-grams are the distinct unigrams, bigrams, trigrams and skip-bigrams (two words with any one word between them). The
answer is the option with the highest score. In a corpus of N words

    p(x)    = occurrences of x / N
    p(x, y) = co-occurrences of x and y / N       (counted as by Church & Hanks 1990)

where two occurrences co-occur if they lie wholly within `window` words and do not overlap.

What the paper leaves open was chosen on the 725 training questions of the task "science", with the training texts of
WikiText-2 and of `books` as corpora. The standard error of these accuracies is 1.7 %, that of the difference of two 0.4
to 2.3 %, so none of the choices is certain.

- Pairs that never co-occur have log 0. Here they are left out of the mean: 28.6 and 29.1 %. `unseen="zero"` counts them
  as 0, as the program aristo-mini does: 27.9 and 26.3 %.
- N-grams of function words alone are left out: 27.0 and 29.1 % with them, 28.1 and 29.3 % without such unigrams only.
  Taking for function words what makes up more than 0.5 % of the corpus gives 28.6 and 29.5 %, but in a small corpus
  those are also the words it is about.
- p(x, y) is not divided by the number of positions that y can have around x, so PMI of independent unigrams is
  log(2 (window − 1)), not 0. Dividing gives 28.0 and 28.4 %.
- Words are not stemmed.
- An option without a co-occurring pair scores 0. Where that is so of all options, the question is unknown.

The paper's corpus is the Web, 280 GB.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lmzoo.errors import in_range, one_of
from lmzoo.evaluation import statistics
from lmzoo.interface import Array, Progress
from lmzoo.tasks.multiple_choice import Question
from lmzoo.tasks.pmi_index import Ngrams, Occurrences, look_up, words_of

STOP_WORDS = frozenset(
    words_of(
        """a about an and are as at be because been but by can could did do does for from had has have he her him his
        how i if in into is it its may might more most no not of on one or our out s she should so some such t than
        that the their them then there these they this those to up was we were what when where which while who whom
        whose why will with would you your"""
    )
)


@dataclass(frozen=True)
class Pair:
    """The counts of an n-gram of the question and one of an option."""

    question: str
    option: str
    together: int  # co-occurrences
    occurrences: tuple[int, int]  # of each alone
    pmi: float  # nats


@dataclass(frozen=True)
class Answer:
    """The scores of a question's options, in nats, and how many pairs of each co-occur."""

    scores: tuple[float, ...]
    pairs: tuple[int, ...]

    @property
    def known(self) -> bool:
        """Whether a pair of any option co-occurs."""
        return any(self.pairs)

    @property
    def best(self) -> tuple[int, ...]:
        """The options with the highest score: all of them where nothing is known."""
        return tuple(np.flatnonzero(statistics.best(np.array(self.scores))).tolist())


@dataclass
class AnswerSheet:
    """The answers to several questions, in their order, from a corpus of `words` words. Made by `PmiSolver.solve`."""

    answers: list[Answer]
    words: int
    _occurrences: Occurrences = field(repr=False)
    _first: Array = field(repr=False)  # (Q,) the first option of each question
    _pairs: "_Pairs" = field(repr=False)

    def evidence(self, question: int, option: int, most: int = 5) -> list[Pair]:
        """The pairs with the highest PMI for an option of a question, both counted from 0: at most `most`."""
        counts, name = self._occurrences.counts, self._occurrences.ngrams.name
        ours = np.flatnonzero(self._pairs.option == self._first[question] + option)
        ours = ours[np.argsort(-self._pairs.pmi[ours], kind="stable")[:most]]
        rows = zip(*(column[ours].tolist() for column in vars(self._pairs).values()), strict=True)
        return [
            Pair(name(x), name(y), together, (int(counts[x]), int(counts[y])), pmi) for _, x, y, together, pmi in rows
        ]


@dataclass
class PmiSolver:
    """Chooses the option with the highest mean PMI over pairs of its n-grams with the question's."""

    window: int = 10  # words that hold both n-grams of a co-occurrence, 2 or more
    unseen: str = "skip"  # a pair that never co-occurs is left out of the mean (skip), or counts as 0 (zero)
    function_words: bool = False  # count n-grams of function words alone ("the", "of the") too

    def __post_init__(self) -> None:
        in_range("window", self.window, 2, why="it must hold a word of each")
        one_of("value of unseen", self.unseen, ("skip", "zero"))

    def solve(self, questions: Sequence[Question], text: str, progress: Progress | None = None) -> AnswerSheet:
        """Answer all of `questions` from the corpus `text`, in one pass over it."""
        texts = [text for question in questions for text in (question.stem, *question.options)]
        ngrams = Ngrams(texts, frozenset() if self.function_words else STOP_WORDS)
        occurrences = look_up(ngrams, text, progress)
        left, right, option, of_all = _pairs(questions, occurrences)
        together = occurrences.together(left, right, self.window, progress)
        left, right, option, together = (column[together > 0] for column in (left, right, option, together))
        log_counts = np.log(np.maximum(occurrences.counts, 1))
        pmi = np.log(together) + np.log(max(occurrences.words, 1)) - log_counts[left] - log_counts[right]
        pairs = _Pairs(option, left, right, together, pmi)
        count = np.bincount(pairs.option, minlength=len(of_all))
        divisor = count if self.unseen == "skip" else of_all
        scores = np.bincount(pairs.option, pairs.pmi, len(of_all)) / np.maximum(divisor, 1)
        ends = np.cumsum([len(question.options) for question in questions], dtype=np.int64)
        answers = [
            Answer(tuple(score.tolist()), tuple(number.tolist()))
            for score, number in zip(np.split(scores, ends)[:-1], np.split(count, ends)[:-1], strict=True)
        ]
        return AnswerSheet(answers, occurrences.words, occurrences, np.append(0, ends)[:-1], pairs)


@dataclass
class _Pairs:
    """Pairs that co-occur, (P,) each, in the order of their options."""

    option: Array  # counted through all questions
    left: Array  # n-gram of the question
    right: Array  # n-gram of the option
    together: Array
    pmi: Array


def _pairs(questions: Sequence[Question], occurrences: Occurrences) -> tuple[Array, Array, Array, Array]:
    """Pairs whose n-grams both occur: left, right and option (P,); and the number of all pairs of each option."""
    ngrams, occurs = occurrences.ngrams, occurrences.counts > 0
    left, right, of_all = [], [], []
    lengths, text = [], 0
    for question in questions:
        asked = ngrams.of(text)
        for n in range(1, len(question.options) + 1):
            offered = ngrams.of(text + n)
            x, y = asked[occurs[asked]], offered[occurs[offered]]
            left.append(np.repeat(x, len(y)))
            right.append(np.tile(y, len(x)))
            lengths.append(len(x) * len(y))
            of_all.append(len(asked) * len(offered))
        text += 1 + len(question.options)
    option = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    none = [np.empty(0, dtype=np.int32)]
    return np.concatenate(none + left), np.concatenate(none + right), option, np.array(of_all, dtype=np.int64)
