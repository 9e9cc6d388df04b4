"""ELECTRA: sizes, both losses worked out from the equations, where gradients go, and what is learned."""

import numpy as np
import pytest
import torch
from torch.nn.functional import gelu

from lmzoo import models
from lmzoo.errors import UsageError
from lmzoo.interface import Data, Run
from lmzoo.models.electra import Electra
from lmzoo.neural.training.batches import IGNORED
from lmzoo.neural.training.masking import PADDING, MaskedBatch
from tests.neural.networks import begin, network, scattered, weights

V = 12


def small(**settings):
    return Electra.from_config({"layers": 2, "heads": 2, "width": 8, "generator": 0.5, "window": 12, **settings})


def scatter(**settings):
    model = small(**settings)
    return model.holding(scattered(model.build(V)), V)


def batch():
    """Two texts, of which the second is shorter: [CLS] … [SEP], with blanks."""
    text = torch.tensor([[V + 1, 3, 1, 4, 1, 5, V - 1], [V + 1, 2, 6, 7, V - 1, PADDING, PADDING]])
    blanks = torch.zeros_like(text, dtype=torch.bool)
    blanks[0, 2] = blanks[0, 5] = blanks[1, 2] = True
    ids = text.masked_fill(blanks, V)
    ids[0, 5] = text[0, 5]  # one that stays
    return text, blanks, MaskedBatch(ids, text.masked_fill(~blanks, IGNORED), fresh=True)


@pytest.mark.parametrize(
    ("preset", "part", "parameters"),
    [  # of transformers' ElectraForPreTraining with as many positions
        ("electra-small", "discriminator", 13_499_905),
        ("electra-base", "discriminator", 109_483_009),
    ],
)
def test_presets_have_the_published_number_of_weights(preset, part, parameters):
    with torch.device("meta"):
        module = models.make(Electra, {"preset": preset, "part": part}).build(30_522 - 2)  # without [MASK] and [CLS]
    assert sum(weight.numel() for weight in module.parameters()) == parameters


def test_the_generator_shares_the_embeddings_and_is_a_quarter_as_wide():
    net = Electra.from_config({"width": 32, "heads": 4, "layers": 3}).build(V)
    assert net.generator.embeddings is net.embeddings
    assert (net.generator.width, len(net.generator.blocks), net.generator.project.weight.shape) == (8, 3, (8, 32))
    names = [name for name in net.weights() if "tokens" in name]
    assert names == ["embeddings.tokens.weight"]  # saved once


@torch.no_grad()
def test_both_losses_are_those_of_the_equations():
    model = scatter(embedding=6)
    net, (text, blanks, given) = model.net_, batch()
    loss = model.objective(V).loss(net, given, ())
    g = net.generator
    h = g(given.ids, ())[0][blanks]
    h = g.output.norm(gelu(g.output.dense(h)))
    log_probs = (h @ net.embeddings.tokens.weight[:V].T + g.bias).log_softmax(-1)
    assert float(loss.nats) == pytest.approx(-float(log_probs.gather(1, text[blanks][:, None]).mean()), abs=1e-5)
    # What was drawn, by the same numbers again; the discriminator sees it in the unmasked text.
    drawn = torch.multinomial(log_probs.exp(), 1, generator=torch.Generator().manual_seed(0))[:, 0]
    shown = text.clone()
    shown[blanks] = drawn
    d = net.output
    odds = (gelu(d.dense(net(shown, ())[0])) @ d.score.weight.T + d.score.bias)[..., 0]
    signs = torch.where(shown == text, -1.0, 1.0)
    found = -torch.nn.functional.logsigmoid(odds * signs)[text != PADDING]  # [CLS] and [SEP] among them
    assert len(found) == 12
    assert float(loss.extra["replaced"]) == pytest.approx(50 * float(found.mean()), rel=1e-5)


@torch.no_grad()
def test_a_token_that_the_generator_gets_right_is_not_replaced():
    model = scatter()
    net, (text, blanks, given) = model.net_, batch()
    net.generator.bias[:] = -1e9
    net.generator.bias[1] = 1e9  # it always says 1, which stands at one of three blanks
    loss = model.objective(V).loss(net, given, ())
    shown = text.masked_fill(blanks, 1)
    odds = net.head(net(shown, ())[0])
    signs = torch.where(shown == text, -1.0, 1.0)
    assert int((signs > 0).sum()) == 2
    found = -torch.nn.functional.logsigmoid(odds * signs)[text != PADDING]
    assert float(loss.extra["replaced"]) == pytest.approx(50 * float(found.mean()), rel=1e-5)


def test_no_gradient_goes_through_what_is_drawn():
    model = scatter()
    net, (_, _, given) = model.net_, batch()
    loss = model.objective(V).loss(net, given, ())
    loss.extra["replaced"].backward(retain_graph=True)
    of_generator = [weight for name, weight in net.generator.named_parameters() if "embeddings" not in name]
    assert all(weight.grad is None for weight in of_generator)
    assert net.embeddings.tokens.weight.grad.abs().sum() > 0  # shared: it learns from both
    loss.nats.backward()
    assert all(weight.grad is not None for weight in of_generator)


def test_validation_does_not_change_what_is_drawn_next():
    trainer = begin(network("electra"))
    drawn = []
    for looks in (0, 1):
        torch.manual_seed(0)
        if looks:
            trainer.validation.loss_aside(trainer.module, trainer.compute, 1000)
        drawn.append(torch.rand(4))
    assert torch.equal(*drawn)


def test_equal_seeds_learn_equal_weights_and_others_do_not():
    nets = [network("electra").fit(Data.of([*range(11)] * 40, [], V), Run(steps=4, seed=n)).net_ for n in (1, 1, 2)]
    first, same, other = map(weights, nets)
    assert torch.equal(first, same) and not torch.equal(first, other)


def test_it_learns_which_token_was_replaced():
    text = np.tile(np.arange(10), 300)
    settings = {"layers": 1, "width": 16, "generator": 0.25, "mask_share": 0.3, "learning_rate": 1e-2, "batch": 16}
    model = small(**settings).fit(Data.of(text, [], V), Run(steps=120))
    shown = text[:12].copy()
    shown[5] = 1
    odds = model.replaced_log_odds(shown)
    assert np.argmax(odds) == 5 and odds[5] > np.delete(odds, 5).max() + 1


def test_a_text_longer_than_the_window_is_judged_in_parts():
    model, text = scatter(), np.arange(60) % V
    assert model.replaced_log_odds(text)[20] == pytest.approx(model.replaced_log_odds(text[15:27])[5], abs=1e-5)


def test_a_part_alone_says_what_it_cannot():
    generator, judge = scatter(part="generator"), scatter(part="discriminator")
    text, blanks = np.arange(5), np.arange(5) == 2
    assert generator.fill_log_probs(text, blanks).shape == (1, V)
    assert judge.replaced_log_odds(text).shape == (5,)
    assert judge.features(text).shape == generator.features(text).shape == (5, 8)
    with pytest.raises(UsageError, match="discriminator alone and fills no blanks"):
        judge.fill_log_probs(text, blanks)
    with pytest.raises(UsageError, match="generator alone: which tokens were replaced, its discriminator tells"):
        generator.replaced_log_odds(text)
    with pytest.raises(UsageError, match="leave --part out to train both"):
        judge.fit(Data.of([1] * 100, [], V))


def test_a_step_costs_both_networks():
    net = small(convolution=0).build(V)
    of_discriminator = 6 * (2 * 12 * 8 * 8 + 8 * 8 + 8) + 12 * 2 * 8 * 12
    of_generator = 6 * (2 * 12 * 4 * 4 + 8 * 4) + 12 * 2 * 4 * 12 + 6 * 0.15 * 8 * (4 + V)
    assert net.flops(12) == pytest.approx(of_discriminator + of_generator)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"generator": 0.0}, "has a width of 0"),
        ({"generator": 1.5}, "generator"),
        ({"heads": 4, "generator": 0.8}, "6, which 3 heads cannot share|choose another --generator"),
        ({"part": "encoder"}, "no part 'encoder'"),
        ({"discriminator_weight": -1.0}, "discriminator_weight"),
        ({"kept_share": 2.0}, "kept_share"),
    ],
)
def test_settings_that_cannot_be_are_named(wrong, message):
    if wrong.get("heads"):
        wrong = {**wrong, "generator": 0.625}  # 5 features for 2 heads
    with pytest.raises(UsageError, match=message):
        small(**wrong).build(V)
