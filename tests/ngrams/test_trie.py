"""Drawing words: as often as `distribution` says, whatever the smoothing and whatever was pruned."""

import numpy as np
import pytest
from scipy.stats import chisquare

from lmzoo import testing
from lmzoo.evaluation import generation
from lmzoo.interface import Data
from lmzoo.models.ngram import Ngram
from lmzoo.ngrams import trie
from lmzoo.ngrams.smoothing import SMOOTHINGS

DRAWS = 1_000
CONTEXTS = [[], [3], [3, 1], [3, 1, 4], [9, 10], [0, 1, 4, 4]]
MODELS = [{"smoothing": name} for name in SMOOTHINGS if name != "arpa"] + [
    {"cutoffs": "0,0,2"}, {"prune": 1e-3}, {"smoothing": "katz", "prune": 1e-3}, {"order": 1}, {"order": 7},
]  # fmt: skip


def fit(**settings):
    text = testing.practice_text(600)
    return Ngram(**{"order": 4} | settings).fit(Data.of(text, text[:100], testing.VOCAB_SIZE))


def agreement(model, context):
    """P of draws that differ so much, if they are drawn from `next_log_probs`; 0 where an impossible word was drawn."""
    state = model.advance(model.start(), np.array(context, dtype=np.int32))
    drawn = [model.draw(state, u) for u in np.random.default_rng(1).random(DRAWS).tolist()]
    counts, probs = np.bincount(drawn, minlength=model.vocab_size_), np.exp(model.next_log_probs(state))
    if counts[probs == 0].any():
        return 0.0
    expected = DRAWS * probs / probs.sum()
    rare = expected < 5
    counts, expected = (np.append(x[~rare], x[rare].sum() if rare.any() else []) for x in (counts, expected))
    return float(chisquare(counts[expected > 0], expected[expected > 0]).pvalue)


@pytest.mark.parametrize("settings", MODELS, ids=str)
def test_words_are_drawn_as_often_as_they_are_probable(settings):
    model = fit(**settings)
    assert min(agreement(model, context) for context in CONTEXTS) > 1e-4


def test_scores_that_sum_to_something_else_are_drawn_in_proportion():
    """As of an ARPA file with back-off weights of its own."""
    model = fit()
    model.trie_.gammas[:] *= np.random.default_rng(0).uniform(0.2, 3, len(model.trie_.gammas)).astype(np.float32)
    model.trie_.probs[20::3] = 0
    assert min(agreement(model, context) for context in CONTEXTS) > 1e-4


@pytest.mark.parametrize(("name", "value"), [("TRIES", 1), ("BLOCK", 3), ("BLOCK", 1 << 20), ("MOST_CONTEXTS", 2)])
def test_neither_blocks_nor_draws_in_vain_change_the_distribution(monkeypatch, name, value):
    monkeypatch.setattr(trie, name, value)
    model = fit(smoothing="katz")  # whose shorter contexts often give a word that the longer one has
    assert min(agreement(model, context) for context in CONTEXTS) > 1e-4


def test_a_text_looks_at_few_words(monkeypatch):
    """A distribution over all V words is not computed."""
    model = fit()
    monkeypatch.setattr(model, "next_log_probs", None)
    text = list(generation.generate(model, np.array([3], dtype=np.int32), 500, seed=4))
    assert text == list(generation.generate(model, np.array([3], dtype=np.int32), 500, seed=4))
    assert text != list(generation.generate(model, np.array([3], dtype=np.int32), 500, seed=5))
    assert -model.log_probs(text)[0].mean() == pytest.approx(1.13, abs=0.2)  # the practice text's entropy
