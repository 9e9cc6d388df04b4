"""Test sets as items that a language model can be asked without training, as their cards in `corpora/tasks/` say.

An item is a list of candidates, each a text in two parts, of which the second is scored, and the place of the right
one. How a line of a file becomes an item stands in the card, in a `[[zeroshot]]` table (see `Protocol`): a template
has the line's fields in braces, {choice} for the candidate, and, where the card says `cut`, {start} and {last}.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from string import Formatter
from typing import Any

from lmzoo.data import task_cards
from lmzoo.errors import FormatError, UsageError, nearest
from lmzoo.interface import Progress
from lmzoo.tasks import multiple_choice

# How items can be scored: `zeroshot` says what each means.
RULES = ("sum", "character", "pmi", "alone", "threshold", "greedy", "filtered", "last-token", "perplexity")
Text = tuple[str, str]  # a beginning, and the continuation that is scored
_MARKS = (".", ",", ";", ":", "!", "?")


@dataclass(frozen=True)
class Published:
    """What somebody got in this task, to be set beside ours."""

    rule: str  # the scoring rule of the column it belongs to
    who: str
    value: float
    source: str
    same: bool  # whether it was asked and scored as we do
    why: str = ""  # what was otherwise


@dataclass(frozen=True)
class Protocol:
    """How the lines of a test set become items, and by which rules those are scored: a column for each rule."""

    column: str  # the head of its columns
    files: tuple[str, ...]  # by their stems
    rules: tuple[str, ...]  # of RULES
    choices: str | tuple[str, ...]  # the field that lists them, or a template for each
    right: str | int = 0  # the field that has the place of the right one, or that place
    beginning: str = ""  # templates
    continuation: str = "{choice}"
    premise: str | None = None  # what stands before a candidate where nothing was asked
    fields: tuple[str, ...] = ()  # the columns of a table; none: JSON lines
    separator: str = "\t"  # between them
    questions: bool = False  # JSON lines of `multiple_choice`, as the fields question, choices and gold
    cut: str = ""  # the field whose last word is {last}, and what is before that word {start}
    groups: Mapping[str, str] = field(default_factory=dict)  # kinds of parts to grade too, and their fields
    renamed: Mapping[str, str] = field(default_factory=dict)  # parts that are counted under another name
    threshold_from: str = ""  # the file on which a threshold is fitted
    stop_words: str = ""
    published: tuple[Published, ...] = ()

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> "Protocol":
        """The one that a card's table describes. Raises TypeError for keys that are not ours, or missing."""
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in table.items()
        }
        values["published"] = tuple(Published(**figure) for figure in table.get("published", ()))
        protocol = cls(**values)
        for rule in protocol.rules:
            if rule not in RULES:
                raise ValueError(f"has the rule {rule!r}{nearest(rule, RULES)}; there are: {', '.join(RULES)}")
        if protocol.premise is None and {"pmi", "alone"} & set(protocol.rules):
            raise ValueError("needs a premise, for one of its rules asks what is likely without the question")
        return protocol


@dataclass(frozen=True)
class Item:
    """One question: candidates, the place of the right one (or, of one candidate alone, its label)."""

    candidates: tuple[Text, ...]
    right: int
    premises: tuple[Text, ...] = ()  # the same continuations where nothing was asked
    groups: Mapping[str, str] = field(default_factory=dict)  # {"phenomenon": "binding", …}

    @property
    def text(self) -> str:
        """The right candidate, whole."""
        chosen = self.candidates[self.right if len(self.candidates) > 1 else 0]
        return "".join(chosen)


@dataclass(frozen=True)
class ZeroShotSet:
    """A test set as it is asked under one protocol."""

    task: str  # the card's name
    protocol: Protocol
    items: list[Item]
    training: list[Item]  # on which a threshold is fitted; mostly none

    def digest(self) -> str:
        """SHA-256 of its items and of how they are scored."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def names() -> list[str]:
    """The tasks that can be asked without training."""
    return [name for name in task_cards.names() if task_cards.find(name).zeroshot]


def load(name: str, mirror: str | None = None, limit: int = 0, progress: Progress | None = None) -> list[ZeroShotSet]:
    """The test_sets of the task `name`, each with at most `limit` items (0: all), spread evenly over its files.

    Raises UsageError for a task that cannot be asked so, FormatError for a card or file that is not right, and as
    `tasks.fetch` does.
    """
    if name not in names():
        raise UsageError(f"no zero-shot task {name!r}{nearest(name, names())}; there are: {', '.join(names())}")
    if limit < 0:
        raise UsageError(f"limit must be 0 (no limit) or more, not {limit}")
    protocols = _protocols(name)
    texts = task_cards.fetch(name, mirror, progress)
    test_sets = []
    for protocol in protocols:
        items = [item for stem in protocol.files for item in read(protocol, texts[stem], stem)]
        stem = protocol.threshold_from
        training = read(protocol, texts[stem], stem) if stem else []
        test_sets.append(ZeroShotSet(name, protocol, _spread(items, limit), _spread(training, limit)))
    return test_sets


def _protocols(name: str) -> list[Protocol]:
    try:
        return [Protocol.of(table) for table in task_cards.find(name).zeroshot]
    except (TypeError, ValueError, AttributeError) as error:
        raise FormatError(f"the card of {name} is not right: its [[zeroshot]] {error}") from error


def _spread(items: list[Item], limit: int) -> list[Item]:
    if not limit or limit >= len(items):
        return items
    return [items[i * len(items) // limit] for i in range(limit)]


def read(protocol: Protocol, text: str, where: str = "the text") -> list[Item]:
    """The items of a file. Raises FormatError naming `where` and the line of one that lacks something."""
    if protocol.questions:
        asked = multiple_choice.read(text, where)
        rows = [{"question": one.stem, "choices": list(one.options), "gold": one.answer} for one in asked]
        return [_item(protocol, row) for row in rows]
    items = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                items.append(_item(protocol, _row(protocol, line)))
            except (KeyError, IndexError, TypeError, ValueError) as error:
                raise FormatError(f"{where}, line {number} is no item of {protocol.column}: {error!r}") from None
    return items


def _row(protocol: Protocol, line: str) -> dict[str, Any]:
    if not protocol.fields:
        row = json.loads(line)
    else:
        values = line.split(protocol.separator, len(protocol.fields) - 1)
        row = dict(zip(protocol.fields, values, strict=True))
    if protocol.cut:
        start, _, last = row[protocol.cut].rpartition(" ")
        if not last:
            raise ValueError(f"{protocol.cut} ends in a blank, so it has no last word")
        row |= {"start": start, "last": last}
    return dict(row)


def _item(protocol: Protocol, row: Mapping[str, Any]) -> Item:
    ending = protocol.continuation
    choices = row[protocol.choices] if isinstance(protocol.choices, str) else protocol.choices
    choices = [choice if isinstance(protocol.choices, str) else _filled(choice, row) for choice in choices]
    right = int(row[protocol.right]) if isinstance(protocol.right, str) else protocol.right
    if not 0 <= right < max(2, len(choices)):
        raise ValueError(f"the right answer is {right}, and there are {len(choices)} choices")
    groups = {kind: row[key] for kind, key in protocol.groups.items()}
    premises = [] if protocol.premise is None else [_text(protocol.premise, ending, row, choice) for choice in choices]
    return Item(
        candidates=tuple(_text(protocol.beginning, ending, row, choice) for choice in choices),
        right=right,
        premises=tuple(premises),
        groups={kind: protocol.renamed.get(part, part) for kind, part in groups.items()},
    )


def _text(beginning: str, continuation: str, row: Mapping[str, Any], choice: str) -> Text:
    """Both templates filled in; without a beginning, no blank leads."""
    values = {**row, "choice": choice}
    before, after = _filled(beginning, values), _filled(continuation, values)
    return before, after if before else after.lstrip(" ")


def _filled(template: str, values: Mapping[str, Any]) -> str:
    """The template with its fields' values; between words and a mark stands no blank."""
    text = ""
    for literal, name, _, _ in Formatter().parse(template):
        value = str(values[name]) if name else ""
        text += literal.removesuffix(" ") if value.startswith(_MARKS) else literal
        text += value
    return text
