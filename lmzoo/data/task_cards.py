"""Public test sets, each with a card in `corpora/tasks/`.

A card names title, licence, citation and files, as a corpus's card does, and its files are found the same way: in the
cache, a mirror, or at their public address. Its tables say what is asked: `[[probe]]` and `[[zeroshot]]`.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmzoo.data import cards, corpus
from lmzoo.data.download import File, obtain
from lmzoo.errors import FormatError, one_of
from lmzoo.interface import Progress


@dataclass(frozen=True)
class Task:
    """What is known of a test set before it is read: one file of `corpora/tasks/`."""

    name: str
    title: str
    licence: str
    citation: str
    files: tuple[File, ...]
    note: str = ""
    encoding: str = "utf-8"  # of all files
    zeroshot: Sequence[Mapping[str, Any]] = ()  # see `tasks/zeroshot_items.py`
    probe: Sequence[Mapping[str, Any]] = ()  # see `tasks/probing/datasets.py`


def names() -> list[str]:
    """The tasks that have a card."""
    return sorted(path.stem for path in _folder().glob("*.toml"))


def find(name: str) -> Task:
    """The card of a task. Raises UsageError for a name that has none, FormatError for a card with a mistake."""
    one_of("task", name, names())
    return cards.read(_folder() / f"{name}.toml", Task)


def fetch(name: str, mirror: str | None = None, progress: Progress | None = None) -> dict[str, str]:
    """The files of a task as text: {"EN-RG-65": "gem\\tjewel\\t3.94\\n…", …}, with \\n for line ends.

    A file's name is without its ending, unless that alone tells two files apart. `mirror` is a folder or URL (None:
    LMZOO_MIRROR). Raises as `find` does, and DownloadError for a file that cannot be had.
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
