"""What a comparison says, before anybody has laid it out."""

import json

import numpy as np
import pytest

from lmzoo.report import summary
from lmzoo.report.sections.table import main_table
from lmzoo.report.table import DASH, amount
from tests.comparisons import comparison, made, pairs, row, tables


def test_numpy_numbers_and_tuples_become_plain():
    told = summary.plain({"a": np.float32(0.5), "b": np.arange(2), "c": (np.int64(3), True, None)})
    assert told == {"a": 0.5, "b": [0, 1], "c": [3, True, None]}
    assert json.dumps(told) == '{"a": 0.5, "b": [0, 1], "c": [3, true, null]}'


def test_the_same_note_is_printed_once():
    rows = [row("ngram", 1.3, notes=["counts too few"]), row("uniform", 2, notes=["counts too few", "other"]),
            row("mlp", 3)]  # fmt: skip
    view = main_table(made(comparison(rows=rows)))
    assert view.notes == ("counts too few", "other")
    assert [line.notes for line in view.lines] == [(1,), (1, 2), ()]


def test_a_note_on_every_row_is_said_once_of_all():
    rows = [row("ngram", 1.3, notes=["checked", "other"]), row("uniform", 2, notes=["checked"])]
    view = main_table(made(comparison(rows=rows)))
    assert view.notes == ("other", "all models: checked")
    assert [line.notes for line in view.lines] == [(1,), ()]


def test_differences_are_called_real_only_when_zero_is_outside():
    pair = {"a": "x", "b": "y", "delta": -0.1, "low": -0.2, "high": 0.01}
    (table,) = tables("differences", comparison(differences=[pair, pair | {"high": -0.01}]))
    assert [cells[-1].text for _, cells in table.lines] == ["level, within chance", "x is better"]


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
    assert amount(number) == text


# Compressors


def test_of_each_compressor_figures_take_the_best_and_the_table_has_both():
    given = comparison()
    assert [(row.label, row.given_train) for row in summary.best_references(made(given))] == [
        ("xz", True), ("bz2", False), ("gzip", True),
    ]  # fmt: skip
    (grid,) = tables("compressors", given)
    assert [label for label, _ in grid.lines] == ["xz, adaptive", "bz2, adaptive", "gzip, adaptive"]
    assert pairs(dict(grid.lines)["xz, adaptive"]) == [
        ("2.200", "55,000 bytes"), ("1.910", "47,500 bytes, given the training text"),
    ]  # fmt: skip
    assert pairs(dict(grid.lines)["bz2, adaptive"])[1] == (DASH, "")
    assert tables("compressors", comparison(references=[])) == ()
