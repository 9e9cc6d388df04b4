"""GPT-1 and GPT-2 in and out: folders of Hugging Face `transformers`, and OpenAI's published weights.

    config.json                     sizes and settings
    model.safetensors               the weights, or model.safetensors.index.json and the files that it names
    tokenizer.json, …               the tokenizer: see gpt2_tokenizer

Nothing is unpickled: a folder whose weights are only in pytorch_model.bin is refused.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lmzoo.data import corpus
from lmzoo.data.download import File, obtain
from lmzoo.drafts import draft_folder_of, reserved, temporary_folder
from lmzoo.errors import DownloadError, FormatError, LmzooError, UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.files import open_file
from lmzoo.formats import gpt2_tokenizer, gpt_forms
from lmzoo.formats.gpt_forms import Form
from lmzoo.interface import Progress
from lmzoo.models.gpt import GPT
from lmzoo.runs import store

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
# The revision whose files are fetched by name. Its sizes and checksums were compared with those that other projects
# pin; for the larger models none were found, so those are read from a folder only.
_ORIGIN = "https://huggingface.co/openai-community/gpt2/resolve/607a30d783dfa663caf39e06633721c8d4cfcd7e"
PUBLISHED = {
    "gpt2": tuple(
        File(f"gpt2/{name}", size, sha256, f"{_ORIGIN}/{name}")
        for name, size, sha256 in (
            ("config.json", 665, "0daed7749b4f02b8f76240d5444551d7b08712dab4d0adb8239c56ba823bb7b4"),
            ("vocab.json", 1_042_301, "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783"),
            ("merges.txt", 456_318, "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"),
            (WEIGHTS, 548_105_171, "248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707"),
        )
    )
}

TABLES = ("embedding.weight", "output.weight")  # with a row for each token
# Of torch.compile, of distributed training, and of models with a head.
PREFIXES = re.compile(r"^(_orig_mod\.|module\.|transformer\.)+")


def fetch(name: str, progress: Progress | None = None) -> Path:
    """The folder in the cache that has the published model `name`, from the mirror LMZOO_MIRROR or its origin.

    Raises UsageError for another name, DownloadError where a file is available nowhere or the cache is not writable.
    """
    if name not in PUBLISHED:
        names = ", ".join(PUBLISHED)
        raise UsageError(f"no published model {name!r} is known, only {names}: give the folder of a downloaded one")
    cache = corpus.cache_folder()
    for file in PUBLISHED[name]:
        if not obtain(file, cache, os.environ.get("LMZOO_MIRROR", ""), progress).cached:
            raise DownloadError(f"{file.path} cannot be written into the cache {cache}: set LMZOO_CACHE to a folder")
    return cache / name


# ── Import ────────────────────────────────────────────────────────────────────────────────────────────


def read(folder: str | Path) -> TextModel:
    """The model and tokenizer of a folder. Raises FormatError for one that is incomplete or no GPT-1 or GPT-2."""
    folder = Path(folder)
    config = _read_json(folder / "config.json")
    model, form, vocab_size = gpt_forms.settings(config, folder)
    with ExitStack() as stack:
        theirs = open_weights(folder, stack)
        notes = _untie(model, form, theirs)
        notes += _check_weights(model, form, vocab_size, theirs, folder)
        found = gpt2_tokenizer.read(folder, config, vocab_size)
        module = model.build(vocab_size)
        weights: dict[str, Tensor] = {}
        for name, their_name, transposed in gpt_forms.names(model):
            weight = theirs[their_name].load().float()
            weights[name] = weight.T if transposed else weight
            if name in TABLES and found.order != list(range(vocab_size)):
                weights[name] = weight[found.order]
    module.load_weights(weights)
    model.net_, model.vocab_size_, model.remarks = module.eval(), vocab_size, [*found.notes, *notes]
    return TextModel(model, found.tokenizer)


def _untie(model: GPT, form: Form, theirs: "dict[str, Weight]") -> list[str]:
    """Let a model that should be tied have the softmax's matrix of the file, where that is another, as transformers."""
    both = [theirs[name] for name in (f"{form.tokens}.weight", "lm_head.weight") if name in theirs]
    if not model.tied or len(both) < 2 or torch.equal(both[0].load(), both[1].load()):
        return []
    model.tied = False
    return ["lm_head.weight is not the embedding, so it is used, though config.json ties the two"]


def _check_weights(model: GPT, form: Form, vocab_size: int, theirs: "dict[str, Weight]", folder: Path) -> list[str]:
    """Notes on what is not read. Raises FormatError where config.json wants other weights, before they take memory."""
    expected = set()
    for name, shape in gpt_forms.shapes(model, vocab_size):
        expected.add(name)
        if name not in theirs:
            raise FormatError(f"{folder}: the weights lack {name}: are they a {form.name} of {model.layers} layers?")
        if theirs[name].shape != shape:
            raise FormatError(f"{folder}: {name} is {theirs[name].shape} where config.json wants {shape}")
        if theirs[name].kind not in ("F64", "F32", "F16", "BF16"):
            raise FormatError(f"{folder}: {name} has numbers of type {theirs[name].kind}, not F32, F16 or BF16")
    others = [
        name
        for name in theirs
        if name not in expected and not name.endswith((".attn.bias", ".attn.masked_bias", "position_ids"))
    ]
    if unknown := [name for name in others if name.startswith("h.")]:
        raise FormatError(
            f"{folder}: the weights have {unknown[0]}, which a {form.name} of {model.layers} layers has not"
        )
    heads = [name for name in others if name != "lm_head.weight"]  # the embedding again, where it is tied
    shown = ", ".join(heads[:3]) + ", …" * (len(heads) > 3)
    return [f"not read, for a language model has none such: {shown}"] if heads else []


def weight_files(folder: Path) -> list[str]:
    """The names of the weight files: one, or those in the index."""
    if not (folder / INDEX).is_file() or (folder / WEIGHTS).is_file():
        return [WEIGHTS]
    where = _read_json(folder / INDEX).get("weight_map")
    if not isinstance(where, dict) or not where or not all(isinstance(name, str) for name in where.values()):
        raise FormatError(f"{folder / INDEX} does not say in which file each weight is: fetch it again")
    return sorted({Path(name).name for name in where.values()})  # never outside the folder


@dataclass(frozen=True)
class Weight:
    """A weight in a file: its shape, the type of its numbers, and how to read it."""

    shape: tuple[int, ...]
    kind: str
    load: Callable[[], Tensor]


def open_weights(folder: Path, stack: ExitStack) -> dict[str, Weight]:
    """All weights by transformers' names, without what wrappers put before them; the files are open within `stack`."""
    weights: dict[str, Weight] = {}
    for name in weight_files(folder):
        path = folder / name
        if not path.is_file():
            pickled = (folder / "pytorch_model.bin").exists()
            hint = ", only pickled weights, which could run any code: save it anew as safetensors" if pickled else ""
            raise FormatError(f"{folder} has no {path.name}{hint}")
        try:
            open_file(path).close()  # only a regular file
            file = stack.enter_context(safe_open(path, "pt"))
            for key in file.keys():  # noqa: SIM118
                part = file.get_slice(key)
                weight = Weight(tuple(part.get_shape()), part.get_dtype(), partial(file.get_tensor, key))
                if weights.setdefault(PREFIXES.sub("", key), weight) is not weight:
                    raise FormatError(f"{path} has {key} a second time")
        except (SafetensorError, OSError, ValueError) as error:
            raise FormatError(f"{path} is not a whole safetensors file: {error}") from None
    return weights


def _read_json(path: Path) -> dict[str, Any]:
    return gpt2_tokenizer.read_json(path, dict[str, Any])


# ── Export ───────────────────────────────────────────────────────────────────────────────────────────


def write(text_model: TextModel, folder: str | Path, overwrite: bool = False) -> list[str]:
    """Write a folder that transformers loads as GPT2LMHeadModel or, of a model in GPT-1's form, OpenAIGPTLMHeadModel;
    returns the names of its files.

    Raises UsageError for a setting that neither has, and for an existing folder unless `overwrite`. The
    tokenizer is written where transformers has an equivalent (byte pairs or bytes).
    """
    model, tokenizer = text_model
    folder = Path(folder)
    config = gpt_forms.config_of(model)
    check_place(folder, overwrite)
    weights = {theirs: model.net_.weights()[ours] for ours, theirs, _ in gpt_forms.names(model)}
    transposed = {theirs for _, theirs, transposed in gpt_forms.names(model) if transposed}
    tensors = {
        name if name.startswith("lm_head") else f"transformer.{name}": (value.T if name in transposed else value)
        .contiguous()
        .cpu()
        for name, value in weights.items()
    }
    try:
        replaces = folder.is_dir() and any(folder.iterdir())  # only those files: others in the folder stay
        with temporary_folder(folder) if replaces else draft_folder_of(folder, overwrite=False) as draft:
            save_file(tensors, draft / WEIGHTS, {"format": "pt"})
            gpt2_tokenizer.write_json(draft / "config.json", config)
            gpt2_tokenizer.write(tokenizer, model.window, draft)
            files = sorted(path.name for path in draft.iterdir())
            for file in files if replaces else ():
                os.replace(draft / file, folder / file)
    except (OSError, SafetensorError) as error:
        raise LmzooError(f"{folder} could not be written: {getattr(error, 'strerror', None) or error}") from None
    return files


@contextmanager
def claimed(folder: Path, overwrite: bool = False) -> Iterator[None]:
    """Hold the folder from before any work until it is written. Raises UsageError where it cannot be."""
    with ExitStack() as stack:
        try:
            stack.enter_context(reserved(folder))
        except OSError as error:
            raise UsageError(f"{folder} cannot be written: {error.strerror}; choose another place") from None
        check_place(folder, overwrite)
        yield


def check_place(folder: Path, overwrite: bool) -> None:
    """Raise UsageError where a model cannot be written into `folder`."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file: a model is written as a folder")
    if folder.is_dir() and any(folder.iterdir()):
        if not overwrite:
            raise UsageError(f"{folder} exists already: choose another name, or give --overwrite to replace its files")
        theirs = any((folder / part / "config.json").is_file() for part in ("", "discriminator"))  # an ELECTRA has two
        if (folder / store.SUMS).exists() or not theirs:
            raise UsageError(f"{folder} is no folder of a Hugging Face model, so nothing in it is overwritten")
