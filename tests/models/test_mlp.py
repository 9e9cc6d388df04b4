"""The MLP: the paper's equation worked by hand, its count of weights, and a context that ends where it says."""

from dataclasses import replace

import numpy as np
import pytest

from lmzoo import testing
from lmzoo.errors import UsageError
from lmzoo.interface import Data, Run
from lmzoo.models.mlp import MLP

SMALL = {"context": 3, "embedding": 5, "hidden": 7, "batch": 64}


def fitted(steps=20, **settings):
    text = testing.practice_text(3000)
    return MLP.from_config(SMALL | settings).fit(Data.of(text, text[:0], testing.VOCAB_SIZE), Run(steps=steps))


def by_hand(model, context, direct):
    """y = b + W x + U tanh(d + H x) after `context` (n,), as in the paper's equation 1."""
    weights = {name.removeprefix("net."): value.astype(float) for name, value in model.arrays().items()}
    x = np.concatenate([weights["embedding.weight"][token] for token in context])
    y = weights["output.bias"] + weights["output.weight"][:, :7] @ np.tanh(
        weights["layers.0.bias"] + weights["layers.0.weight"] @ x
    )
    if direct:
        y += weights["output.weight"][:, 7:] @ x
    return y - np.log(np.exp(y).sum())


@pytest.mark.parametrize("direct", [True, False])
def test_is_the_equation_of_the_paper(direct):
    model = fitted(direct=direct)
    state = model.advance(model.start(), np.array([4, 1, 7, 2], dtype=np.int32))
    assert model.next_log_probs(state) == pytest.approx(by_hand(model, [1, 7, 2], direct), abs=1e-5)


def test_before_the_first_token_the_context_is_end():
    model, end = fitted(), testing.VOCAB_SIZE - 1
    assert model.next_log_probs(model.start()) == pytest.approx(by_hand(model, [end] * 3, True), abs=1e-5)
    state = model.advance(model.start(), np.array([3], dtype=np.int32))
    assert model.next_log_probs(state) == pytest.approx(by_hand(model, [end, end, 3], True), abs=1e-5)


def test_has_as_many_weights_as_the_paper_counts():
    """|V| (1 + n m + h) + h (1 + n m) and the table's |V| m (section 2), with direct connections."""
    v, n, m, h = testing.VOCAB_SIZE, 3, 5, 7
    assert fitted(steps=1).size() == (v * (1 + n * m + h) + h * (1 + n * m) + v * m, "parameters")
    assert fitted(steps=1, direct=False).size() == (v * (1 + h) + h * (1 + n * m) + v * m, "parameters")


def test_learns_from_the_furthest_token_of_its_context():
    """Each token is the one three before it, or its neighbour: a context of 3 sees that, and one of 2 cannot."""
    rng = np.random.default_rng(0)
    text = list(rng.integers(0, 8, size=3))
    for _ in range(4000):
        text.append((text[-3] + int(rng.random() < 0.1)) % 8)
    text = np.array(text, dtype=np.int32)
    nats = {
        n: -MLP(context=n, embedding=8, hidden=32, training=replace(MLP.training, batch=256))
        .fit(Data.of(text, text[:0], 9), Run(steps=300))
        .log_probs(text)[0]
        .mean()
        for n in (2, 3)
    }
    assert nats[3] < 0.45  # the source has 0.325
    assert nats[2] > 1.5  # ln 8 = 2.08 less what is learned by heart


def test_reads_a_window_as_it_reads_its_tokens_one_by_one():
    long, short = fitted(window=16, batch=4), fitted()
    short.restore(long.arrays())
    text = testing.practice_text(200, seed=3)
    assert short.log_probs(text)[0] == pytest.approx(long.log_probs(text)[0], abs=1e-6)
    assert testing.scoring_equals_stepping(long, text[:50]) == ""


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_further_layers_and_other_activations_keep_the_contract(activation):
    model = fitted(layers=2, activation=activation, context=1)
    assert model.reach == 1
    assert testing.scoring_equals_stepping(model) == ""
    assert testing.reach_is_true(model) == ""


def test_dropout_is_off_when_scoring():
    model, text = fitted(dropout=0.9), testing.practice_text(50)
    assert np.array_equal(model.log_probs(text)[0], model.log_probs(text)[0])


@pytest.mark.parametrize("setting", ["context", "embedding", "hidden", "layers"])
def test_a_size_of_zero_is_an_error(setting):
    with pytest.raises(UsageError, match=f"{setting} must be 1 or more, not 0"):
        fitted(**{setting: 0})


def test_an_unknown_activation_is_an_error_that_lists_them():
    with pytest.raises(UsageError, match="no activation 'cos'; there are: tanh, relu, gelu"):
        fitted(activation="cos")
