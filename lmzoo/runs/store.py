"""A run on disk: a folder of plain files, without pickle or code, that is whole or absent.

config.json         format, model, settings, vocabulary size
model.safetensors   the learned parameters, as plain arrays
tokenizer.json      the tokenizer
provenance.json     data and its hashes, seed, versions, machine, command
metrics.jsonl       the learning curve, of a model that trains by steps
SHA256SUMS          checksums of the files above: `sha256sum -c SHA256SUMS`
checkpoints/stepN   runs themselves: the model after N steps, with `--checkpoints`; provenance.json lists them
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from safetensors import SafetensorError

from lmzoo import drafts, files, models
from lmzoo.data import plain, tokenizers
from lmzoo.errors import FormatError, LmzooError, UsageError, is_out_of_memory, naming, nearest, one_line
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Array, Model
from lmzoo.runs import tensors, upgrade

FORMAT = 1
FILES = ("config.json", "model.safetensors", "tokenizer.json", "provenance.json")  # the first three identify a run
METRICS = "metrics.jsonl"
SUMS = "SHA256SUMS"
RUNS = Path("runs")  # where runs are saved, unless the user says otherwise


class Config(TypedDict):
    """config.json of a run."""

    format: int
    model: str
    config: dict[str, Any]
    vocab_size: int
    outside: bool


class Point(TypedDict):
    """A point of a training: what has been read, and losses as in metrics.jsonl."""

    step: int
    tokens: int
    seconds: float
    train_nats_per_token: NotRequired[float]
    valid_nats_per_token: NotRequired[float]
    train_nats_per_blank: NotRequired[float]  # of a masked model
    valid_nats_per_blank: NotRequired[float]
    train_nats_per_target: NotRequired[float]  # a token of a target, of a text-to-text model
    valid_nats_per_target: NotRequired[float]


class Learned(TypedDict, total=False):
    """A text that a training read."""

    corpus: str | None
    sha256: dict[str, str]
    refit: bool | None


class Provenance(TypedDict, total=False):
    """What is read of a run's provenance.json; there is more in it for people."""

    corpus: str | None
    corpus_path: str | None
    corpus_parts: dict[str, Any] | None
    sha256: dict[str, str]
    refit: bool | None
    lines: bool | None
    remarks: list[str]
    training_seconds: float | None
    peak_bytes: int | None
    checkpoints: list[Point]
    parent: dict[str, Any]  # the run that its training went on from
    earlier: list[Learned]  # what that had learned, the latest first


def save(
    text_model: TextModel,
    folder: str | Path,
    provenance: dict[str, Any] | None = None,
    history: Sequence[dict[str, Any]] = (),
    overwrite: bool = False,
    unfinished: Path | None = None,
) -> Path:
    """Write a run, with the checkpoints that its provenance lists and the folder of its training, `unfinished`, holds.

    If something is there that is not to be replaced, it is kept beside it, and TakenError says where.

    Raises UsageError or LmzooError in one line.
    """
    model, tokenizer = text_model
    folder = Path(folder)
    config = {
        "format": FORMAT,
        "model": model.name,
        "config": model.config(),
        "vocab_size": model.vocab_size_,
        # The code of a model from outside the package is not saved: loading the run needs its file.
        "outside": not type(model).__module__.startswith("lmzoo.models."),
    }
    with _new_folder(folder, overwrite) as draft:
        _write_json(draft / "config.json", config)
        tensors.write(draft / "model.safetensors", _as_numbers(model))
        _write_json(draft / "tokenizer.json", tokenizer.to_json())
        _write_json(draft / "provenance.json", provenance or {})
        names: tuple[str, ...] = FILES
        if history:
            lines = [json.dumps(figures) + "\n" for figures in history]
            (draft / METRICS).write_text("".join(lines), encoding="utf-8")
            names = (*FILES, METRICS)
        sums = [f"{files.sha256_of(draft / name)}  {name}\n" for name in names]
        (draft / SUMS).write_text("".join(sums), encoding="utf-8")
        if unfinished:
            for point in (provenance or {}).get("checkpoints", []):
                own, copy = (checkpoint(place, point["step"]) for place in (unfinished, draft))
                shutil.copytree(own, copy, copy_function=_link)
    return folder


def _link(source: str, copy: str) -> None:
    """A second name of the file instead of a second copy, where the disk has such."""
    try:
        os.link(source, copy)
    except OSError:
        shutil.copy2(source, copy)


def checkpoint(folder: str | Path, step: int) -> Path:
    """The run in a run that is the model after so many steps of its training."""
    return Path(folder) / "checkpoints" / f"step{step}"


def _as_numbers(model: Model) -> dict[str, Array]:
    with naming(model.name):
        return plain.to_arrays(model.arrays())


def load(folder: str | Path, code: str | Path | None = None, device: str | None = None) -> TextModel:
    """Read a run back, on to a `device` if one is named. `code` is the file of a model from outside the package.

    Raises UsageError where there is no run, FormatError (naming the file) where it is damaged or foreign.
    """
    folder = Path(folder)
    with ThreadPoolExecutor(1) as pool:  # hashing a big model takes as long as reading its vocabulary
        verified = pool.submit(verify, folder)
        try:
            loaded = _load(folder, code)
        except LmzooError:
            verified.result()  # a damaged file is the likelier cause, so that error comes first
            raise
        verified.result()
    if device:
        loaded.model.to(device)
    return loaded


def _load(folder: Path, code: str | Path | None) -> TextModel:
    config = read_config(folder)
    cls = _class(folder, config, code)
    try:
        tokenizer = tokenizers.from_json(_read_json(folder / "tokenizer.json", files.TEXTS))
        models.check_types(cls, config["config"])
        model = cls.from_config(config["config"])
        model.restore(plain.from_arrays(tensors.read(folder / "model.safetensors")))
        sizes = [config["vocab_size"], model.vocab_size_, tokenizer.vocab_size]
    except KeyError as error:
        raise FormatError(f"{folder} does not hold a {cls.name} of this version: it lacks {error}") from None
    except Exception as error:  # with correct checksums: written by another version, or forged
        if is_out_of_memory(error):
            raise MemoryError from error
        raise FormatError(f"{folder} does not hold a {cls.name} of this version: {one_line(str(error))}") from None
    if not all(type(size) is int and size == sizes[0] for size in sizes):
        raise FormatError(
            f"{folder}: its model knows {model.vocab_size_} tokens and its tokenizer {tokenizer.vocab_size}: they "
            "are of different runs"
        )
    return TextModel(model, tokenizer)


def _class(folder: Path, config: dict[str, Any], code: str | Path | None) -> type[Model]:
    """The model's class. lmzoo's own are found by name only, so that no run can name a file to execute."""
    name = config["model"]
    if code is None and config["outside"]:
        raise UsageError(f"{folder} was made by a model of your own: say which with --code FILE.py")
    if code is None and name not in models.names():
        raise FormatError(f"{folder} holds a {name!r}, which this version of lmzoo does not have")
    cls = models.find(name if code is None else str(Path(code).absolute()))
    if cls.name != name:
        raise UsageError(f"{folder} was made by the model {name!r}, and {code} has {cls.name!r}: give the other file")
    return cls


def named(name: str) -> Path:
    """The folder of the run that a user calls `name`: a path, or its name alone where it is in `runs/`.

    Raises UsageError where there is something of that name here as well.
    """
    inside = RUNS / name
    if Path(name).name != name or name in ("", "..") or not (inside / SUMS).is_file():
        return Path(name)
    if Path(name).exists():
        raise UsageError(f"there are two called {name}: write {inside} or ./{name}")
    return inside


def verify(folder: Path) -> None:
    """Check every file against SHA256SUMS. Raises FormatError naming the first that differs."""
    if not folder.is_dir():
        if beside := [path.name for path in folder.parent.glob("step*") if (path / SUMS).is_file()]:
            steps = ", ".join(sorted(beside, key=lambda name: (len(name), name)))
            raise UsageError(f"no checkpoint {folder.name} in {folder.parent}; there are: {steps}")
        there = [str(sums.parent) for sums in RUNS.glob(f"*/{SUMS}")]
        raise UsageError(f"no run at {folder}{nearest(str(folder), there)}: lmzoo train MODEL --out {folder} makes one")
    sums = _read_sums(folder)
    for name in (*FILES, *([METRICS] if METRICS in sums else [])):
        path = folder / name
        if path.is_symlink():
            raise FormatError(f"{path} is a link, and a run holds its files itself: copy the file here")
        if not path.exists():
            raise FormatError(f"{folder} is not a whole run: {name} is missing")
        if sums.get(name) != files.sha256_of(path):
            raise FormatError(f"{path} is damaged: its contents do not match {SUMS}; train or copy the run again")


def _read_sums(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file of a run, by its name."""
    try:
        text = files.read_text(folder / SUMS)
        # Not splitlines: it would accept other line ends, such as a flipped bit makes.
        sums = {name: digest for digest, name in (line.split("  ", 1) for line in text.removesuffix("\n").split("\n"))}
    except (OSError, ValueError, UsageError):
        sums = {}
    if not set(FILES) <= set(sums) <= {*FILES, METRICS}:
        raise FormatError(f"{folder} is not a whole run: it has no readable {SUMS}")
    return sums


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a run. Raises FormatError where it is another format or lacks a key."""
    path = folder / "config.json"
    config = _read_json(path, files.SETTINGS)
    if not isinstance(config, dict) or "format" not in config:
        raise FormatError(f"{path} is not a run's configuration")
    if config["format"] != FORMAT:
        raise FormatError(f"{folder} has format {config['format']!r}; this version of lmzoo reads format {FORMAT}")
    config = dict(files.typed(config, Config, path))
    config["model"], config["config"] = upgrade.current(config["model"], config["config"])
    return config


def read_provenance(folder: str | Path) -> dict[str, Any]:
    """provenance.json of a run: its data, settings, machine and versions; empty where it is no JSON object.

    Raises FormatError naming a field that is of another type than `Provenance` says.
    """
    path = Path(folder) / "provenance.json"
    provenance = _read_json(path, files.SETTINGS)
    if not isinstance(provenance, dict):
        return {}
    files.typed(provenance, Provenance, path)
    return provenance


def digest(folder: str | Path) -> str:
    """SHA-256 of a run's model and tokenizer, without its provenance."""
    sums = _read_sums(Path(folder))
    return hashlib.sha256("".join(f"{name} {sums[name]}\n" for name in FILES[:3]).encode()).hexdigest()


def bytes_on_disk(folder: str | Path) -> int:
    """The size of a run's model and tokenizer, in bytes."""
    return sum((Path(folder) / name).stat().st_size for name in ("model.safetensors", "tokenizer.json"))


@contextmanager
def claimed(folder: str | Path, overwrite: bool = False) -> Iterator[None]:
    """Hold the place of a run from before any work until it is saved.

    Raises UsageError where no run can be written there, or another process holds it.
    """
    folder = Path(folder)
    with ExitStack() as stack:
        try:
            stack.enter_context(drafts.reserved(folder))
            if _is_there(folder) and not overwrite:
                raise UsageError(f"{folder} exists already: choose another --out, or give --overwrite to replace a run")
            if not _may_replace(folder):
                raise UsageError(f"{folder} is not a run, so it is not overwritten: choose another --out")
        except OSError as error:
            raise UsageError(f"{folder} cannot be written: {error.strerror}; choose another --out") from None
        yield


def _may_replace(folder: Path) -> bool:
    # Asked several times: another process may be replacing a run there at this moment.
    return any((folder / SUMS).is_file() or not _is_there(folder) for _ in range(5))


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True


@contextmanager
def _new_folder(folder: Path, overwrite: bool) -> Iterator[Path]:
    """A draft that becomes the run `folder` once it is whole. Raises LmzooError where it cannot be written."""
    try:
        with drafts.draft_folder_of(folder, overwrite and _may_replace(folder)) as draft:
            yield draft
    except (OSError, SafetensorError) as error:
        why = getattr(error, "strerror", None) or error
        raise LmzooError(f"{folder} could not be written: {why}; nothing was changed there") from None


def _write_json(path: Path, value: Any) -> None:
    try:
        text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise UsageError(f"{path.name} cannot be written, because not all of it is plain JSON: {error}") from None
    # A lone surrogate, which UTF-8 cannot encode, is written as a JSON escape: \udc80.
    path.write_text(text, encoding="utf-8", errors="backslashreplace")


def _read_json(path: Path, limit: int) -> Any:
    try:
        return files.read_json(path, Any, limit)
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}") from None
