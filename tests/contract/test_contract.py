"""The contract of `lmzoo.testing`, run over every model in the zoo: first as it is graded, then by Hypothesis."""

from functools import cache
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmzoo import models, testing
from lmzoo.interface import Data, LanguageModel, Run

# What a model's training needs beside lmzoo, where it is not installed with the tests.
NEEDS = {"word2vec": "gensim"}
ZOO = [
    pytest.param(name, marks=pytest.mark.skipif(not find_spec(needed), reason=f"{needed} is not installed"))
    if (needed := NEEDS.get(name))
    else name
    for name in models.names()
    if issubclass(models.find(name), LanguageModel)
]
CHECKS = (
    "constructor_only_stores", "config_round_trips", "unfitted_says_so", "fit", *testing.PROPERTIES,
    "beats_uniform", "saves_and_loads", "same_seed",
)  # fmt: skip


def small(name):
    """The settings under which a big model can be tried in seconds."""
    return models.presets(models.find(name)).get("tiny", {})


@cache
def checks(name):
    return {check.name: check for check in testing.check_model(models.find(name), **small(name))}


@cache
def fitted(name):
    train, valid = testing.practice_text(3000), testing.practice_text(500, seed=1)
    return models.find(name)(**small(name)).fit(Data.of(train, valid, testing.VOCAB_SIZE), Run(steps=50))


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize("check", CHECKS)
def test_keeps_the_contract(name, check):
    assert checks(name)[check].message == ""


@pytest.mark.parametrize("name", ZOO)
def test_every_check_was_run(name):
    assert tuple(checks(name)) == CHECKS


texts = st.lists(st.integers(0, testing.VOCAB_SIZE - 1), max_size=30).map(lambda ids: np.array(ids, dtype=np.int32))


@pytest.mark.parametrize("name", ZOO)
@given(text=texts)
@settings(max_examples=25, deadline=None)
def test_sums_to_one_after_any_text(name, text):
    assert testing.sums_to_one(fitted(name), text) == ""


@pytest.mark.parametrize("name", ZOO)
@given(text=texts)
@settings(max_examples=25, deadline=None)
def test_scoring_equals_stepping_on_any_text(name, text):
    assert testing.scoring_equals_stepping(fitted(name), text) == ""


@pytest.mark.parametrize("name", ZOO)
@given(text=texts, data=st.data())
@settings(max_examples=25, deadline=None)
def test_any_text_can_be_cut_anywhere(name, text, data):
    cut = data.draw(st.integers(0, len(text)))
    assert testing.cut_anywhere(fitted(name), text, cut) == ""
    assert testing.future_never_matters(fitted(name), text, cut) == ""
    assert testing.features_see_no_future(fitted(name), text, cut) == ""


@pytest.mark.parametrize("name", ZOO)
@given(text=texts)
@settings(max_examples=25, deadline=None)
def test_states_are_values_and_reach_is_true(name, text):
    assert testing.states_are_values(fitted(name), text) == ""
    assert testing.reach_is_true(fitted(name), text) == ""
