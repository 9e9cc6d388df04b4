"""Choosing a token from a distribution: temperature, top-k, top-p, and one uniform number."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmzoo.errors import ScoreError


def choose(
    log_probs: NDArray[Any], u: float, temperature: float = 1, top_k: int | None = None, top_p: float | None = None
) -> int:
    """The token that `u` of 0 to 1, uniform, falls on in `reshape`'s distribution; at `temperature` 0 the likeliest.

    `log_probs` (V,) in nats need not sum to one. Raises ScoreError where all are impossible.
    """
    refuse_nothing(log_probs)
    if temperature == 0:
        return int(np.argmax(log_probs))
    probs = reshape(log_probs, temperature, top_k, top_p)
    return int(np.searchsorted(np.cumsum(probs), u * probs.sum(), side="right").clip(0, probs.nonzero()[0][-1]))


def refuse_nothing(log_probs: NDArray[Any]) -> None:
    """Raise ScoreError where no token of (V,) is possible, or one has no number."""
    best = np.max(log_probs)
    if not np.isfinite(best):
        raise ScoreError(f"there is nothing to choose from: the likeliest token has a log-probability of {best}")


def reshape(log_probs: NDArray[Any], temperature: float, top_k: int | None, top_p: float | None) -> NDArray[np.float64]:
    """The distribution (V,) to draw from: tempered, then truncated to the most probable tokens, ties by id."""
    with np.errstate(over="ignore"):  # of a temperature near zero: all but the best become impossible
        logits = (np.asarray(log_probs, dtype=np.float64) - np.max(log_probs)) / temperature
    cut_short = top_k is not None or (top_p is not None and top_p < 1)
    likeliest = np.argsort(-logits, kind="stable") if cut_short else np.empty(0, dtype=np.intp)
    if top_k is not None:
        logits[likeliest[top_k:]] = -np.inf
    probs: NDArray[np.float64] = np.exp(logits)
    probs /= probs.sum()
    if top_p is not None and top_p < 1:
        before = np.cumsum(probs[likeliest]) - probs[likeliest]
        probs[likeliest[before >= top_p]] = 0
        probs /= probs.sum()
    return probs
