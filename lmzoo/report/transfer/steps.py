"""ULMFiT's ways to fine-tune, one at a time (Howard & Ruder 2018, tables 4 to 7)."""

from collections.abc import Iterable
from typing import Any

from lmzoo.report.table import MINUS, Cell, Table
from lmzoo.report.transfer.experiment import Experiment, Found, Lab, by_task, notes_of, over_seeds, overlap
from lmzoo.report.transfer.layers import depth
from lmzoo.tasks.finetuning.grid import Point
from lmzoo.tasks.finetuning.networks import NetworkLearner
from lmzoo.tasks.finetuning.rows import SCRATCH, Pretrained

PLAIN, EVERY = "full", "all of these"
WAYS: dict[str, dict[str, Any]] = {
    PLAIN: {},
    "gradual unfreezing": {"unfreeze": True},
    "discriminative rates": {"layer_decay": 2.6},
    "slanted rates": {"slanted": True},
    "concat pooling": {"pooling": "concat"},
}
PUBLISHED = {  # errors in per cent on validation sets: of IMDb, TREC-6 and AG
    "no pre-training": (5.63, 10.67, 5.52),
    "pre-trained": (5.00, 5.69, 5.38),
    "pre-trained, a plain LM": (5.98, 7.41, 5.76),
}


def run(lab: Lab) -> Found:
    """A row for each way, of each network, at a number of labels at which it should matter."""
    learners = [learner for one in lab.networks for learner in variants(lab, one)]
    size = lab.one_size(few=True)
    points = lab.points(learners, lab.trials, [size])
    published = [(name, [Cell(f"{error:.2f}") for error in errors]) for name, errors in PUBLISHED.items()]
    return Found(
        sentence(lab, points),
        [
            (
                f"Scores times a hundred with {f'{size:,}' if size else 'all'} labels. {over_seeds(lab)}",
                by_task(points),
            ),
            (
                "Published, of three layers of 1,150 cells pre-trained on WikiText-103: errors in per cent on "
                "validation sets (Howard & Ruder 2018).",
                Table("", ["IMDb", "TREC-6", "AG"], published),
            ),
        ],
        facts={"points": [vars(point) for point in points]},
        notes=notes_of(points),
    )


def variants(lab: Lab, one: Pretrained) -> Iterable[NetworkLearner]:
    """From scratch, plainly, with each way by itself, and with all. As many epochs for all as unfreezing takes."""
    epochs = max(int(lab.tuning.get("epochs", 0)), depth(one) + 2)
    plain = {**lab.tuning, "epochs": epochs, "pooling": "last", "unfreeze": False, "layer_decay": 1.0, "slanted": False}
    every = {name: value for way in WAYS.values() for name, value in way.items()}
    yield NetworkLearner(f"{one.name}, {SCRATCH}", one.text_model, one.digest, plain, scratch=True, run=lab.run)
    for name, way in {**WAYS, EVERY: every}.items():
        yield NetworkLearner(f"{one.name}, {name}", one.text_model, one.digest, {**plain, **way}, run=lab.run)


def sentence(lab: Lab, points: list[Point]) -> str:
    """What each way adds to plain fine-tuning, and whether the intervals allow the statement."""
    last = list(dict.fromkeys(point.task for point in points))[-1]
    found = {point.row: point for point in points if point.task == last and point.mean is not None}
    said = []
    for one in lab.networks:
        plain, every = found.get(f"{one.name}, {PLAIN}"), found.get(f"{one.name}, {EVERY}")
        if plain and every:
            gain = f"{100 * ((every.mean or 0) - (plain.mean or 0)):+.1f}".replace("-", MINUS)
            changed = f"{100 * (plain.mean or 0):.1f} by {gain} points{overlap(plain, every)}"
            said.append(f"{one.name}: all ways together change {changed}")
    return f"{'; '.join(said)} ({last})." if said else "No network could be fine-tuned in these ways."


experiment = Experiment(
    "steps",
    "ULMFiT’s ways, one at a time",
    50,
    "Plain fine-tuning has one learning rate for all layers and reads the last vector. To it is added: one more layer "
    "that learns in each epoch, from the top; a lower rate the deeper the layer; a rate that rises shortly and falls "
    "slowly; and the last, the mean and the maximum of the vectors together. ULMFiT's second step, the language model "
    "on the task's own text, is lmzoo train --from: give both runs to compare them.",
    lambda lab: "" if lab.trials and lab.networks else "a network and labelled sets",
    run,
    by_name=True,
)
