"""Statistics of scores: ties among candidates, and 95 % confidence intervals."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmzoo.interface import Array

RESAMPLES = 1000
AT_ONCE = 1 << 21  # numbers that are drawn at once: what fits a processor's cache
Z = 1.959963984540054  # the 97.5th percentile of the standard normal distribution
EQUAL = 1e-9  # nats: scores no further apart are equal, as sums in another order are


def best(scores: Array) -> NDArray[np.bool_]:
    """Which of `scores` (…, N) are the highest, one or several that are equal: a mask (…, N)."""
    marks: NDArray[np.bool_] = scores >= scores.max(axis=-1, keepdims=True) - EQUAL
    return marks


def credit(scores: Array, right: Any) -> NDArray[np.float64]:
    """1/k where the `right` one (…) is among the k best of its `scores` (…, N), else 0: (…).

    It is what a guess between the best earns on average.
    """
    marks = best(scores)
    shares: NDArray[np.float64] = np.take_along_axis(marks, np.expand_dims(right, -1), axis=-1)[..., 0] / marks.sum(-1)
    return shares


def ratio(numerators: Array, denominators: Array, axis: int = -1) -> Any:
    """Σ numerators / Σ denominators: bits per character over blocks, errors per word over sentences."""
    # A resample may hold only tokens without a character of their own; every other denominator is 1 or more.
    return numerators.sum(axis=axis) / np.maximum(denominators.sum(axis=axis), 1)


def interval(
    statistic: Callable[..., Any], *columns: Array, seed: int = 0, resamples: int = RESAMPLES
) -> tuple[float, float] | None:
    """The 95 % percentile bootstrap interval of `statistic` (Efron 1979); None for fewer than two items.

    `columns` are arrays (N,) that are resampled together, item by item. A statistic that takes `axis`, as np.mean
    does, is computed for many resamples at once.
    """
    from scipy.stats import bootstrap

    size = len(columns[0])
    if size < 2:
        return None
    bounds = bootstrap(
        columns, statistic, paired=True, method="percentile", n_resamples=resamples, batch=max(1, AT_ONCE // size),
        rng=np.random.default_rng(seed),
    ).confidence_interval  # fmt: skip
    return float(bounds.low), float(bounds.high)


def t_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Student's 95 % interval for the mean that `values`, one for each seed, have; None for fewer than two."""
    from scipy.stats import t

    if len(values) < 2:
        return None
    middle, half_width = float(np.mean(values)), float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1))
    half_width /= math.sqrt(len(values))
    return middle - half_width, middle + half_width


def wilson(successes: float, trials: int) -> tuple[float, float]:
    """Wilson's (1927) 95 % interval for a proportion; `successes` may be fractional, as shared credit is.

    Not scipy's: `binomtest` takes whole successes only.
    """
    share, spread = successes / trials, Z * Z / trials
    middle = (share + spread / 2) / (1 + spread)
    half_width = Z * math.sqrt(max(share * (1 - share), 0) / trials + spread / (4 * trials)) / (1 + spread)
    return max(middle - half_width, 0.0), min(middle + half_width, 1.0)
