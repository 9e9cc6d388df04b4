"""Probes: what a linear classifier reads off a model's features, with control tasks and baselines."""

from collections.abc import Sequence
from typing import Any

from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry
from lmzoo.comparison.results import Comparison
from lmzoo.report.heatmap import tested_data, tested_figure
from lmzoo.report.section import Section
from lmzoo.report.table import Column, Measure, percent
from lmzoo.report.task_rows import TESTED, Tested, ask, mean_accuracy, tested_view
from lmzoo.tasks import grammar_probes, suite

IN_TABLE = ("SST-2", "tags")  # the probes that have a column in the main table


def compute(entries: Sequence[Entry], context: Context) -> Tested | None:
    """A row for each model that can be compared and each baseline: of the sets that the corpus's own grammar labels,
    which need no download, and of the probe tasks that were asked for.
    """
    able = [entry for entry in entries if entry.loaded]
    sets = [*context.own_probes, *context.tests.probes] if able else []
    return ask(suite.Probing(sets, context.progress), able, context) if sets else None


def view(facts: Tested, comparison: Comparison) -> dict[str, Any]:
    """Beside the notes: what each of the grammar's own sets asks."""
    tasks = {grade.task for grade in facts.rows[0].grades}
    own = [question for question in grammar_probes.QUESTIONS if question.name in tasks]
    return {**tested_view(facts, comparison), "own": own}


def columns(facts: Tested) -> list[Column]:
    """The accuracy of one probe of each kind: of a whole sentence's meaning, and of a word's place in it."""
    return [_column(task, facts) for task in IN_TABLE]


def _column(task: str, facts: Tested) -> Column:
    values = {
        row.label: grade.value
        for row in facts.rows
        for grade in row.grades
        if (grade.task, grade.metric) == (task, "accuracy")
    }
    meaning = f"accuracy of a probe of its features on {task}"
    return Column(task, meaning, lambda row: values.get(row.label), percent, terminal=False)


def measure(facts: Tested, _: Comparison) -> Measure:
    """The mean accuracy, each task counting alike."""
    values = mean_accuracy(facts.rows)
    return Measure(
        "probes", "mean accuracy of the probes", values, "probe accuracy", "scores {} in the probes", "scores {}"
    )


section = Section(
    "probes",
    "Probes",
    30,
    "knowledge",
    compute=compute,
    apart="models",
    figure=tested_figure,
    data=tested_data,
    columns=columns,
    measure=measure,
    **TESTED | {"view": view},
)
