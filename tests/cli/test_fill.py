"""`lmzoo fill` and `lmzoo train bert`: a run of blanks, shown and refused."""

import json

import pytest

from lmzoo.cli.fill import fill_blanks
from lmzoo.data import tokenizers
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data, Run
from lmzoo.models.bert import Bert
from lmzoo.models.uniform import Uniform
from lmzoo.runs import store

TEXT = "the cat sat on the mat. the dog sat on the rug. " * 40


@pytest.fixture
def lmzoo(calling, monkeypatch, tmp_path):
    tokenizer = tokenizers.train("word:50", TEXT)
    data = Data.of(tokenizer.encode(TEXT), [], tokenizer.vocab_size)
    bert = Bert.from_config({**Bert.PRESETS["tiny"], "batch": 8})
    for model in (bert, Uniform()):
        store.save(TextModel(model.fit(data, Run(steps=30)), tokenizer), tmp_path / model.name, {})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return calling(fill=fill_blanks)


def test_blanks_are_filled_and_what_cannot_be_is_said_in_a_line(lmzoo):
    code, out, err = lmzoo("bert", "the [MASK] sat on the [MASK].", "--top", "3")
    assert (code, err) == (0, "")
    assert "the [MASK] sat on the" in out and "sat on the [MASK]." in out
    assert out.count(" %") == 6
    facts = json.loads(lmzoo("bert", "the [MASK] sat on the mat.", "--json")[1])
    (blank,) = facts["blanks"]
    assert blank["position"] == 1 and len(blank["tokens"]) == 5
    assert list(blank["tokens"].values()) == sorted(blank["tokens"].values(), reverse=True)
    code, out, err = lmzoo("uniform", "the [MASK] sat.")
    assert (code, out) == (2, "") and "uniform fills no blanks" in err and err.count("\n") == 1
    code, out, err = lmzoo("bert", "the cat sat.")
    assert (code, out) == (2, "") and "write [MASK]" in err and err.count("\n") == 1
