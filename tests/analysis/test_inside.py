"""Facts of what is inside a network: whole, of the right token, and only what there is."""

import numpy as np
import pytest
import torch

from lmzoo import models
from lmzoo.analysis import inside
from lmzoo.data import tokenizers
from lmzoo.errors import UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data
from lmzoo.models.ngram import Ngram
from tests.neural.networks import scattered

TEXT = "the cat sat on the mat and the dog saw the cat. "
WORDS = tokenizers.train("word:300", TEXT)


def text_model(name, **settings):
    cls = models.find(name)
    torch.manual_seed(1)
    model = cls.from_config(models.presets(cls)["tiny"] | settings)
    return TextModel(model.holding(scattered(model.build(WORDS.vocab_size).eval()), WORDS.vocab_size), WORDS)


def ngram():
    ids = WORDS.encode(TEXT)
    return TextModel(Ngram(order=2).fit(Data.of(ids, ids[:4], WORDS.vocab_size)), WORDS)


@pytest.mark.parametrize(
    ("model", "can"),
    [
        (ngram(), ["explain"]),
        (text_model("mlp"), ["vectors"]),
        (text_model("lstm"), ["cells", "vectors"]),
        (text_model("gpt"), ["attention", "lens", "positions", "vectors"]),
        (text_model("llama"), ["attention", "lens", "vectors"]),  # positions turn its queries and keys
        (text_model("speedrun", positions="learned"), ["attention", "lens", "positions", "vectors"]),
    ],
    ids=lambda one: one.name if isinstance(one, TextModel) else "",
)
def test_a_model_can_be_shown_what_it_has(model, can):
    assert inside.abilities(model) == can


def test_attention_is_shown_a_row_for_each_token_up_to_it():
    model = text_model("gpt")
    facts = inside.attention(inside.look(model, "the cat sat"), 2, 2)
    assert facts["pieces"] == ["⊢", "the", " cat", " sat"]
    assert [len(row) for row in facts["weights"]] == [1, 2, 3, 4]
    np.testing.assert_allclose([sum(row) for row in facts["weights"]], 1, atol=0.01)
    assert facts["weights"] != inside.attention(inside.look(model, "the cat sat"), 2, 1)["weights"]
    assert (facts["layers"], facts["heads"]) == (2, 2)


def test_a_text_longer_than_the_window_is_shown_from_where_scoring_it_would_read_its_last_window():
    model = text_model("gpt")  # of a window of 16
    ids = WORDS.encode(TEXT * 3)
    look = inside.look(model, TEXT * 3)
    state = model.model.advance(model.model.start(), ids)
    assert len(look.ids) <= 16
    np.testing.assert_array_equal(look.ids, state.ids)
    np.testing.assert_allclose(look.inside.hidden[-1], state.hidden.numpy(), atol=1e-4)
    assert "".join(look.pieces) == (TEXT * 3)[-len("".join(look.pieces)) :]


def test_cells_are_between_minus_one_and_one_and_gates_between_zero_and_one():
    facts = inside.cells(inside.look(text_model("lstm", layers=2), "the cat sat"), 1, 5)
    assert (facts["layers"], facts["units"], facts["layer"], facts["cell"]) == (2, 32, 1, 5)
    assert len(facts["values"]) == 4 == len(facts["pieces"])
    assert max(map(abs, facts["values"])) <= 1
    assert set(facts["gates"]) == set(facts["mean_gates"]) == {"input", "forget", "output"}
    assert all(0 <= value <= 1 for row in facts["gates"].values() for value in row)


def test_the_last_layer_of_the_lens_has_the_bits_of_the_model():
    model = text_model("gpt")
    layers = inside.lens(inside.look(model, "the cat sat"))
    assert [layer["layer"] for layer in layers] == ["embeddings", "layer 1", "layer 2"]
    np.testing.assert_allclose(layers[-1]["bits"], [bits for _, bits in model.surprisals("the cat sat")], atol=0.002)
    (expected, likely), (text, p) = model.continuations("the cat sat", 1)[0], layers[-1]["guesses"][-1][0]
    assert (text, p) == (expected, pytest.approx(likely, abs=0.001))


def test_positions_are_a_point_each():
    model = text_model("gpt")
    facts = inside.positions(model)
    assert np.shape(facts["points"]) == (16, 2)
    assert 1 >= facts["variance"][0] >= facts["variance"][1] > 0


@pytest.mark.parametrize(
    ("show", "message"),
    [
        (lambda: inside.look(ngram(), "the"), "no neural network"),
        (lambda: inside.look(text_model("lstm"), "the " * 2001), "at most 2,000"),
        (lambda: inside.attention(inside.look(text_model("lstm"), "the")), "has no attention"),
        (
            lambda: inside.attention(inside.look(text_model("gpt"), "the"), 3),
            "no layer 3 in this model: there are 1 to 2",
        ),
        (lambda: inside.attention(inside.look(text_model("gpt"), "the"), 1, 0), "no head 0"),
        (lambda: inside.cells(inside.look(text_model("gpt"), "the")), "not recurrent"),
        (
            lambda: inside.cells(inside.look(text_model("lstm"), "the"), 1, 33),
            "no cell 33 in this model: there are 1 to 32",
        ),
        (lambda: inside.lens(inside.look(text_model("mlp"), "the")), "no transformer"),
        (lambda: inside.positions(text_model("llama")), "no vectors of positions"),
    ],
)
def test_what_a_model_has_not_is_an_error_of_one_line(show, message):
    with pytest.raises(UsageError, match=message):
        show()


def test_an_empty_text_is_its_beginning():
    assert inside.attention(inside.look(text_model("gpt"), ""))["weights"] == [[1.0]]
    assert len(inside.cells(inside.look(text_model("lstm"), ""))["values"]) == 1
