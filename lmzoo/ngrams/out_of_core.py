"""Where big arrays live: in memory, or in a file without a name when memory is to be spared.

A file's pages are the operating system's to write out and read back, so they bound nothing but the disk. `release`
says that an array will not be needed for a while: its pages then no longer count as ours.
"""

import mmap
import tempfile
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

SMALL = 1 << 20  # bytes: below, a file would cost more than it spares


@dataclass(frozen=True)
class Scratch:
    """Makes arrays. `memory` is how many bytes the work may take beside its input; None: as many as it likes."""

    memory: int | None = None

    def empty(self, length: int, dtype: DTypeLike) -> NDArray[Any]:
        """An array (length,) whose values are not set."""
        if self.memory is None or length * np.dtype(dtype).itemsize < SMALL:
            return np.empty(length, dtype)
        with tempfile.TemporaryFile(prefix="lmzoo-") as file:  # the mapping keeps it alive, and nothing else does
            return np.memmap(file, dtype=dtype, mode="w+", shape=(length,))

    def keep(self, array: NDArray[Any]) -> NDArray[Any]:
        """`array`, moved to where arrays of this scratch live."""
        if self.memory is None:
            return array
        kept = self.empty(len(array), array.dtype)
        kept[:] = array
        release(kept)
        return kept


def release(*arrays: Any) -> None:
    """Let go of the pages of those `arrays` that are in files."""
    for array in arrays:
        mapped = getattr(array, "_mmap", None)
        if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            mapped.madvise(mmap.MADV_DONTNEED)
