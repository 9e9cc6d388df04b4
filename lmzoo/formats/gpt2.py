"""GPT-2 import and export: folders of Hugging Face `transformers`, and OpenAI's published weights.

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
from lmzoo.files import open_file, typed
from lmzoo.formats import gpt2_tokenizer
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

# The settings that a Hugging Face GPT-2 has only in this way.
FIXED = {"norm_first": True, "bias": True}
EXACT = ("gelu", "gelu_python")  # names of GELU itself, not its approximation
# Values of transformers' settings that can be read, the default first.
READABLE: dict[str, tuple[Any, ...]] = {
    "activation_function": ("gelu_new", "gelu_pytorch_tanh", *EXACT), "layer_norm_epsilon": (1e-5,), "n_inner": (None,),
    "scale_attn_weights": (True,), "scale_attn_by_inverse_layer_idx": (False,), "add_cross_attention": (False,),
}  # fmt: skip

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
    """The model and tokenizer of a folder. Raises FormatError for one that is incomplete or not a GPT-2."""
    folder = Path(folder)
    config = _read_json(folder / "config.json")
    model = _settings(config, folder)
    vocab_size = config.get("vocab_size", 50_257)
    with ExitStack() as stack:
        theirs = _weights(folder, stack)
        notes = _untie(model, theirs)
        notes += _check_weights(model, vocab_size, theirs, folder)
        found = gpt2_tokenizer.read(folder, config, vocab_size)
        module = model.build(vocab_size)
        weights: dict[str, Tensor] = {}
        for name, their_name, transposed in _names(model):
            weight = theirs[their_name].load().float()
            weights[name] = weight.T if transposed else weight
            if name in TABLES and found.order != list(range(vocab_size)):
                weights[name] = weight[found.order]
    module.load_weights(weights)
    model.net_, model.vocab_size_, model.remarks = module.eval(), vocab_size, [*found.notes, *notes]
    return TextModel(model, found.tokenizer)


def _untie(model: GPT, theirs: "dict[str, Weight]") -> list[str]:
    """Let a model that should be tied have the softmax's matrix of the file, where that is another, as transformers."""
    both = [theirs[name] for name in ("wte.weight", "lm_head.weight") if name in theirs]
    if not model.tied or len(both) < 2 or torch.equal(both[0].load(), both[1].load()):
        return []
    model.tied = False
    return ["lm_head.weight is not the embedding, so it is used, though config.json ties the two"]


def _check_weights(model: GPT, vocab_size: int, theirs: "dict[str, Weight]", folder: Path) -> list[str]:
    """Notes on what is not read. Raises FormatError where config.json wants other weights, before they take memory."""
    expected = set()
    for name, shape in _shapes(model, vocab_size):
        expected.add(name)
        if name not in theirs:
            raise FormatError(f"{folder}: the weights lack {name}: are they a GPT-2 of {model.layers} layers?")
        if theirs[name].shape != shape:
            raise FormatError(f"{folder}: {name} is {theirs[name].shape} where config.json wants {shape}")
        if theirs[name].kind not in ("F64", "F32", "F16", "BF16"):
            raise FormatError(f"{folder}: {name} has numbers of type {theirs[name].kind}, not F32, F16 or BF16")
    others = [
        name for name in theirs if name not in expected and not name.endswith((".attn.bias", ".attn.masked_bias"))
    ]
    if unknown := [name for name in others if name.startswith("h.")]:
        raise FormatError(f"{folder}: the weights have {unknown[0]}, which a GPT-2 of {model.layers} layers has not")
    heads = [name for name in others if name != "lm_head.weight"]  # the embedding again, where it is tied
    shown = ", ".join(heads[:3]) + ", …" * (len(heads) > 3)
    return [f"not read, for a language model has none such: {shown}"] if heads else []


def _settings(config: dict[str, Any], folder: Path) -> GPT:
    if config.get("model_type") != "gpt2":
        kind = config.get("model_type")
        raise FormatError(
            f"{folder}: config.json has {f'model_type {kind!r}' if kind else 'no model_type'}, not 'gpt2'"
        )
    sizes = {"n_layer": 12, "n_head": 12, "n_embd": 768, "n_positions": 1024, "vocab_size": 50_257}
    for name, default in sizes.items():
        sizes[name] = config.get(name, default)
        if type(sizes[name]) is not int or sizes[name] < 1:
            raise FormatError(f"{folder}: {name} in config.json must be a whole number from 1, not {sizes[name]!r}")
    for name, known in {**READABLE, "n_inner": (None, 4 * sizes["n_embd"])}.items():
        if config.get(name, known[0]) not in known:
            raise FormatError(f"{folder}: a gpt2 with {name} = {config[name]!r} cannot be read, only {known[0]!r}")
    own = {
        "layers": sizes["n_layer"],
        "heads": sizes["n_head"],
        "width": sizes["n_embd"],
        "window": sizes["n_positions"],
        "dropout": typed(config.get("resid_pdrop", 0.1), float, f"{folder}: resid_pdrop in config.json"),
        "exact_gelu": config.get("activation_function") in EXACT,
        "tied": config.get("tie_word_embeddings", True) is not False,
    }
    return GPT.from_config({**GPT.PRESETS["gpt2"], **own})


def _names(model: GPT) -> Iterator[tuple[str, str, bool]]:
    """Each weight's name here and in transformers, and whether it is transposed there.

    Matrices between layers are (in, out) there, as in OpenAI's Conv1D, and (out, in) here, as in PyTorch's Linear.
    """
    yield from [("embedding.weight", "wte.weight", False), ("positions.weight", "wpe.weight", False)]
    for n in range(model.layers):
        for ours, theirs, matrix in (
            ("norms.0", "ln_1", False),
            ("attention.qkv", "attn.c_attn", True),
            ("attention.out", "attn.c_proj", True),
            ("norms.1", "ln_2", False),
            ("mlp.up", "mlp.c_fc", True),
            ("mlp.down", "mlp.c_proj", True),
        ):
            for part in ("weight", "bias"):
                yield f"blocks.{n}.{ours}.{part}", f"h.{n}.{theirs}.{part}", matrix and part == "weight"
    yield from [("norm.weight", "ln_f.weight", False), ("norm.bias", "ln_f.bias", False)]
    if not model.tied:
        yield "output.weight", "lm_head.weight", False


def _shapes(model: GPT, vocab_size: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The shape of each weight in transformers."""
    width = model.width
    sizes: dict[str, tuple[int, ...]] = {"wte": (vocab_size, width), "wpe": (model.window, width)}
    sizes |= {"lm_head": (vocab_size, width), "attn.c_attn": (width, 3 * width), "attn.c_proj": (width, width)}
    sizes |= {"mlp.c_fc": (width, 4 * width), "mlp.c_proj": (4 * width, width)}
    for _, name, _ in _names(model):
        module, _, part = re.sub(r"^h\.\d+\.", "", name).rpartition(".")
        shape = sizes.get(module, (width,))
        yield name, shape if part == "weight" else shape[-1:]


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


def _weights(folder: Path, stack: ExitStack) -> dict[str, Weight]:
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
    """Write a folder that transformers loads as GPT2LMHeadModel; returns the names of its files.

    Raises UsageError for a setting that GPT-2 does not have, and for an existing folder unless `overwrite`. The
    tokenizer is written where transformers has an equivalent (byte pairs or bytes).
    """
    model, tokenizer = text_model
    folder = Path(folder)
    _check_architecture(model)
    _check_place(folder, overwrite)
    weights = {theirs: model.net_.weights()[ours] for ours, theirs, _ in _names(model)}
    transposed = {theirs for _, theirs, transposed in _names(model) if transposed}
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
            gpt2_tokenizer.write_json(draft / "config.json", _config(model))
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
        _check_place(folder, overwrite)
        yield


def _check_place(folder: Path, overwrite: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file: a gpt is written as a folder")
    if folder.is_dir() and any(folder.iterdir()):
        if not overwrite:
            raise UsageError(f"{folder} exists already: choose another name, or give --overwrite to replace its files")
        if (folder / store.SUMS).exists() or not (folder / "config.json").is_file():
            raise UsageError(f"{folder} is no folder of a Hugging Face model, so nothing in it is overwritten")


def _check_architecture(model: GPT) -> None:
    for name, wanted in FIXED.items():
        value = getattr(model, name)
        if value != wanted:
            raise UsageError(f"Hugging Face's GPT-2 has no {name} = {value!r}: only {wanted!r} can be exported")


def _config(model: GPT) -> dict[str, Any]:
    end = model.vocab_size_ - 1
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": model.vocab_size_,
        "n_positions": model.window,
        "n_embd": model.width,
        "n_layer": model.layers,
        "n_head": model.heads,
        **{name: known[0] for name, known in READABLE.items()},
        **({"activation_function": EXACT[0]} if model.exact_gelu else {}),
        **dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), model.dropout),
        "initializer_range": 0.02,
        "bos_token_id": end,
        "eos_token_id": end,
        "tie_word_embeddings": model.tied,
        "dtype": "float32",
    }
