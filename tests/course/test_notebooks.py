"""Assignments as notebooks, and notebooks that are handed in."""

import json

import pytest

from lmzoo.cli.main import main
from lmzoo.course import assignments, grading, notebooks, remote
from lmzoo.errors import FormatError
from tests.course.hand_ins import Graded, asked_here, lost


@pytest.mark.parametrize("name", assignments.every())
def test_a_notebook_has_the_handout_and_the_starter(name):
    folder = assignments.FOLDER / name
    handout, starter = ((folder / file).read_text("utf-8") for file in assignments.GIVEN)
    notebook = json.loads(notebooks.write(handout, starter))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    prose = "\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    assert prose.split() == handout.split()
    code = notebooks.code(json.dumps(notebook).encode()).decode()
    assert [line for line in code.splitlines() if line and not line.startswith("# [code cell")] == [
        line for line in starter.splitlines() if line
    ]
    exec(code, {})


def cells(*sources):
    made = [{"cell_type": "code", "metadata": {}, "source": source, "outputs": []} for source in sources]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


def test_what_is_for_ipython_is_left_out():
    magics = cells("%matplotlib inline\nx = 7\n!ls\n", ["y = x \\\n", "% 4"], "%%bash\nrm -r /")
    names = {}
    exec(notebooks.code(magics), names)
    assert (names["x"], names["y"]) == (7, 3)


@pytest.mark.parametrize(
    "spoiled", [b"", b"[]", b'{"cells": 1}', b'{"cells": [{"cell_type": "code"}]}', b"[" * 100_000]
)
def test_what_is_no_notebook_is_said(spoiled, tmp_path):
    with pytest.raises(FormatError, match="no notebook"):
        notebooks.code(spoiled)
    (tmp_path / "ruler.ipynb").write_bytes(spoiled)
    with pytest.raises(grading.HandInError, match=r"ruler\.ipynb: it is no notebook"):
        grading.hand_in(tmp_path, "ruler.py")


def test_a_notebook_earns_what_its_code_does(tmp_path, monkeypatch):
    ruler = Graded("1")
    ruler.only("bits", "Shannon's bounds")
    monkeypatch.setattr(assignments.Assignment, "checks", lambda one, source: ruler.drawn)
    monkeypatch.setattr(remote, "ask", asked_here)
    wrong = ruler.wrong("-sum(log_probs) / math.log(2)", "-sum(log_probs)")
    (tmp_path / "ruler.ipynb").write_bytes(notebooks.write("# My answers\n", wrong))
    assert lost(grading.grade(tmp_path, ruler.assignment, b"a secret of the tests alone", "ada", 0)) == {"bits": 6}
    assert grading.belongs_to([tmp_path]).name == "01-ruler"
    (tmp_path / "ruler.py").write_text(ruler.reference, "utf-8")
    with pytest.raises(grading.HandInError, match="there are 2 files"):
        grading.hand_in(tmp_path, "ruler.py")


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["course", "new", "1", "--out", "ada", "--notebook"])
    assert ended.value.code == 0
    assert [file.name for file in (tmp_path / "ada").iterdir()] == ["ruler.ipynb"]
    assert "ruler.ipynb" in capsys.readouterr().out
