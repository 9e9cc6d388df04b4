"""Choosing a token by one uniform number."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmzoo import sampling
from lmzoo.errors import ScoreError

log_probs_of = st.lists(st.floats(0.001, 1), min_size=1, max_size=12).map(lambda p: np.log(np.array(p) / sum(p)))


@given(log_probs=log_probs_of, k=st.integers(1, 15), temperature=st.floats(0.1, 5))
def test_top_k_keeps_the_k_likeliest_and_their_odds(log_probs, k, temperature):
    probs = sampling.reshape(log_probs, temperature, k, None)
    kept = np.flatnonzero(probs)
    assert len(kept) == min(k, len(log_probs))
    assert log_probs[kept].min() >= np.delete(log_probs, kept).max(initial=-np.inf)
    np.testing.assert_allclose(probs.sum(), 1)
    odds = np.log(probs[kept]) - np.log(probs[kept[0]])
    np.testing.assert_allclose(odds, (log_probs[kept] - log_probs[kept[0]]) / temperature, atol=1e-9)


@given(log_probs=log_probs_of, p=st.floats(0.01, 0.99))
def test_top_p_keeps_the_fewest_that_reach_p(log_probs, p):
    kept = np.flatnonzero(sampling.reshape(log_probs, 1.0, None, p))
    masses = np.sort(np.exp(log_probs[kept]))
    assert masses.sum() >= p - 1e-9
    assert masses[1:].sum() < p + 1e-9
    assert log_probs[kept].min() >= np.delete(log_probs, kept).max(initial=-np.inf)


@given(log_probs=log_probs_of, u=st.floats(0, 1, exclude_max=True))
def test_temperature_zero_is_greedy_and_top_1_the_same(log_probs, u):
    best = int(np.argmax(log_probs))
    assert sampling.choose(log_probs, u, 0) == best
    assert sampling.choose(log_probs, u, top_k=1) == best
    assert sampling.choose(log_probs, u, 1e-300) in np.flatnonzero(log_probs == log_probs.max())


def test_what_is_impossible_is_never_drawn():
    log_probs = np.array([-np.inf, 0.0, -np.inf])
    settings = itertools.product((0.0, 0.5, 1 - 2**-53), (0.5, 1, 9), (None, 3), (None, 0.9))
    assert {sampling.choose(log_probs, *each) for each in settings} == {1}


@pytest.mark.parametrize("log_probs", [[-np.inf, -np.inf], [np.nan, 0.0]])
def test_what_is_no_distribution_is_an_error(log_probs):
    with pytest.raises(ScoreError, match="nothing to choose from"):
        sampling.choose(np.array(log_probs), 0.5)


def test_a_number_falls_on_the_token_whose_share_of_one_holds_it():
    log_probs = np.log([0.2, 0.5, 0.3])
    assert [sampling.choose(log_probs, u) for u in (0.1, 0.19, 0.21, 0.69, 0.71, 0.999)] == [0, 0, 1, 1, 2, 2]
