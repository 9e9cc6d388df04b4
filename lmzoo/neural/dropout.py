"""Dropout as recurrent networks need it: masks that stay the same in time, for word types, and for weights.

Each drops with probability p and divides what is left by 1 - p, so that the expectation stays what it was
(Srivastava et al. 2014), and does nothing where `training` is false or p is 0.
"""

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from lmzoo.neural.device import cpu_has_bf16


def locked(x: Tensor, p: float, training: bool) -> Tensor:
    """x (B, T, D) with one mask (B, 1, D) for all T positions of a text (Gal & Ghahramani 2016)."""
    if not training or p == 0:
        return x
    return x * dropout(torch.ones_like(x[:, :1]), p)


def embedded(table: nn.Embedding, ids: Tensor, p: float) -> Tensor:
    """The vectors (…, D) of `ids` (…), some word types being zero wherever they stand (Gal & Ghahramani 2016)."""
    if not table.training or p == 0:
        vectors: Tensor = table(ids)
        return vectors
    mask = dropout(torch.ones(table.num_embeddings, 1, device=ids.device), p)
    return nn.functional.embedding(ids, table.weight) * nn.functional.embedding(ids, mask)


def connected(layer: nn.Module, x: Tensor, state: tuple[Tensor, Tensor], p: float) -> Any:
    """`layer(x, state)`, an LSTM of one layer some of whose hidden-to-hidden weights are zero, at all positions of all
    texts: DropConnect (Wan et al. 2013) as Merity et al. 2018 use it, for that leaves the fused kernels as they are.
    """
    weights = {}
    if layer.training and p > 0:
        weights = {"weight_hh_l0": dropout(layer.get_parameter("weight_hh_l0"), p)}
    # On a CPU without it PyTorch emulates bf16, but has no LSTM that does.
    emulated = x.device.type == "cpu" and torch.is_autocast_enabled("cpu") and not cpu_has_bf16()
    with torch.autocast("cpu", enabled=False) if emulated else nullcontext():
        given = (x.float(), tuple(part.float() for part in state)) if emulated else (x, state)
        return torch.func.functional_call(layer, weights, given) if weights else layer(*given)
