"""One passage of the test text as each model reads it: the surprisal of every token and word."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from lmzoo.analysis import surprisal
from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry
from lmzoo.comparison.results import OPTIONAL, Comparison, OfModel
from lmzoo.report.section import Section, a_few
from lmzoo.report.table import amount


@dataclass(frozen=True)
class Piece:
    """A token: its text, its surprisal, and {text: probability} of the likeliest tokens at its place."""

    text: str
    bits: float
    likeliest: dict[str, float] | None = field(default=None, metadata=OPTIONAL)


@dataclass(frozen=True)
class Word:
    """A word with the white space before it: how many pieces it has, and its surprisal (Pimentel & Meister 2024)."""

    text: str
    pieces: int
    bits: float


@dataclass(frozen=True)
class Passage(OfModel):
    """The passage as one model reads it."""

    pieces: tuple[Piece, ...]
    words: tuple[Word, ...] = ()

    @property
    def bits(self) -> float:
        """Of all pieces."""
        return sum(piece.bits for piece in self.pieces)

    @property
    def grouped(self) -> list[tuple[Word | None, tuple[Piece, ...]]]:
        """Each word with its pieces; all pieces without a word where words have no surprisals of their own."""
        stops = accumulate(word.pieces for word in self.words)
        pairs = [(word, self.pieces[stop - word.pieces : stop]) for word, stop in zip(self.words, stops, strict=True)]
        return [*pairs] or [(None, self.pieces)]

    @property
    def has_alternatives(self) -> bool:
        """Whether the likeliest tokens are known."""
        return any(piece.likeliest is not None for piece in self.pieces)

    @property
    def worst(self) -> list[str]:
        """The three most surprising pieces, in words."""
        return [surprisal_of(one.text, one.bits) for one in sorted(self.pieces, key=lambda one: -one.bits)[:3]]


def compute(entries: Sequence[Entry], context: Context) -> tuple[Passage, ...]:
    """Of every scored model; one that fails leaves a note in its row of the table."""
    return context.each_scored(Passage, entries, lambda one, score: surprisal.facts_of(one.text_model, score))


# ── Shown ──

# Surprisal in bits → a class of the scale: each step up is twice the surprisal.
EDGES = (0.5, 1, 2, 4, 8, 16)
# Background and text of each class: ColorBrewer's YlOrBr (Brewer 2003), which grows darker evenly, so that it can be
# read without colour vision. The tests hold its contrast.
SCALE = (
    ("#fffdf2", "#000000"), ("#fff0b3", "#000000"), ("#fed976", "#000000"), ("#fdae4b", "#000000"),
    ("#ec7014", "#000000"), ("#b84203", "#ffffff"), ("#6b2204", "#ffffff"),
)  # fmt: skip


def view(passages: Sequence[Passage], comparison: Comparison) -> dict[str, Any] | None:
    """Six of the passages by the year of the model's idea, then from most bits to fewest; the best is chosen."""
    shown = a_few([one for one in passages if one.pieces], comparison)
    if not shown:
        return None
    of_template = {"level": level, "piece_said": piece_said, "word_said": word_said, "scale": SCALE, "edges": EDGES}
    return {"passages": shown, "chosen": min(shown, key=lambda one: one.bits), **of_template}


def level(bits: float) -> int:
    """The class of a surprisal, by `EDGES`."""
    return bisect_right(EDGES, bits)


def surprisal_of(text: str, bits: float) -> str:
    """'“ the”: 3.2 bits, 1 in 9.2'"""
    odds = f", 1 in {amount(2**bits)}" if bits < 40 else ""
    return f"{_quoted(text)}: {bits:.1f} bits{odds}"


def piece_said(piece: Piece) -> str:
    """Its surprisal, and a line for each of the likeliest pieces: '20.1 % “ a”'."""
    likeliest = [f"{_percent(share)} {_quoted(text)}" for text, share in (piece.likeliest or {}).items()]
    return "\n".join([surprisal_of(piece.text, piece.bits), *likeliest])


def word_said(word: Word, pieces: Sequence[Piece]) -> str:
    """Its surprisal, and that of its pieces as they are."""
    parts = "its piece" if len(pieces) == 1 else f"its {len(pieces)} pieces"
    own = sum(piece.bits for piece in pieces)
    return f"{surprisal_of(word.text.strip(), word.bits)}\n{own:.1f} bits: {parts}"


def _quoted(text: str) -> str:
    return "“" + text.replace("\n", "↵").replace("\t", "→") + "”"


def _percent(share: float) -> str:
    """0.201 → '20.1 %', 0.00012 → '0.012 %'."""
    percent = 100 * share
    return f"{percent:.1f} %" if percent >= 1 else f"{percent:#.2g} %" if percent >= 1e-3 else "< 0.001 %"


section = Section(
    "passages", "Surprisal", 10, "text", facts=tuple[Passage, ...], compute=compute, apart="models", view=view
)
