"""Every model by the year of its idea, beside figures that others published for the same text in the same unit."""

from collections.abc import Sequence
from typing import Any

from lmzoo.comparison.results import Comparison, Published
from lmzoo.report.canvas import (
    REFERENCE_LINE,
    SOURCE,
    SOURCE_LINE,
    Canvas,
    Drawing,
    bare_axes,
    colour,
    number,
    short,
)
from lmzoo.report.labels import hold, name_ends, name_points
from lmzoo.report.points import Point, draw_points, pareto_front
from lmzoo.report.section import Section
from lmzoo.report.summary import lines as reference_lines
from lmzoo.report.table import DASH
from lmzoo.report.units import PERPLEXITY, comparable, in_unit, unit_of

BAND: Any = {"color": "#cc79a7", "alpha": 0.18, "linewidth": 0}


def figure(_: None, comparison: Comparison, canvas: Canvas) -> Drawing | None:
    """Filled points: models scored here. Hollow: published. Lines: the true source and compressors."""
    unit = unit_of(comparison)
    ours = _ours(comparison, unit)
    if not ours:
        return None
    known = [one for one in comparison.published if one.unit == unit]
    theirs = [_theirs(one) for one in known if one.value is not None]
    figure, axes = bare_axes(canvas, canvas.width * (1.35 if canvas.narrow else 0.62))
    axes.spines["left"].set_visible(True)
    if unit == PERPLEXITY:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:,.0f}")
    draw_points(axes, canvas, theirs, hollow=True)
    draw_points(axes, canvas, ours)
    _set_limits(axes, [*ours, *theirs])
    axes.set_xlabel("year of the idea")
    axes.set_ylabel(unit)
    if theirs:
        here = "● scored here" if canvas.narrow else "● trained and scored here"
        axes.set_title(f"{here}   ○ published", loc="left", size=canvas.font * 0.9)
    lines = _lines(comparison, unit, ours)
    bands = [one for one in known if one.range]
    name_ends(figure, axes, canvas, [*_draw_lines(axes, canvas, lines), *_draw_bands(axes, bands)])
    front = pareto_front([*ours, *theirs])
    first = sorted(ours, key=lambda point: point.y) + [point for point in theirs if point in front]
    others = [] if canvas.narrow else [point for point in theirs if point not in front]
    hold(figure)
    name_points(axes, canvas.font * (0.8 if canvas.narrow else 0.72), [*first, *others], [*ours, *theirs])
    return figure, _in_words(unit, ours, theirs, lines, bands)


def _ours(comparison: Comparison, unit: str) -> list[Point]:
    """The rows with a year and a score that can be given in that unit."""
    points = []
    for row in comparison.ranked():
        score = row.score
        if not score or row.year is None or not comparable(score, unit):
            continue
        value = in_unit(score.bits, score, unit)
        low, high = row.interval or (score.bits_per_character,) * 2
        ends = (in_unit(bits * score.characters, score, unit) for bits in (low, high))
        said = f"{row.label} ({row.year}) {number(value)}"
        points.append(Point(row.year, value, row.label, said, colour(row.family), *ends))
    return points


def _theirs(one: Published) -> Point:
    value = one.value or 0.0
    said = f"{one.system} ({one.year}) {number(value)}"
    return Point(one.year, value, one.system, said, colour(one.family), value, value)


def _lines(comparison: Comparison, unit: str, ours: list[Point]) -> list[tuple[str, float]]:
    """(name, height) of the true source, if known, and of the compressors, on the same text in the same unit."""
    row = comparison.row(ours[0].name)
    assert row
    assert row.score
    score = row.score
    return [(name, in_unit(bits * score.characters, score, unit)) for name, bits in reference_lines(comparison)]


def _set_limits(axes: Any, points: Sequence[Point]) -> None:
    """Room around the points, so that those at an edge can be named, too."""
    left, right = min(point.x for point in points), max(point.x for point in points)
    beside = max(3.0, (right - left) * 0.12)
    axes.set_xlim(left - beside, right + beside)
    axes.margins(y=0.1)
    axes.xaxis.get_major_locator().set_params(integer=True, nbins=5)


def _draw_lines(axes: Any, canvas: Canvas, lines: list[tuple[str, float]]) -> list[tuple[float, str]]:
    """Horizontal lines; their heights and names."""
    for name, height in lines:
        look = SOURCE_LINE | {"linewidth": canvas.font / 8} if name == SOURCE else REFERENCE_LINE
        axes.axhline(height, zorder=1, **look)
    return [(height, f"{short(name, 12, lines=1)} {number(height)}") for name, height in lines]


def _draw_bands(axes: Any, bands: Sequence[Published]) -> list[tuple[float, str]]:
    """Horizontal bands; the heights of their middles, and their names."""
    ends = []
    for band in bands:
        assert band.range
        low, high = band.range
        axes.axhspan(low, high, zorder=0, **BAND)
        ends.append(((low + high) / 2, f"{band.system} {low:g}{DASH}{high:g}"))
    return ends


def _in_words(unit: str, ours: list[Point], theirs: list[Point], lines: list[tuple[str, float]],
              bands: Sequence[Published]) -> str:  # fmt: skip
    by_year = sorted(ours, key=lambda point: (point.x, point.y))
    said = [f"{unit.capitalize()} against the year of the idea: {', '.join(point.said for point in by_year)}."]
    if theirs:
        front = ", ".join(point.said for point in pareto_front(theirs))
        said.append(f"Published by others, each the lowest of its time: {front}.")
    if lines:
        said.append(f"For comparison: {', '.join(f'{name} {number(height)}' for name, height in lines)}.")
    for band in bands:
        assert band.range
        said.append(f"A band from {band.range[0]:g} to {band.range[1]:g}: {band.system}.")
    return " ".join(said)


def view(_: None, comparison: Comparison) -> dict[str, Any] | None:
    """The published figures: the page shows the section for them alone, too."""
    return {"published": comparison.published} if comparison.published else None


section = Section("history", "History", 30, "headline", figure=figure, view=view)
