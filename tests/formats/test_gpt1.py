"""GPT-1 in and out, held against Hugging Face's own: the same logits both ways, and what cannot be read named."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis.strategies import text as hypothesis_text

from lmzoo.cli.compare import compare_models
from lmzoo.cli.eval import evaluate_runs
from lmzoo.cli.exchange import export_run, import_file
from lmzoo.cli.score import score_sentences
from lmzoo.data import tokenizers
from lmzoo.data.tokenizers import LowerBpe
from lmzoo.errors import FormatError, TokenizerError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.formats import gpt2, gpt2_tokenizer
from lmzoo.report import page
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
]


@pytest.mark.parametrize(("change", "says"), BROKEN, ids=[says[:40] for _, says in BROKEN])
def test_a_folder_that_cannot_be_read_is_an_error_in_one_line(theirs, change, says):
    change(theirs)
    with pytest.raises(FormatError) as error:
        gpt2.read(theirs)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


# ── As it was published: words in lower case, each with </w> behind it ────────────────────────────

STORY = "Don't STOP the café,\n\tsaid Ann\u2014\"really?\"  The rain in Zürich (2,100 mm) is 5% less: I'm told so!\n"
MERGES = [
    "i n",
    "t h",
    "th e</w>",
    "i n</w>",
    "r a",
    "ra in</w>",
    "s a",
    "a n",
    "i d</w>",
    "sa id</w>",
    "o n",
    "an n</w>",
]


def own_tokenizer(folder, line_end=True, saved_whole=False):
    """The published files with a small vocabulary, in an order that is not ours: `<unk>` first, the line end inside."""
    letters = sorted(set("".join(gpt1_words())))
    made = [merge.replace(" ", "") for merge in MERGES]
    names = ["<unk>", *letters, *["\n</w>"] * line_end, *(f"{letter}</w>" for letter in letters), *made]
    vocabulary = {name: n for n, name in enumerate(names)}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(MERGES) + "\n", encoding="utf-8")
    if saved_whole:
        theirs_of(folder).save_pretrained(folder)
    return len(vocabulary)


def gpt1_words():
    from tokenizers import normalizers, pre_tokenizers

    rewritten = normalizers.BertNormalizer(lowercase=True).normalize_str(STORY)
    return [word for word, _ in pre_tokenizers.BertPreTokenizer().pre_tokenize_str(rewritten)]


def theirs_of(folder):
    return transformers.OpenAIGPTTokenizer.from_pretrained(folder)


def published(folder, **how):
    size = own_tokenizer(folder, **how)
    hugging_face = their_model(vocab_size=size)
    hugging_face.save_pretrained(folder)
    return hugging_face


@pytest.mark.parametrize("saved_whole", [False, True], ids=["vocab and merges", "tokenizer.json"])
def test_a_published_folder_has_the_ids_and_logits_of_transformers_and_goes_out_again(tmp_path, saved_whole):
    hugging_face = published(tmp_path / "theirs", saved_whole=saved_whole)
    model, text = gpt2.read(tmp_path / "theirs")
    normal = text.normalize(STORY)
    assert normal.startswith(
        'don \' t stop the cafe , said ann \u2014 " really ? " the rain in zurich ( 2 , 100 mm ) is 5 %'
    )
    ids, their_ids = text.encode(normal), theirs_of(tmp_path / "theirs").encode(STORY)
    their_names = theirs_of(tmp_path / "theirs").convert_ids_to_tokens(their_ids)
    assert [text.tokens[n] for n in ids] == their_names and "rain</w>" in their_names
    assert text.decode(ids) == normal == "".join(text.pieces(ids))
    assert text.tokens[text.end] == "\n</w>" and "'\\n</w>', which no text has, stands for one" in model.remarks[1]
    end = json.loads((tmp_path / "theirs/vocab.json").read_text())["\n</w>"]
    row = torch.tensor([[end, *their_ids[:20]]])
    with torch.no_grad():
        logits = hugging_face(row).logits[0, :-1].double().log_softmax(-1)
    expected = logits.gather(-1, row[0, 1:, None])[:, 0].numpy()
    np.testing.assert_allclose(model.log_probs(ids[:20])[0], expected, atol=1e-5)
    gpt2.write(TextModel(model, text), tmp_path / "ours")
    again, same = gpt2.read(tmp_path / "ours")
    assert same.to_json() == text.to_json() == type(text).from_json(text.to_json()).to_json()
    assert all(
        torch.equal(a, b) for a, b in zip(again.net_.weights().values(), model.net_.weights().values(), strict=True)
    )
    exported = transformers.AutoTokenizer.from_pretrained(tmp_path / "ours")
    assert exported.encode(STORY) == ids.tolist()


def test_without_a_line_end_the_unknown_token_stands_for_the_end(tmp_path):
    published(tmp_path, line_end=False)
    _, text = gpt2.read(tmp_path)
    assert text.tokens[text.end] == "<unk>"
    with pytest.raises(TokenizerError, match=r"line 1, column 7: the character '中', .* has no token"):
        text.encode("the i 中 rain ")


@pytest.mark.parametrize(
    ("given", "place", "shown"),
    [
        ("the rain", "line 1, column 9", "''"),
        ("the Rain ", "line 1, column 5", "'Rain '"),
        ("the rain\nin ", "line 1, column 9", r"'\\nin '"),
        ("the rain, ", "line 1, column 9", "', '"),
    ],
)
def test_only_its_own_form_of_a_text_is_encoded(tmp_path, given, place, shown):
    own_tokenizer(tmp_path)
    text = gpt2_tokenizer.read(tmp_path, {}, 500).tokenizer
    with pytest.raises(TokenizerError, match=f"{place}: {shown} is not as this tokenizer reads it"):
        text.encode(given)
    assert text.decode(text.encode(text.normalize(given))) == text.normalize(given)


@given(hypothesis_text())
def test_what_is_rewritten_is_in_that_form_already(text):
    known = LowerBpe(["a", "end"], [])
    assert known.normalize(known.normalize(text)) == known.normalize(text)
    assert known.normalize(text) == known.normalize(f" {text}\n") == known.normalize("x " + text)[2:]


@pytest.mark.parametrize(
    "saved",
    [
        {"tokens": []}, {"tokens": ["a", "a"]}, {"tokens": ["a", ""]}, {"tokens": ["a", "\ud800"]}, {"tokens": "ab"},
        {"merges": ["a c"]}, {"merges": ["a b"]}, {"merges": [1]}, {"merges": ["a"]}, {"lines": True},
    ],
)  # fmt: skip
def test_a_damaged_one_is_refused(saved):
    whole = LowerBpe(["a", "b", "end"], []).to_json()
    assert tokenizers.from_json(whole).to_json() == whole
    with pytest.raises(FormatError):
        tokenizers.from_json({**whole, **saved})


def test_a_vocabulary_that_does_not_fit_is_refused(tmp_path):
    size = own_tokenizer(tmp_path)
    with pytest.raises(FormatError, match=f"two tokens have one id, or one is not below the {size - 1} of config.json"):
        gpt2_tokenizer.read(tmp_path, {}, size - 1)
    (tmp_path / "vocab.json").write_text('{"a": 0, "b": 0}')
    with pytest.raises(FormatError, match="two tokens have one id"):
        gpt2_tokenizer.read(tmp_path, {}, size)
    (tmp_path / "vocab.json").write_text('{"a": 0}')
    with pytest.raises(FormatError, match="no token ends a text"):
        gpt2_tokenizer.read(tmp_path, {}, size)


def test_each_word_is_read_at_its_last_token(tmp_path):
    own_tokenizer(tmp_path)
    text = gpt2_tokenizer.read(tmp_path, {}, 500).tokenizer
    words = ["Said", "I'm", "\x07", "rain,"]
    ids = text.encode(text.normalize(" ".join(words)))
    assert [text.tokens[n] for n in ids[text.word_ends(words, ids)]] == ["said</w>", "m</w>", "m</w>", ",</w>"]


def test_a_published_model_can_be_asked_and_its_bits_are_said_to_be_of_less(calling, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lmzoo = calling(
        **{"import": import_file, "eval": evaluate_runs, "compare": compare_models, "score": score_sentences}
    )
    published(tmp_path / "theirs")
    code, out, _ = lmzoo("import", "theirs", "--out", "run")
    assert code == 0 and "text is read in lower case, without accents and line ends" in " ".join(out.split())
    (tmp_path / "story.txt").write_text(STORY * 30, encoding="utf-8")
    code, out, _ = lmzoo("eval", "run", "--corpus", "story.txt", "--json")
    (row,) = json.loads(out)
    text_model = store.load("run")
    assert code == 0 and row["characters"] == len(text_model.tokenizer.normalize(STORY * 30))
    assert any("figures are of what is left, not of the text itself" in note for note in row["notes"])
    code, out, _ = lmzoo("score", "run", "The rain", "--json")
    assert code == 0 and "figures are of what is left" in out
    assert sum(text_model.next_characters("The ra").values()) == pytest.approx(1)
    assert max(text_model.next_characters("Is it sa")) and len("".join(text_model.generate("The rain", 5)))
    monkeypatch.setattr(page, "render", lambda *_: {"index.html": b""})  # which takes longest
    code, out, _ = lmzoo("compare", "run", "uniform", "--corpus", "story.txt", "--quiet", "--out", "report")
    assert code == 0 and "no bits of this text: its tokenizer loses capitals" in " ".join(out.split())
