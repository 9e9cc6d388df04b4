"""A heat map of grades: tasks × models, which the sections on tasks share.

A cell's colour is how much of the way from chance to a perfect score the model has come, so that tasks with two and
with four answers look alike; its number is the grade.
"""

from collections.abc import Sequence
from typing import Any

from lmzoo.comparison.results import Comparison
from lmzoo.report.canvas import Canvas, Drawing, bare_axes, colour, shade, short
from lmzoo.report.table import DASH, MINUS
from lmzoo.report.task_rows import TaskRow, Tested
from lmzoo.tasks.result import TaskResult

PALE, DEEP = "#fdfdfc", "#08306b"  # chance and a perfect score
WHITE_FROM = 0.63  # of the way: white text can be read from there on, black text up to there
LOWER_IS_BETTER = ("word error rate", "perplexity")
SMALLEST = 0.2  # inches of a cell that has room for a number


def tested_figure(facts: Tested, comparison: Comparison, canvas: Canvas) -> Drawing:
    """A heat map: tasks × models and baselines."""
    return heat_map(facts.rows, comparison, canvas)


def heat_map(rows: Sequence[TaskRow], comparison: Comparison, canvas: Canvas) -> Drawing:
    """Tasks from top to bottom, models from left to right."""
    tasks = [named(grade) for grade in rows[0].grades]
    # As high as wide, within what can be read and what fits on a page.
    side = min(0.42, max(0.15, canvas.width * 0.62 / len(rows)))
    longest = min(30, max(len(row.label) for row in rows))
    figure, axes = bare_axes(canvas, height=side * len(tasks) + longest * canvas.font * 0.0055 + 0.6)
    axes.spines["bottom"].set_visible(False)
    shades = _shades()
    for x, row in enumerate(rows):
        for y, grade in enumerate(row.grades):
            _cell(axes, canvas, (x, y), grade, shades, side)
    axes.set_xlim(-0.5, len(rows) - 0.5)
    axes.set_ylim(len(tasks) - 0.5, -0.5)
    size = canvas.font * (0.75 if canvas.narrow else 0.8)
    axes.set_yticks(range(len(tasks)), [short(task, 46, lines=1) for task in tasks], parse_math=False, size=size)
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(rows)), [short(row.label, 30, lines=1) for row in rows], rotation=90,
                    parse_math=False, size=size)  # fmt: skip
    for label, row in zip(axes.get_xticklabels(), rows, strict=True):
        # The family's colour, dark enough to be read as text on white.
        label.set_color(shade(colour(comparison.family(row.label)), 1) if row.model else "black")
        label.set_weight("bold")
    axes.tick_params(length=0)
    return figure, _in_words(rows, tasks)


def progress(grade: TaskResult) -> float | None:
    """How much of the way from chance to a perfect score: 0 … 1; None where that is unknown."""
    if grade.value is None or grade.chance is None:
        return None
    perfect = 0.0 if grade.metric in LOWER_IS_BETTER else 1.0
    way = perfect - grade.chance
    return None if way == 0 else min(1.0, max(0.0, (grade.value - grade.chance) / way))


def named(grade: TaskResult) -> str:
    """The task, and its metric unless that is accuracy or perplexity."""
    return grade.task if grade.metric in ("accuracy", "perplexity") else f"{grade.task}, {grade.metric}"


def in_cell(grade: TaskResult) -> str:
    """A grade in a cell: shares in per cent, correlations times a hundred, perplexities in k, M, G, T."""
    if grade.value is None:
        return DASH
    if grade.metric == "perplexity":
        from matplotlib.ticker import EngFormatter

        large = grade.value >= 1e15
        return f"{grade.value:.0e}".replace("+", "") if large else EngFormatter(places=0, sep="")(grade.value)
    return f"{100 * grade.value:.0f}".replace("-", MINUS)


def _cell(axes: Any, canvas: Canvas, place: tuple[int, int], grade: TaskResult, shades: Any, side: float) -> None:
    from matplotlib.patches import Rectangle

    x, y = place
    way = progress(grade)
    axes.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor="#eeeeee" if way is None else shades(way)))
    if side >= SMALLEST:  # else the table has the number
        ink = "white" if way is not None and way > WHITE_FROM else "black"
        axes.text(x, y, in_cell(grade), ha="center", va="center", color=ink, size=min(canvas.font * 0.75, side * 34))


def _shades() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("grades", [PALE, "#9ecae1", "#2171b5", DEEP])


def _in_words(rows: Sequence[TaskRow], tasks: Sequence[str]) -> str:
    """The best model of each task."""
    models = [row for row in rows if row.model]
    parts = []
    for n, task in enumerate(tasks):
        graded = [(row.grades[n], row.label) for row in models if row.grades[n].value is not None]
        if graded:
            best = min if graded[0][0].metric in LOWER_IS_BETTER else max
            grade, label = best(graded, key=lambda pair: pair[0].value or 0.0)
            parts.append(f"{task}: {label} {in_cell(grade)}")
    return f"The best of {len(models)} models in each task, in per cent. {'; '.join(parts)}."
