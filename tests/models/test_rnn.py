"""The recurrent network: its equations worked step by step, and a memory that the window does not end."""

import numpy as np
import pytest

from lmzoo import testing
from lmzoo.errors import UsageError
from lmzoo.interface import Data, Run
from lmzoo.models.rnn import RNN
from lmzoo.neural.training.config import Training

SMALL = {"hidden": 8, "embedding": 5, "batch": 16, "window": 8}


def fitted(steps=20, **settings):
    text = testing.practice_text(3000)
    return RNN.from_config(SMALL | settings).fit(Data.of(text, text[:0], testing.VOCAB_SIZE), Run(steps=steps))


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def by_hand(model, tokens, layers=1):
    """log P of what follows `tokens`, a token at a time, by the equations at the top of the model's file."""
    w = {name.removeprefix("net."): value.astype(float) for name, value in model.arrays().items()}
    hidden = np.zeros((layers, 8))
    for token in [testing.VOCAB_SIZE - 1, *tokens]:
        x = w["embedding.weight"][token]
        for n, h in enumerate(hidden):
            read = w[f"recurrent.weight_ih_l{n}"] @ x + w[f"recurrent.bias_ih_l{n}"]
            back = w[f"recurrent.weight_hh_l{n}"] @ h + w[f"recurrent.bias_hh_l{n}"]
            if model.cell == "elman":
                x = np.tanh(read + back)
            else:
                r, z = sigmoid(read[:8] + back[:8]), sigmoid(read[8:16] + back[8:16])
                x = z * h + (1 - z) * np.tanh(read[16:] + r * back[16:])
            hidden[n] = x
    y = w["output.weight"] @ hidden[-1] + w["output.bias"]
    return y - np.log(np.exp(y).sum())


@pytest.mark.parametrize("cell", ["elman", "gru"])
@pytest.mark.parametrize("layers", [1, 2])
def test_is_its_equations(cell, layers):
    model, text = fitted(cell=cell, layers=layers), testing.practice_text(20, seed=2)
    state = model.advance(model.start(), text)
    assert model.next_log_probs(state) == pytest.approx(by_hand(model, text, layers), abs=1e-5)


@pytest.mark.parametrize("cell", ["elman", "gru"])
def test_remembers_longer_than_a_4_gram_sees(cell):
    """Lines of 0 or 1, three times 2, and the first again: only who remembers the first token knows the last."""
    firsts = np.random.default_rng(0).integers(0, 2, size=(400, 1))
    lines = np.hstack([firsts, np.full((400, 3), 2), firsts, np.full((400, 1), 3)])
    text = lines.astype(np.int32).flatten()
    model = RNN(
        cell=cell,
        hidden=32,
        embedding=8,
        dropout=0.0,
        training=Training(batch=16, window=24, learning_rate=0.01),
    )
    scores = model.fit(Data.of(text, text[:0], 4), Run(steps=300)).log_probs(text)[0].reshape(400, 6)
    assert np.exp(scores[5:, 4]).min() > 0.9
    assert np.exp(scores[5:, 0]) == pytest.approx(0.5, abs=0.2)  # and nobody can know the first


def test_the_gru_keeps_the_contract():
    model = fitted(cell="gru", layers=2)
    assert testing.scoring_equals_stepping(model) == ""
    assert testing.states_are_values(model) == ""
    assert testing.many_texts(model) == ""


@pytest.mark.parametrize("setting", ["layers", "hidden", "embedding"])
def test_a_size_of_zero_is_an_error(setting):
    with pytest.raises(UsageError, match=f"{setting} must be 1 or more, not 0"):
        fitted(**{setting: 0})


def test_an_unknown_cell_is_an_error_that_lists_the_cells():
    with pytest.raises(UsageError, match="no cell 'lstm'; there are: elman, gru"):
        fitted(cell="lstm")


def test_tied_embedding_and_softmax_are_one_table():
    net = RNN(hidden=8, embedding=8, tied=True).build(12)
    assert net.output.weight is net.embedding.weight
    assert sum(weight.numel() for weight in net.parameters()) == 12 * 8 + 12 + 2 * (8 * 8 + 8)
    with pytest.raises(UsageError, match=r"outputs \(16\) must be as large as embeddings \(8\)"):
        RNN(hidden=16, embedding=8, tied=True).build(12)
