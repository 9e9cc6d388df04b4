"""An experiment of `lmzoo transfer`: one file of this folder, which holds exactly one `Experiment`."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

from lmzoo.data.corpus import Corpus
from lmzoo.data.grammar import Grammar
from lmzoo.interface import Progress, Run
from lmzoo.report.canvas import Canvas, Drawing
from lmzoo.report.table import DASH, Cell, Table
from lmzoo.tasks.finetuning import grid, rows
from lmzoo.tasks.finetuning.grid import Point
from lmzoo.tasks.finetuning.learner import Cell as Scored
from lmzoo.tasks.finetuning.learner import Learner
from lmzoo.tasks.finetuning.rows import Pretrained, Rows
from lmzoo.tasks.finetuning.trials import Trial, trial
from lmzoo.tasks.probing.datasets import ProbeSet

FOLDER = Path(__file__).parent
BY_THEN = 100  # labels with which what is shown for one number of them is learned, if there are not all
MEAN = "mean of {} tasks"
MEAN_METRIC = "score"


@dataclass(frozen=True)
class Start:
    """A run that is looked at: the model, its folder, and what is known of its training."""

    pretrained: Pretrained
    folder: Path
    provenance: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What it is called."""
        return self.pretrained.name


@dataclass
class Lab:
    """What every experiment is given."""

    starts: Sequence[Start]
    sets: Mapping[str, Sequence[ProbeSet]]  # of each task that was asked for
    sizes: tuple[int | None, ...]  # numbers of labels; None: all
    seeds: tuple[int, ...]
    cells: Path  # where scores are kept
    features: Path
    tuning: Mapping[str, Any] = field(default_factory=dict)
    run: Run = field(default_factory=Run)
    limit: int = 0  # test texts of a set, at most; 0: all
    extra: Sequence[Learner] = ()  # further rows: pooled word vectors
    corpus: Corpus | None = None  # of the first run, where it is at hand
    grammar: Grammar | None = None  # that wrote it
    progress: Progress = field(default_factory=Progress)

    @cached_property
    def trials(self) -> list[Trial]:
        """Of all sets but halves of pairs, which only `domains` is about."""
        return [self.trial(one) for name in self.sets for one in self.sets[name] if not is_half(one)]

    @property
    def networks(self) -> list[Pretrained]:
        """The runs that can be fine-tuned."""
        return [one.pretrained for one in self.starts if rows.is_network(one.pretrained.text_model)]

    @property
    def families(self) -> dict[str, str]:
        """The colour of each run's rows."""
        return {one.name: one.pretrained.family for one in self.starts}

    def trial(self, examples: ProbeSet, tested: Mapping[str, ProbeSet] | None = None) -> Trial:
        """A set with the numbers of labels, the seeds and the limit that were asked for."""
        return trial(examples, self.sizes, self.seeds, self.limit, tested)

    def all_rows(self) -> list[Learner]:
        """Baselines, and each run fine-tuned, from scratch and frozen."""
        runs = [one.pretrained for one in self.starts]
        of_runs = rows.of_runs(runs, self.tuning, self.run, Rows(), self.features)
        return [*rows.baselines(), *self.extra, *of_runs]

    def scored(
        self, learners: Sequence[Learner], trials: Sequence[Trial], sizes: Sequence[int | None] | None = None
    ) -> list[Scored]:
        """The cells of a table."""
        return grid.fill(learners, trials, self.sizes if sizes is None else sizes, self.cells, self.progress)

    def points(
        self, learners: Sequence[Learner], trials: Sequence[Trial], sizes: Sequence[int | None] | None = None
    ) -> list[Point]:
        """Means and intervals over seeds of each row and task, and of the mean over tasks."""
        return grid.points(with_mean(self.scored(learners, trials, sizes), self.seeds))

    def one_size(self, few: bool = False) -> int | None:
        """The number of labels of what is shown for one: the most; with `few` the first from 100 on."""
        numbers = sorted(size for size in self.sizes if size)
        if few:
            return next((size for size in numbers if size >= BY_THEN), None if None in self.sizes else numbers[-1])
        return None if None in self.sizes else numbers[-1]


@dataclass(frozen=True)
class Found:
    """What an experiment found."""

    sentence: str  # what was found, whichever way it went: one sentence, for a talk
    tables: Sequence[tuple[str, Table]] = ()  # each with its caption
    draw: Callable[[Canvas], Drawing | None] = lambda _: None
    caption: str = ""  # of the figure
    facts: Any = None  # for results.json
    notes: Sequence[str] = ()
    more: Sequence[str] = ()  # further sentences

    @property
    def said(self) -> str:
        """All sentences, as one paragraph."""
        return " ".join((self.sentence, *self.more))


@dataclass(frozen=True)
class Experiment:
    """What is tried, and why; `lacks` says what it would need that is not there, or ''."""

    id: str
    title: str
    place: int  # on the page
    about: str
    lacks: Callable[[Lab], str]
    run: Callable[[Lab], Found]
    by_name: bool = False  # whether it is done only for who names it


@cache
def experiments() -> tuple[Experiment, ...]:
    """All, in the order of the page. Raises TypeError for a file that does not hold exactly one."""
    found = []
    for path in sorted(FOLDER.glob("*.py")):
        if path.stem not in ("__init__", "experiment", "page"):
            module = importlib.import_module(f"lmzoo.report.transfer.{path.stem}")
            (one,) = [value for value in vars(module).values() if isinstance(value, Experiment)]
            found.append(one)
    return tuple(sorted(found, key=lambda one: one.place))


def named(starts: Sequence[Start]) -> list[Start]:
    """The runs under their models' titles, "LSTM"; of two alike with their settings; else with their folders, too."""
    models = [start.pretrained.text_model.model for start in starts]
    ways = [
        [model.title for model in models],
        [model.label for model in models],
        [f"{model.label} ({start.name})" for model, start in zip(models, starts, strict=True)],
    ]
    names = [next((way[n] for way in ways if way.count(way[n]) == 1), start.name) for n, start in enumerate(starts)]
    return [
        replace(start, pretrained=replace(start.pretrained, name=name))
        for start, name in zip(starts, names, strict=True)
    ]


# ── What several experiments do alike ─────────────────────────────────────────────────────────────


def is_half(examples: ProbeSet) -> bool:
    """Whether it is one text of pairs: "RTE, hypothesis alone"."""
    return examples.task.endswith(" alone")


def with_mean(cells: Sequence[Scored], seeds: Sequence[int]) -> list[Scored]:
    """The cells, and for each row, size and seed their mean over tasks, where the row has all of them.

    All labels of one set are another number than those of another: they count as the same size.
    """
    tasks = list(dict.fromkeys(cell.task for cell in cells))
    if len(tasks) < 2:
        return list(cells)
    ranks = {task: sorted({cell.labels for cell in cells if cell.task == task}) for task in tasks}
    if len({len(of_task) for of_task in ranks.values()}) > 1:
        return list(cells)  # a set without enough labels for a size of the others
    means, metrics = [], {cell.metric for cell in cells}
    metric = metrics.pop() if len(metrics) == 1 else MEAN_METRIC
    value = {(cell.row, cell.task, ranks[cell.task].index(cell.labels), cell.seed): cell.value for cell in cells}
    for row in dict.fromkeys(cell.row for cell in cells):
        for rank in range(len(ranks[tasks[0]])):
            labels = max(ranks[task][rank] for task in tasks)
            for seed in seeds:
                of_tasks = [value.get((row, task, rank, seed)) for task in tasks]
                known = [one for one in of_tasks if one is not None]
                if len(known) == len(tasks):
                    means.append(Scored(row, MEAN.format(len(tasks)), metric, labels, seed, fmean(known), 0))
    return [*cells, *means]


def by_labels(points: Sequence[Point]) -> Table:
    """A row for each learner, a column for each number of labels: points of one task."""
    sizes = sorted({point.labels for point in points})
    found = {(point.row, point.labels): point for point in points}
    lines = [(row, [cell(found.get((row, size))) for size in sizes]) for row in dict.fromkeys(p.row for p in points)]
    return Table("", [f"{size:,} labels" for size in sizes], lines)


def by_task(points: Sequence[Point]) -> Table:
    """A row for each learner, a column for each task: points of one number of labels."""
    tasks = list(dict.fromkeys(point.task for point in points))
    found = {(point.row, point.task): point for point in points}
    lines = [(row, [cell(found.get((row, task))) for task in tasks]) for row in dict.fromkeys(p.row for p in points)]
    metric = {point.task: point.metric for point in points}
    heads = [task if metric[task] in ("accuracy", MEAN_METRIC) else f"{task}, {metric[task]}" for task in tasks]
    return Table("", heads, lines)


def cell(point: Point | None) -> Cell:
    """A mean in per cent, with its interval."""
    if point is None or point.mean is None:
        return Cell(DASH)
    low, high = point.interval or (None, None)
    aside = "" if low is None or high is None else f"{100 * low:.1f}{DASH}{100 * high:.1f}"
    return Cell(f"{100 * point.mean:.1f}", aside, point.mean)


def notes_of(points: Sequence[Point]) -> list[str]:
    """Why cells are empty."""
    return list(dict.fromkeys(f"{point.row}, {point.task}: {point.note}" for point in points if point.note))


def over_seeds(lab: Lab) -> str:
    """For captions: what the intervals are."""
    seeds = len(lab.seeds)
    return (
        f"Means and 95 % intervals (Student's) over {seeds} draws of labels and weights." if seeds > 1 else "One seed."
    )


def overlap(one: Point, other: Point) -> str:
    """ " (intervals overlap)", or "" where they are apart, or where there are none: of one seed."""
    return " (intervals overlap)" if one.interval and other.interval and not apart(one, other) else ""


def apart(one: Point | None, other: Point | None) -> bool:
    """Whether two intervals do not touch."""
    if not one or not other or not one.interval or not other.interval:
        return False
    return one.interval[0] > other.interval[1] or other.interval[0] > one.interval[1]
