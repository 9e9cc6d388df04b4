"""`lmzoo tokenize`: pieces, ids, words without a token, and the merges of byte pairs in their order."""

import json

import pytest

from lmzoo.cli.tokenize import tokenize_text
from lmzoo.data import tokenizers
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data
from lmzoo.models.uniform import Uniform
from lmzoo.runs import store

# Sennrich, Haddow & Birch 2016, algorithm 1, with the space before each word that byte-level pairs have.
TEXT = " low" * 5 + " lower" * 2 + " newest" * 6 + " widest" * 3


@pytest.fixture
def lmzoo(calling, tmp_path, monkeypatch):
    """Call `lmzoo tokenize` alone, beside own.txt and a run: (exit code, stdout, stderr)."""
    (tmp_path / "own.txt").write_text(f"{TEXT}\n" * 3)
    tokenizer = tokenizers.train("word:5", "the cat sat")
    ids = tokenizer.encode("the cat sat")
    model = Uniform().fit(Data.of(ids, ids, tokenizer.vocab_size))
    store.save(TextModel(model, tokenizer), tmp_path / "mine", {})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return calling(tokenize=tokenize_text)


def test_the_merges_of_a_word_in_the_order_that_they_apply(lmzoo):
    code, out, err = lmzoo(" lowest", "--corpus", "own.txt", "--tokenizer", "bpe:266", "--merges", "--json")
    assert (code, err) == (0, "")
    facts = json.loads(out)
    numbers = [step["merge"] for step in facts["steps"]]
    assert numbers == sorted(numbers) and numbers[0] == -1
    assert facts["steps"][0]["tokens"] == [" ", *"lowest"]
    assert facts["learned"][0] == ["e", "s"]  # nine times, as in the paper
    for before, step in zip(facts["steps"], facts["steps"][1:], strict=False):
        assert step["joins"] == facts["learned"][step["merge"]]
        assert "\0".join(before["tokens"]).replace("\0".join(step["joins"]), "".join(step["joins"])) == "\0".join(
            step["tokens"]
        )
    assert facts["steps"][-1]["tokens"] == facts["tokens"]  # and so is it encoded


def test_a_table_shows_pieces_ids_and_counts(lmzoo):
    out = lmzoo(" lowest low", "--corpus", "own.txt", "--tokenizer", "bpe:266", "--merges", "--top", 2)[1]
    assert "of own.txt" in out
    assert "e+s" in out and "␣ l o w e s t" in out
    assert "the first 2 of 9 merges that were learned" in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_run_has_a_tokenizer_and_unknown_words_are_named(lmzoo):
    out = lmzoo("the cat sats", "--run", "mine")[1]
    assert out.startswith("word:5 of mine, V = ")
    assert "7 tokens of 12 characters, 12 bytes: 1.71 characters per token" in out
    assert "note: not in the vocabulary, and spelled in bytes: sats" in out
    facts = json.loads(lmzoo("the cat", "--run", "mine", "--json")[1])
    assert facts["tokens"] == ["the", " cat"]
    assert facts["ids"] == tokenizers.train("word:5", "the cat sat").encode("the cat").tolist()


def test_bytes_need_no_corpus(lmzoo):
    assert json.loads(lmzoo("é", "--tokenizer", "byte", "--json")[1])["ids"] == [0xC3, 0xA9]


def test_mistakes_are_one_line(lmzoo):
    assert "a word:5 tokenizer merges nothing: --merges is for bpe:K" in lmzoo("the", "--run", "mine", "--merges")[2]
    assert lmzoo()[0] == 2
    assert "--run has a tokenizer already" in lmzoo("a", "--run", "mine", "--tokenizer", "byte")[2]
    assert "200 characters or fewer" in lmzoo("a" * 201, "--tokenizer", "bpe:300", "--corpus", "own.txt", "--merges")[2]
