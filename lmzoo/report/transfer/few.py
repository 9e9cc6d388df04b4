"""Few labels: what is learned from 10, 100, 1,000 of them with pre-training, without, and by counting words."""

from collections.abc import Mapping
from functools import partial

from lmzoo.report.transfer.experiment import (
    BY_THEN,
    Experiment,
    Found,
    Lab,
    apart,
    by_labels,
    notes_of,
    over_seeds,
)
from lmzoo.report.transfer_figures import talk
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
    said, *more = sentences(lab, shown)
    bars = "; bars: 95 % intervals over seeds" if len(lab.seeds) > 1 else ""
    return Found(
        said,
        tables,
        partial(talk, shown, lab.families),
        f"{tasks[-1][:1].upper()}{tasks[-1][1:]} against the number of labels{bars}.",
        {"points": [vars(point) for point in points]},
        notes_of(points),
        more,
    )


def sentences(lab: Lab, points: list[Point]) -> list[str]:
    """What the best network gains by pre-training, beside the best other row; then at how many sizes intervals part."""
    found = {(point.row, point.labels): point for point in points if point.mean is not None}
    sizes = sorted({point.labels for point in points})
    middle = next((size for size in sizes if size >= BY_THEN), sizes[-1])
    others = [point for point in points if point.labels == middle and point.mean is not None and point.row != MAJORITY]
    tuned = [point for point in others if point.row.endswith(f", {TUNED}")]
    if not tuned:
        best = max(others, key=_mean)
        return [f"With {middle:,} labels {best.row} is right most often: {_share(best)}."]
    best = max(tuned, key=_mean)
    name = best.row.removesuffix(f", {TUNED}")
    scratch = found.get((f"{name}, {SCRATCH}", middle))
    said = f"With {middle:,} labels, {best.row}, scores {_share(best)}"
    if scratch:
        lifts = "lifts" if _mean(best) > _mean(scratch) else "takes"
        said = f"With {middle:,} labels, pre-training {lifts} {name} from {_share(scratch)} to {_share(best)}"
    rival = max((one for one in others if not one.row.startswith(f"{name}, ")), key=_mean, default=None)
    if rival:
        side = "below" if _mean(rival) < _mean(best) else "above"
        said += f"; {rival.row} is {side} that, with {_share(rival)}"
        if rival.interval and not apart(best, rival):
            said += " (intervals overlap)"
    return [f"{said}.", *_sure(lab, name, found, sizes)]


def _sure(lab: Lab, name: str, found: Mapping[tuple[str, int], Point], sizes: list[int]) -> list[str]:
    """At how many numbers of labels pre-training is ahead, and how many labels it saves."""
    keys = [((f"{name}, {TUNED}", size), (f"{name}, {SCRATCH}", size)) for size in sizes]
    known = [(found[one], found[other]) for one, other in keys if one in found and other in found]
    if not known:
        return []
    higher = sum(_mean(one) > _mean(other) for one, other in known)
    ahead = sum(_mean(one) > _mean(other) and apart(one, other) for one, other in known)
    intervals = f", with intervals apart at {ahead}" if len(lab.seeds) > 1 else ""
    said = [f"Pre-trained is above from scratch at {higher} of {len(known)} numbers of labels{intervals}."]
    most = known[-1][1]
    enough = next((one for one, _ in known if _mean(one) >= _mean(most)), None)
    if enough and enough.labels < most.labels:
        said.append(
            f"Pre-trained it needs {enough.labels:,} labels for what takes {most.labels:,} from scratch "
            f"({_share(enough)} and {_share(most)})."
        )
    return said


def _mean(point: Point) -> float:
    return point.mean or 0


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
