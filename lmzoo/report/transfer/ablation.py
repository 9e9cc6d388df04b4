"""GPT-1's ablation (Radford et al. 2018, table 5): without the auxiliary loss, without pre-training, as an LSTM."""

from collections.abc import Iterable

from lmzoo.report.table import MINUS
from lmzoo.report.transfer.experiment import Experiment, Found, Lab, by_task, notes_of, over_seeds, overlap
from lmzoo.tasks.finetuning.grid import Point
from lmzoo.tasks.finetuning.networks import NetworkLearner
from lmzoo.tasks.finetuning.rows import Pretrained

AUXILIARY = 0.5  # λ, Radford et al. 2018, section 3.2
FULL, PLAIN, NONE = "full", "no auxiliary loss", "no pre-training"


def run(lab: Lab) -> Found:
    """Three rows for each network, at the largest number of labels."""
    learners = [learner for one in lab.networks for learner in variants(lab, one)]
    points = lab.points(learners, lab.trials, [lab.one_size()])
    return Found(
        sentence(lab, points),
        [(f"Scores times a hundred with {_labels(points)} labels. {over_seeds(lab)}", by_task(points))],
        facts={"points": [vars(point) for point in points]},
        notes=notes_of(points),
    )


def variants(lab: Lab, one: Pretrained) -> Iterable[NetworkLearner]:
    """The run fine-tuned with the auxiliary loss, without it, and without pre-training."""
    for name, weight, scratch in ((FULL, AUXILIARY, False), (PLAIN, 0.0, False), (NONE, AUXILIARY, True)):
        tuning = {**lab.tuning, "language_model": weight}
        yield NetworkLearner(f"{one.name}, {name}", one.text_model, one.digest, tuning, scratch, lab.run)


def sentence(lab: Lab, points: list[Point]) -> str:
    """What each part is worth, and whether the intervals allow the statement."""
    last = list(dict.fromkeys(point.task for point in points))[-1]
    found = {point.row: point for point in points if point.task == last}
    said = []
    for one in lab.networks:
        full, plain, none = (found.get(f"{one.name}, {name}") for name in (FULL, PLAIN, NONE))
        if full and plain and none and None not in (full.mean, plain.mean, none.mean):
            said.append(
                f"{one.name}: pre-training is worth {_difference(full, none)}, the auxiliary loss "
                f"{_difference(full, plain)}"
            )
    return f"{'; '.join(said)} ({last})." if said else "No network could be compared with its parts left out."


def _difference(one: Point, other: Point) -> str:
    points = f"{100 * ((one.mean or 0) - (other.mean or 0)):+.1f} points".replace("-", MINUS)
    return points + overlap(one, other)


def _labels(points: list[Point]) -> str:
    numbers = sorted({point.labels for point in points})
    return f"{numbers[0]:,}" + (f" to {numbers[-1]:,}" if len(numbers) > 1 else "")


experiment = Experiment(
    "ablation",
    "What each part is worth",
    20,
    f"Full: pre-trained, and fine-tuned with the auxiliary loss of predicting the labelled texts (λ = {AUXILIARY}); "
    "then without that loss, and without pre-training. Where a transformer and an LSTM were given, the fourth row of "
    "Radford et al. (2018), table 5, the LSTM, is the other network's.",
    lambda lab: "" if lab.trials and lab.networks else "a network and labelled sets",
    run,
)
