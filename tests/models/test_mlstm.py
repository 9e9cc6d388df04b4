"""The multiplicative LSTM: the equations of the paper and of the released code in NumPy, and normalised weights."""

import numpy as np
import pytest
import torch

from lmzoo import testing
from lmzoo.errors import UsageError
from lmzoo.interface import Data, Run
from lmzoo.models.mlstm import MLSTM

SMALL = {"hidden": 6, "embedding": 4, "batch": 32, "window": 8}
V = testing.VOCAB_SIZE


def fitted(steps=6, **settings):
    text = testing.practice_text(2000)
    return MLSTM.from_config(SMALL | settings).fit(Data.of(text, text[:0], V), Run(steps=steps))


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def by_hand(model, tokens):
    """log P of what follows `tokens`, with each matrix as inputs × outputs and normalised by columns, as released."""
    net = {name.removeprefix("net."): value.astype(np.float64) for name, value in model.arrays().items()}

    def matrix(name):
        w = net[f"layers.{name}.weight"].T
        gain = net.get(f"layers.{name}.gain")
        return w if gain is None else w / np.sqrt((w**2).sum(axis=0)) * gain

    x = net["embedding.weight"][[V - 1, *tokens]]
    for n in range(model.layers):
        wx, wmx, wmh, wm = (matrix(f"{n}.{name}") for name in ("x", "mx", "mh", "m"))
        h = c = np.zeros(model.hidden)
        outputs = []
        for xt in x:
            m = (xt @ wmx) * (h @ wmh)
            z = xt @ wx + m @ wm + net[f"layers.{n}.x.bias"]
            if model.cell == "rnn":
                h = c = np.tanh(z)
            else:
                i, f, o, u = np.split(z, 4)
                c = sigmoid(f) * c + sigmoid(i) * np.tanh(u)
                h = sigmoid(o) * np.tanh(c)
            outputs.append(h)
        x = outputs
    y = net["output.weight"] @ h + net["output.bias"]
    return y - np.log(np.exp(y).sum()), c


@pytest.mark.parametrize("settings", [{}, {"layers": 2}, {"normalised": False}, {"cell": "rnn"}], ids=str)
def test_is_its_equations(settings):
    model, text = fitted(**settings), testing.practice_text(30, seed=2)
    log_probs, c = by_hand(model, text)
    state = model.advance(model.start(), text)
    assert model.next_log_probs(state) == pytest.approx(log_probs, abs=1e-5)
    assert state.carried[-1][0].numpy() == pytest.approx(c, abs=1e-5)


def test_its_cells_are_a_layer_and_their_last_vector_is_carried_on():
    model, text = fitted(steps=1), testing.practice_text(20)
    cells = model.features(text, list(model.layer_names).index("cells 1"))
    assert cells[-1] == pytest.approx(model.advance(model.start(), text).carried[1][0].numpy(), abs=1e-6)


def test_the_length_of_the_rows_is_the_gain_whatever_the_weights():
    """And the softmax has none."""
    net = MLSTM.from_config(SMALL).build(V)
    assert sorted(name for name, _ in net.named_parameters() if name.endswith("gain")) == [
        f"layers.0.{name}.gain" for name in ("m", "mh", "mx", "x")
    ]
    part = net.layers[0].m
    with torch.no_grad():
        part.gain.copy_(torch.arange(1.0, len(part.gain) + 1))
    expected = part.matrix()
    assert torch.allclose(expected.norm(dim=1), part.gain)
    with torch.no_grad():
        part.weight *= 7
    assert torch.allclose(part.matrix(), expected, atol=1e-6)


def test_muon_takes_each_gate_for_a_matrix_of_its_own():
    from lmzoo.neural.training.optimizers import fused_rows

    net = MLSTM.from_config(SMALL).build(V)
    assert fused_rows(net)[id(net.layers[0].m.weight)] == [6, 6, 6, 6]
    assert {id(weight) for weight in net.hidden_matrices()} == {
        id(getattr(net.layers[0], name).weight) for name in ("x", "mx", "mh", "m")
    }


def test_the_sentiment_neurons_network_has_its_papers_size():
    """4,096 units, an embedding of 64, 256 bytes: 86 million weights beside our end of text."""
    with torch.device("meta"):
        net = MLSTM.from_config(MLSTM.PRESETS["sentiment-neuron"]).build(257)
    size, read = 4096, 64
    gains = 2 * (4 * size + size)
    matrices = 5 * size * (size + read) + 4 * size
    assert sum(w.numel() for w in net.parameters()) == matrices + gains + 257 * read + 257 * (size + 1) == 86_323_521


@pytest.mark.parametrize("setting", ["layers", "hidden", "embedding"])
def test_a_size_of_zero_is_an_error(setting):
    with pytest.raises(UsageError, match=f"{setting} must be 1 or more, not 0"):
        fitted(**{setting: 0})


def test_an_unknown_cell_is_an_error_that_lists_the_cells():
    with pytest.raises(UsageError, match="no cell 'gru'; there are: lstm, rnn"):
        fitted(cell="gru")
