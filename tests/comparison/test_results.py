"""results.json: its keys, and that it comes back as what it was."""

import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_args

import pytest

from lmzoo.comparison.results import Comparison, to_json
from lmzoo.errors import FormatError
from lmzoo.files import typed
from lmzoo.report.section import sections
from tests.comparisons import (
    arrivals,
    comparison,
    contexts,
    examination,
    learning_curves,
    made,
    public_sets,
    with_associations,
)

REPORTS = Path(__file__).parents[2] / "reports"
KEYS = {
    "rows", "references", "published", "differences", "orders", "curves", "passages", "samples", "context",
    "calibration", "distances", "factorised", "word_tests", "neighbours", "map", "exam", "probes", "zeroshot",
    "rescoring", "untested", "arrival",
}  # fmt: skip


ASKED_FOR = {"transfer", "people"}  # each by a flag of its own


def whole() -> dict:
    """A comparison that has everything."""
    parts = (arrivals(), contexts(), examination(), learning_curves(), public_sets())
    return with_associations() | {key: facts for part in parts for key, facts in part.items()} | {"untested": ["sst2"]}


def kept(old: object, new: object, where: str = "results") -> None:
    """Every key and value of `old` is in `new`."""
    if isinstance(old, dict):
        assert set(old) <= set(new), where
        for key, value in old.items():
            kept(value, new[key], f"{where}.{key}")
    elif isinstance(old, list):
        assert len(old) == len(new), where
        for number, (value, other) in enumerate(zip(old, new, strict=True)):
            kept(value, other, f"{where}[{number}]")
    else:
        assert old == new, where


@pytest.mark.parametrize("name", ["storyworld", "storyworld-curves", "ptb", "books", "books-vectors"])
def test_a_committed_report_is_read_and_nothing_of_it_is_lost(name):
    results = json.loads((REPORTS / name / "results.json").read_text("utf-8"))
    read = Comparison.from_json(results, sections())
    kept(results, read.to_json() | {"preset": read.preset})
    assert Comparison.from_json(read.to_json(), sections()) == read


def test_results_json_keeps_its_keys():
    assert set(made(whole()).to_json()) >= KEYS - {"published"}
    assert {section.id for section in sections() if section.facts is not None} <= KEYS | ASKED_FOR
    assert KEYS - {section.id for section in sections()} <= {part.name for part in fields(Comparison)}


def test_a_comparison_comes_back_from_its_json():
    given = made(whole())
    text = json.dumps(given.to_json(), allow_nan=False)
    assert Comparison.from_json(json.loads(text), sections()) == given
    kept(whole(), json.loads(text))


@pytest.mark.parametrize("section", [one for one in sections() if one.facts is not None], ids=lambda one: one.id)
def test_facts_are_frozen_dataclasses(section):
    kind = get_args(section.facts)[0] if get_args(section.facts) else section.facts
    assert is_dataclass(kind)
    assert kind.__dataclass_params__.frozen


def test_what_does_not_fit_is_one_clear_line():
    given = comparison()
    given["rows"][1]["score"]["bits"] = "many"
    with pytest.raises(FormatError, match=r"comparison: expected float, got str in rows\[1\]\.score\.bits"):
        made(given)
    with pytest.raises(FormatError, match="orders: "):
        made(comparison(orders={"order": 1}))


def test_a_field_that_is_optional_is_left_out_and_another_is_null():
    row = to_json(made(comparison()).rows[0])
    assert "seeds" not in row
    assert row["error"] is None
    assert typed([1, 2], list[int], "numbers") == [1, 2]
