"""A result in the formats of Gradescope, VPL and PrairieLearn, as their documentation has them.

    Gradescope    https://gradescope-autograders.readthedocs.io/en/latest/specs/
    VPL           https://vpl.dis.ulpgc.es/documentation/, "Automated program assessment"
    PrairieLearn  docs/externalGrading.md of github.com/PrairieLearn/PrairieLearn, "Grading results"

What a hand-in printed is its student's own text, and can be anything: none of it may pass for the grader's.
"""

import json
from typing import Any

from lmzoo.course import jail
from lmzoo.course.grading import Outcome, Result

TAGS = ("Comment :=>>", "Grade :=>>", "<|--", "--|>")  # what VPL obeys
LARGEST = 4000  # characters of a message: PrairieLearn takes 1 MB in all


def gradescope(result: Result) -> str:
    """results.json of a Gradescope autograder. Its total is the sum of its tests; the figures are a leaderboard."""
    tests = [
        {
            "name": check.name,
            "score": check.points,
            "max_score": check.of,
            "output": _message(check),
            "visibility": "visible",
        }
        for check in result.checks
    ]
    figures = [{"name": f"{c.name}, bits", "value": c.value, "order": "asc"} for c in result.checks if c.value]
    return _json(
        {
            "tests": tests,
            "output": _printed(result),
            # What the grader itself printed is for the lecturer.
            "stdout_visibility": "hidden",
            "leaderboard": figures,
            "extra_data": {
                "assignment": result.assignment,
                "level": result.level,
                "level_means": jail.means(result.level),
            },
        }
    )


def prairielearn(result: Result) -> str:
    """results.json of PrairieLearn's external grading: the score is the share of all points."""
    tests = [
        {"name": check.name, "points": check.points, "max_points": check.of, "message": _message(check)}
        for check in result.checks
    ]
    score = result.points / result.of
    return _json({"gradable": True, "score": score, "output": _printed(result), "tests": tests})


def vpl(result: Result) -> str:
    """What vpl_execution prints in an evaluation: a comment with a title for each check, and the grade, in points."""
    lines = ["<|--"]
    for check in result.checks:
        lines.append(f"-{_harmless(check.name)} ({check.points:g}/{check.of:g})")
        lines += _quoted(_message(check))
    if printed := _printed(result):
        lines += ["-Printed", *_quoted(printed)]
    return "\n".join([*lines, "--|>", f"Grade :=>>{result.points:g}"])


FORMATS = {"gradescope": gradescope, "vpl": vpl, "prairielearn": prairielearn}


def _message(check: Outcome) -> str:
    return check.message[:LARGEST]


def _printed(result: Result) -> str:
    return result.printed[: 2 * LARGEST]


def _quoted(text: str) -> list[str]:
    """Lines of preformatted text, which begin with ">", so that no line of them is a tag."""
    return [f">{_harmless(line)}" for line in text.splitlines()]


def _harmless(text: str) -> str:
    """Text without the tags of VPL, those that would appear when one is taken out of another, too."""
    while any(tag in text for tag in TAGS):
        for tag in TAGS:
            text = text.replace(tag, "")
    return text


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1, allow_nan=False)
