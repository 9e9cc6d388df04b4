"""Bits per character against how many tokens of context a model is given."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lmzoo.analysis import context_length
from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry
from lmzoo.comparison.results import Comparison, Interval, OfModel, Rows
from lmzoo.report.canvas import MARKERS, Canvas, Drawing, colour, distinct, new_figure, shade
from lmzoo.report.labels import spread
from lmzoo.report.section import Section, in_order
from lmzoo.report.table import DASH, Cell, Table, span


@dataclass(frozen=True)
class Allowed:
    """Bits per character where exactly `context` tokens before each token are read."""

    context: int
    bits_per_character: float
    interval: Interval | None


@dataclass(frozen=True)
class Position:
    """Bits per character of tokens first … last after a fresh start."""

    first: int
    last: int
    bits_per_character: float
    interval: Interval | None


@dataclass(frozen=True)
class ContextUse(OfModel):
    """One model's use of context."""

    reach: int | None
    stretches: int  # words of the test text that were scored
    characters: int
    tokens: int
    allowed: tuple[Allowed, ...]
    positions: tuple[Position, ...]
    note: str


Facts = Rows[ContextUse]


def compute(entries: Sequence[Entry], context: Context) -> Facts:
    """Of every scored model; one that fails leaves a note in its row of the table."""
    asked = (context.corpus.test, context.run.seed, context.progress, context.corpus.protocol)
    return Rows(
        context.each_scored(ContextUse, entries, lambda one, _: context_length.facts_of(one.text_model, *asked))
    )


# ── The figure ──


Ends = list[tuple[float, str, str, str]]  # of curves: height, label, colour, marker


def figure(facts: Facts, comparison: Comparison, canvas: Canvas) -> Drawing | None:
    """Bits per character against the tokens of context allowed, and against those read since a fresh start."""
    rows = [row for row in in_order(facts.rows, comparison) if row.allowed]
    if not rows:
        return None
    furthest = max(point.context for row in rows for point in row.allowed)
    figure, (allowed, names, positions, more_names) = _two_panels(canvas, len(rows))
    right = place_of(furthest) + 0.15
    members: Counter[str] = Counter()
    ends: Ends = []
    more_ends: Ends = []
    for row in rows:
        family = comparison.family(row.label)
        hue, marker = shade(colour(family), members[family]), list(MARKERS)[members[family] % len(MARKERS)]
        members[family] += 1
        _draw_allowed(allowed, canvas, row, hue, marker, right)
        ends.append((row.allowed[-1].bits_per_character, row.label, hue, marker))
        if row.positions:
            bits = [one.bits_per_character for one in row.positions]
            _draw(positions, canvas, [place_of(one.last) for one in row.positions], bits, hue, marker)
            more_ends.append((bits[-1], row.label, hue, marker))
    _label(allowed, canvas, "tokens of context allowed", [0, *_powers(furthest)], right)
    _label(positions, canvas, "tokens read since a fresh start", _powers(furthest), right)
    figure.draw_without_rendering()
    _name(names, canvas, ends)
    if more_names is not None:
        _name(more_names, canvas, more_ends)
    return figure, _in_words(rows)


def place_of(tokens: int) -> float:
    """Where so many tokens are on the axis: each doubling one step further, with room for none at all."""
    return math.log2(tokens) + 1 if tokens else 0.0


def _powers(furthest: int) -> list[int]:
    return [1 << n for n in range(max(1, furthest).bit_length())]


def _two_panels(canvas: Canvas, count: int) -> tuple[Any, tuple[Any, Any, Any, Any]]:
    """Axes of allowed context, of its names, of positions and (where narrow) of their names."""
    height = max(canvas.width * (0.9 if canvas.narrow else 0.48), canvas.font / 72 * 1.25 * (count + 3))
    figure = new_figure(canvas.width, canvas.tall(height * (2 if canvas.narrow else 1)))
    if canvas.narrow:
        allowed, names, positions, more = figure.subplots(2, 2, sharey="row", width_ratios=(1.8, 1)).flat
    else:
        positions, allowed, names = figure.subplots(1, 3, sharey=True, width_ratios=(1, 1.45, 0.82))
        more = None
    for axes in (allowed, positions):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=canvas.size(0.75))
    for axes in filter(None, (names, more)):
        axes.set_axis_off()
        axes.set_xlim(0, 1)
    for axes in (allowed, positions) if canvas.narrow else (positions,):
        axes.set_ylabel("bits per character", size=canvas.size(0.85))
    return figure, (allowed, names, positions, more)


def _draw_allowed(axes: Any, canvas: Canvas, row: ContextUse, hue: str, marker: str, right: float) -> None:
    """A curve; a bar at its end where that is the model's reach, and dots up to `right`, as nothing changes there."""
    x, y = [place_of(one.context) for one in row.allowed], [one.bits_per_character for one in row.allowed]
    _draw(axes, canvas, x, y, hue, marker)
    if row.reach is not None and row.allowed[-1].context >= row.reach - 1:
        axes.plot(x[-1:], y[-1:], "|", markersize=canvas.font * 1.1, markeredgewidth=canvas.font / 6, color=hue,
                  zorder=3)  # fmt: skip
    axes.plot([x[-1], right], [y[-1]] * 2, ":", linewidth=canvas.font / 12, color=hue, zorder=2)


def _draw(axes: Any, canvas: Canvas, x: Sequence[float], y: Sequence[float], hue: str, marker: str) -> None:
    axes.plot(x, y, color=hue, marker=marker, markersize=canvas.font * 0.36, linewidth=canvas.font / 8, zorder=3)


def _label(axes: Any, canvas: Canvas, title: str, ticks: Iterable[int], right: float) -> None:
    axes.set_xlabel(title, size=canvas.size(0.85))
    shown = [tick for tick in ticks if tick in (0, 1, 2) or not canvas.narrow or place_of(tick) % 2 == 1]
    axes.set_xticks([place_of(tick) for tick in shown], [str(tick) for tick in shown])
    axes.set_xlim(min(map(place_of, shown)) - 0.25, right)


def _name(axes: Any, canvas: Canvas, ends: Ends) -> None:
    """The names of curves, as near to the heights of their ends as legible, each with a line to its end."""
    size = canvas.size(0.72)
    low, high = axes.get_ylim()
    line = 1.25 * size / 72 * axes.figure.dpi / axes.get_window_extent().height * (high - low)
    ends = sorted(ends, key=lambda end: end[0])
    names = distinct([end[1] for end in ends], 19 if canvas.narrow else 26)
    heights = spread([end[0] for end in ends], line, low, high)
    for (y, _, hue, marker), name, free in zip(ends, names, heights, strict=True):
        axes.plot([0, 0.13], [y, free], color=hue, linewidth=canvas.font / 16, clip_on=False)
        axes.plot([0.19], [free], marker, color=hue, markersize=size * 0.6, clip_on=False)
        axes.text(0.26, free, name, size=size, va="center", parse_math=False)
    axes.set_xlim(0, 1)
    axes.set_ylim(low, high)


def _in_words(rows: Sequence[ContextUse]) -> str:
    said = []
    for row in rows:
        first, last = row.allowed[0], row.allowed[-1]
        if last is first:
            said.append(f"{row.label} {first.bits_per_character:.2f} with any")
        else:
            tokens = f"{last.context} token{'' if last.context == 1 else 's'}"
            said.append(
                f"{row.label} from {first.bits_per_character:.2f} without to {last.bits_per_character:.2f} after "
                f"{tokens}{', its reach' if row.reach == last.context else ''}"
            )
    return f"Bits per character by the context that each model is allowed: {'; '.join(said)}."


def data(facts: Facts, comparison: Comparison) -> list[dict[str, Any]]:
    """A line for each point of both panels."""
    lines = []
    for row in in_order(facts.rows, comparison):
        points: list[tuple[str, int, Allowed | Position]] = [("allowed", one.context, one) for one in row.allowed]
        for panel, tokens, one in [*points, *(("read", one.last, one) for one in row.positions)]:
            low, high = one.interval or (None, None)
            lines.append({"label": row.label, "panel": panel, "tokens": tokens,
                          "bits per character": one.bits_per_character, "low": low, "high": high})  # fmt: skip
    return lines


# ── The tables ──


def view(facts: Facts, comparison: Comparison) -> dict[str, Any] | None:
    """What was measured, and notes on models that were not."""
    rows = in_order(facts.rows, comparison)
    asked = [row for row in rows if row.allowed]
    notes = [f"{row.label}: {row.note}" for row in rows if row.note]
    return {"about": asked[0], "notes": notes} if asked else None


def table(facts: Facts, comparison: Comparison) -> tuple[Table, Table] | None:
    """Bits per character by allowed context and by position, a line for each model."""
    asked = [row for row in in_order(facts.rows, comparison) if row.allowed]
    if not asked:
        return None
    heads = [n for n in sorted({point.context for row in asked for point in row.allowed}) if n & (n - 1) == 0]
    steps = list(zip([-1, *heads], heads, strict=False))
    longest = max((row.positions for row in asked), key=len)
    return (
        Table(
            "model",
            [f"{head:,}" for head in heads],
            [(row.label, [_allowed(row, above, up_to) for above, up_to in steps]) for row in asked],
        ),
        Table(
            "model",
            [_span(one) for one in longest],
            [(row.label, _positions(row, longest)) for row in asked],
        ),
    )


def _allowed(row: ContextUse, above: int, up_to: int) -> Cell:
    """Bits with `up_to` tokens of context, or with the model's reach if that lies between `above` and `up_to`."""
    for point in row.allowed:
        if above < point.context <= up_to:
            own = f"at {point.context}" if point.context < up_to else ""
            return Cell(f"{point.bits_per_character:.3f}", own or span(point.interval, 2))
    return Cell("")


def _positions(row: ContextUse, longest: Sequence[Position]) -> list[Cell]:
    cells = {one.last: Cell(f"{one.bits_per_character:.3f}", span(one.interval, 2)) for one in row.positions}
    return [cells.get(one.last, Cell("")) for one in longest]


def _span(one: Position) -> str:
    return str(one.first) if one.first == one.last else f"{one.first}{DASH}{one.last}"


section = Section(
    "context",
    "Context length",
    30,
    facts=Facts,
    compute=compute,
    apart="models",
    table=table,
    figure=figure,
    data=data,
    view=view,
)
