"""Large arrays in memory, or in temporary files where memory is limited."""

import mmap
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from lmzoo.interface import Array

SMALL = 1 << 20  # bytes: smaller arrays stay in memory


@dataclass(frozen=True)
class Scratch:
    """Allocates arrays. `memory` bounds the bytes used beside the input; None: no limit."""

    memory: int | None = None

    def empty(self, length: int, dtype: DTypeLike) -> Array:
        """An uninitialised array (length,)."""
        if self.memory is None or length * np.dtype(dtype).itemsize < SMALL:
            return np.empty(length, dtype)
        with tempfile.TemporaryFile(prefix="lmzoo-") as file:  # deleted when the mapping is
            return np.memmap(file, dtype=dtype, mode="w+", shape=(length,))

    def keep(self, array: Array) -> Array:
        """`array`, moved to a file if memory is limited."""
        if self.memory is None:
            return array
        copy = self.empty(len(array), array.dtype)
        copy[:] = array
        release(copy)
        return copy

    def joined(self, parts: Sequence[Array]) -> Array:
        """One or more parts of a column, concatenated."""
        if len(parts) == 1 and self.memory is None:
            return parts[0]
        column = self.empty(sum(map(len, parts)), parts[0].dtype)
        start = 0
        for part in parts:  # not np.concatenate, which would have all parts in memory at once
            column[start : start + len(part)] = part
            start += len(part)
            release(column, part)
        return column


def ranges(starts: Array, room: int) -> list[tuple[int, int]]:
    """Ranges [first, stop) of rows, starts[stop] - starts[first] at most `room` (or a single row): `starts` (R+1,)."""
    bounds: list[tuple[int, int]] = []
    first, rows = 0, len(starts) - 1
    while first < rows:
        stop = max(first + 1, int(np.searchsorted(starts, starts[first] + room, side="right")) - 1)
        bounds.append((first, stop))
        first = stop
    return bounds


def release(*arrays: Any) -> None:
    """Drop the pages of those `arrays` that are in files from memory; they are read back when used again."""
    for array in arrays:
        while isinstance(array, np.ndarray) and not isinstance(array, np.memmap):
            array = array.base  # a plain array may be a view of a file, too
        mapped = getattr(array, "_mmap", None)
        if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            mapped.madvise(mmap.MADV_DONTNEED)
