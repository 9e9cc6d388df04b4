"""What a comparison found, in sentences, and text from outside made safe to show."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lmzoo.comparison.results import Comparison, Difference, Reference, Row
from lmzoo.errors import ScoreError, UsageError, one_line
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


def finding(comparison: Comparison) -> list[str]:
    """The result in sentences, each computed from the comparison: the report opens with them."""
    rows = comparison.ranked()
    scored = [row for row in rows if row.score]
    sentences = []
    if scored:
        sentences.append(_best(scored[0], comparison))
        if comparison.corpus.floor is not None and scored[0].bits < comparison.corpus.floor:
            sentences.append("Only chance can go below the true source: more than that, and the test text has leaked.")
    if len(scored) > 1:
        sentences.append(_runner_up(scored[0], scored[1], comparison.differences))
    failed = sum(row.error is not None for row in rows)
    if failed:
        sentences.append(f"{failed} of {len(rows)} models could not be scored; the notes under the table say why.")
    return sentences or ["Nothing was compared."]


def _best(best: Row, comparison: Comparison) -> str:
    parts = [f"{_subject(best)} needs {best.bits:.2f} bits per character"]
    floor = comparison.corpus.floor
    if floor is not None:
        above = best.bits - floor
        parts.append(f"{_gap(above)} {'above' if above >= 0 else 'below'} the true source")
    references = best_references(comparison)
    if references:
        nearest = min(references, key=lambda reference: reference.bits_per_character)
        gap = best.bits - nearest.bits_per_character
        alone = "" if nearest.given_train else " alone"
        parts.append(f"{_gap(gap)} {'below' if gap < 0 else 'above'} {one_line(nearest.label)}{alone}")
    return (", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 2 else ", ".join(parts)) + "."


def _runner_up(best: Row, second: Row, differences: Sequence[Difference]) -> str:
    """How far behind the second is, with the paired interval where there is one."""
    gap = second.bits - best.bits
    name = one_line(second.label)
    for pair in differences:
        if {pair.a, pair.b} != {best.label, second.label}:
            continue
        low, high = sorted((abs(pair.low), abs(pair.high)))
        if not pair.is_real:
            return f"{_subject(second)} is level with it: the difference of {_gap(gap)} is within chance."
        return f"The next best, {name}, needs {_gap(gap)} more (95 % interval {low:.3f} to {high:.3f})."
    return f"The next best, {name}, needs {_gap(gap)} more."


def _subject(row: Row) -> str:
    """A label at the beginning of a sentence: "Modified Kneser–Ney, 5-gram", but "my-run" as it is."""
    name = one_line(row.label)
    is_word = re.match(r"[a-z]+( |,|$)", name)
    return name[:1].upper() + name[1:] if is_word else name


def _gap(bits: float) -> str:
    """A difference without its sign, to as many places as it needs."""
    return f"{abs(bits):.2f}" if abs(bits) >= 0.095 else f"{abs(bits):.3f}"


def lines(comparison: Comparison) -> list[tuple[str, float]]:
    """(name, bits per character) of the true source, if known, and of each compressor at its best: lines in figures."""
    floor = comparison.corpus.floor
    source = [] if floor is None else [(SOURCE, floor)]
    best = best_references(comparison)
    return source + [(one.label + ("" if one.given_train else " alone"), one.bits_per_character) for one in best]


def best_references(comparison: Comparison) -> list[Reference]:
    """Of each compressor the row with the fewest bits: what a figure or a sentence has room for."""
    best: dict[str, Reference] = {}
    for row in comparison.references:
        other = best.setdefault(row.label, row)
        if row.bits_per_character < other.bits_per_character:
            best[row.label] = row
    return list(best.values())
