"""Statistics of scores: the credit of tied candidates, and confidence intervals."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import matthews_corrcoef

from lmzoo.evaluation.statistics import best, credit, interval, wilson


def test_chance_is_what_a_guess_among_random_scores_gets():
    rng = np.random.default_rng(0)
    right = rng.integers(0, 4, 4000)
    assert credit(rng.normal(size=(4000, 4)), right).mean() == pytest.approx(0.25, abs=0.03)


def test_candidates_ranked_alike_share_the_credit():
    scores = np.array([[1.0, 1.0, 0.0], [1.0, 1.0 + 1e-12, -np.inf], [0.0, 1.0, 2.0]])
    assert credit(scores, np.array([0, 0, 2])).tolist() == [0.5, 0.5, 1]
    assert credit(scores, np.array([2, 2, 0])).tolist() == [0, 0, 0]


def test_of_one_item_the_credit_is_one_figure():
    assert credit(np.array([2.0, 1.0, 2.0]), 0) == 0.5
    assert best(np.array([2.0, 1.0, 2.0])).tolist() == [True, False, True]


def test_the_interval_of_a_mean_is_about_two_standard_errors_wide_on_each_side():
    right = np.arange(1000) < 700
    low, high = interval(np.mean, right)
    error = np.sqrt(0.7 * 0.3 / 1000)
    assert low == pytest.approx(0.7 - 1.96 * error, abs=error / 3)
    assert high == pytest.approx(0.7 + 1.96 * error, abs=error / 3)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    scores = np.random.default_rng(0).normal(size=200)
    assert interval(np.mean, scores) == interval(np.mean, scores)
    assert interval(np.mean, scores) != interval(np.mean, scores, seed=1)


def test_columns_are_resampled_together():
    truth = np.random.default_rng(0).integers(0, 2, 100)
    low, high = interval(matthews_corrcoef, truth, truth)
    assert low == high == pytest.approx(1)


def test_one_item_has_no_interval():
    assert interval(np.mean, np.ones(1)) is None


def test_all_alike_has_an_interval_without_width():
    assert interval(np.mean, np.ones(50)) == (1, 1)


@pytest.mark.parametrize(("right", "trials"), [(0, 5), (3, 5), (5, 5), (211, 725), (1, 1)])
def test_the_interval_is_wilsons_as_scipy_has_it(right, trials):
    expected = binomtest(right, trials).proportion_ci(method="wilson")
    assert wilson(right, trials) == pytest.approx((expected.low, expected.high), abs=1e-12)
