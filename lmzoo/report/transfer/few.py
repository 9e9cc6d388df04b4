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
    overlap,
)
from lmzoo.report.transfer_figures import label_curves
from lmzoo.tasks.finetuning.grid import Point
from lmzoo.tasks.finetuning.rows import FROZEN, SCRATCH, TUNED
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
    said, *more = sentences(len(lab.seeds), shown)
    bars = "; bars: 95 % intervals over seeds" if len(lab.seeds) > 1 else ""
    return Found(
        said,
        tables,
        partial(label_curves, shown, lab.families),
        f"{tasks[-1][:1].upper()}{tasks[-1][1:]} against the number of labels{bars}.",
        {"points": [vars(point) for point in points]},
        notes_of(points),
        more,
    )


def sentences(seeds: int, points: list[Point]) -> list[str]:
    """What the best network gains by pre-training, beside the best other row; how surely; and what the others gain."""
    found = {(point.row, point.labels): point for point in points if point.mean is not None}
    sizes = sorted({point.labels for point in points})
    middle = next((size for size in sizes if size >= BY_THEN), sizes[-1])
    shown = list(dict.fromkeys([middle, sizes[-1]]))
    tuned = sorted((row for row, size in found if size == middle and row.endswith(f", {TUNED}")),
                   key=lambda row: -_mean(found[row, middle]))  # fmt: skip
    if not tuned:
        best = max((point for (row, size), point in found.items() if size == middle and row != MAJORITY), key=_mean)
        return [f"With {middle:,} labels {best.row} is right most often: {_share(best)}."]
    names = [row.removesuffix(f", {TUNED}") for row in tuned]
    others = [gain for name in names[1:] if (gain := _gain(name, found, shown))]
    first = _gain(names[0], found, shown) or f"{tuned[0]}, scores {_share(found[tuned[0], middle])}"
    rivals = _rivals(names[0], found, shown)
    return [
        f"{first[0].upper()}{first[1:]}{f'; {rivals}' if rivals else ''}.",
        *_sure(seeds, names[0], found, sizes),
        *(f"{gain[0].upper()}{gain[1:]}." for gain in others),
    ]


def _gain(name: str, found: Mapping[tuple[str, int], Point], shown: list[int]) -> str:
    """ "pre-training lifts LSTM from 50.0 to 80.0 with 100 labels and from 80.0 to 85.0 with 1,000"; or ""."""
    pairs = [(size, found.get((f"{name}, {SCRATCH}", size)), found.get((f"{name}, {TUNED}", size))) for size in shown]
    known = [(size, scratch, tuned) for size, scratch, tuned in pairs if scratch and tuned]
    if not known:
        return ""
    lifts = "lifts" if all(_mean(tuned) > _mean(scratch) for _, scratch, tuned in known) else "takes"
    steps = [f"from {_share(scratch)} to {_share(tuned)} with {size:,}{' labels' * (not n)}{overlap(scratch, tuned)}"
             for n, (size, scratch, tuned) in enumerate(known)]  # fmt: skip
    return f"pre-training {lifts} {name}{',' * (',' in name)} {' and '.join(steps)}"


def _rivals(name: str, found: Mapping[tuple[str, int], Point], shown: list[int]) -> str:
    """The best row of anything else, with each number of labels."""
    own = {f"{name}, {role}" for role in (TUNED, SCRATCH, FROZEN)}
    said = []
    for size in shown:
        rest = [point for (row, labels), point in found.items() if labels == size and row not in {*own, MAJORITY}]
        tuned = found.get((f"{name}, {TUNED}", size))
        if rest and tuned:
            best = max(rest, key=_mean)
            said.append(f"{_share(best)} by {best.row}{overlap(tuned, best)}")
    return f"the best of the others: {', then '.join(said)}" if said else ""


def _sure(seeds: int, name: str, found: Mapping[tuple[str, int], Point], sizes: list[int]) -> list[str]:
    """At how many numbers of labels pre-training is ahead, and how many labels it saves."""
    keys = [((f"{name}, {TUNED}", size), (f"{name}, {SCRATCH}", size)) for size in sizes]
    known = [(found[one], found[other]) for one, other in keys if one in found and other in found]
    if not known:
        return []
    higher = sum(_mean(one) > _mean(other) for one, other in known)
    ahead = sum(_mean(one) > _mean(other) and apart(one, other) for one, other in known)
    intervals = f", with intervals apart at {ahead}" if seeds > 1 else ""
    subject = f"Pre-trained, {name}{',' * (',' in name)}"
    said = [f"{subject} is above from scratch at {higher} of {len(known)} numbers of labels{intervals}."]
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
