"""A training on disk, to go on from: one safetensors file, written beside its place and renamed into it.

It holds every tensor that the next step depends on, and in its header the facts (step, seconds, what was being
trained on what) and a checksum. There is no pickle in it.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from lmzoo.errors import FormatError, LmzooError, UsageError
from lmzoo.interface import Ids, Run
from lmzoo.neural.device import Means
from lmzoo.neural.training.batches import Share

FORMAT = 1  # one more whenever what a checkpoint holds is changed
Tensors = dict[str, torch.Tensor]


def path(folder: Path) -> Path:
    """Where in a folder it is."""
    return folder / "checkpoint.safetensors"


def fingerprint(
    model: str, config: dict[str, Any], texts: dict[str, Ids], vocab_size: int, run: Run, means: Means, share: Share
) -> dict[str, Any]:
    """What a checkpoint is of: another training's would lead to numbers that no uninterrupted run gives."""
    budget = {name: getattr(run, name) for name in ("steps", "tokens", "flops", "seconds")}
    return {
        "format of checkpoints": FORMAT,
        "model": model,
        "setting": config,
        "vocabulary": vocab_size,
        **{f"{name} text": _digest_of_ids(ids) for name, ids in texts.items()},
        "seed": run.seed,
        "budget of": budget,
        "precision": "bfloat16" if means.bf16 else "float32",
        "number of processes": share.of,
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
    header = {"facts": text, "sha256": _digest(tensors, text)}
    place = path(folder)
    draft = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, draft, header)
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        draft.replace(place)
    except (OSError, SafetensorError) as error:
        why = getattr(error, "strerror", None) or error
        raise LmzooError(f"{place} could not be written: {why}; an older one there is still whole") from None
    finally:
        draft.unlink(missing_ok=True)


def read(folder: Path, wanted: dict[str, Any]) -> tuple[Tensors, dict[str, Any]]:
    """The tensors and facts of the checkpoint in `folder`, which must be of `wanted`, a `fingerprint`.

    Raises UsageError where there is none or it is another training's, FormatError where it is damaged, cut short or
    something else.
    """
    place = path(folder)
    if not place.is_file():
        raise UsageError(f"there is nothing to resume: {place} does not exist; train without --resume")
    try:
        with safe_open(place, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is no dict)
        facts = json.loads(header["facts"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise FormatError(f"{place} is cut short, or no checkpoint ({error}): --overwrite begins anew") from None
    if header.get("sha256") != _digest(tensors, header["facts"]):
        raise FormatError(f"{place} is damaged: its contents do not match its checksum; --overwrite begins anew")
    _refuse_another(place, facts.get("of", {}), json.loads(json.dumps(wanted)))
    return tensors, facts


def _refuse_another(place: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    for key, has in wanted.items():
        had = found.get(key)
        if had == has:
            continue
        what = key
        if isinstance(had, dict) and isinstance(has, dict):  # of many settings, the first that differs
            inner = next(k for k in {**has, **had} if had.get(k) != has.get(k))
            what, had, has = f"{key} {inner}", had.get(inner), has.get(inner)
        told = "" if key.endswith("text") else f" ({had}, and now {has})"
        raise UsageError(f"{place} is of a training with another {what}{told}: resume with what it began with")


def _digest(tensors: Tensors, text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for key in sorted(tensors):
        digest.update(f"{key} {tensors[key].dtype} {tuple(tensors[key].shape)}".encode())
        digest.update(tensors[key].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def of_optimizers(optimizers: list[torch.optim.Optimizer]) -> Tensors:
    """What the optimisers remember, as tensors by name."""
    return {
        f"optimizer.{n}.{weight}.{key}": value
        for n, optimizer in enumerate(optimizers)
        for weight, memory in optimizer.state_dict()["state"].items()
        for key, value in memory.items()
        if isinstance(value, torch.Tensor)
    }


def to_optimizers(optimizers: list[torch.optim.Optimizer], tensors: Tensors) -> None:
    """The inverse of `of_optimizers`."""
    for n, optimizer in enumerate(optimizers):
        state: dict[int, Tensors] = {}
        for name, value in tensors.items():
            if name.startswith(f"optimizer.{n}."):
                _, _, weight, key = name.split(".", 3)
                state.setdefault(int(weight), {})[key] = value
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def of_random_numbers(device: torch.device) -> Tensors:
    """Where the random numbers of dropout stand."""
    gpu = {"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {}
    return {"cpu": torch.get_rng_state(), **gpu}


def to_random_numbers(device: torch.device, states: Tensors) -> None:
    """The inverse of `of_random_numbers`."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)


def part(tensors: Tensors, prefix: str) -> Tensors:
    """The tensors whose names begin with `prefix.`, without it."""
    return {key[len(prefix) + 1 :]: value for key, value in tensors.items() if key.startswith(prefix + ".")}
