"""The labelled texts that features are probed with: read from their files, and split the same way each time.

Sets that come with a split keep it: SST-2 (train, dev, test), TREC (train, test), SICK (train, trial, test), and CoLA,
which is tested on its in-domain dev because its test set is hidden. MR, CR, Subj and MPQA have none and are
cross-validated in ten stratified folds, as in SentEval (Conneau & Kiela 2018), but in the same folds for every model.
Where there is no validation set, a tenth of the training examples, or the next fold, is one.

Brown's tags are those of words in sentences. In each of its 15 categories a tenth of the documents, the last ones, are
for testing and a tenth before them for validation; sentences are drawn from each part until it has words enough.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmzoo.data import task_cards
from lmzoo.errors import FormatError, UsageError, nearest
from lmzoo.interface import Progress

Array = NDArray[Any]

TRAIN, VALID, TEST, ANY = 0, 1, 2, -1  # ANY: the set has no split
FOLDS = 10
WORDS = {TRAIN: 20_000, VALID: 5_000, TEST: 10_000}  # of Brown, that are probed

# Of each category of Brown: the lines (from 0) at which documents for validation begin, those for testing, the next.
HELD_OUT = (
    (3783, 4195, 4623), (6985, 7321, 7620), (8945, 9174, 9371), (10573, 10765, 11087), (14408, 14871, 15280),
    (19225, 19689, 20161), (25955, 26661, 27370), (29851, 30111, 30402), (36410, 37198, 38136), (41594, 42017, 42385),
    (45594, 45943, 46271), (46938, 47058, 47219), (50913, 51416, 51856), (55331, 55774, 56287), (57171, 57241, 57340),
)  # fmt: skip
# Petrov, Das & McDonald's (2012) universal tags, by how Brown's begin: the first that fits.
COARSE = (
    ("X", ("fw", "nil")), ("NOUN", ("nn", "np", "nr")), ("VERB", ("vb", "be", "do", "hv", "md")),
    ("ADJ", ("jj", "od", "ap")), ("ADV", ("rb", "rn", "ql", "wrb", "wql", "*")), ("PRON", ("pp", "pn", "wp", "ex")),
    ("DET", ("at", "ab", "dt", "wdt")), ("ADP", ("in", "cs")), ("CONJ", ("cc",)), ("NUM", ("cd",)),
    ("PRT", ("rp", "to")), ("X", ("uh",)),
)  # fmt: skip


@dataclass(frozen=True)
class Examples:
    """Texts with a label each; or pairs of texts; or texts of words with a label for each word."""

    task: str  # as the head of a column: "SST-2"
    texts: tuple[list[str], ...]  # one list (N,), or two of the first and the second of each pair
    labels: Array  # (N,): classes, or numbers to be predicted; of words, those of all texts in order
    parts: Array  # as long: TRAIN, VALID, TEST, or ANY of them
    metric: str = "accuracy"  # or MCC, or Pearson
    classes: tuple[str, ...] = ()  # the names of the classes 0, 1, …, where they are known
    words: bool = False  # whether it is words that have labels: the texts are then words with blanks between

    @property
    def graded(self) -> bool:
        """Whether labels are numbers, not classes."""
        return self.labels.dtype.kind == "f"

    @property
    def two_classes(self) -> bool:
        """Whether there are two classes, no more and no less."""
        return not self.graded and len(np.unique(self.labels)) == 2

    def digest(self) -> str:
        """SHA-256 of all of it."""
        arrays = {"labels": self.labels.tolist(), "parts": self.parts.tolist()}
        text = json.dumps([self.task, self.texts, arrays, self.metric, self.classes, self.words])
        return hashlib.sha256(text.encode()).hexdigest()

    def limited(self, count: int, seed: int = 0) -> "Examples":
        """At most `count` labelled texts of each part, drawn by `seed`."""
        owner = self._owners()
        parts = np.zeros(len(self.texts[0]), dtype=int)
        parts[owner] = self.parts
        order = np.random.default_rng(seed).permutation(len(parts))
        kept = np.sort(np.concatenate([order[parts[order] == part][:count] for part in np.unique(parts)]))
        texts = tuple([column[n] for n in kept.tolist()] for column in self.texts)
        among = np.isin(owner, kept)
        return replace(self, texts=texts, labels=self.labels[among], parts=self.parts[among])

    def _owners(self) -> Array:
        """The text that each label belongs to."""
        counts = [len(text.split(" ")) if self.words else 1 for text in self.texts[0]]
        return np.repeat(np.arange(len(counts)), counts)

    def tested(self) -> Iterator[str]:
        """All texts that are tested on."""
        owners = np.unique(self._owners()[np.isin(self.parts, (TEST, ANY))])
        return (column[n] for column in self.texts for n in owners.tolist())


@dataclass(frozen=True)
class Split:
    """The places of the examples to learn from, to choose settings on, and to be tested on."""

    train: Array
    valid: Array
    test: Array


def splits(examples: Examples) -> list[Split]:
    """One split, or of a set that has none, ten, which test on each example once. They are the same each time."""
    parts = examples.parts
    train, valid, test = (np.flatnonzero(parts == part) for part in (TRAIN, VALID, TEST))
    if (parts == ANY).all() and len(parts):
        fold = _dealt(examples.labels)
        held = [(np.flatnonzero(fold == k), np.flatnonzero(fold == (k + 1) % FOLDS)) for k in range(FOLDS)]
        return [Split(np.setdiff1d(np.arange(len(parts)), np.union1d(t, v)), v, t) for t, v in held]
    if not len(valid):
        fold = _dealt(examples.labels[train])
        train, valid = train[fold > 0], train[fold == 0]
    return [Split(train, valid, test)]


def _dealt(labels: Array) -> Array:
    """A fold for each example: shuffled, then dealt out label by label, so that all folds have as many of each."""
    order = np.random.default_rng(0).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(len(labels), dtype=int)
    fold[order] = np.arange(len(labels)) % FOLDS
    return fold


def names() -> list[str]:
    """What `load` takes."""
    return list(READERS)


def load(name: str, mirror: str | None = None, progress: Progress | None = None) -> list[Examples]:
    """The sets of a task: one, but for SICK, which asks for entailment, for entailment by half, and for relatedness.

    Raises UsageError for a name that is not among `names`, FormatError for a file that is not right, DownloadError
    where nobody has it.
    """
    if name not in READERS:
        raise UsageError(f"no task {name!r} to probe{nearest(name, names())}; there are: {', '.join(names())}")
    return list(READERS[name](task_cards.fetch(name, mirror, progress)))


def _sentences(task: str, files: dict[int, str], *classes: str) -> Callable[[dict[str, str]], Iterator[Examples]]:
    """A reader of lines `label sentence`; `files` says which part each file is."""

    def read(contents: dict[str, str]) -> Iterator[Examples]:
        texts: list[str] = []
        labels: list[int] = []
        parts: list[int] = []
        for part, file in files.items():
            for number, line in enumerate(_lines(contents[file]), 1):
                label, _, text = line.partition(" ")
                if not label.isdigit():
                    raise FormatError(f"{file}, line {number} begins with {label[:20]!r}, not with a label's number")
                texts.append(text.strip())
                labels.append(int(label))
                parts.append(part)
        yield Examples(task, (texts,), np.array(labels), np.array(parts), classes=classes)

    return read


def _cola(contents: dict[str, str]) -> Iterator[Examples]:
    files = ((TRAIN, "in_domain_train"), (TEST, "in_domain_dev"))
    rows = [(part, row) for part, file in files for row in _columns(contents[file], 4, file)]
    labels, parts = np.array([int(row[1]) for _, row in rows]), np.array([part for part, _ in rows])
    yield Examples("CoLA", ([row[3] for _, row in rows],), labels, parts, "MCC", ("unacceptable", "acceptable"))


def _sick(contents: dict[str, str]) -> Iterator[Examples]:
    files = ((TRAIN, "SICK_train"), (VALID, "SICK_trial"), (TEST, "SICK_test_annotated"))
    rows = [(part, row) for part, file in files for row in _columns(contents[file], 5, file)[1:]]
    first, second = [row[1] for _, row in rows], [row[2] for _, row in rows]
    parts = np.array([part for part, _ in rows])
    kinds = ("contradiction", "entailment", "neutral")
    entailment = np.array([kinds.index(row[4].lower()) for _, row in rows])
    yield Examples("SICK-E", (first, second), entailment, parts, classes=kinds)
    # The hypothesis only (Gururangan et al. 2018): who is right here has not read what it shall follow from.
    yield Examples("SICK-E, B alone", (second,), entailment, parts, classes=kinds)
    yield Examples("SICK-R", (first, second), np.array([float(row[3]) for _, row in rows]), parts, "Pearson")


def _brown(contents: dict[str, str]) -> Iterator[Examples]:
    lines = _lines(contents["brown.tagged"])
    part_of = np.full(len(lines), TRAIN)
    for valid, test, end in HELD_OUT:
        part_of[valid:test], part_of[test:end] = VALID, TEST
    order, sizes = np.random.default_rng(0).permutation(len(lines)), np.array([line.count(" ") + 1 for line in lines])
    kept: list[int] = []
    for part, most in WORDS.items():
        some = order[part_of[order] == part]
        kept += some[np.cumsum(sizes[some]) <= most].tolist()
    pairs = [[pair.rpartition("/")[::2] for pair in lines[n].split(" ")] for n in kept]
    tags = [coarse(tag) for sentence in pairs for _, tag in sentence]
    kinds = sorted(set(tags))
    labels = np.array([kinds.index(tag) for tag in tags])
    texts = [" ".join(word for word, _ in sentence) for sentence in pairs]
    parts = np.repeat(part_of[kept], sizes[kept])
    yield Examples("tags", (texts,), labels, parts, classes=tuple(kinds), words=True)


def coarse(tag: str) -> str:
    """Which of the 12 universal tags a tag of Brown's is: np$ → NOUN, pps+bez → PRON, `` → "."."""
    return next((name for name, beginnings in COARSE if tag.startswith(beginnings)), ".")


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n")  # not splitlines: some files have other line ends within sentences


def _columns(text: str, count: int, file: str) -> list[list[str]]:
    rows = [line.split("\t") for line in _lines(text)]
    for number, row in enumerate(rows, 1):
        if len(row) != count:
            raise FormatError(f"{file}, line {number} has {len(row)} columns where {count} are expected")
    return rows


SST = {TRAIN: "stsa.binary.train", VALID: "stsa.binary.dev", TEST: "stsa.binary.test"}
READERS: dict[str, Callable[[dict[str, str]], Iterator[Examples]]] = {
    "sst2": _sentences("SST-2", SST, "negative", "positive"),
    "trec": _sentences("TREC", {TRAIN: "TREC.train", TEST: "TREC.test"}),
    "mr": _sentences("MR", {ANY: "rt-polarity"}, "negative", "positive"),
    "cr": _sentences("CR", {ANY: "custrev"}, "negative", "positive"),
    "subj": _sentences("Subj", {ANY: "subj"}, "subjective", "objective"),
    "mpqa": _sentences("MPQA", {ANY: "mpqa"}, "negative", "positive"),
    "cola": _cola,
    "sick": _sick,
    "brown-tags": _brown,
}
