"""One token after others, in NumPy or by a cell of PyTorch's, is what `forward` gives."""

from copy import copy

import numpy as np
import pytest
import torch

from lmzoo.evaluation.generation import generate
from lmzoo.neural import graphed, recurrent
from lmzoo.neural.transformer import TransformerModule
from lmzoo.testing import VOCAB_SIZE, practice_text
from tests.neural.networks import network, scattered

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
FORMS = [
    ("gpt", {}),
    ("gpt", {"norm_first": False}),
    ("gpt", {"bias": False, "exact_gelu": True}),
    ("llama", {"kv_heads": 0}),
    ("llama", {"kv_heads": 1}),
    ("speedrun", {}),
    ("speedrun", {"activation": "swiglu", "norm": "layernorm", "positions": "learned", "bias": True, "kv_heads": 1}),
    ("speedrun", {"activation": "gelu", "positions": "sinusoidal", "qk_norm": False, "shortcut": False, "ngrams": 1}),
]


def untrained(name, **options):
    torch.manual_seed(1)
    model = network(name, **options)
    model.net_, model.vocab_size_ = scattered(model.build(VOCAB_SIZE)), VOCAB_SIZE
    return model


def differences(model, text):
    """Of predictions token by token, from those of PyTorch, and of the keys, values and ids at the end."""
    exact = copy(model).exactly()
    ours, theirs, found = model.start(), exact.start(), []
    for n in range(len(text)):
        found.append(np.abs(model.next_log_probs(ours) - exact.next_log_probs(theirs)).max())
        ours, theirs = model.advance(ours, text[n : n + 1]), exact.advance(theirs, text[n : n + 1])
    found += [float((a - b).abs().max()) for a, b in zip(ours.carried, theirs.carried, strict=True)]
    return max(found)


@pytest.mark.parametrize(("name", "options"), FORMS, ids=str)
def test_every_form_of_transformer(name, options):
    model = untrained(name, **options)
    assert differences(model, practice_text(40)) < 1e-4  # a window of 16 is full more than once
    assert model.net_._step is not None


@pytest.mark.parametrize(("name", "options"), FORMS, ids=str)
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])
def test_every_form_of_transformer_with_slots_for_a_window(name, options, device, monkeypatch):
    """On a CPU what a GPU does, without the graph."""
    monkeypatch.setattr(TransformerModule, "_numpy_step", TransformerModule._graphed_step)
    monkeypatch.setattr(graphed, "LEAST", 4)  # it outgrows them more than once
    model = untrained(name, **options).to(device)
    assert differences(model, practice_text(40)) < 1e-4
    assert model.net_._step is not None
    text, state = practice_text(6), model.advance(model.start(), practice_text(3))
    paths = [model.advance(model.advance(state, text[n : n + 1]), text[:1]) for n in (0, 1)]  # in turns
    paths = [model.advance(path, text[:1]) for path in paths]
    for n, path in zip((0, 1), paths, strict=True):
        exact = copy(model).exactly()
        expected = exact.advance(state, np.array([text[n], text[0], text[0]]))
        np.testing.assert_allclose(model.next_log_probs(path), exact.next_log_probs(expected), atol=1e-4)


def test_states_that_share_a_tape_are_values():
    model, text = untrained("gpt"), practice_text(9)
    state = model.advance(model.advance(model.start(), text[:-1]), text[-1:])  # on a tape
    after = model.advance(state, text[:1])
    before = model.next_log_probs(model.advance(after, text[1:2]))
    other = model.advance(model.advance(state, text[2:3]), text[3:4])  # written to a tape of its own
    np.testing.assert_array_equal(model.next_log_probs(model.advance(after, text[1:2])), before)
    exact = copy(model).exactly()
    expected = exact.advance(exact.start(), np.concatenate([text, text[2:4]]))
    np.testing.assert_allclose(model.next_log_probs(other), exact.next_log_probs(expected), atol=1e-4)


def test_weights_that_change_in_place_or_move_are_seen():
    model, text = untrained("gpt"), practice_text(12)
    assert differences(model, text) < 1e-4
    scattered(model.net_)
    with torch.no_grad():
        model.net_.output.weight.mul_(0.5)
    assert differences(model, text) < 1e-4
    for weight in model.net_.parameters():
        weight.data = 0.7 * weight.data
    assert differences(model, text) < 1e-4


def test_a_network_that_computes_otherwise_than_its_blocks_say_is_left_to_pytorch():
    model, text = untrained("gpt"), practice_text(12)

    class Doubled(type(model.net_)):
        def forward(self, ids, carried):
            hidden, carried = super().forward(ids, carried)
            return 2 * hidden, carried

    model.net_.__class__ = Doubled
    assert differences(model, text) == 0
    assert model.net_._step is None


def test_so_is_one_with_a_norm_that_is_not_known():
    model = untrained("gpt")
    model.net_.blocks[0].norms[0] = torch.nn.Tanh()
    assert differences(model, practice_text(12)) == 0


@pytest.mark.parametrize("name", ["gpt", "speedrun", "lstm"])
def test_a_seed_gives_the_same_text_as_in_pytorch(name, monkeypatch):
    model = untrained(name)
    ours = list(generate(model, practice_text(5), 150, seed=7))
    monkeypatch.setattr(recurrent, "_one_token", lambda *_: False)
    assert list(generate(copy(model).exactly(), practice_text(5), 150, seed=7)) == ours


def test_one_token_of_an_lstm_is_that_of_the_layer(monkeypatch):
    torch.manual_seed(0)
    layer = torch.nn.LSTM(4, 6, batch_first=True).eval()
    x, state = torch.randn(3, 1, 4), (torch.randn(1, 3, 6), torch.randn(1, 3, 6))
    ours, (h, c) = recurrent.run(layer, x, state)
    theirs, after = layer(x, state)
    for one, other in zip((ours, h, c), (theirs, *after), strict=True):
        torch.testing.assert_close(one, other)
