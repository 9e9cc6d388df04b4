"""Several processes that train one network, as `torchrun` starts them.

Each reads its own rows of a common batch and gradients are averaged, so N processes with a batch of B learn what one
process with a batch of N·B would. Replicated (DDP): each has the whole network. Sharded (FSDP2, Zhao et al. 2023):
each has a share of every weight, of its gradient and of the optimiser's state.
"""

import atexit
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.distributed as dist
from torch import Tensor

from lmzoo.errors import LmzooError, UsageError, is_out_of_memory, one_of, whole_number_in
from lmzoo.neural.module import Module

NAMES = ("replicated", "sharded")


@dataclass
class Parallel:
    """The processes of a training and what they exchange: here a single one, which exchanges nothing."""

    rank: int = 0  # of this process, 0 … size - 1; rank 0 writes files
    size: int = 1  # the number of processes: the world size
    sharded: ClassVar[bool] = False  # no process has all weights, and none can compute without the others

    def distribute(self, module: Module, compiled: bool) -> None:
        """Leave this process its share of the weights, before the optimisers are made. `compiled`: each part is."""

    def whole(self, module: Module, build: Callable[[], Module]) -> Module:  # noqa: ARG002
        """A module with all weights, for what is not training; `build` makes another one."""
        return module

    def release(self, module: Module) -> None:
        """Drop weights of others that were gathered to compute with: this process's are about to change."""

    @contextmanager
    def required(self) -> Iterator[None]:
        """Raises LmzooError where another process has stopped."""
        yield

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


class Sharded(Replicated):
    """A share of each weight (rows of it) in each process; a block's are gathered while it computes.

    Gradients are averaged in the backward pass, each process getting those of its rows.
    """

    sharded = True

    def distribute(self, module: Module, compiled: bool) -> None:
        """Share each block's weights, then what is in none. Raises UsageError where the network has no blocks."""
        from torch.distributed.fsdp import fully_shard

        blocks = module.blocks_to_share()
        if not blocks:
            raise UsageError("only transformers (gpt, llama, speedrun) train with --parallel sharded: leave it out")
        # Keys and values that a block returns are views; nothing changes them in place.
        warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")
        for block in blocks:
            if compiled:  # the products alone: gathering happens before and after
                block.forward = torch.compile(block.forward, dynamic=False)
            fully_shard(block)
        fully_shard(module)

    def whole(self, module: Module, build: Callable[[], Module]) -> Module:
        """Built on the CPU, and moved to the device of `module` if it fits there."""
        weights = {}
        with self.required():
            for name, value in module.weights().items():
                weights[name] = value.full_tensor().cpu()  # type: ignore[attr-defined]
        with torch.random.fork_rng(devices=[]):  # first weights are drawn in vain
            whole = build()
        whole.load_weights(weights)
        try:
            return whole.to(module.device)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return whole.to("cpu")

    def release(self, module: Module) -> None:
        """Between a forward pass and its backward pass the weights outside the blocks stay gathered."""
        module.reshard()  # type: ignore[operator]

    @contextmanager
    def required(self) -> Iterator[None]:
        """Around all that computes: forward and backward passes gather weights."""
        with _peers_required(messages=("gloo", "NCCL")):
            yield

    def reduce(self, tensors: Sequence[Tensor]) -> None:
        """The losses alone: the backward pass has averaged the gradients."""
        from torch.distributed.tensor import DTensor

        super().reduce([tensor for tensor in tensors if not isinstance(tensor, DTensor)])


def choose(device: torch.device, name: str = "replicated") -> Parallel:
    """The processes that `torchrun` started, which are joined here, in one of NAMES; without torchrun one process."""
    one_of("--parallel", name, NAMES)
    size = whole_number_in("WORLD_SIZE", 1)
    if size <= 1 and name == "replicated":
        return Parallel()
    if device.type == "cuda":
        torch.cuda.set_device(
            device.index or 0
        )  # else each process would open the first GPU too, for its pinned memory
    if not dist.is_initialized():
        # gloo for tensors on the CPU, which is also how the processes agree on when to stop.
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        try:
            if size > 1:
                dist.init_process_group(backend)
            else:
                dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
        except (ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise UsageError(f"WORLD_SIZE asks for several processes: start them with torchrun ({reason})") from None
        atexit.register(dist.destroy_process_group)
    return (Sharded if name == "sharded" else Replicated)(dist.get_rank(), dist.get_world_size())


@contextmanager
def _peers_required(messages: Sequence[str] = ("",)) -> Iterator[None]:
    """Raises LmzooError where another process has stopped, of which an error has one of `messages`."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        if not any(message in str(error) for message in messages):
            raise
        reason = str(error).splitlines()[0][:150]
        raise LmzooError(f"another process of this training has stopped or cannot be reached: {reason}") from None
