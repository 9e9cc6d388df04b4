"""Every registered model keeps the contract of its abilities: first as it is graded, then by Hypothesis."""

from functools import cache
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmzoo import models, testing
from lmzoo.interface import Data, Decoder, Encoder, LanguageModel, Run
from lmzoo.testing import decoder, language_model

# What a model's training needs beside lmzoo, where it is not installed with the tests.
NEEDS = {"word2vec": "gensim"}


def registered(ability):
    return [
        pytest.param(name, marks=pytest.mark.skipif(not find_spec(needed), reason=f"{needed} is not installed"))
        if (needed := NEEDS.get(name))
        else name
        for name in models.names()
        if issubclass(models.find(name), ability)
    ]


def small(name):
    """The settings under which a big model can be tried in seconds."""
    return models.presets(models.find(name)).get("tiny", {})


@cache
def fitted(name):
    train, valid = testing.practice_text(3000), testing.practice_text(500, seed=1)
    return models.find(name).from_config(small(name)).fit(Data.of(train, valid, testing.VOCAB_SIZE), Run(steps=50))


@pytest.mark.parametrize("name", registered(object))
def test_keeps_the_contract_of_its_abilities(name, request):
    if small(name):
        request.getfixturevalue("short")
    checks = testing.check_model(models.find(name), steps=15, **small(name))
    assert {check.name: check.message for check in checks if not check.passed} == {}
    assert [check.name for check in checks] == testing.check_names(models.find(name))


texts = st.lists(st.integers(0, testing.VOCAB_SIZE - 1), max_size=30).map(lambda ids: np.array(ids, dtype=np.int32))


@pytest.mark.parametrize("name", registered(Decoder))
@given(text=texts, other=texts, data=st.data())
@settings(max_examples=6, deadline=None)
def test_a_decoder_reads_any_text(name, text, other, data):
    model, cut = fitted(name), data.draw(st.integers(0, len(text)))
    assert decoder.sums_to_one(model, text) == ""
    assert decoder.cut_anywhere(model, text, cut) == ""
    assert decoder.states_are_values(model, text) == ""
    assert decoder.advance_many_equals_the_loop(model, [text, other, text[:cut]]) == ""


@pytest.mark.parametrize("name", registered(LanguageModel))
@given(text=texts, data=st.data())
@settings(max_examples=6, deadline=None)
def test_a_language_model_scores_any_text(name, text, data):
    model, cut = fitted(name), data.draw(st.integers(0, len(text)))
    assert language_model.scoring_equals_stepping(model, text) == ""
    assert language_model.scoring_cut_anywhere(model, text, cut) == ""
    assert language_model.future_never_matters(model, text, cut) == ""
    assert language_model.distributions_equal_the_loop(model, text) == ""
    assert language_model.reach_is_true(model, text) == ""
    if isinstance(model, Encoder):
        assert testing.features_see_no_future(model, text, cut) == ""
