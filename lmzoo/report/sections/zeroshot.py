"""Zero-shot tasks: questions that a model answers by which candidate it finds likelier."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry, ranking
from lmzoo.comparison.results import Comparison
from lmzoo.report.canvas import Canvas, Drawing
from lmzoo.report.heatmap import heat_map
from lmzoo.report.section import Section
from lmzoo.report.table import Table
from lmzoo.report.task_rows import Tested, ask, tested_notes, tested_table
from lmzoo.tasks import suite

CAPTION = (
    "8-grams seen: the share of the test set's that occur in the training text. Below each figure its 95 % bootstrap "
    "interval."
)


def compute(entries: Sequence[Entry], context: Context) -> Tested | None:
    """A row for each model that can rank texts, and others' figures, where zero-shot tasks were asked for."""
    sets, able = context.tests.zeroshot, ranking(entries)
    if not sets or not able:
        return None
    group = suite.ZeroShot(sets, context.progress)
    return replace(ask(group, able, context), published=tuple(group.published()))


def figure(facts: Tested, comparison: Comparison, canvas: Canvas) -> Drawing:
    """A heat map: tasks × models and baselines."""
    return heat_map(facts.rows, comparison, canvas)


def table(facts: Tested, comparison: Comparison) -> Table:  # noqa: ARG001
    """A line for each task, a column for each model."""
    return tested_table(facts, CAPTION)


def view(facts: Tested, comparison: Comparison) -> dict[str, Any]:  # noqa: ARG001
    """The notes on grades."""
    return {"notes": tested_notes(facts)}


section = Section(
    "zeroshot", "Zero-shot tasks", 120, facts=Tested, compute=compute, table=table, figure=figure, view=view
)
