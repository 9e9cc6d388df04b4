"""Assignment 1, The ruler: what the starter, the reference and wrong hand-ins earn."""

import math

import numpy as np
import pytest

from lmzoo.course import assignments
from tests.course.hand_ins import Graded, lost


@pytest.fixture(scope="module")
def ruler():
    return Graded("1")


def test_the_starter_earns_nothing_and_the_reference_everything(ruler, tmp_path, monkeypatch):
    starter = ruler.grade(tmp_path, ruler.starter, monkeypatch)
    assert starter.points == 0
    assert "TODO 7: own_model" in starter.checks[-1].message
    reference = ruler.grade(tmp_path, ruler.reference, monkeypatch, in_process=False)
    assert (lost(reference), reference.points) == ({}, 75)
    assert "the source itself needs 0." in reference.checks[-1].message


# The points follow from how often each check meets the mistake: see `assignment.py`.
WRONG = {
    "nats for bits": ([("-sum(log_probs) / math.log(2)", "-sum(log_probs)")], {"bits": 6}),
    # Bytes are a quarter of the cases, and two texts of three are not ASCII.
    "characters for bytes": ([('len(text.encode("utf-8"))', "len(text)")], {"bits per unit": 12 / 4 * 2 / 3}),
    "one token too many": ([('"token": tokens', '"token": tokens + 1')], {"bits per unit": 12 / 4}),
    "line ends are no words": ([('text.count("\\n")', "0")], {"perplexity per word": 8 / 2}),
    "a mean of ratios": (
        [("bits[picks].sum(axis=1) / characters[picks].sum(axis=1)", "(bits[picks] / characters[picks]).mean(axis=1)")],
        {"bootstrap": 10},
    ),
    "a 90 % interval": ([("[2.5, 97.5]", "[5, 95]")], {"bootstrap": 10}),
    # Every other game is of one who does not guess in the best order.
    "shares in the order of ranks": (
        [("count / len(ranks) for count in Counter(ranks).values()), reverse=True)",
          "ranks.count(i) / len(ranks) for i in set(ranks)), key=lambda q: 0)")],
        {"Shannon's bounds": 10 / 2},
    ),
    # Each of the seven is a seventh of the reports.
    "no mean over lines": ([('if fault == "lines"', "if False")], {"broken evaluators": 14 / 7}),
    "zeros are not thought of": ([('if fault == "zeros"', "if False")], {"broken evaluators": 14 / 7}),
    "nothing is ever wrong": ([("for fault in FAULTS", 'return "none"\n    for fault in ()')],
                              {"broken evaluators": 14 * 6 / 7}),
    "an add-one unigram": (
        [("counts[history[-2:]][", "counts[()]["), ("= counts[history[-2:]]", "= counts[()]"), ("0.1", "1")],
        {"bits of a hidden text": 15},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_hand_in_loses_the_points_of_what_is_wrong(ruler, tmp_path, monkeypatch, name):
    changes, expected = WRONG[name]
    code = ruler.reference
    for right, wrong in changes:
        assert code.count(right) == 1
        code = code.replace(right, wrong)
    assert lost(ruler.grade(tmp_path, code, monkeypatch)) == pytest.approx(expected)


def test_the_worked_example_of_the_handout(ruler):
    hand_in = {}
    exec(ruler.reference, hand_in)
    text, log_probs = "é a\nb\n", [math.log(p) for p in (1 / 8, 1 / 2, 1 / 4, 1 / 2, 1 / 16, 1 / 2)]
    bits = hand_in["total_bits"](log_probs)
    assert bits == pytest.approx(12)
    assert [hand_in["bits_per"](unit, bits, text, 6) for unit in hand_in["UNITS"]] == pytest.approx([2, 2, 12 / 7, 4])
    assert hand_in["perplexity"](bits, text, "stream") == pytest.approx(16)
    assert hand_in["perplexity"](bits, text, "lines") == pytest.approx(2 ** (12 / 5))
    assert hand_in["interval"]([6, 2, 4], [3, 2, 2], [[0, 0, 1], [1, 1, 2]]) == pytest.approx(
        (1.34375, 1.7396), abs=1e-4
    )
    assert hand_in["shannon_bounds"]([1, 1, 2, 1, 3, 1, 2, 1]) == pytest.approx((0.844, 1.299), abs=5e-4)


def test_the_reports_are_those_of_the_evaluator_unless_it_is_broken(ruler):
    """What is told to be right is what lmzoo measures, and each broken one differs from it."""
    drawn = ruler.drawn["broken evaluators"]("broken evaluators")
    for (_, (pieces, log_probs, right, reported)), fault in zip(
        drawn.question.cases, drawn.judge.expected, strict=True
    ):
        assert len(pieces) == len(log_probs) == right["tokens"]
        assert len("".join(pieces).encode()) == right["bytes"] > right["characters"]
        finite = {"bits per byte": right["bits"] / right["bytes"]}
        finite["perplexity per word"] = 2 ** (right["bits"] / right["words"])
        assert np.isfinite(list(reported.values())).all()
        assert (reported == pytest.approx(finite, rel=1e-12)) == (fault == "none")


def test_the_handout_names_what_is_in_the_starter(ruler):
    handout = (assignments.FOLDER / ruler.assignment.name / "handout.md").read_text("utf-8")
    for name in ("total_bits", "bits_per", "perplexity", "interval", "shannon_bounds", "diagnose", "own_model"):
        assert f"`{name}`" in handout
        assert f": {name}" in ruler.starter
