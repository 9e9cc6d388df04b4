"""Assignment 6, LSTM: what the starter, the reference and wrong hand-ins earn."""

import math

import pytest

from lmzoo.course import assignments
from tests.course.hand_ins import Graded, lost


@pytest.fixture(scope="module")
def lstm():
    graded = Graded("6")
    # A few steps on a small text make a poor model, beside which a worse one has to be found out all the same.
    graded.set(
        "bits of a hidden text", STEPS=30, TEXT=12_000, HIDDEN_TEXT=200, TOKENS="bpe:300", BASELINE=2, TARGET=1.9
    )
    return graded


def test_the_starter_earns_nothing_and_the_reference_everything(lstm, tmp_path, monkeypatch):
    starter = lstm.grade(tmp_path, lstm.starter, monkeypatch)
    assert starter.points == 0
    assert "TODO 6: own_model" in starter.checks[-1].message
    reference = lstm.grade(tmp_path, lstm.reference, monkeypatch, in_process=False)
    assert (lost(reference), reference.points) == ({}, 75)


ORDER = """        scores.append(log_probs(model, state)[token])
        state = read(state, [token])
"""
# The points follow from how often each check meets the mistake: see `assignment.py`.
WRONG = {
    "the gates in another order": ("i, f, g, o = np.split", "f, i, g, o = np.split", {"a cell": 14}),
    "one bias of two": (' + np.array(layer["bias_hh"])', "", {"a cell": 14}),
    "h shows c as it is": ("sigmoid(o) * np.tanh(c)", "sigmoid(o) * c", {"a cell": 14}),
    # Two of the twelve sequences are empty.
    "the last output of none": ("    return hs, h, c\n\n\ndef reader", "    return hs, hs[-1], c\n\n\ndef reader",
                                {"a layer": 10 / 6}),
    "every layer reads the embeddings": ("xs, h, c = run(xs, h, c, layer)", "_, h, c = run(xs, h, c, layer)",
                                         {"a state is a value": 14 * 16 / 20}),
    # Every other text goes on from a state, and four fifths of these read something. Of the ten that start anew, the
    # first is empty, and leaves the start as it is; the second spoils it for the eight after it.
    "it writes to the state": ("after.append((h, c))", "before[len(after)] = (h, c)\n            after.append((h, c))",
                               {"a state is a value": 14 * (8 + 8) / 20}),
    "it starts anew": ("before = start if state is None else state", "before = start", {"a state is a value": 14 / 2}),
    # In every third model a logit is beyond what e^z can be.
    "softmax overflows": ("largest = logits.max()", "largest = 0", {"log-probabilities": 10 / 3}),
    "bits for nats": ("return logits - (largest + np.log(np.sum(np.exp(logits - largest))))",
                      "return (logits - (largest + np.log(np.sum(np.exp(logits - largest))))) / np.log(2)",
                      {"log-probabilities": 10}),
    "no end is read": ("read(None, [end]), []", "read(None, []), []", {"scores of texts": 12}),
    "it predicts what it has read": (ORDER, "".join(reversed(ORDER.splitlines(True))), {"scores of texts": 12}),
    "no training": ("for step in range(steps)", "for step in range(0)", {"bits of a hidden text": 15}),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_hand_in_loses_the_points_of_what_is_wrong(lstm, tmp_path, monkeypatch, name):
    right, wrong, expected = WRONG[name]
    assert lost(lstm.grade(tmp_path, lstm.wrong(right, wrong), monkeypatch)) == pytest.approx(expected, abs=0.005)


def test_the_worked_example_of_the_handout(lstm):
    hand_in = {}
    exec(lstm.reference, hand_in)
    layer = {"weight_ih": [[0], [0], [1], [0]], "weight_hh": [[0]] * 4, "bias_ih": [0] * 4, "bias_hh": [0] * 4}
    h, c = hand_in["cell"]([1], [0], [2], layer)
    assert (c[0], h[0]) == pytest.approx((1.381, 0.441), abs=5e-4)
    _, c = hand_in["cell"]([1], [0], [2], {**layer, "bias_ih": [0, 4, 0, 0]})
    assert c[0] == pytest.approx(2.345, abs=5e-4)
    model = {"output": {"weight": [[0], [0]], "bias": [2000, 1999]}}
    assert hand_in["log_probs"](model, [([0], [0])]) == pytest.approx([-0.313, -1.313], abs=5e-4)
    assert math.log(1 + math.exp(-1)) == pytest.approx(0.313, abs=5e-4)


def test_a_text_may_be_cut_anywhere(lstm):
    hand_in = {}
    exec(lstm.reference, hand_in)
    question = lstm.drawn["a state is a value"]("a state is a value").question
    read = hand_in["reader"](*question.given[0])
    text = [0, 3, 5, 8, 1, 1, 7]
    whole = read(None, text)
    for cut in range(len(text) + 1):
        for (h, c), (h_cut, c_cut) in zip(whole, read(read(None, text[:cut]), text[cut:]), strict=True):
            assert h_cut == pytest.approx(h)
            assert c_cut == pytest.approx(c)


def test_the_handout_names_what_is_in_the_starter(lstm):
    handout = (assignments.FOLDER / lstm.assignment.name / "handout.md").read_text("utf-8")
    for name in ("cell", "run", "reader", "log_probs", "score", "own_model"):
        assert f"`{name}`" in handout
        assert f": {name}" in lstm.starter
