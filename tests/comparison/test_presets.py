"""What `lmzoo compare` trains when nobody says what."""

import re

import pytest

from lmzoo import models
from lmzoo.cli.options import parse_budget
from lmzoo.comparison import presets
from lmzoo.errors import FormatError, UsageError
from lmzoo.runs.train import parse


@pytest.mark.parametrize("name", presets.presets())
def test_every_model_of_a_preset_can_be_made(name):
    preset = presets.presets()[name]
    for words in preset.models:
        kind, given = parse(words)
        models.make(models.find(kind), given)
    assert {*parse_budget(preset.budget)} == {"tokens", "seconds"}  # the same on every machine, within a bound
    assert preset.about


def test_each_tells_the_whole_story_in_order():
    for preset in presets.presets().values():
        kinds = list(dict.fromkeys(parse(words)[0] for words in preset.models))
        assert set(kinds) >= {
            "uniform",
            "ngram",
            "classes",
            "pmi",
            "svd",
            "glove",
            "word2vec",
            "mlp",
            "rnn",
            "lstm",
            "speedrun",
        }


def test_auto_is_as_the_machine_is(monkeypatch):
    assert presets.preset("auto", "cpu").name == presets.preset(None, "cpu").name == "laptop"
    assert presets.preset(None, "cpu", own=True).name == "own"
    monkeypatch.setattr(presets, "accelerator", lambda device: "cuda:0")
    assert presets.preset("auto", "auto").name == "gpu"
    assert presets.preset("auto", "auto", own=True).name == "gpu"
    assert presets.preset("laptop", "auto").name == "laptop"


def test_a_wrong_name_is_named_with_the_right_ones():
    with pytest.raises(UsageError, match=r"no preset 'labtop' \(did you mean laptop\?\)|did you mean laptop"):
        presets.preset("labtop", "cpu")


@pytest.mark.parametrize("text", ["[laptop]\nabout = 'x'\n", "no toml", "laptop = 3"])
def test_an_invalid_file_of_presets_is_refused(text, tmp_path, monkeypatch):
    (tmp_path / presets.NAME).write_text(text)
    monkeypatch.setattr(presets, "folder", lambda: tmp_path)
    with pytest.raises(FormatError, match=re.escape(presets.NAME)):
        presets.presets()


def test_a_text_of_ones_own_gets_the_order_that_its_validation_text_chooses():
    laptop, own = (presets.presets()[name].models for name in ("laptop", "own"))
    assert [(a, b) for a, b in zip(laptop, own, strict=True) if a != b] == [("ngram:order=5", "ngram:order=auto")]
