"""Which differences between neighbours in the ranking are significant, by paired bootstrap over blocks of text."""

from lmzoo.comparison.results import Comparison, Difference
from lmzoo.report.section import Section
from lmzoo.report.table import MINUS, Cell, Table, signed


def table(_: None, comparison: Comparison) -> Table | None:
    """A line for each pair."""
    lines = [(f"{pair.a} {MINUS} {pair.b}", _cells(pair)) for pair in comparison.differences]
    return Table(f"first {MINUS} second", ("difference", "95 % interval", "result"), lines) if lines else None


def _cells(pair: Difference) -> list[Cell]:
    interval = Cell(f"{signed(pair.low)} to {signed(pair.high)}")
    return [Cell(signed(pair.delta)), interval, Cell(verdict(pair))]


def verdict(pair: Difference) -> str:
    """Which of the pair is better, if the interval excludes zero."""
    return f"{pair.a if pair.delta < 0 else pair.b} is better" if pair.is_real else "level, within chance"


section = Section("differences", "Significant differences", 10, table=table)
