"""Ranges of settings, and what is said of a value outside."""

import pytest

from lmzoo.errors import UsageError, in_range

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("value", "bounds", "message"),
    [
        (0, {"least": 1}, "k must be 1 or more, not 0"),
        (65, {"least": 1, "most": 64}, "k must be 1 to 64, not 65"),
        (0.0, {"above": 0}, "k must be above 0, not 0.0"),
        (1.0, {"least": 0, "below": 1}, "k must be 0 or more and below 1, not 1.0"),
        (1.0, {"above": 0, "below": 1}, "k must be above 0 and below 1, not 1.0"),
        (1.5, {"above": 0, "most": 1}, "k must be above 0 and at most 1, not 1.5"),
        (NAN, {"least": 0}, "k must be 0 or more, not nan"),
        (INF, {"least": 0}, "k must be 0 or more, not inf"),
        (INF, {"above": 0}, "k must be above 0, not inf"),
        (-1, {"least": 0, "why": "it counts words"}, "k must be 0 or more, not -1: it counts words"),
    ],
)
def test_a_value_outside_is_refused(value, bounds, message):
    with pytest.raises(UsageError) as error:
        in_range("k", value, **bounds)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("value", "bounds"),
    [(1, {"least": 1}), (64, {"least": 1, "most": 64}), (1e-9, {"above": 0}), (0.0, {"least": 0, "below": 1})],
)
def test_the_ends_are_inside(value, bounds):
    in_range("k", value, **bounds)
