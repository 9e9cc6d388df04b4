"""Zero-shot tasks: questions that a model answers by which candidate it finds likelier."""

from collections.abc import Sequence
from dataclasses import replace

from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry, ranking
from lmzoo.report.heatmap import tested_data, tested_figure
from lmzoo.report.section import Section
from lmzoo.report.task_rows import TESTED, Tested, ask
from lmzoo.tasks import suite


def compute(entries: Sequence[Entry], context: Context) -> Tested | None:
    """A row for each model that can rank texts, and others' figures, where zero-shot tasks were asked for."""
    sets, able = context.tests.zeroshot, ranking(entries)
    if not sets or not able:
        return None
    group = suite.ZeroShot(sets, context.progress)
    return replace(ask(group, able, context), published=tuple(group.published()))


section = Section(
    "zeroshot",
    "Zero-shot tasks",
    40,
    "knowledge",
    compute=compute,
    apart="models",
    figure=tested_figure,
    data=tested_data,
    **TESTED,
)
