"""What there is to learn in storyworld: its phenomena, and how to draw a question about each from its grammar.

A question is a document that the grammar wrote, cut off before a word that an earlier word decides. For this the
grammar is made to tell more than it does by itself. `narrowed` lets it take only the kind of document and the options
of rules that have the phenomenon in them, so that a rare one need not be waited for; what it then writes is
distributed as those documents of the whole source are that take these options. And each of its slots gets a tag that
says which variable it depends on, so that the word that decides, and how far back it lies, is known and not guessed.
"""

import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from lmzoo.data.grammar import Derivation, Grammar
from lmzoo.data.grammar_file import read_slot
from lmzoo.errors import UsageError

PEOPLE = ("hero", "friend", "third")  # the variables that remember people
NEAR, FAR = 12, 20  # words
NEXT_PIECE = re.compile(
    r" ?\w+|[^\w\s]+|\s+"
)  # a word or a mark behind the candidates: it ends them for every tokenizer


class Mark(NamedTuple):
    """A slot as it was filled in a document: text[start:end]."""

    tag: str  # the grammar's own, or ""
    name: str  # of the table it was drawn from, or of the variable that it writes again
    form: str
    variable: str  # that remembers it, or ""
    by: str  # the variable that it agrees with or writes again, or ""
    of: str  # the variable whose preferences it was drawn with, or ""
    start: int
    end: int

    def shows(self, variable: str) -> bool:
        """Whether a reader of it learns what `variable` stands for, or its number or gender."""
        return variable in (self.variable, self.by)


class Item(NamedTuple):
    """A question: which of the candidates goes on from the beginning? What is behind is the same for all."""

    beginning: str
    candidates: tuple[str, ...]
    behind: str  # the next word or mark
    answer: int  # which candidate the source wrote
    back: int  # characters from the end of the word that decides to the candidates
    words_back: int  # 1: it is the word before

    @property
    def continuations(self) -> list[str]:
        """Each candidate with what is behind it."""
        return [candidate + self.behind for candidate in self.candidates]


Drawn = tuple[Item, str]  # with its class: every class gets as many items
Find = Callable[["Page", random.Random], Iterator[Drawn]]


@dataclass(frozen=True)
class Phenomenon:
    """Something that a model of the corpus may have learned, and where to look for it."""

    name: str
    about: str  # in a sentence
    kind: str  # of the documents that have it
    find: Find
    only: Mapping[str, str] = field(default_factory=dict)  # rule → what its options must contain
    classes: int = 1  # right answers come from so many classes, in equal numbers
    certain: bool = True  # whether the grammar rules out all candidates but one


def _mark(written: str, start: int, end: int) -> Mark:
    tag, name, form, variable, by, of = written.split("__")
    return Mark(tag, name, form, variable, by, of, start, end)


class Page:
    """A document with its marks, in the order of the text."""

    def __init__(self, grammar: Grammar, written: Derivation):
        self.grammar, self.text = grammar, written.text
        self.marks = [_mark(tag, start, end) for tag, start, end in written.spans if "__" in tag]

    def clue(self, mark: Mark, variable: str) -> Mark | None:
        """The last word before `mark` that shows what `variable` is."""
        shown = [other for other in self.marks if other.end < mark.start and other.shows(variable)]
        return shown[-1] if shown else None

    def chosen(self, variable: str, table: str) -> str:
        """The name of the word of `table` that `variable` stands for."""
        word = self.word(self.named(variable)).lower()
        return next(name for name, row in self.grammar.words[table].items() if word in row.features.values())

    def word(self, mark: Mark) -> str:
        """What stands there."""
        return self.text[mark.start : mark.end]

    def named(self, variable: str) -> Mark:
        """Where `variable` was drawn."""
        return next(mark for mark in self.marks if mark.variable == variable)

    def item(self, mark: Mark, clue: Mark, others: Iterable[str], skip: int = 0) -> Item | None:
        """The question for `mark` without its first `skip` characters; None where what is behind it gives it away."""
        start = mark.start + skip
        right, behind = self.text[start : mark.end], NEXT_PIECE.match(self.text, mark.end)
        assert behind
        if any(mark.end <= other.start < behind.end() and other.shows(mark.by) for other in self.marks):
            return None
        back = self.text[clue.end : start]
        candidates = tuple(sorted({right, *others}))
        answer = candidates.index(right)
        return Item(self.text[:start], candidates, behind[0], answer, len(back), len(back.split()) + 1)


def narrowed(grammar: Grammar, kind: str, only: Mapping[str, str]) -> Grammar:
    """The source when it writes documents of one kind, and of the rules in `only` takes options that contain that text.

    Every slot of it that depends on a variable is tagged for `Page`. Raises UsageError where the grammar has no such
    kind, rule or option: it is not storyworld's.
    """
    rules = {
        rule: [[weight, _tagged(text, grammar)] for weight, text in options if only.get(rule, "") in text]
        for rule, options in grammar.rules.items()
    }
    lacking = [rule for rule in only if not rules.get(rule)] or [kind] * (kind not in grammar.kinds)
    if lacking:
        raise UsageError(
            f"{grammar.name} has no {lacking[0]!r} to ask about: the exam is made for storyworld's own grammar"
        )
    words = {table: {name: word.features for name, word in rows.items()} for table, rows in grammar.words.items()}
    return Grammar({"documents": {kind: 1.0}, "rules": rules, "words": words}, grammar.name)


def _tagged(template: str, grammar: Grammar) -> str:
    return re.sub(r"\{([^{}]*)\}", lambda found: "{" + _with_mark(found[1], grammar) + "}", template)


def _with_mark(source: str, grammar: Grammar) -> str:
    """ "does@a of a #agreement" → "does@a of a #agreement__does______a__a"; `$` stays, for the rule to fill in."""
    slot = read_slot(source.replace("$", "DOLLAR"))
    if slot.argument is not None or slot.name in grammar.rules:
        return source  # its own slots are tagged
    parts = (slot.tag, slot.name, slot.form, slot.variable, slot.agree or slot.name, slot.of)
    return f"{source.partition(' #')[0]} #{'__'.join(part or '' for part in parts).replace('DOLLAR', '$')}"


# ── Where to look ─────────────────────────────────────────────────────────────────────────────────


def _agreement(where: Callable[[Page, Mark, Mark], bool]) -> Find:
    """A verb or pronoun of animals in the right number, or in the other one."""

    def find(page: Page, source: random.Random) -> Iterator[Drawn]:  # noqa: ARG001
        for mark in page.marks:
            clue = page.clue(mark, mark.by)
            if mark.tag in ("agreement", "pronoun") and mark.by in ("a", "b") and clue and where(page, clue, mark):
                number, other = _in_other_number(page, mark)
                if item := page.item(mark, clue, [other]):
                    yield item, number

    return find


def _behind_its_noun(page: Page, clue: Mark, mark: Mark) -> bool:
    # In the first sentence: much of that is in the training text word for word.
    return clue.name in ("animal", "a", "b") and mark.start == clue.end + 1 and "." in page.text[: mark.start]


def _main_verb(page: Page, clue: Mark, mark: Mark) -> bool:  # noqa: ARG001
    return mark.name == "does" and mark.by == "a"


def _pronoun(page: Page, clue: Mark, mark: Mark) -> bool:  # noqa: ARG001
    return mark.tag == "pronoun"


def _in_other_number(page: Page, mark: Mark) -> tuple[str, str]:
    """The number of what stands there, and its form in the other number."""
    word = page.word(mark)
    for row in page.grammar.words[mark.name].values():
        for number, other in (("sg", "pl"), ("pl", "sg")):
            if row.features[number] == word.lower():
                return number, _like(word, row.features[other])
    raise AssertionError(f"{word!r} is no form of a word of {mark.name}")


def _like(model: str, word: str) -> str:
    return word[0].upper() + word[1:] if model[0].isupper() else word


def _he_or_she(where: Callable[[Page, Mark, Mark], bool]) -> Find:
    """He or she, him or her, his or her: for somebody who was named or shown by another pronoun."""

    def find(page: Page, source: random.Random) -> Iterator[Drawn]:  # noqa: ARG001
        for mark in page.marks:
            clue = page.clue(mark, mark.by)
            if mark.tag == "pronoun" and mark.by in PEOPLE and clue and where(page, clue, mark):
                sex = page.named(mark.by).name
                (anybody, *_) = page.grammar.words["man" if sex == "woman" else "woman"].values()
                if item := page.item(mark, clue, [_like(page.word(mark), anybody.features[mark.form])]):
                    yield item, sex

    return find


def _near(page: Page, clue: Mark, mark: Mark) -> bool:
    return _words(page, clue, mark) <= NEAR and not _rival(page, clue, mark)


def _far(page: Page, clue: Mark, mark: Mark) -> bool:
    return _words(page, clue, mark) >= FAR and not _rival(page, clue, mark)


def _words(page: Page, clue: Mark, mark: Mark) -> int:
    return len(page.text[clue.end : mark.start].split()) + 1


def _rival(page: Page, clue: Mark, mark: Mark) -> bool:
    """Whether somebody of the other sex comes between."""
    shown = {by for x in page.marks if clue.end <= x.start < mark.start for by in (x.variable, x.by) if by in PEOPLE}
    return any(page.named(person).name != page.named(mark.by).name for person in shown)


def _name(page: Page, source: random.Random) -> Iterator[Drawn]:
    """Somebody who was named before, or a stranger with a name as long, and as frequent on average."""
    for mark in page.marks:
        if mark.name not in PEOPLE or mark.form:
            continue
        word, table = page.word(mark), page.grammar.words[page.named(mark.by).name]
        strangers = [name for name in table if len(name) == len(word) and name not in page.text]
        if strangers:
            (stranger,) = source.choices(strangers, [table[name].features["weight"] for name in strangers])
            said = [x for x in page.marks if x.end < mark.start and x.shows(mark.by) and page.word(x) == word]
            if item := page.item(mark, said[-1], [stranger]):
                yield item, ""


def _selection(table: str, chooser: str, possible: bool = False) -> Find:
    """What suits a word of `chooser`, and what suits only others; or (`possible`) what suits the same word as well.

    Candidates differ in their last word alone.
    """

    def find(page: Page, source: random.Random) -> Iterator[Drawn]:
        for mark in page.marks:
            if mark.name != table or not mark.of or (possible and mark.tag != "preference"):
                continue
            weights = _others(page.grammar, table, chooser, page.chosen(mark.of, chooser), possible)
            rows, (head, _, right) = page.grammar.words[table], page.word(mark).rpartition(" ")
            forms = {str(rows[name].features[mark.form or "base"]).rpartition(" "): w for name, w in weights.items()}
            fitting = {last: w for (first, _, last), w in forms.items() if first == head and last != right}
            if fitting:
                others = source.choices(list(fitting), list(fitting.values()))
                says = [x for x in page.marks if x.end < mark.start and mark.of in (x.variable, x.name)]
                if item := page.item(mark, says[-1], others, len(head) + (head != "")):
                    yield item, ""

    return find


def _others(grammar: Grammar, table: str, chooser: str, of: str, possible: bool) -> dict[str, float]:
    """The words of `table` that `of` may take, each alike, or those it may not take as often as they are drawn."""
    own = grammar.words[chooser][of].features[table]
    if possible:
        return dict.fromkeys(own, 1.0)
    weights: dict[str, float] = {}
    for row in grammar.words[chooser].values():
        for name in row.features[table].keys() - own.keys():
            share = row.features["weight"] * row.features[table][name] / sum(row.features[table].values())
            weights[name] = weights.get(name, 0) + share
    return dict(sorted(weights.items()))  # sets have no order, and draws must


def _fact(one: str, other: str) -> Find:
    """Which of two things that were said: they are in `one` and `other`."""

    def find(page: Page, source: random.Random) -> Iterator[Drawn]:  # noqa: ARG001
        for mark in page.marks:
            if mark.tag == "fact" and mark.by in (one, other):
                told, wrong = page.named(mark.by), page.word(page.named(other if mark.by == one else one))
                if len(wrong.split()) == len(page.word(mark).split()) and (item := page.item(mark, told, [wrong])):
                    yield item, mark.by

    return find


def _result(first: str, sign: int) -> Find:
    """x + y or x - y, and three results of other such sums."""

    def find(page: Page, source: random.Random) -> Iterator[Drawn]:
        numbers = {row.features["value"]: name for name, row in page.grammar.words["number"].items()}
        for mark in page.marks:
            if mark.tag != "sum":
                continue
            others: set[str] = set()
            while len(others) < 3:
                x, y = _value(page.grammar, first, source), _value(page.grammar, "few", source)
                others |= {numbers[x + sign * y]} - {page.word(mark), "one"}
            if page.word(mark) != "one" and (item := page.item(mark, page.named("x"), others)):
                yield item, ""

    return find


def _value(grammar: Grammar, table: str, source: random.Random) -> int:
    rows = grammar.words[table].values()
    (row,) = source.choices(list(rows), [row.features["weight"] for row in rows])
    return int(row.features["value"])


def _stars(page: Page, source: random.Random) -> Iterator[Drawn]:  # noqa: ARG001
    counts = [name for name in page.grammar.words["stars"] if name.endswith("stars")]
    for mark in page.marks:
        others = [count for count in counts if count != page.word(mark)]
        if mark.tag == "stars" and len(others) < len(counts) and (item := page.item(mark, page.named("j"), others)):
            yield item, page.word(mark)


PHENOMENA = (
    Phenomenon(
        "agreement, next word", "The noun stands right before its verb.",
        "animals", _agreement(_behind_its_noun), classes=2,
    ),
    Phenomenon(
        "agreement over an object relative",
        "The cat that the dogs watch sits. In this grammar the verb of the relative clause, right before, tells too.",
        "animals", _agreement(_main_verb), {"subject": "creatures", "creatures": "that the"}, classes=2,
    ),
    Phenomenon(
        "agreement over a subject relative",
        "The cat that watches the old dogs sits: a noun of the other number stands right before the verb.",
        "animals", _agreement(_main_verb), {"subject": "creatures", "creatures": "} that {"}, classes=2,
    ),
    Phenomenon("it or they", "A pronoun for one animal or for several.", "animals", _agreement(_pronoun), classes=2),
    Phenomenon(
        "he or she, near", f"Who is meant was shown {NEAR} words back or fewer.", "story", _he_or_she(_near), classes=2
    ),
    Phenomenon(
        "he or she, far", f"Who is meant was shown {FAR} words back or more, and nobody else was named since.",
        "chronicle", _he_or_she(_far), classes=2,
    ),
    Phenomenon(
        "he or she, another between", "Somebody of the other sex was named since.",
        "story", _he_or_she(_rival), classes=2,
    ),
    Phenomenon(
        "a name again", "Somebody who was named before, or a stranger.", "dialogue", _name, {"dialogue": " met "}
    ),
    Phenomenon(
        "where an animal is", "A place that suits the animal, or one that suits only others.",
        "animals", _selection("spot", "animal"), {"animals_more": "meeting"},
    ),
    Phenomenon(
        "where it likes to be", "Two places that suit the animal, one more often than the other.",
        "animals", _selection("spot", "animal", possible=True), certain=False,
    ),
    Phenomenon(
        "what an animal eats", "Food of the animal, or food of others alone, a sentence or more later.",
        "animals", _selection("food", "animal"), {"animals_more": "about_them", "about_them": "{food of a}"},
    ),
    Phenomenon(
        "a tool for the job", "What mends the broken thing, or what mends only others, some sentences later.",
        "story", _selection("tool", "gadget"),
    ),
    Phenomenon(
        "where a thing is", "Two places were told; the question is of one thing.",
        "facts", _fact("p", "q"), {"question_of_two": "it_is", "facts_more": "question_of_two"}, classes=2,
    ),
    Phenomenon(
        "what colour a thing is", "Two colours were told; the question is of one thing.",
        "facts", _fact("c", "d"), {"question_of_two": "colour", "facts_more": "question_of_two"}, classes=2,
    ),
    Phenomenon("a sum", "x and y, and four numbers.", "sums", _result("few", 1), {"sums_more": "addition"}),
    Phenomenon(
        "a difference", "x less y, and four numbers.", "sums", _result("many", -1), {"sums_more": "subtraction"}
    ),
    Phenomenon("stars", "One star, and one more for each kind word of four.", "review", _stars, classes=4),
)  # fmt: skip
