"""Masked models broken on purpose, and what holds for any text and any blanks."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmzoo import models, testing
from lmzoo.interface import Data, MaskedModel, Run
from lmzoo.testing import masked_model
from tests.contract.right_models import Neighbours, failures, fault, log_normalised


class SeesItself(Neighbours):
    """Looks at the token that it is asked for."""

    def fill_log_probs(self, tokens, blanks):
        rows = super().fill_log_probs(tokens, blanks)
        rows[np.arange(len(rows)), tokens[blanks]] += 1
        return rows - np.logaddexp.reduce(rows, axis=-1, keepdims=True)


class SeesOtherBlanks(Neighbours):
    """Hides the token that it is asked for, and no other blank."""

    def fill_log_probs(self, tokens, blanks):
        places = np.flatnonzero(blanks)
        rows = [self.row(np.where(np.arange(len(tokens)) == place, -1, tokens), place) for place in places]
        return np.array(rows).reshape(-1, self.vocab_size_)


class RowForEveryToken(Neighbours):
    """Gives a row for tokens that are not blank too."""

    def fill_log_probs(self, tokens, blanks):
        return np.stack([self.row(np.where(blanks, -1, tokens), place) for place in range(len(tokens))])


class NotNormalised(Neighbours):
    """Scores instead of log-probabilities."""

    def row(self, visible, place):
        return super().row(visible, place) + 1


class BackToFront(Neighbours):
    """Rows from the last blank to the first."""

    def fill_log_probs(self, tokens, blanks):
        return super().fill_log_probs(tokens, blanks)[::-1]


class StillDropsOut(Neighbours):
    """Random each time it is asked."""

    def fill_log_probs(self, tokens, blanks):
        rows = super().fill_log_probs(tokens, blanks) + np.random.default_rng().random((blanks.sum(), self.vocab_size_))
        return rows - np.logaddexp.reduce(rows, axis=-1, keepdims=True)


class MasksInPlace(Neighbours):
    """Writes its mask token into the text that it was given."""

    def fill_log_probs(self, tokens, blanks):
        rows = super().fill_log_probs(tokens, blanks)
        tokens[blanks] = self.vocab_size_ - 1
        return rows


class ScoresFromTheLeft(Neighbours):
    """Calls the log-likelihood under its left context a pseudo-log-likelihood."""

    def pseudo_log_probs(self, tokens, words=None, first=0):
        before = np.concatenate([[self.vocab_size_ - 1], tokens])[:-1]
        return log_normalised(self.counts_)[before, tokens][first:]


class AllAtOnce(Neighbours):
    """Hides every token in one pass."""

    def pseudo_log_probs(self, tokens, words=None, first=0):
        rows = self.fill_log_probs(tokens, np.ones(len(tokens), dtype=bool))
        return rows[np.arange(len(tokens)), tokens][first:]


class ForgetsTheBeginning(Neighbours):
    """Reads only the tokens that it is asked about."""

    def pseudo_log_probs(self, tokens, words=None, first=0):
        return super().pseudo_log_probs(tokens[first:], words)


class AnyId(Neighbours):
    """Takes -1 for the last token."""

    def fill_log_probs(self, tokens, blanks):
        return super().fill_log_probs(np.clip(tokens, 0, self.vocab_size_ - 1), blanks)


class Contrary(Neighbours):
    """Predicts what is unlikely."""

    def row(self, visible, place):
        odds = -super().row(visible, place)
        return odds - np.logaddexp.reduce(odds)


MUTANTS = [
    (SeesItself, "blanks_hide_their_tokens", "the model sees what it is asked for"),
    (SeesOtherBlanks, "blanks_hide_their_tokens", "the model sees what it is asked for"),
    (RowForEveryToken, "blanks_sum_to_one", "shape"),
    (NotNormalised, "blanks_sum_to_one", "the probabilities sum to 2.7"),
    (BackToFront, "rows_follow_the_blanks", "order of the text"),
    (StillDropsOut, "filling_repeats", "dropout"),
    (MasksInPlace, "filling_repeats", "work on a copy"),
    (ScoresFromTheLeft, "pseudo_log_probs_equal_the_definition", "that token alone blank"),
    (AllAtOnce, "pseudo_log_probs_equal_the_definition", "one token a pass"),
    (ForgetsTheBeginning, "pseudo_log_probs_equal_the_definition", "changes nothing that is read"),
    (AnyId, "bad_masked_id_is_named", "check_ids"),
    (Contrary, "fills_better_than_uniform", "knows nothing"),
]


def test_the_model_that_is_broken_here_is_right():
    assert failures(Neighbours) == {}


@pytest.mark.parametrize(("broken", "check", "teaches"), MUTANTS)
def test_a_broken_model_is_caught_by_name(broken, check, teaches):
    assert teaches in fault(broken, check)


tokens_and_blanks = st.lists(
    st.tuples(st.integers(0, testing.VOCAB_SIZE - 1), st.booleans()), min_size=1, max_size=30
).map(lambda pairs: (np.array([token for token, _ in pairs]), np.array([blank for _, blank in pairs])))
REGISTERED = [models.find(name) for name in models.names() if issubclass(models.find(name), MaskedModel)]


@cache
def fitted(kind):
    small = models.presets(kind).get("tiny", {})
    return kind.from_config(small).fit(Data.of(testing.practice_text(3000), [], testing.VOCAB_SIZE), Run(steps=50))


@pytest.mark.parametrize("kind", [Neighbours, *REGISTERED])
@given(question=tokens_and_blanks)
@settings(max_examples=25, deadline=None)
def test_any_blanks_of_any_text_are_filled_and_hidden(kind, question):
    model, (tokens, blanks) = fitted(kind), question
    assert masked_model.blanks_sum_to_one(model, tokens, blanks) == ""
    assert masked_model.blanks_hide_their_tokens(model, tokens, blanks) == ""
    assert masked_model.pseudo_log_probs_equal_the_definition(model, tokens) == ""
