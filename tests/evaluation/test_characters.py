"""P(next character | text) is what summing over all token sequences gives."""

from itertools import product

import numpy as np
import pytest

from lmzoo.data import tokenizers
from lmzoo.data.tokenizers.base import ByteTokenizer
from lmzoo.errors import ScoreError
from lmzoo.evaluation.characters import MALFORMED, split_last_word
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data
from lmzoo.models.ngram import Ngram

SPELLINGS = [b"a", b"b", b"ab", b"aba", b" a", b" ", b"\xc3", b"\xa9", b"\xc3\xa9b"]
TEXT = "the cat sat on the mat\nthe dog saw the naïve cat\n" * 20


class Tiny(ByteTokenizer):
    """Nine tokens that spell texts in many ways; `encode` takes the longest piece."""

    def _encode(self, text):
        ids, rest = [], text.encode()
        while rest:
            ids.append(max((t for t in range(9) if rest.startswith(SPELLINGS[t])), key=lambda t: len(SPELLINGS[t])))
            rest = rest[len(SPELLINGS[ids[-1]]) :]
        yield np.array(ids, np.int32)


def tiny_model(lines=False, seed=0):
    tokenizer = Tiny("tiny", SPELLINGS, lines)
    ids = np.random.default_rng(seed).integers(0, 10, 3000)
    return Ngram(order=2, smoothing="witten-bell").fit(Data(ids, ids[:100], tokenizer.vocabulary)), tokenizer


def enumerated(model, tokenizer, text, length):
    """Σ P over all sequences of `length` tokens that spell `text` and a character more, by that character."""
    masses, ended = {}, tokenizer.end
    for ids in map(list, product(range(tokenizer.vocab_size), repeat=length)):
        if ended in ids and not tokenizer.lines:  # the text is over with the first `end`
            if any(token != ended for token in ids[ids.index(ended) :]):
                continue
            ids = ids[: ids.index(ended) + 1]
        spelled = b"".join([*SPELLINGS, b"\n" if tokenizer.lines else b""][t] for t in ids)
        whole = text.encode()
        if spelled.startswith(whole) and (len(spelled) > len(whole) or ended in ids):
            character = spelled[len(whole) :].decode(errors="replace")[:1]
            masses[character] = masses.get(character, 0) + np.exp(model.log_probs(np.array(ids))[0].sum())
    return masses


@pytest.mark.parametrize("text", ["", "a", "ab", "é"])
@pytest.mark.parametrize("lines", [False, True])
def test_it_is_the_sum_over_all_token_sequences(text, lines):
    model, tokenizer = tiny_model(lines)
    masses = enumerated(model, tokenizer, text, len(text.encode()) + 2)
    total = sum(masses.values())
    found = TextModel(model, tokenizer).next_characters(text)
    assert found == pytest.approx({c: mass / total for c, mass in masses.items()}, rel=1e-4)
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_what_is_before_the_last_word_is_read_as_it_is_encoded():
    model, tokenizer = tiny_model()
    ids = tokenizer.encode("aba")
    state = model.advance(model.start(), ids)

    class Later(Ngram):
        def start(self):
            return state

    later = Later(order=2).restore(model.arrays())
    assert TextModel(model, tokenizer).next_characters("aba a") == pytest.approx(
        TextModel(later, tokenizer).next_characters(" a")
    )


@pytest.mark.parametrize("spec", ["byte", "char", "word:8", "bpe:270", "split"])
@pytest.mark.parametrize("lines", [False, True])
def test_they_sum_to_one_and_a_text_is_as_likely_as_its_characters(spec, lines):
    corpus = TEXT if spec != "split" else TEXT.replace("ï", "i")
    tokenizer = tokenizers.train(spec, corpus, lines)
    ids = tokenizer.encode(corpus)
    model = Ngram(order=3).fit(Data(ids, ids[:50], tokenizer.vocabulary))
    nats, text = 0.0, "the dog s"
    for t in range(len(text)):
        found = TextModel(model, tokenizer).next_characters(text[:t])
        assert sum(found.values()) == pytest.approx(1)
        nats += np.log(found[text[t]])
    # All spellings together are at least as likely as the one that is encoded; "the dog s" goes on in many ways.
    head = tokenizer.encode("the dog" if spec == "split" else "the dog s")
    assert nats <= 0
    if spec in ("byte", "char"):
        assert nats == pytest.approx(model.log_probs(head)[0].sum(), rel=1e-3)


def test_a_character_of_several_byte_tokens_is_followed_to_its_end():
    tokenizer = tokenizers.train("byte", "")
    ids = tokenizer.encode("né né né na né né ni né né\n" * 30)
    model = Ngram(order=3).fit(Data(ids, ids[:50], tokenizer.vocabulary))
    found = TextModel(model, tokenizer).next_characters("né n")
    state = model.advance(model.start(), tokenizer.encode("né n"))
    assert max(found, key=found.get) == "é"
    assert np.log(found["é"]) == pytest.approx(model.log_probs(tokenizer.encode("é"), state)[0].sum())
    assert found[MALFORMED] < 0.01


@pytest.mark.parametrize("text", ["😀" * 40, "a" + "é" * 40, "😀" + "a" * 40, "the cat" + "x" * 40])
def test_a_long_last_word_is_cut_between_characters(text):
    tokenizer = tokenizers.train("word:8", TEXT)
    ids, last_word = split_last_word(tokenizer, text)
    assert tokenizer.decode(ids) + last_word.decode() == text


def test_a_closed_vocabulary_spells_its_words():
    tokenizer = tokenizers.train("split", TEXT.replace("ï", "i"))
    ids = tokenizer.encode(TEXT.replace("ï", "i"))
    model = Ngram(order=2).fit(Data(ids, ids[:50], tokenizer.vocabulary))
    probs = np.exp(model.next_log_probs(model.advance(model.start(), tokenizer.encode("the"))))
    c = sum(probs[tokenizer.encode("the " + word)[-1]] for word in ("cat",))
    assert TextModel(model, tokenizer).next_characters("the ")["c"] == pytest.approx(c / probs[:-1].sum())
    assert TextModel(model, tokenizer).next_characters("the c") == {"a": 1.0}


def test_an_impossible_text_is_refused():
    _, tokenizer = tiny_model()
    impossible = Ngram(order=1, smoothing="ml").fit(Data(np.array([0, 0]), np.array([0]), tokenizer.vocabulary))
    with pytest.raises(ScoreError, match="probability of zero"):
        TextModel(impossible, tokenizer).next_characters("b")
