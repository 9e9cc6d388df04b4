"""What a comparison says, before anybody has laid it out."""

import json

import numpy as np
import pytest

from lmzoo import findings
from tests.comparisons import comparison, row, score


def test_numpy_numbers_and_tuples_become_plain():
    told = findings.plain({"a": np.float32(0.5), "b": np.arange(2), "c": (np.int64(3), True, None)})
    assert told == {"a": 0.5, "b": [0, 1], "c": [3, True, None]}
    assert json.dumps(told) == '{"a": 0.5, "b": [0, 1], "c": [3, true, null]}'


def test_the_finding_follows_the_numbers():
    given = comparison(references=[], differences=[])
    given["corpus"]["floor_bits"] = None
    given["rows"][0]["score"] = score(1.004)
    assert findings.finding(given)[:2] == [
        "uniform needs 1.00 bits per character.",
        "The next best, Modified Kneser\u2013Ney of order 5, needs 0.31 more.",
    ]
    level = {"a": "ngram order=5", "b": "ngram order=3", "delta": -0.01, "low": -0.03, "high": 0.01}
    near = comparison(rows=[row("ngram order=5", 1.31), row("ngram order=3", 1.32)], differences=[level])
    assert findings.finding(near)[1] == "ngram order=3 is level with it: the difference of 0.010 is within chance."
    worse = comparison(rows=[row("uniform", 2.4)], references=comparison()["references"][1:2])
    assert findings.finding(worse) == [
        "uniform needs 2.40 bits per character, 1.30 above the true source and 0.40 above bz2 alone."
    ]


def test_a_model_below_the_true_source_is_remarked_upon():
    said = findings.finding(comparison(rows=[row("gpt", 1.05)]))
    assert "0.050 below the true source" in said[0]
    assert "leaked" in said[1]


def test_two_rows_of_one_description_are_told_apart_by_their_labels():
    config = {"order": 5, "smoothing": "kneser-ney"}
    said = findings.finding(
        comparison(rows=[row("ngram char", 1.3, config=config), row("ngram bpe", 1.4, config=config)])
    )
    assert said[0].startswith("ngram char needs")


def test_the_same_note_is_printed_once():
    rows = [row("ngram", 1.3, notes=["counts too few"]), row("uniform", 2, notes=["counts too few", "other"])]
    view = findings.cells(comparison(rows=rows))
    assert view["notes"] == ["counts too few", "other"]
    assert [line["marks"] for line in view["lines"]] == [[1], [1, 2]]


def test_differences_are_called_real_only_when_zero_is_outside():
    pair = {"a": "x", "b": "y", "delta": -0.1, "low": -0.2, "high": 0.01}
    verdicts = [made["verdict"] for made in findings.verdicts(comparison(differences=[pair, pair | {"high": -0.01}]))]
    assert verdicts == ["level, within chance", "x is better"]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (3.14159, "3.14"),
        (8.396, "8.40"),
        (950, "950"),
        (999.7, "1.00 k"),
        (12_345, "12.3 k"),
        (1e6, "1.00 M"),
        (2.5e9, "2.50 G"),
    ],
)
def test_amounts_are_short(number, text):
    assert findings.amount(number) == text
