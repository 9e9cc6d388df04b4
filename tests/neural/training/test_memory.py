import pytest
import torch

from lmzoo.errors import LmzooError
from lmzoo.neural.training.memory import activation_bytes, step_or_advise


def lack(words="out of memory"):
    raise RuntimeError(words)


@pytest.mark.parametrize(
    "words",
    [
        "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory",
        "CUDA out of memory. Tried to allocate 2.00 GiB",
        "CUDNN_STATUS_ALLOC_FAILED",
    ],
)
def test_the_message_of_every_allocator_is_recognised(words):
    def fits(rows):
        if rows > 3:
            lack(words)

    with pytest.raises(LmzooError, match=r"to the logits \(3.00 GB\); --batch 3 fits, and --accumulate 5 reads"):
        step_or_advise(lambda: lack(words), 13, 1, lambda: {"weights": 10, "the logits": 3 * 10**9}, fits)


def test_where_not_one_row_fits_the_advice_is_a_smaller_window():
    with pytest.raises(LmzooError, match="not even a batch of one fits"):
        step_or_advise(lack, 8, 1, lambda: {"all": 1}, lambda rows: lack())


def test_a_step_that_fits_is_taken_once():
    done = []
    step_or_advise(lambda: done.append(1), 8, 1, dict, lack)
    assert done == [1]


def test_the_activations_of_a_layer_are_its_input_and_not_its_weights():
    layer, x = torch.nn.Linear(100, 50), torch.zeros(7, 100)
    assert activation_bytes(lambda: layer(x), layer.parameters()) == 7 * 100 * 4
    assert activation_bytes(lack, []) == 0
