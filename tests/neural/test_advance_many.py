"""Texts that are read in one batch, and distributions in one pass, are those of a loop."""

import numpy as np
import pytest
import torch

from lmzoo.interface import Decoder, LanguageModel
from lmzoo.testing import VOCAB_SIZE, practice_text
from tests.neural.networks import NETWORKS, network

ROWS, LENGTH = 3, 40
TEXTS = np.stack([practice_text(LENGTH, seed=n) for n in range(ROWS)])
LENGTHS = (7, 0, 40, 1, 7, 16, 3)  # a window of 16 is full more than once


def untrained(name, **settings):
    torch.manual_seed(1)
    model = network(name, **settings)
    model.net_, model.vocab_size_ = model.build(VOCAB_SIZE).eval(), VOCAB_SIZE
    for weight in model.net_.parameters():  # so that contexts matter
        torch.nn.init.normal_(weight, std=0.3)
    return model


def forwards(model, monkeypatch):
    """The shapes of ids that the module reads from now on."""
    shapes, forward = [], model.net_.forward
    monkeypatch.setattr(model.net_, "forward", lambda *given: shapes.append(tuple(given[0].shape)) or forward(*given))
    return shapes


@pytest.mark.parametrize("name", NETWORKS)
def test_token_by_token_states_advance_together_as_each_alone(name):
    model = untrained(name)
    together = alone = [model.start()] * ROWS
    for tokens in TEXTS.T:
        before = [model.next_log_probs(state) for state in together]
        batched = model.next_log_probs_many(together)
        np.testing.assert_allclose(batched, [model.next_log_probs(state) for state in alone], atol=1e-4)
        after = model.advance_many(together, tokens[:, None])
        for state, expected in zip(together, before, strict=True):  # states are values
            np.testing.assert_array_equal(model.next_log_probs(state), expected)
        together = after
        alone = [model.advance(state, tokens[n : n + 1]) for n, state in enumerate(alone)]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("read", [(0,) * len(LENGTHS), (0, 5, 9, 30, 5, 5, 14)], ids=["one prefix", "several"])
def test_texts_of_several_lengths_advance_together_as_in_the_loop(name, read):
    model = untrained(name)
    prefix = practice_text(30, seed=9)
    states = [model.advance(model.start(), prefix[:n]) for n in read]
    texts = [practice_text(n, seed=n) for n in LENGTHS]
    batched, alone = model.advance_many(states, texts), Decoder.advance_many(model, states, texts)
    np.testing.assert_allclose(
        model.next_log_probs_many(batched), [model.next_log_probs(state) for state in alone], atol=1e-4
    )
    more = practice_text(20, seed=4)  # and what is carried on is the same
    for state, expected in zip(batched, alone, strict=True):
        np.testing.assert_allclose(model.log_probs(more, state)[0], model.log_probs(more, expected)[0], atol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_no_text_at_all_advances_nothing(name):
    model = untrained(name)
    state = model.start()
    assert model.advance_many([state], [np.empty(0, np.int32)])[0] is state
    assert model.advance_many([], []) == []


@pytest.mark.parametrize(("name", "calls"), [("llama", 1), ("speedrun", 1), ("lstm", 4), ("rnn", 4), ("mlp", 4)])
def test_texts_after_one_prefix_are_one_batch(name, calls, monkeypatch):
    """A transformer reads them padded; a network that reads token by token goes on with fewer rows as texts end."""
    model = untrained(name)
    states, texts = [model.start()] * 5, [practice_text(n, seed=n) for n in (2, 9, 4, 2, 12)]
    shapes = forwards(model, monkeypatch)
    model.advance_many(states, texts)
    assert len(shapes) == calls
    assert shapes[0][0] == 5
    assert sum(steps for _, steps in shapes) == 12


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("read", [0, 5, 16])
def test_distributions_are_those_of_the_loop(name, read):
    model = untrained(name)
    state = model.advance(model.start(), practice_text(read, seed=3))
    text = practice_text(LENGTH, seed=2)
    for tokens in (text, text[:1], text[:0]):
        rows, end = model.distributions_and_state(tokens, state)
        assert rows.shape == (len(tokens), VOCAB_SIZE)
        np.testing.assert_array_equal(rows, model.distributions(tokens, state))
        expected = model.next_log_probs(model.advance(state, tokens))
        np.testing.assert_allclose(model.next_log_probs(end), expected, atol=1e-4)
        np.testing.assert_allclose(rows, LanguageModel.distributions(model, tokens, state), atol=1e-4)
    rows = model.distributions(text)
    np.testing.assert_allclose(rows[np.arange(LENGTH), text], model.log_probs(text)[0], atol=1e-4)
    np.testing.assert_allclose(np.exp(rows).sum(axis=1), 1, atol=1e-9)


@pytest.mark.parametrize("name", NETWORKS)
def test_distributions_take_few_passes(name, monkeypatch):
    model = untrained(name)
    state = model.start()
    shapes = forwards(model, monkeypatch)
    model.distributions_and_state(practice_text(1000), state)
    assert len(shapes) <= 4
