"""What a comparison has worked out, kept on disk, so that no comparison works it out again.

    kept = Kept(Path("reports/storyworld/kept"))
    kept.facts("exam", {"model": digest, "seed": 1}, work)      work() the first time, and what it gave ever after

A piece is a file, named by a digest of everything that could change it: what the caller says it is of, and what holds
for all (`_machine.circumstances`: the code, the versions, the machine). So nothing is ever out of date: what has
another key is another piece. A piece is whole or absent, and one that is damaged is worked out anew. What cannot be
kept (the disk is full) is only not kept.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmzoo.errors import FormatError, ScoreError
from lmzoo.files import write_atomically
from lmzoo.runs import provenance, tensors

DAYS = 30  # without being asked for, after which a piece is dropped
Arrays = dict[str, NDArray[Any]]


def digest(value: Any) -> str:
    """SHA-256 of a value as JSON, in hexadecimal: equal for equal values, whatever the order of their keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


Lasts = Callable[[Any], bool]  # whether what was worked out would be the same another time


def always(_: Any) -> bool:
    """Of work that is the same whenever it is done."""
    return True


def succeeded(facts: Mapping[str, Any]) -> bool:
    """Of work that says in words, under "error", that it failed: which it may not do another time."""
    return not facts.get("error")


class Kept:
    """Pieces of work in a folder; None: nowhere, and all is worked out each time."""

    def __init__(self, folder: Path | None):
        self.folder = folder
        if folder:
            _drop_old(folder)

    def facts(self, kind: str, of: Mapping[str, Any], work: Callable[[], Any], lasts: Lasts = always) -> Any:
        """What `work` gives, plain JSON: from disk where it is there under what it is `of`; kept if that `lasts`."""
        return self.both(kind, of, lambda: (work(), {}), lasts)[0]

    def both(
        self, kind: str, of: Mapping[str, Any], work: Callable[[], tuple[Any, Arrays]], lasts: Lasts = always
    ) -> tuple[Any, Arrays]:
        """As `facts`, of work that gives arrays of numbers beside plain JSON."""
        if self.folder is None:
            return work()
        key = digest({"kind": kind, "of": of, **provenance.circumstances()})
        stem = self.folder / f"{kind}-{key[:32]}"
        found = _read(stem, key)
        if found is None:
            value, arrays = work()
            value = _plain(kind, value)
            if lasts(value):
                with suppress(OSError):
                    _write(stem, key, value, arrays)
            return value, arrays
        return found


def _plain(kind: str, value: Any) -> Any:
    """`value` as it will be found the next time: a tuple is a list, and a key is a word."""
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except ValueError:
        raise ScoreError(f"{kind}: one of its figures is NaN or infinite, and such a number is never shown") from None


def _write(stem: Path, key: str, value: Any, arrays: Arrays) -> None:
    """The arrays first: the facts that name them are what says that there is a piece."""
    facts = {"key": key, "value": value}
    if arrays:
        contents = tensors.to_bytes(arrays)
        write_atomically(_arrays(stem), contents)
        facts["arrays"] = hashlib.sha256(contents).hexdigest()
    write_atomically(_facts(stem), (json.dumps(facts | {"sha256": digest(facts)}) + "\n").encode())


def _read(stem: Path, key: str) -> tuple[Any, Arrays] | None:
    """The piece, or None where there is none, or a damaged one."""
    try:
        facts = json.loads(_facts(stem).read_bytes())
        told = facts.pop("sha256")
        if told != digest(facts) or facts["key"] != key:
            return None
        arrays: Arrays = {}
        if "arrays" in facts:
            if hashlib.sha256(_arrays(stem).read_bytes()).hexdigest() != facts["arrays"]:
                return None
            arrays = {name: np.array(array) for name, array in tensors.read(_arrays(stem)).items()}
        for path in (_facts(stem), _arrays(stem)):
            with suppress(OSError):
                path.touch()
        return facts["value"], arrays
    except (OSError, ValueError, KeyError, TypeError, AttributeError, FormatError):
        return None


def _facts(stem: Path) -> Path:
    return stem.with_name(stem.name + ".json")


def _arrays(stem: Path) -> Path:
    return stem.with_name(stem.name + ".safetensors")


def _drop_old(folder: Path) -> None:
    """Remove the pieces that nobody has asked for in a long time."""
    for path in folder.glob("*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > DAYS * 86_400:
                path.unlink()
