"""Networks that learn from labels: a run that is fine-tuned, and the same network from scratch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Array, Examples, Ids, Progress, Run
from lmzoo.models.finetuned import FineTuned
from lmzoo.tasks.finetuning.learner import Predicted
from lmzoo.tasks.probing.datasets import ProbeSet, Split


@dataclass(frozen=True)
class NetworkLearner:
    """A row: a network with a head, which learn together.

    `form` is chosen by the examples: joined pairs, unless it is "both", a choice, or tags.
    """

    name: str
    text_model: TextModel  # of a network, or of one that was fine-tuned
    digest: str  # of the run: what it has learned before
    tuning: Mapping[str, Any] = field(default_factory=dict)  # settings of `FineTuned`
    scratch: bool = False  # begin with first weights, drawn by the seed
    run: Run = field(default_factory=Run)  # device, precision …; its seed is not used

    @property
    def settings(self) -> dict[str, Any]:
        """The run, and how it is fine-tuned."""
        how = {name: getattr(self.run, name) for name in ("steps", "seconds", "device", "precision")}
        model = FineTuned.over(self.text_model.model, **self.tuning)
        return {"learner": "network", "run": self.digest, "scratch": self.scratch, **how, **model.config()}

    def predict(self, examples: ProbeSet, split: Split, seed: int, progress: Progress) -> Predicted:
        """Fine-tune on the training examples, stop by the validation examples, and predict the test examples."""
        model = self.learned(examples, split.train, split.valid, seed, progress)
        values = model.predict(encoded(self.text_model, examples, split.test).texts)
        if examples.word_labels:  # which are in the order of their texts
            values = values[np.argsort(np.argsort(split.test))]
        facts = {**model.facts, "remarks": list(model.remarks)}
        return Predicted(values, facts)

    def learned(self, examples: ProbeSet, train: Array, valid: Array, seed: int, progress: Progress) -> FineTuned:
        """The network after learning from examples at these positions. Raises LmzooError for what it cannot learn."""
        model = FineTuned.over(self.text_model.model, **{**self.tuning, "form": self._form(examples)})
        if self.scratch:
            model = model.untrained(seed)
        run = Run(**{**vars(self.run), "seed": seed, "progress": progress})
        sets = [encoded(self.text_model, examples, positions) for positions in (train, valid)]
        return model.fit_labels(sets[0], sets[1], run)

    def _form(self, examples: ProbeSet) -> str:
        if examples.word_labels:
            return "tags"
        if len(examples.texts) > 2:
            return "choice"
        asked = self.tuning.get("form", "joined")
        return asked if len(examples.texts) == 2 and asked == "both" else "joined"


def encoded(text_model: TextModel, examples: ProbeSet, positions: Array) -> Examples:
    """The examples at `positions`; where words have labels, all words of some texts, in their order."""
    tokenizer = text_model.tokenizer
    numbers = np.sort(positions) if examples.word_labels else positions
    labels = examples.labels[numbers]

    def encode(text: str) -> Ids:
        return tokenizer.encode(tokenizer.normalize(text) if text else text)

    if not examples.word_labels:
        chosen = [tuple(encode(column[n]) for column in examples.texts) for n in numbers.tolist()]
        return Examples(chosen, labels, examples.classes)
    chosen, (column, *_) = [], examples.texts
    owners = np.repeat(np.arange(len(column)), [len(text.split(" ")) for text in column])
    for n in dict.fromkeys(owners[numbers].tolist()):
        ids = encode(column[n])
        chosen.append((ids, tokenizer.word_ends(column[n].split(" "), ids)))
    return Examples(chosen, labels, examples.classes)
