"""Tables: plain ones for sections, and the columns of the main table, which has a row for each model.

A column without a number in any row is left out, so there is a column for whatever a comparison may know.
"""

import math
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from lmzoo.comparison.results import Comparison, Interval, Row
from lmzoo.report.units import PERPLEXITY, shared_unit

DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
UNLIMITED = 10**15  # tokens: sorts an unlimited reach after every other
WHOLE = 0.995  # passes over the training text, from which on a model has read it
FLOPS_PER_WEIGHT = 6  # for each token read, forward and backward (Kaplan et al. 2020, section 2.1)


@dataclass(frozen=True)
class Cell:
    """What a cell shows: its text, something to add in small, and the number to sort by."""

    text: str
    aside: str = ""
    number: float | None = None


@dataclass(frozen=True)
class Table:
    """A table: a line of cells for each label."""

    first: str  # heading of the labels
    heads: Sequence[str]
    lines: Sequence[tuple[str, Sequence[Cell]]]
    prose: bool = False  # whether its cells hold words, which may be broken into lines


@dataclass(frozen=True)
class Column:
    """A column of the main table: heading, meaning, a row's number, how it is written, and what to add."""

    head: str
    meaning: str
    number: Callable[[Row], float | None]
    text: Callable[[float], str]
    aside: Callable[[Row], str] = lambda row: ""  # noqa: ARG005
    terminal: bool = True  # whether there is room for it in a terminal
    leads: bool = False  # whether it is among the first columns, and the others behind a switch

    def cell(self, row: Row) -> Cell:
        """The cell of `row`: a dash where there is no number."""
        number = self.number(row)
        return Cell(DASH) if number is None else Cell(self.text(number), self.aside(row), number)


@dataclass(frozen=True)
class Measure:
    """What each model knows, as one number: a column of the main table, and a clause of the finding."""

    head: str
    meaning: str
    values: Mapping[str, float | None]  # a share, by label
    name: str  # "exam score"
    clause: str  # "scores {} in the exam"; then, of another model, only
    again: str  # "scores {}"
    places: int = 0  # of the percentage in a sentence

    def column(self, leads: bool) -> Column:
        """Of the main table."""
        text = partial(percent, places=max(1, self.places))
        return Column(self.head, self.meaning, lambda row: self.values.get(row.label), text, leads=leads)


def signed(bits: float) -> str:
    """A difference with its sign, to three places, with a true minus."""
    return f"{bits:+.3f}".replace("-", MINUS)


def percent(share: float, places: int = 1) -> str:
    """0.375 → '37.5 %'."""
    return f"{100 * share:.{places}f} %"


def span(interval: Interval | None, places: int = 3) -> str:
    """(0.5, 0.75) → '0.500–0.750'; '' where there is none."""
    return f"{interval[0]:.{places}f}{DASH}{interval[1]:.{places}f}" if interval else ""


def amount(number: float) -> str:
    """A count in at most four characters and a letter: 950, 12.3 k, 1.23 M; beyond all letters 1.2e+30."""
    if number >= 1e21:
        return f"{number:.2g}"
    for size, letter in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size * 0.9995:
            return f"{number / size:.{max(0, 2 - int(math.log10(number / size + 1e-9)))}f} {letter}"
    return f"{number:.0f}" if number >= 100 or number == int(number) else f"{number:#.3g}"


def citation(paper: str) -> str:
    """Authors and year without the title: 'Chen & Goodman 1998, An Empirical …' → 'Chen & Goodman 1998'."""
    match = re.match(r"(.{1,60}?\b\d{4}\w?)\b", paper)
    return match.group(1) if match else ""


def flops(row: Row) -> float | None:
    """Floating-point operations of training: as the trainer counted them, else 6·N·D of N weights and D tokens read.

    None for a model that was not trained by steps.
    """
    known = row.provenance or {}
    if known.get("flops"):
        return float(known["flops"])
    if known.get("tokens_read") and row.size and row.size.unit == "parameters":
        return float(FLOPS_PER_WEIGHT * row.size.count * known["tokens_read"])
    return None


def passes(row: Row) -> float | None:
    """How often a model that trains by steps read the training text."""
    known = row.provenance or {}
    read, there = known.get("tokens_read"), known.get("training_tokens")
    return row.passes or (float(read / there) if read and there else None)


def cut(row: Row) -> float | None:
    """The share of its budget of tokens or steps that a model had read when the clock ended its training."""
    known = row.provenance or {}
    budget = known.get("budget") or {}
    shares = [
        known[spent] / budget[limit]
        for limit, spent in (("tokens", "tokens_read"), ("steps", "steps"))
        if budget.get(limit) and known.get(spent) is not None
    ]
    by_clock = budget.get("seconds") and (known.get("training_seconds") or 0) >= budget["seconds"]
    return max(shares) if shares and by_clock and max(shares) < WHOLE else None


# ── The columns of the main table ─────────────────────────────────────────────────────────────────


def _bytes(number: float) -> str:
    return f"{amount(number)}B" if number >= 999.5 else f"{number:.0f} B"


def _three(number: float) -> str:
    return f"{number:.3f}"


def _seed_bits(row: Row) -> list[float]:
    return [one.bits_per_character for one in row.seeds or () if one.bits_per_character is not None]


def _spread(row: Row) -> float | None:
    bits = _seed_bits(row)
    return statistics.stdev(bits) if len(bits) > 1 else None


def _seeds(row: Row) -> str:
    bits = _seed_bits(row)
    return f"{len(bits)} seeds, mean {statistics.fmean(bits):.3f}"


def _claimed(row: Row) -> str:
    claimed = row.certified.evaluator_bits_per_character if row.certified else None
    return f"({claimed:.3f})" if claimed is not None else ""


def _reach(row: Row) -> float | None:
    return None if not row.score else UNLIMITED if row.reach is None else float(row.reach)


def columns(comparison: Comparison, further: Sequence[Column] = ()) -> list[Column]:
    """All columns, those that lead first; `further` are those of the sections."""
    floor = comparison.corpus.floor

    def above(row: Row) -> float | None:
        return row.score.bits_per_character - floor if row.score and floor is not None else None

    of_characters = all(row.score.tokens == row.score.characters for row in comparison.rows if row.score)
    bits = Column("bits/char", "bits per character, with the 95 % bootstrap interval",
                  lambda row: row.score.bits_per_character if row.score else None, _three,
                  aside=lambda row: span(row.interval), leads=True)  # fmt: skip
    per_token = Column(
        "ppl/token",
        "perplexity per token, comparable only where the tokenizer is the same",
        lambda row: row.score.perplexity_per_token if row.score else None,
        amount,
        leads=of_characters,
    )
    per_word = Column(
        "ppl/word",
        "perplexity per word of the corpus",
        lambda row: row.score.perplexity_per_word if row.score else None,
        amount,
        leads=not of_characters,
    )
    ruler = [per_word, bits, per_token] if shared_unit(comparison) == PERPLEXITY else [bits, per_word, per_token]
    every = [
        Column("year", "of the paper", lambda row: row.year or None, lambda year: f"{year:.0f}", leads=True),
        *ruler,
        *further,
        Column("above", "bits per character above the true source", above, _three),
        Column("± seeds", "standard deviation of bits per character over training seeds", _spread, _three,
               aside=_seeds, terminal=False),
        Column("certified", "bits per character of a compressed file of the beginning of the test text, which another "
               "process decompressed; in brackets, the bits that the evaluator computes for it",
               lambda row: row.certified.bits_per_character if row.certified else None, _three, aside=_claimed),
        Column("pseudo-ppl", "pseudo-perplexity per token of a masked model, which sees the context on both sides: "
               "comparable with no perplexity, and never bits (Salazar et al. 2020)",
               lambda row: row.pseudo.pseudo_perplexity if row.pseudo else None, amount),
        Column("size", "number of parameters or counts", lambda row: row.size.count if row.size else None, amount,
               aside=lambda row: row.size.unit if row.size else ""),
        Column("on disk", "bytes of the saved model", lambda row: row.size.bytes if row.size else None, _bytes),
        Column("train", "training time in seconds", lambda row: row.train_seconds, lambda value: f"{amount(value)} s"),
        Column("passes", "how often a model that trains by steps read the training text", passes,
               lambda value: f"{value:.3g}", terminal=False),
        Column("FLOPs", "floating-point operations of training by steps: six for each weight and token read (Kaplan "
               "et al. 2020), and those of attention", flops, amount, terminal=False),
        Column("memory", "peak resident memory of the process during training", lambda row: row.peak_bytes,
               _bytes, terminal=False),
        Column("tokens/s", "tokens scored per second", lambda row: row.tokens_per_second, amount),
        Column("reach", "tokens of context that the model can use", _reach,
               lambda tokens: "all" if tokens >= UNLIMITED else f"{tokens:,.0f}", terminal=False),
    ]  # fmt: skip
    return sorted(every, key=lambda column: not column.leads)
