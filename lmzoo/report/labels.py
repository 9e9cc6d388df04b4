"""Names in a figure, placed so that none covers another: beside points, at the ends of curves, above lines.

adjustText and textalloc were tried on the history of storyworld (15 models) and of the Penn Treebank (50 names).
adjustText leaves overlaps (3 of 15 names in the narrow figure, 118 of 50) and takes seven times as long; textalloc
leaves none, but puts names far from their points and lets lines to them cross other points. So this stays.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lmzoo.interface import Array
from lmzoo.report.canvas import REFERENCE_LINE, SOURCE, SOURCE_LINE, Canvas, outline, short
from lmzoo.report.points import Point

Frame = tuple[float, float, float, float]  # left, bottom, right, top

ROUNDS = 4  # how often each label is placed anew, once all others are there
TRIED = 64  # best places whose line to the point is checked
RINGS = 20  # of candidate places around a point
ANGLES = (0, 180, 90, 270, 45, 135, 315, 225, 22.5, 157.5, 337.5, 202.5, 67.5, 112.5, 292.5, 247.5)
CLEAR = 0.24  # of a letter: what is nearer to a point covers it
# Letters from a point to its name, where names may be left out.
NEAREST, FAR = 0.6, 4.5
LED = 0.8  # letters: to a name that is further off, a line leads


# ── Beside points ─────────────────────────────────────────────────────────────────────────────────


def hold(figure: Any) -> None:
    """Lay the figure out once and for all: what is measured must not move when the figure is saved."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def name_points(
    axes: Any,
    size: float,
    named: Sequence[Point],
    points: Sequence[Point] = (),
    path: Sequence[tuple[float, float]] = (),
    drop: bool = True,
) -> None:
    """Write the names of `named`, most important first, in letters of `size` points.

    A name stays inside the axes and covers no other, none of `points` and no part of the line through `path`; where it
    stands off its point, a thin line leads to it. With `drop`, a name that finds no room is left out.
    """
    if not named:
        return
    texts = [
        axes.text(point.x, point.y, short(point.name, 20), size=size, ha="center", va="center", linespacing=1.0,
                  parse_math=False, zorder=6)
        for point in named
    ]  # fmt: skip
    em = size * axes.figure.dpi / 72  # pixels
    boxes = [text.get_window_extent() for text in texts]
    sizes = np.array([(box.width, box.height) for box in boxes]) + 0.15 * em
    to_pixels = axes.transData.transform
    dots = to_pixels([(point.x, point.y) for point in named])
    others = to_pixels([(point.x, point.y) for point in points or named])
    walls = [_hull(to_pixels(a), to_pixels(b), em * 0.1) for a, b in pairwise(path)]
    bounds = axes.get_window_extent()
    frame = (bounds.x0, bounds.y0, bounds.x1, bounds.y1)
    centres = place_labels(dots, sizes, frame, em=em, points=others, walls=walls, drop=drop)
    to_data = axes.transData.inverted().transform
    for point, text, dot, centre, extent in zip(named, texts, dots, centres, sizes, strict=True):
        if np.isnan(centre).any():
            text.remove()
            continue
        outline(text, size / 5)
        text.set_position(to_data(centre))
        foot = _foot(dot, centre, extent)
        if np.linalg.norm(foot - dot) > LED * em:
            ends = to_data([dot, foot])
            axes.plot(*ends.T, color=point.colour, linewidth=size / 14, zorder=2, scalex=False, scaley=False)


def place_labels(
    dots: Array,
    sizes: Array,
    frame: Frame,
    em: float | None = None,
    points: Array | None = None,
    walls: Sequence[Frame] = (),
    drop: bool = False,
) -> Array:
    """Centres (N, 2) of labels with `sizes` (N, 2) near `dots` (N, 2), inside `frame`; all in pixels.

    Candidate places lie on rings around the dot. A label takes the nearest that covers no other label, no wall, none
    of `points` ((M, 2); None: the dots), is not nearer to another point than to its own, and from which a line to the
    dot crosses nothing. The most crowded are placed first; then all are placed again, now that the others are there. In
    a frame too full for that, it is the place that covers least.

    With `drop`, labels are placed once, in the given order, and one that would cover something is NaN.
    """
    em = em or float(sizes[:, 1].max())
    points = dots if points is None else points
    walls = list(walls)
    centres = np.full(dots.shape, np.nan)
    order = np.arange(len(dots)) if drop else np.tile(_most_crowded(dots, em), ROUNDS)
    for i in order.tolist():
        others = ~np.isnan(centres[:, 0]) & (np.arange(len(dots)) != i)
        labels = (centres[others], sizes[others])
        centres[i] = _best_place(dots[i], sizes[i], frame, em, points, walls, labels, drop)
        if drop and not np.isnan(centres[i]).any():
            walls += _leader(dots[i], centres[i], sizes[i], em)
    return centres


def _best_place(
    dot: Array,
    size: Array,
    frame: Frame,
    em: float,
    points: Array,
    walls: Sequence[Frame],
    labels: tuple[Array, Array],
    drop: bool,
) -> Array:
    low, high = np.array(frame[:2]), np.array(frame[2:])
    reach = FAR * em if drop else float(np.linalg.norm(high - low))
    places = np.clip(dot + _rings(size, em, reach), low + size / 2, high - size / 2)  # (m, 2)
    covered = _overlaps(places, size, *labels)
    for left, bottom, right, top in walls:
        middle = np.array([[(left + right) / 2, (bottom + top) / 2]])
        covered = covered + _overlaps(places, size, middle, np.array([[right - left, top - bottom]]))
    away = np.linalg.norm(np.maximum(np.abs(places[:, None] - points) - size / 2, 0), axis=2) / em  # (m, M)
    is_own = np.linalg.norm(points - dot, axis=1) < 1e-6
    own = np.linalg.norm(np.maximum(np.abs(places - dot) - size / 2, 0), axis=1) / em
    nearest_other = away[:, ~is_own].min(axis=1, initial=np.inf)
    dotted = np.minimum(own, nearest_other) < (NEAREST - 0.05 if drop else CLEAR)
    # No distance is too long to keep off another label, and none beyond six letters worth keeping off a point.
    cost = 1e3 * covered + 6 * dotted + 1.5 * (nearest_other < own) + np.maximum(own, 0.45)
    best = np.argsort(cost, kind="stable")[:TRIED]
    crossed = _crosses(dot, places[best], size, em, points[~is_own], *labels)
    choice = best[int(np.argmin(cost[best] + 3 * crossed))]
    if drop and (covered[choice] or dotted[choice]):
        return np.full(2, np.nan)
    return np.asarray(places[choice])


def _most_crowded(dots: Array, em: float) -> Array:
    """The labels, those with the nearest neighbours first."""
    gaps = np.linalg.norm(dots[:, None] - dots, axis=2)
    return np.argsort(-np.exp(-gaps / (3 * em)).sum(axis=1), kind="stable")


def _rings(size: Array, em: float, reach: float) -> Array:
    """Places (n, 2) of a label relative to its dot: right, left, above and below it, then on ever wider rings."""
    angles = np.deg2rad(ANGLES)
    directions = np.column_stack([np.cos(angles), np.sin(angles)])
    rings = np.geomspace(0.25 * em, max(reach, em), RINGS)
    if reach <= FAR * em:
        rings = np.concatenate([[NEAREST * em], rings[rings > NEAREST * em]])
    return (directions * (size / 2) + rings[:, None, None] * directions).reshape(-1, 2)


def _foot(dot: Array, places: Array, size: Array) -> Array:
    """The point of a label at `places` (…, 2) that is nearest to its dot: where a line to it ends."""
    return np.clip(dot, places - size / 2, places + size / 2)


def _leader(dot: Array, place: Array, size: Array, em: float) -> list[Frame]:
    """Small boxes along the line from a label to its dot, both ends left out; none where there is no line."""
    foot = _foot(dot, place, size)
    if np.linalg.norm(foot - dot) <= LED * em:
        return []
    steps = dot + np.linspace(0, 1, 9)[1:-1, None] * (foot - dot)
    return [_hull(step, step, 1.0) for step in steps]


def _crosses(dot: Array, places: Array, size: Array, em: float, dots: Array, labels: Array, sizes: Array) -> Array:
    """Whether the line from a label at each of `places` (m, 2) to its dot crosses another dot or label: (m,)."""
    steps = np.linspace(0, 1, 8)[:, None, None]
    line = dot + steps * (_foot(dot, places, size) - dot)  # (8, m, 2)
    near = np.linalg.norm(line[:, :, None] - dots, axis=3) < 0.3 * em
    through = (np.abs(line[:, :, None] - labels) < sizes / 2).all(axis=3)
    return near.any(axis=(0, 2)) | through.any(axis=(0, 2))


def _overlaps(places: Array, size: Array, others: Array, sizes: Array) -> Array:
    """How many of the boxes `others` (n, 2) with `sizes` a box of `size` covers at each of `places` (m, 2): (m,)."""
    apart = np.abs(places[:, None] - others) - (size + sizes) / 2
    return (apart < 0).all(axis=2).sum(axis=1)


def _hull(a: Array, b: Array, margin: float) -> Frame:
    return min(a[0], b[0]) - margin, min(a[1], b[1]) - margin, max(a[0], b[0]) + margin, max(a[1], b[1]) + margin


# ── At the ends of curves ─────────────────────────────────────────────────────────────────────────


def name_ends(figure: Any, axes: Any, canvas: Canvas, ends: Sequence[tuple[float, str]]) -> None:
    """Names beside the right ends of curves (height, name), as near to them as they can be without overlap."""
    right = axes.get_xlim()[1]
    texts = [
        axes.text(right, y, short(name, 20), size=canvas.font * 0.9, va="center", parse_math=False)
        for y, name in sorted(ends)
    ]
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in texts]
    middles = [(box.y0 + box.y1) / 2 for box in boxes]
    gaps = [(a.height + b.height) / 2 + canvas.font * 0.5 for a, b in pairwise(boxes)]
    bounds = axes.get_window_extent()
    for text, middle, free in zip(texts, middles, spread(middles, gaps, bounds.y0, bounds.y1), strict=True):
        move(text, (canvas.font * 0.4, (free - middle) / figure.dpi * 72))


def spread(heights: Sequence[float], apart: ArrayLike, low: float, high: float) -> list[float]:
    """The heights nearest to the ascending `heights`, each `apart` from the last; within `low` … `high` if they fit.

    Taking the cumulative distances off makes this a regression on what does not descend (Barlow et al. 1972,
    Statistical Inference under Order Restrictions).
    """
    from scipy.optimize import isotonic_regression

    if not len(heights):
        return []
    offsets = np.concatenate([[0.0], np.cumsum(np.broadcast_to(apart, len(heights) - 1))])
    nearest = isotonic_regression(np.asarray(heights) - offsets).x.clip(low, max(low, high - offsets[-1]))
    return (nearest + offsets).tolist()


# ── Above vertical lines ──────────────────────────────────────────────────────────────────────────


def name_verticals(figure: Any, axes: Any, canvas: Canvas, lines: Sequence[tuple[str, float]]) -> None:
    """Vertical lines that rise to their names above the axes, on as many levels as keep the names apart.

    From right to left, so that a name that finds no room goes up a level, where no line runs through it.
    """
    axes.set_xlim(0, max([axes.get_xlim()[1], *(x * 1.1 for _, x in lines)]))
    above = axes.get_xaxis_transform()  # x in data, y = 1 at the top of the axes
    texts = []
    for name, x in sorted(lines, key=lambda line: -line[1]):
        weight = "bold" if name == SOURCE else "normal"
        texts.append(axes.text(x, 1, f"{name} {x:.2f}", transform=above, size=canvas.font * 0.9, weight=weight,
                               va="bottom", parse_math=False))  # fmt: skip
    figure.draw_without_rendering()
    levels: list[float] = []  # the pixel at which the leftmost name of each begins
    for text in texts:
        box = text.get_window_extent()
        left = min(box.x0, figure.bbox.width - box.width - 4)
        # Nothing may begin within this name, neither on its own level nor on its way to a higher one.
        level = next(i for i in range(len(levels) + 1) if all(left + box.width < x for x in levels[i:]))
        levels[level : level + 1] = [left - canvas.font]
        rise = canvas.font * (0.2 + 1.25 * level)
        move(text, ((left - box.x0) / figure.dpi * 72, rise))
        look = dict(SOURCE_LINE, linewidth=canvas.font / 7) if text.get_weight() == "bold" else REFERENCE_LINE
        axes.axvline(text.get_position()[0], zorder=3, **look)
        axes.annotate("", (text.get_position()[0], 1), (0, rise), xycoords=above, textcoords="offset points",
                      arrowprops={"arrowstyle": "-", "shrinkA": 0, "shrinkB": 0, **look})  # fmt: skip


def move(text: Any, points: tuple[float, float]) -> None:
    """Shift a text by (right, up) points from where its data puts it."""
    from matplotlib.transforms import ScaledTranslation

    right, up = points[0] / 72, points[1] / 72
    text.set_transform(text.get_transform() + ScaledTranslation(right, up, text.figure.dpi_scale_trans))
