"""Calibration: accuracy of a model's most probable token against the probability (confidence) it gives it.

A model is calibrated if tokens predicted with a probability of 0.8 are right four times in five (Guo et al. 2017, On
Calibration of Modern Neural Networks). The whole distribution is computed at about a thousand positions of the test
text, in the context in which the evaluator scores them. With B bins of equal counts and N predictions,

    expected calibration error = Σ_b (N_b / N) |accuracy in b − mean confidence in b|        (equation 3)
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmzoo.errors import ScoreError
from lmzoo.evaluation.perplexity import opening, scored_parts
from lmzoo.evaluation.statistics import EQUAL, wilson
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Array, Ids, LanguageModel, Progress, State

POSITIONS = 1000
FEWEST = 100  # positions needed
RUN = 20  # consecutive positions: a model with a window rereads it after every gap
READ = 12_000  # tokens at the beginning of the text, among which positions are drawn
AT_ONCE = 8  # states and distributions in memory: the KV cache of a large GPT takes 100 MB
BINS = 15  # as in Guo et al., but of equal counts: most bins of equal width would be nearly empty
NULL_SAMPLES = 400  # Monte-Carlo samples under the null hypothesis of perfect calibration


@dataclass(frozen=True)
class Predictions:
    """A model's predictions at N positions of a text, and the tokens that occur there."""

    places: Array  # (N,) positions among the tokens that the evaluator scores
    confidence: Array  # (N,) probability of the most probable token
    right: Array  # (N,) 1/k where the true token is one of k equally probable best tokens, else 0
    among_five: Array  # (N,) 1 where the true token is among the five best, else 0; a share for ties
    ranks: Array  # (N,) rank of the true token, 1 for the best; the mean rank for ties
    log_probs: Array  # (N,) of the true token, nats


def facts_of(
    text_model: TextModel,
    text: str,
    seed: int = 0,
    progress: Progress | None = None,
    protocol: str = "stream",
) -> dict[str, Any] | None:
    """Calibration of the model on `text`, as plain JSON.

    `bins` are {confidence, accuracy, low, high, tokens} with Wilson's 95 % interval of the accuracy; `error` is the
    expected calibration error, `by_chance` the error that perfect calibration stays below in 95 % of samples. None for
    a text of fewer than FEWEST tokens, or a model without probabilities. Raises ScoreError for a NaN.
    """
    model = text_model.require(LanguageModel, "it has no calibration")
    if not model.is_distribution:
        return None
    predicted = predictions(text_model, text, seed, progress, protocol)
    if len(predicted.places) < FEWEST:
        return None
    which = bins_of(predicted.confidence)
    tokens = np.bincount(which)
    confidence, right = (np.bincount(which, values) / tokens for values in (predicted.confidence, predicted.right))
    bounds = [wilson(share * count, count) for share, count in zip(right.tolist(), tokens.tolist(), strict=True)]
    columns = zip(confidence.tolist(), right.tolist(), bounds, tokens.tolist(), strict=True)
    return {
        "tokens": len(predicted.places),
        "vocabulary": model.vocab_size_,
        "accuracy": float(predicted.right.mean()),
        "interval": wilson(float(predicted.right.sum()), len(predicted.places)),
        "among_five": float(predicted.among_five.mean()),
        "mean_rank": float(predicted.ranks.mean()),
        "confidence": float(predicted.confidence.mean()),
        "error": float(error_of(confidence, right, tokens)),
        "by_chance": by_chance(predicted.confidence, which, seed),
        "bins": [
            {"confidence": p, "accuracy": share, "low": low, "high": high, "tokens": count}
            for p, share, (low, high), count in columns
        ],
    }


def bins_of(confidence: Array) -> Array:
    """The bin of each of `confidence` (N,), 0 … B-1 with B ≤ BINS: of equal counts, as far as ties allow."""
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, BINS + 1)))
    which = np.searchsorted(edges[1:-1], confidence, side="right")
    numbers: Array = np.unique(which, return_inverse=True)[1]
    return numbers


def error_of(confidence: Array, right: Array, tokens: Array) -> Array:
    """The expected calibration error of B bins, along the last axis."""
    error: Array = (np.abs(right - confidence) * tokens).sum(axis=-1) / tokens.sum()
    return error


def by_chance(confidence: Array, which: Array, seed: int) -> float:
    """The 95th percentile of the error under perfect calibration, where a token of probability p is right with it.

    A finite sample never gives an error of 0, so an error below this is no evidence of miscalibration.
    """
    tokens = np.bincount(which)
    mean = np.bincount(which, confidence) / tokens
    rng, errors = np.random.default_rng(seed), []
    for _ in range(NULL_SAMPLES):
        right = rng.random(len(confidence)) < confidence
        errors.append(error_of(mean, np.bincount(which, right) / tokens, tokens))
    return float(np.quantile(errors, 0.95))


def predictions(
    text_model: TextModel,
    text: str,
    seed: int = 0,
    progress: Progress | None = None,
    protocol: str = "stream",
) -> Predictions:
    """The model's predictions at positions of `text` drawn by `seed`, in the evaluator's contexts."""
    model = text_model.require(LanguageModel, "it has no calibration")
    parts = scored_parts(text_model, opening(text), protocol)
    places = choose(min(sum(map(len, parts)), READ), seed)
    states_and_tokens, columns = _states(model, parts, places), []
    with (progress or Progress()).task("calibration", len(places)) as task:
        while batch := list(islice(states_and_tokens, AT_ONCE)):
            states, tokens = zip(*batch, strict=True)
            columns.append(_compared(model.next_log_probs_many(states), np.array(tokens)))
            task.advance(len(batch))
    return Predictions(places, *(np.concatenate(columns, axis=1) if columns else np.empty((5, 0))))


def choose(length: int, seed: int) -> NDArray[np.int64]:
    """N positions among `length` tokens, ascending, (N,): short runs spread over all, or all if they are few."""
    if length <= POSITIONS:
        return np.arange(length)
    edges = np.linspace(0, length, POSITIONS // RUN + 1).astype(np.int64)
    starts = np.random.default_rng(seed).integers(edges[:-1], edges[1:] - RUN + 1)
    places: NDArray[np.int64] = (starts[:, None] + np.arange(RUN)).ravel()
    return places


def _states(model: LanguageModel, parts: Sequence[Ids], places: Array) -> Iterator[tuple[State, int]]:
    """The state before each of the ascending positions `places` (N,), and the token there."""
    stops = np.cumsum([len(part) for part in parts], dtype=np.int64)
    for part, stop in zip(parts, stops.tolist(), strict=True):
        here = places[slice(*np.searchsorted(places, (stop - len(part), stop)))]
        if not len(here):
            continue
        state, read = model.start(), 0
        for place in (here - (stop - len(part))).tolist():
            state, read = model.advance(state, part[read:place]), place
            yield state, int(part[place])


def _compared(log_probs: Array, tokens: Ids) -> Array:
    """For B distributions (B, V) and the true tokens (B,): confidence, right, among five, rank and log P, (5, B)."""
    if np.isnan(log_probs).any():
        raise ScoreError("a log-probability is NaN, so no token is the most probable: does the model divide by zero?")
    own = log_probs[np.arange(len(tokens)), tokens]
    above = (log_probs > own[:, None] + EQUAL).sum(axis=1)
    level = (log_probs >= own[:, None] - EQUAL).sum(axis=1) - above
    highest, right, among_five = log_probs.max(axis=1), *(np.clip((n - above) / level, 0, 1) for n in (1, 5))
    return np.stack([np.exp(highest), right, among_five, above + (level + 1) / 2, own])
