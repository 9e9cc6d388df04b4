"""The figures of `lmzoo probe`: a single unit's values by class, and accuracy against the number of labels."""

from collections.abc import Sequence
from typing import Any

from lmzoo.report.canvas import (
    REFERENCE_LINE,
    SOURCE_LINE,
    Canvas,
    Drawing,
    bare_axes,
    colour,
    draw_curves,
    fit_heights,
    short,
)
from lmzoo.report.labels import name_ends

CLASSES = ("#0072b2", "#d55e00")  # Okabe & Ito's blue and vermilion: the two that are told apart best


def unit(rows: Sequence[dict[str, Any]], canvas: Canvas) -> Drawing | None:
    """Histograms of the best single unit for each of two classes, and the threshold between them.

    `rows` are results of `neurons.best_unit` with the "label" of the model; the best of them is drawn.
    """
    if not rows:
        return None
    row = max(rows, key=lambda one: one["accuracy"])
    figure, axes = bare_axes(canvas, canvas.tall(canvas.width * (0.8 if canvas.narrow else 0.42)))
    edges, highest = row["edges"], max(map(max, row["counts"]))
    for n, (name, counts, hue) in enumerate(zip(row["classes"], row["counts"], CLASSES, strict=True)):
        axes.stairs(counts, edges, fill=True, color=hue, alpha=0.35, zorder=2)
        axes.stairs(counts, edges, color=hue, linewidth=canvas.font / 6, zorder=3)
        side = 1 if n == row["above"] else -1  # of the threshold
        axes.annotate(name, (row["threshold"], highest * 1.05), (side * canvas.font * 0.6, 0), color=hue,
                      textcoords="offset points", ha="left" if side > 0 else "right", size=canvas.font, weight="bold",
                      parse_math=False)  # fmt: skip
    axes.axvline(row["threshold"], linewidth=canvas.font / 8, zorder=4, **SOURCE_LINE)
    axes.set_ylim(0, highest * 1.15)
    axes.set_yticks([])
    axes.set_xlabel(f"unit {row['unit']}" if canvas.narrow else _of_unit(row))
    title = f"{row['label']}: one unit has {row['accuracy']:.1%} of {row['task']} right"
    axes.set_title(short(title, 34 if canvas.narrow else 60), loc="left", size=canvas.font, parse_math=False)
    return figure, (
        f"Histograms of {_of_unit(row)} of {row['label']} over texts of {row['task']} "
        f"({' and '.join(row['classes'])}). A threshold at {row['threshold']:.2f} has {row['accuracy']:.1%} right."
    )


def label_curves(rows: Sequence[dict[str, Any]], canvas: Canvas) -> Drawing | None:
    """A probe's score against the number of labels it was trained on: a curve for each model.

    `rows` are {"label", "family", "task", "metric", "chance", "points"}, the points {"labels", "mean", "values"};
    those of the first row's task are drawn, with a band from the lowest value to the highest.
    """
    rows = [row for row in rows if row["task"] == rows[0]["task"]]
    if not rows:
        return None
    height = max(
        canvas.tall(canvas.width * (0.9 if canvas.narrow else 0.42)), 1.8 * canvas.font / 72 * (len(rows) + 2) + 1
    )
    figure, axes = bare_axes(canvas, height)
    curves = []
    for row in rows:
        sizes, means = ([point[key] for point in row["points"]] for key in ("labels", "mean"))
        spread = list(zip(*((min(point["values"]), max(point["values"])) for point in row["points"]), strict=True))
        axes.fill_between(sizes, *spread, color=colour(row["family"]), alpha=0.15, linewidth=0, zorder=2)
        curves.append((row["label"], sizes, means, colour(row["family"])))
    ends = draw_curves(axes, canvas, curves)
    fit_heights(axes, [*(point["mean"] for row in rows for point in row["points"]), rows[0]["chance"]])
    axes.set_xscale("log")
    sizes = sorted({point["labels"] for row in rows for point in row["points"]})[:: 2 if canvas.narrow else 1]
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.axhline(rows[0]["chance"], zorder=1, **REFERENCE_LINE)
    axes.annotate("chance", (sizes[-1], rows[0]["chance"]), (0, -canvas.font * 0.3), textcoords="offset points",
                  ha="right", va="top", size=canvas.size(0.9), color=REFERENCE_LINE["color"])  # fmt: skip
    axes.set_xlabel("labels")
    axes.set_ylabel(f"{rows[0]['task']}: {rows[0]['metric']}")
    name_ends(figure, axes, canvas, ends)
    said = "; ".join(f"{row['label']} {_ends_in_words(row['points'])}" for row in rows)
    return figure, f"{rows[0]['metric']} in {rows[0]['task']} against the number of labels: {said}."


def _of_unit(row: dict[str, Any]) -> str:
    return f"unit {row['unit']} of {row['layer']} ({row['pooling']} over tokens)"


def _ends_in_words(points: list[dict[str, Any]]) -> str:
    first, last = points[0], points[-1]
    return f"{first['mean']:.2f} with {first['labels']} and {last['mean']:.2f} with {last['labels']:,}"
