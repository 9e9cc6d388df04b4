"""Assignment 2, Tokens: what the starter, the reference and wrong hand-ins earn."""

import random

import pytest

from lmzoo.course import assignments
from tests.course.hand_ins import Graded, lost


@pytest.fixture(scope="module")
def tokens():
    graded = Graded("2")
    graded.set("learn, in time", LARGE=(60, 300, 20))  # the two large texts are small ones here
    graded.set("a trigram's bits", TEXT=4000)
    return graded


def test_the_starter_earns_nothing_and_the_reference_everything(tokens, tmp_path, monkeypatch):
    starter = tokens.grade(tmp_path, tokens.starter, monkeypatch)
    assert starter.points == 0
    assert "TODO 4: learn" in starter.checks[3].message
    reference = Graded("2").grade(tmp_path, tokens.reference, monkeypatch, in_process=False)
    assert (lost(reference), reference.points) == ({}, 75)


FROM_THE_RIGHT = """def merge(tokens, pair, new):
    return from_the_left(tokens[::-1], pair[::-1], new)[::-1]


def from_the_left(tokens, pair, new):
"""
# The points follow from how often each check meets the mistake: see `assignment.py`.
WRONG = {
    "words count once": ("counts[pair] += times", "counts[pair] += 1", {"count pairs": 6}),
    # A third of the tables has several best pairs, of which the first is not the smallest.
    "the first of equals": ("return min(pair for", "return next(pair for", {"best pair": 8 / 3}),
    # A third has no pair that occurs twice; one of these is empty, and so has none that occurs once.
    "a pair that occurs once": ("if most < 2", "if most < 1", {"best pair": 8 / 3 * 3 / 4}),
    # In half of the lists an odd number of equal tokens stands in a row.
    "from the right": ("def merge(tokens, pair, new):\n", FROM_THE_RIGHT, {"merge": 8 / 2}),
    # Two of the twelve texts run out of pairs.
    "it does not stop": ("pair is None:\n            break", "False:\n            break", {"learn, in time": 18 / 6}),
    # The other ten do not.
    "a merge too many": ("while len(merges) < number", "while len(merges) <= number", {"learn, in time": 18 * 5 / 6}),
    # Half of the strings are not ASCII.
    "characters for bytes": ('tokens = list(piece.encode("utf-8"))', "tokens = list(map(ord, piece))", {"encode": 7}),
    # In half of the lists the last character lacks its last byte.
    "what is no UTF-8 is dropped": ('errors="replace"', 'errors="ignore"', {"decode": 6 / 2}),
    # All merges are where the figure begins, and with none there are more bits still.
    "all merges": ("numbers = [50, 100, 150, 200, 250, 300, 400, 500, len", "numbers = [len", {"a trigram's bits": 15}),
    "no merges": ("numbers = [50, 100, 150, 200, 250, 300, 400, 500, len(learned)]", "numbers = [0]",
                  {"a trigram's bits": 15}),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_hand_in_loses_the_points_of_what_is_wrong(tokens, tmp_path, monkeypatch, name):
    right, wrong, expected = WRONG[name]
    assert lost(tokens.grade(tmp_path, tokens.wrong(right, wrong), monkeypatch)) == pytest.approx(expected, abs=0.005)


# Correct, and slow: each piece is counted, however often it has been.
SLOW = """def learn(pieces, number):
    texts = [tuple(piece.encode("utf-8")) for piece in pieces]
    merges = []
    while len(merges) < number:
        counts = Counter()
        for tokens in texts:
            counts.update(count_pairs({tokens: 1}))
        pair = best_pair(counts)
        if pair is None:
            break
        merges.append(pair)
        texts = [tuple(merge(tokens, pair, 255 + len(merges))) for tokens in texts]
    return merges


def slower("""


def test_to_count_each_piece_again_takes_too_long(tmp_path, monkeypatch):
    tokens = Graded("2")
    tokens.only("learn, in time")
    result = tokens.grade(tmp_path, tokens.wrong("def learn(", SLOW), monkeypatch, in_process=False)
    assert lost(result) == {"learn, in time": 18 / 6}  # the two large texts of twelve
    assert "seconds of CPU" in result.checks[0].message


def test_the_reference_learns_what_hugging_face_does(tokens):
    """On other texts than those that are graded."""
    hand_in = {}
    exec(tokens.reference, hand_in)
    drawn = tokens.module("learn, in time")["learn"](random.Random(1), 200, 2000, 60)
    for (_, case), expected in zip(drawn.question.cases, drawn.judge.expected, strict=True):
        assert hand_in["learn"](*case) == expected


def test_what_is_hostile_comes_back(tokens):
    hand_in = {}
    exec(tokens.reference, hand_in)
    for _, (string, merges) in tokens.drawn["encode"]("encode").question.cases:
        assert hand_in["decode"](hand_in["encode"](string, merges), merges) == string


def test_what_are_no_merges_is_said(tokens):
    judge = tokens.drawn["a trigram's bits"]("a trigram's bits").judge
    for answer, said in (
        ([[97, 256]], "merge 0 must be a pair"),
        ({}, "it must return a list"),
        ([[1, 2, 3]], "merge 0"),
        ([[97, 97]] + [[256 + n, 256 + n] for n in range(4999)], "merge 9 makes a token of 1,024 bytes"),
    ):
        judged = judge.judge(None, [answer])
        assert judged.share == 0
        assert said in judged.message


def test_the_worked_example_of_the_handout(tokens):
    hand_in = {}
    exec(tokens.reference, hand_in)
    pieces = ["low"] * 3 + [" lower"] * 2 + [" new"] * 2
    merges = hand_in["learn"](pieces, 5)
    spelled = [tuple(hand_in["decode"]([token], merges) for token in pair) for pair in merges]
    assert spelled == [("l", "o"), ("lo", "w"), (" ", "n"), (" ", "low"), ("e", "r")]
    assert hand_in["encode"](" lowest", merges) == [259, 101, 115, 116]
    assert hand_in["decode"]([259, 195], merges) == " low\ufffd"


def test_the_handout_names_what_is_in_the_starter(tokens):
    handout = (assignments.FOLDER / tokens.assignment.name / "handout.md").read_text("utf-8")
    for name in ("count_pairs", "best_pair", "merge", "learn", "encode", "decode", "own_merges"):
        assert f"`{name}`" in handout
        assert f": {name}" in tokens.starter
