"""Points with names and intervals: what the figures of history and of cost share."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lmzoo.report.canvas import Canvas

# How a model was trained, by `Row.recipe`: its marker as matplotlib calls it and as text shows it, and what it says.
RECIPES = {"period": ("o", "●", "as trained in its year"), "today": ("D", "◆", "with today's training")}


@dataclass(frozen=True)
class Point:
    """A point with its name; `said` is its part of the alternative text."""

    x: float
    y: float
    name: str
    said: str = ""
    colour: str = "#8f8f8f"
    low: float = 0.0  # its 95 % interval, where it has one
    high: float = 0.0
    recipe: str = ""


def draw_points(axes: Any, canvas: Canvas, points: Sequence[Point], hollow: bool = False) -> None:
    """A circle for each point, a diamond where it was trained as today, its interval as a whisker."""
    for point in points:
        marker = RECIPES.get(point.recipe, "o")[0]
        look: Any = {"color": point.colour, "markersize": canvas.font * (0.5 if hollow else 0.62), "zorder": 4}
        if hollow:
            look |= {"markerfacecolor": "white", "markeredgewidth": canvas.font / 11, "zorder": 3}
        elif marker == "D":
            look["markersize"] *= 0.9  # its corners reach further
        axes.plot([point.x], [point.y], marker, **look)
        if point.low < point.high:
            axes.plot([point.x] * 2, [point.low, point.high], color="black", linewidth=canvas.font / 10, zorder=5)


def legend(points: Iterable[Point]) -> list[str]:
    """What the markers of `points` mean, where more than one way of training is among them."""
    found = {point.recipe for point in points}
    return [f"{sign} {meaning}" for name, (_, sign, meaning) in RECIPES.items() if name in found and len(found) > 1]


def pareto_front(points: Iterable[Point]) -> list[Point]:
    """From left to right, the points that are lower than all to the left of them."""
    best, front = math.inf, []
    for point in sorted(points, key=lambda point: (point.x, point.y)):
        if point.y < best:
            best = point.y
            front.append(point)
    return front
