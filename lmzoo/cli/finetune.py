"""`lmzoo finetune`: runs that learn from labels, few or all, beside what else could learn from them."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmzoo.cli import label_sets
from lmzoo.cli.app import command
from lmzoo.cli.console import Bars, interruptible, say, show_json, show_notes, show_table, show_wrapped
from lmzoo.cli.exchange import check_folder, write_file
from lmzoo.cli.options import Code, Count, Device, Json, Mirror, Quiet, Runs, run_option
from lmzoo.errors import UsageError, in_range

if TYPE_CHECKING:
    from lmzoo.tasks.finetuning.grid import Point
    from lmzoo.tasks.finetuning.learner import Cell, Learner
    from lmzoo.tasks.finetuning.rows import Pretrained
    from lmzoo.tasks.finetuning.trials import Trial

ALL = "all"
MOST_SEEDS = 100
KEPT = "the same command goes on from the cells that are done"

Vectors = Annotated[
    Path | None,
    run_option(
        "--vectors", "Also the mean of word vectors: of a run of word2vec, glove or svd, or a FILE.", "FILE|RUN"
    ),
]
Settings = Annotated[
    str | None,
    typer.Option(
        "--settings",
        help="How to fine-tune: a preset or settings of the model finetuned, as preset=ulmfit or epochs=8.",
        show_default="see lmzoo train finetuned --help-all",
    ),
]


@dataclass(frozen=True)
class Plan:
    """What a table is to have: numbers of labels (None: all), seeds, and where cells and features are kept."""

    sizes: tuple[int | None, ...]
    seeds: tuple[int, ...]
    limit: int
    cells: Path
    features: Path


@command(
    "finetune",
    epilog="Example: lmzoo finetune runs/story-gpt runs/story-lstm --labels 10,100,1000 --seeds 5 --out figures",
)
def finetune_runs(
    runs: Runs,
    # Names with commas, or FILE.tsv of your own with the columns text, label and, of pairs, text2. Written by a
    # grammar, so nothing is downloaded: storyworld, which is kind, topic, stars, grammatical, number and meant. Public:
    # sst2, sst2-raw, mr, cr, subj, mpqa, trec, cola, imdb; pairs: sick, rte; choices: balanced-copa; tags: brown-tags,
    # conll2000, wnut17, ud-ewt. [default: storyworld of a run of storyworld; sentences, cola and sick of others]
    tasks: str | None = None,
    labels: str = "10,100,1000,all",  # How many labels to learn from: the first 10 are the first of the 100.
    seeds: int = 5,  # So many draws of the labels and of first weights; the table has means and 95 % intervals.
    settings: Settings = None,
    layers: int | None = None,  # Only so many of the network's lowest layers keep what they learned. [default: all]
    scratch: bool = True,  # Also the same network from first weights.
    frozen: bool = True,  # Also a probe of the run's features as they are.
    untrained: bool = False,  # Also a probe of the features of the same network with first weights.
    baselines: bool = True,  # Also the majority class, TF-IDF and naive Bayes' log-count ratios in an SVM.
    vectors: Vectors = None,
    limit: Count = 0,  # Test on at most so many texts, the same for all; 0: all.
    # Save the first run, fine-tuned on all labels of the one task, as a run for `lmzoo classify`; no table is made.
    save: Path | None = None,
    out: Path | None = None,  # Folder for results.json and a figure of each task (PNG and SVG).
    device: Device = "auto",
    mirror: Mirror = None,
    code: Code = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fine-tune runs on few labels or all, beside baselines.

    Each cell is kept as it ends: the same command, interrupted or killed, goes on from there.
    """
    from lmzoo.interface import Run
    from lmzoo.runs import store
    from lmzoo.tasks.finetuning import grid, rows

    bars, named = Bars(quiet), label_sets.names(tasks, files=True)
    plan = planned(labels, seeds, limit)
    if out:
        check_folder(out)
    how = tuning(settings, layers)
    runs = list(dict.fromkeys(runs))
    loaded = load(runs, code, device)
    check_layers(loaded, how.get("transfer", -1))
    of_tasks = label_sets.read(named, store.read_provenance(runs[0]), mirror, bars, written(plan))
    sets = [one for several in of_tasks.values() for one in several]
    run = Run(device=device, progress=bars)
    if save:
        return _save(loaded[0], sets, how, run, runs[0], save, as_json)
    wanted = rows.Rows(scratch, frozen, untrained)
    learners = [
        *(rows.baselines() if baselines else []),
        *vector_rows(vectors, bars),
        *rows.of_runs(loaded, how, run, wanted, plan.features),
    ]
    with interruptible(KEPT):
        cells = grid.fill(learners, trials(sets, plan), plan.sizes, plan.cells, bars)
    found = grid.points(cells)
    facts = {
        "runs": [{"name": one.name, "digest": one.digest} for one in loaded],
        "settings": how,
        "labels": labels,
        "seeds": list(plan.seeds),
        "limit": limit,
        "points": [asdict(point) for point in found],
        "cells": [vars(cell) for cell in cells],
    }
    if out:
        write(out, facts, found, families(loaded))
    if as_json:
        return show_json(facts)
    show(found, cells)
    return show_notes(heads(loaded))


# ── What `lmzoo transfer` does alike ──────────────────────────────────────────────────────────────


def planned(labels: str, seeds: int, limit: int) -> Plan:
    """Raises UsageError for numbers of labels or seeds that cannot be."""
    from lmzoo.data.corpus import cache_folder
    from lmzoo.runs.cache import digest
    from lmzoo.runs.provenance import circumstances

    in_range("--seeds", seeds, 1, MOST_SEEDS)
    sizes: list[int | None] = []
    for part in labels.replace(" ", "").split(","):
        if part != ALL and not (part.isdigit() and int(part) >= 2):
            raise UsageError(f"--labels are whole numbers from 2 and {ALL!r}, as 10,100,{ALL}, not {part!r}")
        sizes.append(None if part == ALL else int(part))
    folder = cache_folder()
    cells = folder / "finetune" / digest(circumstances())[:12]  # another version of the code may learn otherwise
    return Plan(tuple(dict.fromkeys(sizes)), tuple(range(1, seeds + 1)), limit, cells, folder / "probes")


def tuning(settings: str | None, layers: int | None) -> dict[str, Any]:
    """How to fine-tune, as fields of `FineTuned`. Raises UsageError for a setting that there is not."""
    from lmzoo.tasks.finetuning import rows

    given = {}
    for part in (settings or "").split(",") if settings else ():
        name, equals, value = part.strip().partition("=")
        if not equals:
            raise UsageError(f"--settings are NAME=VALUE with commas between, as preset=ulmfit,epochs=8, not {part!r}")
        given[name] = value
    if layers is not None:
        in_range("--layers", layers, 0)
        given["transfer"] = str(layers)
    return rows.tuning(given)


def load(folders: Sequence[Path], code: Path | None, device: str) -> "list[Pretrained]":
    """The runs to begin from, under the names of their folders: with the way to them where two are called alike."""
    from lmzoo.runs import store
    from lmzoo.tasks.finetuning.rows import Pretrained

    called = [folder.name for folder in folders]
    loaded = []
    for folder in folders:
        text_model = store.load(folder, code, device)
        name = str(folder) if called.count(folder.name) > 1 else folder.name or str(folder)
        loaded.append(Pretrained(name, text_model, store.digest(folder), text_model.model.family))
    return loaded


def check_layers(loaded: "Sequence[Pretrained]", layers: int) -> None:
    """Raise UsageError for more layers than any of the networks has: with some, the others' rows say so."""
    from lmzoo.models.finetuned import FineTuned
    from lmzoo.neural.finetuning.layers import Layers
    from lmzoo.tasks.finetuning.rows import is_network

    errors = []
    for model in [one.text_model.model for one in loaded if is_network(one.text_model)]:
        try:
            Layers(FineTuned.over(model).network_.net_).check(layers)
        except UsageError as error:
            errors.append(error)
        else:
            return
    if errors:
        raise errors[0]


def heads(loaded: "Sequence[Pretrained]") -> list[str]:
    """Of runs that have learned from labels before, what becomes of their heads."""
    from lmzoo.models.finetuned import FineTuned

    of_runs = [(one.name, one.text_model.model) for one in loaded]
    return [
        f"{name} has a head for {', '.join(model.classes_[:3])}{' …' * (len(model.classes_) > 3)}: that is left off, "
        "and a new one learns each task"
        for name, model in of_runs
        if isinstance(model, FineTuned) and model.classes_
    ]


def written(plan: Plan) -> dict[int, int]:
    """How many texts of each part the grammar writes."""
    from lmzoo.tasks import grammar_probes
    from lmzoo.tasks.probing.datasets import TEST, TRAIN

    usual = grammar_probes.SIZES
    most = max((size for size in plan.sizes if size), default=0)
    return {TRAIN: max(most, sum(usual.values()) - usual[TEST]), TEST: usual[TEST]}


def trials(sets: Sequence[Any], plan: Plan) -> "list[Trial]":
    """A trial for each set."""
    from lmzoo.tasks.finetuning.trials import trial

    return [trial(examples, plan.sizes, plan.seeds, plan.limit) for examples in sets]


def vector_rows(place: Path | None, bars: Bars) -> "list[Learner]":
    """The row of pooled word vectors, if they are wanted."""
    if place is None:
        return []
    from lmzoo.formats.vectors import start
    from lmzoo.tasks.finetuning.baselines import PooledVectors

    source = start.read(place, bars)
    return [PooledVectors(f"{place.stem}, pooled", source.matrix, source.rows, source.identity)]


def families(loaded: "Sequence[Pretrained]") -> dict[str, str]:
    """The colour of the rows of each run, by the beginning of their names."""
    return {one.name: one.family for one in loaded}


# ── What is shown ─────────────────────────────────────────────────────────────────────────────────


def show(found: "Sequence[Point]", cells: "Sequence[Cell]") -> None:
    """A table for each task: a row for each learner, a column for each number of labels."""
    seeds = len({cell.seed for cell in cells})
    for task in dict.fromkeys(point.task for point in found):
        of_task = [point for point in found if point.task == task]
        sizes = sorted({point.labels for point in of_task})
        cell_of = {(point.row, point.labels): point for point in of_task}
        interval = f"; 95 % interval over {seeds} seeds" if seeds > 1 else ""
        say(f"{task}, {of_task[0].metric}: {of_task[0].items:,} tested{interval}")
        body = [
            [row, *(_figure(cell_of.get((row, size))) for size in sizes)]
            for row in dict.fromkeys(point.row for point in of_task)
        ]
        show_table(("", *(f"{size:,} labels" for size in sizes)), body, numbers_from=1)
    cut = [max(of_task, key=lambda cell: cell.facts["texts_cut"]) for of_task in _with_cuts(cells)]
    notes = [f"{cell.row}, {cell.task}, {cell.labels:,} labels: {cell.facts['remarks'][0]}" for cell in cut]
    show_notes(list(dict.fromkeys([*notes, *(f"{one.row}, {one.task}: {one.note}" for one in found if one.note)])))
    show_wrapped("A row's first labels are those of every other row, and no test label was given to any.")


def _with_cuts(cells: "Sequence[Cell]") -> "list[list[Cell]]":
    """Those of each task that read a part of some texts only."""
    cut = [cell for cell in cells if cell.facts.get("texts_cut")]
    return [[cell for cell in cut if cell.task == task] for task in dict.fromkeys(cell.task for cell in cut)]


def _figure(point: "Point | None") -> str:
    if point is None or point.mean is None:
        return "–"
    return f"{point.mean:.3f}" + (f" ({point.interval[0]:.2f}–{point.interval[1]:.2f})" if point.interval else "")


def write(folder: Path, facts: dict[str, Any], found: "Sequence[Point]", of_runs: dict[str, str]) -> None:
    """results.json, and for each task that has several numbers of labels a figure of them."""
    from lmzoo.report import transfer_figures
    from lmzoo.report.canvas import picture

    text = json.dumps(facts, ensure_ascii=False, allow_nan=False, indent=1)
    write_file(folder / "results.json", f"{text}\n".encode(), overwrite=True)
    for task in dict.fromkeys(point.task for point in found):
        drawn = picture(partial(transfer_figures.label_curves, [one for one in found if one.task == task], of_runs))
        if drawn:
            stem = "labels-" + re.sub(r"[^a-z0-9]+", "-", task.lower()).strip("-")
            write_file(folder / f"{stem}.png", drawn.png, overwrite=True)
            write_file(folder / f"{stem}.svg", drawn.wide, overwrite=True)


# ── A classifier to keep ──────────────────────────────────────────────────────────────────────────


def _save(
    start: "Pretrained", sets: Sequence[Any], how: dict[str, Any], run: Any, parent: Path, out: Path, as_json: bool
) -> None:
    """Fine-tune on all labels of one set, and save the run."""
    from lmzoo.cli.console import show_facts
    from lmzoo.evaluation.text_model import TextModel
    from lmzoo.runs import store
    from lmzoo.tasks.finetuning.learner import hidden
    from lmzoo.tasks.finetuning.networks import NetworkLearner, encoded
    from lmzoo.tasks.finetuning.trials import trial
    from lmzoo.tasks.metrics import metric

    if len(sets) != 1:
        raise UsageError(f"--save is one classifier of one task, not of {len(sets)}: name the task with --tasks")
    with store.claimed(out):
        some = trial(sets[0], (None,), (run.seed,))
        split, examples = some.split(some.whole, run.seed), some.examples
        learner = NetworkLearner(start.name, start.text_model, start.digest, how, run=run)
        with interruptible(KEPT):
            model = learner.learned(hidden(examples, split), split.train, split.valid, run.seed, run.progress)
            found = model.predict(encoded(start.text_model, examples, split.test).texts)
        score = float(metric(examples.metric)(examples.labels[split.test], found))
        record = {"task": examples.task, "labels": some.whole, examples.metric: score, "tested": len(split.test)}
        facts = {
            "parent": {**store.read_provenance(parent), "run": str(parent), "digest": start.digest},
            "finetuning": record,
            "facts": dict(model.facts),
            "remarks": list(model.remarks),
        }
        store.save(TextModel(model, start.text_model.tokenizer), out, facts, model.history)
    show_facts(
        {"run": str(out), **facts},
        as_json,
        f"{out}: {examples.task}, {examples.metric} {score:.3f} on {len(split.test):,}",
    )
    if not as_json and model.facts["texts_cut"]:
        show_notes(model.remarks[:1])
