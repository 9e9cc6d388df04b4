"""What learns from labels, a row of the table each, and what it scored: read this first.

    learner.predict(examples, split, seed, progress)      the predictions for `split.test`, and how it came to them

A learner sees no label but those of `split.train` and `split.valid`: the others are blanked before it is asked
(`hidden`), so that no test label can choose anything. What it cannot learn it refuses with an LmzooError: its cell
then has no value, and the error as a note.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from lmzoo.interface import Array, Progress
from lmzoo.tasks.probing.datasets import ProbeSet, Split


@dataclass(frozen=True)
class Predicted:
    """What a learner predicts for the test examples, and how it came to it."""

    values: Array  # like `split.test`: classes, of words their classes, of choices the place of the best, or numbers
    facts: Mapping[str, Any] = field(default_factory=dict)  # what JSON holds: steps, rate, texts truncated, layer …


class Learner(Protocol):
    """A row: a network that is fine-tuned, the same from scratch, or a baseline. Any object with these three is one."""

    @property
    def name(self) -> str:
        """The row's label, unlike that of any other row: "books-lstm", "books-lstm, from scratch", "TF-IDF"."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that its predictions depend on beside examples, split and seed, as JSON: a cell is reused by these."""
        ...

    def predict(self, examples: ProbeSet, split: Split, seed: int, progress: Progress) -> Predicted:
        """Learn from `split.train`, choose by `split.valid`, and predict `split.test`.

        Of classes it need not have seen an example of each: there are `len(examples.classes)`. Where words have labels,
        positions are words, and those of a text are all in the same part. Raises LmzooError for what it cannot learn.
        """
        ...


@dataclass(frozen=True)
class Cell:
    """What a learner scored on a test set after learning from so many labels: the mean of a table is over seeds."""

    row: str  # the learner's name
    task: str  # the heading of its column: "SST-2"; or "SST-2 → IMDB", learned on one and tested on the other
    metric: str
    labels: int  # that it learned from, those chosen by among them; of words, labelled sentences
    seed: int
    value: float | None  # None: `note` says why
    items: int  # test items
    seconds: float = 0.0
    facts: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


def hidden(examples: ProbeSet, split: Split) -> ProbeSet:
    """`examples` with every label blanked that a learner may not see: each is then the first training label."""
    labels = np.full_like(examples.labels, examples.labels[split.train[0]])
    learned = split.train_and_valid
    labels[learned] = examples.labels[learned]
    return replace(examples, labels=labels)
