"""What a comparison says of what its models know."""

import numpy as np
import pytest

from lmzoo import compare, corpus, knowledge, train
from lmzoo.interface import Run


@pytest.fixture(scope="module")
def examined():
    """Two models on the built-in corpus, with what they know of it."""
    text = train.encode(corpus.load("storyworld"), None, Run())
    entries = []
    for words in ("uniform", "ngram:order=3"):
        name, given = train.parse(words)
        fitted = train.fit(name, given, text, Run())
        entry = compare.Contestant(words, {"label": words, "model": name}, fitted.model, text.tokenizer)
        entries.append(entry)
    return knowledge.exam_facts(entries, text.corpus, Run())["exam"]


def test_every_model_and_the_source_are_graded_in_every_phenomenon(examined):
    names = [about["phenomenon"] for about in examined["about"]]
    assert len(names) == len(set(names)) > 10
    for grades in (examined["ceiling"], *(row["grades"] for row in examined["rows"])):
        assert [grade["task"] for grade in grades] == names


def test_who_knows_nothing_guesses_and_nobody_passes_the_source(examined):
    uniform, ngram = (np.array([grade["value"] for grade in row["grades"]]) for row in examined["rows"])
    chance = np.array([grade["chance"] for grade in examined["ceiling"]])
    source = np.array([grade["value"] for grade in examined["ceiling"]])
    np.testing.assert_allclose(uniform, chance)
    assert (ngram <= source + 0.1).all()  # by luck, where the source itself must guess
    assert ngram.mean() > uniform.mean()


def test_a_corpus_without_a_grammar_has_no_exam(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("the cat sat on the mat\n" * 99)
    assert knowledge.exam_facts([], corpus.load(str(path)), Run()) == {}
