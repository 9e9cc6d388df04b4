"""Documents of a grammar with their slots marked, and the exam's questions as items cut from them.

The grammar is made to report more than it does by itself: `narrowed` restricts it to the kind of document and the
options of rules that have a phenomenon, so that a rare one need not be waited for (what it writes is distributed as
those documents of the whole source that take these options), and tags every slot with the variable it depends on, so
that the deciding word, and how far back it is, is known and not guessed.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

from lmzoo.data.grammar import Derivation, Grammar
from lmzoo.data.grammar_file import Word, read_slot

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
        self.grammar, self.text, self.kind = grammar, written.text, written.spans[0][0]
        self.marks = [Mark._make([*tag.split("__"), start, end]) for tag, start, end in written.spans if "__" in tag]

    def clue(self, mark: Mark, variable: str) -> Mark | None:
        """The last word before `mark` that shows what `variable` is: the deciding word."""
        shown = [other for other in self.marks if other.end < mark.start and other.shows(variable)]
        return shown[-1] if shown else None

    def row(self, mark: Mark) -> Word:
        """The row of a word table that was drawn at `mark`."""
        rows, word = self.grammar.words[mark.name].values(), self.word(mark).lower()
        return next(row for row in rows if word in {str(feature).lower() for feature in row.features.values()})

    def word(self, mark: Mark) -> str:
        """The text of the mark."""
        return self.text[mark.start : mark.end]

    @cached_property
    def variables(self) -> frozenset[str]:
        """The variables that were drawn."""
        return frozenset(mark.variable for mark in self.marks)

    def drawn(self, variable: str, before: Mark) -> Mark:
        """The mark where what `variable` stands for at `before` was drawn."""
        return [mark for mark in self.marks if mark.variable == variable and mark.end <= before.start][-1]

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


def begins_one(text: str, documents: Sequence[str]) -> bool:
    """Whether one of the sorted `documents` begins with `text`."""
    at = bisect_left(documents, text)
    return at < len(documents) and documents[at].startswith(text)


def marked(grammar: Grammar) -> Grammar:
    """The same grammar with every slot tagged for `Document`."""

    def tagged(template: str) -> str:
        return re.sub(r"\{([^{}]*)\}", lambda slot: "{" + _with_mark(slot[1], grammar) + "}", template)

    rules = {rule: [[weight, tagged(text)] for weight, text in options] for rule, options in grammar.rules.items()}
    words = {table: {name: word.features for name, word in rows.items()} for table, rows in grammar.words.items()}
    return Grammar({"documents": grammar.kinds, "rules": rules, "words": words}, grammar.name)


def _with_mark(source: str, grammar: Grammar) -> str:
    """ "does@a of a #agreement" → "does@a of a #agreement__does______a__a"; `$` stays for the rule to fill in."""
    slot = read_slot(source.replace("$", "DOLLAR"))
    if slot.argument is not None or slot.name in grammar.rules:
        return source  # the slots of that rule are tagged
    parts = (slot.tag, slot.name, slot.form, slot.variable, slot.agree or slot.name, slot.of)
    return f"{source.partition(' #')[0]} #{'__'.join(part or '' for part in parts).replace('DOLLAR', '$')}"
