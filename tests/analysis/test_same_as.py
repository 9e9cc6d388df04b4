"""Two models that should be the same: where they first differ, and the mistake that was measured, not guessed."""

import math
from itertools import combinations

import numpy as np
import pytest

from lmzoo.analysis import misreadings, same_as
from lmzoo.interface import LanguageModel
from lmzoo.models.ngram import Ngram

MEANT = Ngram(3, "kneser-ney")


class Scaled(LanguageModel):
    """Right numbers in another unit."""

    def __init__(self, change):
        self.change, self.inner = change, Ngram(3, "kneser-ney")

    reach = 2

    def fit(self, data, run=None):
        self.inner.fit(data, run)
        self.vocab_size_ = data.vocab_size
        return self

    def start(self):
        return self.inner.start()

    def advance(self, state, tokens):
        return self.inner.advance(state, tokens)

    def next_log_probs(self, state):
        return self.change(self.inner.next_log_probs(state).astype(float))


def compare(yours):
    return same_as.compare(yours, Ngram(3, "kneser-ney"), "kn")


def test_the_same_model_is_the_same_in_every_context():
    found = compare(Ngram(3, "kneser-ney"))
    assert (found.same, found.contexts, found.differing, found.differences, found.causes) == (True, 121, 0, [], [])


def test_each_mistake_gives_numbers_of_its_own():
    """So that the one which is named is the one that was made, and none is the right model."""
    _, data = same_as.practice()
    texts = [data.train[:0], data.train[3:6], data.train[40:42], data.train[[7, 300]]]
    rows = {"right": np.stack([_row(Ngram(3, "kneser-ney").fit(data), text) for text in texts])}
    for one in misreadings.misreadings(MEANT):
        rows[f"{one.name}: {one.cause}"] = np.stack([_row(one.model.fit(data), text) for text in texts])
    assert len(rows) > 25
    alike = [
        (a, b) for a, b in combinations(rows, 2) if np.allclose(np.exp(rows[a]), np.exp(rows[b]), atol=1e-9, rtol=0)
    ]
    assert not alike


def _row(model, text):
    return model.next_log_probs(model.advance(model.start(), text)).astype(float)


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        (misreadings.OnlyUnigrams, "only unigrams use continuation counts"),
        (misreadings.UncountedGamma, "γ(h) lacks N₁₊(h·)"),
    ],
)
def test_a_mistake_is_named_and_both_numbers_are_sums(kind, cause):
    wrong = misreadings.Misread(3, "kneser-ney")
    vars(wrong)["kind"] = kind
    found = compare(wrong)
    assert len(found.causes) == 1
    assert cause in found.causes[0]
    for one in found.differences:
        for terms, value in ((one.reference_sum, one.reference), (one.your_sum, one.yours)):
            assert eval(terms.replace("·", "*")) == pytest.approx(value, rel=1e-3)
        assert abs(one.yours - one.reference) > 1e-6


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda row: row / math.log(2), "in bits (log₂)"),
        (np.exp, "your numbers are probabilities"),
        (lambda row: row + 0.1, "do not sum to one in 121 of 121 contexts, to 1.10517 first"),
    ],
)
def test_what_is_wrong_whatever_the_smoothing(change, cause):
    (said,) = compare(Scaled(change)).causes
    assert cause in said


def test_a_number_that_is_none_is_null_in_json():
    found = compare(Scaled(lambda row: row * math.nan))
    assert found.facts()["differences"][0]["yours"] is None
