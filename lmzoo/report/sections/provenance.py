"""Where every number comes from, and what it was divided by."""

from typing import Any

from lmzoo.comparison.results import Comparison
from lmzoo.report.section import Section


def view(_: None, comparison: Comparison) -> dict[str, Any]:
    """The rows, best first."""
    return {"rows": comparison.ranked()}


section = Section("provenance", "Provenance and settings", 100, view=view)
