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
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np

from lmzoo.data.grammar import Grammar
from lmzoo.data.grammar_file import END
from lmzoo.errors import UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Progress
from lmzoo.tasks.exam_documents import Document, Mark, begins_one, marked
from lmzoo.tasks.probing import probe
from lmzoo.tasks.probing.datasets import TEST, TRAIN, VALID, ProbeSet
from lmzoo.tasks.result import TaskResult

ALL = "storyworld"  # all these sets, as a task
SEED = 1  # the same texts in every report
SIZES = {TRAIN: 240, VALID: 80, TEST: 400}  # texts of a set, of which each part is balanced
MAX_DOCUMENTS = 60_000  # a grammar whose documents are too seldom of a class lacks what is asked for
FIRST_LOOK = 2_000  # documents in which a question must have been met

BEGIN = re.compile(r'(?:\A|[.:"]\s|\n)(?=\S)')  # of a sentence
LONGEST = 200  # characters of a text that are compared with the training text
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
    kind: str = ""  # of the documents that have it; "": all


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
    Question("topic", "topic", "of ten, from what was seen there", _topic, 10, "chronicle"),
    Question("stars", "stars", "from a review without its last words", _stars, 4, "review"),
    Question("grammatical", "grammatical", "whether the verb has the number of its subject", _grammatical, 4),
    Question("number", "subject's number", "singular or plural, behind a relative clause", _number, 4),
    Question("meant", "who is meant", "a man or a woman, with one of the other sex named since", _meant, 2, "story"),
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
    known, sizes = _Known(training), sizes or SIZES
    questions = [one for one in QUESTIONS if ALL in wanted or one.key in wanted]
    writers = {kind: _writer(grammar, kind) for kind in dict.fromkeys(one.kind for one in questions)}
    made = []
    for one in (progress or Progress()).track("writing labelled texts", questions):
        found = _drawn(one, writers[one.kind], random.Random(f"{seed}/{one.key}"), known, sum(sizes.values()))
        made.append(_as_set(one, found, sizes))
    return made


def _writer(grammar: Grammar, kind: str) -> Grammar:
    """What writes marked documents of that kind, or of all kinds (""). Raises UsageError where there is none of it."""
    if kind and kind not in grammar.kinds:
        raise UsageError(f"{grammar.name} has no {kind!r} to label: the probes are made for storyworld's own grammar")
    narrowed = copy(grammar)
    narrowed.kinds = {kind: 1.0} if kind else grammar.kinds
    return marked(narrowed)


def _drawn(
    question: Question, writer: Grammar, source: random.Random, known: "_Known", count: int
) -> list[list[tuple[str, str]]]:
    """As many new texts of each stratum, with their labels: `count` in all, or a little less."""
    most, found = count // question.strata, dict[str, dict[str, str]]()  # stratum → text → label
    for n in range(MAX_DOCUMENTS):
        drawn = question.find(Document(writer, writer.sample(source)), source)
        of = found.setdefault(drawn.stratum, {}) if drawn else {}
        if drawn and len(of) < most and drawn.text not in of and not known.has(drawn.text):
            of[drawn.text] = drawn.label
            if sum(map(len, found.values())) == most * question.strata:
                return [list(found[stratum].items()) for stratum in sorted(found)]
        if n == FIRST_LOOK and not found:
            break
    raise UsageError(
        f"{writer.name} has too few texts for a probe of its {question.name!r}: it is not storyworld's own"
    )


def _as_set(question: Question, columns: Sequence[Sequence[tuple[str, str]]], sizes: Mapping[int, int]) -> ProbeSet:
    """The parts, in each of which, and in each beginning of them, the strata take turns."""
    turns = [labelled for turn in zip(*columns, strict=True) for labelled in turn]
    classes = tuple(sorted({label for _, label in turns}))
    labels = np.array([classes.index(label) for _, label in turns])
    parts = np.repeat(list(sizes), list(sizes.values()))[: len(turns)]
    texts = [END + text for text, _ in turns]  # read as documents stand in the corpus: after a blank line
    return ProbeSet(question.name, (texts,), labels, parts, classes=classes, generated=True)


class _Known:
    """The training text, to ask whether a text is in it."""

    def __init__(self, training: str):
        begins = [match.end() for match in BEGIN.finditer(training)]  # every text begins where a sentence does
        self.beginnings = sorted({training[place : place + LONGEST] for place in begins})

    def has(self, text: str) -> bool:
        """Whether some sentence of it, with what is behind, begins so."""
        return begins_one(text[:LONGEST], self.beginnings)


def evaluate(text_model: TextModel, sets: Sequence[ProbeSet], progress: Progress | None = None) -> list[TaskResult]:
    """What a probe of the model's features scores on each set, without controls and without a cache on disk.

    A model without vectors has results without a value, and a note that says so.
    """
    return probe.probe_once(text_model, sets, progress)
