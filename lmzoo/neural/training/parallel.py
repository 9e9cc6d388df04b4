"""Several processes that train one network, as `torchrun` starts them.

Each reads its own rows of a common batch and gradients are averaged, so N processes with a batch of B learn what one
process with a batch of N·B would.
"""

import atexit
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from lmzoo.errors import LmzooError, UsageError, whole_number_in


@dataclass
class Parallel:
    """The processes of a training and what they exchange: here a single one, which exchanges nothing."""

    rank: int = 0  # of this process, 0 … size - 1; rank 0 writes files
    size: int = 1  # the number of processes: the world size

    def reduce(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor, a gradient or a loss, by its mean over all processes."""

    def agree(self, values: Sequence[float]) -> list[float]:
        """The values of rank 0, so that all processes take the same decisions."""
        return list(values)

    def gather(self, tensor: Tensor) -> Tensor:
        """The tensors of this shape (…) of all processes, as one (size, …) on the CPU."""
        return tensor.detach().cpu().contiguous()[None].clone()

    def rows(self, batch: int) -> slice:
        """This process's rows of the common batch, which has `batch` rows for each process."""
        return slice(self.rank * batch, (self.rank + 1) * batch)

    def seed(self, seed: int) -> int:
        """Another seed for the dropout of each process; rank 0 has that of a single process."""
        return seed + 7919 * self.rank


class Replicated(Parallel):
    """A copy of the network in each process; gradients are averaged by an all-reduce after each step."""

    def reduce(self, tensors: Sequence[Tensor]) -> None:
        """One all-reduce of all tensors together."""
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])  # one message instead of one for each
        with _peers_required():
            dist.all_reduce(flat)
        flat /= self.size
        for tensor, mean in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(mean.view_as(tensor))

    def agree(self, values: Sequence[float]) -> list[float]:
        """Broadcast from rank 0."""
        message = torch.tensor(values, dtype=torch.float64)
        with _peers_required():
            dist.broadcast(message, 0)
        return [float(value) for value in message]

    def gather(self, tensor: Tensor) -> Tensor:
        """An all-gather of the bytes."""
        own = tensor.detach().cpu().contiguous()
        raw = own.reshape(-1).view(torch.uint8)  # gloo does not carry every type
        parts = [torch.empty_like(raw) for _ in range(self.size)]
        with _peers_required():
            dist.all_gather(parts, raw)
        return torch.stack(parts).view(own.dtype).reshape(self.size, *own.shape)


def choose(device: torch.device) -> Parallel:
    """`Replicated` where `torchrun` started several processes, which are joined here; else one process."""
    if whole_number_in("WORLD_SIZE", 1) <= 1:
        return Parallel()
    if device.type == "cuda":
        torch.cuda.set_device(device)  # else each process would open the first GPU too, for its pinned memory
    if not dist.is_initialized():
        # gloo for tensors on the CPU, which is also how the processes agree on when to stop.
        try:
            dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
        except (ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise UsageError(f"WORLD_SIZE asks for several processes: start them with torchrun ({reason})") from None
        atexit.register(dist.destroy_process_group)
    return Replicated(dist.get_rank(), dist.get_world_size())


@contextmanager
def _peers_required() -> Iterator[None]:
    """Raises LmzooError where another process has stopped."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        reason = str(error).splitlines()[0][:150]
        raise LmzooError(f"another process of this training has stopped or cannot be reached: {reason}") from None
