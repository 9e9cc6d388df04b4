"""The figures of probes: a single unit's values by class, and how few labels are enough.

They are made as those of `lmzoo.report.canvas` are, which says how, and share its canvases.
"""

from itertools import cycle
from typing import Any

from lmzoo.report.canvas import (
    MARKERS,
    REFERENCE_LINE,
    SOURCE_LINE,
    Canvas,
    bare_axes,
    colour,
    name_the_ends,
    short,
    strokes,
)
from lmzoo.report.summary import Comparison

CLASSES = ("#0072b2", "#d55e00")  # Okabe & Ito's blue and vermilion: the two that are told apart best


def unit(comparison: Comparison, canvas: Canvas) -> tuple[Any, str] | None:
    """The values of the best single unit for each of two classes, and the threshold between them.

    `comparison["units"]` are what `_probe_units.best_unit` gives, with the "label" of the model; the best is drawn.
    """
    rows = comparison.get("units", [])
    if not rows:
        return None
    row = max(rows, key=lambda one: one["accuracy"])
    figure, axes = bare_axes(canvas, canvas.width * (0.8 if canvas.labels_above else 0.45))
    edges, highest = row["edges"], max(map(max, row["counts"]))
    for n, (name, counts, shade) in enumerate(zip(row["classes"], row["counts"], CLASSES, strict=True)):
        axes.stairs(counts, edges, fill=True, color=shade, alpha=0.35, zorder=2)
        axes.stairs(counts, edges, color=shade, linewidth=canvas.font / 6, zorder=3)
        side = 1 if n == row["above"] else -1  # of the threshold
        axes.annotate(name, (row["threshold"], highest * 1.05), (side * canvas.font * 0.6, 0), color=shade,
                      textcoords="offset points", ha="left" if side > 0 else "right", size=canvas.font, weight="bold",
                      parse_math=False)  # fmt: skip
    axes.axvline(row["threshold"], linewidth=canvas.font / 8, zorder=4, **SOURCE_LINE)
    axes.set_ylim(0, highest * 1.15)
    axes.set_yticks([])
    axes.set_xlabel(_of_unit(row) if not canvas.labels_above else f"unit {row['unit']}")
    title = short(
        f"{row['label']}: one unit has {row['accuracy']:.1%} of {row['task']} right", 34 if canvas.labels_above else 60
    )
    axes.set_title(title, loc="left", size=canvas.font, parse_math=False)
    return figure, (
        f"How often {_of_unit(row)} of {row['label']} takes each value in texts of {row['task']} "
        f"({' and '.join(row['classes'])}). A threshold at {row['threshold']:.2f} has {row['accuracy']:.1%} right."
    )


def labels(comparison: Comparison, canvas: Canvas) -> tuple[Any, str] | None:
    """How good a probe is against the number of labels it has seen: one line for each model.

    `comparison["label_curves"]` are {"label", "model", "task", "metric", "chance", "points"}, these being what
    `_probe_units.curve` gives; all are of the task of the first.
    """
    rows = [row for row in comparison.get("label_curves", []) if row["task"] == comparison["label_curves"][0]["task"]]
    if not rows:
        return None
    height = max(canvas.width * (0.9 if canvas.labels_above else 0.5), 1.8 * canvas.font / 72 * (len(rows) + 2) + 1)
    figure, axes = bare_axes(canvas, height)
    ends = []
    for row, (marker, dash) in zip(rows, cycle(strokes()), strict=False):
        sizes, means = ([point[key] for point in row["points"]] for key in ("labels", "mean"))
        spread = [[pick(point["values"]) for point in row["points"]] for pick in (min, max)]
        axes.fill_between(sizes, *spread, color=colour(row["model"]), alpha=0.15, linewidth=0, zorder=2)
        axes.plot(sizes, means, dash, color=colour(row["model"]), marker=marker, linewidth=canvas.font / 5,
                  markersize=canvas.font / 2, zorder=3)  # fmt: skip
        ends.append((means[-1], f"{MARKERS[marker]} {row['label']}"))
    axes.set_xscale("log")
    sizes = sorted({point["labels"] for row in rows for point in row["points"]})[:: 2 if canvas.labels_above else 1]
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.axhline(rows[0]["chance"], zorder=1, **REFERENCE_LINE)
    axes.annotate("chance", (sizes[-1], rows[0]["chance"]), (0, -canvas.font * 0.3), textcoords="offset points",
                  ha="right", va="top", size=canvas.font * 0.9, color=REFERENCE_LINE["color"])  # fmt: skip
    axes.set_xlabel("labels")
    axes.set_ylabel(f"{rows[0]['task']}: {rows[0]['metric']}")
    name_the_ends(figure, axes, canvas, ends)
    said = "; ".join(f"{row['label']} {_ends_in_words(row['points'])}" for row in rows)
    return (
        figure,
        f"{rows[0]['metric']} in {rows[0]['task']} against the number of labels that a probe has seen: {said}.",
    )


def _of_unit(row: dict[str, Any]) -> str:
    return f"unit {row['unit']} of {row['layer']} ({row['pooling']} over tokens)"


def _ends_in_words(points: list[dict[str, Any]]) -> str:
    first, last = points[0], points[-1]
    return f"{first['mean']:.2f} with {first['labels']} and {last['mean']:.2f} with {last['labels']:,}"
