"""The main table: a row for each model, a column for whatever is known of any of them."""

from dataclasses import dataclass, replace
from itertools import compress
from typing import Any

from lmzoo.comparison.results import Comparison, Row
from lmzoo.report.section import Section, columns_of
from lmzoo.report.table import WHOLE, Cell, Column, cut, passes, percent


@dataclass(frozen=True)
class Line:
    """A row of the table: its cells, the numbers of its footnotes, and what makes it unlike the others."""

    row: Row
    notes: tuple[int, ...]
    cells: tuple[Cell, ...]
    marks: tuple[str, ...]


@dataclass(frozen=True)
class MainTable:
    """The columns with a number in any row, the lines from best to worst, and the footnotes: errors and remarks."""

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...]

    @property
    def leading(self) -> "MainTable":
        """The same with its first columns only."""
        leads = [column.leads for column in self.columns]
        lines = (replace(line, cells=tuple(compress(line.cells, leads))) for line in self.lines)
        return replace(self, columns=tuple(compress(self.columns, leads)), lines=tuple(lines))


def main_table(comparison: Comparison) -> MainTable:
    """The table as the page, the README and the terminal show it."""
    rows = comparison.ranked()
    shown = [one for one in columns_of(comparison) if any(one.number(row) is not None for row in rows)]
    remarks = [
        dict.fromkeys([*filter(None, [row.error]), *row.notes, *_uncertified(row), *_checked(row)]) for row in rows
    ]
    of_all = [note for note in remarks[0] if all(note in others for others in remarks)] if len(rows) > 1 else []
    numbers: dict[str, int] = {}  # of each remark
    lines = []
    for row, said in zip(rows, remarks, strict=True):
        notes = tuple(numbers.setdefault(note, len(numbers) + 1) for note in said if note not in of_all)
        lines.append(Line(row, notes, tuple(one.cell(row) for one in shown), tuple(_marks(row))))
    return MainTable(tuple(shown), tuple(lines), (*numbers, *(f"all models: {note}" for note in of_all)))


def _marks(row: Row) -> list[str]:
    """Warnings beside a label: what makes its figures unlike those of the others."""
    read, share = passes(row), cut(row)
    clock = [f"stopped by the clock at {percent(share, 0)}"] if share else []
    adaptive = ["adaptive"] if row.adapts_at_test_time else []
    return [*adaptive, *([f"{read:.2g} passes"] if read and read < WHOLE else []), *clock]


def _uncertified(row: Row) -> list[str]:
    """Why there is no certified compressed file, where one was asked for."""
    error = row.certified.error if row.certified else None
    return [f"not certified: {error}"] if error else []


def _checked(row: Row) -> list[str]:
    """Whether sums were checked along the scored text, and what was found."""
    return [row.sums.remark] if row.sums else []


def view(_: None, comparison: Comparison) -> dict[str, Any] | None:
    """The table, for its own template: it can be sorted, and has footnotes."""
    return {"main": main_table(comparison)} if comparison.rows else None


section = Section("table", "Results", 20, "headline", view=view)
