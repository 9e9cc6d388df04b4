"""The leaderboard: ties by paired intervals, pseudonyms, and claims that were decoded."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lmzoo.cli.main import main
from lmzoo.course import grading, leaderboard, remote
from lmzoo.course.assignments import Assignment
from lmzoo.course.checks import Figure
from lmzoo.course.leaderboard import Claim
from lmzoo.errors import UsageError
from tests.course.counted import REFERENCE, SECRET, kept, only
from tests.course.hand_ins import _asked

BIGRAM = REFERENCE.replace("count(tokens, vocab_size, 3)", "count(tokens, vocab_size, 2)")
# Right distributions, each time others: what was coded with them cannot be decoded.
RESTLESS = """
import random
def own_model(tokens, vocab_size):
    def predict(history):
        p = [random.random() for _ in range(vocab_size)]
        total = sum(p)
        return [x / total for x in p]
    return predict
"""
BROKEN = "def own_model(tokens, vocab_size):\n    raise ValueError('not yet')\n"


def claim(student, behind, error):
    return Claim(student, student, behind, error, 40)


def test_ties_are_those_that_chance_could_have_ordered():
    a, b, c, d = claim("a", 0.0, 0.01), claim("b", 0.02, 0.01), claim("c", 0.2, 0.01), claim("d", 0.021, 0.001)
    assert leaderboard.grouped([c, b, a]) == [[a, b], [c]]  # 1.96 · √2 · 0.01 = 0.0277 beyond the best are a tie
    assert leaderboard.grouped([d, a]) == [[a], [d]]  # 1.96 · √(0.01² + 0.001²) = 0.0197
    assert leaderboard.grouped([claim("z", 0.0, 0.1), claim("b", 0.01, 0.1)])[0][0].student == "b"  # no order within


def test_pseudonyms_are_the_secrets():
    claims = [claim(f"student {n}", 0, 0) for n in range(600)]
    names = [one.pseudonym for one in leaderboard.named(claims, SECRET)]
    assert len(set(names)) == 600
    assert names == [one.pseudonym for one in leaderboard.named(claims[::-1], SECRET)]
    assert names != [one.pseudonym for one in leaderboard.named(claims, b"another secret of the tests")]


def test_what_is_decoded():
    judge = Figure([1, 0, 2, 2], 3, 2.0, 1.0)
    answers = [[0.2, 0.5, 0.3], [0.9, 0.05, 0.05], [0.1, 0.1, 0.8], [1 / 3, 1 / 3, 1 / 3]]
    assert judge.decoded(answers, answers) == 4
    assert judge.decoded(answers, [answers[1], *answers[1:]]) == 0
    assert judge.decoded(answers, [*answers[:3], remote.Fault("it crashed")]) == 0


def few(drawn, count=25):
    """The first cases of a figure alone."""
    judge = drawn.judge
    return replace(
        drawn,
        question=replace(drawn.question, cases=drawn.question.cases[:count]),
        judge=replace(judge, tokens=judge.tokens[:count], reference=judge.reference[:count]),
    )


def test_from_hand_ins_to_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    drawn = few(kept["bits of a hidden text"](""))
    monkeypatch.setattr(Assignment, "checks", lambda one, source: {"bits of a hidden text": lambda name: drawn})
    monkeypatch.setattr(remote, "ask", lambda *words: remote.Answers(_asked(*words[:3])))
    Path("key").write_bytes(SECRET)
    Path("key").chmod(0o600)
    Path("points").mkdir()
    for name, code in {"ada": REFERENCE, "bob": BIGRAM, "cy": RESTLESS, "dee": BROKEN}.items():
        Path(name).mkdir()
        Path(name, "counting.py").write_text(code, "utf-8")
        result = grading.grade(Path(name), only(5), SECRET, name, 0, decode=True)
        Path("points", f"{name}.json").write_text(json.dumps(result.facts()), "utf-8")
    ada = json.loads(Path("points/ada.json").read_text("utf-8"))["checks"][0]
    assert ada["behind"] == pytest.approx(0, abs=1e-4)  # it is the model that it is held against
    assert (
        0 <= 8 * ada["decoded_bytes"] - ada["value"] * len(drawn.judge.tokens) < 64
    )  # the coder writes words of 32 bits
    with pytest.raises(SystemExit) as exit_:
        main(["course", "leaderboard", "points", "--secret", "key", "--out", "board.html"])
    assert exit_.value.code == 0
    shown, page = " ".join(capsys.readouterr().out.split()), Path("board.html").read_text("utf-8")
    assert "cy is left out: its second process gave other distributions" in shown
    assert "dee is left out: no figure (" in shown
    first, second = (one.pseudonym for group in leaderboard.read(Path("points"), SECRET).groups for one in group)
    assert page.index(first) < page.index(second)
    assert not [name for name in ("ada", "bob", "cy<", "dee") if f">{name}" in page]
    assert "2 without a decoded figure" in page


def test_results_of_two_assignments_are_refused(tmp_path):
    with pytest.raises(UsageError, match="has no results"):
        leaderboard.read(tmp_path, SECRET)
    for number, name in enumerate(("03-counting", "04-company")):
        (tmp_path / f"{number}.json").write_text(json.dumps({"assignment": name, "student": "ada"}), "utf-8")
    with pytest.raises(UsageError, match="several assignments"):
        leaderboard.read(tmp_path, SECRET)
