"""Runs of format 1 in which one `gpt` was what three models are today."""

import json

import numpy as np
import pytest

from lmzoo import models
from lmzoo.runs import store
from lmzoo.runs.upgrade import current
from lmzoo.testing import practice_text
from tests.neural.networks import scattered

TRAINING = {
    "batch": 8, "window": 12, "optimizer": "adamw", "learning_rate": 0.01, "matrix_rate": 0.01, "beta2": 0.95,
    "weight_decay": 0.1, "warmup": 0.02, "cooldown": 0.8, "clip": 1.0, "accumulate": 1, "average": 0.0, "patience": 0,
}  # fmt: skip
SIZES = {**TRAINING, "layers": 2, "heads": 2, "width": 16, "dropout": 0.1, "ngram_rows": 32768, "ngram_dropout": 0.5}
GPT2 = {
    "norm_first": True, "positions": "learned", "norm": "layernorm", "activation": "gelu", "kv_heads": 0, "bias": True,
    "tied": True, "qk_norm": False, "zero_init": False, "softcap": 0.0, "ngrams": 1, "shortcut": False,
}  # fmt: skip
LLAMA = {
    **GPT2, "positions": "rotary", "norm": "rmsnorm", "activation": "swiglu", "kv_heads": 1, "bias": False,
    "tied": False,
}  # fmt: skip
DEFAULT = {
    **LLAMA, "activation": "relu2", "kv_heads": 0, "qk_norm": True, "zero_init": True, "softcap": 15.0, "ngrams": 4,
    "shortcut": True,
}  # fmt: skip
FORMS = [
    ("gpt", GPT2), ("gpt", GPT2 | {"norm_first": False}), ("gpt", GPT2 | {"bias": False, "tied": False}),
    ("gpt", GPT2 | {"kv_heads": 2}), ("llama", LLAMA), ("llama", LLAMA | {"kv_heads": 0}), ("speedrun", DEFAULT),
    ("speedrun", DEFAULT | {"ngrams": 1}), ("speedrun", GPT2 | {"kv_heads": 1}),
    ("speedrun", GPT2 | {"positions": "sinusoidal"}), ("speedrun", LLAMA | {"tied": True}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "form"), FORMS, ids=str)
def test_the_settings_of_the_old_gpt_make_one_of_today_s_models(name, form):
    found, config = current("gpt", {**SIZES, **form})
    model = models.find(found).from_config(config)
    assert found == name
    old = {**SIZES, **form}
    assert {key: old[key] for key in model.config() if key in old} == {
        key: value for key, value in model.config().items() if key in old
    }


@pytest.mark.parametrize(("name", "form"), FORMS, ids=str)
def test_it_has_the_weights_and_the_equations_of_the_old_one(name, form):
    """`speedrun` has a flag for everything, as the old gpt had, and so scores as it did."""
    _, config = current("gpt", {**SIZES, **form})
    new, old = models.find(name).from_config(config), models.find("speedrun").from_config({**SIZES, **form})
    old.vocab_size_, old.net_ = 12, scattered(old.build(12))
    new.restore(old.arrays())
    text = practice_text(40)
    assert np.array_equal(new.log_probs(text)[0], old.log_probs(text)[0])


def test_models_of_today_stay_what_they_are():
    for name in ("gpt", "llama", "speedrun", "lstm"):
        config = models.find(name)().config()
        assert current(name, config) == (name, config)


def test_a_run_is_read_as_what_it_is_today(tmp_path):
    (tmp_path / "config.json").write_text(
        json.dumps({"format": store.FORMAT, "model": "gpt", "config": {**SIZES, **LLAMA}, "vocab_size": 9,
                    "outside": False})
    )  # fmt: skip
    assert store.read_config(tmp_path)["model"] == "llama"
