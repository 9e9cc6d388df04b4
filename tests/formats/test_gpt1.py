"""GPT-1 in and out, held against Hugging Face's own: the same logits both ways, and what cannot be read named."""

import json

import numpy as np
import pytest
import torch

from lmzoo.cli.exchange import export_run, import_file
from lmzoo.errors import FormatError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.formats import gpt2
from lmzoo.runs import store
from tests.formats.test_gpt2 import PROMPT, SIZES, TEXT, configured, our_model, rewritten, saved, their_log_probs

transformers = pytest.importorskip("transformers")


def their_model(**settings):
    torch.manual_seed(5)
    model = transformers.OpenAIGPTLMHeadModel(transformers.OpenAIGPTConfig(**{**SIZES, **settings})).eval()
    for weight in model.parameters():  # the first weights are so small that nearly all of them go unnoticed
        weight.data += torch.randn_like(weight) * (0.3 if weight.ndim > 1 else 0.1)
    return model


@pytest.fixture
def theirs(tmp_path):
    """A folder as transformers writes it, with a small GPT-1 that reads byte pairs in it."""
    return saved(their_model(), tmp_path / "theirs")


@pytest.mark.parametrize("tied", [True, False])
def test_an_imported_model_has_the_logits_of_transformers(tmp_path, tied):
    hugging_face = their_model(tie_word_embeddings=tied)
    model, text = gpt2.read(saved(hugging_face, tmp_path / "theirs"))
    ids = text.encode(PROMPT)
    assert (model.tied, model.norm_first, model.title) == (tied, False, "GPT-1 form")
    np.testing.assert_allclose(model.log_probs(ids)[0], their_log_probs(hugging_face, ids), atol=1e-5)


@pytest.mark.parametrize("tied", [True, False])
def test_an_exported_model_has_our_logits_in_transformers(tmp_path, tied):
    model = our_model(tied=tied, norm_first=False, dropout=0.1)
    gpt2.write(TextModel(model, TEXT), tmp_path / "ours")
    hugging_face, loading = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path / "ours", output_loading_info=True
    )
    assert isinstance(hugging_face, transformers.OpenAIGPTLMHeadModel)
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    ids = TEXT.encode(PROMPT)
    np.testing.assert_allclose(their_log_probs(hugging_face.eval(), ids), model.log_probs(ids)[0], atol=1e-5)
    assert transformers.AutoTokenizer.from_pretrained(tmp_path / "ours").encode(PROMPT) == ids.tolist()


def test_a_run_is_exported_and_imported_and_what_is_not_read_is_named(calling, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lmzoo = calling(**{"export": export_run, "import": import_file})
    store.save(TextModel(our_model(norm_first=False), TEXT), "run")
    code, out, err = lmzoo("export", "run", "folder")
    assert (code, err) == (0, "")
    assert "transformers loads it as OpenAIGPTLMHeadModel" in " ".join(out.split())
    rewritten(
        tmp_path / "folder", lambda weights: weights.update({"multiple_choice_head.summary.weight": torch.ones(1, 16)})
    )
    code, out, _ = lmzoo("import", "folder", "--out", "again")
    assert code == 0
    assert "not read, for a language model has none such: multiple_choice_head.summary.weight" in " ".join(out.split())
    ours, theirs = (store.load(run).model.net_.weights() for run in ("run", "again"))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def weighed(change):
    return lambda folder: rewritten(folder, change)


def with_gpt1s_own_tokenizer(folder):
    words = ["l o", "lo w</w>"]
    (folder / "merges.txt").write_text("\n".join(words), encoding="utf-8")
    (folder / "vocab.json").write_text(json.dumps({"l": 0, "o": 1, "w</w>": 2, "lo": 3, "low</w>": 4}))


BROKEN = [
    (configured(afn="relu"), "openai-gpt with afn = 'relu' cannot be read, only 'gelu'"),
    (configured(layer_norm_epsilon=1e-6), "layer_norm_epsilon = 1e-06 cannot be read"),
    (configured(n_layer=4), "the weights lack h.3.ln_1.weight: are they a GPT-1 of 4 layers?"),
    (configured(n_layer=10**9), "the weights lack h.3.ln_1.weight"),
    (configured(n_embd=1 << 62), "tokens_embed.weight is (264, 32) where config.json wants (264, 4611686018427387904)"),
    (configured(n_layer=2), "the weights have h.2.attn.c_attn.bias, which a GPT-1 of 2 layers has not"),
    (configured(n_positions=23), "positions_embed.weight is (24, 32) where config.json wants (23, 32)"),
    (configured(model_type="gpt2"), "the weights lack wte.weight: are they a GPT-2 of 3 layers?"),
    (weighed(lambda weights: weights.pop("transformer.positions_embed.weight")), "the weights lack positions_embed"),
    (with_gpt1s_own_tokenizer, "words in lower case, which </w> ends, as GPT-1 was published with, lose what they"),
]


@pytest.mark.parametrize(("change", "says"), BROKEN, ids=[says[:40] for _, says in BROKEN])
def test_a_folder_that_cannot_be_read_is_an_error_in_one_line(theirs, change, says):
    change(theirs)
    with pytest.raises(FormatError) as error:
        gpt2.read(theirs)
    assert says in str(error.value)
    assert "\n" not in str(error.value)
