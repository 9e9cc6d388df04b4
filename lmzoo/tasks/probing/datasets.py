"""Labelled texts, to probe features with and to fine-tune on, split the same way each time."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lmzoo.data import task_cards
from lmzoo.errors import one_of
from lmzoo.files import typed
from lmzoo.interface import Array, Progress
from lmzoo.tasks.probing import label_files
from lmzoo.tasks.probing.label_files import TEST as TEST
from lmzoo.tasks.probing.label_files import TRAIN as TRAIN
from lmzoo.tasks.probing.label_files import UNSPLIT as UNSPLIT
from lmzoo.tasks.probing.label_files import VALID as VALID
from lmzoo.tasks.probing.label_files import ProbeCard

FOLDS = 10


@dataclass(frozen=True)
class ProbeSet:
    """Texts with a label each; or pairs of texts; or sentences with a label for each word."""

    task: str  # the heading of its column: "SST-2"
    # One list (N,), or two: the first and the second text of each pair; or more: a beginning and its continuations.
    texts: tuple[list[str], ...]
    # (N,) classes, or numbers where the task is regression; of words, those of all texts in order; of continuations,
    # which is right, from 0.
    labels: Array
    parts: Array  # like `labels`: TRAIN, VALID, TEST or UNSPLIT
    metric: str = "accuracy"  # or MCC, Pearson, F1 (of spans of words, whose classes are O, B-TYPE and I-TYPE)
    classes: tuple[str, ...] = ()  # the names of the classes 0, 1, …, where they are known
    word_labels: bool = False  # whether words have labels: the texts are then words with single spaces between
    generated: bool = False  # whether the corpus's own grammar wrote it, which sees to it that no training text has it

    @property
    def is_regression(self) -> bool:
        """Whether labels are numbers, not classes."""
        return self.labels.dtype.kind == "f"

    @property
    def is_choice(self) -> bool:
        """Whether one of several continuations is to be chosen."""
        return len(self.texts) > 2

    @property
    def is_binary(self) -> bool:
        """Whether there are exactly two classes."""
        return not self.is_regression and len(np.unique(self.labels)) == 2

    def digest(self) -> str:
        """SHA-256 of all of it."""
        arrays = {"labels": self.labels.tolist(), "parts": self.parts.tolist()}
        text = json.dumps([self.task, self.texts, arrays, self.metric, self.classes, self.word_labels])
        return hashlib.sha256(text.encode()).hexdigest()

    def limited(self, count: int, seed: int = 0) -> "ProbeSet":
        """At most `count` labelled texts of each part, drawn by `seed`, in their order."""
        owners = self.owners()
        parts = np.zeros(len(self.texts[0]), dtype=int)
        parts[owners] = self.parts
        order = np.random.default_rng(seed).permutation(len(parts))
        return self.only(np.sort(np.concatenate([order[parts[order] == part][:count] for part in np.unique(parts)])))

    def only(self, chosen: Array) -> "ProbeSet":
        """The texts of these numbers, which are in order, with their labels."""
        texts = tuple([column[n] for n in chosen.tolist()] for column in self.texts)
        of_chosen = np.isin(self.owners(), chosen)
        return replace(self, texts=texts, labels=self.labels[of_chosen], parts=self.parts[of_chosen])

    def test_texts(self) -> Iterator[str]:
        """All texts that are tested on."""
        owners = np.unique(self.owners()[np.isin(self.parts, (TEST, UNSPLIT))])
        return (column[n] for column in self.texts for n in owners.tolist())

    def words(self) -> list[str]:
        """The words of all texts, one for each label."""
        return [word for text in self.texts[0] for word in text.split(" ")]

    def owners(self) -> Array:
        """The number of the text that each label belongs to."""
        counts = [len(text.split(" ")) if self.word_labels else 1 for text in self.texts[0]]
        return np.repeat(np.arange(len(counts)), counts)


@dataclass(frozen=True)
class Split:
    """The positions of the examples to train on, to choose settings on, and to test on."""

    train: Array
    valid: Array
    test: Array

    @property
    def train_and_valid(self) -> Array:
        """What the final predictor is fitted on."""
        return np.concatenate([self.train, self.valid])


def splits(examples: ProbeSet) -> list[Split]:
    """The published split; or ten stratified folds, as in SentEval (Conneau & Kiela 2018), the same for every model."""
    parts = examples.parts
    train, valid, test = (np.flatnonzero(parts == part) for part in (TRAIN, VALID, TEST))
    if (parts == UNSPLIT).all() and len(parts):
        fold = _stratified_folds(examples.labels)
        # Fold k is tested, and the next one is the validation set.
        held_out = [(np.flatnonzero(fold == k), np.flatnonzero(fold == (k + 1) % FOLDS)) for k in range(FOLDS)]
        return [Split(np.setdiff1d(np.arange(len(parts)), np.union1d(t, v)), v, t) for t, v in held_out]
    if not len(valid):
        fold = _stratified_folds(examples.labels[train])
        if examples.word_labels:  # the words of a sentence stay together
            sentences, sentence_of = np.unique(examples.owners()[train], return_inverse=True)
            fold = _stratified_folds(np.zeros(len(sentences)))[sentence_of]
        train, valid = train[fold > 0], train[fold == 0]
    return [Split(train, valid, test)]


def _stratified_folds(labels: Array) -> Array:
    """A fold for each example, (N,): shuffled, then dealt out class by class."""
    # Not scikit-learn's StratifiedKFold: its folds differ, and with them every published figure of this program.
    order = np.random.default_rng(0).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(len(labels), dtype=int)
    fold[order] = np.arange(len(labels)) % FOLDS
    return fold


# ── Cards ─────────────────────────────────────────────────────────────────────────────────────────


def names(by_default: bool = False) -> list[str]:
    """The tasks that can be probed for, whose card has a `[[probe]]` table; `by_default`: those that "all" means."""
    cards = {name: task_cards.find(name).probe for name in task_cards.names()}
    return [name for name, tables in cards.items() if tables and not (by_default and tables[0].get("by_name"))]


def load(name: str, mirror: str | None = None, progress: Progress | None = None) -> list[ProbeSet]:
    """The sets of a task, one for each `[[probe]]` table.

    Raises UsageError for a name that is not among `names`, FormatError for a card or file with a mistake, DownloadError
    where a file cannot be had.
    """
    one_of("probing task", name, names())
    where = f"the card of {name} is not right: its [[probe]]"
    probes = [typed(table, ProbeCard, where, closed=True) for table in task_cards.find(name).probe]
    contents = task_cards.fetch(name, mirror, progress)
    return [_set_of(card.column, label_files.read(card, contents), card) for card in probes]


def own(path: Path) -> ProbeSet:
    """The set in a TSV of one's own, see `label_files.read_own`, under the name of the file."""
    return _set_of(path.stem, label_files.read_own(path))


def _set_of(task: str, read: label_files.Labelled, card: ProbeCard | None = None) -> ProbeSet:
    metric, of_words = (
        (card.metric, bool(card.tags or card.format.startswith("conll"))) if card else ("accuracy", False)
    )
    return ProbeSet(task, read.texts, read.labels, read.parts, metric, read.classes, of_words)
