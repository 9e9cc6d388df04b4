"""What a masked model says of a text: words of several tokens, and blanks as people write them."""

import numpy as np
import pytest

from lmzoo.data import tokenizers
from lmzoo.errors import UsageError
from lmzoo.evaluation import blanks, sentences
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data, MaskedModel
from lmzoo.models.uniform import Uniform
from lmzoo.tasks.scoring import continuation_scores

TEXT = "the cat sat on the mat. the unhappy cat sat on the mat. " * 3
BPE = tokenizers.train("bpe:300", TEXT)
WORDS = tokenizers.train("word:50", TEXT)


class Hiding(MaskedModel):
    """Each token has e^-(the number of tokens that are hidden with it)."""

    name = "hiding"

    def __init__(self, vocab_size):
        self.vocab_size_ = vocab_size

    def fit(self, data, run=None):
        return self

    def fill_log_probs(self, tokens, blanks):
        return np.full((int(blanks.sum()), self.vocab_size_), -float(blanks.sum()))


class Ordered(Hiding):
    """Of two tokens the one with the higher number is likelier."""

    def fill_log_probs(self, tokens, blanks):
        odds = np.arange(self.vocab_size_) / 10
        return np.tile(odds - np.logaddexp.reduce(odds), (int(blanks.sum()), 1))


def words(tokenizer, text):
    ids = tokenizer.encode(text)
    return [[tokenizer.token(int(token)) for token in ids[blanks.words_of(tokenizer, ids) == n]]
            for n in dict.fromkeys(blanks.words_of(tokenizer, ids).tolist())]  # fmt: skip


@pytest.mark.parametrize("tokenizer", [BPE, WORDS, tokenizers.train("char", TEXT + "éß"), tokenizers.train("byte", "")])
def test_tokens_of_one_word_are_grouped(tokenizer):
    joined = ["".join(one).replace("<0xC3><0xA9>", "é") for one in words(tokenizer, "the unmat. é sats")]
    assert [one.strip() for one in joined if one.strip()] == ["the", "unmat", ".", "é", "sats"]


def test_the_later_tokens_of_a_word_are_hidden_with_it():
    ids = BPE.encode("the unmat")
    lengths = [len(one) for one in words(BPE, "the unmat")]
    assert lengths[:2] == [1, 1] and lengths[2] > 1  # the space is no part of the word
    expected = [-float(left) for length in lengths for left in range(length, 0, -1)]
    model = TextModel(Hiding(BPE.vocab_size), BPE)
    assert blanks.pseudo_log_probs(model, ids).tolist() == expected
    # Sentences and continuations are scored so.
    (one,) = sentences.score(model, ["the unmat"])
    assert one.bits == pytest.approx(-sum(expected) / np.log(2))
    (two,) = continuation_scores(model, [("the", " unmat")])
    assert two.log_prob == pytest.approx(sum(expected[1:]))


@pytest.mark.parametrize("tokenizer", [BPE, WORDS])
def test_a_space_before_a_blank_belongs_to_it(tokenizer):
    ids, hidden = blanks.encode_blanks(tokenizer, "the [MASK] sat on [MASK].")
    expected = [*tokenizer.encode("the"), -1, *tokenizer.encode(" sat on"), -1, *tokenizer.encode(".")]
    assert np.where(hidden, -1, ids).tolist() == expected


def test_where_letters_are_tokens_a_space_is_one():
    tokenizer = tokenizers.train("char", TEXT)
    ids, hidden = blanks.encode_blanks(tokenizer, "[MASK] c[MASK]t")
    expected = [-1, *tokenizer.encode(" c"), -1, *tokenizer.encode("t")]
    assert np.where(hidden, -1, ids).tolist() == expected


def test_the_likeliest_tokens_come_first():
    one, two = blanks.fill(TextModel(Ordered(WORDS.vocab_size), WORDS), "the [MASK] sat [MASK] the mat", top=3)
    assert (one.position, two.position) == (1, 3)
    assert len(one.tokens) == 3
    shares = list(one.tokens.values())
    assert shares == sorted(shares, reverse=True)
    assert shares[1] / shares[0] == pytest.approx(np.exp(-0.1))


def test_who_cannot_fill_says_what_it_can_do():
    uniform = TextModel(Uniform().fit(Data.of([0], [], WORDS.vocab_size)), WORDS)
    with pytest.raises(UsageError, match=r"uniform fills no blanks.*it reads from left to right"):
        blanks.fill(uniform, "the [MASK]")
    with pytest.raises(UsageError, match=r"hiding gives no probability to a text.*lmzoo fill"):
        TextModel(Hiding(WORDS.vocab_size), WORDS).surprisals("the cat")
    with pytest.raises(UsageError, match=r"no blank in 'the cat': write \[MASK\]"):
        blanks.fill(TextModel(Hiding(WORDS.vocab_size), WORDS), "the cat")
