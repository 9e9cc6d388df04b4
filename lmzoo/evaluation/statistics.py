"""What a model got in an examination: a figure, how sure it is, and what guessing would have got."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
AT_ONCE = 1 << 23  # numbers that are drawn at once
EQUAL = 1e-9  # nats: scores no further apart are equal, as sums in another order are


@dataclass(frozen=True)
class Grade:
    """One model's result in one task."""

    task: str  # as the head of a column: "SST-2"
    metric: str  # accuracy, MCC, Spearman, perplexity, word error rate: shares, not percentages
    value: float | None  # None: it cannot do this, and `note` says why
    interval: tuple[float, float] | None = None  # of 95 %, by bootstrap over the items
    chance: float | None = None  # what guessing gets
    items: int = 0  # of the test set
    training: int = 0  # examples that were learned from; 0: none
    kind: str = ""  # probe, zero-shot, rescoring, exam
    protocol: str = ""  # how it was scored, in a few words
    note: str = ""  # a footnote

    def to_json(self) -> dict[str, Any]:
        """As JSON knows it."""
        return asdict(self)


def best(scores: NDArray[Any]) -> NDArray[np.bool_]:
    """Which of `scores` (…, N) are the highest, one or several that are equal: a mask (…, N)."""
    marks: NDArray[np.bool_] = scores >= scores.max(axis=-1, keepdims=True) - EQUAL
    return marks


def credit(scores: NDArray[Any], right: Any) -> NDArray[np.float64]:
    """1/k where the `right` one (…) is among the k best of its `scores` (…, N), else 0: (…).

    It is what a guess between the best earns on average.
    """
    marks = best(scores)
    shares: NDArray[np.float64] = np.take_along_axis(marks, np.expand_dims(right, -1), axis=-1)[..., 0] / marks.sum(-1)
    return shares


def interval(statistic: Callable[..., Any], *columns: NDArray[Any], seed: int = 0) -> tuple[float, float] | None:
    """The central 95 % of `statistic` over resampled items (Efron 1979, percentiles); None for fewer than two.

    `columns` are arrays (N,) whose items belong together and are resampled so. A statistic that takes `axis`, as
    np.mean does, is computed for many resamples at once.
    """
    from scipy.stats import bootstrap

    size = len(columns[0])
    if size < 2:
        return None
    found = bootstrap(
        columns, statistic, paired=True, method="percentile", n_resamples=RESAMPLES, batch=max(1, AT_ONCE // size),
        rng=np.random.default_rng(seed),
    ).confidence_interval  # fmt: skip
    return float(found.low), float(found.high)
