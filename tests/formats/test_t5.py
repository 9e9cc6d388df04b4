"""T5 against `transformers`: tiny random checkpoints of both forms, with padding, and its pieces of words."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from lmzoo.data import tokenizers
from lmzoo.errors import FormatError, TokenizerError, UsageError
from lmzoo.evaluation import blanks
from lmzoo.formats import t5
from lmzoo.runs import store
from tests.neural.networks import scattered

transformers = pytest.importorskip("transformers")

PIECES = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁the", -1.0), ("▁cat", -2.0), ("▁", -3.0), ("c", -4.0),
          ("at", -4.0), ("s", -5.0), ("t", -6.0), ("▁sat", -2.5), ("▁on", -2.0), (".", -3.0), ("a", -6.0),
          *((letter, -7.0) for letter in "hemon")]  # fmt: skip
SENTINELS = [f"<extra_id_{n}>" for n in (3, 2, 1, 0)]  # from the end of the vocabulary, descending
SIZE = len(PIECES) + len(SENTINELS) + 2  # two rows that no token has
SIZES = {"vocab_size": SIZE, "d_model": 16, "d_kv": 4, "d_ff": 24, "num_layers": 2, "num_heads": 2,
         "relative_attention_num_buckets": 8, "relative_attention_max_distance": 12,
         "decoder_start_token_id": 0}  # fmt: skip


def write_tokenizer(folder):
    extra = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    rows = [*PIECES, *((name, 0.0) for name in SENTINELS)]
    special = [{"id": n, "content": name, **extra} for n, (name, _) in enumerate(rows) if name.startswith("<")]
    model = {"type": "Unigram", "unk_id": 2, "vocab": rows, "byte_fallback": False}
    saved = {"version": "1.0", "added_tokens": special, "normalizer": None, "post_processor": None, "decoder": None,
             "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
             "truncation": None, "padding": None, "model": model}  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(saved), encoding="utf-8")


def made(folder, **config):
    model = transformers.T5ForConditionalGeneration(transformers.T5Config(**SIZES, **config))
    scattered(model)
    model.save_pretrained(folder)
    write_tokenizer(folder)
    return model.eval(), folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return made(tmp_path_factory.mktemp("t5"), feed_forward_proj="relu")


@pytest.fixture(scope="module")
def unscaled(tmp_path_factory):
    """As transformers 5 saves a new T5 1.1: one table, and logits that are not scaled."""
    return made(tmp_path_factory.mktemp("t5-1.1"), feed_forward_proj="gated-gelu", tie_word_embeddings=False)


@pytest.fixture(scope="module")
def gated(tmp_path_factory):
    """As T5 1.1 was published: two tables."""
    model, folder = made(tmp_path_factory.mktemp("t5-1.1"), feed_forward_proj="gated-gelu", tie_word_embeddings=False)
    model.lm_head.weight = torch.nn.Parameter(torch.randn(SIZE, 16, generator=torch.Generator().manual_seed(1)))
    weights = load_file(folder / "model.safetensors") | {"lm_head.weight": model.lm_head.weight.detach()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    said = json.loads((folder / "config.json").read_text())
    del said["scale_decoder_outputs"]
    (folder / "config.json").write_text(json.dumps(said | {"tie_word_embeddings": False}))
    return model, folder


@torch.no_grad()
@pytest.mark.parametrize("form", ["plain", "unscaled", "gated"])
def test_logits_are_transformers_with_padding(form, request):
    model, folder = request.getfixturevalue(form)
    read = t5.read(folder)
    net = read.model.net_
    theirs = [*(n for n in range(SIZE) if n not in (0, 1, *range(19, 23))), 1, 22, 21, 20, 19, 0]  # in our order
    ours = torch.tensor([theirs.index(n) for n in range(SIZE)])
    source = torch.randint(3, 19, (2, 20), generator=torch.Generator().manual_seed(0))  # beyond the buckets' distance
    source[0, 4], source[:, -1] = 22, 1
    seen = torch.ones_like(source)
    seen[1, 12:] = 0
    target = torch.tensor([[22, 5, 6, 21, 1], [7, 8, 9, 10, 1]])
    expected = model(source, attention_mask=seen, labels=target).logits[:, :, theirs[:-1]]
    memory, _ = net(torch.where(seen.bool(), ours[source], -1), ())
    logits = net.head(net.decoded(memory, seen.bool(), ours[target]))
    assert expected.abs().max() > 0.1
    assert torch.allclose(logits, expected, atol=1e-5)
    # … and through the states of a decoder, over the tokens without sentinels
    state = read.model.start_after(ours[source[1, :12]].numpy())
    row = model(torch.cat([source[1:, :12], torch.tensor([[1]])], 1), labels=target[1:]).logits[0, 2]
    state = read.model.advance(state, ours[target[1, :2]].numpy())
    size = read.model.vocab_size_
    assert np.allclose(read.model.next_log_probs(state), row[theirs[:size]].log_softmax(-1), atol=1e-5)


def test_a_text_is_cut_as_transformers_cuts_it_and_comes_back(plain, tmp_path):
    _, folder = plain
    read = t5.read(folder)
    reference = transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    text = "the  cats sat\non the\tmat."
    normal = read.tokenizer.normalize(text)
    ids = read.tokenizer.encode(normal)
    assert [read.tokenizer.tokens[n] for n in ids] == reference.tokenize(" ".join(text.split()))
    assert read.tokenizer.decode(ids) == normal == " the cats sat on the mat."
    same = tokenizers.from_json(json.loads(json.dumps(read.tokenizer.to_json())))
    assert same.encode(normal).tolist() == ids.tolist()
    with pytest.raises(TokenizerError, match=r"'dog' is in none of|'d' is in none of|'g' is in none of"):
        read.tokenizer.encode(" dog")
    with pytest.raises(TokenizerError, match="give it normalize"):
        read.tokenizer.encode("the cat")
    store.save(read, tmp_path / "run", {})
    again = store.load(tmp_path / "run")
    assert again.log_prob("the cat", given="the mat") == pytest.approx(read.log_prob("the cat", given="the mat"))


def test_its_sentinels_fill_blanks_until_they_are_used_up(plain):
    read = t5.read(plain[1])
    assert read.model.sentinels == 4
    spans = blanks.fill_spans(read, "the [MASK] sat on [MASK].", longest=3)
    assert len(spans) == 2
    with pytest.raises(UsageError, match="4 blanks need 5 sentinels, and this t5 has 4"):
        blanks.fill_spans(read, "the " + "[MASK] on " * 4)


def broken(plain, folder, change=None, **config):
    folder.mkdir()
    weights = load_file(plain[1] / "model.safetensors")
    if change:
        change(weights)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(json.loads((plain[1] / "config.json").read_text()) | config))
    write_tokenizer(folder)
    return folder


QUERY = "decoder.block.1.layer.1.EncDecAttention.q.weight"


@pytest.mark.parametrize(
    ("change", "config", "message"),
    [
        (lambda w: w.pop(QUERY), {}, r"lack decoder.block.1.layer.1.EncDecAttention.q.weight, \(8, 16\)"),
        (lambda w: w.update({QUERY: torch.zeros(8, 8)}), {}, r"q.weight is \(8, 8\) where config.json wants \(8, 16\)"),
        (None, {"num_layers": 1, "num_decoder_layers": 1}, "block.1.*, which a t5 of 1 layers has not"),
        (None, {"num_decoder_layers": 3}, "num_decoder_layers = 3 cannot be read, only 2"),
        (None, {"feed_forward_proj": "gated-silu"}, "'gated-silu' cannot be read, only 'relu'"),
        (None, {"feed_forward_proj": "gated-gelu"}, "lack encoder.block.0.layer.1.DenseReluDense.wi_0.weight"),
        (None, {"vocab_size": 20}, "does not belong to this model: 23 tokens where it has 20"),
        (None, {"decoder_start_token_id": 1}, "decoder_start_token_id is not that of <pad>"),
    ],
)
def test_what_is_missing_or_wrong_is_named_with_what_is_expected(plain, tmp_path, change, config, message):
    with pytest.raises(FormatError, match=message):
        t5.read(broken(plain, tmp_path / "x", change, **config))
