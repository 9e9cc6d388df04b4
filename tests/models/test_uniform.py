import numpy as np

from lmzoo.interface import Data
from lmzoo.models.uniform import Uniform

NOTHING = np.array([], dtype=np.int32)


def test_a_byte_costs_eight_bits_among_256_tokens():
    model = Uniform().fit(Data.of(NOTHING, NOTHING, 256))
    assert np.allclose(model.log_probs([0, 17, 255])[0] / -np.log(2), 8)


def test_it_has_nothing_to_store_but_the_size_of_its_vocabulary():
    model = Uniform().fit(Data.of(NOTHING, NOTHING, 5))
    assert {key: value.item() for key, value in model.arrays().items()} == {"vocab_size": 5}
    assert model.size() == (0, "parameters")
