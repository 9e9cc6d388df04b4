"""Documents of a grammar with their slots marked, and the exam's questions as items cut from them.

The grammar is made to report more than it does by itself: `narrowed` restricts it to the kind of document and the
options of rules that have a phenomenon, so that a rare one need not be waited for (what it writes is distributed as
those documents of the whole source that take these options), and tags every slot with the variable it depends on, so
that the deciding word, and how far back it is, is known and not guessed.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from lmzoo.data.grammar import Derivation, Grammar
from lmzoo.data.grammar_file import read_slot
from lmzoo.errors import UsageError

NEXT_PIECE = re.compile(r" ?\w+|[^\w\s]+|\s+")  # a word or punctuation: it ends a candidate for every tokenizer


class Mark(NamedTuple):
    """A filled slot of a document: text[start:end]."""

    tag: str  # the grammar's own, or ""
    name: str  # of the table it was drawn from, or of the variable that it repeats
    form: str
    variable: str  # that stores it, or ""
    by: str  # the variable that it agrees with or repeats, or ""
    of: str  # the variable whose preferences it was drawn with, or ""
    start: int
    end: int

    def shows(self, variable: str) -> bool:
        """Whether it shows what `variable` stands for, or its number or gender."""
        return variable in (self.variable, self.by)


class Item(NamedTuple):
    """A question: which candidate continues the beginning? What is behind is the same for all."""

    beginning: str
    candidates: tuple[str, ...]
    behind: str  # the next word or mark
    answer: int  # which candidate the source wrote
    back: int  # characters from the end of the deciding word to the candidates
    words_back: int  # 1: it is the word before

    @property
    def continuations(self) -> list[str]:
        """Each candidate with the word or punctuation behind it."""
        return [candidate + self.behind for candidate in self.candidates]


class Document:
    """A document with its marks, in the order of the text."""

    def __init__(self, grammar: Grammar, written: Derivation):
        self.grammar, self.text = grammar, written.text
        self.marks = [Mark._make([*tag.split("__"), start, end]) for tag, start, end in written.spans if "__" in tag]

    def clue(self, mark: Mark, variable: str) -> Mark | None:
        """The last word before `mark` that shows what `variable` is: the deciding word."""
        shown = [other for other in self.marks if other.end < mark.start and other.shows(variable)]
        return shown[-1] if shown else None

    def entry_of(self, variable: str, table: str) -> str:
        """The name of the entry of `table` that `variable` stands for."""
        word = self.word(self.named(variable)).lower()
        return next(name for name, row in self.grammar.words[table].items() if word in row.features.values())

    def word(self, mark: Mark) -> str:
        """The text of the mark."""
        return self.text[mark.start : mark.end]

    def named(self, variable: str) -> Mark:
        """The mark where `variable` was drawn."""
        return next(mark for mark in self.marks if mark.variable == variable)

    def item(self, mark: Mark, clue: Mark, others: Iterable[str], skip: int = 0) -> Item | None:
        """The question for `mark` without its first `skip` characters; None where the next word gives it away."""
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
    """The grammar with one kind of document, and of each rule in `only` the options that contain that text.

    Every slot that depends on a variable is tagged for `Document`. Raises UsageError where the grammar has no such
    kind, rule or option: it is not storyworld's.
    """

    def tagged(template: str) -> str:
        return re.sub(r"\{([^{}]*)\}", lambda slot: "{" + _with_mark(slot[1], grammar) + "}", template)

    rules = {
        rule: [[weight, tagged(text)] for weight, text in options if only.get(rule, "") in text]
        for rule, options in grammar.rules.items()
    }
    missing = [rule for rule in only if not rules.get(rule)] or [kind] * (kind not in grammar.kinds)
    if missing:
        raise UsageError(
            f"{grammar.name} has no {missing[0]!r} to ask about: the exam is made for storyworld's own grammar"
        )
    words = {table: {name: word.features for name, word in rows.items()} for table, rows in grammar.words.items()}
    return Grammar({"documents": {kind: 1.0}, "rules": rules, "words": words}, grammar.name)


def _with_mark(source: str, grammar: Grammar) -> str:
    """ "does@a of a #agreement" → "does@a of a #agreement__does______a__a"; `$` stays for the rule to fill in."""
    slot = read_slot(source.replace("$", "DOLLAR"))
    if slot.argument is not None or slot.name in grammar.rules:
        return source  # the slots of that rule are tagged
    parts = (slot.tag, slot.name, slot.form, slot.variable, slot.agree or slot.name, slot.of)
    return f"{source.partition(' #')[0]} #{'__'.join(part or '' for part in parts).replace('DOLLAR', '$')}"
