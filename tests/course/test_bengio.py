"""Assignment 5, Bengio's network: what the starter, the reference and wrong hand-ins earn."""

import numpy as np
import pytest

from lmzoo.course import assignments
from tests.course.hand_ins import Graded, lost


@pytest.fixture(scope="module")
def bengio():
    graded = Graded("5")
    # A few steps on a small text make a poor model, beside which a worse one has to be found out all the same.
    graded.set(
        "bits of a hidden text", STEPS=30, TEXT=12_000, HIDDEN_TEXT=200, TOKENS="bpe:300", BASELINE=2, TARGET=1.9
    )
    return graded


def test_the_starter_earns_nothing_and_the_reference_everything(bengio, tmp_path, monkeypatch):
    starter = bengio.grade(tmp_path, bengio.starter, monkeypatch)
    assert starter.points == 0
    assert "TODO 5: gradients" in starter.checks[4].message
    reference = bengio.grade(tmp_path, bengio.reference, monkeypatch, in_process=False)
    assert (lost(reference), reference.points) == ({}, 75)


# The points follow from how often each check meets the mistake: see `assignment.py`.
WRONG = {
    # Half of the contexts are the same from behind.
    "the newest token first": ("= np.array(contexts)\n    x", "= np.array(contexts)[:, ::-1]\n    x",
                               {"hidden units": 8 / 2}),
    "no tanh": ("return x, np.tanh(", "return x, (", {"hidden units": 8}),
    "no direct connections": ('+ np.array(x) @ np.array(params["W"]).T', "", {"scores": 6}),
    # In every third batch e to the power of a score is no floating-point number.
    "the softmax of the loss overflows": ("    y = y - y.max(axis=1, keepdims=True)\n", "", {"loss": 7 / 3}),
    "a sum for the mean": ("np.mean(log_z", "np.sum(log_z", {"loss": 7}),
    "not divided by B": ("return p / len(y)", "return p", {"gradients of the scores": 9}),
    "the softmax overflows": ("p = np.exp(y - y.max(axis=1, keepdims=True))", "p = np.exp(y)",
                              {"gradients of the scores": 9 / 3}),
    "tanh has no derivative": ("dy @ U * (1 - a**2)", "dy @ U", {"gradients of the parameters": 20}),
    "nothing through W": ("dx = dy @ W + dz @ H", "dx = dz @ H", {"gradients of the parameters": 20}),
    # In half of the batches no token occurs twice.
    "a token that repeats counts once": ("np.add.at(dC, contexts, dx.reshape(*contexts.shape, -1))",
                                         "dC[contexts] += dx.reshape(*contexts.shape, -1)",
                                         {"gradients of the parameters": 20 / 2}),
    # Half of the steps are without decay.
    "biases decay": ('if name not in ("b", "d")', 'if name not in ()', {"a step": 10 / 2}),
    "uphill": ("dtype=float) - rate * gradient", "dtype=float) + rate * gradient", {"a step": 10}),
    "no training": ("for t in range(1, steps + 1)", "for t in range(1, 1)", {"bits of a hidden text": 15}),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_hand_in_loses_the_points_of_what_is_wrong(bengio, tmp_path, monkeypatch, name):
    right, wrong, expected = WRONG[name]
    found = lost(bengio.grade(tmp_path, bengio.wrong(right, wrong), monkeypatch))
    assert found == pytest.approx(expected, abs=0.005)


def test_what_would_do_the_work_is_refused(tmp_path, monkeypatch):
    bengio = Graded("5")
    bengio.only("a step")
    result = bengio.grade(tmp_path, "import torch.nn\n" + bengio.reference, monkeypatch, in_process=False)
    assert lost(result) == {"a step": 10}
    assert "torch would do the work of this assignment" in result.checks[0].message


def test_the_gradients_are_central_differences(bengio):
    """Of the reference, and so of what it is compared with: (L(θ + ε) − L(θ − ε)) / 2ε."""
    hand_in = {}
    exec(bengio.reference, hand_in)
    params, contexts, *_ = bengio.drawn["gradients of the parameters"]("gradients of the parameters").question.cases[0][
        1
    ]
    params, targets = {name: np.array(value) for name, value in params.items()}, [3] * len(contexts)
    x, a = hand_in["hidden"](params, contexts)
    dy = hand_in["score_gradients"](hand_in["scores"](params, x, a), targets)
    for name, slope in hand_in["gradients"](params, contexts, x, a, dy).items():
        for place in np.ndindex(*slope.shape):
            around = []
            for sign in (1, -1):
                moved = {key: value.copy() for key, value in params.items()}
                moved[name][place] += sign * 1e-5
                y = hand_in["scores"](moved, *hand_in["hidden"](moved, contexts))
                around.append(hand_in["loss"](y, targets))
            assert (around[0] - around[1]) / 2e-5 == pytest.approx(slope[place], abs=1e-8)


def test_the_worked_example_of_the_handout(bengio):
    hand_in = {}
    exec(bengio.reference, hand_in)
    params = {"C": [[1], [2]], "H": [[0.5]], "d": [0], "U": [[1], [0]], "W": [[0], [1]], "b": [0, 0]}
    x, a = hand_in["hidden"](params, [(0,)])
    y = hand_in["scores"](params, x, a)
    assert y[0] == pytest.approx([0.462, 1], abs=5e-4)
    assert hand_in["loss"](y, [0]) == pytest.approx(0.998, abs=5e-4)
    dy = hand_in["score_gradients"](y, [0])
    assert dy[0] == pytest.approx([-0.631, 0.631], abs=5e-4)
    found = hand_in["gradients"](params, [(0,)], x, a, dy)
    assert found["U"].ravel() == pytest.approx([-0.292, 0.292], abs=5e-4)
    assert found["H"].ravel() == pytest.approx([-0.497], abs=5e-4)
    assert found["C"].ravel() == pytest.approx([0.383, 0], abs=5e-4)
    moved = hand_in["step"](params, found, 0.1, 0.0)
    assert moved["C"].ravel() == pytest.approx([0.962, 2], abs=5e-4)


def test_the_handout_names_what_is_in_the_starter(bengio):
    handout = (assignments.FOLDER / bengio.assignment.name / "handout.md").read_text("utf-8")
    for name in ("hidden", "scores", "loss", "score_gradients", "gradients", "step", "own_model"):
        assert f"`{name}`" in handout
        assert f": {name}" in bengio.starter
