"""Assignment 4, Company: what the starter, the reference and wrong hand-ins earn."""

import math

import numpy as np
import pytest

from lmzoo.course import assignments
from tests.course.hand_ins import Graded, lost


@pytest.fixture(scope="module")
def company():
    graded = Graded("4")
    # Of a shorter text less is to be had.
    graded.set("bits of a word's kind", TEXT=40_000, MARGIN=1.3)
    return graded


def test_the_starter_earns_nothing_and_the_reference_everything(company, tmp_path, monkeypatch):
    starter = company.grade(tmp_path, company.starter, monkeypatch)
    assert starter.points == 0
    assert "TODO 4: svd_vectors" in starter.checks[3].message
    reference = Graded("4").grade(tmp_path, company.reference, monkeypatch, in_process=False)
    assert (lost(reference), reference.points) == ({}, 75)


# The points follow from how often each check meets the mistake: see `assignment.py`.
WRONG = {
    # Two thirds of the texts have a window that reaches beyond a token.
    "across ends": ("if other == end", "if False", {"co-occurrences": 12 * 2 / 3}),
    "nothing before the text": ("text = [end, *tokens]\n    for", "text = tokens\n    for", {"co-occurrences": 12}),
    "one direction": ("            counts[other, word] += 1\n", "", {"co-occurrences": 12}),
    "contexts as they are": ("n**smoothing for", "n for", {"PMI": 12 / 2}),
    "bits for nats": ("(w, c): math.log(n", "(w, c): math.log2(n", {"PMI": 12}),
    "no shift": ("score - math.log(shift)) for", "score) for", {"positive, shifted PMI": 8 / 2}),
    "what is negative": ("max(0.0, score - math.log(shift))", "score - math.log(shift)", {"positive, shifted PMI": 8}),
    # A power of 1 is that of three of the ten.
    "no power": ("s[:dimensions] ** power", "s[:dimensions]", {"singular vectors": 12 * 0.7}),
    "contexts for words": ("np.linalg.svd(np.array(matrix),", "np.linalg.svd(np.array(matrix).T,",
                           {"singular vectors": 12}),
    "itself": ("cosines[word] = -np.inf", "pass", {"neighbours": 8}),
    # In half of the cases all vectors have length 1.
    "products": ("units(vectors)\n    cosines", "np.array(vectors)\n    cosines", {"neighbours": 8 / 2}),
    "a given word": ("scores[[a, b, c]] = -np.inf", "pass", {"analogies": 8 / 2}),
    "lengths in the sum": (
        "vectors = units(vectors)\n    scores = vectors @",
        "vectors = np.array(vectors)\n    scores = units(vectors) @",
        {"analogies": 8 / 2},
    ),
    # On a line every cosine is 1 or −1, so that the nearest five are any five.
    "one dimension": ("u[:, :50] * s[:50]", "u[:, :1] * s[:1]", {"bits of a word's kind": 15}),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_hand_in_loses_the_points_of_what_is_wrong(company, tmp_path, monkeypatch, name):
    right, wrong, expected = WRONG[name]
    assert lost(company.grade(tmp_path, company.wrong(right, wrong), monkeypatch)) == pytest.approx(expected)


def test_the_signs_of_dimensions_are_free(company, tmp_path, monkeypatch):
    turned = company.wrong("return u[:, :dimensions]", "return -u[:, :dimensions]")
    assert lost(company.grade(tmp_path, turned, monkeypatch)) == {}


def test_what_are_no_vectors_is_said(company):
    judge = company.drawn["bits of a word's kind"]("bits of a word's kind").judge
    for answer, said in (
        ([[1.0]], "vectors of 1 to 300 dimensions"),
        ([[1.0], [1.0, 2.0]], "all equally long"),
        ([[math.nan]] * judge.vocab_size, "NaN"),
        (None, "vectors"),
    ):
        judged = judge.judge(None, [answer])
        assert judged.share == 0
        assert said in judged.message


def test_the_worked_example_of_the_handout(company):
    hand_in = {}
    exec(company.reference, hand_in)
    counts = hand_in["cooccurrences"]([0, 1, 3, 0, 2, 3], 4, 2)
    table = [[counts[w, c] for c in range(4)] for w in range(4)]
    assert table == [[0, 1, 1, 4], [1, 0, 0, 2], [1, 0, 0, 2], [4, 2, 2, 0]]
    plain = hand_in["pmi"](+counts, 1.0)
    assert (plain[0, 1], plain[0, 3]) == pytest.approx((0.105, 0.511), abs=5e-4)
    smoothed = hand_in["pmi"](+counts, 0.75)
    assert (smoothed[0, 1], smoothed[1, 0]) == pytest.approx((-0.039, 0.134), abs=5e-4)
    assert hand_in["positive"](smoothed, 1)[0, 1] == 0
    assert hand_in["positive"](smoothed, 2)[1, 0] == 0
    rows = hand_in["svd_vectors"]([[3, 1], [1, 3]], 1, 0.5)
    assert rows @ rows.T == pytest.approx(np.full((2, 2), 2))
    plane = [(math.cos(math.radians(x)), math.sin(math.radians(x))) for x in (0, 40, 90, 60, 130)]
    assert hand_in["analogy"](plane, 0, 1, 2) == 4
    aim = np.array(plane[1]) - plane[0] + plane[2]
    assert math.degrees(math.atan2(aim[1], aim[0])) == pytest.approx(98, abs=0.5)


def test_the_handout_names_what_is_in_the_starter(company):
    handout = (assignments.FOLDER / company.assignment.name / "handout.md").read_text("utf-8")
    for name in ("cooccurrences", "pmi", "positive", "svd_vectors", "neighbours", "analogy", "own_vectors"):
        assert f"`{name}`" in handout
        assert f": {name}" in company.starter
