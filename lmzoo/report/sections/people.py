"""People beside machines: Shannon's game as people have played it, and each model on the same characters."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry
from lmzoo.comparison.results import Comparison, OfModel
from lmzoo.evaluation import people
from lmzoo.report.section import Section, in_order
from lmzoo.report.table import Cell, Table, span


@dataclass(frozen=True)
class Machine(OfModel):
    """What a model needs for the characters that people have guessed."""

    bits_per_character: float


@dataclass(frozen=True)
class People:
    """Bounds of the entropy from people's guesses, or twice the bits of their bets; and the models."""

    sessions: int
    characters: int
    bets: bool
    low: float  # bits per character
    high: float
    bias: float  # of the upper bound
    rows: tuple[Machine, ...]

    @property
    def said(self) -> str:
        """ "1.21–1.83", or "1.40" of bets."""
        return f"{self.low:.2f}" if self.bets else span((self.low, self.high), 2)


def compute(entries: Sequence[Entry], context: Context) -> People | None:
    """Of every scored model, where games were given."""
    if not context.people:
        return None
    found = people.estimate(context.people)

    def bits(entry: Entry) -> float:
        nats = [entry.text_model.log_prob(session.rest, session.opening) for session in found.sessions]
        return -sum(nats) / math.log(2) / found.characters

    # Not cached: a few hundred characters are read at once, and the games are no part of the cache's key.
    rows = [Machine(**entry.named, bits_per_character=bits(entry)) for entry in entries if entry.score]
    return People(len(found.sessions), found.characters, found.bets, found.low, found.high, found.bias, tuple(rows))


def tables(facts: People, comparison: Comparison) -> Table:
    """People first, then the models as they stand in the comparison."""
    lines = [("people", (Cell(facts.said, number=facts.low),))]
    for row in in_order(facts.rows, comparison):
        lines.append((row.label, (Cell(f"{row.bits_per_character:.2f}", number=row.bits_per_character),)))
    return Table("who", ("bits per character",), lines)


def data(facts: People, _: Comparison) -> list[dict[str, Any]]:
    """A line for people and for each model."""
    return [{"label": "people", "low": facts.low, "high": facts.high}, *(asdict(row) for row in facts.rows)]


section = Section(
    "people", "People and machines", 35, "headline", facts=People, compute=compute, table=tables, data=data
)
