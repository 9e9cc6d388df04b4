"""Several processes that train one network, as `torchrun` starts them: each reads its rows of a common batch.

Their gradients are averaged, so that N processes with a batch of B learn what one with a batch of N·B would.
"""

import os
from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist

from lmzoo.models._batches import Share


def begin(device: torch.device) -> Share:
    """Join the other processes, where `torchrun` started more than one; which rows of a batch are ours."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return Share()
    if not dist.is_initialized():
        # gloo for what is on the CPU, which is also how the processes agree on when to stop.
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    return Share(dist.get_rank(), dist.get_world_size())


def mean_gradients(weights: Iterable[torch.Tensor], share: Share) -> None:
    """Replace each gradient by its mean over all processes."""
    if share.of > 1:
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        _mean(gradients, share)


def _mean(tensors: list[torch.Tensor], share: Share) -> None:
    together = torch.cat([tensor.reshape(-1) for tensor in tensors])  # one message instead of one for each
    dist.all_reduce(together)
    together /= share.of
    for tensor, mean in zip(tensors, together.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(mean.view_as(tensor))


def mean(value: torch.Tensor, share: Share) -> torch.Tensor:
    """The mean of a tensor over all processes."""
    if share.of > 1:
        value = value.clone()
        _mean([value], share)
    return value


def agree(values: list[float], share: Share) -> list[float]:
    """What the first process says, so that all of them take the same decisions."""
    if share.of == 1:
        return values
    told: Any = torch.tensor(values, dtype=torch.float64)
    dist.broadcast(told, 0)
    return [float(value) for value in told]


def seed_of_this_process(seed: int, share: Share) -> int:
    """Another seed for each process's dropout; the first has that of a process alone."""
    return seed + 7919 * share.rank
