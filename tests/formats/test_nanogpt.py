"""The conversion of docs/nanogpt.md, on checkpoints with nanoGPT's names, held against its equations."""

import pickle
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from lmzoo.data.tokenizers import Bpe, from_json
from lmzoo.errors import FormatError, TokenizerError
from lmzoo.formats import gpt2, gpt2_tokenizer

transformers = pytest.importorskip("transformers")
transformers.utils.logging.disable_progress_bar()

PAGE = Path(__file__).parents[2] / "docs/nanogpt.md"
(SCRIPT,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
CHARS = ["\n", " ", "!", "a", "c", "e", "h", "t", "é"]  # sorted, as nanoGPT has them
LAYERS, HEADS, WIDTH, WINDOW = 2, 2, 16, 24


def checkpoint(vocab_size, bias, prefix=""):
    """A file's contents as nanoGPT's train.py saves them, with random weights."""
    torch.manual_seed(4)
    shapes = {"transformer.wte.weight": (vocab_size, WIDTH), "transformer.wpe.weight": (WINDOW, WIDTH)}
    for n in range(LAYERS):
        layer = f"transformer.h.{n}"
        shapes |= {f"{layer}.ln_{k}.weight": (WIDTH,) for k in (1, 2)}
        shapes |= {f"{layer}.attn.c_attn.weight": (3 * WIDTH, WIDTH), f"{layer}.attn.c_proj.weight": (WIDTH, WIDTH)}
        shapes |= {f"{layer}.mlp.c_fc.weight": (4 * WIDTH, WIDTH), f"{layer}.mlp.c_proj.weight": (WIDTH, 4 * WIDTH)}
    shapes["transformer.ln_f.weight"] = (WIDTH,)
    if bias:
        inner = [name for name in shapes if "wte" not in name and "wpe" not in name]
        shapes |= {name.replace(".weight", ".bias"): shapes[name][:1] for name in inner}
    weights = {f"{prefix}{name}": torch.randn(shape) * 0.4 for name, shape in shapes.items()}
    weights[f"{prefix}transformer.h.0.attn.bias"] = torch.ones(1, 1, WINDOW, WINDOW).tril()  # without flash attention
    weights[f"{prefix}lm_head.weight"] = weights[f"{prefix}transformer.wte.weight"]
    sizes = {"n_layer": LAYERS, "n_head": HEADS, "n_embd": WIDTH, "block_size": WINDOW, "dropout": 0.2}
    return {"model": weights, "model_args": {**sizes, "bias": bias, "vocab_size": vocab_size}, "iter_num": 5}


def nanogpt(weights, ids):
    """log P (T, V) of what follows each of `ids` (T,), by the equations of nanoGPT's model.py."""
    w = {name.removeprefix("_orig_mod.").removeprefix("transformer."): value for name, value in weights.items()}

    def linear(x, name):
        return functional.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))

    def norm(x, name):
        return functional.layer_norm(x, (WIDTH,), w[f"{name}.weight"], w.get(f"{name}.bias"), 1e-5)

    x = w["wte.weight"][ids] + w["wpe.weight"][: len(ids)]  # (T, D)
    for n in range(LAYERS):
        q, k, v = (
            part.view(len(ids), HEADS, -1).transpose(0, 1)  # (H, T, d)
            for part in linear(norm(x, f"h.{n}.ln_1"), f"h.{n}.attn.c_attn").split(WIDTH, -1)
        )
        y = functional.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0]
        x = x + linear(y.transpose(0, 1).reshape(len(ids), WIDTH), f"h.{n}.attn.c_proj")
        x = x + linear(functional.gelu(linear(norm(x, f"h.{n}.ln_2"), f"h.{n}.mlp.c_fc")), f"h.{n}.mlp.c_proj")
    return functional.linear(norm(x, "ln_f"), w["wte.weight"]).double().log_softmax(-1).numpy()


def convert(monkeypatch, tmp_path, saved, *more):
    torch.save(saved, tmp_path / "ckpt.pt")
    monkeypatch.setattr(sys, "argv", ["convert.py", str(tmp_path / "ckpt.pt"), str(tmp_path / "my-gpt"), *more])
    exec(compile(SCRIPT, str(PAGE), "exec"), {"__name__": "__main__"})
    return tmp_path / "my-gpt"


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("prefix", ["", "_orig_mod."])
def test_a_model_of_characters(monkeypatch, tmp_path, bias, prefix):
    saved = checkpoint(len(CHARS), bias, prefix)
    meta = {"vocab_size": len(CHARS), "itos": dict(enumerate(CHARS)), "stoi": {c: n for n, c in enumerate(CHARS)}}
    with open(tmp_path / "meta.pkl", "wb") as file:
        pickle.dump(meta, file)
    folder = convert(monkeypatch, tmp_path, saved, str(tmp_path / "meta.pkl"))
    model, tokenizer = gpt2.read(folder)
    text = "the té\nat!"
    theirs = [CHARS.index(char) for char in text]
    order = [*range(1, len(CHARS)), 0]  # the newline is `end`
    assert [order[n] for n in tokenizer.encode(text)] == theirs
    expected = nanogpt(saved["model"], [0, *theirs])[:, order]
    np.testing.assert_allclose(model.distributions(tokenizer.encode(text)), expected[:-1], atol=1e-5)
    hugging_face = transformers.GPT2LMHeadModel.from_pretrained(folder).eval()
    logits = hugging_face(torch.tensor([[0, *theirs]])).logits[0].detach().double()
    np.testing.assert_allclose(logits.log_softmax(-1).numpy()[:, order], expected, atol=1e-5)


def test_a_model_of_gpt2s_byte_pairs_padded_to_a_multiple_of_64(monkeypatch, tmp_path):
    pairs = Bpe("gpt2", ["Ġ t", "h e", "Ġt he"], lines=False)
    gpt2_tokenizer.write(pairs, WINDOW, tmp_path)
    published = transformers.AutoTokenizer.from_pretrained(tmp_path)
    monkeypatch.setattr(transformers.GPT2TokenizerFast, "from_pretrained", lambda name: published)
    saved = checkpoint(320, bias=False)
    model, tokenizer = gpt2.read(convert(monkeypatch, tmp_path, saved))
    ids = tokenizer.encode("the cat, the")
    assert ids.tolist() == pairs.encode("the cat, the").tolist()
    order = [*range(pairs.end), *range(pairs.end + 1, 320), pairs.end]
    expected = nanogpt(saved["model"], [pairs.end, *ids.tolist()])[:-1, order]
    np.testing.assert_allclose(model.distributions(ids), expected, atol=1e-5)
    assert list(model.remarks) == ["tokens that no text has, with a share of the probability as in transformers: 60"]


def alphabet(tmp_path, chars):
    (tmp_path / "chars.json").write_text(chars)
    return gpt2_tokenizer.read(tmp_path, {}, 3).tokenizer


def test_an_alphabet_names_the_character_that_it_has_not(tmp_path):
    tokenizer = alphabet(tmp_path, '["b", "\\n", "a"]')
    assert tokenizer.encode("ab\nb").tolist() == [1, 0, 2, 0]
    assert tokenizer.decode([1, 0, 2, 0]) == "ab\nb"
    gpt2_tokenizer.write(tokenizer, WINDOW, tmp_path)
    assert gpt2_tokenizer.read(tmp_path, {}, 3).tokenizer.encode("ab\nb").tolist() == [1, 0, 2, 0]
    assert from_json(tokenizer.to_json()).encode("ab\nb").tolist() == [1, 0, 2, 0]
    with pytest.raises(TokenizerError, match="line 2, column 3: the character 'x' is none of the 3"):
        tokenizer.encode("ab\nabx")


@pytest.mark.parametrize("chars", ['["a", "b", "c"]', '["a", "\\n"]', '["ab", "\\n", "c"]', '["\\n", "b", "b"]', "[1]"])
def test_a_list_that_is_no_alphabet_is_refused(tmp_path, chars):
    with pytest.raises(FormatError):
        alphabet(tmp_path, chars)
