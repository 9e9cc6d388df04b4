"""The checkpoint of a training whose processes share the weights: a folder with a safetensors file of each process.

PyTorch's torch.distributed.checkpoint decides which rows each process writes, and which it reads of which file, so
another number of processes can go on. Its own format describes the files in a pickle; its Hugging Face format, used
here, does so as JSON in each file's header. `facts.json` has the numbers and a checksum of each file. The folder gets
its name once all of it is on the disk.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lmzoo.drafts import DRAFT, draft_folder_of
from lmzoo.errors import FormatError, LmzooError, UsageError
from lmzoo.files import read_text, sha256_of, typed
from lmzoo.neural.module import Module
from lmzoo.neural.training.checkpoint import SHARDED, Tensors, compare
from lmzoo.neural.training.parallel import Parallel

FACTS = "facts.json"


def write(folder: Path, tensors: Tensors, facts: dict[str, Any], parallel: Parallel) -> None:
    """Write or replace the checkpoint in `folder`, which all processes must see: each writes its rows of `tensors`.

    Raises LmzooError where it cannot be written.
    """
    from torch.distributed import checkpoint
    from torch.distributed.checkpoint import HuggingFaceStorageWriter

    place, number = folder / SHARDED, 0
    with _failures(f"{place} could not be written", "; an older one there is still whole"), ExitStack() as stack:
        if parallel.rank == 0:
            number = int(stack.enter_context(draft_folder_of(place)).name.removeprefix(DRAFT), 16)
        draft = folder / f"{DRAFT}{int(parallel.agree([number])[0]):012x}"  # 48 bits, which a float holds exactly
        checkpoint.save(tensors, storage_writer=HuggingFaceStorageWriter(str(draft), save_distributed=True))
        (own,) = draft.glob(f"shard-{parallel.rank + 1:05}-*")
        digests = parallel.gather(torch.frombuffer(bytearray.fromhex(sha256_of(own)), dtype=torch.uint8))
        if parallel.rank == 0:
            names = sorted(file.name for file in draft.iterdir())
            shards = {name: bytes(row.tolist()).hex() for name, row in zip(names, digests, strict=True)}
            text = json.dumps({"shards": shards, **facts}, sort_keys=True)
            (draft / FACTS).write_text(f"{hashlib.sha256(text.encode()).hexdigest()} {text}", encoding="utf-8")


def read(
    folder: Path, expected: dict[str, Any], module: Module, optimizers: list[torch.optim.Optimizer], parallel: Parallel
) -> tuple[Tensors, dict[str, Any]]:
    """This process's rows of the tensors of the checkpoint in `folder`, those of `module` in their place, and facts.

    Raises as `checkpoint.read`.
    """
    from torch.distributed import checkpoint
    from torch.distributed.checkpoint import HuggingFaceStorageReader

    place = folder / SHARDED
    if not (place / FACTS).is_file():
        raise UsageError(f"there is nothing to resume: {place} has no {FACTS}; train without --resume")
    digest, _, text = read_text(place / FACTS).partition(" ")
    if hashlib.sha256(text.encode()).hexdigest() != digest:
        raise FormatError(
            f"{place / FACTS} is damaged: its contents do not match its checksum; --overwrite begins anew"
        )
    facts = typed(json.loads(text), dict[str, Any], place / FACTS)  # not `parse_json`: the best loss may be infinite
    compare(place, facts.get("of", {}), json.loads(json.dumps(expected)))
    _verify(place, facts["shards"], parallel)
    with _failures(f"{place} cannot be read", "; --overwrite begins anew"):
        reader = HuggingFaceStorageReader(str(place))
        targets = _targets(reader.read_metadata().state_dict_metadata, module, optimizers)
        checkpoint.load(targets, storage_reader=reader)
    return targets, facts


def _verify(place: Path, shards: dict[str, str], parallel: Parallel) -> None:
    """Raise FormatError, in all processes, for a file that is missing or damaged; each looks at some of them."""
    names = sorted({*shards, *(file.name for file in place.glob("*.safetensors"))})
    bad = -1
    for n in range(parallel.rank, len(names), parallel.size):
        file = place / names[n]
        bad = bad if file.is_file() and sha256_of(file) == shards.get(names[n]) else n
    if (worst := int(parallel.gather(torch.tensor(bad)).max())) >= 0:
        raise FormatError(
            f"{place / names[worst]} is missing, damaged or of another checkpoint: --overwrite begins anew"
        )


def _targets(found: dict[str, Any], module: Module, optimizers: list[torch.optim.Optimizer]) -> Tensors:
    """Where each tensor of a checkpoint is read to: what has a weight's shape is shared as that weight is."""
    weights, in_order = module.weights(), list(module.parameters())
    trained = [[weight for group in optimizer.param_groups for weight in group["params"]] for optimizer in optimizers]

    def target(name: str, like: Any) -> Tensor:
        kind, _, rest = name.partition(".")
        if kind == "module":
            return weights[rest]
        if kind == "best":
            return torch.empty_like(weights[rest], device="cpu")
        if kind == "mean":
            return torch.empty_like(in_order[int(rest)]).detach()
        if kind == "optimizer":
            number, weight, _ = rest.split(".", 2)
            of = trained[int(number)][int(weight)]
            if of.shape == like.size:
                return torch.empty_like(of).detach()
        return torch.empty(like.size, dtype=like.properties.dtype)

    return {name: target(name, like) for name, like in found.items()}


@contextmanager
def _failures(what: str, advice: str) -> Iterator[None]:
    """LmzooError where a process could not read or write: PyTorch tells all of them, by an exception of its own."""
    from torch.distributed.checkpoint import CheckpointException

    try:
        yield
    except (OSError, CheckpointException) as error:
        failed = next(iter(error.failures.values()))[0] if isinstance(error, CheckpointException) else error
        raise LmzooError(f"{what}: {getattr(failed, 'strerror', None) or failed}{advice}") from None
