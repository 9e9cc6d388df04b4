"""`lmzoo check`: the contract of a model's abilities, one line for each check."""

import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from lmzoo.cli.app import command
from lmzoo.cli.console import Bars, show, show_json
from lmzoo.cli.options import Json, Quiet
from lmzoo.errors import one_line

if TYPE_CHECKING:
    from lmzoo.testing import Check

MARKS = {"passed": ("✓", "green"), "failed": ("✗", "red"), "could not run": ("!", "red"), "not reached": ("–", "dim")}

UNTRIED = ("could not run", "not reached")


@command("check", epilog="Example: lmzoo check ./mine.py; exits with 0 where every check passes, 1 where one does not")
def check_file(
    model: str,  # The FILE.py of a model of your own, or a model's name.
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Grade a model of your own, check by check.

    A line for each check of the contract, and what is wrong where one fails.

    A FILE.py runs in a process of its own, with limits on its time and memory.
    """
    from lmzoo import models, testing
    from lmzoo.testing import sandbox

    bars = Bars(quiet)
    if model.endswith(".py"):
        result = sandbox.check_file(model, progress=bars)
        checks = result.checks
        print(sandbox.printed(model, result), end="", file=sys.stderr)
    else:
        checks = testing.check_model(models.find(model), progress=bars)
    if as_json:
        keys = ("ability", "outcome", "passed", "message")
        show_json([{"check": check.name, **{key: getattr(check, key) for key in keys}} for check in checks])
    else:
        show_checks(checks)
    if not all(check.passed for check in checks):
        raise typer.Exit(1)


def show_checks(checks: Sequence["Check"]) -> None:
    """A heading for each ability; under it a line for each check: its mark, its name, and what is wrong."""
    from rich.text import Text

    ability = before = ""
    for check in checks:
        if check.ability != ability:
            ability = check.ability
            show(Text(ability, "bold"))
        message = one_line(check.message)
        if message and message == before:  # a model that cannot be asked fails many checks for one reason
            message = "as above"
        elif message:
            before = message
        parts = [f" {check.name.replace('_', ' ')}", *([check.outcome] if check.outcome in UNTRIED else []), message]
        show(Text.assemble(MARKS[check.outcome], ": ".join(filter(None, parts))))
    counts = Counter(check.outcome for check in checks)
    others = "".join(f", {counts[outcome]} {outcome}" for outcome in MARKS if outcome != "passed" and counts[outcome])
    print(f"{counts['passed']} of {len(checks)} checks passed{others}")
