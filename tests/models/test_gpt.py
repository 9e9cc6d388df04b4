"""GPT against the papers' sizes, against PyTorch's own transformer layer, and what its settings change."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from lmzoo import models, testing
from lmzoo.errors import UsageError
from lmzoo.interface import Data, Run
from lmzoo.models.gpt import ADAMW, GPT, GPT2, LLAMA
from lmzoo.neural.attention import attend, rotate, sinusoids

VARIANTS = [
    {}, {"norm_first": False}, {"positions": "rotary"}, {"positions": "sinusoidal"}, {"norm": "rmsnorm"},
    {"activation": "swiglu"}, {"activation": "relu2"}, {"kv_heads": 2}, {"kv_heads": 1}, {"bias": False},
    {"tied": False}, {"qk_norm": True}, {"zero_init": True, "tied": False}, {"softcap": 5.0},
    {"ngrams": 2, "ngram_rows": 64}, {"ngrams": 4, "ngram_rows": 300}, {"shortcut": True}, LLAMA, {"dropout": 0.2},
]  # fmt: skip


def small(**settings):
    return GPT.from_config(
        {**GPT2, **ADAMW, "layers": 2, "heads": 4, "width": 32, "window": 12, "batch": 16, **settings}
    )


def scattered(net):
    """The net with weights that are neither tiny nor zero, so that nothing can hide in them."""
    torch.manual_seed(3)
    for weight in net.parameters():
        nn.init.normal_(weight, std=0.3)
    return net.eval()


# ── The papers' sizes ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("preset", "weights"),
    [("gpt2", 124_439_808), ("gpt2-medium", 354_823_168), ("gpt2-large", 774_030_080), ("gpt2-xl", 1_557_611_200)],
)
def test_presets_have_as_many_weights_as_gpt2(preset, weights):
    model = models.make(GPT, {"preset": preset})
    with torch.device("meta"):
        net = model.build(50_257)
    assert model.window == 1024
    assert sum(weight.numel() for weight in net.parameters()) == weights


def test_swiglu_and_fewer_heads_cost_what_the_llama_papers_say():
    net = GPT(layers=1, heads=8, width=96, **LLAMA).build(10)
    attention = 96 * 96 + 2 * 96 * 24 + 96 * 96  # two of eight heads for keys and values
    mlp = 3 * 96 * 256  # 8/3 of 96
    assert sum(weight.numel() for weight in net.parameters()) == attention + mlp + 3 * 96 + 2 * 10 * 96


def test_the_first_weights_are_those_of_gpt2():
    torch.manual_seed(0)
    net = GPT(layers=8, heads=2, width=64, window=64, **GPT2).build(500)
    std = {name: weight.detach().std().item() for name, weight in net.named_parameters()}
    assert std["embedding.weight"] == pytest.approx(0.02, rel=0.1)
    assert std["blocks.3.attention.qkv.weight"] == pytest.approx(0.02, rel=0.1)
    assert std["blocks.3.attention.out.weight"] == pytest.approx(0.02 / 4, rel=0.1)  # √(2 · 8 layers)
    assert std["blocks.3.mlp.down.weight"] == pytest.approx(0.02 / 4, rel=0.1)
    assert all(value == 0 for name, value in std.items() if name.endswith("bias") or "norm" in name)


def test_a_step_costs_six_operations_a_weight_and_the_products_of_attention():
    net = GPT(layers=3, heads=2, width=16, window=20, **{**GPT2, "bias": False}).build(50)
    matrices = 3 * (4 + 8) * 16 * 16 + 50 * 16
    assert net.flops(20) == 6 * matrices + 12 * 3 * 16 * 20


# ── The equations ─────────────────────────────────────────────────────────────────────────────────


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
    torch.testing.assert_close(block(x, x, None)[0], expected, atol=1e-5, rtol=1e-5)


def test_the_preset_llama_is_the_llama_of_transformers():
    transformers = pytest.importorskip("transformers")
    net = scattered(small(**LLAMA, window=20).build(30))
    sizes = {"vocab_size": 30, "hidden_size": 32, "intermediate_size": 88, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-5}
    theirs = transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes, **heads)).eval()
    weights = {"model.embed_tokens.weight": net.embedding.weight, "model.norm.weight": net.norm.weight}
    for n, block in enumerate(net.blocks):
        (q, k, v), (gate, up) = block.attention.qkv.weight.split([32, 16, 16]), block.mlp.up.weight.chunk(2)
        at, mlp = f"model.layers.{n}.self_attn", f"model.layers.{n}.mlp"
        weights |= {
            f"{at}.q_proj.weight": q, f"{at}.k_proj.weight": k, f"{at}.v_proj.weight": v,
            f"{at}.o_proj.weight": block.attention.out.weight, f"{mlp}.gate_proj.weight": gate,
            f"{mlp}.up_proj.weight": up, f"{mlp}.down_proj.weight": block.mlp.down.weight,
            f"model.layers.{n}.input_layernorm.weight": block.norms[0].weight,
            f"model.layers.{n}.post_attention_layernorm.weight": block.norms[1].weight,
        }  # fmt: skip
    theirs.load_state_dict({**weights, "lm_head.weight": net.output.weight})
    ids = torch.randint(30, (2, 20))
    torch.testing.assert_close(net.head(net(ids, ())[0]), theirs(ids).logits, atol=1e-4, rtol=1e-4)


def test_attention_by_hand():
    """One head of one feature: the second token asks 2, the keys answer 0 and 1: weights 1 : e²."""
    q, k, v = (torch.tensor(numbers).view(1, 1, 2, 1) for numbers in ([5.0, 2.0], [0.0, 1.0], [10.0, 20.0]))
    share = np.exp(2) / (1 + np.exp(2))
    assert attend(q, k, v).flatten().tolist() == pytest.approx([10, 10 * (1 - share) + 20 * share])


@pytest.mark.parametrize(("asking", "seen"), [(1, 1), (1, 9), (9, 9), (4, 9)])
@pytest.mark.parametrize("kv_heads", [4, 2, 1])
def test_both_ways_to_attend_are_one(asking, seen, kv_heads):
    """In bf16 on a CPU it is written out, in float32 it is PyTorch's."""
    torch.manual_seed(0)
    q, (k, v) = torch.randn(2, 4, asking, 8), torch.randn(2, 2, kv_heads, seen, 8)
    written_out = attend(q.bfloat16(), k.bfloat16(), v.bfloat16()).float()
    torch.testing.assert_close(written_out, attend(q, k, v), atol=0.05, rtol=0.05)


def test_rotated_products_depend_on_the_distance_alone():
    q, k = torch.randn(1, 8), torch.randn(1, 8)
    at_5, at_105 = (rotate(q, first + 3) @ rotate(k, first).T for first in (5, 105))
    torch.testing.assert_close(at_5, at_105, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(at_5, rotate(q, 4) @ rotate(k, 0).T, atol=1e-2)


def test_sinusoids_are_those_of_the_paper():
    found = sinusoids(2, 1, 4, torch.device("cpu"))[0]
    assert found.tolist() == pytest.approx([np.sin(2), np.sin(2 / 100), np.cos(2), np.cos(2 / 100)])


def test_softcapped_logits_stay_within():
    net = scattered(small(softcap=2.0).build(5))
    assert net.head(torch.randn(100, 32) * 100).abs().max() <= 2.0


def first_vectors(net, *text):
    """The first vectors (T, D) of the text's tokens behind the N - 1 that are only looked back at."""
    return net._embed(torch.tensor([text]), 0)[0]


def test_pairs_and_triples_of_tokens_have_vectors_of_their_own():
    pairs, triples = (scattered(small(positions="rotary", ngrams=n, ngram_rows=50_000).build(5)) for n in (2, 3))
    assert not torch.equal(first_vectors(pairs, 1, 2), first_vectors(pairs, 3, 2))
    assert not torch.equal(first_vectors(triples, 0, 1, 2), first_vectors(triples, 4, 1, 2))
    assert torch.equal(first_vectors(triples, 0, 1, 2, 3, 4)[2], first_vectors(triples, 2, 3, 4)[0])


def test_few_ngrams_share_a_row():
    """The hash spreads 40³ n-grams of each length over as many rows about as evenly as chance: 63 % are taken."""
    net = GPT(layers=1, heads=1, width=2, ngrams=3, ngram_rows=40**3 + 40**2).build(257)
    taken = []
    net.ngrams.register_forward_hook(lambda table, given, found: taken.append(given[0]))
    letters = torch.arange(60, 100)
    net._embed(torch.cartesian_prod(letters, letters, letters), 0)
    assert len(torch.cat([rows.flatten() for rows in taken]).unique()) > 0.6 * (40**3 + 40**2)


# ── Its settings ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("settings", VARIANTS, ids=str)
def test_every_variant_steps_as_it_scores(settings):
    model = small(**settings)
    model.vocab_size_, model.net_ = testing.VOCAB_SIZE, scattered(model.build(testing.VOCAB_SIZE))
    for check in (testing.scoring_equals_stepping, testing.future_never_matters, testing.states_are_values):
        assert check(model) == ""


def test_the_defaults_are_a_variant_too():
    model = GPT(width=32, window=12)
    model.vocab_size_, model.net_ = testing.VOCAB_SIZE, scattered(model.build(testing.VOCAB_SIZE))
    assert testing.scoring_equals_stepping(model) == ""
    text = testing.practice_text(2000)
    GPT.from_config({"width": 32, "window": 12, "batch": 8}).fit(
        Data.of(text, text[:0], testing.VOCAB_SIZE), Run(steps=10)
    )


def test_presets_differ_in_architecture_alone():
    """So that `compare gpt:preset=gpt-nano gpt:preset=llama` tells what the architecture is worth."""
    nano, llama = GPT.PRESETS["gpt-nano"], GPT.PRESETS["llama"]
    differing = {name for name in nano if nano[name] != llama[name]}
    assert differing == {"positions", "norm", "activation", "kv_heads", "bias", "tied"}


@pytest.mark.parametrize("settings", VARIANTS, ids=str)
def test_every_variant_learns(settings):
    text = testing.practice_text(2000)
    model = small(**settings, learning_rate=1e-2).fit(Data.of(text, text[:0], testing.VOCAB_SIZE), Run(steps=40))
    assert -model.log_probs(text)[0].mean() < 0.75 * np.log(testing.VOCAB_SIZE)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"width": 30, "heads": 4}, "a width of 30 cannot be shared by 4 heads"),
        ({"heads": 4, "kv_heads": 3}, "4 heads cannot share 3 kv_heads"),
        ({"positions": "rotery"}, "positions is learned or sinusoidal or rotary, not 'rotery'; did you mean rotary?"),
        ({"norm": ""}, "norm is layernorm or rmsnorm, not ''"),
        ({"activation": "relu"}, "did you mean relu2?"),
        ({"layers": 0}, "layers must be at least 1, not 0"),
        ({"dropout": 1.0}, "dropout must be at least 0 and less than 1"),
        ({"width": 12, "heads": 4, "positions": "rotary"}, "rotary positions need an even width of each head"),
    ],
)
def test_settings_that_cannot_be_are_named(settings, says):
    with pytest.raises(UsageError, match=f"^[^\n]*{says.replace('?', '[?]')}[^\n]*$"):
        GPT(**settings).build(10)


# ── How it is trained ─────────────────────────────────────────────────────────────────────────────


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
