"""A checkpoint of a training: one safetensors file, written to a temporary name and renamed.

It holds every tensor that the next step depends on. Its header has the numbers (step, seconds, which training it is)
as JSON and a checksum. Nothing is pickled.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from lmzoo.drafts import draft_of
from lmzoo.errors import FormatError, LmzooError, UsageError
from lmzoo.files import open_file, typed
from lmzoo.interface import Data, Ids, Run
from lmzoo.neural.device import Compute
from lmzoo.neural.training.parallel import Parallel

FORMAT = 4  # to be raised whenever the contents of a checkpoint change
SHARDED = "checkpoint.sharded"  # the folder of one whose weights several processes share: see `shards`
Tensors = dict[str, torch.Tensor]


def path(folder: Path) -> Path:
    """The checkpoint's file in a folder."""
    return folder / "checkpoint.safetensors"


def fingerprint(
    model: str, config: dict[str, Any], data: Data, run: Run, compute: Compute, parallel: Parallel
) -> dict[str, Any]:
    """Which training a checkpoint belongs to: resuming another would give numbers that no uninterrupted run gives."""
    budget = {name: getattr(run, name) for name in ("steps", "tokens", "flops", "seconds")}
    processes: dict[str, Any] = {"number of processes": parallel.size}
    if parallel.sharded:  # any number of processes can go on with the same steps
        processes = {"number of rows in a step (--batch, times the processes)": config["batch"] * parallel.size}
        config = {name: value for name, value in config.items() if name not in ("batch", "accumulate")}
    return {
        "format of checkpoints": FORMAT,
        "model": model,
        "setting": config,
        "vocabulary": data.vocab_size,
        "training text": _digest_of_ids(data.train) + (" by lines" if data.lines else ""),
        "validation text": _digest_of_ids(data.valid),
        "seed": run.seed,
        "budget of": budget,
        "number of checkpoints to keep": run.checkpoints,
        "start (--from, --vectors, --freeze)": run.start and run.start.digest[:12],
        "precision": "bfloat16" if compute.bf16 else "float32",
        **processes,
    }


def _digest_of_ids(ids: Ids) -> str:
    digest = hashlib.sha256()
    for piece in np.array_split(ids, len(ids) // (1 << 22) + 1):  # a long text is not copied whole
        digest.update(np.ascontiguousarray(piece, dtype=np.int32).data)
    return digest.hexdigest()


def write(folder: Path, tensors: Tensors, facts: dict[str, Any]) -> None:
    """Write or replace the checkpoint in `folder`. Raises LmzooError where it cannot be written."""
    tensors = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    text = json.dumps(facts, sort_keys=True)
    header = {"facts": text, "sha256": _digest(tensors, text)}  # safetensors checks sizes only, not contents
    place = path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with draft_of(place) as temporary:
            save_file(tensors, temporary, header)
    except (OSError, SafetensorError) as error:
        why = getattr(error, "strerror", None) or error
        raise LmzooError(f"{place} could not be written: {why}; an older one there is still whole") from None


def read(folder: Path, expected: dict[str, Any]) -> tuple[Tensors, dict[str, Any]]:
    """The tensors and facts of the checkpoint in `folder`, which must have the `fingerprint` that is `expected`.

    Raises UsageError where there is none or it is of another training, FormatError where it is damaged, cut short or
    no checkpoint.
    """
    place = path(folder)
    if not place.is_file() and (folder / SHARDED).is_dir():
        raise UsageError(f"{folder} has the checkpoint of a training with --parallel sharded: resume it with that flag")
    if not place.is_file():
        raise UsageError(f"there is nothing to resume: {place} does not exist; train without --resume")
    try:
        open_file(place).close()  # only a regular file
        with safe_open(place, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is no dict)
        # Not `parse_json`: before the first validation the best loss is infinite.
        facts = typed(json.loads(header["facts"]), dict[str, Any], place)
    except (SafetensorError, OSError, KeyError, ValueError, RecursionError, UsageError) as error:
        raise FormatError(f"{place} is cut short, or no checkpoint ({error}): --overwrite begins anew") from None
    if header.get("sha256") != _digest(tensors, header["facts"]):
        raise FormatError(f"{place} is damaged: its contents do not match its checksum; --overwrite begins anew")
    # Through JSON, as tuples come back as lists.
    compare(place, facts.get("of", {}), json.loads(json.dumps(expected)))
    return tensors, facts


def compare(place: Path, saved: dict[str, Any], expected: dict[str, Any]) -> None:
    """Raise UsageError where the checkpoint at `place` is of another training than is `expected`."""
    for key, now in expected.items():
        before = saved.get(key)
        if before == now:
            continue
        what = key
        if isinstance(before, dict) and isinstance(now, dict):  # of many settings, the first that differs
            inner = next(name for name in {**now, **before} if before.get(name) != now.get(name))
            what, before, now = f"{key} {inner}", before.get(inner), now.get(inner)
        values = "" if key.endswith("text") else f" ({before}, and now {now})"
        raise UsageError(f"{place} is of a training with another {what}{values}: resume with what it began with")


def _digest(tensors: Tensors, text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for key in sorted(tensors):
        digest.update(f"{key} {tensors[key].dtype} {tuple(tensors[key].shape)}".encode())
        digest.update(tensors[key].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def optimizer_state(optimizers: list[torch.optim.Optimizer]) -> Tensors:
    """The state of the optimisers (moments, step counts) by name."""
    return {
        f"optimizer.{n}.{weight}.{key}": value
        for n, optimizer in enumerate(optimizers)
        for weight, state in optimizer.state_dict()["state"].items()
        for key, value in state.items()
        if isinstance(value, torch.Tensor)
    }


def load_optimizer_state(optimizers: list[torch.optim.Optimizer], tensors: Tensors) -> None:
    """The inverse of `optimizer_state`."""
    for n, optimizer in enumerate(optimizers):
        state: dict[int, Tensors] = {}
        for name, value in tensors.items():
            if name.startswith(f"optimizer.{n}."):
                _, _, weight, key = name.split(".", 3)
                state.setdefault(int(weight), {})[key] = value
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def rng_state(device: torch.device) -> Tensors:
    """The state of the random number generators, which dropout draws from."""
    gpu = {"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {}
    return {"cpu": torch.get_rng_state(), **gpu}


def load_rng_state(device: torch.device, states: Tensors) -> None:
    """The inverse of `rng_state`."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)


def in_order(tensors: Tensors, device: torch.device) -> list[torch.Tensor]:
    """Tensors named 0, 1, …, on the device."""
    return [tensors[str(n)].to(device) for n in range(len(tensors))]


def under(tensors: Tensors, prefix: str) -> Tensors:
    """The tensors whose names begin with `prefix.`, by the rest of their names."""
    return {key[len(prefix) + 1 :]: value for key, value in tensors.items() if key.startswith(prefix + ".")}
