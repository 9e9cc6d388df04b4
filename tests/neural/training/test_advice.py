"""A network that is too large for its budget is told so, with the preset that fits."""

import json
import sys

import pytest
import torch

from lmzoo import models
from lmzoo.neural.training import advice as training_advice
from lmzoo.neural.training.advice import advice

V = 1500


def said(tokens, passes=0.5, slower=False, name="gpt", **settings):
    model = models.make(models.find(name), settings)
    return advice(model, model.build(V), V, tokens, passes, slower)


def test_it_says_what_the_budget_lets_it_read_and_which_preset_fits():
    # Weights: (1500 + 128 positions) 128 + 4 layers (12 · 128² + 13 · 128) + 2 · 128 = 1.0 million; small has
    # (1500 + 64) 64 + 2 (12 · 64² + 13 · 64) + 2 · 64 = 200,192
    line = "reads {} tokens in this budget, 0.5 times the text, to learn 1M weights: --preset {} has {}"
    assert said(1.1e6) == line.format("1.1M", "small", "200k")
    assert said(3e5) == line.format("300k", "tiny", "74k")
    assert said(2e3) == line.format("2k", "tiny", "74k")  # too few for any: the smallest


def test_a_smaller_one_reads_more_in_the_same_time():
    assert "--preset small" in said(2.5e5, slower=True)
    assert "--preset tiny" in said(2.5e5)


@pytest.mark.parametrize(("tokens", "passes"), [(5.1e6, 0.5), (1e4, 1.0)])
def test_nothing_is_said_of_a_size_that_fits(tokens, passes):
    assert said(tokens, passes) == ""


def test_the_smallest_has_no_smaller_one():
    assert said(1e3, preset="tiny").endswith("to learn 74k weights")


@pytest.mark.parametrize("settings", [{"tied": "true", "hidden": "96", "embedding": "96"}, {"softmax": "adaptive"}])
def test_presets_that_cannot_be_with_the_given_flags_are_passed_over(settings):
    assert said(1e4, name="lstm", **settings).startswith("reads 10k tokens in this budget")


def test_chance_is_left_as_it_was():
    before = torch.get_rng_state()
    said(2e3)  # builds all presets
    model = models.make(models.find("gpt"), {})
    torch.set_rng_state(before)
    module = model.build(V)
    after = torch.get_rng_state()
    training_advice._outline.cache_clear()
    assert advice(model, module, V, 2e3, 0.5, False)
    assert torch.equal(torch.get_rng_state(), after)


def test_the_sizes_of_presets_are_found_without_the_compiler(monkeypatch):
    """Which PyTorch imports, for seconds, to draw the numbers of tensors that have no memory."""
    monkeypatch.setitem(sys.modules, "torch._dynamo", None)
    training_advice._outline.cache_clear()
    for name in ("lstm", "gpt"):
        model = models.make(models.find(name), models.presets(models.find(name))["tiny"])
        weights, _ = training_advice._outline(type(model), json.dumps(model.config()), V)
        assert weights == sum(weight.numel() for weight in model.build(V).parameters())
