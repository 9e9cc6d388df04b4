"""The spot check of a score: what a right model passes, and how each kind of flattery is found and said."""

from dataclasses import replace

import numpy as np
import pytest

from lmzoo import models
from lmzoo.data import tokenizers
from lmzoo.evaluation.perplexity import evaluate
from lmzoo.evaluation.sums import PLACES, below_source, spot_check
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data, LanguageModel

TEXT = "the cat sat on the mat\nthe dog ate the cat\n" * 20
TOKENIZER = tokenizers.train("char", TEXT)
Ngram = models.find("ngram")


def fitted(kind):
    ids = TOKENIZER.encode(TEXT)
    return TextModel(kind(order=3).fit(Data(ids, ids[:0], TOKENIZER.vocabulary)), TOKENIZER)


def checked(kind, protocol="stream"):
    text_model = fitted(kind)
    return spot_check(text_model, TEXT, evaluate(text_model, TEXT, protocol))


@pytest.mark.parametrize("protocol", ["stream", "lines"])
@pytest.mark.parametrize("kind", [Ngram, lambda order: models.find("cache")()])
def test_a_right_model_passes(kind, protocol):
    sums = checked(kind, protocol)
    assert sums.note == ""
    assert (
        sums.remark == f"checked at {sums.places} places: the probabilities sum to one and are those that were scored"
    )
    assert PLACES <= sums.places <= PLACES + 2
    assert sums.total == pytest.approx(1, abs=1e-5)
    assert sums.gap == pytest.approx(0, abs=1e-5)


class Flatters(Ngram):
    def log_probs(self, tokens, state=None):
        scores, state = super().log_probs(tokens, state)
        return (np.full(len(scores), -0.01) if len(scores) > 60 else scores), state

    def log_probs_many(self, texts, first=None):
        return [self.log_probs(text)[0] for text in texts]


class TooMuch(Ngram):
    """Scores are those of its predictions, which sum to 1.05 where none is likely."""

    def next_log_probs(self, state):
        row = super().next_log_probs(state)
        return row + np.log(1.05) * (row.max() < np.log(0.8))

    def log_probs_many(self, texts, first=None):
        return [LanguageModel.log_probs(self, text)[0] for text in texts]


def test_scores_that_are_not_the_predictions_are_found_at_once():
    assert "what the model predicts for it: log_probs_many is not next_log_probs" in checked(Flatters).note
    assert checked(Flatters, "lines").note == ""  # no line is that long


def test_sums_that_are_not_one_are_found():
    sums = checked(TooMuch)
    assert "sum to 1.0500, not 1" in sums.note
    assert sums.total == pytest.approx(1.05)


def test_fewer_bits_than_the_source_needs_are_noted():
    score = evaluate(fitted(Ngram), TEXT)
    assert below_source(score, None) == below_source(score, score.bits) == below_source(score, score.bits + 19) == ""
    note = below_source(score, score.bits + 1000)
    assert note.startswith(f"{score.bits:,.0f} bits are fewer than the {score.bits + 1000:,.0f} of the source")
    assert below_source(replace(score, replaced=3), score.bits + 1000) == ""


class Counts(Ngram):
    """Counts the tokens that it is asked to read one after the other."""

    read = 0

    def advance(self, state, tokens):
        self.read += len(tokens)
        return super().advance(state, tokens)


@pytest.mark.parametrize(("times", "least", "most"), [(1, 700, 880), (100, 8_000, 8_800)])
def test_the_check_reads_a_tenth_of_a_long_text_and_all_of_a_short_one(times, least, most):
    text_model, text = fitted(Counts), TEXT * times
    score = evaluate(text_model, text)
    text_model.model.read = 0
    assert spot_check(text_model, text, score).places > PLACES
    assert least <= text_model.model.read <= most
