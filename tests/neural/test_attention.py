"""Attention by hand, its two code paths, and positions that are rotated or added."""

import numpy as np
import pytest
import torch

from lmzoo.neural.attention import attend, rotate, sinusoids


def test_attention_by_hand():
    """One head of one feature: the second token asks 2, the keys answer 0 and 1: weights 1 : e²."""
    q, k, v = (torch.tensor(numbers).view(1, 1, 2, 1) for numbers in ([5.0, 2.0], [0.0, 1.0], [10.0, 20.0]))
    share = np.exp(2) / (1 + np.exp(2))
    assert attend(q, k, v).flatten().tolist() == pytest.approx([10, 10 * (1 - share) + 20 * share])


@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (1, 9), (9, 9), (4, 9)])
@pytest.mark.parametrize("kv_heads", [4, 2, 1])
def test_both_code_paths_of_attention_agree(queries, keys, kv_heads):
    """In bf16 on a CPU it is written out, in float32 it is PyTorch's fused kernel."""
    torch.manual_seed(0)
    q, (k, v) = torch.randn(2, 4, queries, 8), torch.randn(2, 2, kv_heads, keys, 8)
    written_out = attend(q.bfloat16(), k.bfloat16(), v.bfloat16()).float()
    torch.testing.assert_close(written_out, attend(q, k, v), atol=0.05, rtol=0.05)


def test_rotated_products_depend_on_the_distance_alone():
    q, k = torch.randn(1, 8), torch.randn(1, 8)
    at_5, at_105 = (rotate(q, first + 3) @ rotate(k, first).T for first in (5, 105))
    torch.testing.assert_close(at_5, at_105, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(at_5, rotate(q, 4) @ rotate(k, 0).T, atol=1e-2)


def test_sinusoids_are_those_of_the_paper():
    found = sinusoids(2, 1, 4, torch.device("cpu"))[0]
    assert found.tolist() == pytest.approx([np.sin(2), np.sin(2 / 100), np.cos(2), np.cos(2 / 100)])
