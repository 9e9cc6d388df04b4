"""Dropout for recurrent networks: masks that are the same at all positions, for word types, and for weights.

Each drops with probability p and divides what is left by 1 - p, which keeps the expectation (Srivastava et al. 2014).
Nothing is dropped in evaluation or where p is 0.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from lmzoo.neural import recurrent


def locked(x: Tensor, p: float, training: bool) -> Tensor:
    """Variational dropout: x (B, T, D) with one mask (B, 1, D) for all T positions (Gal & Ghahramani 2016)."""
    if not training or p == 0:
        return x
    return x * dropout(torch.ones_like(x[:, :1]), p)


def embedded(table: nn.Embedding, ids: Tensor, p: float) -> Tensor:
    """Embedding dropout: vectors (…, D) of `ids` (…), those of dropped word types zero (Gal & Ghahramani 2016)."""
    if not table.training or p == 0:
        vectors: Tensor = table(ids)
        return vectors
    mask = dropout(torch.ones(table.num_embeddings, 1, device=ids.device), p)  # (V, 1)
    return nn.functional.embedding(ids, table.weight) * nn.functional.embedding(ids, mask)


def weight_dropped(layer: nn.Module, x: Tensor, state: tuple[Tensor, Tensor], p: float) -> Any:
    """`layer(x, state)` of a one-layer LSTM with hidden-to-hidden weights dropped, the same at all positions of all
    texts: DropConnect (Wan et al. 2013) as in Merity et al. 2018, so that fused kernels still serve.
    """
    if not layer.training or p == 0:
        return recurrent.run(layer, x, state)
    return recurrent.run(layer, x, state, {"weight_hh_l0": dropout(layer.get_parameter("weight_hh_l0"), p)})
