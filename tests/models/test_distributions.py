"""All distributions along a text in one pass are those of a loop, for models that count."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmzoo.interface import Data, LanguageModel
from lmzoo.models.cache import Cache
from lmzoo.models.classes import Classes
from lmzoo.models.ngram import Ngram
from lmzoo.models.pmi import PMI
from lmzoo.models.svd import SVD

V = 9
MODELS = {
    "unigram": Ngram(order=1),
    "unsmoothed": Ngram(order=3, smoothing="ml"),
    "backs off": Ngram(order=4, smoothing="katz"),
    "interpolates": Ngram(order=5),
    "classes": Classes(classes=3, order=3),
    "short cache": Cache(window=4, order=3),
    "cache": Cache(window=30, order=2, half_life=3.0),
    "pmi": PMI(window=3, min_count=1),
    "svd": SVD(window=2, dimensions=3, min_count=1),
}


@cache
def fitted(name):
    rng = np.random.default_rng(1)
    text = np.cumsum(rng.integers(0, 3, 400)) % V  # `end`, V - 1, stands in it
    return MODELS[name].fit(Data.of(text, text[:60], V))


texts = st.lists(st.integers(0, V - 1), max_size=20).map(lambda ids: np.array(ids, np.int32))


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=15, deadline=None)
@given(before=texts, text=texts)
def test_they_are_those_of_the_loop_from_any_state(name, before, text):
    model = fitted(name)
    state = model.advance(model.start(), before)
    with np.errstate(divide="ignore"):
        expected = LanguageModel.distributions(model, text, state)
    np.testing.assert_allclose(model.distributions(text, state), expected, atol=1e-5)
    assert type(model).distributions is not LanguageModel.distributions


def test_contexts_longer_than_any_fit_makes_are_read_one_by_one(monkeypatch):
    model, text = fitted("interpolates"), np.arange(V)
    expected = model.distributions(text)
    monkeypatch.setattr("lmzoo.ngrams.trie.MOST_CONTEXTS", 1)
    np.testing.assert_array_equal(model.distributions(text), expected)
