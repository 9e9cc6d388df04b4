"""The figures of context and of calibration: what looking back is worth, and whether probabilities mean what they say.

They are made as those of `lmzoo.report.canvas` are, which says how, and share its canvases. Members of one family
have its
colour and differ in marker and darkness, neither of which needs colour vision.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lmzoo.report.association_figures import shade
from lmzoo.report.canvas import MARKERS, SOURCE_LINE, Canvas, colour, family, short
from lmzoo.report.summary import Comparison, ranked

BITS = "bits per character"


@dataclass(frozen=True)
class Curve:
    """A model's bits against how far back it looked, with its look."""

    label: str
    colour: str
    marker: str
    allowed: list[tuple[float, float]]  # (place on the axis, bits per character)
    positions: list[tuple[float, float]]
    stops: bool  # it sees no further than its last point


def context(comparison: Comparison, canvas: Canvas) -> tuple[Any, str] | None:
    """Bits per character against the tokens that a model may look back, and against those it has read so far."""
    rows = [row for row in in_order(comparison, "context") if row["allowed"]]
    if not rows:
        return None
    curves = _curves(rows)
    furthest = max(point["context"] for row in rows for point in row["allowed"])
    figure, (allowed, names, positions, more_names) = _two_panels(canvas, len(curves))
    right = place_of(furthest) + 0.15
    for curve in curves:
        _draw(allowed, canvas, curve, curve.allowed, right)
        _draw(positions, canvas, curve, curve.positions, None)
    _label(allowed, canvas, "tokens of context allowed", [0, *_powers(furthest)], right)
    _label(positions, canvas, "tokens read since a fresh start", _powers(furthest), right)
    figure.draw_without_rendering()
    _name(names, canvas, [(curve.allowed[-1][1], curve) for curve in curves])
    if more_names is not None:
        _name(more_names, canvas, [(curve.positions[-1][1], curve) for curve in curves if curve.positions])
    return figure, _context_in_words(rows)


def in_order(comparison: Comparison, key: str) -> list[dict[str, Any]]:
    """The rows of the facts under `key`, in the order of the table: fewest bits per character first."""
    places = {row["label"]: place for place, row in enumerate(ranked(comparison))}
    rows = (comparison.get(key) or {}).get("rows", [])
    return sorted(rows, key=lambda row: places.get(row["label"], len(places)))


def place_of(tokens: int) -> float:
    """Where so many tokens stand on the axis: each doubling one step further, with room for none at all."""
    return math.log2(tokens) + 1 if tokens else 0.0


def _powers(furthest: int) -> list[int]:
    return [1 << n for n in range(max(1, furthest).bit_length())]


def _curves(rows: Sequence[dict[str, Any]]) -> list[Curve]:
    seen: dict[str, int] = {}
    curves = []
    for row in rows:
        number = seen[family(row["model"])] = seen.get(family(row["model"]), -1) + 1
        allowed = [(place_of(point["context"]), point["bits_per_character"]) for point in row["allowed"]]
        positions = [(place_of(point["last"]), point["bits_per_character"]) for point in row["positions"]]
        stops = row["reach"] is not None and row["allowed"][-1]["context"] >= row["reach"] - 1
        marker = list(MARKERS)[number % len(MARKERS)]
        curves.append(Curve(row["label"], shade(colour(row["model"]), number), marker, allowed, positions, stops))
    return curves


def _two_panels(canvas: Canvas, count: int) -> tuple[Any, tuple[Any, Any, Any, Any]]:
    """Axes of allowed context, of its names, of positions and (on a narrow canvas) of their names."""
    from matplotlib.figure import Figure

    height = max(canvas.width * (0.9 if canvas.labels_above else 0.58), canvas.font / 72 * 1.25 * (count + 3))
    if canvas.labels_above:
        figure = Figure(figsize=(canvas.width, 2 * height), layout="constrained", facecolor="white")
        allowed, names, positions, more = figure.subplots(2, 2, sharey="row", width_ratios=(1.8, 1)).flat
    else:
        figure = Figure(figsize=(canvas.width, height), layout="constrained", facecolor="white")
        positions, allowed, names = figure.subplots(1, 3, sharey=True, width_ratios=(1, 1.45, 0.82))
        more = None
    for axes in (allowed, positions):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=canvas.font * 0.75)
    for axes in filter(None, (names, more)):
        axes.set_axis_off()
        axes.set_xlim(0, 1)
    for axes in (allowed, positions) if canvas.labels_above else (positions,):
        axes.set_ylabel(BITS, size=canvas.font * 0.85)
    return figure, (allowed, names, positions, more)


def _draw(axes: Any, canvas: Canvas, curve: Curve, points: Sequence[tuple[float, float]], right: float | None) -> None:
    """A curve; where the model sees no further, a bar across its end, and dots up to `right`, as nothing changes."""
    if not points:
        return
    look: Any = {"color": curve.colour, "zorder": 3}
    x, y = zip(*points, strict=True)
    axes.plot(x, y, marker=curve.marker, markersize=canvas.font * 0.36, linewidth=canvas.font / 8, **look)
    if right is None:
        return
    if curve.stops:
        axes.plot(x[-1:], y[-1:], "|", markersize=canvas.font * 1.1, markeredgewidth=canvas.font / 6, **look)
    axes.plot([x[-1], right], [y[-1]] * 2, ":", linewidth=canvas.font / 12, **look | {"zorder": 2})


def _label(axes: Any, canvas: Canvas, title: str, ticks: Iterable[int], right: float) -> None:
    axes.set_xlabel(title, size=canvas.font * 0.85)
    shown = [tick for tick in ticks if tick in (0, 1, 2) or not canvas.labels_above or place_of(tick) % 2 == 1]
    axes.set_xticks([place_of(tick) for tick in shown], [str(tick) for tick in shown])
    axes.set_xlim(min(map(place_of, shown)) - 0.25, right)


def _name(axes: Any, canvas: Canvas, ends: Sequence[tuple[float, Curve]]) -> None:
    """The names of curves, as near to the heights of their ends as they can be read, each with a line to its end."""
    size = canvas.font * 0.72
    low, high = axes.get_ylim()
    line = 1.25 * size / 72 * axes.figure.dpi / axes.get_window_extent().height * (high - low)
    ends = sorted(ends, key=lambda end: end[0])
    for (y, curve), free in zip(ends, spread([y for y, _ in ends], line, low, high), strict=True):
        axes.plot([0, 0.13], [y, free], color=curve.colour, linewidth=canvas.font / 16, clip_on=False)
        axes.plot([0.19], [free], curve.marker, color=curve.colour, markersize=size * 0.6, clip_on=False)
        axes.text(
            0.26,
            free,
            short(curve.label, 17 if canvas.labels_above else 24, lines=1),
            size=size,
            va="center",
            parse_math=False,
        )
    axes.set_xlim(0, 1)
    axes.set_ylim(low, high)


def spread(heights: Sequence[float], apart: float, low: float, high: float) -> list[float]:
    """Heights from `low` to `high` that are nearest to the ascending `heights` and at least `apart`, if there is room.

    Taking n·apart off the n-th makes this a regression on what does not descend, which the median of blocks solves
    (Barlow et al. 1972, Statistical inference under order restrictions).
    """
    from scipy.optimize import isotonic_regression

    shifted = [height - n * apart for n, height in enumerate(heights)]
    found = isotonic_regression(shifted).x.clip(low, max(low, high - (len(heights) - 1) * apart))
    return [float(height) + n * apart for n, height in enumerate(found)]


def _context_in_words(rows: Sequence[dict[str, Any]]) -> str:
    said = []
    for row in rows:
        first, last = row["allowed"][0], row["allowed"][-1]
        if last is first:
            said.append(f"{row['label']} {first['bits_per_character']:.2f} with any")
        else:
            tokens = f"{last['context']} token{'' if last['context'] == 1 else 's'}"
            said.append(
                f"{row['label']} from {first['bits_per_character']:.2f} without to {last['bits_per_character']:.2f} "
                f"behind {tokens}{', its reach' if row['reach'] == last['context'] else ''}"
            )
    return f"Bits per character by the context that each model is allowed: {'; '.join(said)}."


# Calibration


def calibration(comparison: Comparison, canvas: Canvas) -> tuple[Any, str] | None:
    """A reliability diagram for each model: how often its likeliest token was right, by how likely it called it."""
    rows = in_order(comparison, "calibration")
    if not rows:
        return None
    from matplotlib.figure import Figure

    across = min(len(rows), 3 if canvas.labels_above else 5)
    down = -(-len(rows) // across)
    side = canvas.width / (3 if canvas.labels_above else 5)
    figure = Figure(figsize=(canvas.width, side * 1.2 * down + 0.5), layout="constrained", facecolor="white")
    panels = list(figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).flat)
    for axes, row in zip(panels, rows, strict=False):
        _reliability(axes, canvas, row)
    for n, axes in enumerate(panels):
        axes.set_visible(n < len(rows))
        axes.xaxis.set_tick_params(labelbottom=n + across >= len(rows))
    figure.supxlabel("probability of the likeliest token", size=canvas.font * 0.85)
    figure.supylabel("how often it was right", size=canvas.font * 0.85)
    return figure, _calibration_in_words(rows)


def _reliability(axes: Any, canvas: Canvas, row: dict[str, Any]) -> None:
    """One model's diagram: the diagonal, a point for each bin with its interval, and the error in its corner."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.plot([0, 1], [0, 1], linewidth=canvas.font / 14, zorder=1, **SOURCE_LINE)
    hue = colour(row["model"])
    x, y = ([one[key] for one in row["bins"]] for key in ("confidence", "accuracy"))
    low, high = ([one[key] for one in row["bins"]] for key in ("low", "high"))
    axes.vlines(x, low, high, color=hue, linewidth=canvas.font / 10, alpha=0.5, zorder=2)
    axes.plot(x, y, "o-", color=hue, markersize=canvas.font * 0.24, linewidth=canvas.font / 14, zorder=3)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
    axes.set_xticks([0, 0.5, 1], ["0", "½", "1"])
    axes.set_yticks([0, 0.5, 1], ["0", "½", "1"])
    axes.tick_params(labelsize=canvas.font * 0.7)
    size = canvas.font * (0.66 if canvas.labels_above else 0.68)
    axes.set_title(short(row["label"], 16 if not canvas.labels_above else 14), size=size, parse_math=False)
    axes.text(0.99, 0.02, f"{row['error']:.3f}", size=size, ha="right")


def _calibration_in_words(rows: Sequence[dict[str, Any]]) -> str:
    said = []
    for row in rows:
        gap = row["confidence"] - row["accuracy"]
        sure = "" if row["error"] <= row["by_chance"] else ", too sure" if gap > 0 else ", not sure enough"
        said.append(f"{row['label']} {row['error']:.3f}{sure}")
    return f"Expected calibration error, a diagram for each model: {'; '.join(said)}."
