"""The phenomena of storyworld's grammar, and how to find questions about each in its documents."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from lmzoo.data.grammar import Grammar
from lmzoo.tasks.exam_documents import Document, Item, Mark

PEOPLE = ("hero", "friend", "third")  # the variables that stand for people
NEAR, FAR = 12, 20  # words

Drawn = tuple[Item, str]  # with the class of its answer: every class gets as many items
Find = Callable[[Document, random.Random], Iterator[Drawn]]


@dataclass(frozen=True)
class Phenomenon:
    """Something a model of the corpus may have learned, and where to find it."""

    name: str
    about: str  # in a sentence
    kind: str  # of the documents that have it
    find: Find
    only: Mapping[str, str] = field(default_factory=dict)  # rule → text that its options must contain
    classes: int = 1  # of right answers, which are equally frequent
    certain: bool = True  # whether the grammar rules out all candidates but one


# ── Finding it ────────────────────────────────────────────────────────────────────────────────────


def _agreement(where: Callable[[Document, Mark, Mark], bool]) -> Find:
    """A verb or pronoun of animals in the right number, or in the other."""

    def find(doc: Document, source: random.Random) -> Iterator[Drawn]:  # noqa: ARG001
        for mark in doc.marks:
            clue = doc.clue(mark, mark.by)
            if mark.tag in ("agreement", "pronoun") and mark.by in ("a", "b") and clue and where(doc, clue, mark):
                number, other = _in_other_number(doc, mark)
                if item := doc.item(mark, clue, [other]):
                    yield item, number

    return find


def _behind_its_noun(doc: Document, clue: Mark, mark: Mark) -> bool:
    # Not in the first sentence: much of that stands word for word in the training text.
    return clue.name in ("animal", "a", "b") and mark.start == clue.end + 1 and "." in doc.text[: mark.start]


def _main_verb(doc: Document, clue: Mark, mark: Mark) -> bool:  # noqa: ARG001
    return mark.name == "does" and mark.by == "a"


def _pronoun(doc: Document, clue: Mark, mark: Mark) -> bool:  # noqa: ARG001
    return mark.tag == "pronoun"


def _in_other_number(doc: Document, mark: Mark) -> tuple[str, str]:
    """The number of the word at `mark`, and its form in the other number."""
    word = doc.word(mark)
    for row in doc.grammar.words[mark.name].values():
        for number, other in (("sg", "pl"), ("pl", "sg")):
            if row.features[number] == word.lower():
                return number, _like(word, row.features[other])
    raise AssertionError(f"{word!r} is no form of a word of {mark.name}")


def _like(model: str, word: str) -> str:
    return word[0].upper() + word[1:] if model[0].isupper() else word


def _he_or_she(where: Callable[[Document, Mark, Mark], bool]) -> Find:
    """He or she, him or her, his or her: of somebody who was named or referred to before."""

    def find(doc: Document, source: random.Random) -> Iterator[Drawn]:  # noqa: ARG001
        for mark in doc.marks:
            clue = doc.clue(mark, mark.by)
            if mark.tag == "pronoun" and mark.by in PEOPLE and clue and where(doc, clue, mark):
                sex = doc.named(mark.by).name
                (anybody, *_) = doc.grammar.words["man" if sex == "woman" else "woman"].values()
                if item := doc.item(mark, clue, [_like(doc.word(mark), anybody.features[mark.form])]):
                    yield item, sex

    return find


def _near(doc: Document, clue: Mark, mark: Mark) -> bool:
    return _words(doc, clue, mark) <= NEAR and not _rival(doc, clue, mark)


def _far(doc: Document, clue: Mark, mark: Mark) -> bool:
    return _words(doc, clue, mark) >= FAR and not _rival(doc, clue, mark)


def _words(doc: Document, clue: Mark, mark: Mark) -> int:
    return len(doc.text[clue.end : mark.start].split()) + 1


def _rival(doc: Document, clue: Mark, mark: Mark) -> bool:
    """Whether somebody of the other sex is mentioned between."""
    shown = {by for x in doc.marks if clue.end <= x.start < mark.start for by in (x.variable, x.by) if by in PEOPLE}
    return any(doc.named(person).name != doc.named(mark.by).name for person in shown)


def _name(doc: Document, source: random.Random) -> Iterator[Drawn]:
    """Somebody named before, or a new name of the same length, drawn by its frequency."""
    for mark in doc.marks:
        if mark.name not in PEOPLE or mark.form:
            continue
        word, table = doc.word(mark), doc.grammar.words[doc.named(mark.by).name]
        strangers = [name for name in table if len(name) == len(word) and name not in doc.text]
        if strangers:
            (stranger,) = source.choices(strangers, [table[name].features["weight"] for name in strangers])
            mentions = [x for x in doc.marks if x.end < mark.start and x.shows(mark.by) and doc.word(x) == word]
            if item := doc.item(mark, mentions[-1], [stranger]):
                yield item, ""


def _selection(table: str, chooser: str, possible: bool = False) -> Find:
    """What fits a word of `chooser`, and what fits only others; or (`possible`) what fits the same word as well.

    Candidates differ in their last word only.
    """

    def find(doc: Document, source: random.Random) -> Iterator[Drawn]:
        for mark in doc.marks:
            if mark.name != table or not mark.of or (possible and mark.tag != "preference"):
                continue
            weights = _others(doc.grammar, table, chooser, doc.entry_of(mark.of, chooser), possible)
            rows, (head, _, right) = doc.grammar.words[table], doc.word(mark).rpartition(" ")
            forms = {str(rows[name].features[mark.form or "base"]).rpartition(" "): w for name, w in weights.items()}
            fitting = {last: w for (first, _, last), w in forms.items() if first == head and last != right}
            if fitting:
                others = source.choices(list(fitting), list(fitting.values()))
                mentions = [x for x in doc.marks if x.end < mark.start and mark.of in (x.variable, x.name)]
                if item := doc.item(mark, mentions[-1], others, len(head) + (head != "")):
                    yield item, ""

    return find


def _others(grammar: Grammar, table: str, chooser: str, of: str, possible: bool) -> dict[str, float]:
    """Weights of the words of `table`: equal for what fits `of`; of what does not, how often it is drawn."""
    own = grammar.words[chooser][of].features[table]
    if possible:
        return dict.fromkeys(own, 1.0)
    weights: dict[str, float] = {}
    for row in grammar.words[chooser].values():
        for name in row.features[table].keys() - own.keys():
            share = row.features["weight"] * row.features[table][name] / sum(row.features[table].values())
            weights[name] = weights.get(name, 0) + share
    return dict(sorted(weights.items()))  # the order of a set varies, and draws must not


def _fact(one: str, other: str) -> Find:
    """Which of two facts: those that `one` and `other` stand for."""

    def find(doc: Document, source: random.Random) -> Iterator[Drawn]:  # noqa: ARG001
        for mark in doc.marks:
            if mark.tag == "fact" and mark.by in (one, other):
                clue, wrong = doc.named(mark.by), doc.word(doc.named(other if mark.by == one else one))
                if len(wrong.split()) == len(doc.word(mark).split()) and (item := doc.item(mark, clue, [wrong])):
                    yield item, mark.by

    return find


def _result(first: str, sign: int) -> Find:
    """x + y or x - y, and three results of other such sums."""

    def find(doc: Document, source: random.Random) -> Iterator[Drawn]:
        numbers = {row.features["value"]: name for name, row in doc.grammar.words["number"].items()}
        for mark in doc.marks:
            if mark.tag != "sum":
                continue
            others: set[str] = set()
            while len(others) < 3:
                x, y = _value(doc.grammar, first, source), _value(doc.grammar, "few", source)
                others |= {numbers[x + sign * y]} - {doc.word(mark), "one"}
            if doc.word(mark) != "one" and (item := doc.item(mark, doc.named("x"), others)):
                yield item, ""

    return find


def _value(grammar: Grammar, table: str, source: random.Random) -> int:
    rows = grammar.words[table].values()
    (row,) = source.choices(list(rows), [row.features["weight"] for row in rows])
    return int(row.features["value"])


def _stars(doc: Document, source: random.Random) -> Iterator[Drawn]:  # noqa: ARG001
    counts = [name for name in doc.grammar.words["stars"] if name.endswith("stars")]
    for mark in doc.marks:
        others = [count for count in counts if count != doc.word(mark)]
        if mark.tag == "stars" and len(others) < len(counts) and (item := doc.item(mark, doc.named("j"), others)):
            yield item, doc.word(mark)


PHENOMENA = (
    Phenomenon(
        "agreement, next word", "The noun is right before its verb.",
        "animals", _agreement(_behind_its_noun), classes=2,
    ),
    Phenomenon(
        "agreement over an object relative",
        "The cat that the dogs watch sits. In this grammar the verb right before is a clue too.",
        "animals", _agreement(_main_verb), {"subject": "creatures", "creatures": "that the"}, classes=2,
    ),
    Phenomenon(
        "agreement over a subject relative",
        "The cat that watches the old dogs sits: a noun of the other number is right before the verb.",
        "animals", _agreement(_main_verb), {"subject": "creatures", "creatures": "} that {"}, classes=2,
    ),
    Phenomenon("it or they", "A pronoun for one animal or for several.", "animals", _agreement(_pronoun), classes=2),
    Phenomenon(
        "he or she, near", f"The person was mentioned at most {NEAR} words back.", "story", _he_or_she(_near), classes=2
    ),
    Phenomenon(
        "he or she, far", f"The person was mentioned {FAR} words back or more, and nobody else since.",
        "chronicle", _he_or_she(_far), classes=2,
    ),
    Phenomenon(
        "he or she, another between", "Somebody of the other sex was mentioned since.",
        "story", _he_or_she(_rival), classes=2,
    ),
    Phenomenon(
        "a name again", "Somebody named before, or a new name.", "dialogue", _name, {"dialogue": " met "}
    ),
    Phenomenon(
        "where an animal is", "A place that fits the animal, or one that fits only others.",
        "animals", _selection("spot", "animal"), {"animals_more": "meeting"},
    ),
    Phenomenon(
        "where it likes to be", "Two places that fit the animal, one more often than the other.",
        "animals", _selection("spot", "animal", possible=True), certain=False,
    ),
    Phenomenon(
        "what an animal eats", "Food of the animal, or food of others only, a sentence or more later.",
        "animals", _selection("food", "animal"), {"animals_more": "about_them", "about_them": "{food of a}"},
    ),
    Phenomenon(
        "a tool for the job", "What mends the broken thing, or what mends only others, a few sentences later.",
        "story", _selection("tool", "gadget"),
    ),
    Phenomenon(
        "where a thing is", "Two things and their places were named; the question is about one of them.",
        "facts", _fact("p", "q"), {"question_of_two": "it_is", "facts_more": "question_of_two"}, classes=2,
    ),
    Phenomenon(
        "what colour a thing is", "Two things and their colours were named; the question is about one of them.",
        "facts", _fact("c", "d"), {"question_of_two": "colour", "facts_more": "question_of_two"}, classes=2,
    ),
    Phenomenon("a sum", "x and y, and four numbers.", "sums", _result("few", 1), {"sums_more": "addition"}),
    Phenomenon(
        "a difference", "x minus y, and four numbers.", "sums", _result("many", -1), {"sums_more": "subtraction"}
    ),
    Phenomenon("stars", "One star, and one more for each of four kind words.", "review", _stars, classes=4),
)  # fmt: skip
