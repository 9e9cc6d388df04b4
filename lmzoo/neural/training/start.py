"""First weights that are not drawn: those of another run, or word vectors as embeddings.

Word vectors as a start are Kim's (2014) and Dai & Le's (2015); all weights, continued pre-training.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch import nn

from lmzoo.errors import UsageError
from lmzoo.interface import Start
from lmzoo.neural.module import Module


def begin(module: Module, start: Start | None, vocab_size: int) -> None:
    """Put what a training begins from into the `module`. Raises UsageError for what was learned by another kind."""
    if start is None:
        return
    if start.arrays is not None:
        _load(module, start.arrays, vocab_size)
    if start.embeddings is not None or start.frozen:
        table = getattr(module, "embedding", None)
        if not isinstance(table, nn.Embedding):
            raise UsageError("this network has no table `embedding` to put word vectors into, or to freeze")
        if start.embeddings is not None:
            if start.embeddings.shape != tuple(table.weight.shape):
                raise UsageError(
                    f"the vectors are {start.embeddings.shape}, and the embeddings {tuple(table.weight.shape)}"
                )
            with torch.no_grad():
                table.weight.copy_(torch.from_numpy(start.embeddings))
        table.weight.requires_grad_(not start.frozen)


def _load(module: Module, arrays: Mapping[str, Any], vocab_size: int) -> None:
    known = int(arrays["vocab_size"])
    if known != vocab_size:
        raise UsageError(f"what it goes on from knows {known:,} tokens, and this text has {vocab_size:,}")
    weights = {name[4:]: torch.from_numpy(np.array(value)) for name, value in arrays.items() if name.startswith("net.")}
    try:
        module.load_weights(weights)
    except (KeyError, ValueError) as error:
        raise UsageError(f"what it goes on from is another network: {str(error).splitlines()[0]}") from None


def shaping(model: type[Any]) -> set[str]:
    """The settings of a network that decide which weights it has, or what is computed with them."""
    own = {field.name for field in fields(model)} - {"training"}
    return {name for name in own if "drop" not in name} - model.IN_TRAINING
