"""Several processes that train one network, as `torchrun` starts them: each reads its rows of a common batch.

Their gradients are averaged, so that N processes with a batch of B learn what one with a batch of N·B would.
"""

import atexit
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist

from lmzoo.errors import LmzooError
from lmzoo.neural.training.batches import Share


def begin(device: torch.device) -> Share:
    """Join the other processes, where `torchrun` started more than one; which rows of a batch are ours."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return Share()
    if device.type == "cuda":
        torch.cuda.set_device(device)  # else each would open the first one too, for its pinned memory
    if not dist.is_initialized():
        # gloo for what is on the CPU, which is also how the processes agree on when to stop.
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
        atexit.register(dist.destroy_process_group)
    return Share(dist.get_rank(), dist.get_world_size())


@contextmanager
def _with_others() -> Iterator[None]:
    """Raises LmzooError where another process is not there any more."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        why = str(error).splitlines()[0][:150]
        raise LmzooError(f"another process of this training has stopped or cannot be reached: {why}") from None


def mean(tensors: Sequence[torch.Tensor], share: Share) -> None:
    """Replace each tensor, a gradient or a loss, by its mean over all processes."""
    if share.of == 1:
        return
    together = torch.cat([tensor.reshape(-1) for tensor in tensors])  # one message instead of one for each
    with _with_others():
        dist.all_reduce(together)
    together /= share.of
    for tensor, found in zip(tensors, together.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(found.view_as(tensor))


def agree(values: list[float], share: Share) -> list[float]:
    """What the first process says, so that all of them take the same decisions."""
    if share.of == 1:
        return values
    told = torch.tensor(values, dtype=torch.float64)
    with _with_others():
        dist.broadcast(told, 0)
    return [float(value) for value in told]


def gather(tensor: torch.Tensor, share: Share) -> torch.Tensor:
    """The tensors of this shape (…) that the processes have, as one (N, …) on the CPU."""
    own = tensor.detach().cpu().contiguous()
    if share.of == 1:
        return own[None].clone()
    raw = own.reshape(-1).view(torch.uint8)  # gloo does not carry every type
    all_of_them = [torch.empty_like(raw) for _ in range(share.of)]
    with _with_others():
        dist.all_gather(all_of_them, raw)
    return torch.stack(all_of_them).view(own.dtype).reshape(share.of, *own.shape)


def seed_of_this_process(seed: int, share: Share) -> int:
    """Another seed for each process's dropout; the first has that of a process alone."""
    return seed + 7919 * share.rank
