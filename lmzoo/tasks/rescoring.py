"""N-best rescoring: a language model chooses among the candidates of a recogniser, and its word error rate.

The choice is the candidate with the highest

    score + λ · log P(candidate)

where the score is the recogniser's log P(heard | candidate) and λ a weight fitted on other lists (Jelinek 1997, chapter
1; λ = 1 is Bayes' rule, where both models are right). The word error rate is the edit distance in words from the
choices to the references, summed over all lists, divided by the words of the references.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from lmzoo.errors import ScoreError, UsageError
from lmzoo.evaluation.likelihood import likelihoods
from lmzoo.evaluation.statistics import interval, ratio
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Progress
from lmzoo.tasks.nbest import NBest
from lmzoo.tasks.result import TaskResult

FITTED_ON = 3  # every third list is for fitting λ, and is not tested
WEIGHTS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 5.0, 7.0, 10.0, 14.0, 20.0)
METRIC, LOWER = "word error rate", "lower is better"
Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def word_errors(reference: str, text: str) -> int:
    """The fewest substitutions, deletions and insertions of words that turn `text` into the reference."""
    return Levenshtein.distance(reference.split(), text.split())


@dataclass(frozen=True)
class RescoringTest:
    """N-best lists with what is known before a model sees them: scores (N,) and word errors (N,) of each list."""

    lists: Sequence[NBest]
    scores: list[Floats]
    errors: list[Counts]
    words: Counts  # of each reference

    @classmethod
    def of(cls, lists: Sequence[NBest]) -> "RescoringTest":
        """Count the errors of every candidate. Raises UsageError for fewer than two lists."""
        if len(lists) < 2:
            raise UsageError(
                f"there must be 2 n-best lists or more, to fit a weight on one and test another, not {len(lists)}"
            )
        return cls(
            lists,
            [np.array([candidate.score for candidate in one.candidates]) for one in lists],
            [np.array([word_errors(one.reference, candidate.text) for candidate in one.candidates]) for one in lists],
            np.array([len(one.reference.split()) for one in lists]),
        )

    @property
    def is_fitted_on(self) -> NDArray[np.bool_]:
        """(lists,): True for the lists that λ is fitted on; the others are tested."""
        return np.arange(len(self.lists)) % FITTED_ON == FITTED_ON - 1

    def errors_of_choices(self, log_probs: Sequence[Floats], weight: float) -> Counts:
        """The errors (lists,) of each list's choice; of tied candidates the first is taken."""
        totals = (score + weight * log_prob for score, log_prob in zip(self.scores, log_probs, strict=True))
        return np.array([errors[np.argmax(total)] for errors, total in zip(self.errors, totals, strict=True)])

    @property
    def errors_of_first(self) -> Counts:
        """The errors (lists,) of the recogniser's own first choices."""
        return self.errors_of_choices([np.zeros(len(scores)) for scores in self.scores], 0.0)

    @property
    def errors_of_best(self) -> Counts:
        """The errors (lists,) of the oracle, which takes the candidate with the fewest."""
        return np.array([errors.min() for errors in self.errors])

    def rate(self, errors: Counts, of: NDArray[np.bool_]) -> float:
        """The word error rate on the lists `of`, a mask (lists,)."""
        return float(errors[of].sum() / self.words[of].sum())

    def fit_weight(self, log_probs: Sequence[Floats]) -> float:
        """The λ of `WEIGHTS` with the fewest errors on the lists for fitting; of tied ones, that nearest to 1."""
        # A grid, not a gradient: the word error rate is piecewise constant in λ.
        rates = {weight: self.rate(self.errors_of_choices(log_probs, weight), self.is_fitted_on) for weight in WEIGHTS}
        return min(WEIGHTS, key=lambda weight: (rates[weight], abs(math.log(weight)) if weight else math.inf))

    def result(self, errors: Counts, task: str, protocol: str) -> TaskResult:
        """The word error rate on the tested lists; `chance` is that of the recogniser's own first choices."""
        tested = ~self.is_fitted_on
        return TaskResult(
            task=task,
            metric=METRIC,
            value=self.rate(errors, tested),
            interval=interval(ratio, errors[tested], self.words[tested]),
            chance=self.rate(self.errors_of_first, tested),
            items=int(tested.sum()),
            training=int(self.is_fitted_on.sum()),
            kind="rescoring",
            protocol=f"{LOWER}; {protocol}",
        )


def log_probs(text_model: TextModel, lists: Sequence[NBest], progress: Progress | None = None) -> list[Floats]:
    """log P of each candidate of each list (N,) and the text behind it, given the text in front; nats."""
    normalize = text_model.tokenizer.normalize
    texts = [(one.before, candidate.text + one.after) for one in lists for candidate in one.candidates]
    normalized = [(normalize(before), normalize(text, before)) for before, text in texts]
    scores = iter(likelihoods(text_model, normalized, progress))
    return [np.array([next(scores).log_prob for _ in one.candidates]) for one in lists]


def rescore(
    text_model: TextModel,
    test: RescoringTest,
    weight: float | None = None,
    task: str = "n-best",
    progress: Progress | None = None,
) -> tuple[TaskResult, list[Floats]]:
    """The result of the model's choices, and log P of each candidate.

    λ is `weight`, or fitted where that is None; `details["weight"]` has it. A model that is no LanguageModel, has log P
    that is not finite, or whose tokenizer cannot encode a candidate has a result without a value, and a note that says
    so.
    """
    try:
        known = log_probs(text_model, test.lists, progress)
    except (ScoreError, UsageError) as error:
        return TaskResult(task, METRIC, None, kind="rescoring", protocol=LOWER, note=str(error)), []
    how = f"weight fitted on {test.is_fitted_on.sum()} other lists" if weight is None else "weight given"
    weight = test.fit_weight(known) if weight is None else weight
    result = test.result(test.errors_of_choices(known, weight), task, f"weight {weight:g}, {how}")
    return replace(result, details={"weight": weight}), known
