"""A run on disk: a folder that anyone can read, and that nothing can hide in.

    config.json         format, model, its settings, the vocabulary's size
    model.safetensors   all that was learned, as plain arrays
    tokenizer.json      all that the tokenizer needs
    provenance.json     data and its hashes, seed, versions, machine, command
    SHA256SUMS          of the files above: `sha256sum -c SHA256SUMS` checks them by hand

There is no pickle and no code in it. It is written beside its place and renamed into it, so it is whole or absent.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from lmzoo import models, tokenizer
from lmzoo.errors import FormatError, LmzooError, UsageError
from lmzoo.interface import Model
from lmzoo.tokenizer import Tokenizer

FORMAT = 1
FILES = ("config.json", "model.safetensors", "tokenizer.json", "provenance.json")
SUMS = "SHA256SUMS"


def save(model: Model, text_tokenizer: Tokenizer, folder: str | Path, provenance: dict[str, Any] | None = None) -> Path:
    """Write a run; `folder` must not exist (see `claim`). Raises UsageError or LmzooError in one line."""
    from safetensors.numpy import save_file

    folder = Path(folder)
    cls = type(model)
    config = {
        "format": FORMAT,
        "model": model.name,
        "config": model.config(),
        "vocab_size": model.vocab_size_,
        # The code of a model from outside the zoo is not saved: who loads the run must say where it is.
        "outside": not cls.__module__.startswith("lmzoo.models."),
    }
    with _new_folder(folder) as draft:
        _write_json(draft / "config.json", config)
        save_file({k: np.asarray(v, order="C") for k, v in model.arrays().items()}, draft / "model.safetensors")
        _write_json(draft / "tokenizer.json", text_tokenizer.to_json())
        _write_json(draft / "provenance.json", provenance or {})
        sums = [f"{_sha256(draft / name)}  {name}\n" for name in FILES]
        (draft / SUMS).write_text("".join(sums), encoding="utf-8")
    return folder


def load(folder: str | Path, code: str | Path | None = None) -> tuple[Model, Tokenizer]:
    """Read a run back. `code` is the file of a model from outside the zoo.

    Raises UsageError where there is no run, FormatError (naming the file) where it is damaged or foreign.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    folder = Path(folder)
    verify(folder)
    config = read_config(folder)
    if config["outside"] and code is None:
        raise UsageError(f"{folder} was made by a model of your own: say which with --code FILE.py")
    cls = models.find(str(code) if code is not None else config["model"])
    try:
        model = cls(**config["config"])
        arrays = load_file(folder / "model.safetensors")
        model.restore(arrays)
        text_tokenizer = tokenizer.from_json(_read_json(folder / "tokenizer.json"))
        sizes = model.vocab_size_, text_tokenizer.vocab_size
    except SafetensorError as error:
        raise FormatError(f"{folder / 'model.safetensors'} is damaged: {error}") from None
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise FormatError(f"{folder} does not hold a {config['model']} of this version: {error}") from None
    if sizes[0] != sizes[1]:
        raise FormatError(f"{folder}: the model knows {sizes[0]} tokens, its tokenizer {sizes[1]}")
    return model, text_tokenizer


def verify(folder: Path) -> None:
    """Check every file against SHA256SUMS. Raises FormatError naming the first that differs."""
    if not folder.is_dir():
        raise UsageError(f"no run at {folder}: lmzoo train MODEL --out {folder} makes one")
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
        sums = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    except (OSError, ValueError):
        raise FormatError(f"{folder} is not a whole run: it has no readable {SUMS}") from None
    for name in FILES:
        path = folder / name
        if not path.is_file() or path.is_symlink():
            raise FormatError(f"{folder} is not a whole run: {name} is missing")
        if sums.get(name) != _sha256(path):
            raise FormatError(f"{path} is damaged: its contents do not match {SUMS}; train or copy the run again")


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a run, checked for the keys that every run has."""
    config = _read_json(folder / "config.json")
    if not isinstance(config, dict) or not {"format", "model", "config", "vocab_size"} <= set(config):
        raise FormatError(f"{folder / 'config.json'} is not a run's configuration")
    if config["format"] != FORMAT:
        raise FormatError(f"{folder} has format {config['format']}; this version of lmzoo reads format {FORMAT}")
    return {"outside": False, **config}


def read_provenance(folder: str | Path) -> dict[str, Any]:
    """provenance.json of a run: what it was trained on, how and where."""
    provenance = _read_json(Path(folder) / "provenance.json")
    return provenance if isinstance(provenance, dict) else {}


def bytes_on_disk(folder: str | Path) -> int:
    """The size of what a run must carry to predict: the model and its tokenizer."""
    return sum((Path(folder) / name).stat().st_size for name in ("model.safetensors", "tokenizer.json"))


def claim(folder: str | Path, overwrite: bool = False) -> None:
    """Make sure, before any work, that `folder` can be made. Raises UsageError saying why it cannot."""
    folder = Path(folder)
    if folder.exists() and not overwrite:
        raise UsageError(f"{folder} exists already: choose another --out, or give --overwrite to replace it")
    if folder.exists() and not (folder / SUMS).is_file():
        raise UsageError(f"{folder} is not a run, so it is not overwritten: choose another --out")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".lmzoo-"):
            pass
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}; choose another --out") from None


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """A draft folder beside `folder`, renamed onto it when all went well and removed when not."""
    claim(folder, overwrite=True)
    draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        yield draft
        for path in draft.iterdir():
            _sync(path)
        draft.chmod(0o755)
        old = Path(f"{draft}.old")
        if folder.exists():
            folder.rename(old)
        draft.rename(folder)
        _sync(folder.parent)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise LmzooError(f"{folder} could not be written: {error.strerror or error}; nothing was left there") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FormatError(f"{path} cannot be read: {error}") from None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
