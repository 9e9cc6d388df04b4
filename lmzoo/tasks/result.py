"""What a model scored in one task: a figure, its confidence interval, and what guessing would score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self


@dataclass(frozen=True)
class TaskResult:
    """One model's result in one task, under one metric."""

    task: str  # the heading of its column: "SST-2"
    metric: str  # accuracy, MCC, Pearson, Spearman, perplexity or word error rate; shares, not percentages
    value: float | None  # None: the model cannot do this task, and `note` says why
    interval: tuple[float, float] | None = None  # 95 % confidence
    chance: float | None = None  # what guessing scores; of word error rates, what the first candidates score
    items: int = 0  # test items
    training: int = 0  # labelled examples it learned from; 0: none
    kind: str = ""  # probe, zero-shot, rescoring, exam, multiple choice
    protocol: str = ""  # how it was scored, in a few words
    note: str = ""  # a footnote
    group: str = ""  # of an exam's phenomenon: local, near, associative or long
    # What only this kind of task has to report: the scoring rule, a fitted weight, … Not part of `to_json`.
    details: Mapping[str, Any] = field(default_factory=dict)
    # The same metric on groups of the items: {"phenomenon": [a result each], …}. Not part of `to_json`.
    parts: Mapping[str, "Sequence[TaskResult]"] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The keys that results.json has."""
        return {name: getattr(self, name) for name in KEYS}

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        interval = facts.get("interval")
        known = {name: facts[name] for name in KEYS if name in facts or name != "group"}  # runs of old have no groups
        return cls(**known | {"interval": interval and tuple(interval)})


KEYS = tuple(part.name for part in fields(TaskResult) if part.name not in ("details", "parts"))
