"""The figures of `lmzoo finetune` and `lmzoo transfer`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lmzoo.report.canvas import (
    MARKERS,
    REFERENCE_LINE,
    Canvas,
    Drawing,
    bare_axes,
    colour,
    curve_height,
    draw_curves,
    fit_heights,
    log_counts,
    shade,
)
from lmzoo.report.labels import name_ends
from lmzoo.tasks.finetuning.grid import Point
from lmzoo.tasks.finetuning.rows import FROZEN, SCRATCH, TUNED
from lmzoo.tasks.probing.baselines import MAJORITY

BASELINE, VECTORS = "baseline", "association"
LOOKS = {TUNED: ("o", "-", 1.3), SCRATCH: ("s", "--", 1.0), FROZEN: ("^", ":", 0.8)}  # marker, dash, width
BESIDE = 8.0  # inches: beside the headline of a page it is shown at about that size, so its names can be read
BASELINE_LOOKS = (("D", "-", 0.8), ("v", "-.", 0.8))


def label_curves(
    points: Sequence[Point], families: Mapping[str, str], canvas: Canvas, widest: float = BESIDE
) -> Drawing | None:
    """A task's score against the number of labels: a network fine-tuned is solid, from scratch dashed.

    Probes of frozen features are dotted, bag-of-words baselines grey. Bars are 95 % intervals over seeds, side by side;
    the axis is scaled to the means, so wide ones are clipped. `families`: of each run, by its name, with which the
    names of its rows begin; `widest` in inches. None for a single number of labels.
    """
    if not canvas.narrow and canvas.height is None:
        canvas = replace(canvas, width=min(canvas.width, widest))
    sizes = sorted({one.labels for one in points})
    rows = [name for name in dict.fromkeys(one.row for one in points) if name != MAJORITY]
    of_row = {name: [one for one in points if one.row == name and one.mean is not None] for name in rows}
    rows = [name for name in rows if of_row[name]]
    if len(sizes) < 2 or not rows:
        return None
    chance = next((one.mean for one in reversed(points) if one.row == MAJORITY and one.mean is not None), None)
    figure, axes = bare_axes(canvas, curve_height(canvas, 0.62, len(rows)))
    axes.set_xscale("log")
    ends, said, heights = [], [], [] if chance is None else [chance]
    for n, name in enumerate(rows):
        known = sorted(of_row[name], key=lambda one: one.labels)
        role = name.rpartition(", ")[2]
        hue = row_colour(name, families)
        marker, dash, wide = LOOKS.get(role, BASELINE_LOOKS[n % 2])
        places = [one.labels * 1.035 ** (n - (len(rows) - 1) / 2) for one in known]
        means = [one.mean or 0.0 for one in known]
        axes.plot(places, means, dash, color=hue, marker=marker, linewidth=wide * canvas.font / 5,
                  markersize=canvas.font / 2, zorder=3 + wide)  # fmt: skip
        draw_intervals(axes, canvas, places, known, hue)
        ends.append((means[-1], f"{MARKERS[marker]} {name}", hue))
        heights += means
        said.append(f"{name} {means[0]:.2f} with {known[0].labels:,} and {means[-1]:.2f} with {known[-1].labels:,}")
    fit_heights(axes, heights)
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    if chance is not None:
        axes.axhline(chance, zorder=1, **REFERENCE_LINE)
        axes.annotate("majority class", (1, chance), (0, -canvas.font * 0.3), textcoords="offset points", ha="right",
                      xycoords=("axes fraction", "data"), va="top", size=canvas.size(0.9),
                      color=REFERENCE_LINE["color"])  # fmt: skip
    axes.set_xlabel("labels")
    axes.set_ylabel(f"{points[0].task}: {points[0].metric}")
    name_ends(figure, axes, canvas, ends)
    return figure, f"{points[0].metric} in {points[0].task} against the number of labels: {'; '.join(said)}."


def draw_intervals(axes: Any, canvas: Canvas, places: Sequence[float], points: Sequence[Point], hue: str) -> None:
    """A thin bar for each interval: a band of few seeds would fill the figure."""
    for at, one in zip(places, points, strict=True):
        if one.interval:
            axes.plot([at, at], one.interval, color=hue, linewidth=canvas.font / 12, alpha=0.55, zorder=2,
                      scalex=False, scaley=False)  # fmt: skip


def row_colour(row: str, families: Mapping[str, str]) -> str:
    """That of its run's family, the darker the more runs of that family come before; of no run, a baseline's."""
    run = max((name for name in families if row.startswith(f"{name},")), key=len, default="")
    if not run:
        return colour(VECTORS if row.endswith(", pooled") else BASELINE)
    alike = [name for name, family in families.items() if family == families[run]]
    return shade(colour(families[run]), alike.index(run))


def numbered_curves(
    curves: Mapping[str, Sequence[tuple[float, Point]]],
    families: Mapping[str, str],
    across: str,
    up: str,
    canvas: Canvas,
) -> Drawing | None:
    """Means, with their intervals, over a number such as layers or tokens read: a curve for each run.

    Numbers of more than a thousand stand on a logarithmic scale. None where no curve has two points.
    """
    known = {name: points for name, points in curves.items() if len(points) > 1}
    if not known:
        return None
    figure, axes = bare_axes(canvas, curve_height(canvas, 0.42, len(known)))
    drawn, heights = [], []
    for name, points in known.items():
        places, means = [at for at, _ in points], [one.mean or 0.0 for _, one in points]
        hue = row_colour(f"{name},", families)
        draw_intervals(axes, canvas, places, [one for _, one in points], hue)
        drawn.append((name, places, means, hue))
        heights += means
    ends = draw_curves(axes, canvas, drawn)
    fit_heights(axes, heights)
    if max(at for points in known.values() for at, _ in points) > 1000:
        log_counts(axes, canvas)
    else:
        axes.set_xticks(sorted({at for points in known.values() for at, _ in points}))
        axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    name_ends(figure, axes, canvas, ends)
    said = "; ".join(
        f"{name} {means[0]:.2f} at {places[0]:,.0f} and {means[-1]:.2f} at {places[-1]:,.0f}"
        for name, places, means, _ in drawn
    )
    return figure, f"{up} against {across}: {said}."
