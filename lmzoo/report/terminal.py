"""The main table in a terminal: `rich.print(terminal.table(comparison, width=80))`."""

from dataclasses import replace
from itertools import compress
from typing import TYPE_CHECKING

from lmzoo.comparison.results import Comparison
from lmzoo.errors import one_line
from lmzoo.report.section import sections
from lmzoo.report.sections.table import MainTable, main_table
from lmzoo.report.summary import plain

if TYPE_CHECKING:
    from rich.table import Table

LONGEST_LABEL = 40  # characters of a line of the column of names


def table(comparison: Comparison, width: int = 200) -> "Table":
    """The main table for a terminal (a rich Table), best first, footnotes as its caption.

    Of the columns it has the first that fit into `width` characters beside the labels, which are never cut for them.
    """
    main = main_table(Comparison.from_json(plain(comparison.to_json()), sections()))
    fits = [column.terminal for column in main.columns]
    main = replace(
        main,
        columns=tuple(compress(main.columns, fits)),
        lines=tuple(replace(line, cells=tuple(compress(line.cells, fits))) for line in main.lines),
    )
    for count in range(len(main.columns), 0, -1):
        drawn = _first_columns(main, count)
        if _natural_width(drawn) <= width:
            return drawn
    return _first_columns(main, min(1, len(main.columns)))


def _first_columns(main: MainTable, count: int) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False, caption_justify="left")
    longest = max((len(one_line(line.row.label)) for line in main.lines), default=0)
    drawn.add_column("model", overflow="fold", max_width=min(longest + len(" [1]"), LONGEST_LABEL))
    for column in main.columns[:count]:
        drawn.add_column(column.head.replace("/", "/\n"), justify="right", no_wrap=True)
    for line in main.lines:
        label = one_line(line.row.label) + "".join(f" ({mark})" for mark in line.marks)
        cells = ("\n".join(filter(None, (cell.text, cell.aside))) for cell in line.cells[:count])
        drawn.add_row(Text(label + "".join(f" [{mark}]" for mark in line.notes)), *map(Text, cells))
    notes = [f"[{number}] {one_line(note)}" for number, note in enumerate(main.notes, 1)]
    left_out = len(main.columns) - count
    notes += [f"{left_out} more columns are in the report, or in a wider terminal"] if left_out else []
    drawn.caption = Text("\n".join(notes)) if notes else None
    return drawn


def _natural_width(drawn: "Table") -> int:
    """Characters that its columns take where nothing is wrapped."""
    from rich.console import Console
    from rich.measure import Measurement

    wide = Console(width=10_000)
    return Measurement.get(wide, wide.options, drawn).maximum
