"""Bits per character of every model, with the true source and the compressors as lines."""

from typing import Any

from lmzoo.comparison.results import Comparison, Row
from lmzoo.report.canvas import Canvas, Drawing, bare_axes, colour, outline, short
from lmzoo.report.labels import name_verticals
from lmzoo.report.section import Section
from lmzoo.report.summary import lines as reference_lines


def figure(_: None, comparison: Comparison, canvas: Canvas) -> Drawing | None:
    """A bar for each scored model, best first."""
    rows = [row for row in comparison.ranked() if row.score]
    if not rows:
        return None
    figure, axes = bare_axes(canvas, height=canvas.bar * len(rows) * (1.5 if canvas.narrow else 1) + 1.6)
    # Two places can be read from afar, unless they would make different models look alike.
    places = 2 if len({round(row.bits, 2) for row in rows}) == len({row.bits for row in rows}) else 3
    for y, row in enumerate(rows):
        _bar(axes, canvas, y, row, places)
    axes.set_ylim(len(rows) - 0.4, -0.9 if canvas.narrow else -0.6)
    axes.set_xlim(0, axes.dataLim.x1 * 1.14)
    axes.set_yticks([])
    if not canvas.narrow:
        axes.set_yticks(range(len(rows)), [short(row.label, 28) for row in rows], parse_math=False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("bits per character")
    lines = [(short(name, 26, lines=1), bits) for name, bits in reference_lines(comparison)]
    name_verticals(figure, axes, canvas, lines)
    return figure, _in_words(rows, lines)


def _bar(axes: Any, canvas: Canvas, y: int, row: Row, places: int) -> None:
    """A bar from zero, its interval as a whisker, its value behind it."""
    low, high = row.interval or (row.bits, row.bits)
    axes.barh(y, row.bits, height=0.42 if canvas.narrow else 0.6, color=colour(row.family), zorder=2)
    if low < high:
        axes.plot([low, high], [y, y], color="black", linewidth=canvas.font / 7, zorder=4)
    text = axes.annotate(f"{row.bits:.{places}f}", (max(row.bits, high), y), (canvas.font / 3, 0), va="center",
                         zorder=5, textcoords="offset points", size=canvas.font, weight="bold")  # fmt: skip
    outline(text)
    if canvas.narrow:
        label = short(row.label, 40, lines=1)
        outline(axes.text(0, y - 0.3, label, size=canvas.font, va="bottom", parse_math=False, zorder=5))


def _in_words(rows: list[Row], lines: list[tuple[str, float]]) -> str:
    values = ", ".join(f"{row.label} {row.bits:.2f}" for row in rows)
    marks = ", ".join(f"{name} {x:.2f}" for name, x in lines)
    return f"Bits per character, fewest first: {values}." + (f" For comparison: {marks}." if marks else "")


section = Section("bars", "Bits per character", 10, "headline", figure=figure)
