"""`lmzoo export` and `lmzoo import`, as a person meets them."""

import gzip
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from lmzoo.analysis import word_vectors
from lmzoo.cli.eval import evaluate_runs
from lmzoo.cli.exchange import export_run, import_file
from lmzoo.data import corpus, tokenizers
from lmzoo.evaluation.text_model import TextModel
from lmzoo.formats import vectors as vector_files
from lmzoo.formats.vectors import model as vector_exchange
from lmzoo.interface import Data
from lmzoo.models.ngram import Ngram
from lmzoo.models.pmi import PMI
from lmzoo.models.svd import SVD
from lmzoo.models.uniform import Uniform
from lmzoo.runs import store

GOLDEN = Path(__file__).parents[1] / "golden.arpa"
TEXT = "the cat sat on the mat\nthe dog sat on the cat\n" * 5


@pytest.fixture
def lmzoo(calling, tmp_path, monkeypatch):
    """Call a command; gives (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    return calling(**{"export": export_run, "import": import_file, "eval": evaluate_runs})


@pytest.fixture
def run(lmzoo):
    return made("run", "split")


def made(folder, spec, model=None):
    text = tokenizers.train(spec, TEXT, spec == "split")
    ids = text.encode(TEXT)
    return store.save(TextModel((model or Ngram(3)).fit(Data.of(ids, ids, text.vocab_size)), text), folder)


def test_a_run_goes_out_and_comes_back(lmzoo, run):
    assert lmzoo("export", run, "out.arpa.gz")[0] == 0
    assert lmzoo("import", "out.arpa.gz", "--out", "back")[0] == 0
    (model, words), (again, words_again) = store.load(run), store.load("back")
    ids, ids_again = words.encode("the dog sat\n"), words_again.encode("the dog sat\n")
    assert list(map(words_again.token, ids_again)) == list(map(words.token, ids))
    assert again.log_probs(ids_again)[0].tolist() == model.log_probs(ids)[0].tolist()


def test_export_says_what_is_in_the_file_and_in_which_unit(lmzoo, run):
    code, out, err = lmzoo("export", run, "out.arpa")
    lines = Path("out.arpa").read_text().splitlines()
    announced = sum(int(line.split("=")[1]) for line in lines if line.startswith("ngram "))
    size = Path("out.arpa").stat().st_size
    assert (code, err) == (0, "")
    assert out == f"wrote out.arpa: {announced} n-grams of order 1 to 3, {size:,} bytes; log10 p\n"


def test_export_says_how_pieces_of_text_are_spelled(lmzoo):
    made("chars", "char")
    assert "char tokens are written as words: a space is ▁" in lmzoo("export", "chars", "out.arpa")[1]


def test_export_of_a_high_order_says_where_kenlm_stops(lmzoo):
    for order in (6, 7):
        made(f"order{order}", "split", Ngram(order))
        code, out, _ = lmzoo("export", f"order{order}", f"{order}.arpa")
        assert code == 0
        assert ("note: KenLM as it is commonly built stops at order 6" in out) == (order == 7)
    assert "cmake -DKENLM_MAX_ORDER=7" in out


def test_weights_alone_are_sent_to_their_folder(lmzoo):
    Path("model.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{}")
    code, _, err = lmzoo("import", "model.safetensors", "--out", "run")
    assert code == 2
    assert "model.safetensors has weights alone: give the folder that has its config.json and tokenizer too" in err


def test_export_as_json(lmzoo, run):
    facts = json.loads(lmzoo("export", run, "out.arpa", "--json")[1])
    assert facts.keys() == {"run", "file", "ngrams", "bytes"}
    assert f"ngram 2={facts['ngrams'][1]}\n" in Path("out.arpa").read_text()


def test_import_says_where_the_model_is_from(lmzoo):
    Path("kenlm.arpa").write_bytes(GOLDEN.read_bytes())
    facts = json.loads(lmzoo("import", "kenlm.arpa", "--out", "run", "--json")[1])
    assert facts["imported_from"] == str(Path("kenlm.arpa").absolute())
    assert facts["imported_sha256"] == hashlib.sha256(GOLDEN.read_bytes()).hexdigest()
    assert facts["config"]["order"] == 3
    assert facts["ngrams"] == 179  # 23 + 67 + 90, but <s> and </s> are one
    assert store.read_provenance("run") == {key: value for key, value in facts.items() if key != "run"}


def test_import_shows_remarks(lmzoo):
    text = GOLDEN.read_text().replace("-0.97420347\t</s>", "-3\t</s>")
    Path("odd.arpa").write_text(text)
    code, out, _ = lmzoo("import", "odd.arpa", "--out", "run")
    assert code == 0
    assert "179 n-grams of order 1 to 3 over 22 words" in out
    assert "note: no distribution: the probabilities" in out


def test_import_for_texts_with_a_space_before_every_word(lmzoo):
    assert lmzoo("import", GOLDEN, "--out", "run", "--layout", "leading")[0] == 0
    assert store.load("run").tokenizer.decode([1, 21]) == " the \n"


def test_unknown_words_of_an_import_cost_the_figure_of_the_whole_alone(lmzoo):
    closed = GOLDEN.read_text().replace("ngram 1=23", "ngram 1=22").replace("-1.5150553\t<unk>\t0\n", "")
    Path("closed.arpa").write_text(closed)
    Path("test.txt").write_text("the dog sat\nthe unicorn sat on the old mat\n")
    assert "unknown words have probability zero" in " ".join(lmzoo("import", "closed.arpa", "--out", "run")[1].split())
    scoring = ("eval", "run", "--corpus", "test.txt", "--split", "all", "--protocol", "lines")
    code, out, err = lmzoo(*scoring)
    assert (code, err) == (0, "")
    row = next(line.split() for line in out.splitlines() if line.strip().startswith("run ") and "–" in line)
    assert row[:6] == ["run", "–", "–", "–", "–", "–"]
    (row,) = json.loads(lmzoo(*scoring, "--json")[1])
    assert (row["bits"], row["bits_per_character"], row["interval"], row["tokens"]) == (None, None, None, 12)
    found = row["excluding_unknown"]
    assert (found["unknown"], found["tokens"]) == (1, 11)
    # KenLM: `query` prints "Perplexity excluding OOVs", after an unknown word without any context
    model, words = store.load("run")
    nats = [model.log_probs(words.encode(line))[0] for line in ("the dog sat\n", "the unicorn sat on the old mat\n")]
    known = np.concatenate(nats)[np.isfinite(np.concatenate(nats))]
    assert found["perplexity_per_token"] == pytest.approx(np.exp(-known.mean()))
    assert f"perplexity {found['perplexity_per_token']:.2f} per token" in "; ".join(row["notes"])
    assert lmzoo(*scoring, "--mix")[0] == 2


@pytest.mark.parametrize(
    ("contents", "says"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\n",
            "a Git LFS pointer, not an ARPA file, word vectors",
        ),
        (
            b"\xba\x16\x4f\x2f\x0c\x00\x00\x00",
            "a model in fastText's own format, not an ARPA file, word vectors or a GPT-2",
        ),
        (b"%PDF-1.4\n", "a PDF document, not an ARPA file, word vectors or a GPT-2"),
    ],
)
def test_what_is_no_model_is_named_for_what_it_is(lmzoo, contents, says):
    Path("vectors.bin").write_bytes(contents)
    code, out, err = lmzoo("import", "vectors.bin", "--out", "new")
    assert (code, out) == (2, "")
    assert err.startswith(f"lmzoo: vectors.bin is {says}") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("export", "missing", "out.arpa"), "no run at missing"),
        (("export", "run", "there"), "there exists already: choose another name, or give --overwrite"),
        (("export", "run", "run"), "run is a folder: name a file in it, as in run/model.arpa"),
        (("export", "run", "no/out.arpa"), "no/out.arpa cannot be written: there is no folder no"),
        (
            ("export", "uniform", "out.arpa"),
            "uniform: only an ngram, a gpt, bert, electra or word vectors can be exported, and this is a uniform",
        ),
        (("export", "stupid", "out.arpa"), "stupid-backoff gives scores that do not sum to one"),
        (("import", "missing.arpa", "--out", "new"), "missing.arpa cannot be read: No such file or directory"),
        (("import", "run", "--out", "new"), "run: config.json has no model_type, not 'gpt2'"),
        (("import", "there", "--out", "new"), "there, line 1: the file ends here and has no \\data\\ line"),
        (("import", "cut.arpa.gz", "--out", "new"), "cut.arpa.gz is damaged (Compressed file ended"),
        (("import", "there", "--out", "run"), "run exists already: choose another --out, or give --overwrite"),
        (("import", "there", "--out", "new", "--layout", "plane"), "no layout 'plane'; did you mean plain?"),
    ],
)
def test_what_cannot_be_is_said_in_one_line_and_leaves_nothing(lmzoo, run, arguments, says):
    made("uniform", "split", Uniform())
    made("stupid", "split", Ngram(2, "stupid-backoff"))
    Path("there").write_text("hello")
    Path("cut.arpa.gz").write_bytes(gzip.compress(GOLDEN.read_bytes(), mtime=0)[:500])
    before = sorted(Path().iterdir())
    code, out, err = lmzoo(*arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert err.startswith("lmzoo: ") and err.count("\n") == 1
    assert sorted(Path().iterdir()) == before


def test_overwrite_replaces_what_is_there(lmzoo, run):
    Path("out.arpa").write_text("old")
    assert lmzoo("export", run, "out.arpa", "--overwrite")[0] == 0
    assert lmzoo("import", "out.arpa", "--out", run, "--overwrite")[0] == 0
    assert store.load(run).model.smoothing == "arpa"


# ── Word vectors ──────────────────────────────────────────────────────────────────────────────────

STORY = "The king, the queen — and the king's men: 'Vive le roi!' they cried. the king of the queen.\n" * 30


@pytest.fixture
def story(lmzoo):
    Path("story.txt").write_text(STORY)
    return "story.txt"


def vectors_run(folder, spec="word:100", model=None, text=STORY):
    words = tokenizers.train(spec, text, spec == "split")
    ids = words.encode(text)
    model = model or SVD(dimensions=4, window=2, min_count=1)
    return store.save(TextModel(model.fit(Data.of(ids, ids[:200], words.vocab_size)), words), folder)


@pytest.mark.parametrize("spec", ["word:100", "split", "bpe:300"])
@pytest.mark.parametrize("name", ["out.txt", "out.bin", "out.glove.txt", "out.vec.gz"])
def test_vectors_go_out_as_plain_words_the_most_frequent_first(lmzoo, spec, name):
    run = vectors_run("run", spec)
    code, out, err = lmzoo("export", run, name)
    model, words = store.load(run)
    found = vector_files.read(name)
    spelled, ids = word_vectors.words_of(words, model.counts_)
    assert (code, err) == (0, "")
    assert out.startswith(f"wrote {name}: {len(spelled)} words of 4 numbers, {found.format}, ")
    assert found.words == spelled and {"the", "king"} <= set(spelled)
    assert np.array_equal(found.matrix, model.vectors()[ids])


def test_words_that_were_too_rare_to_have_a_vector_do_not_go_out(lmzoo):
    run = vectors_run("run", model=SVD(dimensions=4, window=2, min_count=2), text=STORY + "once\n")
    assert lmzoo("export", run, "out.txt")[0] == 0
    assert "once" not in vector_files.read("out.txt").words


def test_the_format_can_be_given(lmzoo):
    facts = json.loads(lmzoo("export", vectors_run("run"), "out.txt", "--format", "word2vec-binary", "--json")[1])
    assert vector_files.read("out.txt").format == facts["format"] == "word2vec-binary"
    assert facts.keys() == {"run", "file", "format", "words", "dimensions", "bytes"}


def test_gensim_reads_our_export_and_we_read_its_own(lmzoo, story):
    gensim = pytest.importorskip("gensim.models", reason="gensim is not installed").KeyedVectors
    model, words = store.load(vectors_run("run"))
    for name in ("out.kv", "out.bin"):
        assert lmzoo("export", "run", name)[0] == 0
    theirs = gensim.load_word2vec_format("out.bin", binary=True)
    assert np.array_equal(theirs["king"], model.vectors()[words.encode(" king")[0]])
    assert np.array_equal(gensim.load("out.kv").vectors, theirs.vectors)
    theirs.save_word2vec_format("theirs.txt")
    assert lmzoo("import", "theirs.txt", "--out", "back")[0] == 0
    again, again_words = store.load("back")
    assert np.array_equal(again.vectors()[again_words.encode(" king")[0]], theirs["king"])


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("v.glove.txt", None, "glove"),
        ("v.txt", None, "word2vec"),
        ("v.bin", None, "word2vec"),
        ("v.bin", "glove", "glove"),
    ],
)
def test_published_vectors_become_a_run(lmzoo, name, kind, expected):
    published = ["the", ",", "king", "—", "new-york", "_", "queen", "New_York", "don't", "...", "the\u00a0one"]
    matrix = np.random.default_rng(0).normal(size=(len(published), 6)).astype(np.float32)
    vector_files.write(name, published, matrix, format=vector_exchange.format_of(Path(name)))
    code, out, err = lmzoo("import", name, "--out", "run", *(("--kind", kind) if kind else ()))
    assert (code, err) == (0, "")
    assert f"{name}: 11 words of 6 numbers" in out
    out = " ".join(out.split())
    assert "note: 3 of 11 words were left out, such as 'new-york': the tokenizer cuts texts into other pieces" in out
    assert "note: the file has no counts, so p(w) is Zipf's law by rank, and λ = 0" in out
    model, words = store.load("run")
    assert model.name == expected
    assert words.lines is False
    for text, row in ((" the", 0), (",", 1), (" ,", 1), ("—", 3), (" —", 3), (" New_York", 7), (" don't", 8)):
        (token,) = words.encode(text)
        assert np.array_equal(model.vectors()[token], matrix[row])
    unknown = words.encode("kings \n")
    assert not model.vectors()[unknown].any() and not model.vectors()[words.end].any()
    assert model.counts_[words.encode(" the")[0]] == 11 and model.counts_[words.encode(" king")[0]] == 3
    assert words.decode(words.encode(STORY)) == STORY
    assert np.exp(model.next_log_probs(model.start())).sum() == pytest.approx(1)
    provenance = store.read_provenance("run")
    assert provenance["imported_sha256"] == hashlib.sha256(Path(name).read_bytes()).hexdigest()
    assert provenance["imported_from"] == str(Path(name).absolute())
    assert lmzoo("export", "run", "again.txt")[0] == 0
    kept = [word for word in published if word not in ("new-york", "...", "the\u00a0one")]
    assert vector_files.read("again.txt").words == kept


@pytest.mark.parametrize("name", ["v.txt", "v.glove.txt"])
def test_imported_vectors_learn_to_predict_from_a_corpus(lmzoo, story, name):
    assert lmzoo("export", vectors_run("run"), name)[0] == 0
    facts = json.loads(lmzoo("import", name, "--out", "new", "--corpus", story, "--json")[1])
    model, words = store.load("new")
    source = corpus.load(story)
    assert facts["corpus"] == "story.txt" and facts["sha256"] == source.sha256
    assert not any("Zipf" in remark for remark in facts["remarks"])
    counts = np.bincount(words.encode(source.train), minlength=words.vocab_size)
    assert model.counts_.tolist() == (counts + model.vectors().any(axis=1)).tolist()
    assert set(vector_files.read(name).words) == set(word_vectors.words_of(words, model.counts_)[0])
    assert np.any(model.lambdas_ != 0)
    unigram = (model.counts_ + 1) / (model.counts_ + 1).sum()
    ids = words.encode(source.valid)
    assert model.log_probs(ids)[0].mean() > np.log(unigram)[ids].mean()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("export", "sparse", "out.txt"), "the vectors of pmi are a sparse table of "),
        (("export", "sparse", "out.txt"), "train svd, which reduces the same table to those"),
        (("export", "bytes", "out.txt"), "no token of byte is a word with a vector: train on words"),
        (("export", "run", "out.txt", "--format", "glov"), "no format 'glov'; did you mean glove?"),
        (("export", "uniform", "out.txt", "--format", "glove"), "--format is for word vectors, and this is a uniform"),
        (("import", "some.txt", "--out", "new", "--kind", "golve"), "no kind 'golve'; did you mean glove?"),
        (("import", "kv", "--out", "new"), "kv is a Python pickle, not an ARPA file, word vectors or a GPT-2: loading"),
        (("import", "ragged.txt", "--out", "new"), "ragged.txt, line 2: 1 number where most lines have 2"),
        (("import", "phrases.txt", "--out", "new"), "phrases.txt: none of its 1 words, such as 'a-b', can be a token"),
        (("import", str(GOLDEN), "--out", "new", "--corpus", "ptb"), "--corpus is for word vectors, which "),
        (("import", "run", "--out", "new", "--kind", "glove"), "--kind is for word vectors, which run has not"),
        (("import", "some.txt", "--out", "new", "--corpus", "nothing"), "no corpus, file or folder is called"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_with_vectors_is_said_in_one_line(lmzoo, arguments, says):
    vectors_run("run")
    vectors_run("sparse", model=PMI(window=2, min_count=1))
    vectors_run("bytes", "byte")
    made("uniform", "split", Uniform())
    Path("some.txt").write_text("the 1 2\nof 3 4\n")
    Path("ragged.txt").write_text("the 1 2\nof 3\n")
    Path("phrases.txt").write_text("a-b 1 2\n")
    Path("kv").write_bytes(b"\x80\x04\x95")
    before = sorted(Path().iterdir())
    code, out, err = lmzoo(*arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert err.startswith("lmzoo: ") and err.count("\n") == 1
    assert sorted(Path().iterdir()) == before


def test_a_published_file_goes_in_and_out_unchanged(lmzoo):
    lines = ["the 0.418 0.24968 -0.41242", ", 0.013441 0.23682 -0.16899", "of 0.70853 0.57088 -4.716e-7"]
    Path("glove.txt").write_text("\n".join(lines) + "\n")
    assert lmzoo("import", "glove.txt", "--out", "run")[0] == 0
    assert lmzoo("export", "run", "out.glove.txt")[0] == 0
    assert Path("out.glove.txt").read_text() == Path("glove.txt").read_text()
