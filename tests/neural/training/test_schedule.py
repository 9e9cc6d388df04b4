import pytest

from lmzoo.errors import UsageError
from lmzoo.interface import Run
from lmzoo.neural.training.schedule import DEFAULT_SECONDS, Budget, rate


@pytest.mark.parametrize(
    ("given", "steps"),
    [({"steps": 12}, 12), ({"tokens": 1000}, 10), ({"tokens": 1001}, 11), ({"flops": 5000 * 100 * 7}, 7)],
)
def test_tokens_and_flops_are_counted_in_steps(given, steps):
    budget = Budget.of(Run(**given), tokens_per_step=100, flops_per_token=5000)
    assert budget == Budget(steps)
    assert budget.spent(steps - 1, seconds=1e9) < 1 == budget.spent(steps, seconds=1e9)


def test_the_first_limit_that_is_reached_ends_it():
    budget = Budget.of(Run(steps=100, tokens=5000, seconds=10.0), 100, 1.0)
    assert budget == Budget(50, 10.0)
    assert budget.spent(10, 9.0) == 0.9
    assert budget.spent(45, 1.0) == 0.9


def test_the_default_budget_is_three_minutes():
    assert Budget.of(Run(), 100, 1.0) == Budget(float("inf"), DEFAULT_SECONDS) == Budget(float("inf"), 180.0)


@pytest.mark.parametrize("name", ["steps", "tokens", "flops", "seconds"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_a_budget_of_zero_is_an_error(name, value):
    with pytest.raises(UsageError, match=f"{name} is nothing to train with"):
        Budget.of(Run(**{name: value}), 100, 1.0)


@pytest.mark.parametrize("given", [{"steps": 40}, {"tokens": 4000}, {"flops": 40 * 100 * 3.0}, {"seconds": 8.0}])
def test_the_rate_rises_stays_and_reaches_zero_exactly_at_the_end(given):
    budget = Budget.of(Run(**given), 100, 3.0)
    rates = [rate(budget.spent(step, step / 5), warmup=0.1, cooldown=0.5) for step in range(41)]
    assert rates[2] == pytest.approx(0.5)  # half of the warm-up
    assert all(value == 1 for value in rates[4:21])
    assert rates[30] == pytest.approx(0.5)  # half of the cool-down
    assert rates[39] > rates[40] == 0


def test_warm_up_and_cool_down_are_optional():
    assert [rate(spent, 0.0, 0.0) for spent in (0.0, 0.5, 0.999)] == [1, 1, 1]
    assert 0 < rate(0.0, 0.1, 0.5) < 0.1  # the first step goes somewhere
