"""Names beside the points of a cloud: each where there is room for it, as near to its point as that is.

    hold(figure)                                     # what is measured must not move when the figure is saved
    name_the_points(axes, 12, most_important_first, all_of_them)

It is greedy: the first place that is free is taken for good, so the order of names is their rank.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Protocol

from lmzoo.report.canvas import short

# Where a name may stand: gaps from its point in sizes of its letters, and directions, those that read best first.
GAPS = (0.3, 1.2, 2.4, 4.0)
DIRECTIONS = (0, 180, 90, 270, 30, 330, 150, 210, 60, 300, 120, 240)
STEPS = 8  # of a line from a point to its name, to see what lies on it
Box = tuple[float, float, float, float]  # left, bottom, right, top in pixels


class Named(Protocol):
    """A point in the units of its axes, and its name."""

    @property
    def x(self) -> float: ...  # noqa: D102
    @property
    def y(self) -> float: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def colour(self) -> str: ...  # noqa: D102


def hold(figure: Any) -> None:
    """Lay the figure out, once and for all."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def name_the_points(
    axes: Any, size: float, named: Sequence[Named], points: Sequence[Named], path: Sequence[tuple[float, float]] = ()
) -> None:
    """Name `named` in letters of `size`, in this order; a name that finds no room is left out.

    A name keeps inside the axes and covers no other, none of `points` and no part of the line through `path`. If it
    stands away from its point, a thin line leads to it, which runs through no name.
    """
    pixel = axes.figure.dpi / 72
    place = axes.transData.transform
    taken = [_around(place((point.x, point.y)), 0.45 * size * pixel) for point in points]
    taken += [_hull(place(a), place(b), pixel) for a, b in pairwise(path)]
    bounds = axes.get_window_extent()
    inside: Box = (bounds.x0, bounds.y0, bounds.x1, bounds.y1)
    names: list[Box] = []
    for point in named:
        x, y = place((point.x, point.y))
        text = _written(axes, point, size)
        extent = text.get_window_extent()
        for box, near in _places(x, y, extent.width, extent.height, size * pixel):
            leader = [] if near else _leader(x, y, box)
            free = _within(box, inside) and not any(_overlap(box, other) for other in taken)
            if free and not any(_overlap(step, name) for step in leader for name in names):
                break
        else:
            text.remove()
            continue
        names.append(box)
        taken += [box, *leader]
        back = axes.transData.inverted().transform
        text.set_position(back(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)))
        if leader:
            ends = ((point.x, point.y), back(_nearest(x, y, box)))
            axes.plot(*zip(*ends, strict=True), color=point.colour, linewidth=size / 14, zorder=2, scalex=False,
                      scaley=False)  # fmt: skip


def _written(axes: Any, point: Named, size: float) -> Any:
    """The name of a point, not yet in its place, with a white rim where lines cross it."""
    from matplotlib.patheffects import withStroke

    text = axes.text(point.x, point.y, short(point.name, 17), size=size, ha="center", va="center", linespacing=1.0,
                     parse_math=False, zorder=6)  # fmt: skip
    text.set_path_effects([withStroke(linewidth=size / 5, foreground="white")])
    return text


def _places(x: float, y: float, width: float, height: float, em: float) -> Iterator[tuple[Box, bool]]:
    """Boxes of that size around (x, y), and whether each is right beside it; the best first."""
    for gap in GAPS:
        for degrees in DIRECTIONS:
            right, up = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
            far = (0.45 + gap) * em
            middle = (x + right * (width / 2 + far), y + up * (height / 2 + far))
            yield _around(middle, width / 2, height / 2), gap == GAPS[0]


def _leader(x: float, y: float, box: Box) -> list[Box]:
    """Small boxes along the line from a point to its name, both ends left out."""
    end_x, end_y = _nearest(x, y, box)
    steps = (step / STEPS for step in range(1, STEPS))
    return [_around((x + (end_x - x) * step, y + (end_y - y) * step), 1) for step in steps]


def _nearest(x: float, y: float, box: Box) -> tuple[float, float]:
    """Where `box` is nearest to a point."""
    return min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3])


def _around(middle: tuple[float, float], across: float, up: float | None = None) -> Box:
    x, y = middle
    up = across if up is None else up
    return x - across, y - up, x + across, y + up


def _hull(a: tuple[float, float], b: tuple[float, float], margin: float) -> Box:
    return min(a[0], b[0]) - margin, min(a[1], b[1]) - margin, max(a[0], b[0]) + margin, max(a[1], b[1]) + margin


def _within(box: Box, bounds: Box) -> bool:
    return bounds[0] <= box[0] and bounds[1] <= box[1] and box[2] <= bounds[2] and box[3] <= bounds[3]


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
