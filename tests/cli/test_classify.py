"""`lmzoo classify`: texts, pairs, files and stdin, JSON and mistakes."""

import io
import json

import numpy as np
import pytest

from lmzoo.cli.classify import classify_texts
from lmzoo.data import tokenizers
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data, Examples, Run
from lmzoo.models.finetuned import FineTuned
from lmzoo.models.ngram import Ngram
from lmzoo.runs import store
from tests.neural.networks import network

GOOD, BAD = ("a fine film", "a great film", "fine and great"), ("a dull film", "a poor film", "dull and poor")
TEXT = " ".join((*GOOD, *BAD)) + " "


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Runs that have learned: good or bad, which of two texts is good, stars, a tag for each word; and a trigram."""
    place = tmp_path_factory.mktemp("classify")
    tokenizer = tokenizers.train("word:20", TEXT)
    ids = tokenizer.encode(TEXT)
    base = network("lstm").fit(Data.of(np.tile(ids, 20), ids, tokenizer.vocab_size), Run(steps=5, device="cpu"))
    good, bad = ([tokenizer.encode(text) for text in texts] for texts in (GOOD, BAD))
    both = [(text,) for text in (*good, *bad)]
    pairs = [pair for one, other in zip(good, bad, strict=True) for pair in ((one, other), (other, one))]
    tags = [(tokenizer.encode(text), tokenizer.word_ends(text.split(), tokenizer.encode(text))) for text in GOOD + BAD]
    words = [word for text in GOOD + BAD for word in text.split()]
    sets = {
        "opinion": (Examples(both, np.array([1, 1, 1, 0, 0, 0]), ("bad", "good")), {}),
        "stars": (Examples(both, np.array([5.0, 5, 5, 1, 1, 1])), {}),
        "better": (Examples(pairs, np.array([0, 1] * 3), ("first", "second")), {}),
        "choice": (Examples([(ids[:2], *pair) for pair in pairs], np.array([0, 1] * 3)), {"form": "choice"}),
        "tags": (
            Examples(tags, np.array([word == "film" for word in words]).astype(int), ("-", "N")),
            {"form": "tags"},
        ),
    }
    for name, (examples, settings) in sets.items():
        model = FineTuned.over(base, learning_rate=0.02, **settings)
        model.fit_labels(examples, examples, Run(steps=40, device="cpu"))
        store.save(TextModel(model, tokenizer), place / name, {})
    store.save(TextModel(Ngram(order=3).fit(Data.of(ids, ids, tokenizer.vocab_size)), tokenizer), place / "trigram", {})
    return place


@pytest.fixture
def lmzoo(calling, monkeypatch, folder):
    """Call `lmzoo classify` alone in an application of its own: (exit code, stdout, stderr)."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")
    return calling(classify=classify_texts)


def classes(out):
    return [one["class"] for one in json.loads(out)["texts"]]


def test_a_row_for_each_text_with_the_likeliest_class_first(lmzoo):
    code, out, err = lmzoo("opinion", "a great film", "dull and poor")
    assert (code, err) == (0, "")
    first, second = [line.split() for line in out.splitlines() if "%" in line]
    assert first[:4] == ["a", "great", "film", "good"] and first[5] == "bad"
    assert second[3] == "bad"
    assert float(first[4][:-1]) + float(first[6][:-1]) == pytest.approx(100, abs=0.11)


def test_json_has_all_probabilities(lmzoo):
    facts = json.loads(lmzoo("opinion", "a great film", "--json")[1])
    (one,) = facts["texts"]
    assert (facts["classes"], one["texts"], one["class"]) == (["bad", "good"], ["a great film"], "good")
    assert list(one["probabilities"]) == ["good", "bad"]
    assert sum(one["probabilities"].values()) == pytest.approx(1)


def test_texts_come_from_a_file_or_from_stdin(lmzoo, monkeypatch, tmp_path):
    (tmp_path / "texts").write_text("a dull film\na fine film\n")
    assert classes(lmzoo("opinion", "--file", tmp_path / "texts", "--json")[1]) == ["bad", "good"]
    monkeypatch.setattr("sys.stdin", io.StringIO("a fine film\n"))
    assert classes(lmzoo("opinion", "--json")[1]) == ["good"]


def test_pairs_are_taken_two_by_two_or_with_a_tab_between(lmzoo, tmp_path):
    assert classes(lmzoo("better", "a dull film", "a fine film", "a fine film", "a poor film", "--json")[1]) == [
        "second", "first",
    ]  # fmt: skip
    (tmp_path / "pairs").write_text("a dull film\ta fine film\n")
    assert classes(lmzoo("better", "--file", tmp_path / "pairs", "--json")[1]) == ["second"]


def test_a_choice_takes_a_beginning_and_any_number_of_continuations(lmzoo):
    facts = json.loads(lmzoo("choice", "a fine", "dull and poor", "a poor film", "a great film", "--json")[1])
    (one,) = facts["texts"]
    assert one["class"] == "3"
    assert sum(one["probabilities"].values()) == pytest.approx(1)


def test_numbers_and_words(lmzoo):
    numbers = [one["number"] for one in json.loads(lmzoo("stars", "a great film", "a dull film", "--json")[1])["texts"]]
    assert numbers == pytest.approx([5, 1], abs=1)
    assert "number" in lmzoo("stars", "a great film")[1]
    (one,) = json.loads(lmzoo("tags", "a great film", "--json")[1])["texts"]
    assert [(word["word"], word["class"]) for word in one["words"]] == [("a", "-"), ("great", "-"), ("film", "N")]
    assert "film" in lmzoo("tags", "a great film")[1]


def test_a_text_that_is_cut_is_said(lmzoo):
    assert "note: 1 text is longer than this run reads: its" in lmzoo("opinion", "film " * 500, "a dull film")[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["trigram", "a film"], "trigram: a ngram has learned no classes: lmzoo finetune makes a run that has"),
        (["opinion", "a film", " "], "text 2 is empty"),
        (["better", "a film"], "it reads 2 texts together, and there are 1"),
        (["choice", "a film", "a film"], "text 1 is no choice"),
        (["opinion", "a film", "--file", "x"], "not both"),
        (["opinion", "--file", "none"], "cannot read none"),
        (["nothing", "a film"], "no run at nothing"),
    ],
)
def test_mistakes_in_one_line(lmzoo, arguments, says):
    code, out, err = lmzoo(*arguments)
    assert (code, out) == (2, "")
    assert says in err and err.count("\n") == 1


def test_a_line_with_too_many_texts_is_named(lmzoo, tmp_path):
    (tmp_path / "texts").write_text("a film\na fine\tfilm\n")
    assert "text 2 is 2 texts, with tabs between, and it reads 1" in lmzoo("opinion", "--file", tmp_path / "texts")[2]
