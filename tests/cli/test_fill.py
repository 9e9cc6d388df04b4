"""`lmzoo fill` and `lmzoo train bert`: a run of blanks, shown and refused."""

import json

import pytest

from lmzoo.cli.exchange import export_run, import_file
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
    bert = Bert.from_config({**Bert.PRESETS["tiny"], "batch": 8, "convolution": 0, "norm_first": False})
    for model in (bert, Uniform()):
        store.save(TextModel(model.fit(data, Run(steps=30)), tokenizer), tmp_path / model.name, {})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return calling(fill=fill_blanks, export=export_run, **{"import": import_file})


def test_blanks_are_filled_and_what_cannot_be_is_said_in_a_line(lmzoo):
    code, out, err = lmzoo("fill", "bert", "the [MASK] sat on the [MASK].", "--top", "3")
    assert (code, err) == (0, "")
    assert "the [MASK] sat on the" in out and "sat on the [MASK]." in out
    assert out.count(" %") == 6
    facts = json.loads(lmzoo("fill", "bert", "the [MASK] sat on the mat.", "--json")[1])
    (blank,) = facts["blanks"]
    assert blank["position"] == 1 and len(blank["tokens"]) == 5
    assert list(blank["tokens"].values()) == sorted(blank["tokens"].values(), reverse=True)
    code, out, err = lmzoo("fill", "uniform", "the [MASK] sat.")
    assert (code, out) == (2, "") and "uniform fills no blanks" in err and err.count("\n") == 1
    code, out, err = lmzoo("fill", "bert", "the cat sat.")
    assert (code, out) == (2, "") and "write [MASK]" in err and err.count("\n") == 1


def test_a_bert_is_exported_and_comes_back_with_a_tokenizer(lmzoo, tmp_path):
    code, out, err = lmzoo("export", "bert", "theirs")
    assert (code, err) == (0, "")
    assert all(part in " ".join(out.split()) for part in ("loads it as BertForMaskedLM", "no tokenizer like word:50"))
    code, out, err = lmzoo("import", "theirs", "--out", "again")
    assert code == 2 and "theirs has no tokenizer: put its vocab.txt" in err and err.count("\n") == 1
    size = json.loads((tmp_path / "theirs" / "config.json").read_text())["vocab_size"]
    pieces = ["[PAD]", "[UNK]", "[SEP]", "the", "cat", "sat", *(f"##{n}" for n in range(size - 8)), "[MASK]", "[CLS]"]
    (tmp_path / "theirs" / "vocab.txt").write_text("".join(f"{piece}\n" for piece in pieces))
    code, out, err = lmzoo("import", "theirs", "--out", "again")
    assert (
        code == 0
        and "text is read in lower case" in out
        and "fill blanks with: lmzoo fill again" in " ".join(out.split())
    )
    facts = json.loads(lmzoo("fill", "again", "The [MASK] sat", "--json")[1])
    assert facts["blanks"][0]["position"] == 1 and "loses capitals" in facts["notes"][0]
