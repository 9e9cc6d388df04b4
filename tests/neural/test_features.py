"""What models make of a text, layer by layer: the vectors that predictions are made from, and those below."""

import numpy as np
import pytest
import torch

from lmzoo import models
from lmzoo.errors import UsageError
from lmzoo.interface import Data, Run
from lmzoo.models.classes import Classes
from lmzoo.testing import VOCAB_SIZE, practice_text

SETTINGS = {
    "mlp": {"layers": 2, "direct": False},
    "rnn": {"layers": 2},
    "lstm": {"layers": 3},
    "mlstm": {"layers": 2},
    "gpt": {},
    "llama": {},
    "speedrun": {"zero_init": False},
}
TEXT = practice_text(12)


def untrained(name, seed=0, **settings):
    """A network with its first weights, large enough to tell contexts apart."""
    cls = models.find(name)
    model = cls.from_config(models.presets(cls)["tiny"] | SETTINGS[name] | settings)
    torch.manual_seed(seed)
    model.net_, model.vocab_size_ = model.build(VOCAB_SIZE).eval(), VOCAB_SIZE
    return model


@pytest.mark.parametrize("name", SETTINGS)
def test_a_token_is_predicted_from_the_top_layers_vector_of_the_one_before(name):
    model = untrained(name)
    with torch.inference_mode():
        logits = model.net_.head(torch.from_numpy(model.features(TEXT)))
        scores = logits.double().log_softmax(-1)[np.arange(11), TEXT[1:]].numpy()
    np.testing.assert_allclose(scores, model.log_probs(TEXT)[0][1:], atol=1e-5)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_lowest_layer_is_the_embedding_table(name):
    model = untrained(name)
    np.testing.assert_array_equal(model.features(TEXT, 0), model.net_.embedding.weight.detach().numpy()[TEXT])


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("mlp", ("embedding", "layer 1", "layer 2")),
        ("rnn", ("embedding", "layer 2")),
        ("lstm", ("embedding", "layer 1", "layer 2", "layer 3")),
        ("mlstm", ("embedding", "cells 1", "layer 1", "cells 2", "layer 2")),
        ("gpt", ("embedding", "layer 1", "layer 2")),
    ],
)
def test_layers_are_named_from_the_bottom_up_and_differ(name, names):
    model = untrained(name)
    assert model.layer_names == names
    layers = model.features_many([TEXT], range(len(names)))[0]
    for n, low in enumerate(layers):
        np.testing.assert_array_equal(low, model.features(TEXT, n - len(names)))
        assert not any(low.shape == high.shape and np.allclose(low, high) for high in layers[n + 1 :])


def test_hidden_units_of_an_mlp_are_after_the_activation():
    assert np.abs(untrained("mlp", activation="relu").features(TEXT, 1)).min() == 0
    assert np.abs(untrained("mlp", activation="relu").features(TEXT, 1)).max() > 0


@pytest.mark.parametrize("name", SETTINGS)
def test_an_unknown_layer_is_an_error_that_lists_the_layers(name):
    with pytest.raises(UsageError, match=r"no layer 7 in this .*: there are 0 to .*embedding"):
        untrained(name).features(TEXT, 7)


def test_reading_features_leaves_no_hooks_behind():
    model = untrained("lstm")
    before = model.log_probs(TEXT)[0]
    model.features(TEXT)
    assert not any(module._forward_hooks for module in model.net_.modules())
    np.testing.assert_array_equal(model.log_probs(TEXT)[0], before)


def test_the_untrained_twin_is_drawn_by_its_seed_alone():
    text = practice_text(500)
    model = untrained("lstm").fit(Data.of(text, text[:0], VOCAB_SIZE), Run(steps=2))
    state = torch.get_rng_state()
    twin = model.untrained(seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    assert twin.config() == model.config()
    np.testing.assert_array_equal(twin.features(TEXT), untrained("lstm", seed=3).features(TEXT))
    assert not np.allclose(twin.features(TEXT), model.features(TEXT))


def test_features_of_a_long_text_carry_the_state_from_piece_to_piece(monkeypatch):
    model = untrained("lstm")
    whole = model.features(TEXT)
    monkeypatch.setattr("lmzoo.neural.language_model.FEATURES_AT_ONCE", 5)
    np.testing.assert_allclose(model.features(TEXT), whole, atol=1e-6)


def test_the_features_of_a_class_model_are_one_hot_classes():
    text = practice_text(500)
    model = Classes(classes=3).fit(Data.of(text, text[:0], VOCAB_SIZE))
    rows = model.features(TEXT)
    np.testing.assert_array_equal(rows.argmax(axis=1), model.class_of_[TEXT])
    np.testing.assert_array_equal(np.sort(rows, axis=1)[:, -2:], [[0, 1]] * len(TEXT))
    assert model.untrained() is None
