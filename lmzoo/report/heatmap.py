"""A heat map of grades: tasks × models, which the sections on tasks share.

A cell's colour is how much of the way from chance to a perfect score the model has come, so that tasks with two and
with four answers look alike; its number is the grade. A cell whose interval contains chance, or lies below it, is
grey: differences between such cells are noise. Tasks in groups have a line with the means of each group above them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from lmzoo.comparison.results import Comparison
from lmzoo.report.canvas import COLOURS, Canvas, Drawing, bare_axes, colour, distinct, shade
from lmzoo.report.table import DASH, MINUS
from lmzoo.report.task_rows import TaskRow, Tested
from lmzoo.tasks.result import TaskResult

# From just beyond chance to halfway, and from there to a perfect score: with no shade between, on which neither
# black nor white could be read both by day and by night.
PALE, DEEP = ("#e2eff9", "#a5cff0"), ("#2a70b4", "#08306b")
AT_CHANCE, UNKNOWN = "#efefef", "#ffffff"
FAINT = "#666666"  # of the number in a cell at chance
LOWER_IS_BETTER = ("word error rate", "perplexity")
SMALLEST = 0.2  # inches of a cell that has room for a number


@dataclass(frozen=True)
class Cell:
    """A grade, or the mean of several."""

    text: str
    way: float | None  # from chance to a perfect score, 0 … 1; None where that is unknown
    beyond: bool  # whether it is better than chance by more than chance


@dataclass(frozen=True)
class Line:
    """A task, or the mean of a group of them."""

    name: str
    cells: tuple[Cell, ...]
    of_group: bool = False


def tested_figure(facts: Tested, comparison: Comparison, canvas: Canvas) -> Drawing | None:
    """A heat map of the tasks in which any model is better than chance; of the others, how many there are."""
    # A model without the ability would be an empty column: the table has its dashes.
    able = [row for row in facts.rows if any(grade.value is not None for grade in row.grades)]
    rows = in_history(able, comparison)
    above = [
        n for n in range(len(facts.rows[0].grades)) if any(row.model and beyond_chance(row.grades[n]) for row in rows)
    ]
    return heat_map(rows, comparison, canvas, above)


def in_history(rows: Sequence[TaskRow], comparison: Comparison) -> list[TaskRow]:
    """Models by family, each by the year of the idea and from most bits to fewest; then baselines as they come."""
    families = list(COLOURS)

    def order(row: TaskRow) -> tuple[bool, int, int, float]:
        known, family = comparison.row(row.label), comparison.family(row.label)
        place = families.index(family) if family in families else len(families)
        return not row.model, place, (known and known.year) or 0, -known.bits if known and known.score else 0.0

    return sorted(rows, key=order)


def heat_map(
    rows: Sequence[TaskRow], comparison: Comparison, canvas: Canvas, tasks: Sequence[int] | None = None
) -> Drawing | None:
    """Tasks from top to bottom, models from left to right; on a slide, groups from left to right, if there are any.

    `tasks` are the places of those that are drawn; the others are counted. None where none is drawn.
    """
    count = len(rows[0].grades)
    lines = _lines(rows, range(count) if tasks is None else tasks)
    if not lines:
        return None
    said = _in_words(rows, count)
    note = (
        f"no model is above chance in {count - len(tasks)} of {count}"
        if tasks is not None and len(tasks) < count
        else ""
    )
    groups = [line for line in lines if line.of_group]
    if canvas.height and groups:
        figure, axes = _turned(groups, rows, canvas)
        models = axes.get_yticklabels()
    else:
        figure, axes = _upright(lines, rows, canvas, note)
        models = axes.get_xticklabels()
    for label, row in zip(models, rows, strict=True):
        # The family's colour, dark enough to be read as text on white.
        label.set_color(shade(colour(comparison.family(row.label)), 1) if row.model else "black")
        label.set_weight("bold")
    return figure, said


def beyond_chance(grade: TaskResult) -> bool:
    """Whether a grade is better than chance: its whole interval, where it has one."""
    if grade.value is None or grade.chance is None:
        return grade.value is not None
    low, high = grade.interval or (grade.value, grade.value)
    return high < grade.chance if grade.metric in LOWER_IS_BETTER else low > grade.chance


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


def mean_of(grades: Sequence[TaskResult]) -> TaskResult | None:
    """The mean of grades, each counting alike, with its interval if all are independent; None where one is missing."""
    values = [grade.value for grade in grades if grade.value is not None]
    chances = [grade.chance for grade in grades if grade.chance is not None]
    if not values or not len(values) == len(chances) == len(grades):
        return None
    value, chance = fmean(values), fmean(chances)
    ends = [grade.interval or (grade.value or 0.0,) * 2 for grade in grades]
    half = math.sqrt(math.fsum(((high - low) / 2) ** 2 for low, high in ends)) / len(values)
    return TaskResult(grades[0].group, grades[0].metric, value, (value - half, value + half), chance)


def tested_data(facts: Tested, comparison: Comparison) -> list[dict[str, Any]]:
    """A line of a CSV for each cell of all tasks."""
    return data(in_history(facts.rows, comparison))


def data(rows: Sequence[TaskRow]) -> list[dict[str, Any]]:
    """A line of a CSV for each cell."""
    return [
        {"label": row.label, "task": grade.task, "group": grade.group, "metric": grade.metric, "value": grade.value,
         "low": (grade.interval or [None])[0], "high": (grade.interval or [None])[-1], "chance": grade.chance}
        for row in rows
        for grade in row.grades
    ]  # fmt: skip


def _lines(rows: Sequence[TaskRow], tasks: Sequence[int]) -> list[Line]:
    """A line for each task, those of a group below the means of the group."""
    lines = []
    grades = rows[0].grades
    for group in dict.fromkeys(grades[n].group for n in tasks):
        members = [n for n in tasks if grades[n].group == group]
        if group:
            means = [mean_of([row.grades[n] for n in members]) for row in rows]
            lines.append(Line(group, tuple(_cell(mean) if mean else Cell(DASH, None, False) for mean in means), True))
        lines += [Line(named(grades[n]), tuple(_cell(row.grades[n]) for row in rows)) for n in members]
    return lines


def _cell(grade: TaskResult) -> Cell:
    return Cell(in_cell(grade), progress(grade), beyond_chance(grade))


def _upright(lines: Sequence[Line], rows: Sequence[TaskRow], canvas: Canvas, note: str) -> tuple[Any, Any]:
    size = canvas.size(0.75 if canvas.narrow else 0.85)
    # As high as wide, within what can be read and what fits on a page.
    side = min(0.42, max(0.15, canvas.width * 0.62 / len(rows)))
    names = distinct([row.label for row in rows], 17 if canvas.height else 30)
    head = max(map(len, names)) * size * 0.0085 + 0.5
    if canvas.height:
        room = int((canvas.height - head) / (1.25 * size / 72))
        note = f"{len(lines) - room} more in the table" if len(lines) > room else note
        lines = lines[:room]
        side = (canvas.height - head) / len(lines)
    gaps = [0.35 * sum(line.of_group for line in lines[1 : n + 1]) for n in range(len(lines))]
    places = [n + gap for n, gap in enumerate(gaps)]
    figure, axes = bare_axes(canvas, canvas.tall(side * (places[-1] + 1) + head))
    for y, line in zip(places, lines, strict=True):
        for x, cell in enumerate(line.cells):
            _draw(
                axes,
                (x, y),
                cell,
                max(canvas.least, min(canvas.size(0.8), side * 34) * (side >= SMALLEST)),
                line.of_group,
            )
    axes.set_yticks(places, distinct([line.name for line in lines], 24 if canvas.narrow else 40), parse_math=False,
                    size=size)  # fmt: skip
    for label, line in zip(axes.get_yticklabels(), lines, strict=True):
        label.set_weight("bold" if line.of_group else "normal")
    axes.set_xticks(range(len(rows)), names, rotation=90, parse_math=False, size=size)
    _frame(axes, len(rows), places[-1])
    axes.set_xlabel(note, size=size)
    return figure, axes


def _turned(groups: Sequence[Line], rows: Sequence[TaskRow], canvas: Canvas) -> tuple[Any, Any]:
    """Models from top to bottom and the means of groups from left to right: what can be read from afar."""
    figure, axes = bare_axes(canvas, canvas.tall(0.4 * len(rows) + 1))
    for x, line in enumerate(groups):
        for y, cell in enumerate(line.cells):
            _draw(axes, (x, y), cell, canvas.size(0.9), True)
    names = distinct([row.label for row in rows], 34)
    size = canvas.size(0.9)
    axes.set_xticks(range(len(groups)), [line.name for line in groups], parse_math=False, size=size)
    axes.set_yticks(range(len(rows)), names, parse_math=False, size=size)
    _frame(axes, len(groups), len(rows) - 1)
    return figure, axes


def _frame(axes: Any, across: int, last: float) -> None:
    axes.set_xlim(-0.5, across - 0.5)
    axes.set_ylim(last + 0.5, -0.5)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)


def _draw(axes: Any, place: tuple[float, float], cell: Cell, size: float, strong: bool) -> None:
    """A cell, with its number unless `size` is 0: then the table has it."""
    from matplotlib.patches import Rectangle

    x, y = place
    fill, ink = colours(cell)
    axes.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=fill, linewidth=0))
    if size:
        axes.text(x, y, cell.text, ha="center", va="center_baseline", color=ink, size=size,
                  weight="bold" if strong else "normal")  # fmt: skip


def colours(cell: Cell) -> tuple[str, str]:
    """A cell's colour, and that of its number."""
    from matplotlib.colors import LinearSegmentedColormap, to_hex

    if cell.way is None:
        return UNKNOWN, "#000000"
    if not cell.beyond:
        return AT_CHANCE, FAINT
    ends, ink = (PALE, "#000000") if cell.way < 0.5 else (DEEP, "#ffffff")
    return to_hex(LinearSegmentedColormap.from_list("grades", ends)(2 * cell.way % 1 if cell.way < 1 else 1.0)), ink


def _in_words(rows: Sequence[TaskRow], count: int) -> str:
    """The best model of each task, and how many tasks nobody can do."""
    models = [row for row in rows if row.model]
    parts = []
    for n in range(count):
        graded = [(row.grades[n], row.label) for row in models if beyond_chance(row.grades[n])]
        if graded:
            best = min if graded[0][0].metric in LOWER_IS_BETTER else max
            grade, label = best(graded, key=lambda pair: pair[0].value or 0.0)
            parts.append(f"{named(grade)}: {label} {in_cell(grade)}")
    text = f"The best of {len(models)} models in each task, in per cent. {'; '.join(parts)}."
    nobody = count - len(parts)
    return text + (f" In {nobody} of {count} tasks no model is above chance." if nobody else "")
