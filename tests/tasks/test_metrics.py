"""Metrics, against those of scipy and scikit-learn."""

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import matthews_corrcoef

from lmzoo.errors import UsageError
from lmzoo.tasks import metrics
from lmzoo.tasks.metrics import accuracy, correlation, rank_correlation

N = 600
RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2, N)
NOISE = RNG.normal(size=(N, 2))


def test_matthews_coefficient_is_the_correlation_of_two_classes():
    guesses = np.where(RNG.random(N) < 0.7, LABELS, 1 - LABELS)
    assert correlation(LABELS, guesses) == pytest.approx(matthews_corrcoef(LABELS, guesses))
    assert correlation(LABELS, np.ones(N)) == matthews_corrcoef(LABELS, np.ones(N)) == 0


def test_correlations_are_scipys():
    x, y = NOISE[:, 0], np.round(NOISE[:, 0] + NOISE[:, 1])
    assert correlation(x, y) == pytest.approx(pearsonr(x, y)[0])
    assert rank_correlation(x, y) == pytest.approx(spearmanr(x, y)[0])


@pytest.mark.parametrize("statistic", [accuracy, correlation, rank_correlation])
def test_metrics_take_many_samples_at_once(statistic):
    truth, guesses = LABELS.reshape(6, 100), RNG.integers(0, 2, (6, 100))
    rows = [statistic(a, b) for a, b in zip(truth, guesses, strict=True)]
    np.testing.assert_allclose(statistic(truth, guesses, axis=-1), rows)


def test_an_unknown_metric_is_an_error():
    with pytest.raises(UsageError, match="no metric 'F1'; there are: accuracy"):
        metrics.metric("F1")
