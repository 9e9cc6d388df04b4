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


def span_f1(truth: Array, predictions: Array) -> float:
    """F1 of spans of words (Tjong Kim Sang & Buchholz 2000), whose classes are O, B-A, I-A, B-B, I-B, …: (W,) each.

    A span is right with the same type, first and last word. An I-TYPE behind another type begins a span, as in
    conlleval; across sentences, which are not marked, it goes on with one, where no right tag does.
    """
    right, found = _spans(truth), _spans(predictions)
    return 2 * len(right & found) / max(len(right) + len(found), 1)


def _spans(tags: Array) -> set[tuple[int, int, int]]:
    """(type, first word, word behind the last)."""
    kind, within = (tags + 1) // 2, (tags > 0) & (tags % 2 == 0)
    before = np.append(0, kind[:-1])
    # A word begins a run of its kind, which may be no span, unless it is within one or both are outside.
    begins = np.append(np.flatnonzero(~(within & (before == kind)) & ((kind > 0) | (before > 0))), len(tags))
    runs = zip(begins[:-1].tolist(), begins[1:].tolist(), strict=True)
    return {(int(kind[first]), first, end) for first, end in runs if kind[first]}


METRICS: dict[str, Callable[..., Any]] = {
    "accuracy": accuracy,
    "MCC": correlation,
    "Pearson": correlation,
    "Spearman": rank_correlation,
    "F1": span_f1,
}


def metric(name: str) -> Callable[..., Any]:
    """The metric of that name. Raises UsageError where there is none."""
    one_of("metric", name, METRICS)
    return METRICS[name]
