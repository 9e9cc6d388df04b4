"""How checks are run: each has an outcome, there are always as many, and what cannot be checked is refused by name."""

import numpy as np
import pytest

from lmzoo import testing
from lmzoo.errors import UsageError
from lmzoo.interface import Decoder, Model
from tests.contract import (
    test_cheats,
    test_classifier,
    test_encoder,
    test_language_model,
    test_masked_model,
    test_sentence_encoder,
    test_text_to_text,
    test_unforeseen,
)
from tests.contract.right_models import RIGHT, Bigram, NaiveBayes, Neighbours, Probed, checks

FILES = (
    test_cheats, test_classifier, test_encoder, test_language_model, test_masked_model, test_sentence_encoder,
    test_text_to_text, test_unforeseen,
)  # fmt: skip
MUTANTS = [mutant for file in FILES for mutant in file.MUTANTS]


def outcomes(model):
    return {name: check.outcome for name, check in checks(model).items()}


def test_every_check_has_a_model_that_it_catches():
    assert {check for kind in RIGHT for check in testing.check_names(kind)} == {check for _, check, _ in MUTANTS}


def test_an_exception_in_a_check_is_an_outcome_and_names_the_line():
    class Raises(Bigram):
        def advance(self, state, tokens):
            raise ZeroDivisionError("homework")

    check = checks(Raises)["cut_anywhere"]
    assert check.outcome == "could not run"
    assert "ZeroDivisionError: homework (line " in check.message
    assert outcomes(Raises)["bad_id_is_named"] == "passed"


@pytest.mark.parametrize("kind", [Bigram, Neighbours, NaiveBayes])
def test_what_needs_a_fitted_model_is_not_reached_without_one(kind):
    class Unfit(kind):
        def fit(self, data, run=None):
            raise ValueError("not today")

    found = outcomes(Unfit)
    assert list(found) == testing.check_names(kind)
    assert found["fit"] == "could not run"
    assert set(list(found.values())[: list(found).index("fit")]) == {"passed"}
    assert set(list(found.values())[list(found).index("fit") + 1 :]) == {"not reached"}


def test_a_classifier_that_learns_no_labels_goes_no_further():
    class Unlabelled(NaiveBayes):
        def fit_labels(self, examples, valid, run=None):
            raise ValueError("which labels?")

    found = outcomes(Unlabelled)
    assert found["fit"] == "passed"
    assert found["fit_labels"] == "could not run"
    assert found["classes_sum_to_one"] == found["same_seed"] == "not reached"


def test_a_nan_fails_the_checks_that_look_for_it_alone():
    class Undefined(Bigram):
        def next_log_probs(self, state):
            return np.full(self.vocab_size_, np.nan)

    failed = {name for name, outcome in outcomes(Undefined).items() if outcome != "passed"}
    assert failed == {"sums_to_one", "sums_to_one_in_long_text", "sums_to_one_on_english", "beats_uniform"}


def test_a_model_that_cannot_be_made_fails_its_first_check():
    class Unmakable(Bigram):
        def __init__(self):
            raise ValueError("no such thing")

    assert outcomes(Unmakable)["constructor_only_stores"] == "could not run"
    assert outcomes(Unmakable)["sums_to_one"] == "not reached"


def test_each_check_belongs_to_an_ability():
    assert {check.ability for check in checks(Probed).values()} == {"Model", "Decoder", "LanguageModel", "Encoder"}


def test_a_model_without_an_ability_is_refused_by_name():
    class Mute(Model):
        def fit(self, data, run=None):
            return self

    with pytest.raises(UsageError, match=r"Mute has no ability .* LanguageModel, TextToText, MaskedModel"):
        testing.check_model(Mute)


def test_a_decoder_that_begins_nowhere_is_refused_by_name():
    class Adrift(Decoder):
        def fit(self, data, run=None):
            return self

        def advance(self, state, tokens):
            return state

        def next_log_probs(self, state):
            return [0.0]

    with pytest.raises(UsageError, match=r"Adrift is a Decoder with no state to begin from: .* start_after\(source\)"):
        testing.check_model(Adrift)
