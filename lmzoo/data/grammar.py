"""A text whose entropy is known: documents drawn from a grammar, and the exact probability of each.

A grammar is a TOML file (`corpora/storyworld.grammar.toml` explains the notation at its top). Every slot in a
template is a choice between weighted alternatives, which may depend on earlier choices. `sample` draws at each choice,
`derivations` follows every choice that agrees with a given text. So P(document) is known exactly, and no model needs
fewer bits on average than the source's own -log2 P (Shannon 1948, "A Mathematical Theory of Communication", §7).

Logarithms of probabilities are to base 2; a document includes the blank line that ends it.
"""

import itertools
import math
import random
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from lmzoo.data import cards
from lmzoo.data.grammar_file import END, Close, Slot, Step, Steps, Word, check, read_rule, read_table, read_template
from lmzoo.errors import FormatError, UsageError
from lmzoo.files import read_toml

Memory = dict[str, tuple[Word, str]]  # variable → the word it stands for, and the form it was drawn in
Todo = tuple[Step, Any] | None  # the steps still to do: (the next one, the rest)
Item = tuple[float, Steps, Word | None]  # log2 probability, steps to take, the last one first, word to remember


class Alternatives(NamedTuple):
    """The alternatives of one choice; the probabilities of those that are open sum to one."""

    edges: list[float]  # cumulative weights, to draw from, without the last: nothing lies behind it
    items: list[Item]
    weight: float  # of those that are open
    log2_share: float  # log2 of their share of the weight of all: what the items' probabilities are divided by
    gaps: tuple[tuple[float, float], ...]  # where the closed ones begin among the cumulative weights, and their weights
    closed: frozenset[int]


class State(NamedTuple):
    """How far a derivation has come."""

    position: int
    log2_prob: float
    memory: Memory
    spans: tuple[tuple[str, int, int], ...]
    todo: Todo
    taken: Any = None  # its choices: (the last one as position, slot and number of the alternative, those before it)


class Derivation(NamedTuple):
    """One derivation of a text: its log2 probability, and (tag, start, end) of the phenomena in it.

    The first span is the whole document, tagged with its kind; a prefix has only the spans that end in it.
    """

    text: str
    log2_prob: float
    spans: tuple[tuple[str, int, int], ...]


class Grammar:
    """A probabilistic grammar of documents; `Grammar.load(path)` reads one."""

    def __init__(self, tree: dict[str, Any], name: str = "grammar"):
        self.name = name
        try:
            self.rules = {rule: read_rule(options) for rule, options in tree["rules"].items()}
            self.words = {table: read_table(table, rows) for table, rows in tree.get("words", {}).items()}
            self.kinds = {kind: float(weight) for kind, weight in tree["documents"].items()}
            self.reached = check(self.rules, self.words, self.kinds)
        except FormatError as error:
            raise FormatError(f"{name}: {error}") from None
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise FormatError(f"{name} is not a grammar: {type(error).__name__}: {error}") from None
        self.first = Slot("documents")  # the choice between the kinds
        self._steps = lru_cache(maxsize=None)(lambda template, capital: read_template(template, capital)[::-1])
        documents = _weigh((w, (END, Slot(kind, tag=kind)), None) for kind, w in self.kinds.items())
        self._known = {self.first: documents}  # the choices that do not depend on what is remembered
        self._only = lru_cache(maxsize=None)(self._weigh_one)
        self._all = lru_cache(maxsize=None)(self._weigh_words)
        self._open = lru_cache(maxsize=1 << 14)(self._close)

    @classmethod
    def load(cls, path: Path) -> "Grammar":
        """The grammar in the TOML file `path`. Raises FormatError where it is not one, or has what never occurs."""
        try:
            made = cls(read_toml(path, dict[str, Any]), path.name)
        except OSError as error:
            raise FormatError(f"cannot read the grammar {path}: {error.strerror}") from None
        names = {name for name, _ in made.reached}
        for what, every in (("rule", made.rules), ("word table", made.words)):
            if unused := [name for name in every if name not in names]:
                raise FormatError(f"{path.name}: the {what} {unused[0]!r} never occurs: no document leads to it")
        return made

    def generate(self, characters: int, seed: int | str) -> list[str]:
        """The texts of `draw`."""
        return [text for text, _ in self.draw(characters, seed)]

    def draw(self, characters: int, seed: int | str) -> Iterator[tuple[str, float]]:
        """Documents, each ending in a blank line, until there are at least `characters` characters.

        The same seed gives the same bytes on every machine, and less of them is their beginning; give each split its
        own seed ("7/train"). Each comes with its log2 probability: to find that by parsing takes fifty times as long.
        """
        source, written = random.Random(seed), 0
        while written < characters:
            pieces, log2_prob, _ = self._write(source)
            text = "".join(pieces)
            yield text, log2_prob
            written += len(text)

    def sample(self, source: random.Random) -> Derivation:
        """One document, with the log2 probability of its choices."""
        pieces, log2_prob, marks = self._write(source)
        ends = list(itertools.accumulate(map(len, pieces), initial=0))
        return _derivation("".join(pieces), log2_prob, [(tag, ends[first], ends[last]) for tag, first, last in marks])

    def _write(self, source: random.Random) -> tuple[list[str], float, list[tuple[str, int, int]]]:
        """A document in pieces, its log2 probability, and the pieces of each tagged slot: from the first to the last.

        A loop over a stack, with all that it needs in local variables: ten megabytes are drawn by it.
        """
        uniform, known, memory = source.random, self._known, Memory()
        pieces: list[str] = []
        marks: list[tuple[str, int, int]] = []
        log2_prob, todo = 0.0, list[Any]((self.first,))  # the next step is the last
        while todo:
            step = todo.pop()
            if type(step) is str:
                pieces.append(step)
            elif type(step) is tuple:
                marks.append((*step, len(pieces)))
            else:
                edges, items, weight, log2_share, gaps, _ = known.get(step) or self.alternatives(step, memory)
                if edges:
                    at = uniform() * weight
                    if gaps:
                        for start, width in gaps:
                            if at >= start:
                                at += width
                    more, steps, word = items[bisect_right(edges, at)]
                else:
                    more, steps, word = items[0]
                log2_prob += more - log2_share
                if step.tag:
                    todo.append((step.tag, len(pieces)))
                if step.variable and word:
                    memory[step.variable] = word, form_of(step, memory)
                todo += steps
        return pieces, log2_prob, marks

    def derivations(self, text: str, prefix: bool = False) -> list[Derivation]:
        """Every derivation of the document `text`, or (`prefix`) of documents that begin with it; [] if none."""
        return [_derivation(text, state.log2_prob, state.spans) for state in self.derived(text, prefix)]

    def two_ways(self, text: str) -> tuple[int, Slot, int, int] | None:
        """Where two derivations of `text`, a document, part: position, slot, both alternatives; None if one is all."""
        ways: list[list[tuple[int, Slot, int]]] = []
        for state in self.derived(text, prefix=False)[:2]:
            ways.append([])
            while state.taken:
                last, before = state.taken
                ways[-1].insert(0, last)
                state = state._replace(taken=before)
        parting = ((one, other[2]) for one, other in zip(*ways, strict=False) if one != other) if ways[1:] else iter(())
        return next(((*one, other) for one, other in parting), None)

    def derived(self, text: str, prefix: bool, states: Iterable[State] | None = None) -> list[State]:
        """The ends of all derivations of `text`, or (`prefix`) of what begins so, from `states` or the start."""
        complete = []
        agenda = [State(0, 0.0, {}, (), (self.first, None))] if states is None else [*states]
        while agenda:
            state = agenda.pop()
            position, todo = state.position, state.todo
            while todo and isinstance(todo[0], str) and text.startswith(todo[0], position):
                position, todo = position + len(todo[0]), todo[1]
            state = state._replace(position=position, todo=todo)
            cut_short = prefix and (position == len(text) or _runs_out(text, position, todo))
            if cut_short or (not todo and position == len(text)):
                complete.append(state)
            elif todo and isinstance(todo[0], Close):
                agenda.append(close(todo[0], state))
            elif todo and isinstance(todo[0], Slot):
                agenda.extend(self._agreeing(todo[0], state, text, prefix))
        return complete

    def log2_prob(self, document: str, prefix: bool = False, offset: int = 0) -> float:
        """log2 P(document), or (`prefix`) log2 P(a document begins so): exact, summed over all derivations.

        Raises UsageError naming the first character that no document can have there, counted from `offset`, the
        document's place in its text.
        """
        logs = [derivation.log2_prob for derivation in self.derivations(document, prefix)]
        if not logs:
            raise self._refusal(document, offset)
        return logs[0] if len(logs) == 1 else max(logs) + math.log2(sum(2 ** (x - max(logs)) for x in logs))

    @staticmethod
    def documents(text: str) -> list[str]:
        """`text` cut behind every blank line: joined again, the pieces are `text`."""
        return re.findall(r"(?s).+?\n\n|.+\Z", text)

    def _agreeing(self, slot: Slot, state: State, text: str, prefix: bool) -> Iterable[State]:
        # Most alternatives begin with different letters: those that the text does not have are dropped at once.
        choice = self.alternatives(slot, state.memory)
        for number, (log2_prob, steps, word) in enumerate(choice.items):
            first = steps[-1] if steps else None
            agrees = not isinstance(first, str) or text.startswith(first, state.position)
            if number not in choice.closed and (
                agrees or (prefix and _runs_out(text, state.position, (first, None) if first else None))
            ):
                taken = ((state.position, slot, number), state.taken)
                yield follow(slot, (log2_prob - choice.log2_share, steps, word), state, taken)

    def alternatives(self, slot: Slot, memory: Memory) -> Alternatives:
        """The alternatives of a slot, given what is remembered."""
        if slot in self._known:
            return self._known[slot]
        if slot.name in self.rules:
            self._known[slot] = choice = self._weigh_rule(slot)
            return choice
        form = form_of(slot, memory)
        if slot.name not in self.words:
            return self._only(_recall(slot.name, memory)[0], form, slot.capital)
        if slot.total:
            return self._only(self._with_value(slot.name, _total(slot.total, memory)), form, slot.capital)
        of = _recall(slot.of, memory)[0] if slot.of else None
        choice = self._all(slot.name, form, slot.capital, of)
        if slot.without or slot.below:
            without = tuple(memory[variable][0] for variable in slot.without if variable in memory)
            below = _value(slot.below, memory) if slot.below else None
            return self._open(slot.name, form, slot.capital, of, without, below)
        if not (slot.agree or of):
            self._known[slot] = choice
        return choice

    def _weigh_rule(self, slot: Slot) -> Alternatives:
        templates = [(weight, text.replace("$", slot.argument or "$")) for weight, text in self.rules[slot.name]]
        return _weigh((weight, self._steps(text, slot.capital), None) for weight, text in templates)

    def _weigh_one(self, word: Word, form: str, capital: bool) -> Alternatives:
        return _weigh([(1.0, self._steps(_feature(word, form), capital), word)])

    def _weigh_words(self, table: str, form: str, capital: bool, of: Word | None) -> Alternatives:
        weights = {name: word.features["weight"] for name, word in self.words[table].items()}
        if of is not None:
            weights = of.features.get(table) or {}
            if strange := [name for name in weights if name not in self.words[table]]:
                raise FormatError(f"{self.name}: {of.name!r} prefers {strange[0]!r}, which is no {table}")
        if not weights:
            raise FormatError(f"{self.name}: no {table} is left to draw (of {of and of.name})")
        words = [(weight, self.words[table][name]) for name, weight in weights.items()]
        return _weigh((w, self._steps(_feature(x, form), capital), x) for w, x in words)

    def _close(
        self, table: str, form: str, capital: bool, of: Word | None, without: tuple[Word, ...], below: int | None
    ) -> Alternatives:
        """`_weigh_words` without some words and without values from `below` on."""
        every = self._all(table, form, capital, of)
        words = [word for _, _, word in every.items if word]
        left = [n for n, x in enumerate(words) if x not in without and (below is None or x.features["value"] < below)]
        if not left:
            raise FormatError(f"{self.name}: no {table} is left to draw (of {of and of.name}, below {below})")
        if len(left) == 1:
            return self._only(words[left[0]], form, capital)
        closed = [n for n in range(len(words)) if n not in left]
        edges = [0.0, *every.edges, every.weight]
        gaps = tuple((edges[n], edges[n + 1] - edges[n]) for n in closed)
        weight = every.weight - sum(width for _, width in gaps)
        share = math.log2(weight / every.weight)
        return Alternatives(every.edges[: left[-1]], every.items, weight, share, gaps, frozenset(closed))

    def _with_value(self, table: str, value: int) -> Word:
        for word in self.words[table].values():
            if word.features["value"] == value:
                return word
        raise FormatError(f"{self.name}: no {table} has the value {value}")

    def _refusal(self, document: str, offset: int) -> UsageError:
        # If a prefix is possible so is every shorter one, so bisection finds where it stops.
        good, bad = 0, len(document) + 1
        while bad - good > 1:
            middle = (good + bad) // 2
            good, bad = (middle, bad) if self.derivations(document[:middle], prefix=True) else (good, middle)
        if good == len(document):
            return UsageError(f"the text ends inside a document of {self.name}, at character {offset + good}")
        return UsageError(
            f"{self.name} cannot write {document[good : good + 20]!r} at character {offset + good}: the text "
            "was changed, or comes from another version of the grammar"
        )


@cache
def storyworld() -> Grammar:
    """The built-in grammar."""
    return Grammar.load(cards.folder() / "storyworld.grammar.toml")


def _weigh(items: Iterable[Item]) -> Alternatives:
    listed = list(items)
    *edges, total = itertools.accumulate(weight for weight, _, _ in listed)
    items = [(math.log2(weight / total), steps, word) for weight, steps, word in listed]
    return Alternatives(edges, items, total, 0.0, (), frozenset())


def follow(slot: Slot, item: Item, state: State, taken: Any) -> State:
    """The state once this alternative of `slot`, the next step, is taken."""
    log2_prob, steps, word = item
    assert state.todo is not None
    todo, memory = state.todo[1], state.memory
    if slot.tag:
        todo = (Close(slot.tag, state.position), todo)
    if slot.variable and word:
        memory = memory | {slot.variable: (word, form_of(slot, memory))}
    return State(state.position, state.log2_prob + log2_prob, memory, state.spans, push(steps, todo), taken)


def push(steps: Steps, todo: Todo) -> Todo:
    """`steps`, the last one first, before those of `todo`."""
    for step in steps:
        todo = (step, todo)
    return todo


def close(step: Close, state: State) -> State:
    """The state behind the end of a tagged span."""
    assert state.todo is not None
    spans = ((step.tag, step.start, state.position), *state.spans)
    return state._replace(spans=spans, todo=state.todo[1])


def _derivation(text: str, log2_prob: float, spans: Iterable[tuple[str, int, int]]) -> Derivation:
    return Derivation(text, log2_prob, tuple(sorted(spans, key=lambda span: (span[1], -span[2]))))


def _runs_out(text: str, position: int, todo: Todo) -> bool:
    # Does the text end in the middle of the next step?
    return bool(todo) and isinstance(todo[0], str) and todo[0].startswith(text[position:])  # type: ignore[index]


def _recall(variable: str | None, memory: Memory) -> tuple[Word, str]:
    if variable not in memory:
        raise FormatError(f"the grammar uses {variable!r}, which is no list and not remembered at that point")
    return memory[variable]


def form_of(slot: Slot, memory: Memory) -> str:
    """The form in which a slot's word is drawn or repeated."""
    return _number(slot.agree, memory) if slot.agree else slot.form or "base"


def _number(variable: str | None, memory: Memory) -> str:
    # Agreement: plural with a word that is plural, or was drawn in the plural.
    word, form = _recall(variable, memory)
    return str(word.features.get("number", "pl" if form == "pl" else "sg"))


def _value(variable: str, memory: Memory) -> int:
    return int(variable) if variable.isdigit() else int(_recall(variable, memory)[0].features["value"])


def _total(expression: str, memory: Memory) -> int:
    terms = re.findall(r"([+-]?)(\w+)", expression)
    return sum((-1 if sign == "-" else 1) * _value(variable, memory) for sign, variable in terms)


def _feature(word: Word, form: str) -> str:
    template = word.features.get(form)
    if not isinstance(template, str):
        raise FormatError(f"the word {word.name!r} of {word.table!r} has no form {form!r}")
    return template
