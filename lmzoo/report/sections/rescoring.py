"""N-best rescoring: which candidate of a noisy channel each model chooses, and its word error rate."""

from collections.abc import Sequence

from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry, scored
from lmzoo.report.section import Section
from lmzoo.report.task_rows import TESTED, Tested, ask
from lmzoo.tasks import suite


def compute(entries: Sequence[Entry], context: Context) -> Tested | None:
    """A row for each scored model, the channel's first choice and the oracle, where rescoring was asked for."""
    lists, able = context.tests.nbest_lists, scored(entries)
    group = suite.Rescoring(context.corpus, lists, context.run.seed, context.progress)
    return ask(group, able, context) if lists and able else None


section = Section("rescoring", "N-best rescoring", 50, "knowledge", compute=compute, **TESTED)
