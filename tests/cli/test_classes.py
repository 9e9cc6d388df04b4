"""`lmzoo classes`: what a lecturer sees of the classes, and what is said of a run that has none."""

import json

import numpy as np
import pytest

from lmzoo.cli.ngrams import show_classes
from lmzoo.data import tokenizers
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data
from lmzoo.models.classes import Classes
from lmzoo.models.ngram import Ngram
from lmzoo.runs import store

TEXT = "the cat sat on the mat. a dog lay on a rug. the dog sat on a mat. a cat lay on the rug. " * 20


@pytest.fixture
def lmzoo(calling):
    """Call `lmzoo classes` alone in an application of its own: (exit code, stdout, stderr)."""
    return calling(classes=show_classes)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    made = tokenizers.train("word:100", TEXT)
    ids = made.encode(TEXT)
    folder = tmp_path_factory.mktemp("runs")
    for model in (Classes(classes=6), Ngram(order=2)):
        store.save(TextModel(model.fit(Data.of(ids, ids[:50], made.vocab_size)), made), folder / model.name)
    return folder


def test_each_class_is_a_row_with_its_most_frequent_words(lmzoo, runs):
    code, out, err = lmzoo(runs / "classes")
    assert (code, err) == (0, "")
    rows = [line.split() for line in out.splitlines()]
    assert any({"cat", "dog"} <= set(row) for row in rows)
    assert any({"mat", "rug"} <= set(row) for row in rows)
    assert "+the" in out  # the first word of all has no space before it
    assert out.endswith("+ marks a word that has no space before it\n")


def test_json_says_all_of_it_the_largest_first(lmzoo, runs):
    found = json.loads(lmzoo(runs / "classes", "--json", "--words", 3)[1])["classes"]
    assert sum(fact["share"] for fact in found) == pytest.approx(1)
    assert sum(fact["words"] for fact in found) == store.load(runs / "classes").model.vocab_size_
    assert (np.diff([fact["occurrences"] for fact in found]) <= 0).all()
    assert all(len(fact["most_frequent"]) == min(3, fact["words"]) for fact in found)
    assert {" cat", " dog"} in [set(fact["most_frequent"]) for fact in found]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ngram"], "ngram has no word classes; lmzoo train classes finds some"),
        (["nowhere"], "no run at"),
        (["classes", "--words", "0"], "--words must be 1 or more, not 0"),
        (["classes", "--words", "few"], "--words must be a whole number, not 'few'"),
    ],
)
def test_what_cannot_be_shown_is_said_in_one_line(lmzoo, runs, arguments, message):
    code, out, err = lmzoo(runs / arguments[0], *arguments[1:])
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
