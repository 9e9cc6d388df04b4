"""`lmzoo check`: the contract of a model's abilities, one line for each check."""

import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from lmzoo.cli.app import command
from lmzoo.cli.console import Bars, show, show_json, show_wrapped
from lmzoo.cli.options import Json, Quiet, option
from lmzoo.errors import LmzooError, UsageError, one_line

if TYPE_CHECKING:
    from lmzoo.analysis.same_as import Comparison
    from lmzoo.testing import Check

MARKS = {"passed": ("✓", "green"), "failed": ("✗", "red"), "could not run": ("!", "red"), "not reached": ("–", "dim")}

UNTRIED = ("could not run", "not reached")


@command("check", epilog="Example: lmzoo check ./mine.py; exits with 0 where every check passes, 1 where one does not")
def check_file(
    model: str,  # The FILE.py of a model of your own, or a model's name.
    same_as: Annotated[
        str | None,
        option("--same-as", "A model that yours should be equal to, as in ngram:order=3,smoothing=absolute."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Grade a model of your own, check by check.

    A line for each check of the contract, and what is wrong where one fails. With --same-as, the first contexts where
    it differs from another model, and what causes it.

    A FILE.py runs in a process of its own, with limits on its time and memory.
    """
    from lmzoo import models, testing
    from lmzoo.testing import sandbox

    bars = Bars(quiet)
    if same_as is not None:
        return compare_with(model, same_as, as_json)
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
    return None


def compare_with(file: str, name: str, as_json: bool) -> None:
    """`lmzoo check FILE --same-as NAME`: exit code 1 where the two differ."""
    import tempfile

    from lmzoo import models
    from lmzoo.analysis import same_as
    from lmzoo.interface import LanguageModel
    from lmzoo.runs import train
    from lmzoo.testing import sandbox
    from lmzoo.testing.contract import EndedError, ModelError

    kind_name, settings = train.parse(name)
    reference = models.make(models.find(kind_name), settings)
    with tempfile.TemporaryFile() as log, sandbox.remote(file, sandbox.Limits(), log) as kind:
        if not issubclass(kind, LanguageModel):
            raise UsageError(f"{file}: {kind.__name__} is no LanguageModel, so it cannot be compared with {name}")
        try:
            found = same_as.compare(kind.from_config({}), reference, name)
        except ModelError as error:
            line = f" (line {error.line})" if error.line else ""
            raise LmzooError(f"{file}{line}: it raised {error.name}: {error}") from None
        except EndedError as error:
            raise LmzooError(f"{file}: {error}") from None
    if as_json:
        show_json(found.facts())
    else:
        show_comparison(found)
    if not found.same:
        raise typer.Exit(1)


def show_comparison(found: "Comparison") -> None:
    """The first contexts where the two differ, each number as a sum where there is one, and the causes."""
    if found.same:
        print(f"the same as {found.reference} in all of {found.contexts} contexts")
        return
    print(f"differs from {found.reference} in {found.differing} of {found.contexts} contexts; the first:\n")
    for one in found.differences:
        print(f"P({one.token} | {' '.join(one.context)})")
        for who, value, terms in (
            (found.reference.partition(":")[0], one.reference, one.reference_sum),
            ("yours", one.yours, one.your_sum),
        ):
            show_wrapped(f"  {who:8}{value:<12.5g}" + (f"= {terms}" if terms else ""))
        print()
    for cause in found.causes:
        show_wrapped(cause)


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
