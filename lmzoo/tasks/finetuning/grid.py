"""A table of learners × tasks × numbers of labels × seeds: each cell is computed once, and kept on disk as it ends."""

import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lmzoo.drafts import write_atomically
from lmzoo.errors import FormatError, LmzooError, ScoreError
from lmzoo.evaluation import statistics
from lmzoo.files import read_json
from lmzoo.interface import Progress
from lmzoo.tasks.finetuning.learner import Cell, Learner, Predicted, hidden
from lmzoo.tasks.finetuning.trials import Trial
from lmzoo.tasks.metrics import metric
from lmzoo.tasks.probing.datasets import Split
from lmzoo.tasks.probing.probe import metrics

VERSION = 1  # of what is computed below; another version has other files

LEAST = {"accuracy": 0.0, "F1": 0.0}  # the lowest score of a metric; of correlations −1


@dataclass(frozen=True)
class Point:
    """A row's score with so many labels, over seeds."""

    row: str
    task: str
    metric: str
    labels: int
    values: tuple[float, ...]  # of each seed
    mean: float | None
    interval: tuple[float, float] | None  # 95 % of Student's t, over seeds; None for one seed
    items: int  # test items
    note: str = ""  # why there is no mean


def fill(
    learners: Sequence[Learner],
    trials: Sequence[Trial],
    sizes: Sequence[int | None],
    folder: Path | None,
    progress: Progress | None = None,
) -> list[Cell]:
    """All cells, those in `folder` (None: none) without computing them again, but for sizes that a set does not have.

    Each is written as it ends, so that a process that is killed loses the one at work.
    """
    progress, cells = progress or Progress(), []
    work = [
        (trial, labels, seed, learner)
        for trial in trials
        for labels in dict.fromkeys(trial.whole if size is None else size for size in sizes)
        if labels <= trial.whole
        for seed in trial.orders
        for learner in learners
    ]
    with progress.task("learning from labels", len(work)) as task:
        for trial, labels, seed, learner in work:
            task.doing(f"{learner.name}: {trial.examples.task}, {labels:,} labels, seed {seed}")
            cells += _cells(learner, trial, labels, seed, folder, progress)
            task.advance()
    return cells


def _cells(
    learner: Learner, trial: Trial, labels: int, seed: int, folder: Path | None, progress: Progress
) -> list[Cell]:
    """A cell for each test set of the trial."""
    split = trial.split(labels, seed)
    learned = [split.train, split.valid]
    if not getattr(learner, "draws", True):  # with all labels, such a baseline has one result for all seeds
        learned, drawn = [np.sort(part) for part in learned], 0
    else:
        drawn = seed
    tested, name = trial.tested(), metrics(trial.examples)[0]
    blank = [Cell(learner.name, task, name, labels, seed, None, len(places)) for task, places in tested.items()]
    began = time.perf_counter()
    try:
        path = folder and folder / f"{_key(VERSION, learner.settings, trial.digest, *learned, split.test, drawn)}.json"
        with suppress(OSError, FormatError):  # a damaged file is as good as none
            if path:
                return [replace(cell, row=learner.name, seed=seed) for cell in read_json(path, list[Cell])]
        predicted = learner.predict(hidden(trial.examples, split), split, seed, progress)
        values = _scores(predicted, trial, split, name)
    except LmzooError as error:
        return [replace(cell, note=str(error)) for cell in blank]
    seconds = time.perf_counter() - began
    facts = json.loads(json.dumps(predicted.facts, default=_plain))  # as they are read again
    cells = [replace(cell, value=values[cell.task], seconds=seconds, facts=facts) for cell in blank]
    if path:
        write_atomically(path, json.dumps([vars(cell) for cell in cells]).encode())
    return cells


def _scores(predicted: Predicted, trial: Trial, split: Split, name: str) -> dict[str, float]:
    found = np.asarray(predicted.values)
    if found.shape != split.test.shape or not np.isfinite(found).all():
        raise ScoreError("its predictions are not all finite: a lower learning rate may help")
    scores: dict[str, float] = {}
    first = 0
    for task, positions in trial.tested().items():
        truth, of_task = trial.examples.labels[positions], found[first : first + len(positions)]
        scores[task] = float(metric(name)(truth, of_task))
        first += len(positions)
    return scores


def points(cells: Iterable[Cell]) -> list[Point]:
    """The cells with their seeds put together, in the order of the first seed's."""
    groups: dict[tuple[str, str, str, int], list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[cell.row, cell.task, cell.metric, cell.labels].append(cell)
    made = []
    for (row, task, name, labels), group in groups.items():
        values = tuple(cell.value for cell in group if cell.value is not None)
        note = next((cell.note for cell in group if cell.note), "")
        mean = float(np.mean(values)) if values else None
        interval = statistics.t_interval(values)
        if interval:  # no score is beyond these
            interval = max(interval[0], LEAST.get(name, -1.0)), min(interval[1], 1.0)
        made.append(Point(row, task, name, labels, values, mean, interval, group[0].items, note))
    return made


def _key(*parts: Any) -> str:
    text = json.dumps([part.tolist() if isinstance(part, np.ndarray) else part for part in parts], default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays, mappings and paths as JSON has them."""
    return (
        value.tolist()
        if isinstance(value, np.ndarray | np.generic)
        else dict(value)
        if hasattr(value, "keys")
        else str(value)
    )
