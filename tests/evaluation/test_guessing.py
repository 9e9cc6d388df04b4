"""Bounds from guesses contain the entropy of a source that we know; bets give it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmzoo.errors import UsageError
from lmzoo.evaluation import guessing

ALPHABET = "abcdefghijklmnopqrstuvwxyz"
SOURCE = np.array([0.5, 0.2, 0.1, 0.1, 0.06, 0.04])
ENTROPY = -(SOURCE * np.log2(SOURCE)).sum()


def drawn(n, seed=0):
    return (np.random.default_rng(seed).choice(len(SOURCE), n, p=SOURCE) + 1).tolist()


def test_a_best_guessers_bounds_contain_the_entropy():
    lower, upper = guessing.bounds(drawn(200_000))
    assert lower < ENTROPY
    assert upper == pytest.approx(ENTROPY, abs=0.01)  # of independent characters the ranks are all there is to know
    by_hand = sum(i * (q - r) * math.log2(i) for i, (q, r) in enumerate(zip(SOURCE, [*SOURCE[1:], 0], strict=True), 1))
    assert lower == pytest.approx(by_hand, abs=0.01)


def test_shannons_own_figures():
    """His table I, 100-letter column: 80, 7, 0, 3, 4, 2, 1, 0, 1, 0, 0, 1, 1 of 100; he gives 0.6 and 1.3 bits."""
    counts = {1: 80, 2: 7, 4: 3, 5: 4, 6: 2, 7: 1, 9: 1, 12: 1, 13: 1}
    lower, upper = guessing.bounds([rank for rank, count in counts.items() for _ in range(count)])
    assert (lower, upper) == (pytest.approx(0.6, abs=0.1), pytest.approx(1.3, abs=0.1))


@given(st.lists(st.integers(1, 90), min_size=1, max_size=200))
def test_the_lower_bound_is_the_lower_one(ranks):
    lower, upper = guessing.bounds(ranks)
    assert -1e-12 <= lower <= upper + 1e-9
    assert upper <= math.log2(len(set(ranks))) + 1e-9


def test_the_upper_bound_of_a_short_game_is_too_low_by_millers_amount():
    n = 40
    means = np.mean([guessing.bounds(drawn(n, seed))[1] for seed in range(2000)])
    assert means - ENTROPY == pytest.approx(-guessing.bias(drawn(200)) * 200 / n, rel=0.25)


def test_a_machine_guesses_the_likeliest_first_and_the_first_of_equals():
    chances = {"e": 0.5, "b": 0.2, "a": 0.2, "": 0.1}
    assert [guessing.rank(chances, one, 60) for one in ("e", "a", "b", "", "z")] == [1, 2, 3, 4, 60]


def test_bets_of_the_true_chances_cost_the_entropy():
    bets = dict(zip("abcdef", SOURCE * 0.99, strict=True))
    bits = sum(-p * math.log2(guessing.share(bets, one, ALPHABET)) for one, p in zip("abcdef", SOURCE, strict=True))
    assert bits == pytest.approx(ENTROPY - math.log2(0.99))
    assert guessing.share({"a": 0.5}, "z", ALPHABET) == pytest.approx(0.5 / 25)
    assert sum(guessing.share({"a": 0.5, "b": 0.25}, one, ALPHABET) for one in ALPHABET) == pytest.approx(1)


def test_a_bet_outside_the_alphabet_would_be_no_part_of_a_distribution():
    with pytest.raises(UsageError, match="'é' is no character of such text"):
        guessing.share({"a": 0.5, "é": 0.1}, "a", ALPHABET)


@pytest.mark.parametrize("bets", [{"a": 1.0}, {"a": 0.0}, {"a": -0.5}, {"a": 0.6, "b": 0.6}, {"a": math.nan}])
def test_bets_that_are_none_are_refused(bets):
    with pytest.raises(UsageError, match="bets are shares"):
        guessing.share(bets, "a", ALPHABET)


@pytest.mark.parametrize("ranks", [[], [1, 0]])
def test_no_guesses_have_no_bounds(ranks):
    with pytest.raises(UsageError, match="one guess or more"):
        guessing.bounds(ranks)
