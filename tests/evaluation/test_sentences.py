"""Bits of sentences: sums worked out by hand, what is read before, and words without a token."""

import math

import numpy as np
import pytest

from lmzoo.data import tokenizers
from lmzoo.errors import ScoreError, UsageError
from lmzoo.evaluation import sentences
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data, MaskedModel, Model
from lmzoo.models.ngram import Ngram
from tests.fake_models import Stateless


class Halving(Stateless):
    """Gives token k the probability 2^-(k % 4): bits that can be counted on the fingers."""

    def __init__(self, vocab_size):
        self.vocab_size_ = vocab_size

    def next_log_probs(self, state):
        return -math.log(2) * (np.arange(self.vocab_size_) % 4.0)


class Filling(MaskedModel):
    def __init__(self, vocab_size):
        self.vocab_size_ = vocab_size

    def fit(self, data, run=None):
        return self

    def fill_log_probs(self, tokens, blanks):
        return np.full((int(blanks.sum()), self.vocab_size_), -math.log(2))


WORDS = tokenizers.train("word:10", "the cat sat. the cat sat.")


def halving():
    return TextModel(Halving(WORDS.vocab_size), WORDS)


def test_bits_are_the_sum_over_the_tokens_and_their_names_join_to_the_sentence():
    # " cat" is 256 (0 bits), " sat" 257 (1 bit), "the" 258 or 259 (2 or 3 bits)
    (one,) = sentences.score(halving(), ["the cat sat"])
    expected = [token % 4 for token in WORDS.encode("the cat sat").tolist()]
    assert one.token_bits.tolist() == pytest.approx(expected)
    assert one.bits == pytest.approx(sum(expected))
    assert one.per_token == pytest.approx(sum(expected) / 3)
    assert "".join(one.tokens) == "the cat sat"
    assert one.unknown == ()


def test_a_word_without_a_token_is_spelled_in_bytes_and_named():
    (one,) = sentences.score(halving(), ["the cat sats"])
    assert one.tokens[2:] == (" ", "s", "a", "t", "s")
    assert one.unknown == ("sats",)
    assert one.bits == pytest.approx(sum(token % 4 for token in WORDS.encode("the cat sats").tolist()))


def test_what_is_read_before_is_not_scored_but_conditions():
    text = "the cat sat. the dog ran. " * 20
    tokenizer = tokenizers.train("word:20", text)
    ids = tokenizer.encode(text)
    model = TextModel(Ngram(order=3).fit(Data.of(ids, ids, tokenizer.vocab_size)), tokenizer)
    (alone,) = sentences.score(model, ["cat sat"])
    (behind,) = sentences.score(model, ["cat sat"], after="the ")
    assert behind.tokens == (" cat", " sat")
    assert behind.bits == pytest.approx(-model.log_prob("cat sat", given="the ") / math.log(2))
    assert behind.bits < alone.bits


def test_the_probability_zero_is_an_infinity_of_bits_and_nan_an_error():
    ids = WORDS.encode("the cat sat.")
    model = TextModel(Ngram(order=2, smoothing="ml").fit(Data.of(ids, ids, WORDS.vocab_size)), WORDS)
    assert sentences.score(model, ["sat cat"])[0].bits == math.inf
    broken = halving()
    broken.model.next_log_probs = lambda state: np.full(WORDS.vocab_size, np.nan)
    with pytest.raises(ScoreError, match="NaN in the sentence 'the cat'"):
        sentences.score(broken, ["the cat"])


def test_a_masked_model_is_scored_by_pseudo_likelihood():
    (one,) = sentences.score(TextModel(Filling(WORDS.vocab_size), WORDS), ["the cat sat"])
    assert one.token_bits.tolist() == pytest.approx([1, 1, 1])


class Dumb(Model):
    name = "dumb"
    vocab_size_ = WORDS.vocab_size

    def fit(self, data, run=None):
        return self


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(UsageError, match="dumb gives no probability to a text, so it cannot score one"):
        sentences.score(TextModel(Dumb(), WORDS), ["the cat"])
    with pytest.raises(UsageError, match="the sentence '' has no tokens"):
        sentences.score(halving(), [""])
