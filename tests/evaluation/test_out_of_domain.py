"""A score out of domain says so, with what was measured; ordinary test texts do not."""

import math
from types import SimpleNamespace

import pytest

from lmzoo.data import tokenizers
from lmzoo.evaluation import out_of_domain
from lmzoo.evaluation.perplexity import evaluate
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data
from lmzoo.models.ngram import Ngram

HOME = "the cat sat. the dog ran. the cat ran. the dog sat. " * 40
AWAY = "what light through yonder window breaks? it is the east, and juliet is the sun. " * 3


def trained(spec, order=3):
    tokenizer = tokenizers.train(spec, HOME)
    ids = tokenizer.encode(HOME)
    return TextModel(Ngram(order=order).fit(Data.of(ids, ids, tokenizer.vocab_size)), tokenizer)


def notes(text_model, text, at_home=False):
    corpus = SimpleNamespace(sha256={"train": "ours" if at_home else "theirs"})
    provenance = {"corpus": "storyworld", "sha256": {"train": "ours"}}
    return out_of_domain.notes(text_model, corpus, text, evaluate(text_model, text), provenance)


def test_the_share_of_words_outside_the_vocabulary_is_stated():
    # 15 words, and "the" is known twice
    (note,) = notes(trained("word:50"), AWAY)
    unknown, words = tokenizers.train("word:50", HOME).unknown_words(AWAY)
    assert (len(unknown), words) == (3 * 13, 3 * 15)
    assert note.startswith("out of domain: 87% of the words of this text are not in its vocabulary, and ")
    assert note.endswith(" of the frequencies of its characters; it was trained on storyworld")


def test_more_bits_than_the_characters_own_frequencies_are_said_of_any_tokenizer():
    (note,) = notes(trained("char"), "zzzz yyyy zzzz yyyy qqqq")
    assert note.startswith("out of domain: ")
    assert "are more than the 2.0" in note or "are more than the 1.9" in note
    assert "vocabulary" not in note


@pytest.mark.parametrize("spec", ["word:50", "char", "bpe:280"])
def test_an_ordinary_text_is_not_flagged(spec):
    assert notes(trained(spec), "the cat sat. the dog sat. the dog ran. ") == []
    assert notes(trained(spec), HOME[:200]) == []


def test_the_own_corpus_is_home_whatever_its_text():
    assert notes(trained("word:50"), AWAY, at_home=True) == []


def test_a_model_without_context_is_not_held_against_the_frequencies():
    assert notes(trained("char", order=1), "the cat ran. the dog sat. ") == []


def test_the_entropy_of_characters():
    assert out_of_domain.character_entropy("aabb") == 1
    assert out_of_domain.character_entropy("aaab") == pytest.approx(2 - 0.75 * math.log2(3))
    assert out_of_domain.character_entropy("") == 0
