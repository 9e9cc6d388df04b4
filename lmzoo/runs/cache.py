"""A cache on disk for the results of a comparison.

    cache = ResultCache(Path("reports/storyworld/kept"))
    cache.get("exam", {"model": digest, "seed": 1}, compute)      calls compute() the first time, then reads its file

The key is a digest of everything the result depends on: what the caller names, and the code, package versions and
machine (`provenance.circumstances`). So no entry is ever out of date. A damaged entry is computed again; where the disk
is full, nothing is cached.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from lmzoo.drafts import write_atomically
from lmzoo.errors import ScoreError, UsageError
from lmzoo.files import TEXTS, read_json, sha256_of
from lmzoo.interface import Array
from lmzoo.runs import provenance, tensors

DAYS = 30  # without use, after which an entry is removed
Arrays = dict[str, Array]


def digest(value: Any) -> str:
    """SHA-256 of a value as JSON, in hexadecimal: equal for equal values, whatever the order of their keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


Condition = Callable[[Any], bool]  # whether a result may be cached


def always(_: Any) -> bool:
    """For results that are always the same."""
    return True


def succeeded(result: Mapping[str, Any]) -> bool:
    """For results that report a failure under "error", which may not happen again."""
    return not result.get("error")


class ResultCache:
    """Cached results in a folder; None: no cache."""

    def __init__(self, folder: Path | None):
        self.folder = folder
        if folder:
            _drop_old(folder)

    def get(self, kind: str, key: Mapping[str, Any], compute: Callable[[], Any], condition: Condition = always) -> Any:
        """The result of `compute`, plain JSON, cached under its `kind` and `key` if it meets the `condition`."""
        return self.get_with_arrays(kind, key, lambda: (compute(), {}), condition)[0]

    def get_with_arrays(
        self,
        kind: str,
        key: Mapping[str, Any],
        compute: Callable[[], tuple[Any, Arrays]],
        condition: Condition = always,
    ) -> tuple[Any, Arrays]:
        """As `get`, for a computation that returns arrays beside plain JSON."""
        if self.folder is None:
            return compute()
        stem, full_key = self._place(kind, key)
        entry = _read(stem, full_key)
        if entry is None:
            value, arrays = compute()
            value = _plain(kind, value)
            if condition(value):
                with suppress(OSError):
                    _write(stem, full_key, value, arrays)
            return value, arrays
        return entry

    def files(self, kind: str, key: Mapping[str, Any]) -> list[Path]:
        """The files of an entry, none where there is none."""
        if self.folder is None:
            return []
        stem, _ = self._place(kind, key)
        return [path for path in (_facts(stem), _arrays(stem)) if path.is_file()]

    def _place(self, kind: str, key: Mapping[str, Any]) -> tuple[Path, str]:
        """Where an entry lies, without the ending, and its whole key."""
        assert self.folder
        full_key = digest({"kind": kind, "of": key, **provenance.circumstances()})
        return self.folder / f"{kind}-{full_key[:32]}", full_key


def _plain(kind: str, value: Any) -> Any:
    """`value` as it will be read back from JSON: tuples as lists, keys as strings."""
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except ValueError:
        raise ScoreError(f"{kind}: one of its figures is NaN or infinite, and such a number is never shown") from None


def _write(stem: Path, key: str, value: Any, arrays: Arrays) -> None:
    """The arrays first: an entry exists once its JSON does."""
    facts = {"key": key, "value": value}
    if arrays:
        contents = tensors.to_bytes(arrays)
        write_atomically(_arrays(stem), contents)
        facts["arrays"] = hashlib.sha256(contents).hexdigest()
    write_atomically(_facts(stem), (json.dumps(facts | {"sha256": digest(facts)}) + "\n").encode())


def _read(stem: Path, key: str) -> tuple[Any, Arrays] | None:
    """The entry, or None where there is none or it is damaged."""
    try:
        facts = read_json(_facts(stem), dict[str, Any], TEXTS)
        checksum = facts.pop("sha256")
        if checksum != digest(facts) or facts["key"] != key:
            return None
        arrays: Arrays = {}
        if "arrays" in facts:
            if sha256_of(_arrays(stem)) != facts["arrays"]:
                return None
            arrays = {name: np.array(array) for name, array in tensors.read(_arrays(stem)).items()}
        for path in (_facts(stem), _arrays(stem)):
            with suppress(OSError):
                os.utime(path)  # not `touch`, which would make the arrays' file where there are none
        return facts["value"], arrays
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UsageError):
        return None


def _facts(stem: Path) -> Path:
    return stem.with_name(stem.name + ".json")


def _arrays(stem: Path) -> Path:
    return stem.with_name(stem.name + ".safetensors")


def _drop_old(folder: Path) -> None:
    """Remove entries that have not been used for DAYS."""
    for path in folder.glob("*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > DAYS * 86_400:
                path.unlink()
