"""Metrics, against those of scipy and scikit-learn."""

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import matthews_corrcoef

from lmzoo.errors import UsageError
from lmzoo.tasks import metrics
from lmzoo.tasks.metrics import accuracy, correlation, rank_correlation, span_f1

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
    with pytest.raises(UsageError, match="no metric 'kappa'; there are: accuracy"):
        metrics.metric("kappa")


def test_f1_is_that_of_whole_spans():
    # O B-A I-A O B-B I-B B-B, and a prediction that has the first span right, ends the second too early, and splits
    # nothing else: 2 of its 3 spans are right, of 3 there are.
    truth = np.array([0, 1, 2, 0, 3, 4, 3])
    assert span_f1(truth, truth) == 1
    assert span_f1(truth, np.array([0, 1, 2, 0, 3, 0, 3])) == pytest.approx(2 / 3)
    assert span_f1(truth, np.array([0, 2, 2, 0, 3, 4, 3])) == 1  # an I- behind no word of its type begins a span
    assert span_f1(truth, np.array([0, 1, 2, 0, 3, 2, 3])) == pytest.approx(4 / 7)  # 2 of 4: I-A behind B-B is one
    assert span_f1(np.zeros(3, int), np.zeros(3, int)) == 0
