"""Pre-trained against from scratch: the networks fine-tuned on few labels that the grammar of the text wrote."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import parent_process
from typing import Any

from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry
from lmzoo.comparison.results import Comparison
from lmzoo.errors import UsageError
from lmzoo.interface import Run
from lmzoo.report.canvas import Canvas, Drawing
from lmzoo.report.section import Section
from lmzoo.report.table import Table
from lmzoo.tasks import grammar_probes
from lmzoo.tasks.finetuning import grid
from lmzoo.tasks.finetuning.grid import Point
from lmzoo.tasks.finetuning.learner import Cell, Learner
from lmzoo.tasks.finetuning.trials import Trial, trial

# A small budget: `lmzoo transfer` takes more sets, labels and seeds.
SETS = ("kind", "topic")
SIZES = (10, 100, None)  # labels; None: all of a set
SEEDS = (1, 2, 3)


@dataclass(frozen=True)
class Transfer:
    """Means and intervals of each row, set and number of labels, and of the mean over the sets."""

    points: tuple[Point, ...]


def compute(entries: Sequence[Entry], context: Context) -> Transfer | None:
    """Rows of each network, fine-tuned and from scratch, and baselines, where they were asked for.

    Each cell is cached as it ends. Raises UsageError without a network, or a grammar that labels texts.
    """
    if not context.transfer:
        return None
    from lmzoo.report.transfer.experiment import with_mean
    from lmzoo.tasks.finetuning import rows

    able = [entry for entry in entries if entry.loaded and rows.is_network(entry.text_model)]
    if not able:
        raise UsageError("only networks can be fine-tuned, and none is among these models: add an lstm or a gpt")
    names = [question.name for question in grammar_probes.QUESTIONS if question.key in SETS]
    trials = [trial(one, SIZES, SEEDS) for one in context.own_probes if one.task in names]
    if not trials:
        raise UsageError("no grammar wrote this text, so there are no labels to learn from")
    run = Run(device=context.run.device)
    learners: list[tuple[str, str, list[Learner]]] = [("", "", rows.baselines())]
    for entry in able:
        one = rows.Pretrained(entry.row.model, entry.text_model, entry.identity, entry.row.family)
        made = rows.of_runs([one], {}, run, rows.Rows(frozen=False), None)
        learners.append((entry.label, entry.identity, made))
    if parent_process():  # it fills the cache for the comparison, which meanwhile goes from the first on
        learners.reverse()
    cells = _cells(learners, trials, context)
    return Transfer(tuple(grid.points(with_mean(cells, SEEDS))))


def _cells(learners: Sequence[tuple[str, str, list[Learner]]], trials: Sequence[Trial], context: Context) -> list[Cell]:
    """The cells of each (label, identity, rows), from the cache where it has them."""
    work = [(one, size, seed, who) for who in learners for one in trials for size in SIZES for seed in SEEDS]
    cells = []
    with context.progress.task("fine-tuning on few labels", len(work)) as task:
        for one, size, seed, (label, identity, rows) in work:
            task.doing(f"{label or 'baselines'}: {one.examples.task}, {size or 'all'} labels")
            key = {"model": identity, "set": one.digest, "labels": size, "seed": seed}
            alone = replace(one, orders={seed: one.orders[seed]})
            learn = partial(grid.fill, rows, [alone], [size], None)
            for cell in context.cached(list[Cell], key, learn, _all_learned):
                role = cell.row.rpartition(", ")[2]  # the label may be another in another comparison
                cells.append(replace(cell, row=f"{label}, {role}" if label else cell.row))
            task.advance(1)
    return cells


def _all_learned(cells: Sequence[dict[str, Any]]) -> bool:
    return all(cell["value"] is not None for cell in cells)


# ── Shown ─────────────────────────────────────────────────────────────────────────────────────────


def _by_task(facts: Transfer) -> dict[str, list[Point]]:
    """The points of each set, the mean over them first."""
    tasks = list(dict.fromkeys(point.task for point in facts.points))[::-1]
    return {task: [point for point in facts.points if point.task == task] for task in tasks}


def tables(facts: Transfer, _: Comparison) -> list[Table]:
    """A row for each learner, a column for each number of labels; the mean over the sets first."""
    from lmzoo.report.transfer.experiment import by_labels

    return [replace(by_labels(points), first="model") for points in _by_task(facts).values()]


def figure(facts: Transfer, comparison: Comparison, canvas: Canvas) -> Drawing | None:
    """The mean over the sets against the number of labels."""
    from lmzoo.report.transfer_figures import label_curves

    points = next(iter(_by_task(facts).values()))
    return label_curves(points, {row.label: row.family for row in comparison.rows}, canvas, canvas.width)


def data(facts: Transfer, _: Comparison) -> list[dict[str, Any]]:
    """A line for each point."""
    return [
        {"row": point.row, "task": point.task, "labels": point.labels, "mean": point.mean,
         "low": point.interval and point.interval[0], "high": point.interval and point.interval[1]}
        for point in facts.points
    ]  # fmt: skip


def view(facts: Transfer, _: Comparison) -> dict[str, Any]:
    """The sentences on what was found, captions, and why a cell is empty."""
    captions = [f"{task}: {points[0].metric}, times a hundred" for task, points in _by_task(facts).items()]
    notes = dict.fromkeys(f"{point.row}, {point.task}: {point.note}" for point in facts.points if point.note)
    return {"said": _sentences(facts), "captions": captions, "notes": list(notes), "seeds": len(SEEDS)}


def findings(facts: Transfer, _: Comparison) -> list[str]:
    """The first of the sentences, with what is measured."""
    task, points = next(iter(_by_task(facts).items()))
    said = _sentences(facts)[0]
    return [f"In {points[0].metric} after fine-tuning ({task}), {said[0].lower()}{said[1:]}"]


def _sentences(facts: Transfer) -> list[str]:
    from lmzoo.report.transfer.few import sentences

    return sentences(len(SEEDS), next(iter(_by_task(facts).values())))


section = Section(
    "transfer",
    "Transfer to labels",
    35,
    "knowledge",
    facts=Transfer,
    apart="models",
    compute=compute,
    table=tables,
    figure=figure,
    data=data,
    view=view,
    findings=findings,
)
