"""BERT: sizes, a filled blank worked out from the equations, texts longer than the window, and what is learned."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import gelu

from lmzoo import models
from lmzoo.errors import UsageError
from lmzoo.interface import Data, MaskedModel, Run
from lmzoo.models.bert import Bert
from lmzoo.testing import practice_text
from tests.neural.networks import scattered

V = 12


def small(**settings):
    return Bert.from_config({"layers": 2, "heads": 2, "width": 8, "window": 12, "batch": 16, **settings})


def scatter(**settings):
    """A model with weights that are neither tiny nor zero."""
    model = small(**settings)
    return model.holding(scattered(model.build(V)), V)


@pytest.mark.parametrize(
    ("preset", "vocab_size", "weights"),
    [
        ("bert-base", 30_522, 110_106_428),  # BertForPreTraining, as released: with pooler and next sentences
        ("roberta-base", 50_265, 124_697_433 - 2 * 768),  # RobertaForMaskedLM, whose first two positions are never read
    ],
)
def test_presets_have_the_published_number_of_weights(preset, vocab_size, weights):
    with torch.device("meta"):
        module = models.make(Bert, {"preset": preset}).build(vocab_size - 2)  # without [MASK] and [CLS]
    # The softmax has a bias for these two there.
    assert sum(weight.numel() for weight in module.parameters()) == weights - 2


@torch.no_grad()
@pytest.mark.parametrize("norm_first", [True, False])
def test_a_blank_is_filled_as_the_equations_say(norm_first):
    model = scatter(norm_first=norm_first, segments=2, epsilon=1e-5)
    net, text = model.net_, np.array([3, 1, 4, 1, 5])
    read = torch.tensor([V + 1, 3, V, 4, 1, 5, V - 1])  # [CLS] 3 [MASK] 4 1 5 [SEP]
    e = net.embeddings
    x = e.tokens.weight[read] + e.positions.weight[:7] + e.segments.weight[0]
    near = torch.cat([torch.zeros(2, 8), x, torch.zeros(2, 8)])
    kernel = e.convolution.weight  # (out, in, 5)
    x = x + torch.stack([sum(kernel[:, :, n] @ near[t + n] for n in range(5)) for t in range(7)]) + e.convolution.bias
    x = e.norm(x)
    for block in net.blocks:
        layer = nn.TransformerEncoderLayer(8, 2, 32, 0.0, gelu, batch_first=True, norm_first=norm_first).eval()
        layer.load_state_dict({
            "self_attn.in_proj_weight": block.attention.qkv.weight, "self_attn.in_proj_bias": block.attention.qkv.bias,
            "self_attn.out_proj.weight": block.attention.out.weight,
            "self_attn.out_proj.bias": block.attention.out.bias,
            "linear1.weight": block.mlp.up.weight, "linear1.bias": block.mlp.up.bias,
            "linear2.weight": block.mlp.down.weight, "linear2.bias": block.mlp.down.bias,
            "norm1.weight": block.norms[0].weight, "norm1.bias": block.norms[0].bias,
            "norm2.weight": block.norms[1].weight, "norm2.bias": block.norms[1].bias,
        })  # fmt: skip
        x = layer(x[None])[0]
    h = net.norm(x)[2]
    h = net.output.norm(gelu(net.output.dense(h)))
    expected = (e.tokens.weight[:V] @ h + net.bias).log_softmax(-1)
    (row,) = model.fill_log_probs(text, np.array([False, True, False, False, False]))
    assert row == pytest.approx(expected.numpy(), abs=1e-4)


def test_every_other_token_matters_and_the_hidden_one_does_not():
    model, text = scatter(), np.arange(8)
    hidden = np.arange(8) == 3
    (row,) = model.fill_log_probs(text, hidden)
    for place in range(8):
        other = text.copy()
        other[place] = 10
        same = np.allclose(model.fill_log_probs(other, hidden)[0], row, atol=1e-6)
        assert same == (place == 3)


def test_what_was_just_read_is_the_second_segment_behind_a_separator():
    net = scatter(segments=2).net_
    ids = torch.tensor([[V + 1, 3, V - 1, 4, V - 1]])
    assert torch.equal(net(ids, ())[0], net(ids, (torch.tensor([[0, 0, 0, 1, 1]]),))[0])
    assert not torch.allclose(net(ids, ())[0], net(ids, (torch.zeros_like(ids),))[0])


def test_a_token_of_a_long_text_is_read_among_a_window_of_others():
    model, text = scatter(), practice_text(60)
    for place, start in ((0, 0), (20, 15), (23, 15), (24, 21), (59, 48)):  # blocks of 6, with 3 on either side
        hidden = np.arange(60) == place
        part = slice(start, start + 12)
        assert np.allclose(model.fill_log_probs(text, hidden), model.fill_log_probs(text[part], hidden[part]))
    vectors = model.features(text)
    assert np.allclose(vectors[20], model.features(text[15:27])[5], atol=1e-5)


def test_of_a_word_of_several_tokens_the_later_ones_are_hidden_too():
    model, text, words = scatter(), np.array([3, 1, 4, 1, 5]), np.array([0, 1, 1, 1, 2])
    scores = model.pseudo_log_probs(text, words)
    assert scores == pytest.approx(MaskedModel.pseudo_log_probs(model, text, words), abs=1e-5)
    alone = model.pseudo_log_probs(text)
    assert scores[[0, 3, 4]] == pytest.approx(alone[[0, 3, 4]], abs=1e-5)  # nothing of their words is to the right
    row = model.fill_log_probs(text, np.array([False, True, True, True, False]))[0]
    assert scores[1] == pytest.approx(row[1], abs=1e-5)
    assert abs(scores[1] - alone[1]) > 1e-3


def test_it_learns_to_fill_a_blank_from_both_sides():
    text = np.tile([0, 5, 1, 6, 2, 7, 1, 8], 400)  # 1.91 nats a token by frequency; by both neighbours none
    model = small(learning_rate=1e-2).fit(Data.of(text, text[:400], V), Run(steps=60))
    assert np.mean(model.pseudo_log_probs(text[8:40])) > -1.2


def test_the_paper_and_the_title_are_those_of_the_settings():
    assert (small().origin.year, small().title) == (2019, "RoBERTa form")
    assert (small(masks=10).origin.year, small(next_sentence=True, segments=2).title) == (2018, "BERT form")
    assert models.make(Bert, {"preset": "bert-base"}).recipe == "period"
    assert small().recipe == "today"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"heads": 3}, "cannot be shared by 3 heads"),
        ({"next_sentence": True}, "segments"),
        ({"convolution": -1}, "convolution"),
        ({"window": 1}, "window"),
    ],
)
def test_settings_that_cannot_be_are_named(wrong, message):
    with pytest.raises(UsageError, match=message):
        small(**wrong).build(V)


def test_a_step_costs_the_softmax_at_the_blanks_alone():
    module = small(convolution=0).build(V)
    matrices = 2 * (4 + 8) * 8 * 8
    assert module.flops(12) == pytest.approx(6 * matrices + 12 * 2 * 8 * 12 + 6 * 0.15 * (8 * 8 + V * 8))
