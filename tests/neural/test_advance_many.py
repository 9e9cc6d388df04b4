"""Texts that are read side by side, a token of each at a time, are read as each would be alone."""

import numpy as np
import pytest
import torch

from lmzoo.testing import VOCAB_SIZE, practice_text
from tests.neural.networks import NETWORKS, network

LANES, LENGTH = 3, 40
TEXTS = np.stack([practice_text(LENGTH, seed=n) for n in range(LANES)])


def made(name, **settings):
    torch.manual_seed(1)
    model = network(name, **settings)
    model.net_, model.vocab_size_ = model.build(VOCAB_SIZE).eval(), VOCAB_SIZE
    for weight in model.net_.parameters():  # so that contexts matter
        torch.nn.init.normal_(weight, std=0.3)
    return model


@pytest.mark.parametrize("name", NETWORKS)
def test_states_go_on_side_by_side_as_each_alone(name):
    model = made(name)
    together = alone = [model.start()] * LANES
    for tokens in TEXTS.T:  # a window of 16 is full more than once
        before = [model.next_log_probs(state) for state in together]
        found = model.next_log_probs_many(together)
        np.testing.assert_allclose(found, [model.next_log_probs(state) for state in alone], atol=1e-4)
        after = model.advance_many(together, tokens[:, None])
        for state, expected in zip(together, before, strict=True):  # a state that was read on is as it was
            np.testing.assert_array_equal(model.next_log_probs(state), expected)
        together = after
        alone = [model.advance(state, tokens[n : n + 1]) for n, state in enumerate(alone)]


@pytest.mark.parametrize("name", NETWORKS)
def test_states_of_texts_of_several_lengths_go_on_together_too(name):
    model = made(name)
    states = [model.advance(model.start(), text[:n]) for text, n in zip(TEXTS, (0, 5, 30), strict=True)]
    found = model.next_log_probs_many(model.advance_many(states, TEXTS[:, -1:]))
    for row, state, text in zip(found, states, TEXTS, strict=True):
        np.testing.assert_allclose(row, model.next_log_probs(model.advance(state, text[-1:])), atol=1e-4)
