"""What the tests of the grader hand in: the reference of assignment 3, and what is made from it."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from lmzoo.course import assignments, grading

SECRET = b"a secret of the tests alone"
COUNTING = assignments.find("3")
REFERENCE = (Path(__file__).parent / "counting" / "reference.py").read_text("utf-8")


def only(*numbers):
    """Assignment 3 with these of its checks, two seconds for each."""
    checks = [replace(COUNTING.rubric.check[n], cpu=0) for n in numbers]
    return replace(COUNTING, rubric=replace(COUNTING.rubric, check=checks))


SMALL = only(0, 2)
ADD_K = only(2)


draws = COUNTING.checks  # unpatched
kept = {
    name: cache(draw)
    for name, draw in draws(lambda check: grading.source(SECRET, "ada", f"{COUNTING.name}/{check}")).items()
}


@pytest.fixture(scope="module")
def drawn_once():
    """One student's inputs serve all hand-ins of these tests: to draw them is most of the work."""

    def checks(self, source):
        return {part.name: kept[part.name] for part in self.rubric.check}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assignments.Assignment, "checks", checks)
        yield
