"""Reading a grammar file: templates become steps, tables become words, and what cannot work is refused.

The notation is explained at the top of `corpora/storyworld.grammar.toml`; `data/grammar.py` runs what is read.
"""

import itertools
import re
from dataclasses import dataclass, replace
from typing import Any

from lmzoo.errors import FormatError, nearest

END = "\n\n"  # ends every document, and is nowhere inside one
WEIGHTS = (1e-9, 1e9)  # a weight beyond is a misprint, and the sum of such weights no number

SLOT = re.compile(
    r"""(?P<capital>\^)?  (?:(?P<variable>\w+)=)?  (?P<name>\w+)  (?:\((?P<argument>\w+)\))?
        (?:\.(?P<form>\w+)|@(?P<agree>\w+))?  (?:\ of\ (?P<of>\w+))?  (?:\ not\ (?P<without>\w+(?:,\w+)*))?
        (?:\ below\ (?P<below>\w+))?  (?::\ (?P<total>\w+(?:[+-]\w+)*))?  (?:\ \#(?P<tag>\w+))?""",
    re.VERBOSE,
)


@dataclass(frozen=True, eq=False)
class Word:
    """A row of a word table; `features` are its forms, its values and its preferences."""

    table: str
    name: str
    features: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Slot:
    """What stands between braces in a template, taken apart; each is itself alone, and quickly found in a table."""

    name: str
    capital: bool = False
    variable: str | None = None
    argument: str | None = None
    form: str | None = None
    agree: str | None = None
    of: str | None = None
    without: tuple[str, ...] = ()
    below: str | None = None
    total: str | None = None
    tag: str | None = None


@dataclass(frozen=True)
class Close:
    """The end of a tagged slot that began at character `start`."""

    tag: str
    start: int


Step = str | Slot | Close
Steps = tuple[Step, ...]
Rules = dict[str, list[tuple[float, str]]]
Words = dict[str, dict[str, Word]]


def read_rule(options: list[Any]) -> list[tuple[float, str]]:
    """["template", [3, "template"]] → [(1.0, "template"), (3.0, "template")]."""
    return [(1.0, option) if isinstance(option, str) else (float(option[0]), option[1]) for option in options]


def read_table(table: str, rows: dict[str, Any] | list[str]) -> dict[str, Word]:
    """The words of a table, each with all its features; "*" is the row for all of them.

    Weights follow Zipf's law with Mandelbrot's shift (1953) unless the file gives them: 1/(r + 4).
    """
    rows = {"plain": rows} if isinstance(rows, list) else dict(rows)
    every = rows.pop("*", {})
    listed: dict[str, Any] = {}
    for name, own in rows.items():
        listed |= {plain: listed.get(plain, {}) for plain in own} if isinstance(own, list) else {name: own}
    words = {}
    for rank, (name, own) in enumerate(listed.items(), start=1):
        if not name:
            raise FormatError(f"{table!r} has a word without a name")
        article = "an *" if name[0] in "aeiou" else "a *"
        features = {"base": "*", "a": article, "weight": 1 / (rank + 4), "value": rank} | every | own
        for key, x in features.items():
            _check_feature(table, name, key, x)
        starred = {key: x.replace("*", name) if isinstance(x, str) else x for key, x in features.items()}
        words[name] = Word(table, name, starred)
    return words


def _check_feature(table: str, name: str, key: str, x: Any) -> None:
    """Refuse a weight or value that is no number, and what is neither a form nor weights of other words."""
    if key == "value":
        fine = isinstance(x, int | float) and not isinstance(x, bool)
    elif key == "weight":
        fine = _is_weight(x)
    else:
        fine = isinstance(x, str) or (isinstance(x, dict) and all(map(_is_weight, x.values())))
    if not fine:
        raise FormatError(f"{name!r} of {table!r} has {key} = {x!r}: a form is text, a weight a number above 0")


def _is_weight(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool) and WEIGHTS[0] <= x <= WEIGHTS[1]


def read_template(template: str, capital: bool = False) -> Steps:
    """ "The {a=animal} sleeps." → ("The ", Slot("animal", variable="a"), " sleeps.")."""
    pieces = re.split(r"\{([^{}]*)\}", template)
    if any(brace in piece for piece in pieces for brace in "{}"):
        raise FormatError(f"{template!r} has a brace without its partner")
    steps: list[str | Slot] = [read_slot(x) if i % 2 else x for i, x in enumerate(pieces) if i % 2 or x]
    if capital and steps:
        first = steps[0]
        steps[0] = replace(first, capital=True) if isinstance(first, Slot) else first[0].upper() + first[1:]
    return tuple(steps)


def read_slot(source: str) -> Slot:
    """What stands between braces, taken apart. Raises FormatError if it is not in the notation."""
    match = SLOT.fullmatch(source)
    if match is None:
        raise FormatError(f"cannot read the slot {{{source}}}: the notation is at the top of the grammar file")
    parts: dict[str, Any] = {key: part for key, part in match.groupdict().items() if part}
    parts["without"] = tuple(parts["without"].split(",")) if "without" in parts else ()
    return Slot(**parts | {"capital": "capital" in parts})


def check(rules: Rules, words: Words, kinds: dict[str, float]) -> set[tuple[str, str]]:
    """Refuse what a student is likely to get wrong. Raises FormatError naming the rule, table or slot.

    Returns the rules that some document has, each with its argument ("$" for none), and the names of its other slots.
    That alternatives differ and that no word begins another is needed for one text to have one derivation; that a
    whole document has only one is what `data/ambiguity.py` looks for.
    """
    if not kinds:
        raise FormatError("there is no kind of document: [documents] names one at least")
    for kind, weight in kinds.items():
        if not _is_weight(weight):
            raise FormatError(f"documents {kind!r} have the weight {weight}, which is not above 0 or is too large")
    for rule, options in rules.items():
        texts = [text for _, text in options]
        if not texts:
            raise FormatError(f"rule {rule!r} has no template")
        if repeated := [text for text in texts if texts.count(text) > 1]:
            raise FormatError(f"rule {rule!r} has {repeated[0]!r} twice: join their weights")
        for weight, _ in options:
            if not _is_weight(weight):
                raise FormatError(f"rule {rule!r} has the weight {weight}, which is not above 0 or is too large")
        if any(END in text for text in texts):
            raise FormatError(f"rule {rule!r} has a blank line, which ends documents")
    for table, rows in words.items():
        for one, other in itertools.permutations(rows, 2):
            if other.startswith(one + " "):
                raise FormatError(f"in {table!r}, {one!r} begins {other!r}, so a reader may not know which it is")
    reached: dict[tuple[str, str], list[Slot]] = {}
    for kind in kinds:
        _reach(kind, "$", (), rules, words, reached)
    slots = [slot for found in reached.values() for slot in found]
    known = {slot.variable for slot in slots} | set(rules) | set(words)
    for name in itertools.chain(kinds, (slot.name for slot in slots)):
        if name not in known:
            close = nearest(name, [x for x in known if x])
            raise FormatError(f"{name!r} is no rule, no word table and never remembered{close}")
    if twice := [x for x in known if x and (x in rules) + (x in words) + any(s.variable == x for s in slots) > 1]:
        raise FormatError(f"{twice[0]!r} names two things: rules, word tables and variables need names of their own")
    return set(reached)


def _reach(
    name: str, argument: str, path: tuple[tuple[str, str], ...], rules: Rules, words: Words, reached: Any
) -> None:
    # Collects the slots of all that `name` can lead to; a rule that leads to itself could go on for ever.
    if (name, argument) in path:
        raise FormatError(f"rule {name!r} leads back to itself: documents have to end")
    if (name, argument) in reached:
        return
    templates = [text.replace("$", argument) for _, text in rules.get(name, [])]
    templates += [x for word in words.get(name, {}).values() for x in word.features.values() if "{" in str(x)]
    texts = [text for text in templates if isinstance(text, str)]
    slots = [step for text in texts for step in read_template(text.replace("$", "_")) if isinstance(step, Slot)]
    for slot in slots:
        _reach(slot.name, slot.argument or "$", (*path, (name, argument)), rules, words, reached)
    reached[name, argument] = slots
