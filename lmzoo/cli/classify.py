"""`lmzoo classify RUN TEXT…`: what a fine-tuned run says of texts."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmzoo.cli.app import command
from lmzoo.cli.console import show_json, show_notes, show_table
from lmzoo.cli.options import Device, Json, RunFolder
from lmzoo.errors import UsageError, naming, one_line

if TYPE_CHECKING:
    from lmzoo.models.finetuned import FineTuned

MOST = 100_000  # texts of a file
SHOWN = 5  # classes of a text in the table
LONGEST = 60  # characters of a text in the table

Arguments = Annotated[list[str] | None, typer.Argument(metavar="TEXT...", help="The texts, each in quotes.")]


@command(
    "classify",
    epilog="Examples: lmzoo classify runs/sst2 'A triumph.' 'A waste of time.' · lmzoo classify runs/rte 'A cat sat.' "
    "'An animal sat.' · lmzoo classify runs/sst2 --file reviews.txt --json",
)
def classify_texts(
    run: RunFolder,
    texts: Arguments = None,
    # Read the texts from a FILE, one on each line, those that are read together with tabs between. [default: stdin]
    file: Path | None = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Classify texts by a run that learned from labels.

    The probability of each class; of a run that learned numbers, the number. A run that learned from pairs takes the
    texts two by two, and one that learned to choose a beginning and then its continuations.
    """
    from lmzoo.models.finetuned import FineTuned
    from lmzoo.runs import store

    if texts and file:
        raise UsageError("give texts behind the run or a --file of them, not both")
    text_model = store.load(run)
    with naming(run):
        model = text_model.model
        if not isinstance(model, FineTuned):
            raise UsageError(f"a {text_model.name} has learned no classes: lmzoo finetune makes a run that has")
        asked = _grouped(texts, model) if texts else _lines(file)
        _check(asked, model)
        model.to(device)
        encoded: list[Any] = []
        words: list[list[str]] = []
        for group in asked:
            if model.form == "tags":
                words.append(group[0].split())
                group = (" ".join(words[-1]),)
            ids = [text_model.tokenizer.encode(text_model.tokenizer.normalize(text)) for text in group]
            ends = [text_model.tokenizer.word_ends(words[-1], ids[0])] if model.form == "tags" else []
            encoded.append((*ids, *ends))
        facts = _facts(model, encoded)
        cut = model.too_long(encoded)
    longer, their = ("text is", "its") if cut == 1 else ("texts are", "their")
    notes = [f"{cut:,} {longer} longer than this run reads: {their} {model.cut} was left out"] if cut else []
    shown = [{"texts": list(group), **fact} for group, fact in zip(asked, _by_text(facts, words), strict=True)]
    if as_json:
        return show_json({"run": str(run), "classes": model.classes_, "notes": notes, "texts": shown})
    _show(shown, model)
    show_notes(notes)
    return None


# ── What is asked ─────────────────────────────────────────────────────────────────────────────────


def _grouped(texts: Sequence[str], model: "FineTuned") -> list[tuple[str, ...]]:
    """Those that are read together: two and two of a pair; a beginning with all its continuations."""
    together = len(texts) if model.form == "choice" else model.reads_
    if len(texts) % together:
        raise UsageError(f"it reads {together} texts together, and there are {len(texts)}")
    return [tuple(texts[n : n + together]) for n in range(0, len(texts), together)]


def _lines(file: Path | None) -> list[tuple[str, ...]]:
    from lmzoo.data.reading import read_text

    if file is None and sys.stdin.isatty():
        raise UsageError("there is no text to classify: give texts in quotes, a --file, or lines on stdin")
    try:
        text = sys.stdin.read() if file is None else read_text(file)[0]
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UsageError("stdin is no text in UTF-8") from None
    lines = text.removesuffix("\n").split("\n")
    if len(lines) > MOST:
        raise UsageError(f"{file or 'stdin'} has {len(lines):,} lines: up to {MOST:,} texts are classified at a time")
    return [tuple(line.split("\t")) for line in lines]


def _check(asked: Sequence[tuple[str, ...]], model: "FineTuned") -> None:
    """Raises UsageError naming the first text that cannot be classified."""
    for number, group in enumerate(asked, 1):
        if model.form == "choice":
            if len(group) < 3:
                raise UsageError(f"text {number} is no choice: give a beginning and two continuations or more")
        elif len(group) != model.reads_:
            raise UsageError(f"text {number} is {len(group)} texts, with tabs between, and it reads {model.reads_}")
        if not all(text.strip() for text in group):
            raise UsageError(f"text {number} is empty: there is nothing to classify")


# ── What is answered ──────────────────────────────────────────────────────────────────────────────


def _facts(model: "FineTuned", encoded: Sequence[Any]) -> list[dict[str, Any]]:
    """Of each text, or of each of its words, the classes with their probabilities, the likeliest first; or a number."""
    if not model.classes_:
        return [{"number": float(number)} for number in model.predict(encoded)]
    import numpy as np

    names = model.classes_
    facts = []
    for row in np.exp(model.class_log_probs(encoded)).tolist():
        order = sorted((n for n in range(len(row)) if row[n] > 0 or n < len(names)), key=lambda n: -row[n])
        called = [names[n] if n < len(names) else str(n + 1) for n in order]
        probabilities = {name: row[n] for name, n in zip(called, order, strict=True)}
        facts.append({"class": called[0], "probabilities": probabilities})
    return facts


def _by_text(facts: list[dict[str, Any]], words: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    if not words:
        return facts
    rows = iter(facts)
    return [{"words": [{"word": word, **next(rows)} for word in of_text]} for of_text in words]


def _show(shown: Sequence[dict[str, Any]], model: "FineTuned") -> None:
    """A row for each text: the text, its class, and how likely the classes are."""
    if model.form == "tags":
        for fact in shown:
            show_table(("word", "class", "P"), [_row(one["word"], one)[:3] for one in fact["words"]], numbers_from=2)
        return
    if not model.classes_:
        rows = [[_text(fact), f"{fact['number']:.3f}"] for fact in shown]
        show_table(("text", "number"), rows, numbers_from=1)
        return
    others = min(SHOWN, max(len(fact["probabilities"]) for fact in shown)) - 1
    heads = ("text", "class", "P", "then", *[""] * (others - 1))
    show_table(heads, [_row(_text(fact), fact, others) for fact in shown], numbers_from=2)


def _row(text: str, fact: dict[str, Any], others: int = 0) -> list[str]:
    (_, best), *rest = fact["probabilities"].items()
    then = [f"{name} {probability:.1%}" for name, probability in rest[:others]]
    return [text, fact["class"], f"{best:.1%}", *then, *[""] * (others - len(then))]


def _text(fact: dict[str, Any]) -> str:
    return one_line(" / ".join(fact["texts"]), LONGEST)
