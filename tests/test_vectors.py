"""Word vectors: which tokens are words, and what is made of their vectors."""

import numpy as np
import pytest

from lmzoo import tokenizer
from lmzoo.vectors import words_of

TEXT = "the king and a queen. King\nthe café\tlowers a king, the king's “lower” low_er"


def counted(made, text):
    return np.bincount(made.encode(text), minlength=made.vocab_size)


def test_words_come_without_their_space_most_frequent_first():
    made = tokenizer.train("word:100", TEXT)
    words, ids = words_of(made, counted(made, TEXT))
    assert words[:3] == ["the", "king", "a"]  # "the" begins a line twice of three times
    assert [made.token(i).strip() for i in ids] == words
    assert {"café", "queen", "king's", "“"} <= set(words)
    assert not {" ", "", "\n", "\t", "<end>"} & set(words)
    counts = counted(made, TEXT)[ids]
    assert (np.diff(counts) <= 0).all() and counts.min() > 0


@pytest.mark.parametrize(("bare", "spaced"), [(5, 3), (3, 5)])
def test_the_more_frequent_of_two_spellings_stands_for_the_word(bare, spaced):
    made = tokenizer.train("word:100", "king king")
    counts = np.zeros(made.vocab_size, int)
    spelled = {piece: made.encode(piece)[0] for piece in ("king", " king")}
    counts[spelled["king"]], counts[spelled[" king"]] = bare, spaced
    words, ids = words_of(made, counts)
    assert words == ["king"]
    assert ids == [spelled["king" if bare > spaced else " king"]]


@pytest.mark.parametrize("text", ["the cat sat\nthe <unk> a\n", " the cat sat \n the <unk> a \n"])
def test_words_of_a_corpus_in_words_are_all_but_the_unknown_one(text):
    made = tokenizer.train("split", text)
    assert words_of(made, counted(made, text))[0] == ["the", "cat", "sat", "a"]


def test_a_part_of_a_word_is_none():
    text = "unlowered, the lowering lower is lowest, the newest is new " * 20
    made = tokenizer.train("bpe:300", text)
    words, ids = words_of(made, counted(made, text))
    assert {"the", "is"} <= set(words) <= {*text.replace(",", " ").split(), "low", "lower", "new"}
    assert all(made.token(i) == f" {word}" for word, i in zip(words, ids, strict=True))


@pytest.mark.parametrize("spec", ["byte", "char"])
def test_letters_are_no_words(spec):
    made = tokenizer.train(spec, TEXT)
    assert words_of(made, counted(made, TEXT))[0] == []


def test_what_never_occurred_is_left_out():
    made = tokenizer.train("split", "a b c\n")
    assert words_of(made, np.array([3, 0, 3, 9]))[0] == ["a", "c"]
