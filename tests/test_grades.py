"""Grades: how sure a figure is."""

import json

import numpy as np
import pytest
from sklearn.metrics import matthews_corrcoef

from lmzoo.grades import Grade, interval


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


def test_a_grade_is_plain_json():
    grade = Grade("SST-2", "accuracy", 0.8, (0.7, 0.9), chance=0.5, items=1821, kind="zero-shot")
    assert json.loads(json.dumps(grade.to_json()))["interval"] == [0.7, 0.9]
