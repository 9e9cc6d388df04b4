"""`lmzoo zeroshot`: tasks without training, answered by the probabilities of texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmzoo.cli.app import command
from lmzoo.cli.console import Bars, one_line, show_json, show_table
from lmzoo.cli.options import Code, Device, Json, Mirror, Quiet, Runs, whole
from lmzoo.errors import DownloadError, UsageError

if TYPE_CHECKING:
    from lmzoo.tasks.contamination import Overlaps
    from lmzoo.tasks.zeroshot_items import ZeroShotSet

EPILOG = "Example: lmzoo zeroshot runs/books-ngram runs/books-gpt --tasks blimp,lambada --limit 1000"


@command("zeroshot", epilog=EPILOG)
def ask_zeroshot(
    runs: Runs,
    tasks: Annotated[
        str | None, typer.Option(help="Names with commas between them.", show_default="all there are")
    ] = None,
    limit: Annotated[int, whole("--limit", help="At most so many items of each test set; 0: all.")] = 0,
    parts: Annotated[
        str | None,
        typer.Option(help="Also show results by group: phenomenon or set, of BLiMP. (JSON has all of them.)"),
    ] = None,
    code: Code = None,
    device: Device = "auto",
    mirror: Mirror = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Zero-shot tasks: minimal pairs, sentiment, coreference, causes, science questions, a passage's last word."""
    from lmzoo.tasks import zeroshot, zeroshot_items
    from lmzoo.tasks.contamination import Overlaps

    bars = Bars(quiet)
    names = list(dict.fromkeys(name.strip() for name in tasks.split(","))) if tasks else zeroshot_items.names()
    test_sets, missing = _loaded(names, bool(tasks), mirror, limit, bars)
    kinds = sorted({kind for test_set in test_sets for kind in test_set.card.groups})
    if parts and parts not in kinds:
        raise UsageError(f"no parts {parts!r} in {', '.join(names)}; there are: {', '.join(kinds) or 'none'}")
    overlaps = Overlaps(([item.text for item in test_set.items] for test_set in test_sets), mirror, bars)
    found = []
    with bars.task("runs", len(runs)) as task:
        for run in runs:
            found.append(_asked(run, test_sets, overlaps, code, device, bars))
            task.advance(1)
    published = zeroshot.published(test_sets)
    if as_json:
        return show_json({"runs": found, "published": published, "limit": limit, "left_out": missing})
    _show(found)
    if parts:
        _show_parts(found, parts)
    _show_notes(found)
    _show_published(published)
    for name, why in missing.items():
        print(f"{name} was left out: {one_line(why)}")
    if limit:
        print(f"at most {limit:,} items of each set were asked: figures of all of them may differ")
    return None


def _loaded(
    names: Sequence[str], asked_for: bool, mirror: str | None, limit: int, bars: Bars
) -> "tuple[list[ZeroShotSet], dict[str, str]]":
    """The test sets of all tasks; and, unless tasks were named, why some could not be downloaded."""
    from lmzoo.tasks import zeroshot_items

    test_sets, missing = [], {}
    for name in names:
        try:
            test_sets += zeroshot_items.load(name, mirror, limit, bars)
        except DownloadError as error:
            missing[name] = str(error)
            if asked_for or len(missing) == len(names):
                raise
    return test_sets, missing


def _asked(
    run: Path, test_sets: "Sequence[ZeroShotSet]", overlaps: "Overlaps", code: Path | None, device: str, bars: Bars
) -> dict[str, Any]:
    """A run's results as JSON, in the order of `test_sets` and their rules."""
    from lmzoo.runs import store
    from lmzoo.tasks import zeroshot

    text_model = store.load(run, code)
    text_model.model.to(device).warm_up()
    shares = overlaps.of(store.read_provenance(run))
    why = "" if shares else "its training text is not available, so the overlap is not known"
    facts = {"run": str(run), "model": text_model.name, "tokenizer": text_model.tokenizer.spec, "note": why}
    asker = zeroshot.Asker(text_model, bars)
    grades = []
    with bars.task(run.name, len(test_sets)) as task:
        for test_set, share in zip(test_sets, shares or [None] * len(test_sets), strict=True):
            for result in zeroshot.ask(test_set, asker):
                parts = {kind: [part.to_json() for part in some] for kind, some in result.parts.items()}
                grades.append({**result.to_json(), **result.details, "overlap": share, "parts": parts})
            task.advance(1)
    return {**facts, "grades": grades}


# ── Tables ────────────────────────────────────────────────────────────────────────────────────────


def _show(found: Sequence[dict[str, Any]]) -> None:
    """A row for each task; a column for each run, with the share of the test set that it was trained on."""
    columns = ["task", "metric", "items", "chance"]
    for one in found:
        name = Path(one["run"]).name
        columns += [name, *(["95 % interval"] if len(found) == 1 else []), "overlap"]
    rows = []
    for n, first in enumerate(found[0]["grades"]):
        row = [first["task"], first["metric"], f"{first['items']:,}", _figure(first["metric"], first["chance"])]
        for one in found:
            grade = one["grades"][n]
            row += [_figure(grade["metric"], grade["value"])]
            row += [_between(grade)] if len(found) == 1 else []
            row += [_figure("accuracy", grade["overlap"])]
        rows.append(row)
    show_table(columns, rows, numbers_from=2)
    print("overlap: the share of a test set's 8-grams that occur in the run's training text")


def _figure(metric: str, value: float | None) -> str:
    if value is None:
        return "–"
    return {"accuracy": f"{value:.1%}", "MCC": f"{value:.3f}"}.get(metric, f"{value:,.2f}")


def _between(grade: dict[str, Any]) -> str:
    if grade["interval"] is None:
        return "–"
    return "–".join(_figure(grade["metric"], end) for end in grade["interval"])


def _show_parts(found: Sequence[dict[str, Any]], kind: str) -> None:
    """A row for each group, with chance; a column for each run."""
    for n, first in enumerate(found[0]["grades"]):
        parts = [{part["task"]: part for part in one["grades"][n]["parts"].get(kind, [])} for one in found]
        rows = [
            [name, f"{some['items']:,}", _figure(some["metric"], some["chance"])]
            + [_figure(some["metric"], column[name]["value"] if name in column else None) for column in parts]
            for name, some in sorted({name: part for column in parts for name, part in column.items()}.items())
        ]
        if rows:
            runs = [Path(one["run"]).name for one in found]
            show_table((f"{first['task']}, {kind}", "items", "chance", *runs), rows, numbers_from=1)


def _show_notes(found: Sequence[dict[str, Any]]) -> None:
    """Each footnote once, with the tasks it is about."""
    for one in found:
        about: dict[str, list[str]] = {}
        for grade in one["grades"]:
            if grade["note"]:
                about.setdefault(grade["note"], []).append(grade["task"])
        for note, heads in about.items():
            print(f"{Path(one['run']).name}: {'; '.join(heads)}: {one_line(note)}")
        if one["note"]:
            print(f"{Path(one['run']).name}: {one_line(one['note'])}")


def _show_published(figures: Sequence[dict[str, Any]]) -> None:
    if not figures:
        return
    rows = [
        [
            figure["task"],
            f"{figure['who']} ({figure['source']})",
            "yes" if figure["same"] else f"no: {figure['why']}",
            f"{figure['value']:.2f}" if figure["rule"] == "perplexity" else f"{figure['value']:.3f}",
        ]
        for figure in figures
    ]
    show_table(("task", "published", "same protocol?", "figure"), rows, numbers_from=3)
