"""The figures of `lmzoo finetune` and `lmzoo transfer`."""

from collections.abc import Mapping, Sequence
from typing import Any

from lmzoo.report import probe_figures
from lmzoo.report.canvas import Canvas, Drawing, bare_axes, colour, curve_height, draw_curves, fit_heights, log_counts
from lmzoo.report.labels import name_ends
from lmzoo.tasks.finetuning.grid import Point
from lmzoo.tasks.probing.baselines import MAJORITY

BASELINE, VECTORS = "baseline", "association"


def label_curves(points: Sequence[Point], families: Mapping[str, str], canvas: Canvas) -> Drawing | None:
    """A task's score against the number of labels: a curve for each row, with its interval over seeds.

    `families`: of each run, by its name, with which the names of its rows begin. None for a single number of labels.
    """
    rows: list[dict[str, Any]] = []
    chance = next((one.mean for one in reversed(points) if one.row == MAJORITY and one.mean is not None), 0.0)
    for name in dict.fromkeys(one.row for one in points if one.row != MAJORITY):
        known = sorted((one for one in points if one.row == name and one.mean is not None), key=lambda one: one.labels)
        if known:
            of_row = [
                {"labels": one.labels, "mean": one.mean, "values": one.values, "band": one.interval or (one.mean,) * 2}
                for one in known
            ]
            about = {"task": known[0].task, "metric": known[0].metric, "chance": chance}
            rows.append({"label": name, "family": family(name, families), "points": of_row, **about})
    if not rows or max(len(row["points"]) for row in rows) < 2:
        return None
    return probe_figures.label_curves(rows, canvas)


def family(row: str, families: Mapping[str, str]) -> str:
    """Of models, by which a row is coloured."""
    run = max((name for name in families if row.startswith(f"{name},")), key=len, default="")
    return families[run] if run else VECTORS if row.endswith(", pooled") else BASELINE


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
        hue = colour(families.get(name, BASELINE))
        bands = [one.interval or (mean, mean) for (_, one), mean in zip(points, means, strict=True)]
        low, high = zip(*bands, strict=True)
        axes.fill_between(places, low, high, color=hue, alpha=0.15, linewidth=0, zorder=2)
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
