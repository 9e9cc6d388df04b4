"""The law of learning curves: what is put in is found again, and what is no law is none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit
from scipy.stats import linregress

from lmzoo.analysis.scaling_law import power_law, predict
from lmzoo.errors import UsageError

CHARACTERS = 2_000_000 / 2.0 ** np.arange(6, -1, -1)  # of the seven shares


def law(exponent, constant, floor=0.0, characters=CHARACTERS):
    return floor + (constant / characters) ** exponent


def so_that_above(exponent, bits):
    """D_c of the law that is so many bits above its floor at the smallest share."""
    return CHARACTERS[0] * bits ** (1 / exponent)


def noisy(exact, source=0.0, size=0.01, seed=0):
    """`exact` bits with an excess over the source that is off by some per cent."""
    return source + (exact - source) * np.exp(size * np.random.default_rng(seed).standard_normal(len(exact)))


@settings(max_examples=25)
@given(exponent=st.floats(0.02, 1), above=st.floats(0.05, 5), source=st.sampled_from([None, 0.4, 1.5]))
def test_a_power_law_is_recovered(exponent, above, source):
    constant = so_that_above(exponent, above)
    fit = power_law(CHARACTERS, law(exponent, constant, source or 0), source)
    assert fit["floor_is"] == ("source" if source else "none")
    assert fit["floor"] == (source or 0)
    assert fit["exponent"] == pytest.approx(exponent, rel=1e-5)
    assert np.log(fit["constant"]) == pytest.approx(np.log(constant), rel=1e-5)
    assert fit["r2"] == pytest.approx(1)
    assert fit["points"] == 7


@settings(max_examples=25)
@given(exponent=st.floats(0.15, 1.5), above=st.floats(0.2, 2), floor=st.floats(0.3, 2))
def test_a_floor_that_is_not_known_is_recovered(exponent, above, floor):
    fit = power_law(CHARACTERS, law(exponent, so_that_above(exponent, above), floor))
    assert fit["floor_is"] == "fitted"
    assert fit["floor"] == pytest.approx(floor, rel=1e-4)
    assert fit["exponent"] == pytest.approx(exponent, rel=1e-3)


def test_a_model_may_have_a_floor_of_its_own_above_that_of_the_source():
    fit = power_law(CHARACTERS, law(0.9, 20_000, 0.7), source=0.4)
    assert (fit["floor_is"], fit["floor"]) == ("fitted", pytest.approx(0.7))
    assert fit["exponent"] == pytest.approx(0.9)


@settings(max_examples=25)
@given(scale=st.floats(0.01, 100), exponent=st.floats(0.1, 1))
def test_the_exponent_does_not_depend_on_the_unit_of_text(scale, exponent):
    bits = noisy(law(exponent, 50_000))
    one, other = power_law(CHARACTERS, bits), power_law(scale * CHARACTERS, bits)
    assert one["floor_is"] == other["floor_is"]
    assert other["exponent"] == pytest.approx(one["exponent"], rel=1e-5)
    assert other["constant"] == pytest.approx(scale * one["constant"], rel=1e-5)


def test_a_line_and_its_error_are_those_of_linear_regression():
    bits = noisy(law(0.3, 15_000, 0.4), 0.4)
    ours, theirs = power_law(CHARACTERS, bits, 0.4), linregress(np.log(CHARACTERS), np.log(bits - 0.4))
    assert ours["exponent"] == pytest.approx(-theirs.slope)
    assert ours["standard_error"] == pytest.approx(theirs.stderr)
    assert ours["r2"] == pytest.approx(theirs.rvalue**2)


def test_a_floor_and_its_error_are_those_of_curve_fit():
    bits = noisy(law(0.6, 30_000, 1.0), size=0.003)
    ours = power_law(CHARACTERS, bits)

    def log_law(x, floor, offset, exponent):
        return np.log(floor + np.exp(offset - exponent * x))

    x = np.log(CHARACTERS / CHARACTERS[3])
    theirs, covariance = curve_fit(log_law, x, np.log(bits), p0=[0.9, -1, 0.5])
    assert ours["floor_is"] == "fitted"
    assert [ours["floor"], ours["exponent"]] == pytest.approx([theirs[0], theirs[2]], rel=1e-4)
    assert ours["standard_error"] == pytest.approx(covariance[2, 2] ** 0.5, rel=1e-3)


@pytest.mark.parametrize(("source", "floor"), [(0.4, 0.4), (None, 0.0), (None, 1.0)])
def test_the_exponent_lies_in_its_interval_as_often_as_is_said(source, floor):
    bits = law(0.5, 30_000, floor)
    fits = [power_law(CHARACTERS, noisy(bits, source or 0, 0.002, seed), source) for seed in range(60)]
    right = [fit for fit in fits if (fit["floor_is"] == "fitted") == (source is None and floor > 0)]
    assert len(right) >= 54  # that a third parameter is taken for chance, or chance for it, is rare
    inside = [fit["interval"][0] <= 0.5 <= fit["interval"][1] for fit in right]
    assert np.mean(inside) >= 0.9


def test_one_step_of_the_law_is_what_it_predicts():
    bits = law(0.4, 9_000, 0.8)
    fit = power_law(CHARACTERS, bits)
    assert predict(fit, CHARACTERS) == pytest.approx(bits)
    assert predict(fit, 2 * CHARACTERS[-1]) == pytest.approx(law(0.4, 9_000, 0.8, 2 * CHARACTERS[-1]))


def test_few_points_have_no_law_and_five_have_none_with_a_floor():
    bits = law(0.5, 30_000, 1.0)
    assert power_law(CHARACTERS[:3], bits[:3]) is None
    assert power_law(CHARACTERS[:5], bits[:5])["floor_is"] == "none"
    assert power_law(CHARACTERS[:6], bits[:6])["floor_is"] == "fitted"
    assert power_law([], []) is None
    assert power_law([1000] * 4, [2, 1.9, 1.8, 1.7]) is None


@pytest.mark.parametrize(
    "bits",
    [np.full(7, 2.0), np.linspace(1.5, 2, 7), 2 + 0.01 * (-1.0) ** np.arange(7)],
    ids=["level", "rising", "to and fro"],
)
def test_what_does_not_decline_has_no_law(bits):
    assert power_law(CHARACTERS, bits) is None
    assert power_law(CHARACTERS, bits, 1.0) is None


def test_below_the_source_there_is_no_logarithm_and_no_law():
    assert power_law(CHARACTERS, law(0.5, 30_000, 0.4), source=0.53) is None


@pytest.mark.parametrize(
    ("characters", "bits", "message"),
    [
        ([1, 2, 3, 4], [1, 2, np.nan, 3], "nan bits per character"),
        ([1, 2, 3, 4], [1, 2, 0, 3], "0.0 bits per character"),
        ([1, 2, -3, 4], [1, 2, 1, 3], "-3.0 characters"),
        ([1, 2, 3, 4], [1, 2, 3], "as many bits as amounts"),
    ],
)
def test_what_has_no_logarithm_is_refused_in_words(characters, bits, message):
    with pytest.raises(UsageError, match=message):
        power_law(characters, bits)
