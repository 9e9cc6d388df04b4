"""Word vectors as the embeddings that a network begins with: which token has which, and what cannot be."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmzoo import models
from lmzoo.cli.main import main
from lmzoo.data import tokenizers
from lmzoo.formats import vectors as vector_files
from lmzoo.formats.vectors import start
from lmzoo.interface import Progress
from lmzoo.runs import store

WORDS = ["cats", "sat", "the", ",", "zebra"]
TEXT = "".join(f"The {n % 7} cats sat on, the {n % 11} mats.\n" for n in range(400))
MATRIX = np.arange(20, dtype=np.float32).reshape(5, 4) / 8


@pytest.fixture
def lmzoo(tmp_path, monkeypatch, capsys):
    """Call `lmzoo` beside a text and a file of vectors: its exit code, what it printed and what it said."""
    monkeypatch.chdir(tmp_path)
    Path("own.txt").write_text(TEXT)
    vector_files.write("vectors.txt", WORDS, MATRIX, format="glove")

    def call(words):
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main(f"{words} --corpus own.txt --tokenizer word:30 --out run".split())
        code, out, said = exit_.value.code, *capsys.readouterr()
        return code, " ".join(out.split()), said

    return call


def table():
    """The embedding of each token of the run, by how the token is written."""
    model, tokenizer = store.load("run")
    rows = model.net_.weights()["embedding.weight"].numpy()
    return {tokenizer.token(i): rows[i] for i in range(len(rows))}


SMALL = {
    "mlp": "--embedding 4", "rnn": "--embedding 4", "lstm": "--embedding 4", "gpt": "--width 4", "llama": "--width 4",
}  # fmt: skip


@pytest.mark.parametrize("name", SMALL)
def test_the_row_of_a_word_is_its_vector_and_stays_it_where_it_is_frozen(lmzoo, name):
    words = f"train {name} --preset tiny {SMALL[name]} --vectors vectors.txt --budget 3steps"
    code, out, said = lmzoo(f"{words} --freeze embeddings")
    assert (code, said) == (0, "")
    rows = table()
    for word, token in (("cats", " cats"), ("sat", " sat"), ("the", " the"), ("the", "The"), (",", ",")):
        assert np.array_equal(rows[token], MATRIX[WORDS.index(word)]), token
    assert f"5 of {len(rows)} tokens began with their vectors in vectors.txt, {len(rows) - 5} without one were" in out
    assert ("the softmax shares that table" in out) == (name == "gpt")
    facts = store.read_provenance("run")
    assert (facts["vectors"]["tokens"], facts["frozen"]) == (5, ["embeddings"])
    assert lmzoo(f"{words} --overwrite")[0] == 0
    assert not np.array_equal(table()[" cats"], MATRIX[0])
    assert np.abs(table()[" cats"] - MATRIX[0]).max() < 0.2


def test_a_run_with_the_same_tokenizer_gives_each_token_its_own_vector(lmzoo):
    assert lmzoo("train svd --dimensions 8")[0] == 0
    Path("run").rename("svd")
    code, out, _ = lmzoo("train lstm --preset tiny --embedding 8 --vectors svd --freeze embeddings --budget 2steps")
    assert code == 0
    svd, tokenizer = store.load("svd")
    seen = np.flatnonzero(svd.counts_)
    assert f"{len(seen)} of {tokenizer.vocab_size} tokens began with their vectors in svd" in out
    rows = store.load("run").model.net_.weights()["embedding.weight"].numpy()
    assert np.array_equal(rows[seen], svd.vectors()[seen].astype(np.float32))


@given(st.integers(1, 6), st.floats(-3, 3), st.floats(0.1, 2), st.integers(0, 5))
def test_tokens_without_a_vector_are_drawn_with_the_mean_and_deviation_of_those_that_there_are(
    width, mean, spread, seed
):
    matrix = (mean + spread * np.random.default_rng(1).standard_normal((4000, width))).astype(np.float32)
    source = start.Source(Path("v"), "0", matrix, {"cats": 3})
    model = models.make(models.find("lstm"), {"embedding": str(width)})
    tokenizer = tokenizers.train("word:30", TEXT)
    began = start.start(source, model, tokenizer, seed)
    assert began.embeddings is not None
    drawn = np.delete(began.embeddings, [tokenizer.encode(" cats")[0]], axis=0)
    assert np.abs(drawn.mean() - mean) < 5 * spread / np.sqrt(drawn.size)
    assert 0.8 * spread < drawn.std() < 1.2 * spread
    again = start.start(source, model, tokenizer, seed)
    assert np.array_equal(again.embeddings, began.embeddings)
    assert not np.array_equal(start.start(source, model, tokenizer, seed + 1).embeddings, began.embeddings)


def test_of_two_spellings_that_of_the_text_is_taken(tmp_path):
    vector_files.write(tmp_path / "v.txt", ["the", "The"], [[1.0, 2], [3, 4]])
    source = start.read(tmp_path / "v.txt", Progress())
    tokenizer = tokenizers.train("word:30", TEXT)
    began = start.start(source, models.make(models.find("rnn"), {"embedding": "2"}), tokenizer, 0)
    (upper,), (lower,) = tokenizer.encode("The"), tokenizer.encode(" the")
    assert began.embeddings is not None
    assert began.embeddings[[upper, lower]].tolist() == [[3, 4], [1, 2]]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            "lstm --preset tiny",
            "vectors.txt has vectors of 4 numbers, and the embeddings of this lstm have 16: give --emb",
        ),
        ("gpt --preset tiny", "and the embeddings of this gpt have 32: give --width 4"),
        ("gpt --preset tiny --width 4 --heads 3", "a width of 4 cannot be shared by 3 heads"),
        ("ngram", "ngram begins with nothing learned, as only networks can begin elsewhere: leave --vectors out"),
        ("lstm --embedding 4 --from run", "run has embeddings already: leave --vectors or --from out"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(lmzoo, words, says):
    code, out, said = lmzoo(f"train {words} --vectors vectors.txt --budget 2steps")
    assert (code, out) == (2, "")
    assert said.startswith("lmzoo: ")
    assert said.count("\n") == 1
    assert says in said


def test_a_text_of_other_words_is_refused(lmzoo):
    vector_files.write("vectors.txt", ["zebra", "lion"], MATRIX[:2], format="glove")
    code, _, said = lmzoo("train lstm --preset tiny --embedding 4 --vectors vectors.txt")
    assert code == 2
    assert "no token of word:30 is a word with a vector in vectors.txt: train on words, as with --tokenizer" in said


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("pmi", "source: the vectors of pmi are a sparse table: train svd, which makes short ones of it"),
        ("lstm --preset tiny --budget 2steps", "source: lstm has no word vectors: train word2vec, glove or svd"),
    ],
)
def test_a_run_without_dense_vectors_is_refused(lmzoo, model, says):
    assert lmzoo(f"train {model}")[0] == 0
    Path("run").rename("source")
    code, _, said = lmzoo("train lstm --preset tiny --vectors source")
    assert (code, said) == (2, f"lmzoo: {says}\n")
