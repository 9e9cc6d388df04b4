"""Which layer a weight belongs to, and what follows from it."""

import pytest

from lmzoo.errors import UsageError
from lmzoo.neural.finetuning.heads import Tuned
from lmzoo.neural.finetuning.inputs import Form
from lmzoo.neural.finetuning.layers import Layers
from lmzoo.testing import VOCAB_SIZE
from tests.neural.networks import NETWORKS, network


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_has_embeddings_and_as_many_layers_as_its_setting_says(name):
    model = network(name, layers=3)
    layers = Layers(model.build(VOCAB_SIZE))
    assert layers.count == 3
    assert {0, 1, 2, 3} <= set(layers.depth.values()) <= {0, 1, 2, 3, 4}
    assert layers.depth["embedding.weight"] == 0


def test_the_depths_of_a_transformer():
    depth = Layers(network("gpt", layers=2, tied=False).build(VOCAB_SIZE)).depth
    assert depth["positions.weight"] == 0
    assert depth["blocks.0.mlp.up.weight"] == 1
    assert depth["blocks.1.attention.qkv.bias"] == 2
    assert depth["norm.weight"] == depth["output.weight"] == 3


def test_what_is_new_is_above_all_else():
    module = network("lstm").build(VOCAB_SIZE)
    layers = Layers(module)
    module = Tuned(module, Form("joined", "new", VOCAB_SIZE, 20, "end"), "last", 2, 0, 0.1)
    names = {id(weight): name for name, weight in module.named_parameters()}
    depth = {names[key]: depth for key, depth in layers.of(module).items()}
    assert depth["network.embedding.markers"] == depth["classifier.1.weight"] == layers.count + 2
    assert depth["network.embedding.weight"] == 0
    assert depth["network.layers.0.weight_ih_l0"] == 1


def test_rates_fall_by_a_factor_a_layer_from_the_head_down():
    layers = Layers(network("gpt", layers=2).build(VOCAB_SIZE))
    rates = [layers.rate(depth, 2.0) for depth in range(5)]
    assert rates == [1 / 8, 1 / 4, 1 / 2, 1 / 2, 1]  # the last norm learns with the last layer
    assert [layers.rate(depth, 1.0) for depth in range(5)] == [1] * 5


def test_one_more_layer_is_unfrozen_in_each_epoch():
    layers = Layers(network("gpt", layers=2).build(VOCAB_SIZE))
    assert [layers.unfrozen_from(epoch) for epoch in range(4)] == [4, 2, 1, 0]


def test_layers_are_transferred_from_the_embeddings_up():
    layers = Layers(network("gpt", layers=2).build(VOCAB_SIZE))
    names = ("embedding.weight", "blocks.0.mlp.up.weight", "blocks.1.mlp.up.weight", "norm.weight")
    kept = {k: [layers.is_transferred(name, k) for name in names] for k in (0, 1, 2, -1)}
    assert kept == {0: [True, False, False, False], 1: [True, True, False, False], 2: [True] * 4, -1: [True] * 4}


@pytest.mark.parametrize("beyond", [-2, 3])
def test_layers_beyond_the_network(beyond):
    layers = Layers(network("gpt", layers=2).build(VOCAB_SIZE))
    with pytest.raises(UsageError, match=f"{beyond} layers cannot be transferred: this network has 2"):
        layers.check(beyond)
