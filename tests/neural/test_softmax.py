"""The adaptive softmax: its definition worked out in numpy, its shortcut in training, and a network that has it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, linear

from lmzoo import testing
from lmzoo.errors import UsageError
from lmzoo.interface import Data, Run
from lmzoo.models.lstm import LSTM
from lmzoo.neural import softmax
from lmzoo.neural.softmax import IGNORED, AdaptiveSoftmax, FullLoss
from tests.neural.networks import TRAIN, VALID, network, scattered

V, D = 24, 16  # 2 tokens in the shortlist, 6 in the first cluster, 16 in the second


def adaptive(counts=None, size=V):
    layer = scattered(AdaptiveSoftmax(D, size))
    if counts is not None:
        layer.order_by(torch.tensor(counts))
    return layer


def vectors(*shape):
    return torch.randn(*shape, D, generator=torch.Generator().manual_seed(1))


def test_a_probability_is_that_of_the_cluster_times_that_of_the_token_within():
    counts = np.random.default_rng(0).permutation(V)
    layer, h = adaptive(counts), vectors()
    w = {name: value.detach().double().numpy() for name, value in layer.named_parameters()}
    x = h.double().numpy()

    def probabilities(logits):
        return np.exp(logits) / np.exp(logits).sum()

    first = probabilities(w["shortlist.weight"] @ x + w["shortlist.bias"])
    in_first = first[2] * probabilities(w["clusters.0.1.weight"] @ w["clusters.0.0.weight"] @ x)
    in_second = first[3] * probabilities(w["clusters.1.1.weight"] @ w["clusters.1.0.weight"] @ x)
    assert (len(in_first), len(in_second)) == (6, 16)
    by_rank = np.concatenate([first[:2], in_first, in_second])
    expected = by_rank[V - 1 - counts]  # the token that occurs 23 times has rank 0, …
    np.testing.assert_allclose(layer(h).detach().exp().numpy(), expected, rtol=1e-5)


@given(size=st.integers(1, 60), rows=st.integers(1, 4), seed=st.integers(0, 9))
@settings(max_examples=30, deadline=None)
def test_probabilities_sum_to_one_and_the_loss_is_of_them(size, rows, seed):
    random = torch.Generator().manual_seed(seed)
    layer = adaptive(torch.randint(0, 9, (size,), generator=random).tolist(), size)
    h, targets = vectors(rows, 3), torch.randint(0, size, (rows, 3), generator=random)
    log_probs = layer(h)
    padded = torch.nn.functional.pad(targets, (0, 2), value=-100)  # as behind the end of a short line
    torch.testing.assert_close(layer.loss(vectors(rows, 5), padded), layer.loss(vectors(rows, 5)[:, :3], targets))
    torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(rows, 3))
    expected = -log_probs.gather(-1, targets[..., None]).mean()
    torch.testing.assert_close(layer.loss(h, targets), expected)
    wanted = torch.autograd.grad(expected, list(layer.parameters()), allow_unused=True)
    layer.loss(h, targets).backward()
    for weight, gradient in zip(layer.parameters(), wanted, strict=True):
        torch.testing.assert_close(weight.grad, torch.zeros_like(weight) if gradient is None else gradient)


def test_the_most_frequent_tokens_of_the_training_text_are_in_the_shortlist():
    text = np.repeat([7, 3, 11], [5, 9, 2])
    net = LSTM(hidden=D, embedding=4, softmax="adaptive").build(V)
    net.look_at(text)
    assert net.output.rank[[3, 7, 11]].tolist() == [0, 1, 2]
    assert sorted(net.output.rank.tolist()) == list(range(V))


def test_an_lstm_with_it_is_a_language_model(monkeypatch):
    monkeypatch.setattr(testing.practice, "LONG", 600)
    checks = testing.check_model(LSTM, steps=15, hidden=32, embedding=16, softmax="adaptive")
    assert [check for check in checks if not check.passed] == []


def test_training_with_it_chooses_by_the_loss_that_scoring_finds():
    model = network(softmax="adaptive", dropout=0.0).fit(Data.of(TRAIN, VALID, testing.VOCAB_SIZE), Run(steps=60))
    lowest = min(row["valid_nats_per_token"] for row in model.history if "valid_nats_per_token" in row)
    scored = -model.log_probs(VALID)[0].mean()
    assert scored == pytest.approx(lowest, abs=0.02)
    assert scored < np.log(testing.VOCAB_SIZE) - 0.3


def test_ranks_from_a_file_must_name_each_token_once():
    model = network(softmax="adaptive")
    model.net_, model.vocab_size_ = model.build(V), V
    arrays = model.arrays()
    assert np.array_equal(network(softmax="adaptive").restore(arrays).arrays()["net.output.rank"], np.arange(V))
    arrays["net.output.rank"] = np.zeros(V, dtype=np.int64)
    with pytest.raises(ValueError, match="no permutation"):
        network(softmax="adaptive").restore(arrays)


def test_what_cannot_be_is_said():
    with pytest.raises(UsageError, match="tied: an adaptive softmax has no table"):
        network(softmax="adaptive", tied=True, hidden=8, embedding=8).build(V)
    with pytest.raises(UsageError, match=r"no softmax 'adaptiv'.* full, adaptive"):
        softmax.output("adaptiv", D, V)


@given(size=st.integers(1, 130), rows=st.integers(1, 5), biased=st.booleans(), seed=st.integers(0, 9))
@settings(max_examples=30, deadline=None)
def test_the_loss_of_a_full_softmax_and_its_gradients_are_those_of_cross_entropy(size, rows, biased, seed):
    random = torch.Generator().manual_seed(seed)
    h, weight, bias = (
        torch.randn(*shape, generator=random).requires_grad_() for shape in ((rows, D), (size, D), (size,))
    )
    targets = torch.randint(0, size, (rows,), generator=random)
    targets[1:] = torch.where(torch.rand(rows - 1, generator=random) < 0.3, IGNORED, targets[1:])
    learned = [h, weight, *([bias] if biased else [])]
    expected = cross_entropy(linear(h, weight, bias if biased else None), targets)
    found = FullLoss.apply(h, weight, bias if biased else None, targets)
    torch.testing.assert_close(found, expected)
    # Of three times the loss: what comes back is multiplied by the gradient that went in.
    pairs = zip(torch.autograd.grad(3 * found, learned), torch.autograd.grad(3 * expected, learned), strict=True)
    for one, other in pairs:
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
