"""Encoders broken on purpose, alone and as the hidden states of a language model."""

import numpy as np
import pytest

from lmzoo import testing
from tests.contract.right_models import Probed, Rows, failures, fault


class Summary(Rows):
    """Features of the text, not of its tokens."""

    def features(self, tokens, layer=-1):
        return self.counts_[np.asarray(tokens)].sum(axis=0)


class DividesByNothing(Rows):
    """Each row divided by its sum, which is zero for a token that training never shows."""

    def features(self, tokens, layer=-1):
        rows = self.counts_[np.asarray(tokens)]
        with np.errstate(invalid="ignore"):
            return rows / rows.sum(axis=1, keepdims=True)


class Noisy(Rows):
    """Dropout that was left on."""

    def features(self, tokens, layer=-1):
        return super().features(tokens, layer) * np.random.default_rng().integers(2)


class CountsFromOne(Rows):
    """Layer 1 is the lowest, and -1 is the lowest too."""

    def features(self, tokens, layer=-1):
        return super().features(tokens, 0 if layer < 0 else layer)


class LeakyFeatures(Rows):
    """The features of a text among others begin where those of the text before it ended."""

    def features_many(self, texts, layers=(-1,)):
        ends = np.cumsum([len(text) for text in texts])[:-1]
        in_layers = [np.split(self.features(np.concatenate(texts), layer), ends) for layer in layers]
        return [list(parts) for parts in zip(*in_layers, strict=True)]


class UntrainsItself(Rows):
    """Makes the untrained model by forgetting what it learned itself."""

    def untrained(self, seed=0):
        self.counts_ = np.random.default_rng(seed).random(self.counts_.shape)
        return self


class AnotherEachTime(Rows):
    """Ignores the seed of the untrained model."""

    def untrained(self, seed=0):
        return super().untrained(None)


class Foresight(Probed):
    """Features of each token and the one that follows it."""

    def features(self, tokens, layer=-1):
        return np.stack([self.counts_[tokens, 0], np.append(tokens[1:], -1)], axis=1)


MUTANTS = [
    (Summary, "features_are_rows", "not (9, D)"),
    (DividesByNothing, "features_are_rows", "not all finite"),
    (Noisy, "features_are_rows", "dropout"),
    (CountsFromOne, "layers_count_from_the_top", "the last one, 'mean so far'"),
    (LeakyFeatures, "many_features", "padding"),
    (UntrainsItself, "untrained_is_a_baseline", "share no weights"),
    (AnotherEachTime, "untrained_is_a_baseline", "same seed"),
    (Foresight, "features_see_no_future", "cannot have known"),
]


@pytest.mark.parametrize("right", [Rows, Probed])
def test_the_model_that_is_broken_here_is_right(right):
    assert failures(right) == {}


@pytest.mark.parametrize(("broken", "check", "teaches"), MUTANTS)
def test_a_broken_model_is_caught_by_name(broken, check, teaches):
    assert teaches in fault(broken, check)


def test_an_encoder_that_predicts_nothing_may_look_at_both_sides():
    class BothSides(Rows):
        def features(self, tokens, layer=-1):
            rows = super().features(tokens, layer)
            return rows + rows[::-1]

        def features_many(self, texts, layers=(-1,)):
            return [[self.features(text, layer) for layer in layers] for text in texts]

    assert failures(BothSides) == {}
    assert "features_see_no_future" not in testing.check_names(BothSides)
    assert "features_see_no_future" in testing.check_names(Foresight)
