"""ELECTRA against `transformers`: tiny random checkpoints of both its networks, with padding and two segments."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from lmzoo.data import tokenizers
from lmzoo.errors import FormatError, UsageError
from lmzoo.evaluation import blanks
from lmzoo.evaluation.text_model import TextModel
from lmzoo.formats import electra
from lmzoo.models.electra import Electra
from lmzoo.neural.training.masking import PADDING
from lmzoo.runs import store
from tests.formats.test_bert import PIECES, saved
from tests.neural.networks import scattered

transformers = pytest.importorskip("transformers")

SIZES = {"embedding_size": 8, "num_hidden_layers": 2, "max_position_embeddings": 24, "vocab_size": len(PIECES)}
WIDE = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 64}
NARROW = {"hidden_size": 8, "num_attention_heads": 1, "intermediate_size": 32}
ORDER = [*(n for n in range(len(PIECES)) if n != 3), 3]  # [SEP] last
IDS = torch.tensor([[2, 5, 4, 7, 3, 8, 5, 9, 3], [2, 5, 6, 3, 4, 12, 3, 0, 0]])
SEEN = torch.tensor([[1] * 9, [1] * 7 + [0] * 2])
SEGMENTS = torch.tensor([[0] * 5 + [1] * 4, [0] * 4 + [1] * 3 + [0] * 2])


def ours():
    """These ids as lmzoo has them."""
    numbers = torch.tensor([ORDER.index(n) for n in range(len(PIECES))])
    numbers[4], numbers[2] = len(PIECES), len(PIECES) + 1  # [MASK] and [CLS]
    return torch.where(SEEN.bool(), numbers[IDS], PADDING)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A discriminator and a generator that share their embeddings: the folder, and the two."""
    folder = tmp_path_factory.mktemp("electra")
    judge = transformers.ElectraForPreTraining(transformers.ElectraConfig(**SIZES, **WIDE))
    filler = transformers.ElectraForMaskedLM(transformers.ElectraConfig(**SIZES, **NARROW))
    saved(judge, folder / "discriminator")
    scattered(filler)
    filler.electra.embeddings.load_state_dict(judge.electra.embeddings.state_dict())
    filler.tie_weights()
    filler.eval().save_pretrained(folder / "generator")
    for part in electra.PARTS:
        (folder / part / "vocab.txt").write_text("".join(f"{piece}\n" for piece in PIECES), encoding="utf-8")
    return folder, judge, filler


@torch.no_grad()
def test_what_the_discriminator_says_is_transformers_with_padding_and_segments(pair):
    folder, judge, _ = pair
    expected = judge(IDS, attention_mask=SEEN, token_type_ids=SEGMENTS).logits
    for read in (electra.read(folder / "discriminator"), electra.read(folder)):
        net = read.model.net_
        for own in (net(ours(), (SEGMENTS,))[0], net(ours(), ())[0]):  # [SEP] parts the segments
            assert torch.allclose(net.head(own)[SEEN.bool()], expected[SEEN.bool()], atol=1e-5)
    words = torch.tensor([[2, 5, 7, 6, 3]])
    odds = read.model.replaced_log_odds(np.array([ORDER.index(n) for n in (5, 7, 6)]))
    assert odds == pytest.approx(judge(words).logits[0, 1:-1].numpy(), abs=1e-5)


@torch.no_grad()
def test_what_the_generator_says_is_transformers_with_padding_and_segments(pair):
    folder, _, filler = pair
    expected = filler(IDS, attention_mask=SEEN, token_type_ids=SEGMENTS).logits[:, :, ORDER]
    for read in (electra.read(folder / "generator"), electra.read(folder)):
        net = read.model.filler
        logits = net.head(net(ours(), (SEGMENTS,))[0])
        assert torch.allclose(logits[SEEN.bool()], expected[SEEN.bool()], atol=1e-5)
        ids, hidden = blanks.encode_blanks(read.tokenizer, "the [MASK] sat")
        row = filler(torch.tensor([[2, 5, 4, 7, 3]])).logits[0, 2, ORDER].log_softmax(-1)
        assert np.allclose(read.model.fill_log_probs(ids, hidden)[0], row, atol=1e-5)


@torch.no_grad()
def test_a_run_comes_back_as_it_went(pair, tmp_path):
    folder, judge, filler = pair
    store.save(electra.read(folder), tmp_path / "run", {})
    files = electra.write(store.load(tmp_path / "run"), tmp_path / "out")
    assert [file for file in files if "model" in file] == [f"{part}/model.safetensors" for part in electra.PARTS]
    ordered = torch.tensor([[ORDER.index(n) for n in (2, 5, 4, 7, 3)]])
    words = torch.tensor([[2, 5, 4, 7, 3]])
    back = transformers.ElectraForPreTraining.from_pretrained(tmp_path / "out" / "discriminator").eval()
    assert torch.allclose(back(ordered).logits, judge(words).logits, atol=1e-5)
    back = transformers.ElectraForMaskedLM.from_pretrained(tmp_path / "out" / "generator").eval()
    assert torch.allclose(back(ordered).logits, filler(words).logits[:, :, ORDER], atol=1e-5)
    electra.write(electra.read(tmp_path / "out"), tmp_path / "out", overwrite=True)
    one = electra.read(folder / "generator")
    assert electra.write(one, tmp_path / "one") == electra.write(one, tmp_path / "one", overwrite=True)
    assert electra.read(tmp_path / "one").model.part == "generator"


@torch.no_grad()
def test_of_a_model_of_ours_transformers_gives_the_same(tmp_path):
    tokenizer = tokenizers.train("word:20", "the cat sat on the mat. " * 20)
    settings = {"layers": 2, "heads": 2, "width": 16, "window": 12, "generator": 0.5}
    model, size = Electra.from_config({**settings, "convolution": 0, "norm_first": False}), tokenizer.vocab_size
    made = TextModel(model.holding(scattered(model.build(size)), size), tokenizer)
    electra.write(made, tmp_path / "out")
    back = transformers.ElectraForMaskedLM.from_pretrained(tmp_path / "out" / "generator").eval()
    ids, hidden = blanks.encode_blanks(tokenizer, "the [MASK] sat on [MASK] mat.")
    read = torch.tensor([[size + 1, *np.where(hidden, size, ids).tolist(), size - 1]])
    expected = back(read).logits[0, 1:-1][hidden].log_softmax(-1)[:, :size]
    assert np.allclose(made.model.fill_log_probs(ids, hidden), expected.numpy(), atol=1e-5)
    convolved = Electra.from_config(settings)
    with pytest.raises(UsageError, match="Hugging Face's ELECTRA has no convolution = 2: only 0"):
        electra.write(TextModel(convolved.holding(convolved.build(size), size), tokenizer), tmp_path / "other")


def broken(pair, folder, part, change=None, **config):
    """A copy of one part's folder, its weights and config.json changed."""
    source = pair[0] / part
    folder.mkdir(parents=True)
    weights = load_file(source / "model.safetensors")
    if change:
        change(weights)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(json.loads((source / "config.json").read_text()) | config))
    (folder / "vocab.txt").write_text((source / "vocab.txt").read_text())
    return folder


PROJECT = "electra.embeddings_project.weight"
HEAD = "discriminator_predictions.dense_prediction.weight"


@pytest.mark.parametrize(
    ("part", "change", "config", "message"),
    [
        (
            "discriminator",
            lambda w: w.pop(HEAD),
            {},
            r"lack discriminator_predictions.dense_prediction.weight, \(1, 16",
        ),
        ("discriminator", lambda w: w.update({PROJECT: torch.zeros(3, 8)}), {}, r"\(3, 8\) where .* wants \(16, 8\)"),
        ("generator", lambda w: w.pop("generator_lm_head.bias"), {}, r"lack generator_lm_head.bias, \(15,\)"),
        ("generator", None, {"num_hidden_layers": 1}, "encoder.layer.1.*, which a electra of 1 layers has not"),
        ("generator", None, {"hidden_act": "gelu_new"}, "'gelu_new' cannot be read of a generator, only 'gelu'"),
        ("generator", None, {"architectures": ["ElectraModel"]}, "not ElectraForPreTraining or ElectraForMaskedLM"),
        ("generator", None, {"vocab_size": 12}, "does not belong to this model: 15 tokens where it has 12"),
    ],
)
def test_what_is_missing_or_wrong_is_named_with_what_is_expected(pair, tmp_path, part, change, config, message):
    with pytest.raises(FormatError, match=message):
        electra.read(broken(pair, tmp_path / "x", part, change, **config))


def test_parts_that_do_not_belong_together_are_refused(pair, tmp_path):
    table = "electra.embeddings.position_embeddings.weight"
    for change, config, message in (
        (lambda w: w[table].add_(1.0), {}, "embeddings.positions.weight of generator and discriminator differ"),
        (lambda w: [w.pop(name) for name in list(w) if "layer.1." in name], {"num_hidden_layers": 1},
         "layers of the generator is 1, and beside this discriminator it would be 2: import the two apart"),
    ):  # fmt: skip
        folder = tmp_path / str(len(config))
        broken(pair, folder / "discriminator", "discriminator")
        broken(pair, folder / "generator", "generator", change, **config)
        with pytest.raises(FormatError, match=message):
            electra.read(folder)
