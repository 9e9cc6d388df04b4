"""GPT-1 and GPT-2 against the papers' sizes and against PyTorch's own transformer layer."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from lmzoo import models, testing
from lmzoo.errors import UsageError
from lmzoo.interface import Data, Run
from lmzoo.models.gpt import GPT
from tests.neural.networks import scattered

VARIANTS = [{}, {"norm_first": False}, {"bias": False}, {"tied": False}, {"dropout": 0.2}]


def small(**settings):
    return GPT.from_config({"layers": 2, "heads": 4, "width": 32, "window": 12, "batch": 16, **settings})


@pytest.mark.parametrize(
    ("preset", "vocab_size", "window", "weights"),
    [
        ("gpt1", 40_478, 512, 116_534_784),
        ("gpt2", 50_257, 1024, 124_439_808),
        ("gpt2-medium", 50_257, 1024, 354_823_168),
        ("gpt2-large", 50_257, 1024, 774_030_080),
        ("gpt2-xl", 50_257, 1024, 1_557_611_200),
    ],
)
def test_presets_have_the_published_number_of_weights(preset, vocab_size, window, weights):
    model = models.make(GPT, {"preset": preset})
    with torch.device("meta"):
        module = model.build(vocab_size)
    assert model.window == window
    assert sum(weight.numel() for weight in module.parameters()) == weights


def test_the_first_weights_are_those_of_gpt2():
    torch.manual_seed(0)
    module = GPT(layers=8, heads=2, width=64, window=64).build(500)
    std = {name: weight.detach().std().item() for name, weight in module.named_parameters()}
    assert std["embedding.weight"] == pytest.approx(0.02, rel=0.1)
    assert std["blocks.3.attention.qkv.weight"] == pytest.approx(0.02, rel=0.1)
    assert std["blocks.3.attention.out.weight"] == pytest.approx(0.02 / 4, rel=0.1)  # √(2 · 8 layers)
    assert std["blocks.3.mlp.down.weight"] == pytest.approx(0.02 / 4, rel=0.1)
    assert all(value == 0 for name, value in std.items() if name.endswith("bias") or "norm" in name)


def test_the_first_weights_of_gpt1_are_not_scaled():
    torch.manual_seed(0)
    module = GPT(layers=8, heads=2, width=64, window=64, norm_first=False).build(500)
    assert module.blocks[3].attention.out.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert module.blocks[3].mlp.down.weight.std().item() == pytest.approx(0.02, rel=0.1)


def test_a_step_costs_six_operations_a_weight_and_the_products_of_attention():
    module = GPT(layers=3, heads=2, width=16, window=20, bias=False).build(50)
    matrices = 3 * (4 + 8) * 16 * 16 + 50 * 16
    assert module.flops(20) == 6 * matrices + 12 * 3 * 16 * 20


@pytest.mark.parametrize("norm_first", [True, False])
def test_a_block_is_pytorchs_transformer_layer(norm_first):
    block = scattered(small(norm_first=norm_first).build(5)).blocks[0]
    gelu = partial(nn.functional.gelu, approximate="tanh")
    theirs = nn.TransformerEncoderLayer(32, 4, 128, 0.0, gelu, batch_first=True, norm_first=norm_first).eval()
    ours = {
        "self_attn.in_proj_weight": block.attention.qkv.weight, "self_attn.in_proj_bias": block.attention.qkv.bias,
        "self_attn.out_proj.weight": block.attention.out.weight, "self_attn.out_proj.bias": block.attention.out.bias,
        "linear1.weight": block.mlp.up.weight, "linear1.bias": block.mlp.up.bias,
        "linear2.weight": block.mlp.down.weight, "linear2.bias": block.mlp.down.bias,
        "norm1.weight": block.norms[0].weight, "norm1.bias": block.norms[0].bias,
        "norm2.weight": block.norms[1].weight, "norm2.bias": block.norms[1].bias,
    }  # fmt: skip
    theirs.load_state_dict(ours)
    x = torch.randn(3, 7, 32)
    expected = theirs(x, nn.Transformer.generate_square_subsequent_mask(7), is_causal=True)
    torch.testing.assert_close(block(x, None)[0], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("settings", VARIANTS, ids=str)
def test_every_variant_steps_as_it_scores(settings):
    model = small(**settings)
    model.vocab_size_, model.net_ = testing.VOCAB_SIZE, scattered(model.build(testing.VOCAB_SIZE))
    for check in (testing.scoring_equals_stepping, testing.future_never_matters, testing.states_are_values):
        assert check(model) == ""


@pytest.mark.parametrize("settings", VARIANTS, ids=str)
def test_every_variant_learns(settings):
    text = testing.practice_text(2000)
    model = small(**settings, learning_rate=1e-2).fit(Data.of(text, text[:0], testing.VOCAB_SIZE), Run(steps=40))
    assert -model.log_probs(text)[0].mean() < 0.75 * np.log(testing.VOCAB_SIZE)


def test_the_defaults_are_gpt_2_s_form_at_the_size_of_a_laptop():
    assert models.make(GPT, {"preset": "gpt-nano"}) == GPT()
    assert (GPT().norm_first, GPT().bias, GPT().tied, GPT().training.optimizer) == (True, True, True, "adamw")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 30, "heads": 4}, "a width of 30 cannot be shared by 4 heads"),
        ({"layers": 0}, "layers must be 1 or more, not 0"),
        ({"dropout": 1.0}, "dropout must be 0 or more and below 1"),
    ],
)
def test_an_impossible_setting_is_named(settings, message):
    with pytest.raises(UsageError, match=f"^[^\n]*{message}[^\n]*$"):
        GPT(**settings).build(10)


@pytest.mark.parametrize(
    ("run", "pays"),
    [
        (Run(), True),  # 180 seconds
        (Run(seconds=180), True),
        (Run(seconds=20), False),
        (Run(steps=50), False),
        (Run(seconds=180, tokens=1e6), False),
    ],
)
def test_it_is_compiled_where_a_budget_of_time_has_room_for_it(monkeypatch, run, pays):
    monkeypatch.setattr("lmzoo.neural.device.can_compile_for_cpu", lambda: True)
    run.device = "cpu"
    assert GPT().compile_pays(run) is pays


def test_it_is_not_compiled_where_there_is_no_compiler(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert not GPT().compile_pays(Run(device="cpu"))
