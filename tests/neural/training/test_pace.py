"""Remarks on the pace of a training and on a busy machine."""

import pytest
import torch

from lmzoo.neural.training.pace import Pace, short
from lmzoo.neural.training.schedule import Budget


def paced(*seconds: float, others: float = 0.0) -> Pace:
    pace = Pace(torch.device("cpu"))
    pace.load.others = lambda: others
    for step in seconds:
        pace.step(step)
    return pace


def test_a_budget_in_seconds_of_too_few_steps_says_how_many_were_expected():
    pace = paced(*[1.0] * 2, *[0.02] * 10, *[5.0] * 12)
    [remark] = pace.remarks(24, 60.0, Budget(seconds=60.0))
    assert "the budget of 60 s ended after 24 steps; at the speed of its fastest steps 3,000 were expected" in remark
    assert "give it a longer --budget" in remark


def test_a_few_equally_slow_steps_are_remarked_on():
    [remark] = paced(*[10.0] * 7).remarks(7, 60.0, Budget(seconds=60.0))
    assert "ended after 7 steps: a network needs hundreds" in remark


def test_one_step_is_singular_and_has_no_speed_to_compare_with():
    [remark] = paced(70.0).remarks(1, 70.0, Budget(seconds=60.0))
    assert "ended after 1 step: " in remark


@pytest.mark.parametrize("budget", [Budget(steps=5), Budget(steps=5, seconds=60.0)])
def test_a_budget_in_steps_has_no_remark(budget):
    assert paced(*[0.02] * 5, others=100.0).remarks(5, 0.1, budget) == []


def test_a_budget_that_sufficed_has_no_remark():
    assert paced(*[0.01] * 20).remarks(1000, 10.0, Budget(seconds=10.0)) == []


def test_a_budget_in_seconds_remarks_on_a_busy_machine():
    pace = paced(*[0.01] * 20, others=100.0)
    [busy] = pace.remarks(1000, 10.0, Budget(seconds=10.0))
    assert "the machine was busy: other processes used 100.0 of" in busy
    assert "a budget in steps does not depend" in pace.remarks(10, 10.0, Budget(seconds=10.0))[1]


def test_steps_that_the_clock_cut_are_said_in_tokens():
    budget = Budget(steps=1500, seconds=60.0)
    assert paced(*[0.1] * 20).remarks(600, 60.0, budget, 2000) == [
        "stopped by the clock (60 s) after 1.2M of 3M tokens"
    ]
    assert paced(*[0.1] * 20).remarks(1500, 60.0, budget, 2000) == []  # all of them


@pytest.mark.parametrize(("count", "said"), [(950, "950"), (64_500, "64.5k"), (3e6, "3M"), (1.25e9, "1.25G")])
def test_numbers_of_tokens_are_short(count, said):
    assert short(count) == said
