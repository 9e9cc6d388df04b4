"""Layers transferred (Radford et al. 2018, figure 2): the score against how many layers keep what they learned."""

from dataclasses import replace
from functools import partial

from lmzoo.neural.finetuning.layers import Layers
from lmzoo.report.transfer.experiment import Experiment, Found, Lab, by_task, notes_of, over_seeds
from lmzoo.report.transfer_figures import numbered_curves
from lmzoo.tasks.finetuning.grid import Point
from lmzoo.tasks.finetuning.networks import NetworkLearner
from lmzoo.tasks.finetuning.rows import SCRATCH, Pretrained

SEPARATOR = ", layers "


def run(lab: Lab) -> Found:
    """A row for each number of layers of each network, at a number of labels at which pre-training should matter."""
    learners = []
    for one in lab.networks:
        learners.append(_learner(lab, one, f"{one.name}, {SCRATCH}", lab.tuning, scratch=True))
        for count in range(depth(one) + 1):
            tuning = {**lab.tuning, "transfer": count}
            learners.append(_learner(lab, one, f"{one.name}{SEPARATOR}{count}", tuning))
    size = lab.one_size(few=True)
    points = lab.points(learners, lab.trials, [size])
    last = list(dict.fromkeys(point.task for point in points))[-1]
    shown = [point for point in points if point.task == last]
    labels = f"{size:,}" if size else "all"
    return Found(
        sentence(lab, shown),
        [(f"Scores times a hundred with {labels} labels. {over_seeds(lab)}", by_task(points))],
        partial(numbered_curves, curves(lab, shown), lab.families, "layers transferred", last),
        f"{last[:1].upper()}{last[1:]} with {labels} labels, by how many of the lowest layers keep what they learned: "
        "none but the embeddings (0) to all. Those above begin with first weights.",
        {"points": [vars(point) for point in points]},
        notes_of(points),
    )


def depth(one: Pretrained) -> int:
    """How many layers its network has."""
    return Layers(one.text_model.model.net_).count


def curves(lab: Lab, points: list[Point]) -> dict[str, list[tuple[float, Point]]]:
    """Of each network its points by number of layers."""
    found = {point.row: point for point in points if point.mean is not None}
    return {
        one.name: [
            (float(count), replace(found[row], row=one.name))
            for count in range(depth(one) + 1)
            if (row := f"{one.name}{SEPARATOR}{count}") in found
        ]
        for one in lab.networks
    }


def sentence(lab: Lab, points: list[Point]) -> str:
    """From the embeddings alone to all layers."""
    found = {point.row: point.mean for point in points}
    said = []
    for one in lab.networks:
        means = [found.get(f"{one.name}, {SCRATCH}")]
        means += [found.get(f"{one.name}{SEPARATOR}{count}") for count in range(depth(one) + 1)]
        if None not in means:
            said.append(f"{one.name} scores {', '.join(f'{100 * (mean or 0):.1f}' for mean in means)}")
    if not said:
        return "No network could be transferred layer by layer."
    return f"From scratch, with its embeddings, and with ever more layers: {'; '.join(said)} ({points[0].task})."


def _learner(lab: Lab, one: Pretrained, name: str, tuning: object, scratch: bool = False) -> NetworkLearner:
    return NetworkLearner(name, one.text_model, one.digest, tuning, scratch, lab.run)  # type: ignore[arg-type]


experiment = Experiment(
    "layers",
    "Layers transferred",
    30,
    "Only so many of the lowest layers are copied from the pre-trained network, the others begin anew: if pre-training "
    "gave no more than good embeddings, the first copied would be worth as much as all.",
    lambda lab: "" if lab.trials and lab.networks else "a network and labelled sets",
    run,
)
