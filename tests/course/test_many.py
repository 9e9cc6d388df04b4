"""Many hand-ins: the same points however many are graded at once, and what is kept where a grading ends early."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import lmzoo
from lmzoo.cli.main import main
from lmzoo.course import grading, jail, many
from tests.course.counted import REFERENCE, SECRET, SMALL, only

HAND_INS = {
    "ada": REFERENCE,
    "bob": REFERENCE.replace("            line = [end]\n", "            pass\n"),
    "cy": "def count(:\n",
    "dee": REFERENCE.replace("def add_k", "import os\n\n\ndef add_k") + "\n\nos._exit(0)\n",
    "eve": None,
}


@pytest.fixture
def handed(tmp_path):
    for name, code in HAND_INS.items():
        (tmp_path / name).mkdir()
        if code is not None:
            (tmp_path / name / "counting.py").write_text(code, "utf-8")
    return [many.HandIn(tmp_path / name, name) for name in HAND_INS]


def test_two_at_once_give_the_same_points(handed, tmp_path):
    how = many.Grading(only(0), SECRET, 0, 0.01, tmp_path / "points")
    one_by_one = [result.facts() for result in many.grade_all(handed, how, 1)]
    at_once = [result.facts() for result in many.grade_all(handed, how, 2)]
    assert at_once == one_by_one
    assert [one["student"] for one in at_once] == [*HAND_INS]
    points = [one["points"] for one in at_once]
    assert (points[0], points[2:]) == (10, [0, 0, 0])
    assert 0 < points[1] < 10
    assert [json.loads((tmp_path / "points" / f"{name}.json").read_text("utf-8")) for name in HAND_INS] == at_once


@pytest.fixture
def run_lmzoo(handed, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lmzoo.course.assignments.find", lambda name: SMALL)
    Path("key").write_bytes(SECRET)
    Path("key").chmod(0o600)

    def run(*flags, names=("ada", "bob", "cy")):
        with pytest.raises(SystemExit) as exit_:
            main(["course", "grade", *names, "--secret", "key", "--assignment", "3", "--level", "0", *flags])
        return exit_.value.code, *capsys.readouterr()

    return run


def failing_for(student, error, monkeypatch):
    def grade(
        folder, assignment, secret, name, level, after_check=None, progress=None, unit_seconds=None, decode=False
    ):
        if name == student:
            raise error
        return grading.Result(assignment.name, name, level, 20.0, finished=True)

    monkeypatch.setattr(grading, "grade", grade)


def test_a_fault_of_the_grader_is_told_to_the_lecturer_alone(run_lmzoo, monkeypatch):
    failing_for("bob", OSError(28, "No space left on device"), monkeypatch)
    code, shown, errors = run_lmzoo("--csv")
    assert code == 1
    assert [line.split(",")[0] for line in shown.splitlines()] == ["student", "ada", "cy"]
    assert "bob: the grader failed: OSError: [Errno 28] No space left on device" in errors
    assert "lmzoo: 1 of 3 could not be graded, which is no fault of theirs" in errors
    monkeypatch.setattr(jail, "is_root", lambda: False)
    code, shown, _ = run_lmzoo("--gradescope", names=["bob"])
    assert (code, shown) == (1, "")


def test_what_is_graded_is_kept_on_ctrl_c(run_lmzoo, monkeypatch):
    failing_for("cy", KeyboardInterrupt(), monkeypatch)
    code, shown, errors = run_lmzoo("--csv")
    assert code == 130
    assert [line.split(",")[0] for line in shown.splitlines()] == ["student", "ada", "bob"]
    assert "interrupted; 2 of 3 are graded, and shown above" in errors


@pytest.mark.skipif(sys.platform != "linux", reason="looks in /proc")
def test_ctrl_c_ends_all_that_grade(handed, tmp_path):
    for one in handed[1:]:
        (one.folder / "counting.py").write_text("import time\ntime.sleep(99)\n", "utf-8")
    (tmp_path / "key").write_bytes(SECRET)
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "own").mkdir()
    words = [sys.executable, "-m", "lmzoo", "course", "grade", "bob", "cy", "dee", "--jobs", "2", "--level", "0"]
    process = subprocess.Popen(
        [*words, "--secret", "key", "--results", "points"], cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "TMPDIR": str(tmp_path / "own"), "PYTHONPATH": str(Path(lmzoo.__file__).parents[1])},
    )  # fmt: skip
    end = time.monotonic() + 60
    while len([*(tmp_path / "own").glob("handin-*")]) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted; 0 of 3 are graded in points" in errors
    while [*(tmp_path / "own").glob("handin-*")] and time.monotonic() < end:
        time.sleep(0.05)
    assert not [*(tmp_path / "own").glob("handin-*")]
    assert not [one for one in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path / "own").encode() in _read(one)]


def _read(file):
    try:
        return file.read_bytes()
    except OSError:
        return b""
