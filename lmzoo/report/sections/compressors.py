"""General-purpose compressors on the test text. All of them are adaptive: they learn from it as they read it."""

from lmzoo.comparison.results import Comparison, Reference
from lmzoo.report.section import Section
from lmzoo.report.table import DASH, Cell, Table


def table(_: None, comparison: Comparison) -> Table | None:
    """What each compressor makes of the test text, alone and given training text."""
    rows = {(one.label, one.given_train): one for one in comparison.references}
    labels = dict.fromkeys(label for label, _ in rows)
    lines = [(f"{label}, adaptive", [_coded(rows.get((label, given))) for given in (False, True)]) for label in labels]
    return Table("compressor", ("alone", "given training text"), lines) if lines else None


def _coded(one: Reference | None) -> Cell:
    if one is None:
        return Cell(DASH)
    given = f", {one.note}" if one.given_train else ""
    return Cell(f"{one.bits_per_character:.3f}", f"{one.bits / 8:,.0f} bytes{given}")


section = Section("compressors", "Compressors", 90, table=table)
