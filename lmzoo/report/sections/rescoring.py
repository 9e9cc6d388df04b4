"""N-best rescoring: which candidate of a noisy channel each model chooses, and its word error rate."""

from collections.abc import Sequence

from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry, scored
from lmzoo.comparison.results import Comparison
from lmzoo.report.section import Section
from lmzoo.report.table import Measure, percent
from lmzoo.report.task_rows import TESTED, Tested, ask
from lmzoo.tasks import suite


def compute(entries: Sequence[Entry], context: Context) -> Tested | None:
    """A row for each scored model, the channel's first choice and the oracle, where rescoring was asked for."""
    lists, able = context.tests.nbest_lists, scored(entries)
    group = suite.Rescoring(context.corpus, lists, context.run.seed, context.progress)
    return ask(group, able, context) if lists and able else None


def measure(facts: Tested, _: Comparison) -> Measure | None:
    """The word error rate, and from what the model brought it there."""
    first = facts.rows[0].grades[0].chance
    errors = {row.label: row.grades[0].value for row in facts.rows}
    clause = f"brings word errors from {percent(first, 2)} to {{}}" if first else "leaves {} word errors"
    meaning = "word error rate after n-best rescoring"
    return Measure("word errors", meaning, errors, "word error rate", clause, "brings them to {}", places=2)


section = Section(
    "rescoring", "N-best rescoring", 50, "knowledge", compute=compute, apart="models", measure=measure, **TESTED
)
