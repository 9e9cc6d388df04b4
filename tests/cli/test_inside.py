"""`lmzoo inside`: tables of what a network does with a text, JSON, what is measured, and mistakes."""

import json

import pytest

from lmzoo import models
from lmzoo.cli.inside import show_inside
from lmzoo.data import tokenizers
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data
from lmzoo.models.uniform import Uniform
from lmzoo.runs import store

TEXT = "the cat sat. the dog sat. the hyena ran. " * 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Untrained networks and a model that is none."""
    place = tmp_path_factory.mktemp("inside")
    (place / "text.txt").write_text(TEXT * 10)
    words = tokenizers.train("word:50", TEXT)
    for name in ("gpt", "lstm", "mlp"):
        cls = models.find(name)
        model = cls.from_config(models.presets(cls)["tiny"])
        model = model.holding(model.build(words.vocab_size).eval(), words.vocab_size)
        store.save(
            TextModel(model, words),
            place / name,
            {"corpus": str(place / "text.txt"), "corpus_path": str(place / "text.txt")},
        )
    uniform = Uniform().fit(Data.of(words.encode(TEXT), words.encode(TEXT), words.vocab_size))
    store.save(TextModel(uniform, words), place / "uniform", {})
    return place


@pytest.fixture
def lmzoo(calling, monkeypatch, folder):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")
    return calling(inside=show_inside)


def test_a_transformer_shows_a_head_and_what_each_layer_would_predict(lmzoo):
    code, out, err = lmzoo("gpt", "the cat sat", "--layer", 2, "--head", 2)
    assert (code, err) == (0, "")
    assert "layer 2, head 2: what each token attends to" in out
    assert "embeddings" in out and "layer 2" in out
    assert sum("␣cat" in line.split()[0] for line in out.splitlines() if line.strip()) == 2


def test_an_lstm_shows_a_cell_and_its_gates(lmzoo):
    code, out, _ = lmzoo("lstm", "the cat sat", "--cell", 32)
    assert code == 0
    assert "layer 1, cell 32" in out
    assert all(name in out for name in ("value", "input", "forget", "output"))


def test_json_has_what_the_tables_show(lmzoo):
    facts = json.loads(lmzoo("gpt", "the cat sat", "--json")[1])
    assert facts["can"] == ["attention", "lens", "positions", "vectors"]
    assert len(facts["attention"]["weights"]) == len(facts["attention"]["pieces"]) == 4
    assert [one["layer"] for one in facts["lens"]] == ["embeddings", "layer 1", "layer 2"]
    assert "measured" not in facts


def test_what_is_measured_says_where_and_that_it_does_not_pass(lmzoo):
    out = lmzoo("gpt", "the cat sat", "--measure", "--quiet")[1]
    assert "induction: layer" in out
    assert "too little to be shown" in out
    facts = json.loads(lmzoo("lstm", "the cat sat", "--measure", "--json", "--quiet")[1])
    assert {one["what"] for one in facts["measured"]} == {"cell"}


def test_a_network_without_either_says_where_to_look(lmzoo):
    assert "lmzoo neighbours" in lmzoo("mlp", "the cat")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["uniform", "the cat"], "uniform: uniform is no neural network"),
        (["gpt", "the cat", "--layer", 3], "gpt: no layer 3 in this model: there are 1 to 2"),
        (["lstm", "the cat", "--cell", 33], "lstm: no cell 33 in this model: there are 1 to 32"),
        (["nowhere", "the cat"], "nowhere"),
    ],
)
def test_mistakes_are_one_line(lmzoo, arguments, message):
    code, out, err = lmzoo(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1
