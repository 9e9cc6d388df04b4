"""The tables of associations: what they show."""

from dataclasses import replace

import pytest

from lmzoo.report.section import find
from lmzoo.report.table import DASH
from tests.comparisons import associations, comparison, made, pairs, tables, with_associations


@pytest.mark.parametrize("section", ["distances", "factorised", "word_tests", "neighbours"])
def test_without_associations_there_is_no_table(section):
    assert tables(section, comparison()) == ()


def test_what_is_saved_is_the_unigrams_bits_less_the_models():
    (table,) = tables("distances", with_associations())
    (_, pmi), (label, word2vec) = table.lines
    assert label == "word2vec dimensions 50"
    assert [cell.text for cell in pmi] == ["6.000", "8.250", "2.250", "1.200", "1.40, 0.70, 0.50"]
    assert pairs(word2vec)[-1] == ("1.00, 0.20, \N{MINUS SIGN}0.10, 0.00, 0.10", "")


def test_scores_are_set_beside_pmi_less_log_k_where_there_is_a_k():
    (table,) = tables("factorised", with_associations())
    pmi, word2vec = (pairs(cells) for _, cells in table.lines)
    assert pmi == [("PMI", "window 3, flat weights"), ("0.950", ""), ("0.900", "")]
    assert word2vec[0] == ("PMI \N{MINUS SIGN} log 5", "window 5, linear weights")


def test_what_vectors_know_stands_beside_what_they_cost():
    grid, _ = tables("word_tests", with_associations())
    assert grid.heads[:3] == ("WordSim-353", "SimLex-999", "MEN")
    assert grid.heads[3:] == (
        "3CosAdd", "3CosAdd, semantic", "3CosAdd, syntactic", "3CosMul", "bits/char", "train", "memory",
    )  # fmt: skip
    pmi, word2vec = (pairs(cells) for _, cells in grid.lines)
    assert pmi[0] == ("0.500", "300 of 353")
    assert pmi[1] == ("\N{MINUS SIGN}0.100", "300 of 353")
    assert pmi[3] == ("25.0 %", "100 of 110")
    assert [text for text, _ in pmi[-3:]] == ["1.500", "1.23 s", "250 MB"]
    assert word2vec[3] == (DASH, "0 of 10")
    assert word2vec[-1][0] == DASH  # its memory is not known


def test_the_analogies_solved_are_what_a_model_knows():
    report = made(with_associations())
    facts = report.facts["word_tests"]
    of_page = find("word_tests").measure(facts, report)
    assert of_page.values == {"pmi": 0.25, "word2vec dimensions 50": None}
    assert of_page.clause.format("25 %") == "solves 25 % of the analogies"
    assert (
        find("word_tests").measure(replace(facts, rows=[replace(row, analogies={}) for row in facts.rows]), report)
        is None
    )


def test_whose_vectors_agree_best_with_people_is_said_of_each_set():
    report = made(with_associations())
    facts = report.facts["word_tests"]
    pmi, word2vec = facts.rows
    better = replace(word2vec, sets={name: replace(one, spearman=-0.05) for name, one in word2vec.sets.items()})
    assert find("word_tests").findings(replace(facts, rows=(pmi, better)), report) == [
        "Closest to human judgments of similarity are the vectors of pmi in WordSim-353 (0.50) and MEN (0.50), "
        "of word2vec dimensions 50 in SimLex-999 (\N{MINUS SIGN}0.05)."
    ]


def test_every_set_and_every_kind_of_analogy_has_its_line():
    _, every = tables("word_tests", with_associations())
    labels = [label for label, _ in every.lines]
    assert labels[:4] == associations()["word_tests"]["sets"]
    assert labels[4:] == [
        f"analogies, {method}, {part}"
        for method in ("3CosAdd", "3CosMul")
        for part in ("total", "semantic", "syntactic")
    ]


def test_neighbours_are_listed_by_word_and_model():
    (grid,) = tables("neighbours", with_associations())
    assert grid.heads == ["pmi", "word2vec dimensions 50"]
    word, cells = grid.lines[0]
    assert (word, pairs(cells)) == ("king", [("queen, man", ""), ("queen, woman", "")])
