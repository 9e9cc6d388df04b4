"""A section of the report: one file in `sections/`, found by its name, with its template beside it.

To add one, write `sections/NAME.py`, which holds exactly one `Section`, and `sections/NAME.html.j2`.
"""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from lmzoo.comparison.results import Comparison, Computed, OfModel, nothing

if TYPE_CHECKING:
    from lmzoo.report.canvas import Canvas
    from lmzoo.report.table import Column, Measure, Table


Labelled = TypeVar("Labelled", bound=OfModel)
FOLDER = Path(__file__).parent / "sections"
# Of the page, from top to bottom. The first picture of the headline stands beside the finding; the appendix is folded.
Part = Literal["headline", "knowledge", "text", "cost", "appendix"]
FEW = 6  # models whose texts are shown


@dataclass(frozen=True)
class Section(Computed):
    """What is computed, and how it is shown. A section without facts shows the comparison itself (its rows, say).

    Each function may return None for nothing; a section that shows nothing is left out. Its template is given
    `facts`, `tables`, `picture`, `comparison` and what `view` returns.
    """

    title: str
    place: int  # within its part of the page, ascending
    part: Part = "appendix"
    table: "Callable[[Any, Comparison], Table | Sequence[Table] | None]" = nothing
    figure: "Callable[[Any, Comparison, Canvas], tuple[Any, str] | None]" = nothing  # matplotlib's, and in words
    data: Callable[[Any, Comparison], Sequence[dict[str, Any]] | None] = nothing  # that `figure` shows: lines of a CSV
    view: Callable[[Any, Comparison], dict[str, Any] | None] = nothing  # further variables for the template
    columns: "Callable[[Any], Sequence[Column]]" = lambda _: ()  # of the main table
    measure: "Callable[[Any, Comparison], Measure | None]" = nothing  # what each model knows, as one number
    findings: Callable[[Any, Comparison], Sequence[str]] = lambda *_: ()  # sentences for the top of the page
    summary: bool = False  # whether its first table is part of the README, too

    @property
    def template(self) -> str:
        """The name of the template beside the section's file."""
        return f"{self.id}.html.j2"


@cache
def sections() -> tuple[Section, ...]:
    """All sections, in the order of the page."""
    every = [find(path.stem) for path in sorted(FOLDER.glob("*.py")) if path.stem != "__init__"]
    return tuple(sorted(every, key=lambda section: (get_args(Part).index(section.part), section.place)))


def find(name: str) -> Section:
    """The section in `sections/NAME.py`. Raises TypeError where that file does not hold exactly one."""
    module = importlib.import_module(f"lmzoo.report.sections.{name}")
    instances = [value for value in vars(module).values() if isinstance(value, Section)]
    if len(instances) != 1 or instances[0].id != name:
        raise TypeError(f"lmzoo/report/sections/{name}.py must hold exactly one Section, whose id is {name!r}")
    return instances[0]


def measures_of(comparison: Comparison) -> "list[Measure]":
    """What the sections measured of the models' knowledge, in the order of the page."""
    found = [
        section.measure(comparison.facts[section.id], comparison)
        for section in sections()
        if comparison.facts.get(section.id) is not None
    ]
    return [one for one in found if one and any(value is not None for value in one.values.values())]


def columns_of(comparison: Comparison) -> "list[Column]":
    """The columns of the main table, those that sections add included; the first measure of knowledge leads."""
    from lmzoo.report.table import columns

    further = [one.column(leads=not n) for n, one in enumerate(measures_of(comparison))]
    for section in sections():
        if comparison.facts.get(section.id) is not None:
            further += section.columns(comparison.facts[section.id])
    return columns(comparison, further)


def in_order(rows: Sequence[Labelled], comparison: Comparison) -> list[Labelled]:
    """The rows of a section in the order of the main table: fewest bits per character first."""
    return sorted(rows, key=lambda row: comparison.place(row.label))


def by_year(entries: Sequence[Labelled], comparison: Comparison) -> list[Labelled]:
    """The rows of a section by the year of the model's idea, then from most bits to fewest; others come first."""

    def order(entry: Labelled) -> tuple[int, float]:
        row = comparison.row(entry.label)
        return comparison.year(entry.label) or 0, -row.bits if row and row.score else 0.0

    return sorted(entries, key=order)


def a_few(entries: Sequence[Labelled], comparison: Comparison) -> list[Labelled]:
    """At most six of the rows, by year: the best of each family, then the oldest; entries of no row are all there."""
    best: dict[str, Labelled] = {}
    of_models = [entry for entry in in_order(entries, comparison) if comparison.row(entry.label)]
    for entry in of_models:
        best.setdefault(comparison.family(entry.label), entry)
    first = [entry for family, entry in best.items() if family != "baseline"]
    rest = [entry for entry in by_year(of_models, comparison) if entry not in first]
    rest.sort(key=lambda entry: comparison.family(entry.label) == "baseline")
    shown = [*first, *rest][:FEW]
    return by_year([entry for entry in entries if entry in shown or entry not in of_models], comparison)
