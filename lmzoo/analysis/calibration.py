"""Whether a model knows what it does not know: how often its likeliest token is right, by how likely it calls it.

A model is calibrated if of all tokens to which it gives a probability of 0.8 four in five come (Guo et al. 2017, "On
calibration of modern neural networks"). At some thousand places of the test text its whole distribution is asked for,
in the context in which the evaluator scored it. With p the probability of the likeliest token, B bins of equally many
places (where Guo et al. have bins of equal width: most of those would be nearly empty), and N places in all,

    expected calibration error = Σ_b (N_b / N) |share of right tokens in b − mean of p in b|

A finite sample never gives 0: `by_chance` is what 95 % of samples stay below whose every p is true. Tokens that are
exactly as likely as each other share their places: one of k that are likeliest is right by 1/k.
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
from lmzoo.interface import Ids, LanguageModel, Progress, State

Array = NDArray[Any]

PLACES = 1000
FEWEST = 100  # places, below which nothing can be said
RUN = 20  # places next to each other: a model with a window reads it anew for every gap
READ = 12_000  # tokens of the text, among which the places are drawn
AT_ONCE = 8  # distributions, and the states they come from: a large GPT's takes 100 MB
BINS = 15  # as Guo et al. have
WORLDS = 400  # in which every p is true, to see what chance does


@dataclass(frozen=True)
class Predictions:
    """What a model expected at N places of a text, and what came."""

    places: Array  # (N,) among the tokens that the evaluator scores
    confidence: Array  # (N,) probability of the likeliest token
    right: Array  # (N,) 1/k where the token that came is one of the k likeliest, else 0
    among_five: Array  # (N,) 1 where it is among the five likeliest, else 0; a share where tokens are level
    ranks: Array  # (N,) 1: it was the likeliest; the mean of the ranks that level tokens share
    log_probs: Array  # (N,) of the token that came, nats


def facts_of(
    text_model: TextModel,
    text: str,
    seed: int = 0,
    progress: Progress | None = None,
    protocol: str = "stream",
) -> dict[str, Any] | None:
    """How the probabilities that the model gives its likeliest tokens agree with how often those come, as JSON.

    `bins` are {confidence, accuracy, low, high, tokens}, low and high being Wilson's interval of 95 %; `error` is the
    expected calibration error, `by_chance` what chance alone would make of it. None for a text of fewer than FEWEST
    tokens or a model without probabilities. Raises ScoreError for a NaN.
    """
    model = text_model.require(LanguageModel, "it has no calibration")
    if not model.is_distribution:
        return None
    found = predictions(text_model, text, seed, progress, protocol)
    if len(found.places) < FEWEST:
        return None
    which = bins_of(found.confidence)
    tokens = np.bincount(which)
    confidence, right = (np.bincount(which, values) / tokens for values in (found.confidence, found.right))
    bounds = [wilson(share * count, count) for share, count in zip(right.tolist(), tokens.tolist(), strict=True)]
    columns = zip(confidence.tolist(), right.tolist(), bounds, tokens.tolist(), strict=True)
    return {
        "tokens": len(found.places),
        "vocabulary": model.vocab_size_,
        "accuracy": float(found.right.mean()),
        "interval": wilson(float(found.right.sum()), len(found.places)),
        "among_five": float(found.among_five.mean()),
        "mean_rank": float(found.ranks.mean()),
        "confidence": float(found.confidence.mean()),
        "error": float(error_of(confidence, right, tokens)),
        "by_chance": by_chance(found.confidence, which, seed),
        "bins": [
            {"confidence": p, "accuracy": share, "low": low, "high": high, "tokens": count}
            for p, share, (low, high), count in columns
        ],
    }


def bins_of(confidence: Array) -> Array:
    """The bin of each of `confidence` (N,), 0 … B-1 with B ≤ BINS: as many in each as level ones allow."""
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, BINS + 1)))
    which = np.searchsorted(edges[1:-1], confidence, side="right")
    numbers: Array = np.unique(which, return_inverse=True)[1]
    return numbers


def error_of(confidence: Array, right: Array, tokens: Array) -> Array:
    """The expected calibration error of B bins, along the last axis."""
    error: Array = (np.abs(right - confidence) * tokens).sum(axis=-1) / tokens.sum()
    return error


def by_chance(confidence: Array, which: Array, seed: int) -> float:
    """What the error stays below in 95 % of samples in which a token of probability p is right with probability p."""
    tokens = np.bincount(which)
    mean = np.bincount(which, confidence) / tokens
    rng, errors = np.random.default_rng(seed), []
    for _ in range(WORLDS):
        came = rng.random(len(confidence)) < confidence
        errors.append(error_of(mean, np.bincount(which, came) / tokens, tokens))
    return float(np.quantile(errors, 0.95))


# Asking


def predictions(
    text_model: TextModel,
    text: str,
    seed: int = 0,
    progress: Progress | None = None,
    protocol: str = "stream",
) -> Predictions:
    """What the model expects at places of `text` that `seed` chose, each in the context that the evaluator gives it."""
    model = text_model.require(LanguageModel, "it has no calibration")
    parts = scored_parts(text_model, opening(text), protocol)
    places = choose(min(sum(map(len, parts)), READ), seed)
    asked, columns = _states(model, parts, places), []
    with (progress or Progress()).task("calibration", len(places)) as task:
        while batch := list(islice(asked, AT_ONCE)):
            states, tokens = zip(*batch, strict=True)
            columns.append(_compared(model.next_log_probs_many(states), np.array(tokens)))
            task.advance(len(batch))
    return Predictions(places, *(np.concatenate(columns, axis=1) if columns else np.empty((5, 0))))


def choose(length: int, seed: int) -> NDArray[np.int64]:
    """Places among `length` tokens, ascending, (N,): PLACES in short runs from all over, or all of a few."""
    if length <= PLACES:
        return np.arange(length)
    edges = np.linspace(0, length, PLACES // RUN + 1).astype(np.int64)
    starts = np.random.default_rng(seed).integers(edges[:-1], edges[1:] - RUN + 1)
    places: NDArray[np.int64] = (starts[:, None] + np.arange(RUN)).ravel()
    return places


def _states(model: LanguageModel, parts: Sequence[Ids], places: Array) -> Iterator[tuple[State, int]]:
    """The state before each of `places` (N,), which ascend, and the token that stands there."""
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
    """Of B distributions (B, V) and the tokens that came: confidence, right, among five, rank, log P, (5, B)."""
    if np.isnan(log_probs).any():
        raise ScoreError("a log-probability is NaN, so no token is the likeliest: is a division by zero in the model?")
    own = log_probs[np.arange(len(tokens)), tokens]
    above = (log_probs > own[:, None] + EQUAL).sum(axis=1)
    level = (log_probs >= own[:, None] - EQUAL).sum(axis=1) - above
    highest, right, among_five = log_probs.max(axis=1), *(np.clip((n - above) / level, 0, 1) for n in (1, 5))
    return np.stack([np.exp(highest), right, among_five, above + (level + 1) / 2, own])
