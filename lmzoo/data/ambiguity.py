"""Refusing a grammar that can write one text in two ways: log P of a text would be of one of them, or a slow sum.

`refuse` looks twice. Wherever a template has a slot, each pair of alternatives is followed in step, with what is behind
the slot, to a text that both write. It is a bounded search for ambiguities that are certain: what depends on words that
were drawn before is taken to be the same only where both come to the same slot. Then the first documents are parsed.
"""

import itertools
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from lmzoo.data.grammar import Grammar, Memory, Todo, form_of, push
from lmzoo.data.grammar_file import Slot, Steps, Word
from lmzoo.errors import FormatError

MOST = 1000  # steps of the search for a text of two alternatives
DOCUMENTS = 30_000  # characters of documents that are parsed
SHOWN = 60  # characters of an ambiguous text in a message


class Side(NamedTuple):
    """One of two derivations: the steps it has still to do, and what it remembers."""

    todo: Todo
    memory: Memory


def refuse(grammar: Grammar, seed: int | str) -> None:
    """Raise FormatError naming the rule where two derivations of one text are found."""
    for slot, behind in _places(grammar):
        items = grammar.alternatives(slot, {}).items
        for (i, one), (j, other) in itertools.combinations(enumerate(items), 2):
            if _differ_at_once(one[1], other[1]):
                continue
            sides = [Side(push(item[1], push(behind, None)), _remembering(slot, item[2], {})) for item in (one, other)]
            if text := _common(grammar, *sides):
                _refuse(grammar, slot, i, j, text)
    for document, _ in grammar.draw(DOCUMENTS, f"{seed}/train"):
        if found := grammar.two_ways(document):
            position, slot, *numbers = found
            i, j = sorted(numbers)
            _refuse(grammar, slot, i, j, document[position:])


def _differ_at_once(one: Steps, other: Steps) -> bool:
    first, second = (steps[-1] if steps else "" for steps in (one, other))
    texts = isinstance(first, str) and isinstance(second, str)
    return texts and not first.startswith(second) and not second.startswith(first)  # type: ignore[union-attr, arg-type]


def _refuse(grammar: Grammar, slot: Slot, i: int, j: int, text: str) -> None:
    if slot.name in grammar.rules:
        what, names = "rule", [template for _, template in grammar.rules[slot.name]]
    else:
        what, names = "table", list(grammar.kinds if slot is grammar.first else grammar.words[slot.name])
    shown = text.strip() if len(text) <= SHOWN else text[:SHOWN].strip() + "…"
    raise FormatError(
        f"{grammar.name}: the {what} {slot.name!r} has two ways to write {shown!r}, {names[i]!r} and {names[j]!r}: "
        "a text must show which alternative was taken"
    )


def _places(grammar: Grammar) -> Iterator[tuple[Slot, Steps]]:
    """Each choice in a template that depends on no word before it, with the steps behind it, the last first."""
    yield from ((slot, ()) for slot in (grammar.first, *map(Slot, grammar.kinds)))
    seen = set()
    for name, argument in sorted(grammar.reached):
        whole = Slot(name, argument=None if argument == "$" else argument)
        for _, steps, _ in grammar.alternatives(whole, {}).items if name in grammar.rules else ():
            for at, step in enumerate(steps):
                if isinstance(step, Slot) and _known(grammar, step, {}):
                    place = (*_choice(step), steps[:at])
                    if place not in seen:
                        seen.add(place)
                        yield step, steps[:at]


def _common(grammar: Grammar, one: Side, other: Side) -> str:
    """A text that both write; "" where none is found."""
    agenda: list[tuple[Side, Side, str, str]] = [(one, other, "", "")]  # and what the first is ahead, and all so far
    for _ in range(MOST):
        if not agenda:
            break
        ahead, behind, lead, text = agenda.pop()
        if not lead and not ahead.todo and not behind.todo:
            if ahead.memory == behind.memory:
                return text
        elif not lead and (skipped := _same_slot(grammar, ahead, behind)):
            agenda.append((*skipped, "", text + "…"))
        elif not lead and ahead.todo:
            agenda += [(side, behind, written, text + written) for written, side in _steps(grammar, ahead, "")]
        elif not lead:
            agenda.append((behind, ahead, "", text))
        else:
            for written, side in _steps(grammar, behind, lead):
                if lead.startswith(written):
                    agenda.append((ahead, side, lead[len(written) :], text))
                elif written.startswith(lead):
                    agenda.append((side, ahead, written[len(lead) :], text + written[len(lead) :]))
    return ""


def _steps(grammar: Grammar, side: Side, lead: str) -> Iterator[tuple[str, Side]]:
    """What the next step can write, and the side after it; nothing where that depends on what was drawn before."""
    if side.todo is None:
        return
    step, todo = side.todo
    if isinstance(step, str):
        yield step, Side(todo, side.memory)
    elif isinstance(step, Slot) and _known(grammar, step, side.memory):
        for _, steps, word in grammar.alternatives(step, side.memory).items:
            first = steps[-1] if steps else ""
            if not isinstance(first, str) or first.startswith(lead) or lead.startswith(first):
                yield "", Side(push(steps, todo), _remembering(step, word, side.memory))


def _same_slot(grammar: Grammar, one: Side, other: Side) -> tuple[Side, Side] | None:
    """Both sides behind the choice that is next on both, where that is the same on both; else None."""
    if not one.todo or not other.todo:
        return None
    slot, same = one.todo[0], other.todo[0]
    if not isinstance(slot, Slot) or not isinstance(same, Slot) or _choice(slot) != _choice(same):
        return None
    inside = slot.name in grammar.rules  # what the rule writes may depend on all that is remembered
    if any(one.memory.get(name) != other.memory.get(name) for name in _variables(slot)) or (
        inside and one.memory != other.memory
    ):
        return None
    drawn = {slot.variable} - {None}
    memories = [{key: x for key, x in side.memory.items() if key not in drawn} for side in (one, other)]
    return Side(one.todo[1], memories[0]), Side(other.todo[1], memories[1])


def _choice(slot: Slot) -> tuple[Any, ...]:
    """What distinguishes one choice from another: all but its tag."""
    return tuple(value for name, value in vars(slot).items() if name != "tag")


def _variables(slot: Slot) -> set[str]:
    """The variables that the alternatives of a slot may depend on."""
    names = {slot.name, slot.agree, slot.of, slot.below, *slot.without, *re.findall(r"\w+", slot.total or "")}
    return {name for name in names if name and not name.isdigit()}


def _known(grammar: Grammar, slot: Slot, memory: Memory) -> bool:
    """Whether all is remembered that the alternatives of a slot depend on."""
    return _variables(slot) - {*grammar.rules, *grammar.words} <= memory.keys()


def _remembering(slot: Slot, word: Word | None, memory: Memory) -> Memory:
    return memory | {slot.variable: (word, form_of(slot, memory))} if slot.variable and word else memory
