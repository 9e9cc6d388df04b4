"""The speedrun transformer: each of its ingredients, on and off."""

import numpy as np
import pytest
import torch

from lmzoo import testing
from lmzoo.errors import UsageError
from lmzoo.interface import Data, Run
from lmzoo.models.speedrun import Speedrun
from tests.neural.networks import scattered

# GPT-2's form, to which each ingredient is added by itself.
PLAIN = {
    "positions": "learned", "norm": "layernorm", "activation": "gelu", "bias": True, "tied": True, "qk_norm": False,
    "zero_init": False, "softcap": 0.0, "ngrams": 1, "shortcut": False, "optimizer": "adamw",
}  # fmt: skip
INGREDIENTS = [
    {"positions": "rotary"}, {"positions": "sinusoidal"}, {"norm": "rmsnorm"}, {"activation": "swiglu"},
    {"activation": "relu2"}, {"kv_heads": 2}, {"kv_heads": 1}, {"qk_norm": True}, {"zero_init": True, "tied": False},
    {"softcap": 5.0}, {"ngrams": 2, "ngram_rows": 64}, {"ngrams": 4, "ngram_rows": 300}, {"shortcut": True},
]  # fmt: skip


def small(**settings):
    sizes = {"layers": 2, "heads": 4, "width": 32, "window": 12, "batch": 16}
    return Speedrun.from_config({**PLAIN, **sizes, **settings})


def test_softcapped_logits_stay_within():
    module = scattered(small(softcap=2.0).build(5))
    assert module.head(torch.randn(100, 32) * 100).abs().max() <= 2.0


def first_vectors(module, *text, older=0):
    """x₀ (T, D) of a text's tokens, of which the first `older` are only looked back at."""
    return module.embed(torch.tensor([text]), older)[0]


def test_pairs_and_triples_of_tokens_have_vectors_of_their_own():
    pairs, triples = (scattered(small(positions="rotary", ngrams=n, ngram_rows=50_000).build(5)) for n in (2, 3))
    assert not torch.equal(first_vectors(pairs, 1, 2, older=1), first_vectors(pairs, 3, 2, older=1))
    assert not torch.equal(first_vectors(triples, 0, 1, 2, older=2), first_vectors(triples, 4, 1, 2, older=2))
    longer = first_vectors(triples, 0, 1, 2, 3, 4, older=2)
    assert torch.equal(longer[2], first_vectors(triples, 2, 3, 4, older=2)[0])


def test_before_the_window_stands_end():
    triples = scattered(small(positions="rotary", ngrams=3, ngram_rows=50_000).build(5))
    assert torch.equal(first_vectors(triples, 1, 2), first_vectors(triples, 4, 4, 1, 2, older=2))


def test_few_ngrams_share_a_row():
    """The hash spreads 40³ n-grams of each length over as many rows about as evenly as chance: 63 % are taken."""
    module = Speedrun(layers=1, heads=1, width=2, ngrams=3, ngram_rows=40**3 + 40**2).build(257)
    rows = []
    module.ngrams.register_forward_hook(lambda table, given, output: rows.append(given[0]))
    letters = torch.arange(60, 100)
    module.embed(torch.cartesian_prod(letters, letters, letters), 2)
    assert len(torch.cat([part.flatten() for part in rows]).unique()) > 0.6 * (40**3 + 40**2)


@pytest.mark.parametrize("settings", INGREDIENTS, ids=str)
def test_every_ingredient_steps_as_it_scores(settings):
    model = small(**settings)
    model.vocab_size_, model.net_ = testing.VOCAB_SIZE, scattered(model.build(testing.VOCAB_SIZE))
    for check in (testing.scoring_equals_stepping, testing.future_never_matters, testing.states_are_values):
        assert check(model) == ""


@pytest.mark.parametrize("settings", INGREDIENTS, ids=str)
def test_every_ingredient_learns(settings):
    text = testing.practice_text(2000)
    model = small(**settings, learning_rate=1e-2).fit(Data.of(text, text[:0], testing.VOCAB_SIZE), Run(steps=40))
    assert -model.log_probs(text)[0].mean() < 0.75 * np.log(testing.VOCAB_SIZE)


def test_all_of_them_together_do_too():
    model = Speedrun.from_config({"width": 32, "window": 12, "batch": 8})
    model.vocab_size_, model.net_ = testing.VOCAB_SIZE, scattered(model.build(testing.VOCAB_SIZE))
    assert testing.scoring_equals_stepping(model) == ""
    text = testing.practice_text(2000)
    model.fit(Data.of(text, text[:0], testing.VOCAB_SIZE), Run(steps=40))
    assert -model.log_probs(text)[0].mean() < 0.75 * np.log(testing.VOCAB_SIZE)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"positions": "rotery"}, "no positions 'rotery'; did you mean rotary?"),
        ({"norm": ""}, "no norm ''; there are: layernorm, rmsnorm"),
        ({"activation": "relu"}, "did you mean relu2?"),
        ({"heads": 4, "kv_heads": 3}, "4 heads cannot share 3 kv_heads"),
        ({"width": 12, "heads": 4}, "rotary positions need an even width of each head"),
        ({"ngrams": 0}, "ngrams must be 1 or more, not 0"),
        ({"ngram_dropout": 1.0}, "ngram_dropout must be 0 or more and below 1"),
    ],
)
def test_an_impossible_setting_is_named(settings, message):
    with pytest.raises(UsageError, match=f"^[^\n]*{message.replace('?', '[?]')}[^\n]*$"):
        Speedrun(**settings).build(10)
