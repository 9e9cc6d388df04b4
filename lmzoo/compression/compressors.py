"""General-purpose compressors as baselines on the same bytes.

gzip (Lempel & Ziv 1977), bzip2 (Burrows & Wheeler 1994) and xz (LZMA) are the standard library's. PPMd (PPM: Cleary &
Witten 1984; this variant: Shkarin 2002) is pyppmd's: it predicts each byte from the longest context seen before, and so
is the one closest to an n-gram model.

Each compresses the test text alone, and again after training text, as much as its window holds: then the growth of the
output counts. Every byte of a file counts, header and checksum included; PPMd's stream has neither.
"""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

from lmzoo.interface import Progress

WINDOW = 1 << 15  # bytes of gzip's window
BLOCK = 900_000  # bytes of bzip2's block; each is compressed on its own
LARGEST_PREFIX = 1 << 25  # bytes of training text for PPMd
XZ_PREFIX = 1 << 22  # and for xz, which takes a second for each megabyte, and compresses it twice
PPM_ORDER = 6  # bytes of context
PPM_MEMORY = 1 << 28  # bytes


@dataclass(frozen=True)
class Compressor:
    """A compressor's name, and how it measures a text."""

    label: str
    size: Callable[[bytes, bytes], int]  # (before, text) → bytes by which the output grows for the text
    reach: Callable[[int], int]  # bytes of a text → bytes before it that are still in the window


def references(train: str, test: str, progress: Progress | None = None) -> list[dict[str, Any]]:
    """The compressed size of `test`: a row for each compressor alone, and one with the end of `train` before the text.

    `bits_per_character` divides all bits by the Unicode code points of `test`. An empty test text has no rows.
    """
    before, text = train.encode("utf-8", "surrogatepass"), test.encode("utf-8", "surrogatepass")
    if not text:
        return []
    rows, available = [], compressors()
    with (progress or Progress()).task("compressors", len(available)) as task:
        for compressor in available:
            task.doing(compressor.label)
            for given in (False, True):
                prefix = before[-compressor.reach(len(text)) :] if given and compressor.reach(len(text)) else b""
                if given and not prefix:
                    continue
                bits = 8 * compressor.size(prefix, text)
                note = _given(prefix, before) if given else "alone"
                row = {"label": compressor.label, "given_train": given, "note": note}
                rows.append({**row, "bits": bits, "bits_per_character": bits / len(test)})
            task.advance(1)
    return rows


def compressors() -> list[Compressor]:
    """All compressors; PPMd only where pyppmd is installed."""
    standard = [
        Compressor("gzip", _gzip, lambda _: WINDOW),
        Compressor("bz2", _bz2, lambda size: max(0, BLOCK - size)),
        Compressor("xz", _xz, lambda _: XZ_PREFIX),
    ]
    try:
        import pyppmd
    except ImportError:
        return standard
    return [*standard, Compressor("PPMd", partial(_ppmd, pyppmd), lambda _: LARGEST_PREFIX)]


def _given(prefix: bytes, before: bytes) -> str:
    """'given the last 32 kB of the training text'"""
    if len(prefix) == len(before):
        return "given the training text"
    size = f"{len(prefix) >> 20} MiB" if len(prefix) >> 20 else f"{len(prefix) / 1000:.0f} kB"
    return f"given the last {size} of the training text"


def _gzip(before: bytes, text: bytes) -> int:
    """A gzip file; after another text a zlib stream with that text as its dictionary."""
    if not before:
        return len(gzip.compress(text, 9))
    coder = zlib.compressobj(level=9, zdict=before)
    return len(coder.compress(text) + coder.flush())


def _bz2(before: bytes, text: bytes) -> int:
    return len(bz2.compress(before + text)) - (len(bz2.compress(before)) if before else 0)


def _xz(before: bytes, text: bytes) -> int:
    def size(data: bytes) -> int:
        window = max(1 << 16, len(data))  # all of the data
        filters = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": window}]
        return len(lzma.compress(data, format=lzma.FORMAT_XZ, filters=filters))

    return size(before + text) - (size(before) if before else 0)


def _ppmd(pyppmd: ModuleType, before: bytes, text: bytes) -> int:
    """Variant I with CUT_OFF: where memory is full, the oldest contexts are pruned instead of restarting the model."""
    coder = pyppmd.Ppmd8Encoder(PPM_ORDER, PPM_MEMORY, pyppmd.PPMD8_RESTORE_METHOD_CUT_OFF)
    coder.encode(before)
    return len(coder.encode(text) + coder.flush())
