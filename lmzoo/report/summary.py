"""What a comparison says, in words and cells, before anybody has laid it out.

Everything here is computed from the comparison (a plain dict, see `lmzoo.report.page`): the order of the rows, the
distance from the true source, the sentences that a report opens with, the cells of its table. The page, the
figures and the terminal all take it from here, so that they cannot disagree.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lmzoo.errors import ScoreError, UsageError
from lmzoo.report.table import COLUMNS, DASH, Row, with_grades
from lmzoo.report.table import amount as amount

Comparison = dict[str, Any]

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
    raise UsageError(f"{where} is a {type(value).__name__}, which a report cannot keep: make it a number or text")


def visible(text: str) -> str:
    """`text` with U+FFFD for what no page or terminal should be sent: control characters, lone surrogates."""
    return _CONTROL.sub("\ufffd", text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """`visible` text on one line, every run of white space being one space."""
    return " ".join(visible(text).split())


def floor(comparison: Comparison) -> float | None:
    """Bits per character of the true source on the test text; None where it is not known."""
    corpus = comparison["corpus"]
    characters = corpus["characters"]["test"]
    return corpus["floor_bits"] / characters if corpus.get("floor_bits") is not None and characters else None


def ranked(comparison: Comparison) -> list[Row]:
    """The rows, fewest bits per character first and those without a score last, each with its `above`:
    bits per character above the true source (None where unknown)."""
    lowest = floor(comparison)

    def bits(row: Row) -> float:
        return row["score"]["bits_per_character"] if row["score"] else float("inf")

    rows = sorted(comparison["rows"], key=bits)
    return [row | {"above": bits(row) - lowest if row["score"] and lowest is not None else None} for row in rows]


def finding(comparison: Comparison) -> list[str]:
    """What was found, in sentences, each computed from the comparison: the page opens with them."""
    rows = ranked(comparison)
    scored = [row for row in rows if row["score"]]
    said = []
    if scored:
        said.append(_best(scored, comparison))
        if (scored[0]["above"] or 0) < 0:
            said.append("Only chance can go below the true source: more than that, and the test text has leaked.")
    if len(scored) > 1:
        said.append(_runner_up(scored, comparison.get("differences", [])))
    failed = len(rows) - len(scored)
    if failed:
        said.append(f"{failed} of {len(rows)} models could not be scored; the notes under the table say why.")
    return said or ["Nothing was compared."]


def _best(scored: list[Row], comparison: Comparison) -> str:
    best = scored[0]
    bits = best["score"]["bits_per_character"]
    said = [f"{_name(best, scored)} needs {bits:.2f} bits per character"]
    if best["above"] is not None:
        said.append(f"{_gap(best['above'])} {'above' if best['above'] >= 0 else 'below'} the true source")
    coded = best_references(comparison)
    if coded:
        nearest = min(coded, key=lambda reference: reference["bits_per_character"])
        gap = bits - nearest["bits_per_character"]
        alone = "" if nearest["given_train"] else " alone"
        said.append(f"{_gap(gap)} {'below' if gap < 0 else 'above'} {one_line(nearest['label'])}{alone}")
    return (", ".join(said[:-1]) + " and " + said[-1] if len(said) > 2 else ", ".join(said)) + "."


def _runner_up(scored: list[Row], differences: list[dict[str, Any]]) -> str:
    """How far behind the second is, with the interval of the pair where there is one."""
    best, second = scored[:2]
    name = _name(second, scored)
    gap = second["score"]["bits_per_character"] - best["score"]["bits_per_character"]
    for pair in differences:
        if {pair["a"], pair["b"]} != {best["label"], second["label"]}:
            continue
        low, high = sorted((abs(pair["low"]), abs(pair["high"])))
        if pair["low"] <= 0 <= pair["high"]:
            return f"{name} is level with it: the difference of {_gap(gap)} is within chance."
        return f"The next best, {name}, needs {_gap(gap)} more (95 % interval {low:.3f} to {high:.3f})."
    return f"The next best, {name}, needs {_gap(gap)} more."


def _name(row: Row, scored: list[Row]) -> str:
    """'<Smoothing> of order <n>' where its config says so and no other row's does; else its label."""

    def spoken(row: Row) -> str:
        config = row.get("config") or {}
        if not isinstance(config.get("smoothing"), str) or "order" not in config:
            return one_line(row["label"])
        smoothing = in_words(config["smoothing"])
        return f"{smoothing[:1].upper()}{smoothing[1:]} of order {config['order']}"

    name = spoken(row)
    return name if sum(spoken(other) == name for other in scored) == 1 else one_line(row["label"])


def _gap(bits: float) -> str:
    """A difference without its sign, with the digits that it needs."""
    return f"{abs(bits):.2f}" if abs(bits) >= 0.095 else f"{abs(bits):.3f}"


def signed(bits: float) -> str:
    """A difference with its sign, the minus being a true one."""
    return f"{bits:+.3f}".replace("-", "\N{MINUS SIGN}")


def in_words(smoothing: str) -> str:
    """How a smoothing is named in a sentence: 'modified-kneser-ney' is one of two people, not of three."""
    for people in ("kneser-ney", "witten-bell", "good-turing", "jelinek-mercer"):
        smoothing = smoothing.replace(people, people.title().replace("-", "\N{EN DASH}"))
    return smoothing.replace("-", " ")


# The table.


def cells(comparison: Comparison) -> dict[str, Any]:
    """Columns that have a number in them, lines of cells, and the footnotes: errors first, then remarks."""
    rows = with_grades(ranked(comparison), comparison)
    columns = [column for column in COLUMNS if any(column.number(row) is not None for row in rows)]
    notes: list[str] = []
    lines = []
    for row in rows:
        remarks = [*([row["error"]] if row.get("error") else []), *row.get("notes", []), *_uncertified(row)]
        notes += [remark for remark in remarks if remark not in notes]
        found = [column.cell(row) for column in columns]
        marks = [notes.index(remark) + 1 for remark in dict.fromkeys(remarks)]
        lines.append({"row": row, "marks": marks, "cells": found})
    return {"columns": columns, "lines": lines, "notes": notes}


def _uncertified(row: Row) -> list[str]:
    """Why there is no compressed file of it, where one was wanted."""
    error = (row.get("certified") or {}).get("error")
    return [f"not certified: {error}"] if error else []


def verdicts(comparison: Comparison) -> list[dict[str, Any]]:
    """Each pair with its verdict: real if the interval leaves zero out."""
    pairs = []
    for pair in comparison.get("differences", []):
        better = pair["a"] if pair["delta"] < 0 else pair["b"]
        level = pair["low"] <= 0 <= pair["high"]
        pairs.append(pair | {"verdict": "level, within chance" if level else f"{better} is better"})
    return pairs


def best_references(comparison: Comparison) -> list[dict[str, Any]]:
    """Of each compressor the row with the fewest bits: what a figure or a sentence has room for."""
    best: dict[str, dict[str, Any]] = {}
    for row in comparison.get("references", []):
        other = best.setdefault(row["label"], row)
        if row["bits_per_character"] < other["bits_per_character"]:
            best[row["label"]] = row
    return list(best.values())


# Associations: grids of words, for the page and for Markdown.


@dataclass(frozen=True)
class Grid:
    """A plain table: its heads, and a line of cells (text, what to add in small) behind each label."""

    heads: tuple[str, ...]
    lines: list[tuple[str, list[tuple[str, str]]]]


def references(comparison: Comparison) -> Grid | None:
    """What each compressor makes of the test text, alone and with training text before it."""
    found = {(row["label"], bool(row["given_train"])): row for row in comparison.get("references", [])}
    lines = [(label, [_coded(found.get((label, given))) for given in (False, True)]) for label in dict.fromkeys(
        label for label, _ in found)]  # fmt: skip
    return Grid(("alone", "given training text"), lines) if lines else None


def _coded(row: dict[str, Any] | None) -> tuple[str, str]:
    """A compressor's bits per character, and its bytes and what it was given."""
    if row is None:
        return DASH, ""
    given = f", {row['note']}" if row["given_train"] else ""
    return f"{row['bits_per_character']:.3f}", f"{row['bits'] / 8:,.0f} bytes{given}"


JUDGED = ("WordSim-353", "SimLex-999", "MEN")  # what everybody reports
ANALOGIES = (("add", "total"), ("add", "semantic"), ("add", "syntactic"), ("mul", "total"))
METHODS = {"add": "3CosAdd", "mul": "3CosMul"}


def gains(comparison: Comparison) -> Grid | None:
    """What each association saves of the unigram's bits, with its β and its λ."""
    rows = comparison.get("distances", [])
    lines = []
    for row in rows:
        gained = row["unigram_bits_per_token"] - row["bits_per_token"]
        numbers = [row["bits_per_token"], row["unigram_bits_per_token"], gained, row["exponent"]]
        lambdas = ", ".join(f"{weight:.2f}" for weight in row["lambdas"]).replace("-", "\N{MINUS SIGN}")
        lines.append((row["label"], [*((f"{number:.3f}", "") for number in numbers), (lambdas, "")]))
    heads = ("bits/token", "of its unigram", "saved", "β", "λ, the nearest first")
    return Grid(heads, lines) if lines else None


def beside_pmi(comparison: Comparison) -> Grid | None:
    """How the scores of each association go with the PMI of the same counts."""
    lines = []
    for row in comparison.get("factorised", []):
        shift = f" \N{MINUS SIGN} log {row['negative']:g}" if row["negative"] else ""
        counted = f"window {row['window']}, {row['weights']} weights"
        cells = [(f"PMI{shift}", counted), (f"{row['pearson']:.3f}", ""), (f"{row['spearman']:.3f}", "")]
        lines.append((row["label"], cells))
    return Grid(("its score beside", "Pearson", "Spearman"), lines) if lines else None


def knowledge(comparison: Comparison) -> Grid | None:
    """People's judgments and analogies, and what the vectors cost: the figures that everybody reports."""
    tests = comparison.get("word_tests")
    if not tests:
        return None
    by_label = {row["label"]: row for row in comparison["rows"]}
    sets = [name for name in JUDGED if name in tests["sets"]]
    asked = [kind for kind in ANALOGIES if all(kind[0] in row["analogies"] for row in tests["rows"])]
    costs = [column for column in COLUMNS if column.head in ("train", "peak memory", "bits/char")]
    lines = []
    for row in tests["rows"]:
        cells = [_judged(row["sets"][name]) for name in sets]
        cells += [_solved(row["analogies"][method][part]) for method, part in asked]
        found = [column.cell(by_label[row["label"]]) for column in costs]
        lines.append((row["label"], cells + [(cell["text"], "") for cell in found]))
    analogies = (METHODS[method] if part == "total" else f"{METHODS[method]}, {part}" for method, part in asked)
    return Grid((*sets, *analogies, *(column.head for column in costs)), lines)


def every_test(comparison: Comparison) -> Grid | None:
    """Every set of judgments and every kind of analogy, a line each, with a column for each association."""
    tests = comparison.get("word_tests")
    if not tests:
        return None
    rows = tests["rows"]
    lines = [(name, [_judged(row["sets"][name]) for row in rows]) for name in tests["sets"]]
    for method in rows[0]["analogies"]:
        of_each = [row["analogies"][method] for row in rows]
        for part in ("total", "semantic", "syntactic"):
            label = f"analogies, {METHODS[method]}, {part}"
            lines.append((label, [_solved(found[part]) for found in of_each]))
    return Grid(tuple(row["label"] for row in rows), lines)


def nearest_words(comparison: Comparison) -> Grid | None:
    """The nearest neighbours of some words: a line for each word, a column for each association."""
    found = comparison.get("neighbours")
    if not found:
        return None
    lines = []
    for i, word in enumerate(found["words"]):
        cells = [(", ".join(near for near, _ in row["found"][i]), "") for row in found["rows"]]
        lines.append((word, cells))
    return Grid(tuple(row["label"] for row in found["rows"]), lines)


def _judged(facts: dict[str, Any]) -> tuple[str, str]:
    """Spearman's correlation, of so many of all pairs."""
    value = DASH if facts["spearman"] is None else f"{facts['spearman']:.3f}".replace("-", "\N{MINUS SIGN}")
    return value, f"{facts['pairs']:,} of {facts['pairs'] + facts['unknown']:,}"


def _solved(facts: dict[str, Any]) -> tuple[str, str]:
    """The share of right answers, of so many of all questions."""
    value = DASH if facts["accuracy"] is None else f"{facts['accuracy']:.1%}".replace("%", " %")
    return value, f"{facts['questions']:,} of {facts['questions'] + facts['unanswerable']:,}"


def examined(comparison: Comparison) -> Grid | None:
    """The exam of the built-in corpus: a line for each phenomenon, a column for each model."""
    facts = comparison.get("exam")
    if not facts:
        return None
    of_all = [*[row["grades"] for row in facts["rows"]], facts["ceiling"]]
    lines = []
    for n, about in enumerate(facts["about"]):
        back = (f"{about['words_back']:.0f}", "words")
        chance = (figure_of(of_all[0][n] | {"value": of_all[0][n]["chance"]}), "")
        lines.append((about["phenomenon"], [back, chance, *(graded(grades[n]) for grades in of_all)]))
    heads = ("how far back", "guessing", *(row["label"] for row in facts["rows"]), "the source")
    return Grid(heads, lines)


def tested(comparison: Comparison, key: str) -> Grid | None:
    """The test sets under `key` (probes, zeroshot or rescoring): a line for each, a column for each model."""
    facts = comparison.get(key)
    if not facts:
        return None
    rows = [*facts["rows"], *facts.get("beside", [])]
    first = rows[0]["grades"]
    lines = []
    for n, grade in enumerate(first):
        shares = facts.get("overlap")
        known = [("" if shares[n] is None else f"{shares[n]:.2%}".replace("%", " %"), "")] if shares else []
        chance = DASH if grade["chance"] is None else figure_of(grade | {"value": grade["chance"]})
        cells = [(f"{grade['items']:,}", ""), *known, (chance, ""), *(graded(row["grades"][n]) for row in rows)]
        label = grade["task"] if grade["metric"] == "accuracy" else f"{grade['task']}: {grade['metric']}"
        lines.append((label, cells))
    heads = ("items", *(["8-grams known"] if facts.get("overlap") else []), "guessing")
    return Grid((*heads, *(row["label"] for row in rows)), lines)


def notes_on(comparison: Comparison, key: str) -> list[str]:
    """What is to be said of grades under `key`, each once, and the models it is said of."""
    said: dict[str, list[str]] = {}
    for row in comparison[key]["rows"]:
        for note in dict.fromkeys(grade["note"] for grade in row["grades"] if grade["note"]):
            said.setdefault(note, []).append(row["label"])
    return [f"{', '.join(labels)}: {note}" for note, labels in said.items()]


def figure_of(grade: dict[str, Any]) -> str:
    """A grade's value as it is usually written: shares in per cent, correlations with two places."""
    if grade["metric"] in ("accuracy", "word error rate"):
        return f"{100 * grade['value']:.1f} %"
    places = 1 if grade["metric"] == "perplexity" else 3
    return f"{grade['value']:,.{places}f}".replace("-", "\N{MINUS SIGN}")


def graded(grade: dict[str, Any]) -> tuple[str, str]:
    """A grade's figure, and its interval."""
    if grade["value"] is None:
        return DASH, ""
    low, high = grade["interval"] or (grade["value"],) * 2
    ends = [figure_of(grade | {"value": end}) for end in (low, high)]
    return figure_of(grade), " – ".join(ends)
