"""Supervision in bits: what the labels of a set say, beside the text that a network read."""

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lmzoo.errors import LmzooError
from lmzoo.files import read_text
from lmzoo.report.table import DASH, Cell, Table, amount
from lmzoo.report.transfer.experiment import Experiment, Found, Lab, Start
from lmzoo.runs.store import METRICS
from lmzoo.tasks.finetuning.trials import Trial

NATS = "valid_nats_per_token"


def run(lab: Lab) -> Found:
    """Two tables of bits."""
    labels = [of_labels(one) for one in lab.trials]
    texts = [of_text(one) for one in lab.starts]
    known = [one for one in texts if one["bits"]]
    most_labels = max(labels, key=lambda one: one["bits"])
    said = f"All labels of {most_labels['task']} are {amount(most_labels['bits'])} bits"
    if known:
        most_text = max(known, key=lambda one: one["bits"])
        times = most_text["bits"] / max(most_labels["bits"], 1)
        said += (
            f"; the text that {most_text['run']} read was {amount(most_text['bits'])} bits to it, {amount(times)} times"
        )
    return Found(
        f"{said}.",
        [
            (
                "Labels · log₂ of the number of classes; and the entropy of how often the classes occur.",
                _labels(labels),
            ),
            (
                "Characters that each run read in training, a text that it read twice counted twice; as bytes of eight "
                "bits; and as bits by the run's own last validation loss, the least that the text can have told it.",
                _texts(texts),
            ),
        ],
        facts={"labels": labels, "texts": texts},
    )


def of_labels(trial: Trial) -> dict[str, Any]:
    """How many bits the labels of a set's training part hold at most."""
    examples = trial.examples
    count = trial.whole
    if examples.is_regression:
        return {"task": examples.task, "labels": count, "classes": 0, "bits": 0.0, "entropy": 0.0}
    classes = len(examples.classes)
    shares = np.bincount(examples.labels) / len(examples.labels)
    entropy = float(-(shares[shares > 0] * np.log2(shares[shares > 0])).sum())
    if examples.word_labels:  # of the words of so many sentences
        count = round(count * len(examples.labels) / len(examples.texts[0]))
    return {"task": examples.task, "labels": count, "classes": classes, "bits": count * math.log2(classes),
            "entropy": count * entropy}  # fmt: skip


def of_text(start: Start) -> dict[str, Any]:
    """How much text a run read, those that it went on from too."""
    read, there = (start.provenance.get(name) for name in ("tokens_read", "training_tokens"))
    characters = ((start.provenance.get("split_sizes") or {}).get("train") or {}).get("characters")
    nats = last_loss(start)
    return {
        "run": start.name,
        "tokens": read,
        "characters": characters * read / there if characters and read and there else None,
        "bits": read * nats / math.log(2) if read and nats else None,
    }


def last_loss(start: Start) -> float | None:
    """Its last validation loss in nats a token; None where it has none."""
    try:
        lines = read_text(start.folder / METRICS).splitlines()
        losses = [json.loads(line).get(NATS) for line in lines]
    except (OSError, LmzooError, ValueError, AttributeError):
        return None
    return next((float(loss) for loss in reversed(losses) if isinstance(loss, int | float)), None)


def _labels(facts: Sequence[dict[str, Any]]) -> Table:
    lines = [
        (one["task"], [_count(one["labels"]), _count(one["classes"]), _count(one["bits"]), _count(one["entropy"])])
        for one in facts
    ]
    return Table("set", ["labels", "classes", "bits", "entropy, bits"], lines)


def _texts(facts: Sequence[dict[str, Any]]) -> Table:
    lines = [
        (
            one["run"],
            [
                _count(one["tokens"]),
                _count(one["characters"]),
                _count(one["characters"] and 8 * one["characters"]),
                _count(one["bits"]),
            ],
        )
        for one in facts
    ]
    return Table("run", ["tokens", "characters", "bits as bytes", "bits by its own loss"], lines)


def _count(number: float | None) -> Cell:
    return Cell(DASH) if not number else Cell(amount(number), number=number)


experiment = Experiment(
    "supervision",
    "Supervision in bits",
    70,
    "A label of one in k classes is at most log₂ k bits, and every token of text a prediction that was wrong by some: "
    "why a network that is to learn from labels alone has so little to learn from.",
    lambda lab: "" if lab.trials else "labelled sets",
    run,
)
