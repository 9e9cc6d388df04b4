"""What an assignment's thresholds are set by: a hand-in that is right, graded for several made-up students."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lmzoo.course import grading, remote
from lmzoo.course.assignments import Assignment
from lmzoo.errors import UsageError
from lmzoo.progress import Progress

SECRET = b"inputs of a calibration, which grade nobody"
SIGMAS = 3
LIMIT = 3600  # CPU seconds of a check


@dataclass(frozen=True)
class Calibrated:
    """What a check took and gave: an entry for each student."""

    name: str
    shares: Sequence[float]  # of the points
    cpu: Sequence[float]  # units of `grading.unit`, which rubric.toml has
    values: Sequence[float]  # of a figure, bits; else empty
    of_target: Sequence[float]  # value / target: 1 or less earns everything

    @property
    def threshold(self) -> float | None:
        """The mean of value / target and three standard deviations: 1 or less where the target can be reached."""
        if len(self.of_target) < 2:
            return None
        return float(np.mean(self.of_target) + SIGMAS * np.std(self.of_target, ddof=1))


def calibrate(folder: Path, assignment: Assignment, students: int, progress: Progress) -> list[Calibrated]:
    """Grade the hand-in in `folder` for so many students, two or more. Raises UsageError where it has no file."""
    try:
        contents = grading.hand_in(folder, assignment.rubric.file)
    except grading.HandInError as error:
        raise UsageError(str(error)) from None
    graded = [
        _graded(assignment, contents, f"student {number}") for number in progress.track("grading", range(students))
    ]
    return [_together([one[name] for one in graded]) for name in graded[0]]


def _graded(assignment: Assignment, contents: bytes, student: str) -> dict[str, Calibrated]:
    drawn = assignment.checks(lambda check: grading.source(SECRET, student, f"{assignment.name}/{check}", contents))
    found = {}
    for name, draw in drawn.items():
        check = draw(name)
        before = os.times()
        answers = remote.ask(assignment.rubric.file, contents, check.question, LIMIT, 0)
        after = os.times()
        took = after.children_user + after.children_system - before.children_user - before.children_system
        judged = check.judge.judge(check.question, answers.values)
        values = [] if judged.value is None else [judged.value]
        target = getattr(check.judge, "target", None)  # of a figure
        ratios = [value / target for value in values] if target else []
        found[name] = Calibrated(name, [judged.share], [took / grading.unit()], values, ratios)
    return found


def _together(parts: Sequence[Calibrated]) -> Calibrated:
    def column(name: str) -> list[float]:
        return [value for part in parts for value in getattr(part, name)]

    return Calibrated(parts[0].name, column("shares"), column("cpu"), column("values"), column("of_target"))
