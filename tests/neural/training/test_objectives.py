"""What a step minimises: the sequence autoencoder, worked token by token."""

import math

import numpy as np
import pytest
import torch

from lmzoo.errors import UsageError
from lmzoo.interface import Data, Run
from lmzoo.models.lstm import LSTM
from lmzoo.neural.training.batches import IGNORED, Batch
from lmzoo.neural.training.objectives import Autoencoder
from tests.neural.networks import scattered

V = 12
END = V - 1


def module(**settings):
    return scattered(LSTM(hidden=8, embedding=5, layers=2, goal="autoencoder", **settings).build(V))


def nats(net, before, text):
    """−log P of each of `text`, after the network has read `before` from nothing, one token at a time."""
    state = net.initial_state(1)
    for token in before:
        _, state = net(torch.tensor([[token]]), state)
    found = []
    for told, token in zip([END, *text], text, strict=False):
        hidden, state = net(torch.tensor([[told]]), state)
        found.append(-float(net.head(hidden)[0, 0].log_softmax(-1)[token]))
    return found


@torch.no_grad()
def test_the_loss_is_that_of_each_token_after_all_were_read_and_those_before_it_said():
    net, targets = module(), torch.tensor([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]])
    objective, batch = Autoencoder(END), Batch(targets, targets, True)
    loss = objective.loss(net, batch, objective.state_before(net, batch, ()))
    expected = [nats(net, row, row) for row in targets.tolist()]
    assert float(loss.nats) == pytest.approx(np.mean(expected), abs=1e-5)
    assert loss.carried == ()


@torch.no_grad()
def test_a_shorter_line_of_a_batch_is_read_after_ends_and_its_padding_is_not_said():
    net, targets = module(), torch.tensor([[3, 1, 4, 1, 5], [9, 2, 6, IGNORED, IGNORED]])
    objective, batch = Autoencoder(END), Batch(targets, targets, True)
    loss = objective.loss(net, batch, objective.state_before(net, batch, ()))
    expected = nats(net, [3, 1, 4, 1, 5], [3, 1, 4, 1, 5]) + nats(net, [END, END, 9, 2, 6], [9, 2, 6])
    assert float(loss.nats) == pytest.approx(np.mean(expected), abs=1e-5)


@pytest.mark.parametrize("lines", [False, True])
def test_a_text_of_chance_can_be_said_again_though_not_predicted(lines):
    random = np.random.default_rng(0)
    text = random.integers(0, END, 3000)
    text[3::4] = END  # lines of three tokens, log 11 nats each, and one that is certain
    data = Data(text, text[:0], Data.of(text, text, V).vocabulary, lines=lines)
    settings = {"hidden": 48, "embedding": 16, "window": 4, "batch": 64, "dropout": 0.0, "learning_rate": 2e-2}
    losses = {}
    for goal in ("next", "autoencoder"):
        model = LSTM.from_config(settings | {"goal": goal}).fit(data, Run(steps=150))
        losses[goal] = model.history[-1]["train_nats_per_token"]
    assert losses["autoencoder"] < 0.5 * 0.75 * math.log(11)
    assert losses["next"] > 0.7 * 0.75 * math.log(11)


def test_another_goal_is_refused():
    with pytest.raises(UsageError, match=r"no goal 'nxt'.* next, autoencoder"):
        LSTM(goal="nxt").build(V)
