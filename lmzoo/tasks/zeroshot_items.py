"""Test sets as zero-shot items, read as the cards in `corpora/tasks/` describe them.

An item is a list of candidates, each a text in two parts of which the second is scored, and the index of the right one.
A card's `[[zeroshot]]` table (see `ZeroShotCard`) says how a line of a file becomes an item: a template has the line's
fields in braces, {choice} for the candidate, and, where the card says `cut`, {start} and {last}.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from string import Formatter
from typing import Any

from lmzoo.data import task_cards
from lmzoo.errors import FormatError, in_range, nearest, one_of
from lmzoo.files import parse_json, typed
from lmzoo.interface import Progress
from lmzoo.tasks import multiple_choice

Text = tuple[str, str]  # a beginning, and the continuation that is scored
_PUNCTUATION = (".", ",", ";", ":", "!", "?")


@dataclass(frozen=True)
class Rule:
    """How items are scored (the equations are in `zeroshot.py`), and what the score is called."""

    metric: str
    heading: str  # of its column, after the task
    protocol: str  # what is compared, in words


RULES = {
    "sum": Rule("accuracy", "log P", "log P({c}), the sum over its tokens"),
    "character": Rule("accuracy", "per character", "log P({c}) per character"),
    "pmi": Rule("accuracy", "PMI", "log P({c}) less log P of the same after “{p}”"),
    "alone": Rule("accuracy", "answers alone", "log P of the answer after “{p}”, without the question"),
    "threshold": Rule("MCC", "per token", "log P({c}) per token, above a threshold fitted on the training sentences"),
    "greedy": Rule("accuracy", "last word, greedy", "each token of the last word is the most likely one"),
    "filtered": Rule(
        "accuracy", "last word, greedy, no stop words", "as greedy; stop words and punctuation cannot come first"
    ),
    "last-token": Rule("accuracy", "last token of the last word, greedy", "the last token is the most likely one"),
    "perplexity": Rule("perplexity", "last word, perplexity", "exp of −log P(the last word), mean over passages"),
}


@dataclass(frozen=True)
class Published:
    """A figure from the literature for this task."""

    rule: str  # the scoring rule of the column it belongs to
    who: str
    value: float
    source: str
    same: bool  # whether the protocol was ours
    why: str = ""  # what was different


@dataclass(frozen=True)
class ZeroShotCard:
    """How the lines of a task's files become items, and the rules they are scored by: a column for each rule."""

    column: str  # the heading of its columns
    files: tuple[str, ...]  # by their stems
    rules: tuple[str, ...]  # of RULES
    choices: str | tuple[str, ...]  # the field that lists the candidates, or a template for each
    right: str | int = 0  # the field with the index of the right candidate, or that index
    beginning: str = ""  # template
    continuation: str = "{choice}"  # template
    premise: str | None = None  # template of what stands before a candidate without the question
    fields: tuple[str, ...] = ()  # the columns of a table; none: JSON lines
    separator: str = "\t"  # between columns
    questions: bool = False  # whether they are questions of `multiple_choice`: fields question, choices and gold
    cut: str = ""  # the field whose last word is {last}, and {start} what is before that word
    groups: Mapping[str, str] = field(default_factory=dict)  # kind of group → field: their items get results too
    renamed: Mapping[str, str] = field(default_factory=dict)  # groups that are counted under another name
    threshold_from: str = ""  # the file on which a threshold is fitted
    stop_words: str = ""
    published: tuple[Published, ...] = ()

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> "ZeroShotCard":
        """The one that a card's table describes. Raises FormatError for a wrong field, ValueError for rules."""
        card = typed(table, cls, "its [[zeroshot]]", closed=True)
        for rule in card.rules:
            if rule not in RULES:
                raise ValueError(
                    f"its [[zeroshot]] has the rule {rule!r}{nearest(rule, RULES)}; there are: {', '.join(RULES)}"
                )
        if card.premise is None and {"pmi", "alone"} & set(card.rules):
            raise ValueError("its [[zeroshot]] needs a premise: one of its rules scores answers without the question")
        return card


@dataclass(frozen=True)
class Item:
    """One question: candidates and the index of the right one; of a single candidate, its label 0 or 1."""

    candidates: tuple[Text, ...]
    right: int
    premises: tuple[Text, ...] = ()  # the same continuations without the question
    groups: Mapping[str, str] = field(default_factory=dict)  # {"phenomenon": "binding", …}

    @property
    def text(self) -> str:
        """The right candidate, both parts."""
        return "".join(self.candidates[self.right if len(self.candidates) > 1 else 0])


@dataclass(frozen=True)
class ZeroShotSet:
    """A test set under one `[[zeroshot]]` table of its card."""

    task: str  # the card's name
    card: ZeroShotCard
    items: list[Item]
    training: list[Item]  # on which a threshold is fitted; mostly none

    def limited(self, limit: int) -> "ZeroShotSet":
        """The same with at most `limit` items, evenly spaced."""
        return replace(self, items=_spread(self.items, limit))

    def digest(self) -> str:
        """SHA-256 of its items and of how they are scored."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def names() -> list[str]:
    """The zero-shot tasks: those whose card has a `[[zeroshot]]` table."""
    return [name for name in task_cards.names() if task_cards.find(name).zeroshot]


def load(name: str, mirror: str | None = None, limit: int = 0, progress: Progress | None = None) -> list[ZeroShotSet]:
    """The sets of a task, one for each `[[zeroshot]]` table, each with at most `limit` items (0: all).

    Raises UsageError for a task that is not among `names`, FormatError for a card or file with a mistake, and as
    `task_cards.fetch` does.
    """
    one_of("zero-shot task", name, names())
    in_range("limit", limit, 0, why="0 is no limit")
    try:
        asked = [ZeroShotCard.of(table) for table in task_cards.find(name).zeroshot]
    except (FormatError, ValueError) as error:
        raise FormatError(f"the card of {name} is not right: {error}") from error
    texts = task_cards.fetch(name, mirror, progress)
    sets = []
    for card in asked:
        items = [item for stem in card.files for item in read(card, texts[stem], stem)]
        stem = card.threshold_from
        training = read(card, texts[stem], stem) if stem else []
        sets.append(ZeroShotSet(name, card, _spread(items, limit), _spread(training, limit)))
    return sets


def _spread(items: list[Item], limit: int) -> list[Item]:
    """At most `limit` of the items, evenly spaced: neighbours are often of one group."""
    if not limit or limit >= len(items):
        return items
    return [items[i * len(items) // limit] for i in range(limit)]


def read(card: ZeroShotCard, text: str, where: str = "the text") -> list[Item]:
    """The items of a file. Raises FormatError naming `where` and the line with a mistake."""
    if card.questions:
        questions = multiple_choice.read(text, where)
        rows = [{"question": one.stem, "choices": list(one.options), "gold": one.answer} for one in questions]
        return [_item(card, row) for row in rows]
    items = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                items.append(_item(card, _row(card, line, f"{where}, line {number}")))
            except (KeyError, IndexError, TypeError, ValueError) as error:
                raise FormatError(f"{where}, line {number} is no item of {card.column}: {error!r}") from None
    return items


def _row(card: ZeroShotCard, line: str, where: str) -> dict[str, Any]:
    if not card.fields:
        row = parse_json(line, dict[str, Any], where)
    else:
        values = line.split(card.separator, len(card.fields) - 1)
        row = dict(zip(card.fields, values, strict=True))
    if card.cut:
        start, _, last = row[card.cut].rpartition(" ")
        if not last:
            raise ValueError(f"{card.cut} ends in a space, so it has no last word")
        row |= {"start": start, "last": last}
    return dict(row)


def _item(card: ZeroShotCard, row: Mapping[str, Any]) -> Item:
    choices = row[card.choices] if isinstance(card.choices, str) else [_fill(choice, row) for choice in card.choices]
    right = int(row[card.right]) if isinstance(card.right, str) else card.right
    if not 0 <= right < max(2, len(choices)):
        raise ValueError(f"the right answer is {right}, and there are {len(choices)} choices")
    groups = {kind: row[key] for kind, key in card.groups.items()}
    premises = [] if card.premise is None else [_text(card.premise, card, row, choice) for choice in choices]
    return Item(
        candidates=tuple(_text(card.beginning, card, row, choice) for choice in choices),
        right=right,
        premises=tuple(premises),
        groups={kind: card.renamed.get(group, group) for kind, group in groups.items()},
    )


def _text(beginning: str, card: ZeroShotCard, row: Mapping[str, Any], choice: str) -> Text:
    """A beginning and the continuation, filled in; without a beginning there is no space before the continuation."""
    values = {**row, "choice": choice}
    before, after = _fill(beginning, values), _fill(card.continuation, values)
    return before, after if before else after.lstrip(" ")


def _fill(template: str, values: Mapping[str, Any]) -> str:
    """The template with the values of its fields; no space before punctuation."""
    text = ""
    for literal, name, _, _ in Formatter().parse(template):
        value = str(values[name]) if name else ""
        text += literal.removesuffix(" ") if value.startswith(_PUNCTUATION) else literal
        text += value
    return text
