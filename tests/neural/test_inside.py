"""What is read from inside a network is what the network did: it gives again what `forward` gives."""

import numpy as np
import pytest
import torch

from lmzoo import models
from lmzoo.neural import inside
from lmzoo.neural.attention import Attention
from lmzoo.testing import VOCAB_SIZE, practice_text
from tests.neural.networks import scattered

TEXT = practice_text(12)
TRANSFORMERS = {
    "gpt": {},
    "gpt1": {"norm_first": False},
    "llama": {"heads": 4, "kv_heads": 2},
    "speedrun": {"zero_init": False, "heads": 4, "kv_heads": 2},
}
RECURRENT = {
    "lstm": {"layers": 3},
    "gru": {"cell": "gru", "layers": 2},
    "elman": {"layers": 2},
}


def network(name, **settings):
    cls = models.find({"gpt1": "gpt", "gru": "rnn", "elman": "rnn"}.get(name, name))
    torch.manual_seed(1)
    module = cls.from_config(models.presets(cls)["tiny"] | settings).build(VOCAB_SIZE).eval()
    return scattered(module)


def forward(module):
    with torch.inference_mode():
        hidden, _ = module(torch.from_numpy(np.asarray(TEXT, np.int64))[None], module.initial_state(1))
    return hidden[0]


@pytest.mark.parametrize("name", [*TRANSFORMERS, *RECURRENT])
def test_the_pass_that_is_watched_gives_what_any_other_gives_and_leaves_no_hooks(name):
    module = network(name, **(TRANSFORMERS | RECURRENT)[name])
    np.testing.assert_array_equal(inside.read(module, TEXT).hidden, forward(module).numpy())
    assert not any(part._forward_hooks for part in module.modules())


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_attention_is_causal_and_its_rows_sum_to_one(name):
    module = network(name, **TRANSFORMERS[name])
    maps = inside.read(module, TEXT).attention
    assert [one.shape for one in maps] == [
        (module.blocks[0].attention.sizes[0] // module.blocks[0].attention.size, 12, 12)
    ] * 2
    for one in maps:
        np.testing.assert_allclose(one.sum(-1), 1, atol=1e-6)
        assert not np.triu(one, 1).any()
        assert one[:, -1].std() > 1e-3  # not the same everywhere


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_values_weighted_by_the_attention_are_what_the_layer_gives(name):
    attention = next(part for part in network(name, **TRANSFORMERS[name]).modules() if isinstance(part, Attention))
    x = torch.randn(2, 9, attention.qkv.in_features, generator=torch.Generator().manual_seed(2))
    weights = attention.weights(x)  # (B, H, T, T)
    v = attention.qkv(x).split(attention.sizes, -1)[2].unflatten(-1, (-1, attention.size)).transpose(1, 2)
    v = v.repeat_interleave(weights.shape[1] // v.shape[1], dim=1)
    expected, _ = attention(x, None)
    torch.testing.assert_close(attention.out((weights @ v).transpose(1, 2).flatten(2)), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", RECURRENT)
def test_every_stacked_layer_is_read_and_the_last_gives_the_networks_output(name):
    module = network(name, **RECURRENT[name])
    look = inside.read(module, TEXT)
    assert len(look.recurrent) == RECURRENT[name]["layers"]
    np.testing.assert_allclose(look.recurrent[-1].outputs, look.hidden, atol=1e-5)
    top = next(part for part in reversed(list(module.modules())) if isinstance(part, torch.nn.RNNBase))
    if top.num_layers > 1:  # the layers within one of PyTorch's: the last reads what the one below it gave
        one = type(top)(top.hidden_size, top.hidden_size, batch_first=True)
        one.load_state_dict(dict(zip(one.state_dict(), top.all_weights[-1], strict=True)))
        with torch.inference_mode():
            again = one(torch.from_numpy(look.recurrent[-2].outputs)[None])[0][0].numpy()
        np.testing.assert_allclose(again, look.hidden, atol=1e-5)


def test_the_output_gate_shows_the_cells_of_an_lstm():
    module = network("lstm", layers=2)
    for layer in inside.read(module, TEXT).recurrent:
        np.testing.assert_allclose(layer.gates["output"] * np.tanh(layer.cells), layer.outputs, atol=1e-5)
        kept = layer.gates["forget"][1:] * layer.cells[:-1]
        written = layer.cells[1:] - kept  # i ⊙ tanh(…): no more than the input gate lets in
        assert (np.abs(written) <= layer.gates["input"][1:] + 1e-5).all()


def test_the_last_cells_of_an_lstm_are_those_that_it_carries_on():
    module = network("lstm")
    with torch.inference_mode():
        _, carried = module(torch.from_numpy(np.asarray(TEXT, np.int64))[None], module.initial_state(1))
    np.testing.assert_allclose(inside.read(module, TEXT).recurrent[0].cells[-1], carried[1][0].numpy(), atol=1e-5)


def test_the_update_gate_of_a_gru_keeps_what_it_had():
    (layer,) = inside.read(network("gru", cell="gru"), TEXT).recurrent
    z, h = layer.gates["update"][1:], layer.outputs
    new = (h[1:] - z * h[:-1]) / (1 - z)  # tanh(…)
    settled = z < 0.99  # where the division does not lose all digits
    assert settled.mean() > 0.5
    assert (np.abs(new[settled]) <= 1 + 1e-3).all()
    assert set(layer.gates) == {"reset", "update"}


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_the_last_row_of_the_logit_lens_is_what_the_model_predicts(name):
    module = network(name, **TRANSFORMERS[name])
    rows = list(inside.lens(module, inside.read(module, TEXT)))
    assert len(rows) == 3  # the embeddings and two layers
    with torch.inference_mode():
        expected = module.head(forward(module)).log_softmax(-1).numpy()
    np.testing.assert_allclose(rows[-1], expected, atol=1e-4)
    assert np.abs(rows[0] - expected).max() > 0.01
