"""Word similarity and analogies: how word vectors agree with human judgments."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lmzoo.analysis.word_similarity import solve_analogies
from lmzoo.analysis.word_vectors import METHODS, Vectors
from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry
from lmzoo.comparison.results import Comparison, OfModel
from lmzoo.errors import one_line
from lmzoo.report.associations import judged, key, word_models
from lmzoo.report.section import Section
from lmzoo.report.table import DASH, MINUS, Cell, Measure, Table, columns, percent

ANALOGIES = "questions-words"
RESTRICT = 30_000  # words that take part in analogies, as in the published figures


@dataclass(frozen=True)
class Judged:
    """Correlation of cosines with human judgments, and how many pairs have a word that is unknown."""

    spearman: float | None
    pearson: float | None
    pairs: int
    unknown: int


@dataclass(frozen=True)
class Solved:
    """Analogies solved, of those whose words are known."""

    section: str
    correct: int
    questions: int
    accuracy: float | None
    unanswerable: int


@dataclass(frozen=True)
class Analogies:
    """All analogies by one method."""

    method: str
    restrict: int
    sections: tuple[Solved, ...]
    semantic: Solved
    syntactic: Solved
    total: Solved
    unanswerable: int


@dataclass(frozen=True)
class Tested(OfModel):
    """One model's vectors in every test."""

    words: int
    sets: dict[str, Judged]
    analogies: dict[str, Analogies]  # by method


@dataclass(frozen=True)
class WordTests:
    """Every set of judgments and the analogies, by every model that has vectors of words."""

    sets: tuple[str, ...]
    restrict: int
    rows: tuple[Tested, ...]


def compute(entries: Sequence[Entry], context: Context) -> WordTests | None:
    """Where word tests were asked for. Raises FormatError where one of the files is malformed."""
    tests = context.word_tests
    if not tests:
        return None

    def work() -> list[dict[str, Any]]:
        return [{**entry.named, **_tested(vectors, tests)} for entry, vectors in word_models(entries)]

    rows = context.cached(tuple[Tested, ...], key(entries, context), work)
    return WordTests(tuple(rows[0].sets), RESTRICT, rows) if rows else None


def _tested(vectors: Vectors, tests: Any) -> dict[str, Any]:
    methods = METHODS if ANALOGIES in tests else ()
    analogies = {method: solve_analogies(vectors, tests[ANALOGIES], RESTRICT, method) for method in methods}
    return {"words": len(vectors), "sets": judged(vectors, tests), "analogies": analogies}


# ── Shown ──

REPORTED = ("WordSim-353", "SimLex-999", "MEN")  # the sets that are most often reported
PARTS = (("add", "total"), ("add", "semantic"), ("add", "syntactic"), ("mul", "total"))
NAMES = {"add": "3CosAdd", "mul": "3CosMul"}


def table(facts: WordTests, comparison: Comparison) -> tuple[Table, Table]:
    """The figures that are most often reported, with what the vectors cost; then every test."""
    return _reported(facts, comparison), _every(facts)


def _reported(facts: WordTests, comparison: Comparison) -> Table:
    sets = [name for name in REPORTED if name in facts.sets]
    asked = [(method, part) for method, part in PARTS if all(method in row.analogies for row in facts.rows)]
    costs = [column for column in columns(comparison) if column.head in ("train", "memory", "bits/char")]
    lines = []
    for row in facts.rows:
        cells = [_judged(row.sets[name]) for name in sets]
        cells += [_solved(getattr(row.analogies[method], part)) for method, part in asked]
        of_model = comparison.row(row.label)
        cells += [Cell(cost.cell(of_model).text) for cost in costs if of_model]
        lines.append((row.label, cells))
    analogies = (NAMES[method] if part == "total" else f"{NAMES[method]}, {part}" for method, part in asked)
    return Table("model", (*sets, *analogies, *(cost.head for cost in costs)), lines)


def _every(facts: WordTests) -> Table:
    """A line for each set of judgments and each kind of analogy, a column for each model."""
    rows = facts.rows
    lines = [(name, [_judged(row.sets[name]) for row in rows]) for name in facts.sets]
    for method in rows[0].analogies:
        for part in ("total", "semantic", "syntactic"):
            label = f"analogies, {NAMES[method]}, {part}"
            lines.append((label, [_solved(getattr(row.analogies[method], part)) for row in rows]))
    return Table("test", [row.label for row in rows], lines)


def measure(facts: WordTests, _: Comparison) -> Measure | None:
    """The share of analogies that 3CosAdd solves."""
    solved = {row.label: row.analogies["add"].total.accuracy for row in facts.rows if "add" in row.analogies}
    meaning, name = "share of the analogies that 3CosAdd solves", "analogy accuracy"
    return Measure("analogies", meaning, solved, name, "solves {} of the analogies", "solves {}") if solved else None


def findings(facts: WordTests, _: Comparison) -> list[str]:
    """Whose vectors agree best with people, by set of judgments."""
    best: dict[str, list[str]] = {}
    for name in REPORTED:
        of_set = {row.label: row.sets[name].spearman for row in facts.rows if name in row.sets}
        known = {label: value for label, value in of_set.items() if value is not None}
        if len(known) > 1:
            first = max(known, key=lambda label: known[label])
            best.setdefault(first, []).append(f"{name} ({known[first]:.2f})".replace("(-", f"({MINUS}"))
    said = [f"of {one_line(label)} in {' and '.join(sets)}" for label, sets in best.items()]
    return [f"Closest to human judgments of similarity are the vectors {', '.join(said)}."] if said else []


def _judged(judged: Judged) -> Cell:
    """Spearman's correlation, and how many of all pairs it is of."""
    value = DASH if judged.spearman is None else f"{judged.spearman:.3f}".replace("-", MINUS)
    return Cell(value, f"{judged.pairs:,} of {judged.pairs + judged.unknown:,}")


def _solved(solved: Solved) -> Cell:
    """The share of correct answers, and how many of all questions it is of."""
    value = DASH if solved.accuracy is None else percent(solved.accuracy)
    return Cell(value, f"{solved.questions:,} of {solved.questions + solved.unanswerable:,}")


section = Section(
    "word_tests",
    "Word similarity and analogies",
    60,
    "knowledge",
    facts=WordTests,
    compute=compute,
    table=table,
    measure=measure,
    findings=findings,
    summary=True,
)
