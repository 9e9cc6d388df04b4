"""Mixtures: the weights that make a text likeliest, and a model that is many."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from lmzoo import models, testing
from lmzoo.data import corpus, tokenizers
from lmzoo.errors import ScoreError, UsageError
from lmzoo.evaluation.interpolation import Mixture, combine, fit_weights, gains
from lmzoo.evaluation.perplexity import evaluate, mix
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data, LanguageModel

NOTHING = np.array([], dtype=np.int32)


def probabilities(parts, tokens):
    columns = st.lists(st.floats(0.001, 1), min_size=tokens, max_size=tokens)
    return st.lists(columns, min_size=parts, max_size=parts).map(np.array)


@pytest.fixture(scope="module")
def parts():
    train, valid = testing.practice_text(3000), testing.practice_text(500, seed=1)
    made = [models.find("ngram")(order=3), models.find("cache")(window=50), models.find("uniform")()]
    return [model.fit(Data.of(train, valid, testing.VOCAB_SIZE)) for model in made]


@pytest.fixture(scope="module")
def mixture(parts):
    return Mixture(parts).fit(Data.of(NOTHING, testing.practice_text(500, seed=1), testing.VOCAB_SIZE))


class TestWeights:
    @given(probabilities(3, 8), probabilities(3, 1))
    def test_no_step_makes_the_text_less_likely(self, probs, start):
        weights = start[:, 0] / start.sum()
        for _ in range(5):
            stepped = weights * gains(weights, probs)
            assert stepped.sum() == pytest.approx(1)
            assert np.log(stepped @ probs).sum() >= np.log(weights @ probs).sum() - 1e-9
            weights = stepped

    @given(probabilities(2, 6))
    def test_of_two_the_weights_are_those_that_a_search_finds(self, probs):
        best = minimize_scalar(lambda w: -np.log(w * probs[0] + (1 - w) * probs[1]).mean(), bounds=(0, 1))
        weights = fit_weights(np.log(probs))
        assert -np.log(weights @ probs).mean() == pytest.approx(best.fun, abs=1e-4)

    def test_known_weights_are_found_again(self):
        rng = np.random.default_rng(0)
        truth, dice = np.array([0.6, 0.3, 0.1]), rng.dirichlet(np.ones(30), size=3)
        text = rng.choice(30, size=50_000, p=truth @ dice)
        assert fit_weights(np.log(dice[:, text])) == pytest.approx(truth, abs=0.02)

    def test_a_part_that_only_harms_gets_next_to_nothing(self):
        """Slowly where it is nearly as good, and for good where it is hopeless."""
        for harm in (0.9, 0.2, 1e-200):
            log_probs = np.log([np.full(100, 0.5), np.full(100, 0.5 * harm)])
            assert fit_weights(log_probs) == pytest.approx([1, 0], abs=1e-4)
        hopeless = np.log([np.tile([0.5, 0.4], 50), np.tile([0.4, 0.5], 50), np.full(100, 1e-9)])
        assert fit_weights(hopeless) == pytest.approx([0.5, 0.5, 0])

    def test_probabilities_too_small_for_a_float_are_mixed_all_the_same(self):
        log_probs = np.array([[-2000.0, -2001.0], [-2001.0, -2000.0]])
        assert fit_weights(log_probs) == pytest.approx([0.5, 0.5])
        assert combine(log_probs, np.array([0.5, 0.5])) == pytest.approx(np.log(0.5 + 0.5 / np.e) - 2000)

    def test_a_text_that_is_empty_or_impossible_is_said(self):
        with pytest.raises(UsageError, match="no validation text"):
            fit_weights(np.zeros((2, 0)))
        with pytest.raises(ScoreError, match="token 1 a probability of zero"):
            fit_weights(np.array([[-1.0, -np.inf], [-2.0, -np.inf]]))


class TestMixture:
    @pytest.mark.parametrize("name", testing.properties(LanguageModel))
    def test_keeps_the_contract(self, mixture, name):
        assert testing.properties(LanguageModel)[name](mixture) == ""

    def test_it_is_likelier_than_any_part_on_the_text_its_weights_were_fitted_on(self, mixture, parts):
        valid = testing.practice_text(500, seed=1)
        alone = [part.log_probs(valid)[0].mean() for part in parts]
        assert mixture.log_probs(valid)[0].mean() >= max(alone) - 1e-6

    def test_it_sees_as_far_as_any_part_and_adapts_if_one_does(self, parts):
        assert (Mixture(parts).reach, Mixture(parts).adapts) == (50, True)
        assert (Mixture(parts[::2]).reach, Mixture(parts[::2]).adapts) == (2, False)

    def test_parts_of_another_vocabulary_are_refused(self, parts):
        with pytest.raises(UsageError, match="ngram knows 12 tokens, not 13"):
            Mixture(parts).fit(Data.of(NOTHING, NOTHING, 13))

    def test_scores_mix_as_models_do(self, parts):
        made = tokenizers.train("byte", "")
        text = "the cat sat on the mat and the dog sat on the cat. " * 9
        some = [
            models.find(name)().fit(Data.of(made.encode(text), NOTHING, made.vocab_size)) for name in ("ngram", "cache")
        ]
        together = Mixture(some).fit(Data.of(NOTHING, made.encode("the dog and the cat"), made.vocab_size))
        scores = [evaluate(TextModel(model, made), text) for model in some]
        assert mix(scores, together.weights_).bits == pytest.approx(evaluate(TextModel(together, made), text).bits)


@pytest.mark.data
def test_kneser_ney_and_a_cache_on_the_penn_treebank():
    """125.7 is Mikolov's figure (2012, table 4.1: KN5 + cache); ours was measured with the defaults."""
    text = corpus.load("ptb")
    made = tokenizers.train(text.tokenizer, text.train, text.lines)
    train, valid = made.encode(text.train), made.encode(text.valid)
    some = [models.find(name)().fit(Data.of(train, valid, made.vocab_size)) for name in ("ngram", "cache")]
    valid_scores, test_scores = (
        [evaluate(TextModel(model, made), part, text.protocol) for model in some] for part in (text.valid, text.test)
    )
    weights = fit_weights(np.stack([score.log_probs for score in valid_scores]))
    assert mix(valid_scores, weights).perplexity_per_word == pytest.approx(121.86, abs=0.02)
    assert mix(test_scores, weights).perplexity_per_word == pytest.approx(118.33, abs=0.02)
