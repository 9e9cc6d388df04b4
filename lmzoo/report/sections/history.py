"""Every model by the year of its idea, beside figures that others published for the same text in the same unit.

A model is trained as in its year or with what was found since (`Row.recipe`); where both are there, a line joins them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from lmzoo.comparison.results import Comparison, Published
from lmzoo.report.canvas import (
    SOURCE,
    SOURCE_LINE,
    Canvas,
    Drawing,
    bare_axes,
    colour,
    hold,
    number,
    short,
)
from lmzoo.report.labels import name_ends, name_points
from lmzoo.report.points import Point, draw_points, legend, pareto_front
from lmzoo.report.section import Section
from lmzoo.report.summary import lines as reference_lines
from lmzoo.report.table import DASH
from lmzoo.report.units import BITS, PERPLEXITY, comparable, in_unit, unit_of

FIRST = 1948  # the axis begins with Shannon; what is older has its value said
BAND = "#e9cfe4"  # what people do
MARK = "#555555"  # of a compressor


@dataclass(frozen=True)
class Shown:
    """What is drawn, and what lies beyond the axes: all points count, but those of models that know nothing."""

    ours: list[Point]
    theirs: list[Point]
    lines: list[tuple[str, float]]  # of the true source and the compressors
    bands: list[Published]
    beyond: list[tuple[str, float]]


def figure(_: None, comparison: Comparison, canvas: Canvas) -> Drawing | None:
    """Filled points: models scored here. Hollow: published. At the right: the true source and compressors."""
    unit = unit_of(comparison)
    ours = _ours(comparison, unit)
    if not ours:
        return None
    known = [one for one in comparison.published if one.unit == unit]
    theirs = [_theirs(one) for one in known if one.value is not None]
    bands = [*(one for one in known if one.range), *_people(comparison, unit)]
    everything = Shown(ours, theirs, _lines(comparison, unit, ours), bands, [])
    shown = _within(everything, comparison)
    figure, axes = bare_axes(canvas, canvas.tall(canvas.width * (1.35 if canvas.narrow else 0.5)))
    axes.spines["left"].set_visible(True)
    if unit == PERPLEXITY:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:,.0f}")
    paths = _join(axes, canvas, shown.ours)
    draw_points(axes, canvas, shown.theirs, hollow=True)
    draw_points(axes, canvas, shown.ours)
    _set_limits(axes, [*shown.ours, *shown.theirs])
    paths += _draw_lines(axes, canvas, shown)
    axes.set_xlabel("year of the idea")
    axes.set_ylabel(unit)
    axes.set_title(_heading(shown, canvas), loc="left", size=canvas.size(0.85), linespacing=1.4, parse_math=False)
    name_ends(figure, axes, canvas, _ends(shown))
    front = pareto_front([*shown.ours, *shown.theirs])
    first = sorted(shown.ours, key=lambda point: point.y) + [point for point in shown.theirs if point in front]
    others = [] if canvas.narrow else [point for point in shown.theirs if point not in front]
    hold(figure)
    width = 20 if canvas.narrow or canvas.height else 44
    every = [*shown.ours, *shown.theirs]
    name_points(axes, canvas.size(0.8), [*first, *others], every, paths, sure=len(shown.ours), width=width)
    return figure, _in_words(unit, everything)


def _ours(comparison: Comparison, unit: str) -> list[Point]:
    """The rows with a year and a score that can be given in that unit."""
    points = []
    for row in comparison.ranked():
        score = row.score
        if not score or row.year is None or not comparable(score, unit):
            continue
        value = in_unit(score.bits, score, unit)
        low, high = row.interval or (score.bits_per_character,) * 2
        low, high = (in_unit(bits * score.characters, score, unit) for bits in (low, high))
        said = f"{row.label} ({row.year}) {number(value)}"
        points.append(Point(row.year, value, row.label, said, colour(row.family), low, high, row.recipe))
    return points


def _people(comparison: Comparison, unit: str) -> list[Published]:
    """The band of people who have played on such text, in bits per character."""
    facts: Any = comparison.facts.get("people")
    if not facts or unit != BITS:
        return []
    wide = max(facts.high - facts.low, 0.02)  # bets give a line
    name = f"people ({facts.characters:,} characters)"
    return [
        Published(comparison.corpus.name, name, unit, "other", FIRST, "", "", False, True, "", "",
                  range=(round(facts.low, 2), round(facts.low + wide, 2)))
    ]  # fmt: skip


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


def _within(shown: Shown, comparison: Comparison) -> Shown:
    """Without what would squeeze the rest into a corner: baselines and compressors above all models that learn."""
    known = [one for one in shown.ours if comparison.family(one.name) != "baseline" and one.x >= FIRST]
    if not known:
        return shown
    top = max(one.y for one in [*known, *shown.theirs])
    out = [one for one in shown.ours if one.y > top or one.x < FIRST]
    above = [line for line in shown.lines if line[1] > top]
    return replace(
        shown,
        ours=[one for one in shown.ours if one not in out],
        lines=[line for line in shown.lines if line not in above],
        beyond=sorted([*((one.name, one.y) for one in out), *above], key=lambda line: line[1]),
    )


def _set_limits(axes: Any, points: Sequence[Point]) -> None:
    """Room around the points, so that those at an edge can be named, too."""
    left, right = min(point.x for point in points), max(point.x for point in points)
    beside = max(3.0, (right - left) * 0.12)
    axes.set_xlim(max(left - beside, FIRST - 4), right + beside)
    axes.margins(y=0.1)
    axes.xaxis.get_major_locator().set_params(integer=True, nbins=5)


def _join(axes: Any, canvas: Canvas, points: Sequence[Point]) -> list[list[tuple[float, float]]]:
    """Lines between points of one year and family, one trained as then and one as today."""
    then = [point for point in points if point.recipe == "period"]
    today = [point for point in points if point.recipe == "today"]
    paths = [[(a.x, a.y), (b.x, b.y)] for a, b in product(then, today) if (a.x, a.colour) == (b.x, b.colour)]
    for path in paths:
        axes.plot(*zip(*path, strict=True), color=MARK, linewidth=canvas.font / 12, zorder=2)
    return paths


def _draw_lines(axes: Any, canvas: Canvas, shown: Shown) -> list[list[tuple[float, float]]]:
    """The true source as a line through all years, compressors as marks, and bands; returns what names keep off."""
    paths = []
    left, right = axes.get_xlim()
    for name, height in shown.lines:
        if name == SOURCE:
            bottom, top = axes.get_ylim()
            axes.axhline(height, zorder=1, linewidth=canvas.font / 8, **SOURCE_LINE)
            axes.set_ylim(min(bottom, height - 0.04 * (top - height)), top)
            paths.append([(0.0, bottom), (9999.0, height)])  # no name below it, to which a line would cross it
        else:
            paths.append([(right - 0.015 * (right - left), height), (right, height)])
            axes.plot(*zip(*paths[-1], strict=True), color=MARK, linewidth=1.5, scalex=False, scaley=False)
    for band in shown.bands:
        assert band.range
        axes.axhspan(*band.range, zorder=0, color=BAND, linewidth=0)
    return paths


def _ends(shown: Shown) -> list[tuple[float, str, str]]:
    """What stands at the right of the axes: the names of lines and bands, and the compressors, each a short mark."""
    ends = []
    for name, height in shown.lines:
        ends.append((height, f"{short(name, 14, lines=1)} {number(height)}", "black" if name == SOURCE else MARK))
    for band in shown.bands:
        assert band.range
        low, high = band.range
        ends.append(((low + high) / 2, f"{band.system} {low:g}{DASH}{high:g}", MARK))
    return ends


def _heading(shown: Shown, canvas: Canvas) -> str:
    """The markers in words, and the values of what is beyond the axes."""
    signs = legend(shown.ours)
    if shown.theirs:
        signs = [*(signs or ["● trained here"]), "○ published"]
    lines = [("\n" if canvas.narrow else "   ").join(signs)]
    if shown.beyond:
        said = ", ".join(f"{short(name, 20, lines=1)} {number(value)}" for name, value in shown.beyond)
        lines.append(short(f"▲ above the axis: {said}", 44 if canvas.narrow else 90))
    return "\n".join(filter(None, lines))


def _in_words(unit: str, shown: Shown) -> str:
    by_year = sorted(shown.ours, key=lambda point: (point.x, point.y))
    said = [f"{unit.capitalize()} against the year of the idea: {', '.join(point.said for point in by_year)}."]
    if len({point.recipe for point in shown.ours}) > 1:
        today = ", ".join(point.name for point in by_year if point.recipe == "today")
        said.append(f"With today's training: {today}; the others as in their year.")
    if shown.theirs:
        front = ", ".join(point.said for point in pareto_front(shown.theirs))
        said.append(f"Published by others, each the lowest of its time: {front}.")
    if shown.lines:
        said.append(f"For comparison: {', '.join(f'{name} {number(height)}' for name, height in shown.lines)}.")
    for band in shown.bands:
        assert band.range
        said.append(f"A band from {band.range[0]:g} to {band.range[1]:g}: {band.system}.")
    return " ".join(said)


def data(_: None, comparison: Comparison) -> list[dict[str, Any]]:
    """A line for each point, line and band."""
    unit = unit_of(comparison)
    ours = _ours(comparison, unit)
    lines = _lines(comparison, unit, ours) if ours else []
    found: list[dict[str, Any]] = [
        {"label": one.name, "year": int(one.x), unit: one.y, "low": one.low, "high": one.high, "recipe": one.recipe}
        for one in ours
    ]
    for one in comparison.published:
        if one.unit == unit:
            low, high = one.range or (None, None)
            found.append({"label": one.system, "year": one.year, unit: one.value, "low": low, "high": high,
                          "recipe": "published"})  # fmt: skip
    found += [{"label": name, unit: height, "recipe": "line"} for name, height in lines]
    return found if ours else []


def view(_: None, comparison: Comparison) -> dict[str, Any] | None:
    """The published figures: the page shows the section for them alone, too."""
    return {"published": comparison.published} if comparison.published else None


section = Section("history", "History", 30, "headline", figure=figure, data=data, view=view)
