"""GPT-2 import and export: folders of Hugging Face `transformers`, and OpenAI's published weights.

    config.json                     sizes and settings
    model.safetensors               the weights, or model.safetensors.index.json and the files that it names
    vocab.json, merges.txt          the tokenizer, or tokenizer.json

Nothing is unpickled: a folder whose weights are only in pytorch_model.bin is refused.
"""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lmzoo.data import corpus
from lmzoo.data.download import File, obtain
from lmzoo.data.tokenizers import Bpe, Byte, Tokenizer
from lmzoo.drafts import draft_folder_of, reserved, temporary_folder
from lmzoo.errors import DownloadError, FormatError, LmzooError, UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.files import TEXTS, open_file, parse_json, read_text, typed
from lmzoo.interface import Progress
from lmzoo.models.gpt import GPT
from lmzoo.runs import store

END = "<|endoftext|>"
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
# Values of transformers' settings that can be read, the default first.
READABLE: dict[str, tuple[Any, ...]] = {
    "activation_function": ("gelu_new", "gelu_pytorch_tanh"), "layer_norm_epsilon": (1e-5,), "n_inner": (None,),
    "scale_attn_weights": (True,), "scale_attn_by_inverse_layer_idx": (False,), "add_cross_attention": (False,),
}  # fmt: skip


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
    tokenizer, theirs = _tokenizer(folder), _weights(folder)
    vocab_size = config.get("vocab_size", 50_257)
    if tokenizer.vocab_size != vocab_size:
        raise FormatError(f"{folder}: config.json has {vocab_size} tokens and its tokenizer {tokenizer.vocab_size}")
    _check_sizes(model, theirs, folder)
    module = model.build(vocab_size)
    expected: dict[str, Tensor] = module.weights()
    weights: dict[str, Tensor] = {}
    for name, their_name, transposed in _names(model):
        weight = theirs.pop(their_name).float()
        weights[name] = weight.T if transposed and weight.ndim == 2 else weight
        if weights[name].shape != expected[name].shape:
            shape = tuple(expected[name].T.shape if transposed else expected[name].shape)
            raise FormatError(f"{folder}: {their_name} is {tuple(weight.shape)} where config.json wants {shape}")
    if unknown := [name for name in theirs if not _is_ignored(name)]:
        raise FormatError(f"{folder}: the weights have {unknown[0]}, which a GPT-2 of {model.layers} layers has not")
    module.load_weights(weights)
    model.net_, model.vocab_size_ = module.eval(), vocab_size
    return TextModel(model, tokenizer)


def _check_sizes(model: GPT, theirs: dict[str, Tensor], folder: Path) -> None:
    """Raise FormatError where config.json wants more layers or wider ones than there are, before they take memory."""
    for _, name, _ in _names(model):
        if name not in theirs:
            raise FormatError(f"{folder}: the weights lack {name}: are they a GPT-2 of {model.layers} layers?")
    shape, wanted = tuple(theirs["wpe.weight"].shape), (model.window, model.width)
    if shape != wanted:
        raise FormatError(f"{folder}: wpe.weight is {shape} where config.json wants {wanted}")


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


def _is_ignored(name: str) -> bool:
    """The causal mask, which older versions saved, and the softmax's matrix where it is tied to the embedding."""
    return name.endswith((".attn.bias", ".attn.masked_bias")) or name == "lm_head.weight"


def weight_files(folder: Path) -> list[str]:
    """The names of the weight files: one, or those in the index."""
    if not (folder / INDEX).is_file() or (folder / WEIGHTS).is_file():
        return [WEIGHTS]
    where = _read_json(folder / INDEX).get("weight_map")
    if not isinstance(where, dict) or not where or not all(isinstance(name, str) for name in where.values()):
        raise FormatError(f"{folder / INDEX} does not say in which file each weight is: fetch it again")
    return sorted({Path(name).name for name in where.values()})  # never outside the folder


def _weights(folder: Path) -> dict[str, Tensor]:
    """All weights by transformers' names, without the prefix `transformer.` that some have."""
    weights: dict[str, Tensor] = {}
    for name in weight_files(folder):
        path = folder / name
        if not path.is_file():
            pickled = (folder / "pytorch_model.bin").exists()
            hint = ", only pickled weights, which could run any code: save it anew as safetensors" if pickled else ""
            raise FormatError(f"{folder} has no {path.name}{hint}")
        try:
            open_file(path).close()  # only a regular file
            weights |= load_file(path)
        except (SafetensorError, OSError, ValueError) as error:
            raise FormatError(f"{path} is not a whole safetensors file: {error}") from None
    return {name.removeprefix("transformer."): value for name, value in weights.items()}


def _tokenizer(folder: Path) -> Bpe:
    """The byte-pair tokenizer, with ids in GPT-2's order or in ours: bytes, merges, `end`."""
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        vocabulary = _read_json(folder / "vocab.json")
        lines = _read_text(folder / "merges.txt").split("\n")
        merges = [line for line in lines if line and not line.startswith("#version")]
    elif (folder / "tokenizer.json").is_file():
        vocabulary, merges = _from_tokenizer_json(folder)
    else:
        raise FormatError(f"{folder} has no tokenizer: put its vocab.json and merges.txt, or tokenizer.json, there")
    for spec in ("gpt2", f"bpe:{len(vocabulary)}"):
        text = Bpe(spec, merges, lines=False)
        if vocabulary == {**text.ids_of_tokens, END: text.end}:
            return text
    raise FormatError(
        f"{folder}: its vocabulary is not that of byte pairs alone, first the 256 bytes, then each merge, then {END}: "
        "only such can be read"
    )


def _from_tokenizer_json(folder: Path) -> tuple[dict[str, int], list[str]]:
    saved = _read_json(folder / "tokenizer.json")
    try:
        vocabulary = dict(saved["model"]["vocab"])
        vocabulary |= {token["content"]: token["id"] for token in saved.get("added_tokens", [])}
        merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in saved["model"]["merges"]]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise FormatError(f"{folder / 'tokenizer.json'} has no byte pairs in it") from None
    return vocabulary, merges


def _read_text(path: Path) -> str:
    try:
        return read_text(path, TEXTS)
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}") from None


def _read_json(path: Path) -> dict[str, Any]:
    return parse_json(_read_text(path), dict[str, Any], path)


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
            _write_json(draft / "config.json", _config(model))
            _write_tokenizer(tokenizer, model.window, draft)
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
        **dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), model.dropout),
        "initializer_range": 0.02,
        "bos_token_id": end,
        "eos_token_id": end,
        "tie_word_embeddings": model.tied,
        "dtype": "float32",
    }


def _write_tokenizer(text: Tokenizer, window: int, folder: Path) -> None:
    """Write a byte-pair tokenizer in transformers' files; nothing for any other kind."""
    if isinstance(text, Byte) and not text.lines:
        text = Bpe(f"bpe:{text.vocab_size}", [], lines=False)
    if not isinstance(text, Bpe) or text.lines:
        return
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    vocabulary = {**text.ids_of_tokens, END: text.end}
    pairs = [(left, right) for left, _, right in (merge.partition(" ") for merge in text.merges)]
    fast = Tokenizer(models.BPE(vocabulary, pairs))
    fast.pre_tokenizer, fast.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    fast.add_special_tokens([AddedToken(END, special=True)])
    fast.save(str(folder / "tokenizer.json"))
    _write_json(folder / "vocab.json", vocabulary)
    merges = "".join(f"{merge}\n" for merge in text.merges)
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}", encoding="utf-8")
    ends = dict.fromkeys(("bos_token", "eos_token", "unk_token"), END)
    _write_json(
        folder / "tokenizer_config.json", {"tokenizer_class": "GPT2Tokenizer", "model_max_length": window, **ends}
    )


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
