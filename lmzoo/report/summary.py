"""Text from outside made safe to show, and the lines that several figures share."""

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from lmzoo.comparison.results import Comparison, Reference, Row
from lmzoo.errors import ScoreError, UsageError
from lmzoo.report.canvas import SOURCE

_SURROGATES = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def plain(value: Any, where: str = "comparison") -> Any:
    """`value` as JSON can hold it: dict, list, str, int, float, bool, None. Lone surrogates become U+FFFD.

    Raises ScoreError naming the first number that is NaN or infinite, UsageError for any other type.
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return _SURROGATES.sub("\ufffd", value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ScoreError(
                f"{where} is {value}: a report shows finite numbers only; give that row an error, not a score"
            )
        return float(value)
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist(), where)
    if isinstance(value, Mapping):
        return {plain(str(key)): plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
    raise UsageError(f"{where} is a {type(value).__name__}, which a report cannot store: make it a number or text")


def visible(text: str) -> str:
    """`text` with U+FFFD for control characters and lone surrogates, which no page or terminal should be sent."""
    return _CONTROL.sub("\ufffd", text.replace("\r\n", "\n"))


def lines(comparison: Comparison) -> list[tuple[str, float]]:
    """(name, bits per character) of the true source, if known, and of each compressor at its best: lines in figures."""
    floor = comparison.corpus.floor
    source = [] if floor is None else [(SOURCE, floor)]
    best = best_references(comparison)
    return source + [(one.label + ("" if one.given_train else " alone"), one.bits_per_character) for one in best]


# ── Who is compared with whom ─────────────────────────────────────────────────────────────────────

NETWORKS = ("feedforward", "recurrent", "transformer")


def frozen(comparison: Comparison) -> list[Row]:
    """The scored models that do not learn from the text that they are scored on, fewest bits first."""
    return [row for row in comparison.ranked() if row.score and not row.adapts_at_test_time]


def rivals(comparison: Comparison) -> tuple[Row, Row] | None:
    """The best model, and the best of the other kind: networks against those that count; else the second best."""
    rows = frozen(comparison)
    if len(rows) < 2:
        return None
    is_network = [row.family in NETWORKS for row in rows]
    other = is_network.index(not is_network[0]) if len(set(is_network)) > 1 else 1
    return rows[0], rows[other]


def best_references(comparison: Comparison) -> list[Reference]:
    """Of each compressor the row with the fewest bits: what a figure or a sentence has room for."""
    best: dict[str, Reference] = {}
    for row in comparison.references:
        other = best.setdefault(row.label, row)
        if row.bits_per_character < other.bits_per_character:
            best[row.label] = row
    return list(best.values())
