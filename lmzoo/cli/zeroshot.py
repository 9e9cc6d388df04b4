"""`lmzoo zeroshot`: tasks without training, answered by the probabilities of texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmzoo.cli.app import command
from lmzoo.cli.console import Bars, show_json, show_table, show_wrapped
from lmzoo.cli.options import Code, Device, Json, Mirror, Quiet, Runs
from lmzoo.errors import DownloadError, UsageError, one_line

if TYPE_CHECKING:
    from lmzoo.tasks.contamination import Overlaps
    from lmzoo.tasks.zeroshot_items import ZeroShotSet


@command(
    "zeroshot", epilog="Example: lmzoo zeroshot runs/books-ngram runs/books-gpt --tasks blimp,lambada --limit 1000"
)
def ask_zeroshot(
    runs: Runs,
    tasks: str | None = None,  # Names with commas between them. [default: all there are]
    limit: int = 0,  # At most so many items of each test set; 0: all.
    parts: str | None = None,  # Also show results by group: phenomenon or set, of BLiMP. (JSON has all of them.)
    code: Code = None,
    device: Device = "auto",
    mirror: Mirror = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Ask runs which of two texts is likelier: BLiMP, COPA, ARC …

    Zero-shot tasks: minimal pairs, sentiment, coreference, causes, science questions, a passage's last word.
    """
    from lmzoo.tasks import zeroshot, zeroshot_items
    from lmzoo.tasks.contamination import Overlaps

    bars = Bars(quiet)
    names = list(dict.fromkeys(name.strip() for name in tasks.split(","))) if tasks else zeroshot_items.names()
    test_sets, missing = _loaded(names, bool(tasks), mirror, limit, bars)
    kinds = sorted({kind for test_set in test_sets for kind in test_set.card.groups})
    if parts and parts not in kinds:
        raise UsageError(f"no parts {parts!r} in {', '.join(names)}; there are: {', '.join(kinds) or 'none'}")
    overlaps = Overlaps(([item.text for item in test_set.items] for test_set in test_sets), mirror, bars)
    asked = [_ask(run, test_sets, overlaps, code, device, bars) for run in bars.track("zero-shot tasks", runs, str)]
    published = zeroshot.published(test_sets)
    if as_json:
        return show_json({"runs": asked, "published": published, "limit": limit, "left_out": missing})
    _show(asked)
    if parts:
        _show_groups(asked, parts)
    _show_notes(asked)
    _show_published(published)
    for name, why in missing.items():
        show_wrapped(f"{name} was left out: {one_line(why)}")
    if limit:
        show_wrapped(f"at most {limit:,} items of each set were asked: figures of all of them may differ")
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


def _ask(
    run: Path, test_sets: "Sequence[ZeroShotSet]", overlaps: "Overlaps", code: Path | None, device: str, bars: Bars
) -> dict[str, Any]:
    """A run's results as JSON, in the order of `test_sets` and their rules."""
    from lmzoo.runs import store
    from lmzoo.tasks import zeroshot

    text_model = store.load(run, code, device)
    text_model.model.warm_up()
    shares = overlaps.of(store.read_provenance(run))
    why = "" if shares else "its training text is not available, so the overlap is not known"
    facts = {"run": str(run), "model": text_model.name, "tokenizer": text_model.tokenizer.spec, "note": why}
    asker = zeroshot.Asker(text_model, bars)
    grades = []
    shares = shares or [None] * len(test_sets)
    for test_set, share in bars.track(run.name, list(zip(test_sets, shares, strict=True)), lambda asked: asked[0].task):
        for result in zeroshot.ask(test_set, asker):
            parts = {kind: [part.to_json() for part in of_kind] for kind, of_kind in result.parts.items()}
            grades.append({**result.to_json(), **result.details, "overlap": share, "parts": parts})
    return {**facts, "grades": grades}


# ── Tables ────────────────────────────────────────────────────────────────────────────────────────


def _show(runs: Sequence[dict[str, Any]]) -> None:
    """A row for each task; a column for each run, with the overlap of the test set with its training text."""
    columns = ["task", "metric", "items", "chance"]
    for run in runs:
        name = Path(run["run"]).name
        columns += [name, *(["95 % interval"] if len(runs) == 1 else []), "overlap"]
    rows = []
    for n, first in enumerate(runs[0]["grades"]):
        row = [first["task"], first["metric"], f"{first['items']:,}", _figure(first["metric"], first["chance"])]
        for run in runs:
            result = run["grades"][n]
            row += [_figure(result["metric"], result["value"])]
            if len(runs) == 1:
                between = "–".join(_figure(result["metric"], end) for end in result["interval"] or ())
                row += [between or "–"]
            row += [_figure("accuracy", result["overlap"])]
        rows.append(row)
    show_table(columns, rows, numbers_from=2)
    show_wrapped("overlap: the share of a test set's 8-grams that occur in the run's training text")


def _figure(metric: str, value: float | None) -> str:
    if value is None:
        return "–"
    return {"accuracy": f"{value:.1%}", "MCC": f"{value:.3f}"}.get(metric, f"{value:,.2f}")


def _show_groups(runs: Sequence[dict[str, Any]], kind: str) -> None:
    """A table for each task: a row for each group of its items, with chance; a column for each run."""
    names = [Path(run["run"]).name for run in runs]
    for n, first in enumerate(runs[0]["grades"]):
        columns = [{group["task"]: group for group in run["grades"][n]["parts"].get(kind, [])} for run in runs]
        groups = {name: group for column in columns for name, group in column.items()}
        rows = []
        for name, group in sorted(groups.items()):
            values = [column[name]["value"] if name in column else None for column in columns]
            figures = [_figure(group["metric"], value) for value in (group["chance"], *values)]
            rows.append([name, f"{group['items']:,}", *figures])
        if rows:
            show_table((f"{first['task']}, {kind}", "items", "chance", *names), rows, numbers_from=1)


def _show_notes(runs: Sequence[dict[str, Any]]) -> None:
    """Each footnote once, with the tasks it is about."""
    for run in runs:
        tasks_of: dict[str, list[str]] = {}
        for result in run["grades"]:
            if result["note"]:
                tasks_of.setdefault(result["note"], []).append(result["task"])
        for note, tasks in tasks_of.items():
            show_wrapped(f"{Path(run['run']).name}: {'; '.join(tasks)}: {one_line(note)}")
        if run["note"]:
            show_wrapped(f"{Path(run['run']).name}: {one_line(run['note'])}")


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
