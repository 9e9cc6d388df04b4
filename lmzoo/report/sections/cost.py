"""Bits per character against training time, parameters and bytes on disk, each with its Pareto front."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from lmzoo.comparison.results import Comparison, Row
from lmzoo.report.canvas import Canvas, Drawing, colour, hold, new_figure, number
from lmzoo.report.labels import name_points
from lmzoo.report.points import Point, draw_points, pareto_front
from lmzoo.report.section import Section
from lmzoo.report.table import amount


@dataclass(frozen=True)
class Cost:
    """A kind of cost: a panel of the figure."""

    title: str
    of: Callable[[Row], float | None]
    unit: str  # behind an SI prefix; "": the unit of the row's size


COSTS = (
    Cost("training time", lambda row: row.train_seconds, " s"),
    Cost("parameters or counts", lambda row: row.size.count if row.size else None, ""),
    Cost("size on disk", lambda row: row.size.bytes if row.size else None, "B"),
)


def figure(_: None, comparison: Comparison, canvas: Canvas) -> Drawing | None:
    """A panel for each cost that at least two models have."""
    panels = [(kind, points) for kind in COSTS if len(points := _priced(comparison, kind)) > 1]
    if not panels:
        return None
    said = _in_words(panels)
    panels = [(kind, _within(points, comparison)) for kind, points in panels]
    figure, all_axes = _panels(canvas, len(panels))
    for axes, (kind, points) in zip(all_axes, panels, strict=True):
        _panel(axes, canvas, kind, points)
    for axes in all_axes if canvas.narrow else all_axes[:1]:
        axes.set_ylabel("bits per character", size=canvas.size(0.9))
    hold(figure)
    width = 20 if canvas.narrow or canvas.height else 44
    for axes, (_kind, points) in zip(all_axes, panels, strict=True):
        name_points(axes, canvas.size(0.8), pareto_front(points)[::-1], points, [_stairs(points)], sure=0, width=width)
    return figure, said


def _priced(comparison: Comparison, cost: Cost) -> list[Point]:
    """The rows with a score and a cost above zero, for the axis is logarithmic."""
    points = []
    for row in comparison.ranked():
        price = cost.of(row)
        if row.score and price:
            low, high = row.interval or (row.bits, row.bits)
            unit = cost.unit or f" {row.size.unit if row.size else ''}"
            said = f"{row.label} ({amount(price)}{unit}) {number(row.bits)}"
            points.append(Point(price, row.bits, row.label, said, colour(row.family), low, high, row.recipe))
    return points


def _within(points: list[Point], comparison: Comparison) -> list[Point]:
    """Without the models that know nothing, which would squeeze the rest into a corner."""
    return [one for one in points if comparison.family(one.name) != "baseline"] or points


def _panels(canvas: Canvas, count: int) -> tuple[Any, list[Any]]:
    """A figure with `count` pairs of axes side by side, or one below the other where narrow; their heights agree."""
    figure = new_figure(canvas.width, canvas.tall(canvas.width * (0.8 * count if canvas.narrow else 0.4)))
    shape = (count, 1) if canvas.narrow else (1, count)
    all_axes = list(figure.subplots(*shape, sharey=True, squeeze=False).flat)
    for axes in all_axes:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=canvas.size(0.8))
    return figure, all_axes


def _panel(axes: Any, canvas: Canvas, cost: Cost, points: list[Point]) -> None:
    from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

    axes.set_xscale("log")
    axes.plot(*zip(*_stairs(points), strict=True), color="#555555", linewidth=canvas.font / 9, zorder=2)
    draw_points(axes, canvas, points)
    axes.margins(x=0.2, y=0.12)
    axes.xaxis.set_major_locator(LogLocator(numticks=4))
    axes.xaxis.set_major_formatter(EngFormatter(cost.unit.strip()))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(cost.title, size=canvas.size(0.9))


def _stairs(points: Sequence[Point]) -> list[tuple[float, float]]:
    """The corners of the Pareto front, from the cheapest point to the dearest."""
    front = pareto_front(points)
    corners = [(front[0].x, front[0].y)]
    for before, point in pairwise(front):
        corners += [(point.x, before.y), (point.x, point.y)]
    return [*corners, (max(point.x for point in points), front[-1].y)]


def _in_words(panels: list[tuple[Cost, list[Point]]]) -> str:
    said = [f"{cost.title}: {', '.join(point.said for point in pareto_front(points))}" for cost, points in panels]
    return f"Bits per character against cost, and the models on the Pareto front. By {'; by '.join(said)}."


def data(_: None, comparison: Comparison) -> list[dict[str, Any]]:
    """A line for each point of each panel."""
    return [
        {"cost": kind.title, "label": one.name, "value": one.x, "bits per character": one.y, "low": one.low,
         "high": one.high, "recipe": one.recipe}
        for kind in COSTS
        for one in _priced(comparison, kind)
    ]  # fmt: skip


section = Section("cost", "Cost", 10, "cost", figure=figure, data=data)
