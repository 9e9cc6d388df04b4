"""Scores of continuations by whatever ability a model has: what multiple-choice tasks rank their candidates by."""

from collections.abc import Sequence

import numpy as np

from lmzoo.errors import ScoreError
from lmzoo.evaluation.blanks import is_pseudo, pseudo_log_probs
from lmzoo.evaluation.likelihood import Likelihood, likelihoods
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Progress

# The footnote of every result of a masked model: such scores are comparable with each other, not with log P.
PSEUDO = "ranked by pseudo-log-likelihood (Salazar et al. 2020; left to right within a word, Kauf & Ivanova 2023)"


def continuation_scores(
    text_model: TextModel, texts: Sequence[tuple[str, str]], progress: Progress | None = None
) -> list[Likelihood]:
    """log P of each continuation given its beginning, in nats; of a masked model, its pseudo-log-likelihood.

    Raises UsageError, with the model's name, for one that can do neither, and as `likelihoods` does.
    """
    if is_pseudo(text_model):
        return _pseudo_likelihoods(text_model, texts, progress or Progress())
    return likelihoods(text_model, texts, progress)


def _pseudo_likelihoods(
    text_model: TextModel, texts: Sequence[tuple[str, str]], progress: Progress
) -> list[Likelihood]:
    """Σ log P(token | all others, but for the later ones of its word) over the tokens of each continuation."""
    scores: dict[tuple[str, str], Likelihood] = {}
    for beginning, continuation in progress.track("scoring", list(dict.fromkeys(texts))):
        ids, first = text_model.encode_continuation(beginning, continuation)
        log_probs = pseudo_log_probs(text_model, ids, first)
        if not np.isfinite(log_probs).all():
            text = f"{beginning}{continuation}"[:60]
            raise ScoreError(f"a pseudo-log-probability in the text {text!r} is not finite")
        scores[beginning, continuation] = Likelihood(float(log_probs.sum()), len(log_probs))
    return [scores[text] for text in texts]
