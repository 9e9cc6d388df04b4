"""What a comparison found, in sentences, each computed from it: the report opens with them.

A model that learns from the text that it is scored on, be it a cache or a compressor, is never set against frozen ones.
"""

import re
from collections.abc import Sequence

from lmzoo.comparison.results import Comparison, Difference, Row
from lmzoo.errors import one_line
from lmzoo.report.section import measures_of, sections
from lmzoo.report.summary import frozen, rivals
from lmzoo.report.table import MINUS, WHOLE, Measure, cut, passes, percent
from lmzoo.report.units import PERPLEXITY, shared_unit

FEWEST = 5  # models, of a rank correlation
MOST = 1  # measures of knowledge that the headline has room for
LEVEL = 0.05  # of its significance


def finding(comparison: Comparison) -> list[str]:
    """The result in sentences: the first is the headline."""
    rows = comparison.ranked()
    measures = measures_of(comparison)
    sentences = [*_headline(comparison, measures), *_leak(comparison), *_correlation(comparison, measures)]
    for section in sections():
        if comparison.facts.get(section.id) is not None:
            sentences += section.findings(comparison.facts[section.id], comparison)
    sentences += [*_runner_up(comparison), *_adaptive(comparison), *_unread(rows)]
    failed = sum(row.error is not None for row in rows)
    if failed:
        sentences.append(f"{failed} of {len(rows)} models could not be scored; the notes under the table say why.")
    return sentences or ["Nothing was compared."]


def _headline(comparison: Comparison, measures: Sequence[Measure]) -> list[str]:
    """What the best model reaches, and the best of the other kind, in the same terms."""
    rows = frozen(comparison)
    if not rows:
        return []
    best, other = rivals(comparison) or (rows[0], None)
    both = [one for one in measures if all(row and one.values.get(row.label) is not None for row in (best, other))]
    shown = (both if other else [one for one in measures if one.values.get(best.label) is not None])[:MOST]
    of_best = [_predicts(best, comparison, first=True), *(_scores(one, best, first=True) for one in shown)]
    said = f"{_subject(best)} {_listed(of_best)}"
    if other:
        of_other = [_predicts(other, comparison, first=False), *(_scores(one, other, first=False) for one in shown)]
        said += f"; {_named(other)} {_listed(of_other)}"
    return [f"{said}."]


def _predicts(row: Row, comparison: Comparison, first: bool) -> str:
    """'needs 0.50 bits per character, 0.09 above the true source', or 'has a perplexity of 129.5'."""
    if shared_unit(comparison) == PERPLEXITY and row.score and row.score.perplexity_per_token:
        value = f"{row.score.perplexity_per_token:,.1f}"
        return f"has a perplexity of {value}" if first else f"has {value}"
    floor = comparison.corpus.floor
    if not first:
        return f"needs {row.bits:.2f}"
    above = (
        "" if floor is None else f", {_gap(row.bits - floor)} {'above' if row.bits >= floor else 'below'} the source"
    )
    return f"needs {row.bits:.2f} bits per character{above}"


def _scores(measure: Measure, row: Row, first: bool) -> str:
    value = measure.values[row.label]
    assert value is not None
    return (measure.clause if first else measure.again).format(percent(value, measure.places))


def _listed(clauses: Sequence[str]) -> str:
    *first, last = clauses
    comma = "," if any("," in clause for clause in first) or len(first) > 1 else ""
    return f"{', '.join(first)}{comma} and {last}" if first else last


def _leak(comparison: Comparison) -> list[str]:
    """A warning where a model seems to know more than the source."""
    floor, rows = comparison.corpus.floor, frozen(comparison)
    if floor is None or not rows or rows[0].bits >= floor:
        return []
    return ["Only chance can go below the true source: more than that, and the test text has leaked."]


def _correlation(comparison: Comparison, measures: Sequence[Measure]) -> list[str]:
    """Whether models that predict better also know more: rank correlations with bits per character."""
    from scipy.stats import spearmanr

    together, apart = [], []
    for one in measures:
        known = [(row.bits, value) for row in frozen(comparison) if (value := one.values.get(row.label)) is not None]
        if len(known) < FEWEST or any(len(set(values)) == 1 for values in zip(*known, strict=True)):
            continue
        found = spearmanr(known)
        rho = float(found.statistic)
        aside = f"(\N{GREEK SMALL LETTER RHO} = {rho:+.2f} over {len(known)} models)".replace("-", MINUS)
        if found.pvalue < LEVEL:
            together.append(f"the {'higher' if rho < 0 else 'lower'} its {one.name} {aside}")
        else:
            apart.append(f"{one.name} {aside}")
    said = [f"The better a model predicts, {_listed(together)}."] if together else []
    return said + ([f"Bits per character say little about {_listed(apart)}."] if apart else [])


def _runner_up(comparison: Comparison) -> list[str]:
    """How far behind the second is, with the paired interval where there is one."""
    best, second, *_ = [*frozen(comparison), None, None]
    if not best or not second:
        return []
    gap = second.bits - best.bits
    pair = _difference(best, second, comparison.differences)
    if pair and not pair.is_real:
        return [f"{_subject(second)} {_is_level(gap)}"]
    ends = sorted((abs(pair.low), abs(pair.high))) if pair else ()
    interval = f" (95 % interval {ends[0]:.3f} to {ends[1]:.3f})" if ends else ""
    perplexity = second.score and second.score.perplexity_per_token
    in_unit = f"has {perplexity:,.1f} and " if perplexity and shared_unit(comparison) == PERPLEXITY else ""
    return [f"The next best, {one_line(second.label)}, {in_unit}needs {_gap(gap)} bits per character more{interval}."]


def _is_level(gap: float) -> str:
    return f"is level with it: the difference of {_gap(gap)} bits per character is within chance."


def _difference(best: Row, second: Row, differences: Sequence[Difference]) -> Difference | None:
    return next((pair for pair in differences if {pair.a, pair.b} == {best.label, second.label}), None)


def _adaptive(comparison: Comparison) -> list[str]:
    """Models that learn from the test text, where one needs fewer bits than every frozen model."""
    scored, still = [row for row in comparison.ranked() if row.score], frozen(comparison)
    first = still[0].bits if still else float("inf")
    better = [row for row in scored if row.adapts_at_test_time and row.bits < first]
    return [
        f"{_subject(row)} needs {row.bits:.2f}, but is adaptive: it learns from the test text as it reads it."
        for row in better
    ]


def _unread(rows: Sequence[Row]) -> list[str]:
    """Models that were not trained on all of the training text even once, and those that the clock stopped."""
    read = {one_line(row.label): f"{count:.2g}" for row in rows if (count := passes(row)) and count < WHOLE}
    networks = sum(passes(row) is not None for row in rows)
    stopped = [f"{one_line(row.label)} ({percent(share, 0)})" for row in rows if (share := cut(row))]
    if len(read) == networks > 1 and len(set(read.values())) == 1:
        said = [f"No network read all of the training text ({next(iter(read.values()))} passes each)."]
    else:
        short = ", ".join(f"{label} ({count} passes)" for label, count in read.items())
        said = [f"Not trained on the whole training text even once: {short}."] if short else []
    return said + ([f"Stopped by the clock before the end of the budget: {', '.join(stopped)}."] if stopped else [])


def _named(row: Row) -> str:
    """A label in a sentence, closed by a comma where it has one."""
    name = one_line(row.label)
    return f"{name}," if "," in name else name


def _subject(row: Row) -> str:
    """A label at the beginning of a sentence: "Modified Kneser–Ney, 5-gram,", but "my-run" as it is."""
    name = _named(row)
    is_word = re.match(r"[a-z]+( |,|$)", name)
    return name[:1].upper() + name[1:] if is_word else name


def _gap(bits: float) -> str:
    """A difference without its sign, to as many places as it needs."""
    return f"{abs(bits):.2f}" if abs(bits) >= 0.095 else f"{abs(bits):.3f}"
