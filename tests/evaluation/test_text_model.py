"""A model with its tokenizer: every answer at text level agrees with the ids below it."""

import numpy as np
import pytest

from lmzoo.data import tokenizers
from lmzoo.errors import UsageError
from lmzoo.evaluation import generation
from lmzoo.evaluation.perplexity import evaluate
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data, Encoder, LanguageModel, MaskedModel, TextToText
from lmzoo.models.ngram import Ngram

TEXT = "the cat sat on the mat\nthe dog saw the naïve cat\n" * 20
SPECS = ("byte", "char", "word:6", "bpe:270")


def trained(spec="word:6", model=None, lines=False):
    tokenizer = tokenizers.train(spec, TEXT, lines)
    ids = tokenizer.encode(TEXT)
    return TextModel((model or Ngram(order=3)).fit(Data(ids, ids[:50], tokenizer.vocabulary)), tokenizer)


class Echo(TextToText):
    """Expects the source again, and then `end`; all else has little probability."""

    name = "echo"

    def fit(self, data, run=None):
        self.vocab_size_ = data.vocab_size
        return self

    def start_after(self, source):
        return tuple(source)

    def advance(self, state, tokens):
        return state[len(tokens) :]

    def next_log_probs(self, state):
        probs = np.full(self.vocab_size_, 0.5 / (self.vocab_size_ - 1))
        probs[state[0] if state else self.vocab_size_ - 1] = 0.5
        return np.log(probs)


class Blanks(MaskedModel):
    name = "blanks"

    def fit(self, data, run=None):
        self.vocab_size_ = data.vocab_size
        return self

    def fill_log_probs(self, tokens, blanks):
        return np.full((blanks.sum(), self.vocab_size_), -np.log(self.vocab_size_))


@pytest.fixture(scope="module", params=SPECS)
def text_model(request):
    return trained(request.param)


def test_it_unpacks_as_model_and_tokenizer(text_model):
    model, tokenizer = text_model
    assert (model, tokenizer) == (text_model.model, text_model.tokenizer)


def test_a_model_and_a_tokenizer_of_different_runs_are_refused():
    with pytest.raises(UsageError, match="not of the same run"):
        TextModel(trained().model, tokenizers.train("byte", TEXT))


def test_surprisals_are_those_of_the_evaluator_and_their_pieces_are_the_text(text_model):
    text = "the dog sat, naïvely"
    surprisals = text_model.surprisals(text)
    assert "".join(piece for piece, _ in surprisals) == text
    assert sum(bits for _, bits in surprisals) == pytest.approx(evaluate(TextModel(*text_model), text).bits)


def test_log_prob_obeys_the_chain_rule_where_no_token_crosses_the_border(text_model):
    whole = text_model.log_prob("the cat sat")
    assert whole == pytest.approx(text_model.log_prob("the cat") + text_model.log_prob(" sat", given="the cat"))
    assert whole == pytest.approx(-np.log(2) * sum(bits for _, bits in text_model.surprisals("the cat sat")))


def test_continuations_are_the_likeliest_next_tokens(text_model):
    model, tokenizer = text_model
    ids = tokenizer.encode("the c")
    probs = np.exp(model.next_log_probs(model.advance(model.start(), ids)))
    found = text_model.continuations("the c", top=3)
    assert [probability for _, probability in found] == pytest.approx(np.sort(probs)[::-1][:3])
    assert tokenizer.encode(found[0][0])[0] == np.argmax(probs)


def test_what_it_writes_is_what_is_sampled_below(text_model):
    model, tokenizer = text_model
    ids = tokenizer.encode("the")
    tokens = list(generation.generate(model, ids, 30, temperature=0.8, seed=3))
    expected = tokenizer.decode([*ids, *tokens])[len("the") :]
    assert "".join(text_model.generate("the", 30, temperature=0.8, seed=3)) == expected


def test_settings_of_generation_are_checked_at_once():
    with pytest.raises(UsageError, match="temperature"):
        trained().generate("the", temperature=-1)


def test_a_text_to_text_model_reads_its_source_where_others_read_the_beginning():
    echo = trained("char", Echo())
    assert echo.log_prob("cat", given="cat") == pytest.approx(3 * np.log(0.5))
    assert echo.continuations("cat", top=1) == [("c", pytest.approx(0.5))]
    assert "".join(echo.generate("cat", 3, temperature=0)) == "cat"


@pytest.mark.parametrize("ask", [
    lambda blanks: blanks.surprisals("the cat"),
    lambda blanks: blanks.log_prob("the cat"),
    lambda blanks: blanks.continuations("the"),
    lambda blanks: blanks.generate("the"),
])  # fmt: skip
def test_a_model_without_the_ability_is_refused_by_name(ask):
    with pytest.raises(UsageError, match="blanks gives no probability to a text, so it cannot"):
        ask(trained("char", Blanks()))


def test_a_text_to_text_model_has_no_surprisals():
    with pytest.raises(UsageError, match="echo gives no probability"):
        trained("char", Echo()).surprisals("cat")


def test_an_ngram_has_no_features():
    with pytest.raises(UsageError, match="ngram has no vectors, so it cannot be probed"):
        trained().features("the cat")


def test_features_are_those_of_the_encoder():
    class Codes(Ngram, Encoder):
        def features(self, tokens, layer=-1):
            return np.stack([tokens, np.full(len(tokens), layer)], axis=1)

    codes = trained("char", Codes(order=2))
    assert codes.features("cat", 0).tolist() == [[ord(c), 0] for c in "cat"]
    assert codes.require(LanguageModel, "be here") is codes.model


# ── A closed vocabulary ───────────────────────────────────────────────────────────────────────────

LEADING = " the cat sat on the mat \n the dog saw the cat \n" * 20
PLAIN = "the cat sat on the mat\nthe dog saw the cat\n" * 20


@pytest.fixture(scope="module", params=[LEADING, PLAIN], ids=["leading", "plain"])
def closed(request):
    tokenizer = tokenizers.train("split", request.param)
    ids = tokenizer.encode(request.param)
    return TextModel(Ngram(order=3).fit(Data(ids, ids[:50], tokenizer.vocabulary)), tokenizer)


def test_texts_are_written_as_people_write_them(closed):
    words = [word.strip(" ") for word, _ in closed.surprisals("The cat sat\n")]
    assert words == ["the", "cat", "sat", "\n"]
    assert closed.log_prob(" sat", given="The cat") == pytest.approx(closed.log_prob("sat", given="the cat"))
    assert closed.continuations("the dog", top=1)[0][0].strip() == "saw"


@pytest.mark.parametrize(("text", "expected"), [
    ("The c", "a"), ("the cat sa", "tw"), ("t", "h"), ("the cat", " "), ("the cat ", "s"), ("the cat\nth", "e"),
])  # fmt: skip
def test_the_last_word_may_be_only_a_beginning(closed, text, expected):
    assert next(iter(closed.next_characters(text))) in expected
