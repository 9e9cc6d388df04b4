"""LLaMA against transformers' own, and its settings."""

import numpy as np
import pytest
import torch

from lmzoo import testing
from lmzoo.errors import UsageError
from lmzoo.interface import Data, Run
from lmzoo.models.gpt import GPT
from lmzoo.models.llama import Llama
from tests.neural.networks import scattered


def small(**settings):
    return Llama.from_config({"layers": 2, "heads": 4, "width": 32, "window": 12, "batch": 16, **settings})


def test_swiglu_and_fewer_heads_cost_what_the_papers_say():
    module = Llama(layers=1, heads=8, width=96, kv_heads=2).build(10)
    attention = 96 * 96 + 2 * 96 * 24 + 96 * 96  # two of eight heads for keys and values
    mlp = 3 * 96 * 256  # 8/3 of 96
    assert sum(weight.numel() for weight in module.parameters()) == attention + mlp + 3 * 96 + 2 * 10 * 96


def test_it_is_the_llama_of_transformers():
    transformers = pytest.importorskip("transformers")
    net = scattered(small(window=20).build(30))
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


@pytest.mark.parametrize("kv_heads", [0, 2, 1])
def test_it_steps_as_it_scores_and_learns(kv_heads):
    model = small(kv_heads=kv_heads, learning_rate=1e-2)
    model.vocab_size_, model.net_ = testing.VOCAB_SIZE, scattered(model.build(testing.VOCAB_SIZE))
    for check in (testing.scoring_equals_stepping, testing.future_never_matters, testing.states_are_values):
        assert check(model) == ""
    text = testing.practice_text(2000)
    model.fit(Data.of(text, text[:0], testing.VOCAB_SIZE), Run(steps=40))
    assert -model.log_probs(text)[0].mean() < 0.75 * np.log(testing.VOCAB_SIZE)


def test_it_differs_from_gpt_in_architecture_alone():
    """So that `compare gpt llama` tells what the architecture is worth."""
    gpt, llama = GPT().config(), Llama().config()
    assert {name for name in gpt if gpt[name] != llama.get(name)} == {"norm_first", "bias", "tied", "exact_gelu"}
    assert set(llama) - set(gpt) == {"kv_heads"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"heads": 4, "kv_heads": 3}, "4 heads cannot share 3 kv_heads"),
        ({"width": 12, "heads": 4}, "rotary positions need an even width of each head"),
    ],
)
def test_an_impossible_setting_is_named(settings, message):
    with pytest.raises(UsageError, match=message):
        Llama.from_config({"kv_heads": 0} | settings).build(10)
