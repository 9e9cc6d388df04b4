"""Grade a hand-in: find its file, ask it check by check, and give points by the share of cases that are right."""

import hashlib
import hmac
import math
import os
import random
import stat
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from lmzoo.course import jail, notebooks, remote
from lmzoo.course.assignments import Assignment, every
from lmzoo.course.checks import Figure
from lmzoo.errors import FormatError, UsageError
from lmzoo.files import read_file
from lmzoo.progress import Progress

PUBLIC = b"the public checks, whose inputs everybody may know"
LEAST_SECRET = 16  # bytes
LARGEST = 1 << 20  # bytes of a hand-in
MOST = 2000  # files of a folder that are looked at


@dataclass(frozen=True)
class Outcome:
    """What a check gave."""

    name: str
    points: float
    of: float
    message: str
    example: str = ""  # the first wrong case, with what is right; only where inputs are public
    value: float | None = None  # of a figure
    behind: float | None = None  # bits per token beyond lmzoo's own model, on the same tokens
    error: float | None = None  # the standard error of that difference
    decoded_bytes: int | None = None  # of the tokens, coded and decoded again by the hand-in
    not_decoded: str = ""  # why


@dataclass
class Result:
    """What a hand-in was given: for each check that has run, in order."""

    assignment: str
    student: str
    level: int
    of: float
    checks: list[Outcome] = field(default_factory=list)
    printed: str = ""  # by the first check that printed
    finished: bool = False

    @property
    def points(self) -> float:
        """The sum of those of the checks."""
        return round(sum(check.points for check in self.checks), 2)

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "points": self.points, "level_means": jail.means(self.level)}


class HandInError(Exception):
    """There is nothing to run, which is said to the student."""


def grade(
    folder: Path,
    assignment: Assignment,
    secret: bytes,
    student: str,
    level: int,
    after_check: Callable[[Result], None] | None = None,
    progress: Progress | None = None,
    unit_seconds: float | None = None,
    decode: bool = False,
) -> Result:
    """Run each check of the assignment over what is in `folder`, or over that file.

    `after_check` is called after every check with the result so far, so that a crash leaves what was earned. Limits of
    CPU time are multiples of `unit_seconds`, which `unit` measures where it is None. `decode`: figures are decoded by a
    second process of the hand-in. Raises LmzooError where the grader
    fails; a hand-in that does is a result.
    """
    result = Result(assignment.name, student, level, assignment.points)
    parts = {part.name: part for part in assignment.rubric.check}
    why, contents = "", b""
    try:
        contents = hand_in(folder, assignment.rubric.file)
    except HandInError as error:
        why = str(error)
    drawn = assignment.checks(lambda check: source(secret, student, f"{assignment.name}/{check}", contents))
    for name, draw in (progress or Progress()).track(f"grading {student}", list(drawn.items())):
        part = parts[name]
        if why:
            result.checks.append(Outcome(name, 0.0, part.points, why))
        else:
            check = draw(name)
            limit = max(2, math.ceil(part.cpu * (unit_seconds or unit())))
            answers = remote.ask(assignment.rubric.file, contents, check.question, limit, level)
            judged = check.judge.judge(check.question, answers.values)
            example = judged.example if secret == PUBLIC else ""
            points = round(part.points * judged.share, 2)
            outcome = Outcome(
                name, points, part.points, judged.message, example, judged.value, judged.behind, judged.error
            )
            if decode and isinstance(check.judge, Figure) and judged.value is not None:
                again = remote.ask(assignment.rubric.file, contents, check.question, limit, level).values
                count = check.judge.decoded(answers.values, again)
                why_not = "" if count else "its second process gave other distributions, so the text was not decoded"
                outcome = replace(outcome, decoded_bytes=count or None, not_decoded=why_not)
            result.checks.append(outcome)
            result.printed = result.printed or _printed(answers)
        result.finished = len(result.checks) == len(drawn)
        if after_check:
            after_check(result)
    return result


def source(secret: bytes, student: str, check: str, contents: bytes = b"") -> random.Random:
    """The random numbers that a student's check is drawn from: HMAC-SHA256 of all these, under the secret.

    Of the hand-in too: what one attempt prints of its inputs would else be answered from a table in the next. Public
    inputs stay the same while a file is mended.
    """
    seen = b"" if secret == PUBLIC else hashlib.sha256(contents).digest()
    return random.Random(hmac.digest(secret, f"{student}\0{check}\0".encode() + seen, "sha256"))


@cache
def unit() -> float:
    """CPU seconds that a fixed loop over a dictionary takes on this machine: what limits are multiples of."""
    taken = []
    for _ in range(3):
        began, counts = time.process_time(), dict[tuple[int, int], int]()
        for n in range(60_000):
            counts[n % 97, n % 89] = counts.get((n % 97, n % 89), 0) + 1
        taken.append(time.process_time() - began)
    return max(taken)


def read_secret(file: Path) -> bytes:
    """The lecturer's secret. Raises UsageError for a short one, and for one that other users may read."""
    secret = read_file(file, 1 << 16).strip()
    if os.name == "posix" and (mode := stat.S_IMODE(file.stat().st_mode)) & 0o077:
        raise UsageError(f"{file} can be read by others (mode {mode:o}), so by hand-ins: chmod 600 {file}")
    if len(secret) < LEAST_SECRET:
        raise UsageError(
            f"{file} has {len(secret)} bytes, and a secret needs {LEAST_SECRET}: "
            "python -c 'import secrets; print(secrets.token_hex())'"
        )
    return secret


def belongs_to(folders: list[Path]) -> Assignment:
    """The assignment whose file one of the folders has. Raises UsageError where none does."""
    for folder in folders:
        for assignment in every().values():
            if {folder.name, *(file.name for file in _files(folder))} & _names(assignment.rubric.file):
                return assignment
    files = ", ".join(f"{one.rubric.file} ({name})" for name, one in every().items())
    raise UsageError(f"which assignment is this? none has its file, {files}; say it with --assignment")


def hand_in(folder: Path, name: str) -> bytes:
    """The contents of the file to grade. Raises HandInError where there is none, or more than one."""
    if not folder.is_dir():
        files = [folder]
    else:
        found = _files(folder)
        files = [file for file in found if file.name in _names(name)]
        for suffix in (".py", ".ipynb"):
            files = files or [file for file in found if file.suffix == suffix]
    shown = ", ".join(str(file.relative_to(folder)) if file != folder else file.name for file in files[:4])
    if not files:
        raise HandInError(f"there is no {name} in what was handed in")
    if len(files) > 1:
        raise HandInError(f"there are {len(files)} files that could be {name} ({shown}): hand in one, with that name")
    try:
        # Without following a link: it could lead to the secret, and a SyntaxError would show a line of that.
        descriptor = os.open(files[0], os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        is_link = files[0].is_symlink()
        raise HandInError(
            f"{shown} is a link: hand in the file itself" if is_link else f"{shown} cannot be read: {error.strerror}"
        ) from None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise HandInError(f"{shown} is not a regular file")
        contents = file.read(LARGEST + 1)
    if len(contents) > LARGEST:
        raise HandInError(f"{shown} is larger than 1 MiB: hand in code only")
    if files[0].suffix != ".ipynb":
        return contents
    try:
        return notebooks.code(contents)
    except FormatError as error:
        raise HandInError(f"{shown}: {error}") from None


def _names(file: str) -> set[str]:
    """What the file of an assignment may be called: as such, or as a notebook."""
    return {file, f"{Path(file).stem}.ipynb"}


def _files(folder: Path) -> list[Path]:
    """The files below a folder, those of packages and notebooks' caches left out; links to folders are not followed."""
    found: list[Path] = []
    for top, folders, files in os.walk(folder):
        folders[:] = sorted(one for one in folders if not one.startswith((".", "__")))
        found += [Path(top) / name for name in sorted(files) if not name.startswith(".")]
        if len(found) > MOST:
            break
    return found[:MOST]


def _printed(answers: remote.Answers) -> str:
    more = answers.printed_bytes - remote.KEPT
    return answers.printed + (f"\n… and {more:,} bytes more" if more > 0 else "")
