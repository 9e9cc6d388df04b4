"""The figure of grades: which model knows what, as a map of heat.

It is made as those of `lmzoo.report.canvas` are, which says how. A cell's colour is how much of the way from
guessing to a
perfect answer the model has come, so that tasks with two and with four answers look alike; its number is the grade.
"""

from collections.abc import Sequence
from typing import Any

from lmzoo.report.canvas import Canvas, bare_axes, colour, short
from lmzoo.report.summary import Comparison

PALE, DEEP = "#fdfdfc", "#08306b"  # guessing and knowing all
WHITE_FROM = 0.63  # of the way: white text can be read from there on, black text up to there
LOWER_IS_BETTER = ("word error rate", "perplexity")


def examined(comparison: Comparison, canvas: Canvas) -> tuple[Any, str] | None:
    """The exam of the built-in corpus: phenomena × models, and the source that wrote the text."""
    facts = comparison.get("exam")
    if not facts:
        return None
    return heat_map([*facts["rows"], {"label": "the source", "model": "", "grades": facts["ceiling"]}], canvas)


def probed(comparison: Comparison, canvas: Canvas) -> tuple[Any, str] | None:
    """What probes read off the features: tasks × models, with their floor and the classical baseline."""
    facts = comparison.get("probes")
    return heat_map(facts["rows"], canvas) if facts else None


def asked(comparison: Comparison, canvas: Canvas) -> tuple[Any, str] | None:
    """What models answer without training."""
    facts = comparison.get("zeroshot")
    return heat_map(facts["rows"], canvas) if facts else None


def heat_map(rows: Sequence[dict[str, Any]], canvas: Canvas) -> tuple[Any, str]:
    """Tasks from top to bottom, models from left to right; `rows` are models with a grade for each task."""
    tasks = [named(grade) for grade in rows[0]["grades"]]
    side = _side(rows, canvas)
    figure, axes = bare_axes(canvas, height=side * len(tasks) + _longest(rows) * canvas.font * 0.0055 + 0.6)
    axes.spines["bottom"].set_visible(False)
    shades = _shades()
    for x, row in enumerate(rows):
        for y, grade in enumerate(row["grades"]):
            _cell(axes, canvas, (x, y), grade, shades, side)
    axes.set_xlim(-0.5, len(rows) - 0.5)
    axes.set_ylim(len(tasks) - 0.5, -0.5)
    size = canvas.font * (0.8 if not canvas.labels_above else 0.75)
    axes.set_yticks(range(len(tasks)), [short(task, 46, lines=1) for task in tasks], parse_math=False, size=size)
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(rows)), [short(row["label"], 30, lines=1) for row in rows], rotation=90,
                    parse_math=False, size=size)  # fmt: skip
    for label, row in zip(axes.get_xticklabels(), rows, strict=True):
        label.set_color(_legible(colour(row["model"])) if row["model"] else "black")
        label.set_weight("bold")
    axes.tick_params(length=0)
    return figure, _in_words(rows, tasks)


def share(grade: dict[str, Any]) -> float | None:
    """How much of the way from guessing to perfection: 0 … 1; None where that is not known."""
    if grade["value"] is None or grade["chance"] is None:
        return None
    perfect = 0.0 if grade["metric"] in LOWER_IS_BETTER else 1.0
    way = perfect - grade["chance"]
    return None if way == 0 else min(1.0, max(0.0, (grade["value"] - grade["chance"]) / way))


def named(grade: dict[str, Any]) -> str:
    """The task, and what is measured in it where that is no share of right answers."""
    return (
        str(grade["task"]) if grade["metric"] in ("accuracy", "perplexity") else f"{grade['task']}, {grade['metric']}"
    )


def said(grade: dict[str, Any]) -> str:
    """A grade as it stands in a cell: shares in per cent, correlations times a hundred, perplexities in k, M, G, T."""
    if grade["value"] is None:
        return "–"
    if grade["metric"] == "perplexity":
        from matplotlib.ticker import EngFormatter

        value = grade["value"]
        return EngFormatter(places=0, sep="")(value) if value < 1e15 else f"{value:.0e}".replace("+", "")
    return f"{100 * grade['value']:.0f}".replace("-", "\N{MINUS SIGN}")


def _cell(axes: Any, canvas: Canvas, place: tuple[int, int], grade: dict[str, Any], shades: Any, side: float) -> None:
    from matplotlib.patches import Rectangle

    x, y = place
    found = share(grade)
    axes.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor="#eeeeee" if found is None else shades(found)))
    if side < 0.2:
        return  # too small for a number: the table has it
    ink = "white" if found is not None and found > WHITE_FROM else "black"
    axes.text(x, y, said(grade), ha="center", va="center", color=ink, size=min(canvas.font * 0.75, side * 34))


def _shades() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("grades", [PALE, "#9ecae1", "#2171b5", DEEP])


def _side(rows: Sequence[dict[str, Any]], canvas: Canvas) -> float:
    """The height of a cell, inches: as high as wide, within what can be read and what fits on a page."""
    return min(0.42, max(0.15, canvas.width * 0.62 / len(rows)))


def _longest(rows: Sequence[dict[str, Any]]) -> int:
    return min(30, max(len(row["label"]) for row in rows))


def _legible(base: str) -> str:
    """A family's colour, dark enough to be read as text on white."""
    return "#" + "".join(f"{round(int(base[at : at + 2], 16) * 0.72):02x}" for at in (1, 3, 5))


def _in_words(rows: Sequence[dict[str, Any]], tasks: Sequence[str]) -> str:
    """The best model of each task, and how many grades are near guessing."""
    models = [row for row in rows if row["model"]]
    parts = []
    for n, task in enumerate(tasks):
        graded = [(row["grades"][n], row["label"]) for row in models if row["grades"][n]["value"] is not None]
        if graded:
            lower = graded[0][0]["metric"] in LOWER_IS_BETTER
            grade, label = (min if lower else max)(graded, key=lambda pair: pair[0]["value"])
            parts.append(f"{task}: {label} {said(grade)}")
    return f"The best of {len(models)} models in each task, in per cent. {'; '.join(parts)}."
