"""N-best rescoring: which candidate of a noisy channel each model chooses, and its word error rate."""

from collections.abc import Sequence
from typing import Any

from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry, scored
from lmzoo.comparison.results import Comparison
from lmzoo.report.section import Section
from lmzoo.report.table import Table
from lmzoo.report.task_rows import Tested, ask, tested_notes, tested_table
from lmzoo.tasks import suite

CAPTION = "Word error rate: lower is better. Below each figure its 95 % bootstrap interval."


def compute(entries: Sequence[Entry], context: Context) -> Tested | None:
    """A row for each scored model, the channel's first choice and the oracle, where rescoring was asked for."""
    lists, able = context.tests.nbest_lists, scored(entries)
    group = suite.Rescoring(context.corpus, lists, context.run.seed, context.progress)
    return ask(group, able, context) if lists and able else None


def table(facts: Tested, comparison: Comparison) -> Table:  # noqa: ARG001
    """A line for each task, a column for each model."""
    return tested_table(facts, CAPTION)


def view(facts: Tested, comparison: Comparison) -> dict[str, Any]:  # noqa: ARG001
    """The notes on grades."""
    return {"notes": tested_notes(facts)}


section = Section("rescoring", "N-best rescoring", 130, facts=Tested, compute=compute, table=table, view=view)
