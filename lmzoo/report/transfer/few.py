"""Few labels: what is learned from 10, 100, 1,000 of them with pre-training, without, and by counting words."""

from functools import partial

from lmzoo.report.transfer.experiment import (
    Experiment,
    Found,
    Lab,
    apart,
    by_labels,
    notes_of,
    over_seeds,
)
from lmzoo.report.transfer_figures import label_curves
from lmzoo.tasks.finetuning.grid import Point
from lmzoo.tasks.finetuning.rows import SCRATCH, TUNED
from lmzoo.tasks.probing.baselines import MAJORITY


def run(lab: Lab) -> Found:
    """All rows over all numbers of labels."""
    points = lab.points(lab.all_rows(), lab.trials)
    tasks = list(dict.fromkeys(point.task for point in points))
    tables = []
    for task in reversed(tasks):  # the mean first
        of_task = [point for point in points if point.task == task]
        tested = f", tested on {of_task[0].items:,}" if of_task[0].items else ""
        tables.append((f"{task}: {of_task[0].metric}, times a hundred{tested}. {over_seeds(lab)}", by_labels(of_task)))
    shown = [point for point in points if point.task == tasks[-1]]
    return Found(
        sentence(lab, shown),
        tables,
        partial(label_curves, shown, lab.families),
        f"{tasks[-1].capitalize()} against the number of labels; bands: 95 % intervals over seeds.",
        {"points": [vars(point) for point in points]},
        notes_of(points),
    )


def sentence(lab: Lab, points: list[Point]) -> str:
    """Pre-trained against from scratch, of the best network, and the best of all else."""
    found = {(point.row, point.labels): point for point in points}
    sizes = sorted({point.labels for point in points})
    middle = next((size for size in sizes if size >= 100), sizes[-1])
    others = [point for point in points if point.labels == middle and point.mean is not None and point.row != MAJORITY]
    tuned = [point for point in others if point.row.endswith(f", {TUNED}")]
    if not tuned:
        best = max(others, key=lambda point: point.mean or 0)
        return f"With {middle:,} labels {best.row} is right most often: {_share(best)}."
    best = max(tuned, key=lambda point: point.mean or 0)
    name = best.row.removesuffix(f", {TUNED}")
    pairs = [(found.get((f"{name}, {TUNED}", size)), found.get((f"{name}, {SCRATCH}", size))) for size in sizes]
    known = [(one, other) for one, other in pairs if one and other and one.mean is not None and other.mean is not None]
    higher = sum((one.mean or 0) > (other.mean or 0) for one, other in known)
    far = sum(apart(one, other) for one, other in known)
    rivals = [point for point in others if not point.row.startswith(f"{name}, ")]
    rival = max(rivals, key=lambda point: point.mean or 0, default=None)
    scratch = found.get((f"{name}, {SCRATCH}", middle))
    parts = [f"With {middle:,} labels {name}, fine-tuned, scores {_share(best)}"]
    if scratch and scratch.mean is not None:
        parts.append(f"and the same network from scratch {_share(scratch)}")
    said = " ".join(parts) + "."
    if known:
        intervals = f", with intervals apart at {far}" if len(lab.seeds) > 1 else ""
        said += f" Pre-trained is above from scratch at {higher} of {len(known)} numbers of labels{intervals}."
    if rival:
        side = "below it" if (rival.mean or 0) < (best.mean or 0) else "above it"
        said += f" {rival.row[0].upper()}{rival.row[1:]} is {side}: {_share(rival)}."
    return said


def _share(point: Point) -> str:
    return f"{100 * (point.mean or 0):.1f}"


experiment = Experiment(
    "few",
    "Few labels",
    10,
    "Each network is fine-tuned on the first labels of the same lists as everything else here (Dai & Le 2015; Howard & "
    "Ruder 2018, figure 3): as it was pre-trained, and from first weights. A fifth of the labels that are seen is for "
    "choosing by. Beside them: a probe of the frozen features, the majority class, a logistic regression on TF-IDF and "
    "Wang & Manning's (2012) SVM on naive Bayes' log-count ratios, both of words and pairs of words.",
    lambda lab: "" if lab.trials else "labelled sets",
    run,
)
