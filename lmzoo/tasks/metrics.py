"""Metrics of predictions, vectorised over resamples: of truth and predictions, (…, N) each, along an axis.

scikit-learn's take one sample at a time; a bootstrap of a thousand would call them a thousand times.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from lmzoo.errors import one_of
from lmzoo.interface import Array


def accuracy(truth: Array, predictions: Array, axis: int = -1) -> Any:
    """The share of predictions that are right."""
    return (truth == predictions).mean(axis=axis)


def correlation(truth: Array, predictions: Array, axis: int = -1) -> Any:
    """Pearson's r; of classes 0 and 1 Matthews' (1975) correlation coefficient. 0 where one of them is constant."""
    x, y = (np.asarray(a, dtype=float) - np.mean(a, axis=axis, keepdims=True) for a in (truth, predictions))
    size = np.sqrt((x * x).sum(axis=axis) * (y * y).sum(axis=axis))
    return np.divide((x * y).sum(axis=axis), size, out=np.zeros_like(size), where=size > 0)


def rank_correlation(truth: Array, predictions: Array, axis: int = -1) -> Any:
    """Spearman's ρ: Pearson's r of ranks; tied values have their mean rank."""
    from scipy.stats import rankdata

    return correlation(rankdata(truth, axis=axis), rankdata(predictions, axis=axis), axis=axis)


METRICS: dict[str, Callable[..., Any]] = {
    "accuracy": accuracy,
    "MCC": correlation,
    "Pearson": correlation,
    "Spearman": rank_correlation,
}


def metric(name: str) -> Callable[..., Any]:
    """The metric of that name. Raises UsageError where there is none."""
    one_of("metric", name, METRICS)
    return METRICS[name]
