"""Names in a figure, placed so that none covers another or a line: beside points, and at the ends of curves.

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
from lmzoo.report.canvas import Canvas, distinct, hold, in_two, short
from lmzoo.report.points import Point

Frame = tuple[float, float, float, float]  # left, bottom, right, top

MANY = 24  # labels: of more than so many, only one order is tried
ROUNDS = 4  # at most: how often each label is placed anew, once all others are there
RINGS = 20  # of candidate places around a point
ANGLES = (0, 180, 90, 270, 45, 135, 315, 225, 22.5, 157.5, 337.5, 202.5, 67.5, 112.5, 292.5, 247.5)
CROSSED = 400.0  # the cost of a line that crosses another name or point; that of a letter further away is 1
CLEAR = 0.29  # of a letter: what is nearer to a small point covers it
NEAREST = 0.6  # and to a large one
FAR, FURTHER = 4.5, 14.0  # letters from a point to its name, where that may be left out
LED = 0.8  # letters: to a name that is further off, a line leads


# ── Beside points ─────────────────────────────────────────────────────────────────────────────────


def name_points(
    axes: Any,
    size: float,
    named: Sequence[Point],
    points: Sequence[Point] = (),
    paths: Sequence[Sequence[tuple[float, float]]] = (),
    drop: bool = True,
    sure: int | None = None,
    width: int = 44,
) -> None:
    """Write the names of `named`, most important first, in letters of `size` points.

    A name stays inside the axes and covers no other, none of `points` nor their intervals, and no part of a line
    through one of `paths`, which run along the axes; where it stands off its point, a thin line leads to it. With
    `drop`, a name that finds no room is left out; names after the first `sure` stay near their points.
    Names are of `width` letters at most.
    """
    if not named:
        return
    texts = [
        axes.text(point.x, point.y, in_two(name), size=size, ha="center", va="center", linespacing=1.0,
                  parse_math=False, zorder=6)
        for point, name in zip(named, distinct([point.name for point in named], width), strict=True)
    ]  # fmt: skip
    em = size * axes.figure.dpi / 72  # pixels
    boxes = [text.get_window_extent() for text in texts]
    sizes = np.array([(box.width, box.height) for box in boxes]) + 0.15 * em
    to_pixels = axes.transData.transform
    dots = to_pixels([(point.x, point.y) for point in named])
    others = to_pixels([(point.x, point.y) for point in points or named])
    whiskers = [[(one.x, one.low), (one.x, one.high)] for one in points or named if one.low < one.high]
    walls = [_hull(to_pixels(a), to_pixels(b), em * 0.1) for path in (*paths, *whiskers) for a, b in pairwise(path)]
    bounds = axes.get_window_extent()
    frame = (bounds.x0, bounds.y0, bounds.x1, bounds.y1)
    clear = NEAREST if drop else CLEAR
    centres = place_labels(dots, sizes, frame, em, others, walls, clear, drop, sure)
    to_data = axes.transData.inverted().transform
    for point, text, dot, centre, extent in zip(named, texts, dots, centres, sizes, strict=True):
        if np.isnan(centre).any():
            text.remove()
            continue
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
    clear: float = CLEAR,
    drop: bool = False,
    sure: int | None = None,
) -> Array:
    """Centres (N, 2) of labels with `sizes` (N, 2) near `dots` (N, 2), inside `frame`; all in pixels.

    Candidate places lie on rings around the dot. A label takes the nearest that covers no other label, no line to one,
    no wall, is `clear` letters off all of `points` ((M, 2); None: the dots), not nearer to another point than to its
    own, and from which a line to the dot crosses nothing. The most crowded are placed first; then all are placed again,
    now that the others are there. In a frame too full for that, it is the place that covers least.

    With `drop`, a label that would cover something is NaN, the last first. All but the first `sure` are placed once,
    when those have their places, and not far off.
    """
    em = em or float(sizes[:, 1].max())
    points = dots if points is None else points
    sure = len(dots) if sure is None else min(sure, len(dots))
    reaches = [FURTHER * em if drop else float(np.hypot(frame[2] - frame[0], frame[3] - frame[1])), FAR * em]
    centres = np.full(dots.shape, np.nan)
    free = np.zeros(len(dots), bool)

    def place(i: int, has_to_be: bool) -> None:
        others = ~np.isnan(centres[:, 0]) & (np.arange(len(dots)) != i)
        around = (walls, centres[others], sizes[others], dots[others])
        centre, free[i] = _best_place(dots[i], sizes[i], frame, em, points, around, clear, reaches[i >= sure])
        centres[i] = centre if free[i] or has_to_be else np.nan

    best = centres.copy(), free.copy()
    crowded = _most_crowded(dots[:sure], em)
    for order in (crowded, np.argsort(dots[:sure, 0], kind="stable"), crowded[::-1]):
        centres[:], free[:] = np.nan, False
        for _ in range(ROUNDS):
            settled = free[:sure].all()
            for i in order.tolist():
                place(i, True)
            if settled and free[:sure].all():
                break  # not at once: what had to go far may find a nearer place now
        if free.sum() > best[1].sum() or np.isnan(best[0][:sure]).any():
            best = centres.copy(), free.copy()
        if free[:sure].all() or sure > MANY:
            break
    centres[:], free[:] = best
    last = list(range(sure))[::-1] if drop and not free[:sure].all() else []
    for i in [*last, *range(sure, len(dots))]:
        place(i, not drop)
    return centres


def _best_place(
    dot: Array,
    size: Array,
    frame: Frame,
    em: float,
    points: Array,
    around: tuple[Sequence[Frame], Array, Array, Array],
    clear: float,
    reach: float,
) -> tuple[Array, bool]:
    """The centre of a label, and whether it covers nothing there; `around` are walls, and labels with their dots."""
    walls, centres, sizes, dots = around
    low, high = np.array(frame[:2]), np.array(frame[2:])
    places = np.clip(dot + _rings(size, em, reach, clear), low + size / 2, high - size / 2)  # (m, 2)
    ends = np.array(walls).reshape(-1, 2, 2)  # (w, corners, 2)
    on_lines = _overlaps(places, size, ends.mean(axis=1), np.ptp(ends, axis=1))
    on_labels = _overlaps(places, size, centres, sizes)
    feet = _foot(dots, centres, sizes)
    led = np.linalg.norm(feet - dots, axis=1) > LED * em
    on_lines = on_lines + _meets(dots[led], feet[led], places, size).sum(axis=0)
    away = np.linalg.norm(np.maximum(np.abs(places[:, None] - points) - size / 2, 0), axis=2) / em  # (m, M)
    is_own = np.linalg.norm(points - dot, axis=1) < 1e-6
    own = np.linalg.norm(np.maximum(np.abs(places - dot) - size / 2, 0), axis=1) / em
    nearest_other = away[:, ~is_own].min(axis=1, initial=np.inf)
    dotted = np.minimum(own, nearest_other) < clear - 0.05
    # No distance is too long to keep off another label, and none beyond six letters worth keeping off a point.
    cost = 1e4 * on_labels + 1e3 * on_lines + 6 * dotted + 1.5 * (nearest_other < own) + np.maximum(own, 0.45)
    crossed = _crosses(dot, places, size, em, points[~is_own], centres, sizes)
    best = int(np.argmin(cost + CROSSED * crossed))
    return np.asarray(places[best]), not (on_labels[best] or on_lines[best] or dotted[best] or crossed[best])


def _most_crowded(dots: Array, em: float) -> Array:
    """The labels, those with the nearest neighbours first."""
    gaps = np.linalg.norm(dots[:, None] - dots, axis=2)
    return np.argsort(-np.exp(-gaps / (3 * em)).sum(axis=1), kind="stable")


def _rings(size: Array, em: float, reach: float, clear: float) -> Array:
    """Places (n, 2) of a label relative to its dot: right, left, above and below it, then on ever wider rings."""
    angles = np.deg2rad(ANGLES)
    directions = np.column_stack([np.cos(angles), np.sin(angles)])
    rings = np.geomspace(clear * em, max(reach, em), RINGS)
    return (directions * (size / 2) + rings[:, None, None] * directions).reshape(-1, 2)


def _foot(dot: Array, places: Array, size: Array) -> Array:
    """The point of a label at `places` (…, 2) that is nearest to its dot: where a line to it ends."""
    return np.clip(dot, places - size / 2, places + size / 2)


def _crosses(dot: Array, places: Array, size: Array, em: float, dots: Array, labels: Array, sizes: Array) -> Array:
    """Whether the line from a label at each of `places` (m, 2) to its dot crosses another dot or label: (m,)."""
    line = _foot(dot, places, size) - dot  # (m, 2)
    line = np.where(np.abs(line) < 1e-9, 1e-9, line)
    along = ((dots - dot) @ line.T / (line**2).sum(axis=1)).clip(0, 1).T  # (m, M): where it is nearest to each dot
    near = np.linalg.norm(along[:, :, None] * line[:, None] + dot - dots, axis=2) < 0.3 * em
    return near.any(axis=1) | _meets(dot[None], dot + line, labels, sizes).any(axis=1)


def _meets(starts: Array, ends: Array, centres: Array, sizes: Array) -> Array:
    """Whether each line from one of `starts` to one of `ends` (s, 2) meets each box (n, 2): (s, n)."""
    ways = np.where(np.abs(ends - starts) < 1e-9, 1e-9, ends - starts)[:, None]  # (s, 1, 2)
    edges = [(centres + side * sizes / 2 - starts[:, None]) / ways for side in (-1, 1)]  # (s, n, 2) each
    enters, leaves = np.minimum(*edges).max(axis=2), np.maximum(*edges).min(axis=2)
    return np.asarray((enters < leaves) & (leaves > 0) & (enters < 1))


def _overlaps(places: Array, size: Array, others: Array, sizes: Array) -> Array:
    """How many of the boxes `others` (n, 2) with `sizes` a box of `size` covers at each of `places` (m, 2): (m,)."""
    apart = np.abs(places[:, None] - others) - (size + sizes) / 2
    return (apart < 0).all(axis=2).sum(axis=1)


def _hull(a: Array, b: Array, margin: float) -> Frame:
    return min(a[0], b[0]) - margin, min(a[1], b[1]) - margin, max(a[0], b[0]) + margin, max(a[1], b[1]) + margin


# ── At the ends of curves ─────────────────────────────────────────────────────────────────────────


def name_ends(figure: Any, axes: Any, canvas: Canvas, ends: Sequence[tuple[float, str, str]]) -> None:
    """Names beside the right ends of curves (height, name, colour), a thin line from each end to its name.

    They are as near to the heights of the ends as they can be without overlap, and in smaller letters where the axes
    are too low for all of them.
    """
    right = axes.get_xlim()[1]
    size, gap = canvas.size(0.85), 1.6 * canvas.font
    texts = [
        axes.annotate(short(name, 19 if canvas.narrow else 24), (right, y), (gap, 0), textcoords="offset points",
                      size=size, va="center", parse_math=False, annotation_clip=False, linespacing=1.0, arrowprops={
                          "arrowstyle": "-", "color": hue, "linewidth": size / 14, "shrinkA": 0, "shrinkB": 0,
                          "relpos": (0, 0.5)})
        for y, name, hue in sorted(ends, key=lambda end: end[0])
    ]  # fmt: skip
    hold(figure)
    bounds = axes.get_window_extent()
    fits = bounds.height / (1.1 * sum(text.get_window_extent().height for text in texts) or 1)
    for text in texts:
        text.set_size(max(canvas.least, size * min(1, fits)))
    boxes = [_box(text) for text in texts]
    middles = [(box.y0 + box.y1) / 2 for box in boxes]
    gaps = [(a.height + b.height) / 2 + 0.12 * size for a, b in pairwise(boxes)]
    low, high = bounds.y0, bounds.y1
    if sum(gaps) > high - low:
        low, high = boxes[0].height / 2, figure.bbox.height - boxes[-1].height / 2
    for text, middle, free in zip(texts, middles, spread(middles, gaps, low, high), strict=True):
        text.set_position((gap, (free - middle) / figure.dpi * 72))


def _box(text: Any) -> Any:
    """Where the words of an annotation are, without the line to them."""
    from matplotlib.text import Text

    text.update_positions(text.figure.canvas.get_renderer())
    return Text.get_window_extent(text)


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
