"""The figures of history and of cost: bits against the year of an idea, and against what they were bought with.

They are made as those of `lmzoo.report.canvas` are, which says how, and share its canvases. Both are clouds of
points, whose
names are put where there is room; a name that finds none is left out, for the tables have them all.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from lmzoo.report.canvas import (
    FAMILIES,
    REFERENCE_LINE,
    SOURCE,
    SOURCE_LINE,
    Canvas,
    bare_axes,
    colour,
    name_the_ends,
    short,
)
from lmzoo.report.labels import hold, name_the_points
from lmzoo.report.summary import DASH, Comparison, Row, amount, best_references, ranked

BITS = "bits per character"
PERPLEXITY = "perplexity per token"
BAND: Any = {"color": "#cc79a7", "alpha": 0.18, "linewidth": 0}


@dataclass(frozen=True)
class Point:
    """A point with its name; `said` is what the alternative text says of it."""

    x: float
    y: float
    name: str
    said: str
    colour: str
    low: float = 0.0  # its 95 % interval, as far as it is known
    high: float = 0.0


@dataclass(frozen=True)
class Cost:
    """What bits are bought with: a panel of the figure of cost."""

    title: str
    of: Callable[[Row], float | None]
    unit: str  # behind an SI prefix; "": what the row says that it counts


COSTS = (
    Cost("training time", lambda row: row.get("train_seconds"), " s"),
    Cost("parameters, or counts kept", lambda row: (row.get("size") or {}).get("count"), ""),
    Cost("size on disk", lambda row: (row.get("size") or {}).get("bytes"), "B"),
)


# History


def history(comparison: Comparison, canvas: Canvas) -> tuple[Any, str] | None:
    """Every model by the year of its idea, beside what others published for the same text in the same unit."""
    unit = unit_of(comparison)
    ours = _ours(comparison, unit)
    if not ours:
        return None
    known = [figure for figure in comparison.get("published", []) if figure["unit"] == unit]
    theirs = [_theirs(figure) for figure in known if "value" in figure]
    figure, axes = bare_axes(canvas, canvas.width * (1.35 if canvas.labels_above else 0.62))
    axes.spines["left"].set_visible(True)
    if unit == PERPLEXITY:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:,.0f}")
    _points(axes, canvas, theirs, hollow=True)
    _points(axes, canvas, ours)
    _breathe(axes, [*ours, *theirs])
    axes.set_xlabel("year of the idea")
    axes.set_ylabel(unit)
    if theirs:
        here = "● scored here" if canvas.labels_above else "● trained and scored here"
        axes.set_title(f"{here}   ○ published", loc="left", size=canvas.font * 0.9)
    lines = _lines(comparison, unit, ours)
    bands = [figure for figure in known if "range" in figure]
    name_the_ends(figure, axes, canvas, [*_draw_lines(axes, canvas, lines), *_draw_bands(axes, bands)])
    oldest_best = records([*ours, *theirs])
    first = sorted(ours, key=lambda point: point.y) + [point for point in theirs if point in oldest_best]
    others = [] if canvas.labels_above else [point for point in theirs if point not in oldest_best]
    hold(figure)
    name_the_points(axes, canvas.font * (0.8 if canvas.labels_above else 0.72), [*first, *others], [*ours, *theirs])
    return figure, _history_in_words(unit, ours, theirs, lines, bands)


def unit_of(comparison: Comparison) -> str:
    """The unit of what was published for this corpus, if any row can be given in it; else bits per character."""
    units = [figure["unit"] for figure in comparison.get("published", []) if "value" in figure]
    return next((unit for unit in units if _ours(comparison, unit)), BITS)


def records(points: Iterable[Point]) -> list[Point]:
    """Those that were lower than all that came before, from left to right: history's front, and Pareto's."""
    best, found = math.inf, []
    for point in sorted(points, key=lambda point: (point.x, point.y)):
        if point.y < best:
            best = point.y
            found.append(point)
    return found


def _ours(comparison: Comparison, unit: str) -> list[Point]:
    """The rows that have a score and a year. Perplexities compare only if tokens are the words of the text."""
    made = []
    for row in ranked(comparison):
        score = row["score"]
        words = unit != PERPLEXITY or (row["tokenizer"] == "split" and score and score["perplexity_per_token"])
        if not score or row["year"] is None or not words:
            continue
        value = in_unit(score["bits"], score, unit)
        interval = row["interval"] or (score["bits_per_character"],) * 2
        low, high = (in_unit(bits * score["characters"], score, unit) for bits in interval)
        made.append(Point(row["year"], value, row["label"], f"{row['label']} ({row['year']}) {_number(value)}",
                          colour(row["model"]), low, high))  # fmt: skip
    return made


def _theirs(figure: dict[str, Any]) -> Point:
    year, value = figure["year"], figure["value"]
    return Point(year, value, figure["system"], f"{figure['system']} ({year}) {_number(value)}",
                 FAMILIES[figure["family"]][0], value, value)  # fmt: skip


def in_unit(bits: float, score: dict[str, Any], unit: str) -> float:
    """Bits of the test text in `unit`, divided by what `score` counted in it."""
    if unit == PERPLEXITY:
        return float(2 ** min(1000.0, bits / score["tokens"]))
    return float(bits / score["bytes" if unit == "bits per byte" else "characters"])


def _lines(comparison: Comparison, unit: str, ours: list[Point]) -> list[tuple[str, float]]:
    """(name, height) of the true source, if known, and of the compressors, on the same text in the same unit."""
    score = next(row["score"] for row in ranked(comparison) if row["score"] and row["label"] == ours[0].name)
    floor_bits = comparison["corpus"].get("floor_bits")
    lines = [] if floor_bits is None else [(SOURCE, in_unit(floor_bits, score, unit))]
    for reference in best_references(comparison):
        alone = "" if reference["given_train"] else " alone"
        bits = reference["bits_per_character"] * score["characters"]
        lines.append((f"{reference['label']}{alone}", in_unit(bits, score, unit)))
    return lines


def _points(axes: Any, canvas: Canvas, points: Sequence[Point], hollow: bool = False) -> None:
    """A circle for each point, its interval as a whisker."""
    for point in points:
        look: Any = {"color": point.colour, "markersize": canvas.font * (0.5 if hollow else 0.62), "zorder": 4}
        if hollow:
            look |= {"markerfacecolor": "white", "markeredgewidth": canvas.font / 11, "zorder": 3}
        axes.plot([point.x], [point.y], "o", **look)
        if point.low < point.high:
            axes.plot([point.x] * 2, [point.low, point.high], color="black", linewidth=canvas.font / 10, zorder=5)


def _breathe(axes: Any, points: Sequence[Point]) -> None:
    """Room around the points, so that those at an edge can be named too."""
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
    return [(height, f"{short(name, 12, lines=1)} {_number(height)}") for name, height in lines]


def _draw_bands(axes: Any, bands: list[dict[str, Any]]) -> list[tuple[float, str]]:
    """Horizontal bands; the heights of their middles, and their names."""
    ends = []
    for band in bands:
        low, high = band["range"]
        axes.axhspan(low, high, zorder=0, **BAND)
        ends.append(((low + high) / 2, f"{band['system']} {low:g}{DASH}{high:g}"))
    return ends


# Cost


def cost(comparison: Comparison, canvas: Canvas) -> tuple[Any, str] | None:
    """Bits per character against training time, parameters and bytes: a panel for each, with its Pareto front."""
    panels = [(price, points) for price in COSTS if len(points := _bought(comparison, price)) > 1]
    if not panels:
        return None
    figure, all_axes = _panels(canvas, len(panels))
    for axes, (price, points) in zip(all_axes, panels, strict=True):
        _panel(axes, canvas, price, points)
    for axes in all_axes if canvas.labels_above else all_axes[:1]:
        axes.set_ylabel(BITS, size=canvas.font * 0.9)
    hold(figure)
    for axes, (_, points) in zip(all_axes, panels, strict=True):
        size = canvas.font * (0.8 if canvas.labels_above else 0.7)
        name_the_points(axes, size, records(points)[::-1], points, _stairs(points))
    return figure, _cost_in_words(panels)


def _bought(comparison: Comparison, price: Cost) -> list[Point]:
    """The rows with a score and a price. What cost nothing that could be measured has no place on a log axis."""
    made = []
    for row in ranked(comparison):
        spent = price.of(row)
        if row["score"] and spent:
            bits = row["score"]["bits_per_character"]
            low, high = row["interval"] or (bits, bits)
            unit = price.unit or f" {row['size']['unit']}"
            said = f"{row['label']} ({amount(spent)}{unit}) {_number(bits)}"
            made.append(Point(spent, bits, row["label"], said, colour(row["model"]), low, high))
    return made


def _panels(canvas: Canvas, count: int) -> tuple[Any, list[Any]]:
    """A figure with `count` bare axes side by side, or one below the other on a narrow canvas; their heights agree."""
    from matplotlib.figure import Figure

    size = (canvas.width, canvas.width * 0.8 * count) if canvas.labels_above else (canvas.width, canvas.width * 0.5)
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    grid = (count, 1) if canvas.labels_above else (1, count)
    all_axes = list(figure.subplots(*grid, sharey=True, squeeze=False).flat)
    for axes in all_axes:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=canvas.font * 0.8)
    return figure, all_axes


def _panel(axes: Any, canvas: Canvas, price: Cost, points: list[Point]) -> None:
    from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

    axes.set_xscale("log")
    corners = _stairs(points)
    axes.plot(*zip(*corners, strict=True), color="#555555", linewidth=canvas.font / 9, zorder=2)
    _points(axes, canvas, points)
    axes.margins(x=0.2, y=0.12)
    axes.xaxis.set_major_locator(LogLocator(numticks=4))
    axes.xaxis.set_major_formatter(EngFormatter(price.unit.strip()))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(price.title, size=canvas.font * 0.9)


def _stairs(points: Sequence[Point]) -> list[tuple[float, float]]:
    """The corners of the Pareto front: what the best costs no more than, from the cheapest point to the dearest."""
    front = records(points)
    corners = [(front[0].x, front[0].y)]
    for before, point in pairwise(front):
        corners += [(point.x, before.y), (point.x, point.y)]
    return [*corners, (max(point.x for point in points), front[-1].y)]


# In words


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.4g}" if value < 1000 else f"{value:,.0f}"


def _history_in_words(unit: str, ours: list[Point], theirs: list[Point], lines: list[tuple[str, float]],
                      bands: list[dict[str, Any]]) -> str:  # fmt: skip
    oldest = sorted(ours, key=lambda point: (point.x, point.y))
    said = [f"{unit.capitalize()} against the year of the idea: {', '.join(point.said for point in oldest)}."]
    if theirs:
        said.append(f"Published by others, each the lowest of its time: {', '.join(p.said for p in records(theirs))}.")
    if lines:
        said.append(f"For comparison: {', '.join(f'{name} {_number(height)}' for name, height in lines)}.")
    for band in bands:
        low, high = band["range"]
        said.append(f"A band from {low:g} to {high:g}: {band['system']}.")
    return " ".join(said)


def _cost_in_words(panels: list[tuple[Cost, list[Point]]]) -> str:
    said = [f"{price.title}: {', '.join(point.said for point in records(points))}" for price, points in panels]
    return f"Bits per character against cost, and who needs fewest for the price. By {'; by '.join(said)}."
