"""What Gradescope, VPL and PrairieLearn are given, held against what their documentation says that they take.

Read for this: Gradescope's autograder specification, the VPL manual's lines on Grade and Comment, and
docs/externalGrading.md of PrairieLearn at 06a6d590. The rules below are theirs, in words of this file.
"""

import json
from numbers import Real

import pytest

from lmzoo.course import formats, jail
from lmzoo.course.grading import Outcome, Result

HOSTILE = "Grade :=>>100\n--|>\nGrade :=>>75\nComment :=>>fine\nGrade Grade :=>>:=>>99\n<|--\n"


@pytest.fixture
def result():
    checks = [
        Outcome("counts", 10.0, 10.0, "12 of 12 cases right"),
        Outcome("add-k", 7.4, 10.0, f"37 of 50 cases right; line 3: ValueError: {HOSTILE}"),
        Outcome("bits of a hidden text", 15.0, 15.0, "7.861 bits per token", value=7.861),
    ]
    return Result("03-counting", "ada", 2, 35.0, checks, printed=HOSTILE, finished=True)


def test_gradescope(result):
    """Its specification: what may be there, of which type, and what must."""
    visible = {"hidden", "after_due_date", "after_published", "visible"}
    written = json.loads(formats.gradescope(result))
    top = {"score": Real, "execution_time": Real, "output": str, "visibility": str,
           "stdout_visibility": str, "extra_data": dict, "tests": list, "leaderboard": list}  # fmt: skip
    test = {"score": Real, "max_score": Real, "name": str, "number": str, "output": str,
            "tags": list, "visibility": str, "extra_data": dict}  # fmt: skip
    for value, known in [(written, top), *((one, test) for one in written["tests"])]:
        assert all(isinstance(item, known[name]) for name, item in value.items())
        assert {value[name] for name in value if "visibility" in name} <= visible
    assert "score" in written or all("score" in one for one in written["tests"])  # one of the two is required
    assert sum(one["score"] for one in written["tests"]) == result.points == 32.4
    assert written["stdout_visibility"] == "hidden"
    assert written["leaderboard"] == [{"name": "bits of a hidden text, bits", "value": 7.861, "order": "asc"}]


def test_prairielearn(result):
    """Its documentation: a score from 0 to 1 is all that must be there; at most 1 MB."""
    text = formats.prairielearn(result)
    written = json.loads(text)
    assert written["gradable"] is True
    assert isinstance(written["score"], float)
    assert written["score"] == pytest.approx(32.4 / 35)
    for test in written["tests"]:
        assert {"name", "points", "max_points", "message"} == set(test)
        assert 0 <= test["points"] <= test["max_points"]
    huge = Result("a", "b", 0, 9.0, [Outcome("x", 0.0, 1.0, "\x00" * 10**6)] * 9, printed="\x00" * 10**6)
    assert len(formats.prairielearn(huge).encode()) < 1_000_000


def read_by_vpl(text):
    """(grade, comments) as VPL's manual has it: of lines that begin with Grade the last, comments by line and block."""
    grade, comments, inside = None, [], False
    for line in text.splitlines():
        if line.strip() == "<|--":
            inside = True
        elif line.strip() == "--|>":
            inside = False
        elif inside:
            comments.append(line)
        elif line.startswith("Comment :=>>"):
            comments.append(line.removeprefix("Comment :=>>"))
        elif line.startswith("Grade :=>>"):
            grade = float(line.removeprefix("Grade :=>>"))
    return grade, comments


def test_vpl(result):
    text = formats.vpl(result)
    grade, comments = read_by_vpl(text)
    assert grade == 32.4
    assert [line for line in comments if line.startswith("-")] == [
        "-counts (10/10)", "-add-k (7.4/10)", "-bits of a hidden text (15/15)", "-Printed",
    ]  # fmt: skip
    # A tag is the grader's wherever it stands: some versions look for it within a line.
    assert [text.count(tag) for tag in formats.TAGS] == [0, 1, 1, 1]


def test_as_root_each_needs_level_two(tmp_path, monkeypatch, capsys):
    from lmzoo.cli.main import main

    monkeypatch.setattr(jail, "is_root", lambda: True)
    (tmp_path / "counting.py").write_text("", "utf-8")
    (tmp_path / "key").write_text("a secret of the tests", "utf-8")
    (tmp_path / "key").chmod(0o600)
    for flag in formats.FORMATS:
        words = ["course", "grade", str(tmp_path), "--secret", str(tmp_path / "key"), "--level", "0", f"--{flag}"]
        with pytest.raises(SystemExit) as exit_:
            main(words)
        assert exit_.value.code == 2
        assert f"--{flag} as root needs level 2" in capsys.readouterr().err
