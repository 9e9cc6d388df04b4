"""What a comparison says, before anybody has laid it out."""

import json

import numpy as np
import pytest

from lmzoo.report import summary
from tests.comparisons import associations, comparison, row, score, with_associations


def test_numpy_numbers_and_tuples_become_plain():
    told = summary.plain({"a": np.float32(0.5), "b": np.arange(2), "c": (np.int64(3), True, None)})
    assert told == {"a": 0.5, "b": [0, 1], "c": [3, True, None]}
    assert json.dumps(told) == '{"a": 0.5, "b": [0, 1], "c": [3, true, null]}'


def test_the_finding_follows_the_numbers():
    given = comparison(references=[], differences=[])
    given["corpus"]["floor_bits"] = None
    given["rows"][0]["score"] = score(1.004)
    assert summary.finding(given)[:2] == [
        "uniform needs 1.00 bits per character.",
        "The next best, Modified Kneser\u2013Ney of order 5, needs 0.31 more.",
    ]
    level = {"a": "ngram order=5", "b": "ngram order=3", "delta": -0.01, "low": -0.03, "high": 0.01}
    near = comparison(rows=[row("ngram order=5", 1.31), row("ngram order=3", 1.32)], differences=[level])
    assert summary.finding(near)[1] == "ngram order=3 is level with it: the difference of 0.010 is within chance."
    worse = comparison(rows=[row("uniform", 2.4)], references=comparison()["references"][1:2])
    assert summary.finding(worse) == [
        "uniform needs 2.40 bits per character, 1.30 above the true source and 0.40 above bz2 alone."
    ]


def test_a_model_below_the_true_source_is_remarked_upon():
    said = summary.finding(comparison(rows=[row("gpt", 1.05)]))
    assert "0.050 below the true source" in said[0]
    assert "leaked" in said[1]


def test_two_rows_of_one_description_are_told_apart_by_their_labels():
    config = {"order": 5, "smoothing": "kneser-ney"}
    said = summary.finding(
        comparison(rows=[row("ngram char", 1.3, config=config), row("ngram bpe", 1.4, config=config)])
    )
    assert said[0].startswith("ngram char needs")


def test_the_same_note_is_printed_once():
    rows = [row("ngram", 1.3, notes=["counts too few"]), row("uniform", 2, notes=["counts too few", "other"])]
    view = summary.cells(comparison(rows=rows))
    assert view["notes"] == ["counts too few", "other"]
    assert [line["marks"] for line in view["lines"]] == [[1], [1, 2]]


def test_differences_are_called_real_only_when_zero_is_outside():
    pair = {"a": "x", "b": "y", "delta": -0.1, "low": -0.2, "high": 0.01}
    verdicts = [made["verdict"] for made in summary.verdicts(comparison(differences=[pair, pair | {"high": -0.01}]))]
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
    assert summary.amount(number) == text


# Compressors


def test_of_each_compressor_figures_take_the_best_and_the_table_has_both():
    given = comparison()
    assert [(row["label"], row["given_train"]) for row in summary.best_references(given)] == [
        ("xz", True), ("bz2", False), ("gzip", True),
    ]  # fmt: skip
    grid = summary.references(given)
    assert [label for label, _ in grid.lines] == ["xz", "bz2", "gzip"]
    assert dict(grid.lines)["xz"] == [
        ("2.200", "55,000 bytes"), ("1.910", "47,500 bytes, given the training text"),
    ]  # fmt: skip
    assert dict(grid.lines)["bz2"][1] == (summary.DASH, "")
    assert summary.references(comparison(references=[])) is None


# Associations


@pytest.mark.parametrize("view", ["gains", "beside_pmi", "knowledge", "every_test", "nearest_words"])
def test_without_associations_there_is_no_grid(view):
    assert getattr(summary, view)(comparison()) is None


def test_what_is_saved_is_the_unigrams_bits_less_the_models():
    (_, pmi), (label, word2vec) = summary.gains(with_associations()).lines
    assert label == "word2vec dimensions 50"
    assert [text for text, _ in pmi] == ["6.000", "8.250", "2.250", "1.200", "1.40, 0.70, 0.50"]
    assert word2vec[-1] == ("1.00, 0.20, \N{MINUS SIGN}0.10, 0.00, 0.10", "")


def test_scores_are_set_beside_pmi_less_log_k_where_there_is_a_k():
    (_, pmi), (_, word2vec) = summary.beside_pmi(with_associations()).lines
    assert pmi == [("PMI", "window 3, flat weights"), ("0.950", ""), ("0.900", "")]
    assert word2vec[0] == ("PMI \N{MINUS SIGN} log 5", "window 5, linear weights")


def test_what_vectors_know_stands_beside_what_they_cost():
    grid = summary.knowledge(with_associations())
    assert grid.heads[:3] == ("WordSim-353", "SimLex-999", "MEN")
    assert grid.heads[3:] == (
        "3CosAdd", "3CosAdd, semantic", "3CosAdd, syntactic", "3CosMul", "bits/char", "train", "peak memory",
    )  # fmt: skip
    (_, pmi), (_, word2vec) = grid.lines
    assert pmi[0] == ("0.500", "300 of 353")
    assert pmi[1] == ("\N{MINUS SIGN}0.100", "300 of 353")
    assert pmi[3] == ("25.0 %", "100 of 110")
    assert [text for text, _ in pmi[-3:]] == ["1.500", "1.23 s", "250 MB"]
    assert word2vec[3] == (summary.DASH, "0 of 10")
    assert word2vec[-1][0] == summary.DASH  # its memory is not known


def test_every_set_and_every_kind_of_analogy_has_its_line():
    labels = [label for label, _ in summary.every_test(with_associations()).lines]
    assert labels[:4] == associations()["word_tests"]["sets"]
    assert labels[4:] == [
        f"analogies, {method}, {part}"
        for method in ("3CosAdd", "3CosMul")
        for part in ("total", "semantic", "syntactic")
    ]


def test_neighbours_are_listed_by_word_and_model():
    grid = summary.nearest_words(with_associations())
    assert grid.heads == ("pmi", "word2vec dimensions 50")
    assert grid.lines[0] == ("king", [("queen, man", ""), ("queen, woman", "")])
