"""The assignments: a folder each, with handout.md, starter.py, assignment.py (its checks) and rubric.toml (points)."""

import importlib.util
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from lmzoo.course.checks import Drawn
from lmzoo.errors import LmzooError, UsageError, nearest
from lmzoo.files import read_toml

FOLDER = Path(__file__).parent
GIVEN = ("handout.md", "starter.py")
Source = Callable[[str], random.Random]


@dataclass(frozen=True)
class Part:
    """A check, or what the lecturer grades by hand (without `cpu`)."""

    name: str
    points: float
    cpu: float = 0.0  # what a check may use, in units of `grading.unit`


@dataclass(frozen=True)
class Rubric:
    """rubric.toml."""

    title: str
    file: str  # the name of what is handed in
    check: Sequence[Part]
    written: Sequence[Part] = ()
    refused: Sequence[str] = ()  # modules that would do the work


@dataclass(frozen=True)
class Assignment:
    """An assignment: its name is that of its folder."""

    name: str
    rubric: Rubric

    @property
    def points(self) -> float:
        """What the grader gives at most."""
        return sum(part.points for part in self.rubric.check)

    def checks(self, source: Source) -> dict[str, Callable[[str], Drawn]]:
        """For each check of the rubric what draws its inputs from `source(name)`. Raises LmzooError for a wrong one."""
        spec = importlib.util.spec_from_file_location("lmzoo_assignment", FOLDER / self.name / "assignment.py")
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found = {name: self._refusing(draw) for name, draw in module.checks(source).items()}
        names = [part.name for part in self.rubric.check]
        if unknown := [name for name in names if name not in found]:
            raise LmzooError(
                f"assignment {self.name}: its rubric.toml has a check {unknown[0]!r} that it does not have"
            )
        return {name: found[name] for name in names}

    def _refusing(self, draw: Callable[[str], Drawn]) -> Callable[[str], Drawn]:
        def drawn(name: str) -> Drawn:
            check = draw(name)
            return replace(check, question=replace(check.question, refused=self.rubric.refused))

        return drawn


@cache
def every() -> dict[str, Assignment]:
    """All assignments by name, in their order."""
    found = {}
    for file in sorted(FOLDER.glob("*/rubric.toml")):
        found[file.parent.name] = Assignment(file.parent.name, read_toml(file, Rubric))
    return found


def find(name: str) -> Assignment:
    """The assignment of that name or number, "03-counting" or "3". Raises UsageError."""
    known = every()
    for assignment in known.values():
        number, _, word = assignment.name.partition("-")
        if name in (assignment.name, number, number.lstrip("0"), word):
            return assignment
    raise UsageError(f"no assignment {name!r}{nearest(name, known)}; there are: {', '.join(known)}")
