"""Labelled texts for probes, read as the cards in `corpora/tasks/` describe them and split the same way each time."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lmzoo.data import task_cards
from lmzoo.errors import FormatError, one_of
from lmzoo.files import typed
from lmzoo.interface import Array, Progress

TRAIN, VALID, TEST, UNSPLIT = 0, 1, 2, -1
PARTS = {"train": TRAIN, "valid": VALID, "test": TEST, "unsplit": UNSPLIT}
FOLDS = 10


@dataclass(frozen=True)
class ProbeSet:
    """Texts with a label each; or pairs of texts; or sentences with a label for each word."""

    task: str  # the heading of its column: "SST-2"
    texts: tuple[list[str], ...]  # one list (N,), or two: the first and the second text of each pair
    labels: Array  # (N,) classes, or numbers where the task is regression; of words, those of all texts in order
    parts: Array  # like `labels`: TRAIN, VALID, TEST or UNSPLIT
    metric: str = "accuracy"  # or MCC, or Pearson
    classes: tuple[str, ...] = ()  # the names of the classes 0, 1, …, where they are known
    word_labels: bool = False  # whether words have labels: the texts are then words with single spaces between
    generated: bool = False  # whether the corpus's own grammar wrote it, which sees to it that no training text has it

    @property
    def is_regression(self) -> bool:
        """Whether labels are numbers, not classes."""
        return self.labels.dtype.kind == "f"

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
        owners = self._owners()
        parts = np.zeros(len(self.texts[0]), dtype=int)
        parts[owners] = self.parts
        order = np.random.default_rng(seed).permutation(len(parts))
        chosen = np.sort(np.concatenate([order[parts[order] == part][:count] for part in np.unique(parts)]))
        texts = tuple([column[n] for n in chosen.tolist()] for column in self.texts)
        of_chosen = np.isin(owners, chosen)
        return replace(self, texts=texts, labels=self.labels[of_chosen], parts=self.parts[of_chosen])

    def test_texts(self) -> Iterator[str]:
        """All texts that are tested on."""
        owners = np.unique(self._owners()[np.isin(self.parts, (TEST, UNSPLIT))])
        return (column[n] for column in self.texts for n in owners.tolist())

    def words(self) -> list[str]:
        """The words of all texts, one for each label."""
        return [word for text in self.texts[0] for word in text.split(" ")]

    def _owners(self) -> Array:
        """The text that each label belongs to."""
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


@dataclass(frozen=True)
class ProbeCard:
    """How the lines of a task's files become a probe set: a `[[probe]]` table of its card."""

    column: str  # the heading of its column
    files: Mapping[str, str]  # part (train, valid, test, unsplit) → file, by its stem
    fields: tuple[str, ...] = ()  # the columns of a line
    separator: str = "\t"
    header: bool = False  # whether the first line names the columns
    texts: tuple[str, ...] = ()  # the field of the text, or the two fields of a pair
    label: str = "label"  # the field of the label: a class's number or name, or a number where the metric is Pearson
    classes: tuple[str, ...] = ()
    metric: str = "accuracy"
    # Of lines of words with tags ("the/at dog/nn"), instead of fields:
    tags: tuple[tuple[str, ...], ...] = ()  # (class, beginnings of tags, …): the first that fits
    cuts: tuple[tuple[int, ...], ...] = ()  # lines where validation text, test text and the next training text begin
    words: Mapping[str, int] = field(default_factory=dict)  # part → how many words are drawn


def names() -> list[str]:
    """The tasks that can be probed for: those whose card has a `[[probe]]` table."""
    return [name for name in task_cards.names() if task_cards.find(name).probe]


def load(name: str, mirror: str | None = None, progress: Progress | None = None) -> list[ProbeSet]:
    """The sets of a task, one for each `[[probe]]` table.

    Raises UsageError for a name that is not among `names`, FormatError for a card or file with a mistake, DownloadError
    where a file cannot be had.
    """
    one_of("probing task", name, names())
    where = f"the card of {name} is not right: its [[probe]]"
    probes = [typed(table, ProbeCard, where, closed=True) for table in task_cards.find(name).probe]
    contents = task_cards.fetch(name, mirror, progress)
    return [(_read_tagged if card.tags else _read)(card, contents) for card in probes]


def _read(card: ProbeCard, contents: Mapping[str, str]) -> ProbeSet:
    """Lines of columns, one of which is the label."""
    texts: tuple[list[str], ...] = tuple([] for _ in card.texts)
    labels: list[Any] = []
    parts: list[int] = []
    for part, file in card.files.items():
        for number, line in enumerate(_lines(contents[file]), 1):
            if card.header and number == 1:
                continue
            row = _fields(card, line, f"{file}, line {number}")
            labels.append(_label(card, row[card.label], f"{file}, line {number}"))
            parts.append(PARTS[part])
            for column, name in zip(texts, card.texts, strict=True):
                column.append(row[name])
    return ProbeSet(card.column, texts, np.array(labels), np.array(parts), card.metric, card.classes)


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n")  # not splitlines: in TREC and MR other line ends stand within sentences


def _fields(card: ProbeCard, line: str, where: str) -> dict[str, str]:
    values = line.split(card.separator)
    if card.separator == " ":  # only the text, which is last, has spaces within; it may be empty
        first, _, rest = line.partition(" ")
        values = [first, rest.strip()]
    if len(values) != len(card.fields):
        raise FormatError(f"{where} has {len(values)} columns where {len(card.fields)} are expected")
    return dict(zip(card.fields, values, strict=True))


def _label(card: ProbeCard, value: str, where: str) -> int | float:
    try:
        if card.metric == "Pearson":
            return float(value)
        return int(value) if value.isdigit() else card.classes.index(value.lower())
    except ValueError:
        names = f" or a class ({', '.join(card.classes)})" if card.classes else ""
        raise FormatError(f"{where} has the label {value[:20]!r}, which is not a number{names}") from None


def _read_tagged(card: ProbeCard, contents: Mapping[str, str]) -> ProbeSet:
    """Sentences of words with tags, drawn from each part until it has enough words."""
    (file,) = card.files.values()
    lines = _lines(contents[file])
    part_of = np.full(len(lines), TRAIN)
    for valid, test, end in card.cuts:
        part_of[valid:test], part_of[test:end] = VALID, TEST
    order, sizes = np.random.default_rng(0).permutation(len(lines)), np.array([line.count(" ") + 1 for line in lines])
    drawn: list[int] = []
    for part, most in card.words.items():
        of_part = order[part_of[order] == PARTS[part]]
        drawn += of_part[np.cumsum(sizes[of_part]) <= most].tolist()
    sentences = [[pair.rpartition("/")[::2] for pair in lines[n].split(" ")] for n in drawn]
    tags = [coarse(tag, card.tags) for sentence in sentences for _, tag in sentence]
    classes = tuple(sorted(set(tags)))
    labels = np.array([classes.index(tag) for tag in tags])
    texts = [" ".join(word for word, _ in sentence) for sentence in sentences]
    parts = np.repeat(part_of[drawn], sizes[drawn])
    return ProbeSet(card.column, (texts,), labels, parts, card.metric, classes, word_labels=True)


def coarse(tag: str, classes: Sequence[Sequence[str]]) -> str:
    """The class of a fine-grained tag: np$ → NOUN, pps+bez → PRON; "." where no beginning fits, as of `` ."""
    return next((name for name, *beginnings in classes if tag.startswith(tuple(beginnings))), ".")
