"""Labelled texts written by the grammar of a corpus: what probes are trained and tested on without any download.

The slots of a document are marked with what was drawn there (`exam_documents.py`), so its labels are known and not
guessed: the kind of document, the number of a verb's subject, who a pronoun will mean, how many stars a review will
give. Every set has as many texts of each class, none of them twice and none that begins a document of the training
text; the first n training texts are as balanced, for curves over few labels.

    sets = grammar_probes.sets(Grammar.load(path), corpus.train)
    grammar_probes.evaluate(text_model, sets)          a TaskResult for each
"""

import random
import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lmzoo.data.grammar import Grammar
from lmzoo.data.grammar_file import END
from lmzoo.errors import UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Progress
from lmzoo.tasks.exam_documents import Document, Mark, marked
from lmzoo.tasks.probing import probe
from lmzoo.tasks.probing.datasets import TEST, TRAIN, VALID, ProbeSet
from lmzoo.tasks.result import TaskResult

ALL = "storyworld"  # all these sets, as a task
SEED = 1  # the same texts in every report
SIZES = {TRAIN: 240, VALID: 80, TEST: 400}  # texts of a set, of which each part is balanced
MAX_DOCUMENTS = 60_000  # a grammar whose documents are too seldom of a class lacks what is asked for
FIRST_LOOK = 2_000  # documents in which each question must have been met

BEGIN = re.compile(r'(?:\A|[.:"]\s|\n)(?=\S)')  # of a sentence
LONGEST = 100  # characters of a text that are compared with the training text
SENTENCE = re.compile(r"[^.\n][^.]*\.")
PRONOUN = re.compile(r"\b([Hh]e|[Hh]im|[Hh]is|[Ss]he|[Hh]er|[Hh]ers)\b")
VERBS = ("beside", "phrase", "object", "subject")  # tags of verbs that agree with their subject
NOUNS = ("animal", "job")


@dataclass(frozen=True)
class Labelled:
    """A text with its class, and the stratum of which there are as many as of any other."""

    text: str
    label: str
    stratum: str


# What is found in a document, or None. One a document, so that no two texts begin alike for that reason.
Find = Callable[[Document, random.Random], Labelled | None]


@dataclass(frozen=True)
class Question:
    """What a probe is asked about the texts of a grammar."""

    key: str  # what it is called as a task
    name: str  # the heading of its column
    about: str  # in a few words
    find: Find
    strata: int  # how many there are


def _kind(doc: Document, source: random.Random) -> Labelled | None:
    """A sentence, and the kind of document that it is from."""
    sentences = SENTENCE.findall(doc.text)
    return Labelled(source.choice(sentences).strip(), doc.kind, doc.kind) if sentences else None


def _topic(doc: Document, source: random.Random) -> Labelled | None:  # noqa: ARG001
    """What was seen at a place, without the heading that says which."""
    place = next((mark for mark in doc.marks if mark.name == "topic"), None)
    if not place:
        return None
    return Labelled(doc.text[place.end :].lstrip(": ").strip(), doc.word(place), doc.word(place))


def _stars(doc: Document, source: random.Random) -> Labelled | None:  # noqa: ARG001
    """A review up to its judgement in figures."""
    for mark in doc.marks:
        if mark.tag == "stars":
            return Labelled(doc.text[: mark.start].rstrip(), doc.word(mark).lower(), doc.word(mark).lower())
    return None


def _grammatical(doc: Document, source: random.Random) -> Labelled | None:
    """A text up to the end of its first sentence with a verb that agrees, in half of them of the wrong number."""
    verb = _verb(doc, VERBS)
    if not verb:
        return None
    number, other = _numbers(doc, verb)
    label = source.choice(("right", "wrong"))
    word = doc.word(verb) if label == "right" else other
    behind = doc.text[verb.end :].partition(".")[0]
    return Labelled(f"{doc.text[: verb.start]}{word}{behind}.", label, f"{label} {number}")


def _number(doc: Document, source: random.Random) -> Labelled | None:  # noqa: ARG001
    """A text up to a verb behind a relative clause, whose own noun is as often of the other number."""
    verb = _verb(doc, ("object", "subject"))
    if not verb:
        return None
    number, _ = _numbers(doc, verb)
    nearest = [mark for mark in doc.marks if mark.end < verb.start and mark.name in NOUNS][-1]
    return Labelled(doc.text[: verb.start].rstrip(), number, f"{number} {nearest.form or 'sg'}")


def _verb(doc: Document, tags: Sequence[str]) -> Mark | None:
    return next((mark for mark in doc.marks if mark.tag in tags), None)


def _numbers(doc: Document, verb: Mark) -> tuple[str, str]:
    """The number of a verb, and its form in the other."""
    forms = doc.row(verb).features
    number, other = ("sg", "pl") if doc.word(verb) == forms["sg"] else ("pl", "sg")
    return number, forms[other]


def _meant(doc: Document, source: random.Random) -> Labelled | None:  # noqa: ARG001
    """A text up to a pronoun for its hero, with somebody of the other sex named since, and no pronoun before."""
    for mark in doc.marks:
        people = [x.name for x in doc.marks if x.end < mark.start and x.name in ("man", "woman")]
        if mark.tag == "pronoun" and people[-1] != (sex := doc.drawn(mark.by, mark).name):
            return Labelled(_with_names(doc, mark).rstrip(), sex, sex)
    return None


def _with_names(doc: Document, end: Mark) -> str:
    """The text before `end` with names in place of pronouns, which would give the sex away; "the" for his and her."""
    text = doc.text[: end.start]
    for mark in reversed(doc.marks):
        if mark.end <= end.start and PRONOUN.fullmatch(doc.word(mark)):
            name = "the" if mark.form == "his" else doc.word(doc.drawn(mark.by, mark))
            text = text[: mark.start] + name + text[mark.end :]
    return text


QUESTIONS = (
    Question("kind", "document kind", "of eight, from a sentence", _kind, 8),
    Question("topic", "topic", "of ten, from what was seen there", _topic, 10),
    Question("stars", "stars", "from a review without its last words", _stars, 4),
    Question("grammatical", "grammatical", "whether the verb has the number of its subject", _grammatical, 4),
    Question("number", "subject's number", "singular or plural, behind a relative clause", _number, 4),
    Question("meant", "who is meant", "a man or a woman, with somebody of the other sex named since", _meant, 2),
)


def names() -> list[str]:
    """What the sets are called as tasks: all of them together, and each."""
    return [ALL, *(one.key for one in QUESTIONS)]


def sets(
    grammar: Grammar,
    training: str = "",
    wanted: Sequence[str] = (ALL,),
    seed: int = SEED,
    sizes: Mapping[int, int] | None = None,
    progress: Progress | None = None,
) -> list[ProbeSet]:
    """The sets of `wanted`, which are among `names`; the same seed gives the same texts, whatever else is wanted.

    No text is in `training`, or in a set twice. `sizes` says how many there are of each part (None: SIZES). Raises
    UsageError for a grammar that has too little of what is asked for.
    """
    sizes = sizes or SIZES
    questions = [one for one in QUESTIONS if ALL in wanted or one.key in wanted]
    writer, known = marked(grammar), _Known(training)
    drawing = {one.key: _Drawing(one, random.Random(f"{seed}/{one.key}"), sum(sizes.values())) for one in questions}
    source, open_ = random.Random(f"{seed}/probes"), list(drawing.values())
    for n in (progress or Progress()).track("writing labelled texts", range(MAX_DOCUMENTS)):
        doc = Document(writer, writer.sample(source))
        for one in open_:
            one.look(doc, known)
        open_ = [one for one in open_ if not one.is_full]
        if n == FIRST_LOOK and not all(one.found for one in open_):
            break
        if not open_:
            return [one.made(sizes) for one in drawing.values()]
    missing = ", ".join(one.question.key for one in open_)
    raise UsageError(f"{grammar.name} has no {missing} to label: the probes are made for storyworld's own grammar")


class _Drawing:
    """The texts of one set while they are drawn: as many of each stratum."""

    def __init__(self, question: Question, source: random.Random, count: int):
        self.question, self.source, self.most = question, source, count // question.strata
        self.found: dict[str, dict[str, str]] = {}  # stratum → text → label

    @property
    def is_full(self) -> bool:
        return sum(map(len, self.found.values())) == self.most * self.question.strata

    def look(self, doc: Document, known: "_Known") -> None:
        """Take the text that `doc` has, if one is wanted that is new."""
        drawn = self.question.find(doc, self.source)
        of = self.found.setdefault(drawn.stratum, {}) if drawn else {}
        if drawn and len(of) < self.most and drawn.text not in of and not known.has(drawn.text):
            of[drawn.text] = drawn.label

    def made(self, sizes: Mapping[int, int]) -> ProbeSet:
        """The parts, in each of which, and in each beginning of them, the strata take turns."""
        columns = [list(self.found[stratum].items()) for stratum in sorted(self.found)]
        turns = [labelled for turn in zip(*columns, strict=True) for labelled in turn]
        classes = tuple(sorted({label for _, label in turns}))
        labels = np.array([classes.index(label) for _, label in turns])
        parts = np.repeat(list(sizes), list(sizes.values()))[: len(turns)]
        texts = [END + text for text, _ in turns]  # read as documents stand in the corpus: after a blank line
        return ProbeSet(self.question.name, (texts,), labels, parts, classes=classes, generated=True)


class _Known:
    """The training text, to ask whether a text is in it."""

    def __init__(self, training: str):
        begins = [match.end() for match in BEGIN.finditer(training)]  # every text begins where a sentence does
        self.beginnings = sorted({training[place : place + LONGEST] for place in begins})

    def has(self, text: str) -> bool:
        """Whether some sentence of it, with what is behind, begins so."""
        at = bisect_left(self.beginnings, text[:LONGEST])
        return at < len(self.beginnings) and self.beginnings[at].startswith(text[:LONGEST])


def evaluate(text_model: TextModel, sets: Sequence[ProbeSet], progress: Progress | None = None) -> list[TaskResult]:
    """What a probe of the model's features scores on each set, without controls and without a cache on disk.

    A model without vectors has results without a value, and a note that says so.
    """
    return probe.probe_once(text_model, sets, progress)
