"""Logits to probabilities: as numpy has it in float64, for any logits that float32 can hold."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lmzoo.embeddings.softmax import log_normalisers

logits = arrays.arrays(
    np.float32, st.tuples(st.integers(1, 5), st.integers(1, 40)), elements=st.floats(-1e4, 1e4, width=32)
)


def flat(values):
    """A base that adds nothing."""
    return np.zeros(values.shape[1], dtype=np.float32)


def expected(values):
    exact = values.astype(np.float64)
    highest = exact.max(axis=1, keepdims=True)
    return (np.log(np.exp(exact - highest).sum(axis=1, keepdims=True)) + highest)[:, 0]


@given(values=logits)
@settings(max_examples=200, deadline=None)
def test_normalisers_are_those_of_float64(values):
    np.testing.assert_allclose(log_normalisers(values, flat(values)), expected(values), rtol=1e-6, atol=1e-5)


@given(values=logits)
@settings(max_examples=200, deadline=None)
def test_probabilities_sum_to_one_and_are_the_exponentials(values):
    wanted = expected(values)
    exact = np.exp(values - wanted[:, None])
    normalisers = log_normalisers(values, flat(values), exponentiate=True)
    np.testing.assert_allclose(normalisers, wanted, rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(values, exact, atol=2e-6)
    np.testing.assert_allclose(values.sum(axis=1), 1, atol=1e-5)


def test_the_base_is_added_to_every_row():
    values = np.random.default_rng(0).standard_normal((4, 1000)).astype(np.float32)
    base = np.linspace(-9, 9, 1000, dtype=np.float32)
    sums = values + base
    np.testing.assert_allclose(log_normalisers(values, base), expected(sums), atol=1e-5)
    np.testing.assert_array_equal(values, sums)


def test_a_large_vocabulary_keeps_five_digits():
    values = (np.random.default_rng(0).standard_normal((7, 50_000)) * 5).astype(np.float32)
    np.testing.assert_allclose(log_normalisers(values, flat(values)), expected(values), atol=1e-5)


def test_no_rows_have_no_normalisers():
    assert log_normalisers(np.empty((0, 5), dtype=np.float32), np.zeros(5, dtype=np.float32)).shape == (0,)


def test_what_is_no_number_stays_none():
    values = np.array([[0.0, np.nan, 1.0]], dtype=np.float32)
    assert np.isnan(log_normalisers(values, flat(values))[0])


def test_many_rows_which_cores_share_are_what_each_is_alone():
    many = np.random.default_rng(1).normal(0, 5, (131, 30)).astype(np.float32)
    alone = [log_normalisers(row[None].copy(), flat(many))[0] for row in many]
    assert log_normalisers(many.copy(), flat(many)).tolist() == alone
