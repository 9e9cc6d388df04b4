from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmzoo.errors import UsageError
from lmzoo.interface import Run
from lmzoo.neural.training.schedule import DEFAULT_SECONDS, Budget, log_spaced, rate


@pytest.mark.parametrize(
    ("limit", "steps"),
    [({"steps": 12}, 12), ({"tokens": 1000}, 10), ({"tokens": 1001}, 11), ({"flops": 5000 * 100 * 7}, 7)],
)
def test_tokens_and_flops_are_counted_in_steps(limit, steps):
    budget = Budget.of(Run(**limit), tokens_per_step=100, flops_per_token=5000)
    assert budget == Budget(steps)
    assert budget.spent(steps - 1, seconds=1e9) < 1 == budget.spent(steps, seconds=1e9)


def test_the_first_limit_that_is_reached_ends_it():
    budget = Budget.of(Run(steps=100, tokens=5000, seconds=10.0), 100, 1.0)
    assert budget == Budget(50, 10.0)
    assert budget.spent(50, 1.0) == 1 == budget.spent(10, 10.0)


@pytest.mark.parametrize("seconds", [0.0, 5.0, 7.5, 9.0])
def test_the_schedule_follows_the_steps_wherever_they_will_be_done_in_time(seconds):
    assert Budget(100, 10.0).spent(90, seconds) == 0.9
    assert not Budget(100, 10.0).behind(90, seconds)


def test_before_the_last_quarter_of_the_clock_the_schedule_does_not_know_the_time():
    budget = Budget(100, 10.0)
    assert budget.spent(20, 7.5) == budget.spent(20, 0.1) == 0.2
    assert not budget.behind(20, 7.5)


def test_a_clock_that_will_cut_the_steps_runs_the_schedule_to_its_end_in_its_last_quarter():
    budget, pace = Budget(100, 10.0), 2  # steps a second: 20 in all
    shares = [budget.spent(round(pace * seconds), seconds) for seconds in (7.5, 8.0, 8.5, 9.0, 9.5, 10.0)]
    assert shares[0] == 0.15
    assert shares[3] == pytest.approx(0.18 + (0.9 - 0.18) * 0.6)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert budget.behind(18, 9.0)
    assert rate(shares[-2], 0.0, 0.8) > rate(shares[-1], 0.0, 0.8) == 0  # it decays as far as it can


@given(st.lists(st.floats(0, 3), min_size=2, max_size=50), st.integers(1, 40), st.floats(1, 60), st.booleans())
def test_what_is_spent_never_falls(steps_take, steps, seconds, only_time):
    budget = Budget(float("inf") if only_time else steps, seconds)
    clock, shares = 0.0, []
    for step, duration in enumerate(steps_take, 1):
        clock += duration
        shares.append(budget.spent(step, clock))
    assert all(b >= a - 1e-9 for a, b in pairwise(shares))


def test_the_default_budget_is_three_minutes():
    assert Budget.of(Run(), 100, 1.0) == Budget(float("inf"), DEFAULT_SECONDS) == Budget(float("inf"), 180.0)


@pytest.mark.parametrize("name", ["steps", "tokens", "flops", "seconds"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_a_budget_of_zero_is_an_error(name, value):
    with pytest.raises(UsageError, match=f"{name} is nothing to train with"):
        Budget.of(Run(**{name: value}), 100, 1.0)


def test_of_ten_points_each_has_twice_the_tokens_of_the_last():
    assert log_spaced(10) == [2.0**n for n in range(-9, 1)]  # exactly: a step must not come late
    assert log_spaced(2) == pytest.approx([1 / 512, 1])
    assert (log_spaced(1), log_spaced(0)) == ([1], [])


@pytest.mark.parametrize("limit", [{"steps": 40}, {"tokens": 4000}, {"flops": 40 * 100 * 3.0}, {"seconds": 8.0}])
def test_the_rate_rises_stays_and_reaches_zero_exactly_at_the_end(limit):
    budget = Budget.of(Run(**limit), 100, 3.0)
    rates = [rate(budget.spent(step, step / 5), warmup=0.1, cooldown=0.5) for step in range(41)]
    assert rates[2] == pytest.approx(0.5)  # half of the warm-up
    assert all(value == 1 for value in rates[4:21])
    assert rates[30] == pytest.approx(0.5)  # half of the cool-down
    assert rates[39] > rates[40] == 0


def test_warm_up_and_cool_down_are_optional():
    assert [rate(spent, 0.0, 0.0) for spent in (0.0, 0.5, 0.999)] == [1, 1, 1]
    assert 0 < rate(0.0, 0.1, 0.5) < 0.1  # the first step goes somewhere
