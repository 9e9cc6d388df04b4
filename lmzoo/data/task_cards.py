"""What models are asked beside predicting: public test sets, each with a card in `corpora/tasks/`.

A card names title, licence, citation and files, as a corpus's card does, and its files are found the same way: in the
cache, a mirror, or at their public address.
"""

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmzoo.data import cards, corpus
from lmzoo.data.download import File, obtain
from lmzoo.errors import FormatError, UsageError, nearest
from lmzoo.interface import Progress


@dataclass(frozen=True)
class Task:
    """What is known of a test set before it is read."""

    name: str
    title: str
    licence: str
    citation: str
    files: tuple[File, ...]
    note: str = ""
    encoding: str = "utf-8"  # of all files
    zeroshot: tuple[dict[str, Any], ...] = ()  # how a model is asked without training: `tasks/zeroshot_items.py`
    probe: tuple[dict[str, Any], ...] = ()  # what a probe learns to predict: `tasks/probing/datasets.py`


def names() -> list[str]:
    """The tasks that have a card."""
    return sorted(path.stem for path in _folder().glob("*.toml"))


def find(name: str) -> Task:
    """The card of a task. Raises UsageError for a name that has none, FormatError for a card that is not right."""
    if name not in names():
        raise UsageError(f"no task {name!r}{nearest(name, names())}; there are: {', '.join(names())}")
    path = _folder() / f"{name}.toml"
    try:
        fields = tomllib.loads(path.read_text("utf-8"))
        fields["files"] = tuple(File(**file) for file in fields["files"])
        fields |= {key: tuple(fields.get(key, ())) for key in ("zeroshot", "probe")}
        return Task(name=name, **fields)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise FormatError(f"the card {path} is not right: {error}") from error


def fetch(name: str, mirror: str | None = None, progress: Progress | None = None) -> dict[str, str]:
    """The files of a task as text, by name: {"EN-RG-65": "gem\\tjewel\\t3.94\\n…", …}, line ends being \\n.

    The name is without its ending, unless that is all that tells two files apart.

    `mirror` is a folder or URL (None: LMZOO_MIRROR). Raises as `find` does, and DownloadError where nobody has them.
    """
    source = os.environ.get("LMZOO_MIRROR", "") if mirror is None else mirror
    texts = {}
    task = find(name)
    stems = [Path(file.path).stem for file in task.files]
    for file, stem in zip(task.files, stems, strict=True):
        contents = obtain(file, corpus.cache_folder(), source, progress).contents
        try:
            key = stem if stems.count(stem) == 1 else Path(file.path).name
            texts[key] = contents.decode(task.encoding).replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            encoding = task.encoding.upper()
            raise FormatError(f"{file.path} is not {encoding}: {error.reason} at byte {error.start:,}") from None
    return texts


def _folder() -> Path:
    return cards.folder() / "tasks"
