"""A word on a network that is too large for its budget: what the budget lets it read, and which preset fits."""

import json
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from lmzoo.errors import UsageError
from lmzoo.neural.module import Module
from lmzoo.neural.training.pace import short

PER_WEIGHT = 2  # tokens that a network should read for each of its weights; Hoffmann et al. (2022) advise 20


def advice(model: Any, module: Module, vocab_size: int, tokens: float, passes: float, slower: bool) -> str:
    """'reads 300k tokens in this budget, 0.1 times the text, and …: --preset small fits'; "" where the size is right.

    `slower`: whether a larger network reads less in this budget, as in one of time.
    """
    weights = _size(module)
    if passes >= 1 or tokens >= PER_WEIGHT * weights:
        return ""
    line = (
        f"reads {short(tokens)} tokens in this budget, {passes:.2g} times the text, to learn {short(weights)} weights"
    )
    others = {}
    for name, settings in getattr(model, "PRESETS", {}).items():
        try:
            config = json.dumps(model.config() | settings)
            size, flops = _outline(type(model), config, vocab_size)  # type: ignore[arg-type]
        except UsageError:  # the preset cannot be with another flag that was given, such as --tied
            continue
        others[name] = size, tokens * (module.flops(model.training.window) / flops if slower else 1.0)
    smaller = {name: (size, read) for name, (size, read) in others.items() if size < weights}
    fitting = [name for name, (size, read) in smaller.items() if read >= PER_WEIGHT * size]
    if not smaller:
        return line
    best = max(fitting, key=lambda name: smaller[name][0]) if fitting else min(smaller, key=lambda n: smaller[n][0])
    return f"{line}: --preset {best} has {short(smaller[best][0])}"


@lru_cache(maxsize=100)
def _outline(kind: Any, config: str, vocab_size: int) -> tuple[int, float]:
    """(weights, floating-point operations a token) of a network, found once: GPT-2's largest takes 0.1 s."""
    model = kind.from_config(json.loads(config))
    with torch.random.fork_rng(devices=[]), torch.device("meta"), _Unfilled():  # neither memory nor chance
        module = model.build(vocab_size)
    return _size(module), module.flops(model.training.window)


class _Unfilled(TorchFunctionMode):
    """Draws no numbers: for tensors without memory PyTorch would import its compiler to do so, for seconds."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if function in (Tensor.normal_, Tensor.uniform_) or getattr(function, "__module__", "") == nn.init.__name__:
            return args[0] if args else given["tensor"]
        return function(*args, **given)


def _size(module: Module) -> int:
    return sum(weight.numel() for weight in module.parameters())
