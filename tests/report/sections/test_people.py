"""People beside machines: bits of the very characters that people have guessed, and their band in the history."""

import math

import pytest

from lmzoo.comparison.compare import compare
from lmzoo.data import corpus as corpora
from lmzoo.evaluation.people import Session
from lmzoo.interface import Run
from lmzoo.report import page
from lmzoo.report.section import find
from lmzoo.runs import store

SESSION = Session("storyworld", "The old ", "The old cats sleep.", 60, [2, 1, 1, 5, 1, 1, 1, 3, 1, 1, 1], [])


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people") / "report"
    source = corpora.load("storyworld:50kB")
    how = {"sections": [find("people"), find("history")], "people": [SESSION]}
    return compare(["uniform", "ngram:order=2"], source, folder, Run(seed=1), **how), folder


def test_models_need_bits_for_the_same_characters(compared):
    made, folder = compared
    facts = made.facts["people"]
    assert (facts.sessions, facts.characters) == (1, 11)
    assert facts.low < facts.high
    text_model = store.load(folder / "runs" / "ngram-order-2")
    (bigram,) = [row for row in facts.rows if row.model == "ngram"]
    nats = text_model.log_prob("cats sleep.", "The old ")
    assert bigram.bits_per_character == pytest.approx(-nats / math.log(2) / 11)


def test_the_page_says_so_and_the_history_has_a_band(compared):
    made, _ = compared
    shown = page.render(made)["index.html"].decode()
    facts = made.facts["people"]
    assert f"between <b>{facts.low:.2f}</b> and <b>{facts.high:.2f}</b>" in shown
    assert "The band of people" in shown
    assert f"A band from {facts.low:.2g} to" in shown or "people (11 characters)" in shown


def test_without_games_there_is_no_section(tmp_path):
    made = compare(["uniform"], corpora.load("storyworld:50kB"), tmp_path, Run(), sections=[find("people")])
    assert "people" not in made.facts
