"""Bits per blank beside the grammar's: a model that knows the grammar is at the floor, another above it."""

import random
from types import SimpleNamespace

import numpy as np
import pytest

from lmzoo.data import tokenizers
from lmzoo.data.blanks import Fillings
from lmzoo.data.grammar import Grammar
from lmzoo.errors import ScoreError, UsageError
from lmzoo.evaluation import blank_bits
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data, MaskedModel, Progress
from lmzoo.models.uniform import Uniform
from tests.data.test_grammar import small

GRAMMAR = Grammar(small(documents={"pets": 1}))
SOURCE = random.Random(0)
TEXT = "".join(GRAMMAR.sample(SOURCE).text for _ in range(40))
WORDS = tokenizers.train("word:20", TEXT)
CORPUS = SimpleNamespace(name="pets", test=TEXT)


class Knowing(MaskedModel):
    """Gives a blank what the grammar gives it, and `worse` bits fewer."""

    name = "knowing"

    def __init__(self, worse=0.0):
        self.vocab_size_, self.worse = WORDS.vocab_size, worse
        self.texts = [WORDS.pieces([token])[0] for token in range(WORDS.vocab_size - 1)]
        self.fillings = Fillings(GRAMMAR, {text for text in self.texts if "\ufffd" not in text})

    def fit(self, data, run=None):
        return self

    def fill_log_probs(self, tokens, blanks):
        (place,) = np.flatnonzero(blanks)
        pieces = WORDS.pieces(tokens)
        known = self.fillings.conditional("".join(pieces[:place]), "".join(pieces[place + 1 :]))
        row = np.full(self.vocab_size_, -np.inf)
        row[:-1] = [known.get(text, -np.inf) for text in self.texts]
        return (row[None] - self.worse) * np.log(2)


def measured(model):
    return blank_bits.measure(TextModel(model, WORDS), CORPUS, GRAMMAR, 60, 0, Progress())


def test_who_knows_the_grammar_is_at_the_floor_and_who_knows_less_is_above_it():
    found = measured(Knowing())
    assert found.bits == pytest.approx(found.floor)
    assert 0 < found.floor < 2  # most blanks of such short documents are certain
    worse = measured(Knowing(0.5))
    assert worse.floor == found.floor
    assert worse.bits - worse.floor == pytest.approx(0.5)
    assert worse.above_interval == pytest.approx((0.5, 0.5))


def test_who_fills_no_blanks_or_with_certainty_wrongly_is_named():
    uniform = Uniform().fit(Data.of([0], [], WORDS.vocab_size))
    with pytest.raises(UsageError, match="uniform fills no blanks, so it has no bits per blank"):
        measured(uniform)
    with pytest.raises(ScoreError, match="knowing gives the token"):
        measured(Knowing(np.inf))
