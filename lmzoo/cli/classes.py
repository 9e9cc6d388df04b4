"""`lmzoo classes RUN`: the word classes that a run has found, to be looked at."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lmzoo.cli.app import command
from lmzoo.cli.console import one_line, show_json, show_table
from lmzoo.cli.options import Json, whole
from lmzoo.errors import UsageError

EPILOG = "Example: lmzoo train classes --corpus storyworld, then lmzoo classes runs/storyworld-classes --words 12"


@command("classes", epilog=EPILOG)
def show_classes(
    run: Annotated[Path, typer.Argument(help="Folder of a run that `lmzoo train classes` made.")],
    words: Annotated[int, whole("--words", help="How many words of each class to show, 1 or more.")] = 10,
    as_json: Json = False,
) -> None:
    """Show the word classes of a run, the most used first, each with its most frequent words."""
    if words < 1:
        raise UsageError(f"--words must be 1 or more, not {words}")
    facts = describe(run, words)
    if as_json:
        return show_json({"run": str(run), "classes": facts})
    spaced = any(word.startswith(" ") for fact in facts for word in fact["most_frequent"])
    rows = []
    for fact in facts:
        shown = "  ".join(_shown(word, spaced) for word in fact["most_frequent"])
        rows.append([str(fact["class"]), shown, f"{fact['words']:,}", f"{fact['share']:.2%}"])
    show_table(("class", "its most frequent words", "words", "of the text"), rows, numbers_from=2)
    if spaced:
        print("+ marks a word that has no space before it")
    return None


def _shown(word: str, spaced: bool) -> str:
    """A token for people: in a text whose words bring their own space, one without is marked (as "+ing")."""
    return one_line(word) if not spaced or word.startswith(" ") else f"+{one_line(word)}"


def describe(run: Path, words: int) -> list[dict[str, Any]]:
    """Each class of the run in that folder: its number, occurrences, share of them, size and first `words` words.

    The most used comes first. Raises UsageError where the run's model has no classes, and as `store.load` does.
    """
    from lmzoo.models.classes import Classes
    from lmzoo.runs import store

    model, tokenizer = store.load(run)
    if not isinstance(model, Classes):
        raise UsageError(f"{run}: {model.name} has no word classes; lmzoo train classes finds some")
    counts = model.counts()
    facts = []
    for number in (-counts).argsort(kind="stable").tolist():
        members = model.members(number)
        facts.append(
            {
                "class": number,
                "occurrences": int(counts[number]),
                "share": counts[number] / max(int(counts.sum()), 1),
                "words": len(members),
                "most_frequent": [tokenizer.token(word) for word in members[:words]],
            }
        )
    return facts
