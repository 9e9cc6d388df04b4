"""Where scores mislead: pairs told apart by one text alone, and reviews of another kind than were learned from."""

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from lmzoo.report.transfer.experiment import Experiment, Found, Lab, by_task, is_half, notes_of, over_seeds
from lmzoo.tasks.finetuning import grid
from lmzoo.tasks.finetuning.grid import Point
from lmzoo.tasks.finetuning.trials import Trial
from lmzoo.tasks.probing.baselines import MAJORITY
from lmzoo.tasks.probing.datasets import TEST, UNSPLIT, ProbeSet

SOURCES, TARGETS = ("sst2", "sst2-raw"), ("imdb", "cr", "mr")  # of positive and negative reviews


def run(lab: Lab) -> Found:
    """Two tables with all rows, at the largest number of labels."""
    points: list[Point] = []
    tables, said = [], []
    if halves := pairs(lab):
        found = grid.points(lab.scored(lab.all_rows(), halves, [lab.one_size()]))
        tables.append((f"Both texts, and one alone: scores times a hundred. {over_seeds(lab)}", by_task(found)))
        said.append(of_halves(found))
        points += found
    for trial, left_out in away(lab):
        found = grid.points(lab.scored(lab.all_rows(), [trial], [lab.one_size()]))
        home = trial.examples.task
        without = [f"{count:,} of {task}" for task, count in left_out.items() if count]
        seen = f" Not tested, for they are to be learned from too: {', '.join(without)}." if without else ""
        caption = f"Learned from {home}, tested there and elsewhere: accuracy in per cent. {over_seeds(lab)}{seen}"
        tables.append((caption, by_task(found)))
        said.append(of_domains(found))
        points += found
    return Found(" ".join(said), tables, facts={"points": [vars(point) for point in points]}, notes=notes_of(points))


def pairs(lab: Lab) -> list[Trial]:
    """Sets of pairs of which one text alone is a set too, each followed by that."""
    of_task = [list(sets) for sets in lab.sets.values() if any(map(is_half, sets))]
    return [lab.trial(one) for sets in of_task for one in sets if not one.is_regression]


def away(lab: Lab) -> list[tuple[Trial, dict[str, int]]]:
    """A set of sentiment with the other such sets to be tested on, and how many texts of each it has itself."""
    known = {name: lab.sets[name][0] for name in (*SOURCES, *TARGETS) if name in lab.sets}
    source = next((name for name in SOURCES if name in known), None)
    if source is None:
        return []
    learned = known[source]
    seen = {plain(text) for text, part in zip(learned.texts[0], learned.parts, strict=True) if part != TEST}
    tested, left_out = {learned.task: learned}, dict[str, int]()
    for name in TARGETS:
        if name in known and known[name].classes == learned.classes:
            other = as_test(known[name])
            fresh = np.array([plain(text) not in seen for text in other.texts[0]], dtype=bool) & (other.parts == TEST)
            left_out[other.task] = int((other.parts == TEST).sum() - fresh.sum())
            if fresh.any():
                tested[f"{learned.task} → {other.task}"] = other.only(np.flatnonzero(fresh))
    return [(lab.trial(learned, tested), left_out)] if len(tested) > 1 else []


def as_test(examples: ProbeSet) -> ProbeSet:
    """A set without a split as one that is all to be tested."""
    return replace(examples, parts=np.where(examples.parts == UNSPLIT, TEST, examples.parts))


def plain(text: str) -> str:
    """Its letters and digits: MR's sentences and SST's are the same, but for spaces and brackets."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def of_halves(points: list[Point]) -> str:
    """The best row that has read one text only, beside the majority class."""
    alone = [point for point in points if point.task.endswith(" alone") and point.mean is not None]
    majority = {point.task: point.mean or 0 for point in alone if point.row == MAJORITY}
    said = []
    for task in majority:
        best = max((point for point in alone if point.task == task), key=lambda point: point.mean or 0)
        said.append(f"{task}: {best.row} {100 * (best.mean or 0):.1f}, the majority class {100 * majority[task]:.1f}")
    return f"What can be told without the other text: {'; '.join(said)}."


def of_domains(points: list[Point]) -> str:
    """The best row at home, and how far it falls."""
    tasks = list(dict.fromkeys(point.task for point in points))
    means: Mapping[tuple[str, str], float] = {(p.row, p.task): p.mean for p in points if p.mean is not None}
    at_home = [row for row, task in means if task == tasks[0]]
    best = max(at_home, key=lambda row: means[row, tasks[0]])
    parts = [f"{100 * means[best, task]:.1f} on {task}" for task in tasks if (best, task) in means]
    return f"{best[0].upper()}{best[1:]}, the best on {tasks[0]}, scores {', '.join(parts)}."


experiment = Experiment(
    "domains",
    "One text alone, and other domains",
    60,
    "A pair of which one text alone gives the label away was not understood (Gururangan et al. 2018; Poliak et al. "
    "2018). What was learned from film snippets is of use where it also holds for whole reviews, or those of cameras.",
    lambda lab: "" if pairs(lab) or away(lab) else "pairs (rte, sick), or sst2 with imdb, mr or cr",
    run,
)
