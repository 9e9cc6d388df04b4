"""What the sections on tasks share: a row of grades for each model, and the contamination of the test sets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import fmean
from typing import Any

from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry
from lmzoo.comparison.results import OPTIONAL, Comparison
from lmzoo.data.corpus import Corpus
from lmzoo.report.table import DASH, MINUS, Cell, Table, percent
from lmzoo.tasks.contamination import Overlaps, overlaps
from lmzoo.tasks.result import TaskResult
from lmzoo.tasks.suite import TaskGroup


@dataclass(frozen=True)
class TaskRow:
    """One model's (or baseline's) grades, a grade for each task, the same tasks in every row."""

    label: str
    model: str  # "" for a baseline
    grades: tuple[TaskResult, ...]
    overlap: tuple[float | None, ...] | None = field(
        default=None, metadata=OPTIONAL
    )  # of a run that was trained on another text


@dataclass(frozen=True)
class Tested:
    """Public test sets: rows of grades."""

    rows: tuple[TaskRow, ...]
    beside: tuple[TaskRow, ...] | None = field(
        default=None, metadata=OPTIONAL
    )  # controls: untrained models, shuffled labels
    published: tuple[dict[str, Any], ...] | None = field(default=None, metadata=OPTIONAL)  # others' figures
    # Of each grade, the share of its test set's 8-grams that occur in the training text.
    overlap: tuple[float | None, ...] | None = field(default=None, metadata=OPTIONAL)


def ask(group: TaskGroup, entries: Sequence[Entry], context: Context) -> Tested:
    """The results of `entries`, the models of the comparison, and of the group's baselines and controls."""
    rows: list[TaskRow] = []
    beside: list[TaskRow] = []
    with context.progress.task(group.kind, len(entries) + 1) as task:
        for entry in entries:
            task.doing(entry.label)
            keep = partial(_keep, context, entry.identity)
            for control, results in group.ask(entry.text_model, keep).items():
                label = f"{entry.label}, {control}" if control else entry.label
                (beside if control else rows).append(TaskRow(label, entry.row.model, tuple(results)))
            task.advance(1)
        task.doing("baselines")
        baselines = [
            TaskRow(name, "", tuple(results)) for name, results in group.baselines(partial(_keep, context, "")).items()
        ]
        task.advance(1)
    texts = group.test_texts()
    if not texts:
        return Tested((*rows, *baselines), beside=tuple(beside) or None)
    known, places = Overlaps(texts, progress=context.progress), group.set_of_result()
    marked = [_of_own_text(entry, row, known, places, context.corpus) for entry, row in zip(entries, rows, strict=True)]
    shares = overlaps(known.sets, context.corpus.train)
    return Tested((*marked, *baselines), tuple(beside) or None, overlap=tuple(shares[place] for place in places))


def _keep(context: Context, identity: str, kind: str, key: Mapping[str, Any], work: Callable[[], Any]) -> Any:
    """The cache of the section, as a task group asks for it."""
    return context.cached(Any, {"model": identity, "kind": kind, **key}, work)


def _of_own_text(entry: Entry, row: TaskRow, known: Overlaps, places: Sequence[int], corpus: Corpus) -> TaskRow:
    provenance = entry.row.provenance
    if provenance is None or (provenance.get("sha256") or {}).get("train") == corpus.sha256["train"]:
        return row
    shares = known.of(provenance)
    note = _elsewhere(provenance.get("corpus") or "another text", shares)
    grades = tuple(replace(grade, note="; ".join(filter(None, (grade.note, note)))) for grade in row.grades)
    return replace(row, grades=grades, overlap=tuple(shares[place] for place in places) if shares else None)


def _elsewhere(name: str, shares: Sequence[float | None] | None) -> str:
    """The contamination of a run by its own training text, which is not the comparison's."""
    known = [share for share in shares or () if share is not None]
    if not known:
        return f"trained on {name}; the overlap of the test sets with that text is unknown"
    ends = dict.fromkeys(f"{share:.2%}" for share in (min(known), max(known)))
    return f"trained on {name}, which contains {' to '.join(ends)} of a test set's 8-grams"


# ── Shown ─────────────────────────────────────────────────────────────────────────────────────────


def tested_table(facts: Tested, _: Comparison) -> Table:
    """A line for each test set, a column for each model, baseline and control."""
    rows = [*facts.rows, *(facts.beside or ())]
    lines = []
    for n, grade in enumerate(rows[0].grades):
        cells = [Cell(f"{grade.items:,}")]
        if facts.overlap:
            share = facts.overlap[n]
            cells.append(Cell("" if share is None else f"{100 * share:.2f} %"))
        cells += [chance_cell(grade), *(grade_cell(row.grades[n]) for row in rows)]
        lines.append((grade.task if grade.metric == "accuracy" else f"{grade.task}: {grade.metric}", cells))
    heads = ("items", *(["8-grams seen"] if facts.overlap else []), "chance", *(row.label for row in rows))
    return Table("task", heads, lines)


def tested_view(facts: Tested, _: Comparison) -> dict[str, Any]:
    """The notes of grades, each once, with the models they are of, and how many grades are at chance."""
    said: dict[str, list[str]] = {}
    for row in facts.rows:
        for note in dict.fromkeys(grade.note for grade in row.grades if grade.note):
            said.setdefault(note, []).append(row.label)
    return {"notes": [f"{', '.join(labels)}: {note}" for note, labels in said.items()], "counted": counted(facts.rows)}


TESTED: Any = {"facts": Tested, "table": tested_table, "view": tested_view}  # of a section on public test sets


def mean_accuracy(rows: Sequence[TaskRow]) -> dict[str, float | None]:
    """The mean of each row's accuracies, by label; None where a task could not be asked."""
    return {row.label: mean([grade.value for grade in row.grades if grade.metric == "accuracy"]) for row in rows}


def mean(values: Sequence[float | None]) -> float | None:
    """Of values that are all known, and at least one; else None."""
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


def at_chance(grade: TaskResult) -> bool:
    """Whether the interval of a grade contains what guessing scores."""
    return bool(grade.interval and grade.chance is not None and grade.interval[0] <= grade.chance <= grade.interval[1])


def telling(rows: Sequence[TaskRow]) -> list[int]:
    """The places of the tasks in which any model is not at chance."""
    models = [row for row in rows if row.model]
    graded = range(len(rows[0].grades)) if rows else ()
    return [
        n for n in graded if any(row.grades[n].value is not None and not at_chance(row.grades[n]) for row in models)
    ]


def counted(rows: Sequence[TaskRow]) -> str:
    """How many tasks tell no model from guessing, and how many grades: '' where all of them tell."""
    models = [row for row in rows if row.model]
    known = [grade for row in models for grade in row.grades if grade.value is not None and grade.chance is not None]
    chance, tasks = sum(map(at_chance, known)), len(rows[0].grades) if rows else 0
    silent = tasks - len(telling(rows))
    if not chance:
        return ""
    of_tasks = f"In {silent} of {tasks} rows every model is at chance. " if silent else ""
    return (
        f"{of_tasks}{chance} of {len(known)} grades are at chance: their 95 % interval contains what guessing scores."
    )


def grade_cell(grade: TaskResult) -> Cell:
    """A grade's value, and its interval."""
    if grade.value is None:
        return Cell(DASH)
    ends = grade.interval or (grade.value,) * 2
    return Cell(written(grade, grade.value), " – ".join(written(grade, end) for end in ends), grade.value)


def chance_cell(grade: TaskResult) -> Cell:
    """What guessing scores."""
    return Cell(DASH if grade.chance is None else written(grade, grade.chance))


def written(grade: TaskResult, value: float) -> str:
    """A value in the metric of `grade` as it is usually written: shares in per cent, correlations to three places."""
    if grade.metric in ("accuracy", "word error rate"):
        return percent(value)
    places = 1 if grade.metric == "perplexity" else 3
    return f"{value:,.{places}f}".replace("-", MINUS)
