"""The cache: worked by hand, then against its definition, and what it is worth to Kneser-Ney."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmzoo import testing
from lmzoo.errors import FormatError, UsageError
from lmzoo.interface import Data
from lmzoo.models.cache import Cache

NOTHING = np.array([], dtype=np.int32)
NEVER = 1e12  # a half-life within which nothing fades


def fitted(vocab_size=3, train=(0, 0, 1), **settings):
    return Cache(**settings).fit(Data.of(np.array(train, dtype=np.int32), NOTHING, vocab_size))


def after(model, tokens):
    return np.exp(model.next_log_probs(model.advance(model.start(), np.array(tokens, dtype=np.int32))))


def by_definition(model, text, t):
    """P(text[t] | text[:t]) by the equation at the top of the file, summed occasion by occasion."""
    prob = model.unigrams_[text[t]]
    oldest = max(0, t - model.window)
    for n in range(model.order):
        context = text[t - n : t] if n else []
        occasions = [s for s in range(oldest + n, t) if list(text[s - n : s]) == list(context)]
        counts = {s: 0.5 ** ((t - s - 1) / model.half_life) for s in occasions}
        hits = sum(count for s, count in counts.items() if text[s] == text[t])
        prob = (hits + model.k * prob) / (sum(counts.values()) + model.k)
    return prob


class TestByHand:
    """V = 3, `end` = 2, unigrams (2+1, 1+1, 0+1) / 6, k = 1."""

    def test_before_anything_is_read_only_end_is_remembered(self):
        model = fitted(order=1, half_life=NEVER, k=1)
        assert after(model, []) == pytest.approx([1 / 4, 1 / 6, (1 + 1 / 6) / 2])

    def test_unigrams(self):
        """Remembered: end 0 1 0, so that 0 was said twice in four."""
        model = fitted(order=1, half_life=NEVER, k=1)
        assert after(model, [0, 1, 0]) == pytest.approx([(2 + 1 / 2) / 5, (1 + 1 / 3) / 5, (1 + 1 / 6) / 5])

    def test_bigrams(self):
        """After 0 came 1, once: half of what is expected is that, half the unigrams."""
        model = fitted(order=2, half_life=NEVER, k=1)
        assert after(model, [0, 1, 0]) == pytest.approx([1 / 4, (1 + 4 / 15) / 2, 7 / 60])

    def test_an_occasion_fades(self):
        """Of end 0 1, with a half-life of one token: a quarter, a half and one."""
        model = fitted(order=1, half_life=1, k=1)
        expected = np.array([1 / 2 + 1 / 2, 1 + 1 / 3, 1 / 4 + 1 / 6]) / (1.75 + 1)
        assert after(model, [0, 1]) == pytest.approx(expected)

    def test_what_is_past_the_window_is_forgotten(self):
        model = fitted(window=2, order=3, k=1)
        np.testing.assert_array_equal(after(model, [0, 0, 1, 0]), after(model, [1, 2, 2, 1, 0]))
        assert model.reach == 2


class TestDefinition:
    @given(
        st.lists(st.integers(0, 3), min_size=1, max_size=25),
        st.integers(1, 12),
        st.integers(1, 5),
        st.sampled_from([0.5, 7.0, NEVER]),
    )
    def test_every_score_is_the_equation(self, tokens, window, order, half_life):
        model = fitted(4, window=window, order=order, half_life=half_life)
        text = [model.vocab_size_ - 1, *tokens]
        expected = [by_definition(model, text, t) for t in range(1, len(text))]
        np.testing.assert_allclose(np.exp(model.log_probs(tokens)[0]), expected)

    @pytest.mark.parametrize("window", [1, 2, 30])
    def test_the_contract_holds_for_small_windows_and_long_orders(self, window):
        checks = testing.check_model(Cache, window=window, order=5, half_life=2.0)
        assert [check for check in checks if not check.passed] == []

    def test_with_a_great_k_only_the_unigrams_count(self):
        assert after(fitted(k=1e15), [0, 1, 1, 1]) == pytest.approx([1 / 2, 1 / 3, 1 / 6])


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"window": 0}, "window must be 1 or more, not 0"), ({"half_life": 0}, "half-life must be above 0, not 0"),
        ({"half_life": float("inf")}, "half-life .* not inf"), ({"order": 0}, "order must be 1 to 64, not 0"),
        ({"order": 65}, "order must be 1 to 64, not 65"), ({"k": 0}, "k must be above 0, not 0"),
    ],
)  # fmt: skip
def test_a_setting_out_of_range_is_named(setting, said):
    with pytest.raises(UsageError, match=said):
        Cache(**setting)


@pytest.mark.parametrize("unigrams", [[0.5, 0.5], [0.5, 0.5, 0.0], [0.5, 0.5, 0.5], [0.5, 0.5, np.nan]])
def test_damaged_arrays_are_refused(unigrams):
    with pytest.raises(FormatError, match="not a cache's"):
        Cache().restore({"vocab_size": np.array(3), "unigrams": np.array(unigrams)})
