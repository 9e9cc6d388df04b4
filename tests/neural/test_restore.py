"""Settings that ask for more than the weights in a file are refused before memory is taken for them."""

import resource

import pytest

from lmzoo import models
from lmzoo.errors import FormatError, LmzooError
from tests.neural.networks import NETWORKS, network

HUGE = [10**4, 10**6, 10**9, 10**13]


def settings_of(name):
    return [key for key, value in network(name).config().items() if type(value) is int]


@pytest.mark.parametrize(("name", "setting"), [(name, key) for name in NETWORKS for key in settings_of(name)])
def test_no_setting_takes_more_than_the_weights_there_are(name, setting):
    model = network(name)
    model.net_, model.vocab_size_ = model.build(20), 20
    arrays, before = model.arrays(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for huge in HUGE:
        try:
            type(model).from_config({**model.config(), setting: huge}).restore(arrays)
        except (LmzooError, KeyError, ValueError, RuntimeError):  # which `store.load` reports in one line
            continue
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 200_000  # KB


def test_more_layers_than_weights_are_refused():
    model = network("lstm")
    model.net_, model.vocab_size_ = model.build(20), 20
    with pytest.raises(FormatError, match=r"ask for 1,000,000,000 layers, and its file has \d+ weights"):
        models.find("lstm").from_config({**model.config(), "layers": 10**9}).restore(model.arrays())
    with pytest.raises(FormatError, match="many more weights than there are"):
        models.find("lstm").from_config({**model.config(), "hidden": 4000}).restore(model.arrays())
