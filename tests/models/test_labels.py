"""What a model is called, and of which year it is, depends on its settings."""

from dataclasses import dataclass

import pytest

from lmzoo import models
from lmzoo.interface import Data, Model

DATA = Data.of([0, 1, 2, 0, 1, 3, 4] * 20, [0, 1, 2, 4], 5)


def named(spec):
    """The model of 'name setting=value …'."""
    name, *given = spec.split()
    return models.make(models.find(name), dict(setting.split("=") for setting in given))


@pytest.mark.parametrize(
    ("spec", "label", "year"),
    [
        ("uniform", "uniform", 1928),
        ("ngram", "modified Kneser–Ney, 5-gram", 1998),
        ("ngram smoothing=kneser-ney", "Kneser–Ney, 5-gram", 1995),
        ("ngram order=1", "unigram", 1948),
        ("ngram order=2 smoothing=ml", "bigram, unsmoothed", 1948),
        ("ngram order=1 smoothing=ml", "unigram, unsmoothed", 1948),
        ("ngram order=3 smoothing=add-k k=0.5", "3-gram, add-0.5", 1948),
        ("ngram order=3 smoothing=jelinek-mercer", "Jelinek–Mercer, 3-gram", 1980),
        ("ngram order=3 smoothing=katz", "Katz, 3-gram", 1987),
        ("ngram order=3 smoothing=witten-bell", "Witten–Bell, 3-gram", 1991),
        ("ngram order=3 smoothing=absolute", "absolute discounting, 3-gram", 1994),
        ("ngram order=3 smoothing=stupid-backoff", "stupid back-off, 3-gram", 2007),
        ("ngram order=2 prune=1e-4", "modified Kneser–Ney, bigram, pruned", 1998),
        ("ngram order=2 cutoffs=0,1", "modified Kneser–Ney, bigram, pruned", 1998),
        ("ngram order=auto smoothing=auto", "n-gram", 1998),
        ("classes classes=60", "class 3-gram, 60 classes", 1992),
        ("cache window=500", "cache, 500 tokens", 1990),
        ("pmi", "PMI, window 5", 1990),
        ("pmi shift=5", "shifted PMI, window 5", 2014),
        ("svd", "SVD of PPMI, 100 dimensions", 2015),
        ("glove x_max=10", "GloVe", 2014),
        ("word2vec", "skip-gram, 100 dimensions", 2013),
        ("word2vec architecture=cbow output=hierarchical-softmax dimensions=1",
         "CBOW with hierarchical softmax, 1 dimension", 2013),
        ("mlp context=5", "MLP, 5-token context", 2003),
        ("rnn", "Elman network, 512 units", 1990),
        ("rnn cell=gru", "GRU, 512 units", 2014),
        ("lstm preset=small", "LSTM, 96 cells", 1997),
        ("mlstm", "mLSTM, 384 cells", 2016),
        ("mlstm cell=rnn", "mRNN, 384 cells", 2011),
        ("gpt preset=tiny", "GPT-2 form, 2 layers", 2019),
        ("gpt preset=gpt1", "GPT-1 form, 12 layers", 2018),
        ("llama", "LLaMA form, 4 layers", 2023),
        ("speedrun", "Speedrun transformer, 4 layers", 2024),
    ],
)  # fmt: skip
def test_a_label_is_what_a_person_would_say(spec, label, year):
    model = named(spec)
    assert (model.label, model.origin.year) == (label, year)
    assert model.origin.paper


def test_where_fit_chose_the_label_says_what():
    model = named("ngram order=auto smoothing=auto").fit(DATA)
    chosen = named(f"ngram order={model.order_} smoothing={model.smoothing_}")
    assert (model.label, model.origin) == (chosen.label, chosen.origin)


def test_every_model_has_a_family_and_by_default_the_year_of_its_class():
    for name in models.names():
        model = models.find(name)
        assert model.family in {"baseline", "count", "association", "feedforward", "recurrent", "masked", "transformer"}
        assert model().origin == (model.year, model.paper)


def test_models_of_one_label_are_told_apart_by_their_other_settings():
    entries = [named("glove"), named("glove x_max=10 ends=true"), named("ngram order=1"), named("lstm locked=true")]
    assert models.labels(entries) == ["GloVe", "GloVe, x max 10, ends", "unigram", "LSTM, 384 cells"]


@dataclass
class Mine(Model):
    """A model of a student's, who wrote no title."""

    name = "mine"
    add: float = 1.0
    layers: int = 2
    cell: str = "plain"
    tied: bool = True

    def fit(self, data, run=None):
        return self


def test_without_a_title_it_is_the_name_and_what_was_set():
    assert Mine().label == "mine"
    assert Mine(0.5, 1, "hard-sigmoid", False).label == "mine, add 0.5, 1 layer, hard sigmoid, not tied"
    assert Mine().family == "other"
