"""Points with names and intervals: what the figures of history and of cost share."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lmzoo.report.canvas import Canvas


@dataclass(frozen=True)
class Point:
    """A point with its name; `said` is its part of the alternative text."""

    x: float
    y: float
    name: str
    said: str = ""
    colour: str = "#999999"
    low: float = 0.0  # its 95 % interval, where it has one
    high: float = 0.0


def draw_points(axes: Any, canvas: Canvas, points: Sequence[Point], hollow: bool = False) -> None:
    """A circle for each point, its interval as a whisker."""
    for point in points:
        look: Any = {"color": point.colour, "markersize": canvas.font * (0.5 if hollow else 0.62), "zorder": 4}
        if hollow:
            look |= {"markerfacecolor": "white", "markeredgewidth": canvas.font / 11, "zorder": 3}
        axes.plot([point.x], [point.y], "o", **look)
        if point.low < point.high:
            axes.plot([point.x] * 2, [point.low, point.high], color="black", linewidth=canvas.font / 10, zorder=5)


def pareto_front(points: Iterable[Point]) -> list[Point]:
    """From left to right, the points that are lower than all to the left of them."""
    best, front = math.inf, []
    for point in sorted(points, key=lambda point: (point.x, point.y)):
        if point.y < best:
            best = point.y
            front.append(point)
    return front
