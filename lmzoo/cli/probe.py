"""`lmzoo probe`: simple classifiers on the frozen features of models."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmzoo.cli import label_sets
from lmzoo.cli.app import command
from lmzoo.cli.console import (
    Bars,
    figure,
    interruptible,
    say,
    show_json,
    show_notes,
    show_rows,
    show_table,
    show_wrapped,
)
from lmzoo.cli.exchange import check_folder, write_file
from lmzoo.cli.options import Code, Count, Device, Json, Mirror, Quiet, Runs
from lmzoo.errors import UsageError

if TYPE_CHECKING:
    from lmzoo.evaluation.text_model import TextModel
    from lmzoo.tasks.probing.datasets import ProbeSet
    from lmzoo.tasks.result import TaskResult

CACHED = "the same command continues from the cached features"


@dataclass
class _Loaded:
    """A run to probe."""

    label: str
    text_model: "TextModel"
    provenance: dict[str, Any]


@command(
    "probe",
    epilog="Example: lmzoo probe runs/books-lstm runs/books-gpt --tasks sst2,trec --curves --units --out figures",
)
def probe_runs(
    runs: Runs,
    # Names with commas. Written by a grammar, so nothing is downloaded: storyworld, which is kind, topic, stars,
    # grammatical, number and meant. Public: sst2, trec, mr, cr, subj, mpqa (sentences), cola (acceptability), sick
    # (pairs), brown-tags (parts of speech). [default: storyworld of a run of storyworld; all public ones of others]
    tasks: str | None = None,
    limit: Count = 0,  # At most so many examples of each part of a set, for a first look; 0: all.
    curves: bool = False,  # Also the score of a probe trained on 10, 30, 100 … labels.
    # Also the best single unit for each task with two classes, chosen on training texts: of a recurrent network one of
    # its state after each text, beside the best without training and for shuffled labels. `lmzoo unit` shows it.
    units: bool = False,
    probes: bool = True,  # The probes themselves; without them --units needs only the last state of each text.
    baselines: bool = True,  # Also the majority class and TF-IDF.
    out: Path | None = None,  # Folder for figures of --curves and --units.
    device: Device = "auto",
    mirror: Mirror = None,
    code: Code = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train classifiers on the frozen features of runs.

    Beside them stand controls (an untrained network, shuffled labels) and baselines (TF-IDF, the majority class).
    """
    from lmzoo.tasks.contamination import Overlaps
    from lmzoo.tasks.probing import baselines as classical
    from lmzoo.tasks.probing import probe

    if not (probes or units):
        raise UsageError("--no-probes leaves nothing to do without --units")
    if curves and not probes:
        raise UsageError("--curves are those of probes: they go without --no-probes")
    if out:
        check_folder(out)
    bars = Bars(quiet)
    names = label_sets.names(tasks)
    loaded = [_load(folder, code, device) for folder in runs]
    of_tasks = label_sets.read(names, loaded[0].provenance, mirror, bars)
    names, sets = names or list(of_tasks), [one for several in of_tasks.values() for one in several]
    sets = [examples.limited(limit) for examples in sets] if limit else sets
    rows: list[dict[str, Any]] = []
    facts: dict[str, Any] = {"tasks": names, "limit": limit, "rows": rows}
    with interruptible(CACHED), bars.task("probing", (len(runs) + baselines) * probes):
        for run in loaded if probes else ():
            bars.doing(run.label)
            for kind, results in probe.probe_model(run.text_model, sets, bars).items():
                rows.append({"run": run.label, "model": run.text_model.name, "kind": kind, "grades": results})
            bars.advance()
        bars.doing("baselines")
        for kind, results in classical.baselines(sets, bars).items() if baselines and probes else ():
            rows.append({"run": "", "model": "", "kind": kind, "grades": results})
        facts |= _curves_and_units(loaded, sets, curves, units, bars)
        facts["overlap"] = {}
        # What a grammar wrote was held against the training text before.
        texts = ([] if examples.generated else examples.test_texts() for examples in sets)
        overlaps = Overlaps(texts, mirror, bars)
        for run in loaded:
            shares = overlaps.of(run.provenance)
            named = dict(zip([examples.task for examples in sets], shares, strict=True)) if shares else None
            facts["overlap"][run.label] = named
    if out:
        _draw(out, facts)
    if as_json:
        return show_json(
            facts | {"rows": [row | {"grades": [result.to_json() for result in row["grades"]]} for row in rows]}
        )
    return _show(facts)


def _load(folder: Path, code: Path | None, device: str) -> _Loaded:
    from lmzoo.runs import store

    text_model = store.load(folder, code, device)
    return _Loaded(folder.name or str(folder), text_model, store.read_provenance(folder))


def _curves_and_units(
    loaded: Sequence[_Loaded], sets: "Sequence[ProbeSet]", curves: bool, units: bool, bars: Bars
) -> dict[str, list[dict[str, Any]]]:
    """The label curves and the best single units of each run that has vectors."""
    from lmzoo.data import corpus
    from lmzoo.errors import LmzooError
    from lmzoo.tasks.probing import baselines, neurons, probe
    from lmzoo.tasks.probing.features import FeatureReader

    facts: dict[str, list[dict[str, Any]]] = {"label_curves": [], "units": []}
    for run in loaded if curves or units else ():
        who = {"label": run.label, "model": run.text_model.name, "family": run.text_model.model.family}
        of_state = units and _is_recurrent(run.text_model)
        for examples in sets if of_state else ():
            if examples.is_binary and len(examples.texts) == 1:
                facts["units"].append(who | neurons.unit_of_state(run.text_model, examples, bars))
        if of_state and not curves:
            continue
        try:
            reader = FeatureReader(run.text_model, corpus.cache_folder() / "probes", bars)
        except UsageError:
            continue  # it has no vectors: its results say so
        for examples in sets:
            try:
                inputs = reader.inputs(examples)
            except LmzooError:
                continue  # its result says why
            if curves and not examples.word_labels:
                facts["label_curves"].append(who | neurons.label_curve(probe.fixed(inputs), examples, bars))
            if units and examples.is_binary and not of_state:
                facts["units"].append(who | neurons.best_unit(inputs, examples))
    for examples in sets if curves else ():
        if not examples.word_labels:
            points = neurons.label_curve(baselines.tfidf(examples), examples, bars)
            facts["label_curves"].append({"label": baselines.TFIDF, "model": "", "family": "baseline"} | points)
    return facts


def _is_recurrent(text_model: "TextModel") -> bool:
    from lmzoo.evaluation import units

    try:
        units.network(text_model)
    except UsageError:
        return False
    return True


def _draw(folder: Path, facts: dict[str, Any]) -> None:
    """Write a figure of the best unit and one of the curves, where there are any, as PNG."""
    from lmzoo.report import probe_figures
    from lmzoo.report.canvas import picture

    drawings = {
        "unit": partial(probe_figures.unit, facts["units"]),
        "labels": partial(probe_figures.label_curves, facts["label_curves"]),
    }
    for name, draw in drawings.items():
        drawn = picture(draw)
        if drawn:
            write_file(folder / f"probe-{name}.png", drawn.png, overwrite=True)


# ── Tables ────────────────────────────────────────────────────────────────────────────────────────


def _show(facts: dict[str, Any]) -> None:
    """All results in one table, then the details of each run."""
    rows = facts["rows"]
    if rows:
        _show_results(rows, facts["overlap"])
    for curve in facts["label_curves"]:
        points = ", ".join(f"{point['mean']:.3f} ({point['labels']:,})" for point in curve["points"])
        show_wrapped(f"{curve['label']}, {curve['task']}, {curve['metric']} by labels: {points}")
    for unit in facts["units"]:
        show_wrapped(
            f"{unit['label']}, {unit['task']}: unit {unit['unit']} of {unit['layer']} ({unit['pooling']}) alone "
            f"{unit['accuracy']:.3f} of {unit['tested']:,}; above {unit['threshold']:.3g} it is "
            f"{unit['classes'][unit['above']]}{_controls(unit)}"
        )


def _controls(unit: dict[str, Any]) -> str:
    if "untrained" not in unit:
        return ""
    return f"; best unit without training {unit['untrained']:.3f}, for shuffled labels {unit['shuffled']:.3f}"


def _show_results(rows: list[dict[str, Any]], overlap: dict[str, Any]) -> None:
    first: list[TaskResult] = rows[0]["grades"]
    heads = [result.task if result.metric == "accuracy" else f"{result.task} {result.metric}" for result in first]
    cells = [[_label(row), *(figure(one.value, ".3f") for one in row["grades"])] for row in rows]
    show_table(("", *heads), cells, numbers_from=1)
    for row in rows:
        if row["kind"] == "probe":
            _show_run(row, overlap[row["run"]])


def _show_run(row: dict[str, Any], overlap: dict[str, float | None] | None) -> None:
    columns = {
        "task": "{task}",
        "metric": "{metric}",
        "chosen": "{protocol}",
        "value": "{value:.3f}",
        "95 % interval": "{interval:.3f}",
        "chance": "{chance:.3f}",
        "tested": "{items:,}",
        "trained": "{training:,}",
        "overlap": "{overlap:.2%}",
    }
    results = [{**vars(result), "overlap": (overlap or {}).get(result.task)} for result in row["grades"]]
    say(f"{row['run']}:")
    show_rows(results, columns, numbers_from=3)
    if overlap is None:
        say("  overlap: not known, since its training text is not available")
    show_notes(list(dict.fromkeys(result.note for result in row["grades"] if result.note)))


def _label(row: dict[str, Any]) -> str:
    if not row["run"]:
        return str(row["kind"])
    return row["run"] if row["kind"] == "probe" else f"{row['run']}, {row['kind']}"
