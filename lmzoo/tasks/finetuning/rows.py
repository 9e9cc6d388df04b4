"""The rows of a table: runs that are fine-tuned, what each is without pre-training or without tuning, and baselines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmzoo import models
from lmzoo.errors import UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Encoder, Run
from lmzoo.models.finetuned import FineTuned
from lmzoo.tasks.finetuning.baselines import Frozen, Majority, NaiveBayesSvm, TfIdf
from lmzoo.tasks.finetuning.learner import Learner
from lmzoo.tasks.finetuning.networks import NetworkLearner

TUNED, SCRATCH, FROZEN, UNTRAINED = "fine-tuned", "from scratch", "frozen", "untrained, frozen"


@dataclass(frozen=True)
class Pretrained:
    """A run to begin from."""

    name: str
    text_model: TextModel
    digest: str
    family: str  # of models: its colour


@dataclass(frozen=True)
class Rows:
    """Which rows there are of each run, beside itself fine-tuned."""

    scratch: bool = True  # the same network, which learns from the labels alone
    frozen: bool = True  # a probe of its features, as they are
    untrained: bool = False  # a probe of the features of the same network with first weights


def of_runs(
    runs: Sequence[Pretrained], tuning: Mapping[str, Any], run: Run, wanted: Rows, features: Path | None
) -> list[Learner]:
    """The rows of each run; of a model that is no network only the probe. `features`: the folder of cached ones."""
    rows: list[Learner] = []
    for one in runs:
        if is_network(one.text_model):
            rows.append(NetworkLearner(f"{one.name}, {TUNED}", one.text_model, one.digest, tuning, run=run))
            if wanted.scratch:
                name = f"{one.name}, {SCRATCH}"
                rows.append(NetworkLearner(name, one.text_model, one.digest, tuning, scratch=True, run=run))
        if wanted.frozen:
            rows.append(Frozen(f"{one.name}, {FROZEN}", one.text_model, features))
        if wanted.untrained:
            rows.append(Frozen(f"{one.name}, {UNTRAINED}", one.text_model, features, untrained=True))
    return rows


def is_network(text_model: TextModel) -> bool:
    """Whether it can be fine-tuned."""
    try:
        FineTuned.over(text_model.model)
    except UsageError:
        return False
    return isinstance(text_model.model, Encoder)


def baselines() -> list[Learner]:
    """Those that see words only: they are in every table, also where they win."""
    return [Majority(), TfIdf(), NaiveBayesSvm()]


def tuning(given: Mapping[str, str]) -> dict[str, Any]:
    """Settings of `FineTuned` in words (preset, epochs, …) as its fields. Raises UsageError for another."""
    model = models.make(FineTuned, dict(given))
    assert isinstance(model, FineTuned)
    model.check()
    # The network is the run's, and the form that of the examples, where a pair need not be read in both orders.
    joined = {"form"} if model.form == "joined" else set()
    return {name: value for name, value in model.config().items() if name not in {"network", *joined}}
