"""How a model is trained: as in the year of its idea, or with what was found since."""

import pytest

from lmzoo import models
from lmzoo.runs.train import parse


@pytest.mark.parametrize(
    ("spec", "recipe"),
    [
        ("uniform", "period"), ("ngram", "period"), ("word2vec", "period"),
        ("mlp", "today"), ("mlp:optimizer=sgd,dropout=0", "period"), ("mlp:optimizer=sgd,dropout=0,layers=2", "today"),
        ("rnn", "today"), ("rnn:optimizer=sgd,dropout=0", "period"),
        ("lstm", "today"), ("lstm:preset=zaremba-small", "period"), ("lstm:preset=awd", "today"),
        ("mlstm", "today"), ("mlstm:preset=sentiment-neuron", "period"),
        ("gpt", "period"), ("gpt:preset=gpt1", "period"), ("gpt:optimizer=muon", "today"),
        ("llama", "today"), ("speedrun", "today"),
    ],
)  # fmt: skip
def test_the_settings_say_whether_a_model_is_trained_as_in_its_year(spec, recipe):
    name, settings = parse(spec)
    assert models.make(models.find(name), settings).recipe == recipe
