"""GPT-2 in and out, held against Hugging Face's own: the same logits, the same ids, the same greedy text."""

import hashlib
import json
import shutil
from dataclasses import fields

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from lmzoo.cli.exchange import export_run, import_file
from lmzoo.data import tokenizers
from lmzoo.data.download import File
from lmzoo.evaluation.text_model import TextModel
from lmzoo.formats import gpt2, gpt2_tokenizer
from lmzoo.interface import Data
from lmzoo.models.gpt import GPT
from lmzoo.models.uniform import Uniform
from lmzoo.runs import store

transformers = pytest.importorskip("transformers")
transformers.utils.logging.disable_progress_bar()

MERGES = ["Ġ t", "h e", "Ġt he", "i n", "Ġ a", "a n", "e r"]
TEXT = tokenizers.Bpe("gpt2", MERGES, lines=False)  # GPT-2's numbering, with the first seven merges
SIZES = {"n_layer": 3, "n_head": 4, "n_embd": 32, "n_positions": 24, "vocab_size": TEXT.vocab_size}
PROMPT = "the rain in the hall"


def their_model(**settings):
    torch.manual_seed(5)
    end = TEXT.end
    config = transformers.GPT2Config(**{**SIZES, "bos_token_id": end, "eos_token_id": end, **settings})
    model = transformers.GPT2LMHeadModel(config).eval()
    for weight in model.parameters():  # the first weights are so small that nearly all of them go unnoticed
        weight.data += torch.randn_like(weight) * (0.3 if weight.ndim > 1 else 0.1)
    return model


@pytest.fixture
def theirs(tmp_path):
    """A folder as transformers writes it, with a small GPT-2 in it."""
    return saved(their_model(), tmp_path / "theirs")


def saved(model, folder):
    model.save_pretrained(folder)
    vocabulary = {**TEXT.ids_of_tokens, gpt2_tokenizer.END: TEXT.end}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(MERGES) + "\n", encoding="utf-8")
    return folder


def our_model(text=TEXT, **settings):
    torch.manual_seed(6)
    model = GPT.from_config({"layers": 2, "heads": 2, "width": 16, "window": 20, **settings})
    model.vocab_size_, model.net_ = text.vocab_size, model.build(text.vocab_size).eval()
    for weight in model.net_.parameters():
        torch.nn.init.normal_(weight, std=0.25)
    return model


@torch.no_grad()
def their_log_probs(model, ids):
    """log P of each of `ids` after the end of text, as a loop over transformers' logits gives it."""
    row = torch.tensor([[TEXT.end, *ids.tolist()]])
    log_probs = model(row).logits[0, :-1].double().log_softmax(-1)
    return log_probs.gather(-1, row[0, 1:, None])[:, 0].numpy()


# ── The same numbers ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("tied", [True, False])
def test_an_imported_model_has_the_logits_of_transformers(tmp_path, tied):
    hugging_face = their_model(tie_word_embeddings=tied)
    model, text = gpt2.read(saved(hugging_face, tmp_path / "theirs"))
    ids = text.encode(PROMPT)
    assert model.tied == tied
    assert len(ids) > 10
    np.testing.assert_allclose(model.log_probs(ids)[0], their_log_probs(hugging_face, ids), atol=1e-5)


@pytest.mark.parametrize("tied", [True, False])
def test_an_exported_model_has_our_logits_in_transformers(tmp_path, tied):
    model = our_model(tied=tied, dropout=0.1)
    gpt2.write(TextModel(model, TEXT), tmp_path / "ours")
    hugging_face, loading = transformers.GPT2LMHeadModel.from_pretrained(tmp_path / "ours", output_loading_info=True)
    ids = TEXT.encode(PROMPT)
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    np.testing.assert_allclose(their_log_probs(hugging_face.eval(), ids), model.log_probs(ids)[0], atol=1e-5)


def test_export_and_import_are_inverse(tmp_path):
    model = our_model()
    gpt2.write(TextModel(model, TEXT), tmp_path / "ours")
    again, text = gpt2.read(tmp_path / "ours")
    assert text.to_json() == TEXT.to_json()
    ours, theirs = model.net_.weights(), again.net_.weights()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_greedy_text_with_our_cache_is_that_of_transformers(tmp_path):
    theirs = saved(their_model(tie_word_embeddings=False), tmp_path / "theirs")  # tied ones of chance repeat a token
    model, text = gpt2.read(theirs)
    prompt = text.encode(" the")
    state, ours = model.advance(model.start(), prompt), []
    for _ in range(20):
        ours.append(int(model.next_log_probs(state).argmax()))
        state = model.advance(state, np.array(ours[-1:]))
    row = torch.tensor([[text.end, *prompt.tolist()]])
    hugging_face = transformers.GPT2LMHeadModel.from_pretrained(theirs).eval()
    settings = {"max_new_tokens": 20, "do_sample": False, "eos_token_id": None, "pad_token_id": text.end}
    found = hugging_face.generate(row, attention_mask=torch.ones_like(row), **settings)
    assert ours == found[0, row.shape[1] :].tolist()
    assert len(set(ours)) > 3


def test_the_ids_are_those_of_transformers(tmp_path):
    gpt2.write(TextModel(our_model(), TEXT), tmp_path / "ours")
    hugging_face = transformers.AutoTokenizer.from_pretrained(tmp_path / "ours")
    for text in (PROMPT, "", "Where is\n\nthe  café? \t😀", " the"):
        ids = TEXT.encode(text).tolist()
        assert hugging_face.encode(text) == ids
        assert hugging_face.decode(ids) == text
    assert hugging_face.eos_token_id == hugging_face.bos_token_id == TEXT.end


@pytest.mark.data
def test_gpt2s_own_vocabulary_ends_where_transformers_has_it(tmp_path):
    published = tokenizers.train("gpt2", "")
    gpt2_tokenizer.write(published, 1024, tmp_path)
    hugging_face = transformers.AutoTokenizer.from_pretrained(tmp_path)
    text = "Language models are unsupervised multitask learners, café 😀\n"
    assert published.end == hugging_face.eos_token_id == 50_256
    assert hugging_face.encode(text) == published.encode(text).tolist()
    assert gpt2_tokenizer.read(tmp_path, {}, 50_257).tokenizer.to_json() == published.to_json()


# ── Other ways to write the same folder ───────────────────────────────────────────────────────────


def rewritten(folder, change):
    """The folder with its weights changed by `change(dict)`."""
    weights = load_file(folder / gpt2.WEIGHTS)
    change(weights)
    save_file({name: value.contiguous() for name, value in weights.items()}, folder / gpt2.WEIGHTS)


def without_prefix(weights):
    for name in list(weights):
        weights[name.removeprefix("transformer.")] = weights.pop(name)


def with_masks_and_head(weights):
    weights["transformer.h.0.attn.bias"] = torch.ones(1, 1, 24, 24).tril()
    weights["transformer.h.1.attn.masked_bias"] = torch.tensor(-1e4)
    weights["lm_head.weight"] = weights["transformer.wte.weight"].clone()


@pytest.mark.parametrize("change", [without_prefix, with_masks_and_head])
def test_folders_of_older_versions_are_read_too(theirs, change):
    expected = gpt2.read(theirs).model.log_probs(np.arange(20))[0]
    rewritten(theirs, change)
    assert np.array_equal(gpt2.read(theirs).model.log_probs(np.arange(20))[0], expected)


def test_sharded_weights_are_read(tmp_path, theirs):
    expected = gpt2.read(theirs).model.log_probs(np.arange(20))[0]
    model = transformers.GPT2LMHeadModel.from_pretrained(theirs)
    shutil.rmtree(theirs)
    model.save_pretrained(tmp_path / "parts", max_shard_size="40KB")
    assert len(list((tmp_path / "parts").glob("*.safetensors"))) > 1
    saved(model, tmp_path / "whole")
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(tmp_path / "whole" / name, tmp_path / "parts" / name)
    assert np.array_equal(gpt2.read(tmp_path / "parts").model.log_probs(np.arange(20))[0], expected)


def test_half_precision_is_read(theirs):
    rewritten(theirs, lambda weights: weights.update({name: w.bfloat16() for name, w in weights.items()}))
    hugging_face = transformers.GPT2LMHeadModel.from_pretrained(theirs, dtype=torch.float32).eval()
    ids = np.arange(20)
    np.testing.assert_allclose(gpt2.read(theirs).model.log_probs(ids)[0], their_log_probs(hugging_face, ids), atol=1e-5)


@pytest.mark.parametrize("spec", ["byte", "bpe:270"])
def test_other_byte_pairs_are_exported_and_imported(tmp_path, spec):
    text = tokenizers.train(spec, "the cat sat on the mat, the rat sat on the cat")
    gpt2.write(TextModel(our_model(text), text), tmp_path / "ours")
    hugging_face = transformers.AutoTokenizer.from_pretrained(tmp_path / "ours")
    ids = text.encode("the café").tolist()
    assert hugging_face.encode("the café") == ids
    (tmp_path / "ours/vocab.json").unlink()  # tokenizer.json says the same
    assert gpt2.read(tmp_path / "ours").tokenizer.encode("the café").tolist() == ids


# ── Folders that cannot be read ───────────────────────────────────────────────────────────────────


def configured(**settings):
    def change(folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **settings}))

    return change


def weighed(change):
    return lambda folder: rewritten(folder, change)


def only_pickled(folder):
    (folder / gpt2.WEIGHTS).rename(folder / "pytorch_model.bin")


def cut_short(folder):
    (folder / gpt2.WEIGHTS).write_bytes((folder / gpt2.WEIGHTS).read_bytes()[:5000])


def listed(change):
    """The vocabulary changed by `change(dict)`."""

    def change_file(folder):
        vocabulary = json.loads((folder / "vocab.json").read_text())
        change(vocabulary)
        (folder / "vocab.json").write_text(json.dumps(vocabulary))

    return change_file


BROKEN = [
    (lambda folder: (folder / "config.json").unlink(), "config.json cannot be read: No such file or directory"),
    (lambda folder: (folder / "config.json").write_text("{"), "config.json is not JSON"),
    (lambda folder: (folder / "config.json").write_text("[]"), "config.json: expected object, got array"),
    (configured(model_type="llama"), "config.json has model_type 'llama', not 'gpt2' or 'openai-gpt'"),
    (configured(n_layer="3"), "n_layer in config.json must be a whole number from 1, not '3'"),
    (configured(activation_function="relu"), "gpt2 with activation_function = 'relu' cannot be read"),
    (configured(scale_attn_by_inverse_layer_idx=True), "scale_attn_by_inverse_layer_idx = True cannot be read"),
    (configured(n_inner=77), "gpt2 with n_inner = 77 cannot be read"),
    (configured(n_layer=4), "the weights lack h.3.ln_1.weight: are they a GPT-2 of 4 layers?"),
    (configured(n_layer=10**9), "the weights lack h.3.ln_1.weight"),
    (configured(n_embd=1 << 62), "wte.weight is (264, 32) where config.json wants (264, 4611686018427387904)"),
    (configured(resid_pdrop="x"), "resid_pdrop in config.json: expected float, got str"),
    (configured(n_layer=2), "the weights have h.2.attn.c_attn.bias, which a GPT-2 of 2 layers has not"),
    (configured(n_head=5), "a width of 32 cannot be shared by 5 heads"),
    (configured(n_positions=23), "wpe.weight is (24, 32) where config.json wants (23, 32)"),
    (configured(vocab_size=300), "wte.weight is (264, 32) where config.json wants (300, 32)"),
    (configured(tie_word_embeddings=False), "the weights lack lm_head.weight"),
    (weighed(lambda weights: weights.pop("transformer.ln_f.bias")), "the weights lack ln_f.bias"),
    (
        weighed(lambda w: w.update({"transformer.h.0.mlp.c_fc.weight": w["transformer.h.0.mlp.c_fc.weight"].T})),
        "h.0.mlp.c_fc.weight is (128, 32) where config.json wants (32, 128)",
    ),
    (only_pickled, "has no model.safetensors, only pickled weights, which could run any code"),
    (lambda folder: (folder / gpt2.WEIGHTS).unlink(), "has no model.safetensors"),
    (cut_short, "model.safetensors is not a whole safetensors file"),
    (lambda folder: (folder / "merges.txt").unlink(), "has no tokenizer: put its vocab.json and merges.txt"),
    (lambda folder: (folder / "merges.txt").write_text("q q\nqqq q"), "merge 1, 'qqq q', joins what no earlier merge"),
    (
        listed(lambda vocabulary: vocabulary.pop("Ċ")),
        "theirs: the byte 'Ċ' has no token: was it trained without initial_alphabet=ByteLevel.alphabet()?",
    ),
    (listed(lambda vocabulary: vocabulary.pop("Ġthe")), "theirs: the merge 'Ġthe' has no token"),
    (listed(lambda vocabulary: vocabulary.update({"Ġthe": 1 << 70})), "id 1180591620717411303424, and config.json 264"),
    (listed(lambda vocabulary: vocabulary.update({"Ġthe": 3})), "theirs: two tokens have one id"),
    (listed(lambda vocabulary: vocabulary.update({"Ġthe": "3"})), "vocab.json: expected int, got str"),
    (
        weighed(lambda w: w.update({"h.1.crossattention.c_attn.weight": w["transformer.wte.weight"] + 0})),
        "which a GPT-2 of",
    ),
    (weighed(lambda w: w.update({"transformer.wte.weight": w["transformer.wte.weight"].int()})), "numbers of type I32"),
    (weighed(lambda w: w.update({"wte.weight": w["transformer.wte.weight"] + 0})), "a second time"),
]


@pytest.fixture
def lmzoo(calling, tmp_path, monkeypatch):
    """Call a command; gives (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    return calling(**{"export": export_run, "import": import_file})


@pytest.mark.parametrize(("change", "says"), BROKEN, ids=[says[:50] for _, says in BROKEN])
def test_a_folder_that_cannot_be_read_is_an_error_in_one_line(lmzoo, theirs, change, says):
    change(theirs)
    code, out, err = lmzoo("import", "theirs", "--out", "run")
    assert (code, out) == (2, "")
    assert err.startswith("lmzoo: ") and err.count("\n") == 1
    assert says in err
    assert not (theirs.parent / "run").exists()


# ── The commands ──────────────────────────────────────────────────────────────────────────────────


def test_a_run_is_exported_and_imported(lmzoo, tmp_path):
    store.save(TextModel(our_model(), TEXT), tmp_path / "run")
    code, out, err = lmzoo("export", "run", "folder")
    assert (code, err) == (0, "")
    assert "model.safetensors" in out
    assert "transformers loads it as GPT2LMHeadModel" in " ".join(out.split())
    code, out, _ = lmzoo("import", "folder", "--out", "again")
    assert code == 0
    assert "parameters over 264 tokens" in out
    model, text = store.load("again")
    ids = text.encode(PROMPT)
    assert np.array_equal(model.log_probs(ids)[0], store.load("run").model.log_probs(ids)[0])
    digest = hashlib.sha256((tmp_path / "folder/model.safetensors").read_bytes()).hexdigest()
    assert store.read_provenance("again")["imported_sha256"] == digest


def test_a_tokenizer_that_transformers_lacks_is_left_out_with_a_note(lmzoo, tmp_path):
    text = tokenizers.train("word:3", "the cat sat on the mat")
    store.save(TextModel(our_model(text), text), tmp_path / "run")
    code, out, _ = lmzoo("export", "run", "folder")
    assert code == 0
    assert "note: transformers has no tokenizer like word:3" in out
    assert sorted(path.name for path in (tmp_path / "folder").iterdir()) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"bias": False}, "Hugging Face's GPT-2 has no bias = False: only True can be exported"),
        ({"bias": False, "norm_first": False}, "Hugging Face's GPT-1 has no bias = False: only True"),
        ({"exact_gelu": True, "norm_first": False}, "Hugging Face's GPT-1 has no exact_gelu = True: only False"),
    ],
)
def test_a_setting_that_gpt2_and_gpt1_do_not_have_is_named(lmzoo, tmp_path, settings, says):
    store.save(TextModel(our_model(**settings), TEXT), tmp_path / "run")
    code, out, err = lmzoo("export", "run", "folder")
    assert (code, out) == (2, "")
    assert says in err
    assert not (tmp_path / "folder").exists()


def test_every_setting_is_either_exported_or_fixed():
    free = {"layers", "heads", "width", "window", "dropout", "tied", "exact_gelu", "norm_first", "training"}
    assert {field.name for field in fields(GPT)} == free | {"bias"}


def test_nothing_is_overwritten_without_the_flag(lmzoo, tmp_path):
    store.save(TextModel(our_model(), TEXT), tmp_path / "run")
    assert lmzoo("export", "run", "folder")[0] == 0
    assert "folder exists already" in lmzoo("export", "run", "folder")[2]
    assert lmzoo("export", "run", "folder", "--overwrite")[0] == 0
    store.save(
        TextModel(Uniform().fit(Data.of(np.arange(3), np.arange(3), 257)), tokenizers.train("byte", "")),
        tmp_path / "other",
    )
    assert "other is no folder of a Hugging Face model" in lmzoo("export", "run", "other", "--overwrite")[2]
    (tmp_path / "file").write_text("")
    assert "file is a file: a model is written as a folder" in lmzoo("export", "run", "file")[2]


# ── By name ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def mirror(theirs, tmp_path, monkeypatch):
    """A mirror that has a small GPT-2 where the published one would be, and its sums in place of theirs."""
    (tmp_path / "mirror").mkdir()
    theirs.rename(tmp_path / "mirror/gpt2")
    files = []
    for file in gpt2.PUBLISHED["gpt2"]:
        contents = (tmp_path / "mirror" / file.path).read_bytes()
        files.append(File(file.path, len(contents), hashlib.sha256(contents).hexdigest(), file.url))
    monkeypatch.setitem(gpt2.PUBLISHED, "gpt2", tuple(files))
    monkeypatch.setenv("LMZOO_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("LMZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "mirror/gpt2"


def test_gpt2_by_name_comes_from_the_mirror_then_from_the_cache(lmzoo, mirror, tmp_path):
    expected = gpt2.read(mirror).model.log_probs(np.arange(20))[0]
    assert lmzoo("import", "gpt2", "--out", "run", "--quiet")[0] == 0
    assert np.array_equal(store.load("run").model.log_probs(np.arange(20))[0], expected)
    shutil.rmtree(mirror)
    assert lmzoo("import", "gpt2", "--out", "again", "--quiet")[0] == 0


def test_weights_with_another_checksum_are_an_error(lmzoo, mirror):
    contents = bytearray((mirror / gpt2.WEIGHTS).read_bytes())
    contents[-1] ^= 1
    (mirror / gpt2.WEIGHTS).write_bytes(contents)
    code, out, err = lmzoo("import", "gpt2", "--out", "run", "--quiet")
    assert (code, out) == (1, "")
    assert "has sha256" in err and "copy it there again" in err and err.count("\n") == 1


def test_what_is_published_is_gpt2():
    """The sums of its tokenizer are those of OpenAI's own files, which the `gpt2` tokenizer reads."""
    assert {file.path for file in gpt2.PUBLISHED["gpt2"]} == {
        "gpt2/config.json", "gpt2/vocab.json", "gpt2/merges.txt", "gpt2/model.safetensors",
    }  # fmt: skip


@pytest.mark.data
def test_the_published_tokenizer_is_openais_own():
    folder, files = tokenizers.find_gpt2(), gpt2.PUBLISHED["gpt2"]
    sums = {file.path: file.sha256 for file in files}
    for name, theirs in (("encoder.json", "gpt2/vocab.json"), ("vocab.bpe", "gpt2/merges.txt")):
        from lmzoo.data.tokenizers.bpe import _read

        assert hashlib.sha256(_read(folder, name).encode()).hexdigest() == sums[theirs]


def test_a_published_model_without_known_checksums_is_named_with_those_that_have_them(lmzoo):
    code, _, err = lmzoo("import", "gpt2-medium", "--out", "run")
    assert code == 2
    assert "no published model 'gpt2-medium' is known, only gpt2: give the folder of a downloaded one" in err
