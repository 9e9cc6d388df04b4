"""BERT and RoBERTa against `transformers`: tiny random checkpoints, with padding and two segments."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from lmzoo.data import tokenizers
from lmzoo.errors import FormatError, TokenizerError, UsageError
from lmzoo.evaluation import blanks
from lmzoo.evaluation.text_model import TextModel
from lmzoo.formats import bert
from lmzoo.formats.gpt2_tokenizer import write as write_tokenizer
from lmzoo.models.bert import Bert
from lmzoo.neural.training.masking import PADDING
from lmzoo.runs import store
from tests.neural.networks import scattered

transformers = pytest.importorskip("transformers")

PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "the",
    "cat",
    "sat",
    "on",
    "mat",
    "##s",
    "##ting",
    ".",
    "un",
    "a",
]
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
         "max_position_embeddings": 24}  # fmt: skip


def saved(model, folder):
    scattered(model)
    for name, weight in model.named_parameters():
        if "LayerNorm" in name or "layer_norm" in name:
            torch.nn.init.uniform_(weight, 0.5, 1.5)
    model.save_pretrained(folder)
    return model.eval()


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bert")
    config = transformers.BertConfig(vocab_size=len(PIECES), **SIZES)
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in PIECES), encoding="utf-8")
    return saved(transformers.BertForMaskedLM(config), folder), folder


@pytest.fixture(scope="module")
def roberta(tmp_path_factory):
    """With byte pairs of our own, and <mask> behind them."""
    folder = tmp_path_factory.mktemp("roberta")
    tokenizer = tokenizers.train("bpe:270", "the cat sat on the mat. " * 20)
    write_tokenizer(tokenizer, 20, folder)
    added = json.loads((folder / "tokenizer.json").read_text())
    size = tokenizer.vocab_size
    extra = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    added["added_tokens"] += [{"id": size, "content": "<mask>", **extra}, {"id": size + 1, "content": "<s>", **extra}]
    (folder / "tokenizer.json").write_text(json.dumps(added))
    named = {"mask_token": "<mask>", "cls_token": "<s>", "eos_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(named))
    config = transformers.RobertaConfig(vocab_size=size + 2, type_vocab_size=1, layer_norm_eps=1e-5, **SIZES)
    return saved(transformers.RobertaForMaskedLM(config), folder), folder


@torch.no_grad()
def test_logits_of_bert_are_transformers_with_padding_and_two_segments(theirs):
    model, folder = theirs
    read = bert.read(folder)
    ids = torch.tensor([[2, 5, 4, 7, 3, 8, 5, 9, 3], [2, 5, 6, 3, 4, 12, 3, 0, 0]])
    seen = torch.tensor([[1] * 9, [1] * 7 + [0] * 2])
    segments = torch.tensor([[0] * 5 + [1] * 4, [0] * 4 + [1] * 3 + [0] * 2])
    expected = model(ids, attention_mask=seen, token_type_ids=segments).logits
    size = len(PIECES)
    order = [*(n for n in range(size) if n != 3), 3]  # [SEP] last
    ours = torch.tensor([order.index(n) for n in range(size)])
    ours[4], ours[2] = size, size + 1  # [MASK] and [CLS]
    given = torch.where(seen.bool(), ours[ids], PADDING)
    net = read.model.net_
    for own in (net(given, (segments,))[0], net(given, ())[0]):  # [SEP] parts the segments
        logits = net.head(own)
        assert torch.allclose(logits[seen.bool()], expected[:, :, order][seen.bool()], atol=1e-5)
    assert not torch.allclose(
        net.head(net(given, (torch.zeros_like(segments),))[0])[0], expected[0][:, order], atol=1e-2
    )


@torch.no_grad()
def test_a_filled_blank_of_roberta_is_transformers(roberta):
    model, folder = roberta
    read = bert.read(folder)
    ids, hidden = blanks.encode_blanks(read.tokenizer, "the [MASK] sat on the mat.")
    size = read.tokenizer.vocab_size  # with <mask> and <s>; the text's end is last here, and stood before them there
    order = [*range(size - 3), size - 2, size - 1, size - 3]
    written = torch.tensor([[size - 1, *np.where(hidden, size - 2, ids).tolist(), size - 3]])
    padded = torch.cat([written, torch.ones(1, 3, dtype=torch.long)], 1)
    seen = (torch.arange(padded.shape[1]) < written.shape[1]).long()[None]
    expected = model(padded, attention_mask=seen).logits[0, 1:][: len(ids)][hidden].log_softmax(-1)[:, order]
    # Their padding is found by its id, 1, which no token of this text has.
    assert 1 not in written
    assert np.allclose(read.model.fill_log_probs(ids, hidden), expected.numpy(), atol=1e-5)
    assert not read.tokenizer.lossy


def test_a_text_is_cut_as_transformers_cuts_it(theirs):
    read = bert.read(theirs[1]).tokenizer
    reference = transformers.BertTokenizer(str(theirs[1] / "vocab.txt"))
    text = "The  cats sat,on the MAT. Sating uns"
    text = text.replace(",", " ").replace("Sating", "satting").replace("  ", " ")
    normal = read.normalize(text)
    ids = read.encode(normal)
    assert [read.tokens[n] for n in ids] == reference.tokenize(text)
    assert read.decode(ids) == normal == "".join(read.pieces(ids))
    assert read.lossy
    same = tokenizers.from_json(json.loads(json.dumps(read.to_json())))
    assert same.encode(normal).tolist() == ids.tolist()
    with pytest.raises(TokenizerError, match=r"'dog' has no pieces among the 15 tokens"):
        read.encode(" the dog")
    with pytest.raises(TokenizerError, match="give it normalize"):
        read.encode("The cat")


@torch.no_grad()
def test_a_run_comes_back_as_it_went(theirs, tmp_path):
    model, folder = theirs
    read = bert.read(folder)
    store.save(read, tmp_path / "run", {})
    again = store.load(tmp_path / "run")
    bert.write(again, tmp_path / "out")
    back = transformers.BertForMaskedLM.from_pretrained(tmp_path / "out").eval()
    ids = torch.tensor([[2, 5, 4, 7, 3]])
    order = [PIECES.index(token) for token in read.tokenizer.tokens]  # [SEP] is last
    ours = torch.tensor([[order.index(n) for n in ids[0].tolist()]])
    assert torch.allclose(back(ours).logits, model(ids).logits[:, :, order], atol=1e-5)
    ids, hidden = blanks.encode_blanks(read.tokenizer, "the [MASK] sat on the mat.")
    twice = bert.read(tmp_path / "out")
    assert np.allclose(twice.model.fill_log_probs(ids, hidden), read.model.fill_log_probs(ids, hidden), atol=1e-6)


@torch.no_grad()
def test_of_a_model_of_ours_transformers_gives_the_same_probabilities(tmp_path):
    tokenizer = tokenizers.train("word:20", "the cat sat on the mat. " * 20)
    settings = {"layers": 2, "heads": 2, "width": 16, "window": 12}
    model = Bert.from_config({**settings, "convolution": 0, "norm_first": False})
    size = tokenizer.vocab_size
    ours = TextModel(model.holding(scattered(model.build(size)), size), tokenizer)
    bert.write(ours, tmp_path / "out")
    back = transformers.BertForMaskedLM.from_pretrained(tmp_path / "out").eval()
    ids, hidden = blanks.encode_blanks(tokenizer, "the [MASK] sat on [MASK] mat.")
    read = torch.tensor([[size + 1, *np.where(hidden, size, ids).tolist(), size - 1]])
    expected = back(read).logits[0, 1:-1][hidden].log_softmax(-1)[:, :size]
    assert np.allclose(ours.model.fill_log_probs(ids, hidden), expected.numpy(), atol=1e-5)
    convolved = Bert.from_config(settings)
    with pytest.raises(UsageError, match="has no convolution = 2: only 0"):
        bert.write(TextModel(convolved.holding(convolved.build(size), size), tokenizer), tmp_path / "other")


def broken(theirs, folder, change=None, **config):
    """A copy of the folder, its weights and config.json changed."""
    folder.mkdir()
    weights = load_file(theirs[1] / "model.safetensors")
    if change:
        change(weights)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    said = json.loads((theirs[1] / "config.json").read_text()) | config
    (folder / "config.json").write_text(json.dumps(said))
    (folder / "vocab.txt").write_text((theirs[1] / "vocab.txt").read_text())
    return folder


QUERY = "bert.encoder.layer.1.attention.self.query.weight"


@pytest.mark.parametrize(
    ("change", "config", "message"),
    [
        (lambda w: w.pop(QUERY), {}, r"lack encoder.layer.1.attention.self.query.weight, \(16, 16\)"),
        (lambda w: w.update({QUERY: torch.zeros(16, 8)}), {}, r"query.weight is \(16, 8\) where .* wants \(16, 16\)"),
        (lambda w: w.pop("cls.predictions.transform.dense.bias"), {}, "without a head cannot fill blanks"),
        (None, {"num_hidden_layers": 1}, "encoder.layer.1.*, which a bert of 1 layers has not"),
        (None, {"hidden_act": "relu"}, "hidden_act = 'relu' cannot be read"),
        (None, {"intermediate_size": 32}, "intermediate_size = 32 cannot be read, only 64"),
        (None, {"vocab_size": 12}, "does not belong to this model: 15 tokens where it has 12"),
        (None, {"hidden_size": "x"}, "hidden_size in config.json must be a whole number"),
    ],
)
def test_what_is_missing_or_wrong_is_named_with_what_is_expected(theirs, tmp_path, change, config, message):
    with pytest.raises(FormatError, match=message):
        bert.read(broken(theirs, tmp_path / "x", change, **config))
