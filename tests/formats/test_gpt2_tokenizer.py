"""Models of strangers, held against Hugging Face's own programs: the same ids, all log-probabilities within 1e-5."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from lmzoo.cli.exchange import export_run, import_file
from lmzoo.data import tokenizers
from lmzoo.errors import FormatError
from lmzoo.formats import gpt2, gpt2_tokenizer
from lmzoo.runs import store

transformers = pytest.importorskip("transformers")
hugging_face = pytest.importorskip("tokenizers")
transformers.utils.logging.disable_progress_bar()

END = gpt2_tokenizer.END
PROSE = "the cat sat on the mat, the rat sat on the cat; where is\nthe café? It's there, isn't it?  1234 " * 4
CHAT = ["<|im_start|>", "<|im_end|>", "[PAD]"]


def trained(first=(END,), size=290, prefix_space=False):
    """Byte pairs learned by Hugging Face's `tokenizers`, which has the tokens `first` at 0, 1, …"""
    text = hugging_face.ByteLevelBPETokenizer(add_prefix_space=prefix_space)
    text.train_from_iterator([PROSE], vocab_size=size, special_tokens=list(first), show_progress=False)
    return hugging_face.Tokenizer.from_str(text.to_str())


def network(vocab_size, kind=transformers.GPT2LMHeadModel, **settings_):
    torch.manual_seed(3)
    sizes = {"n_layer": 2, "n_head": 2, "n_embd": 16, "n_positions": 32, "vocab_size": vocab_size}
    model = kind(transformers.GPT2Config(**{**sizes, "eos_token_id": 0, "bos_token_id": 0, **settings_})).eval()
    for weight in model.parameters():
        weight.data += torch.randn_like(weight) * 0.2
    return model


def saved(folder, text, vocab_size=None, **settings_):
    network(vocab_size or text.get_vocab_size(), **settings_).save_pretrained(folder)
    text.save(str(folder / "tokenizer.json"))
    return folder


def check_all_log_probs(folder, text=" the cat sat on"):
    """All of the vocabulary's log-probabilities at each place are those of transformers, row for row."""
    model, tokenizer = gpt2.read(folder)
    config = json.loads((folder / "config.json").read_text())
    order = gpt2_tokenizer.read(folder, config, config["vocab_size"]).order
    ids = tokenizer.encode(text)
    row = torch.tensor([[order[tokenizer.end], *(order[n] for n in ids)]])
    theirs = transformers.GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        expected = theirs(row).logits[0, :-1].double().log_softmax(-1).numpy()[:, order]
    assert expected.shape == (len(ids), tokenizer.vocab_size)
    np.testing.assert_allclose(model.distributions(ids), expected, atol=1e-5)
    return model


def their_ids(folder, tokenizer):
    """A function: the ids of a text by lmzoo, in their numbers."""
    config = json.loads((folder / "config.json").read_text())
    order = np.array(gpt2_tokenizer.read(folder, config, config["vocab_size"]).order)
    return lambda text: order[tokenizer.encode(text)].tolist()


TEXTS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from(["the cat", " the", "\n", "  ", "isn't", *CHAT, "<|im", "café", "😀", "\u3000", "e\u0301"]),
    max_size=8,
).map("".join)


# ── Byte pairs of Hugging Face's trainer ──────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def chat_folder(tmp_path_factory):
    """`end` at 0, bytes in another order, three tokens added, embeddings padded to a multiple of 64."""
    text = trained()
    text.add_special_tokens(CHAT[:2])
    text.add_tokens(CHAT[2:])
    folder = tmp_path_factory.mktemp("chat")
    return saved(folder, text, 320)


@settings(max_examples=200, deadline=None)
@given(text=TEXTS)
def test_the_ids_of_any_text_are_those_of_tokenizers_and_decode_to_it(chat_folder, text):
    tokenizer = gpt2_tokenizer.read(chat_folder, {}, 320).tokenizer
    order = gpt2_tokenizer.read(chat_folder, {}, 320).order
    theirs = hugging_face.Tokenizer.from_file(str(chat_folder / "tokenizer.json"))
    ids = tokenizer.encode(text)
    assert [order[n] for n in ids] == theirs.encode(text).ids
    assert tokenizer.decode(ids) == text == "".join(tokenizer.pieces(ids))
    assert tokenizer.end not in ids


def test_a_padded_model_with_chat_tokens_has_the_log_probs_of_transformers(chat_folder):
    model = check_all_log_probs(chat_folder, "<|im_start|>the cat<|im_end|>")
    assert model.remarks == [
        "added tokens, which are read where a text has them: <|im_start|>, <|im_end|>, [PAD]",
        "tokens that no text has, with a share of the probability as in transformers: 27",
    ]


@pytest.mark.parametrize(
    ("first", "end"), [((END,), END), (("<s>", "<pad>", "</s>", "<unk>", "<mask>"), "</s>"), (("[PAD]", END), END)]
)
def test_the_token_that_ends_a_text_stands_anywhere(tmp_path, first, end):
    folder = saved(tmp_path, trained(first))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": end, "bos_token": first[0]}))
    model, tokenizer = gpt2.read(folder)
    config = json.loads((folder / "config.json").read_text())
    assert gpt2_tokenizer.read(folder, config, tokenizer.vocab_size).order[-1] == first.index(end)
    assert ("not after <s>" in " ".join(model.remarks)) == (first[0] == "<s>")
    check_all_log_probs(folder)


def test_vocab_and_merges_with_added_tokens_beside_them_say_the_same(tmp_path):
    text = trained()
    folder = saved(tmp_path, text, 320)
    text.model.save(str(folder))
    (folder / "tokenizer.json").unlink()
    decoder = {"290": {"content": "<|im_start|>", "special": True}, "291": {"content": "[PAD]", "lstrip": False}}
    (folder / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": decoder}))
    (folder / "added_tokens.json").write_text('{"<|im_end|>": 292}')
    (folder / "special_tokens_map.json").write_text(json.dumps({"eos_token": {"content": END}, "pad_token": "[PAD]"}))
    _, tokenizer = gpt2.read(folder)
    text.add_special_tokens([CHAT[0], CHAT[2], CHAT[1]])
    told = "<|im_start|>the café<|im_end|> [PAD]"
    assert their_ids(folder, tokenizer)(told) == text.encode(told).ids
    check_all_log_probs(folder)


def test_merges_may_be_strings_or_lists(tmp_path):
    folder = saved(tmp_path, trained())
    contents = json.loads((folder / "tokenizer.json").read_text())
    assert isinstance(contents["model"]["merges"][0], list)
    expected = gpt2.read(folder).tokenizer.to_json()
    contents["model"]["merges"] = [" ".join(merge) for merge in contents["model"]["merges"]]
    (folder / "tokenizer.json").write_text(json.dumps(contents))
    assert gpt2.read(folder).tokenizer.to_json() == expected


def test_a_space_that_transformers_would_write_is_left_to_the_text(tmp_path):
    text = trained(prefix_space=True)
    folder = saved(tmp_path, text)
    model, tokenizer = gpt2.read(folder)
    assert their_ids(folder, tokenizer)(" the cat") == text.encode("the cat").ids
    assert tokenizer.decode(tokenizer.encode("the cat")) == "the cat"
    assert "add_prefix_space" in " ".join(model.remarks)


def test_a_token_that_takes_white_space_with_it_is_not_read(tmp_path):
    text = trained()
    text.add_special_tokens([hugging_face.AddedToken("<mask>", lstrip=True)])
    _, tokenizer = gpt2.read(saved(tmp_path, text))
    assert tokenizer.added == {}
    assert tokenizer.decode(tokenizer.encode("a <mask>")) == "a <mask>"
    assert tokenizer.token(tokenizer.vocab_size - 2) == f"<unused {tokenizer.vocab_size - 2}>"


def test_added_tokens_may_begin_alike_or_be_byte_pairs_already(tmp_path):
    text = trained()
    text.add_tokens(["ab", "abc", "at", "é"])
    folder = saved(tmp_path, text)
    _, tokenizer = gpt2.read(folder)
    assert text.token_to_id("at") < 290 and text.token_to_id("é") < 290
    assert sorted(tokenizer.added) == ["ab", "abc", "at"]  # "é" is the name of the byte E9
    assert their_ids(folder, tokenizer)("the abcat") == text.encode("the abcat").ids
    assert tokenizer.decode(tokenizer.encode("café abcat")) == "café abcat"


def test_tokens_without_a_row_are_plain_text(tmp_path):
    """A pad token was named, and the embeddings were never resized."""
    text = trained()
    text.add_special_tokens(["[PAD]"])
    folder = saved(tmp_path, text, 290)
    assert gpt2.read(folder).tokenizer.added == {}
    check_all_log_probs(folder, "the [PAD]")


def changed(folder, **changes):
    contents = json.loads((folder / "tokenizer.json").read_text())
    for place, value in changes.items():
        (contents["model"] if place in contents["model"] else contents)[place] = value
    (folder / "tokenizer.json").write_text(json.dumps(contents))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"normalizer": {"type": "NFC"}}, "tokenizer.json has a normalizer"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "has a pre_tokenizer other than ByteLevel"),
        ({"pre_tokenizer": None}, "has a pre_tokenizer other than ByteLevel"),
        ({"dropout": 0.1}, "has a dropout"),
        ({"type": "Unigram"}, "its model is Unigram, where only byte pairs"),
        ({"merges": [1]}, "tokenizer.json: model: expected"),
        ({"merges": ["zz z"]}, "merge 0, 'zz z', joins what no earlier merge makes"),
        ({"added_tokens": [{"id": 0}]}, "tokenizer.json: added_tokens: lacks the field content in [0]"),
        ({"added_tokens": [], "vocab": {}}, "the byte '!' has no token"),
    ],
    ids=str,
)
def test_a_tokenizer_that_would_cut_texts_otherwise_is_refused_by_name(tmp_path, changes, says):
    folder = saved(tmp_path, trained())
    changed(folder, **changes)
    with pytest.raises(FormatError) as error:
        gpt2.read(folder)
    assert says in str(error.value) and str(folder) in str(error.value) and "\n" not in str(error.value)


def test_a_vocabulary_without_an_end_is_refused(tmp_path):
    folder = saved(tmp_path, trained(first=()), eos_token_id=5, bos_token_id=None)
    with pytest.raises(FormatError, match="no token ends a text: name one as eos_token"):
        gpt2.read(folder)


def test_exported_again_it_reads_texts_the_same_way(tmp_path, chat_folder):
    ours = gpt2.read(chat_folder)
    gpt2.write(ours, tmp_path / "ours")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "ours")
    told = "<|im_start|>the café<|im_end|> [PAD]"
    assert theirs.encode(told) == ours.tokenizer.encode(told).tolist()
    again = gpt2.read(tmp_path / "ours")
    assert again.tokenizer.encode(told).tolist() == ours.tokenizer.encode(told).tolist()
    assert again.model.remarks == ours.model.remarks


# ── Weights ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", [transformers.GPT2ForSequenceClassification, transformers.GPT2Model])
def test_other_heads_are_left_with_a_note(tmp_path, kind):
    text = trained()
    network(text.get_vocab_size(), kind, pad_token_id=0).save_pretrained(tmp_path)
    text.save(str(tmp_path / "tokenizer.json"))
    model = check_all_log_probs(tmp_path)
    heads = ["not read, for a language model has none such: score.weight"]
    assert list(model.remarks) == (heads if "Sequence" in kind.__name__ else [])


def test_a_softmax_of_its_own_is_used_although_config_ties_it(tmp_path):
    folder = saved(tmp_path, trained())
    weights = load_file(folder / gpt2.WEIGHTS)
    weights["lm_head.weight"] = weights["transformer.wte.weight"].flip(0).contiguous()
    save_file(weights, folder / gpt2.WEIGHTS, {"format": "pt"})
    model = check_all_log_probs(folder)
    assert not model.tied
    assert "lm_head.weight is not the embedding" in model.remarks[0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("settings_", [{"tie_word_embeddings": False}, {"activation_function": "gelu"}], ids=str)
def test_other_precisions_untied_heads_and_exact_gelu(tmp_path, dtype, settings_):
    folder = saved(tmp_path, trained(), 320, **settings_)
    weights = load_file(folder / gpt2.WEIGHTS)
    save_file({f"_orig_mod.{name}": value.to(dtype) for name, value in weights.items()}, folder / gpt2.WEIGHTS)
    model, _ = gpt2.read(folder)
    save_file({name: value.to(dtype) for name, value in weights.items()}, folder / gpt2.WEIGHTS, {"format": "pt"})
    ids = np.arange(20)
    np.testing.assert_array_equal(check_all_log_probs(folder).log_probs(ids)[0], model.log_probs(ids)[0])
    assert model.exact_gelu == ("activation_function" in settings_)


def test_the_command_shows_the_notes_and_a_run_keeps_the_tokens(calling, chat_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = calling(**{"export": export_run, "import": import_file})(
        "import", str(chat_folder), "--out", "run"
    )
    assert (code, err) == (0, "")
    assert "note: added tokens, which are read where a text has them: <|im_start|>" in out
    _, tokenizer = store.load("run")
    expected = gpt2.read(chat_folder).tokenizer
    assert tokenizer.to_json() == expected.to_json()
    assert tokenizer.encode("<|im_end|>").tolist() == [expected.added["<|im_end|>"]]


@pytest.mark.parametrize(
    "damage",
    [{"added": {"x": "1"}}, {"added": {"": 300}}, {"added": {"x": 400}}, {"vocab_size": 1 << 60}, {"added": {"x": 3}}],
    ids=str,
)
def test_a_damaged_tokenizer_of_a_run_is_refused(chat_folder, damage):
    with pytest.raises(FormatError):
        tokenizers.from_json({**gpt2.read(chat_folder).tokenizer.to_json(), **damage})
