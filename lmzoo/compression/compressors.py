"""Real compressors on the same bytes: the lines that a report draws beside its models.

gzip (Lempel & Ziv 1977), bzip2 (Burrows & Wheeler 1994) and xz (LZMA) are the standard library's. PPMd (Cleary & Witten
1984 made PPM, Shkarin 2002 this variant of it) is pyppmd's, where that is installed: it predicts byte by byte from the
longest context that it has seen, and so is the nearest of them to an n-gram.

Each compresses the test text alone, and again with training text before it, as far as it can look back. What counts
then is by how much its output grows: a decoder that has read the training text needs no more than that.

Every byte of a file or stream counts, its header and checksum included; PPMd's stream has neither.
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

WINDOW = 1 << 15  # bytes: as far as gzip looks back
BLOCK = 900_000  # bytes that bzip2 sorts at once; each such block starts afresh
LARGEST_PREFIX = 1 << 25  # bytes of training text that xz and PPMd are given: of more, xz would take minutes
PPM_ORDER = 6  # bytes of context
PPM_MEMORY = 1 << 28  # bytes; where they are full, what was seen longest ago is cut off


@dataclass(frozen=True)
class Compressor:
    """`size` gives the bytes of a text, or by how many the output grows for it behind another; `reach` for which."""

    label: str
    size: Callable[[bytes, bytes], int]  # (before, text)
    reach: Callable[[int], int]  # how much before a text of so many bytes it can use


def references(train: str, test: str, progress: Progress | None = None) -> list[dict[str, Any]]:
    """What compressors make of `test`: a row for each alone, and one for it with the end of `train` before the text.

    `bits_per_character` divides all bits by the Unicode code points of `test`. An empty test text has no rows.
    """
    before, text = train.encode("utf-8", "surrogatepass"), test.encode("utf-8", "surrogatepass")
    if not text:
        return []
    rows, found = [], compressors()
    with (progress or Progress()).task("compressors", len(found)) as task:
        for compressor in found:
            for given in (False, True):
                prefix = before[-compressor.reach(len(text)) :] if given and compressor.reach(len(text)) else b""
                if given and not prefix:
                    continue
                bits = 8 * compressor.size(prefix, text)
                note = _given(prefix, before) if given else "alone"
                row = {"label": compressor.label, "given_train": given, "note": note}
                rows.append({**row, "bits": bits, "bits_per_character": bits / len(test)})
            task.advance(1, compressor.label)
    return rows


def compressors() -> list[Compressor]:
    """All there are here: PPMd only where pyppmd is installed."""
    found = [
        Compressor("gzip", _gzip, lambda _: WINDOW),
        Compressor("bz2", _bz2, lambda size: max(0, BLOCK - size)),
        Compressor("xz", _xz, lambda _: LARGEST_PREFIX),
    ]
    try:
        import pyppmd
    except ImportError:
        return found
    return [*found, Compressor("PPMd", partial(_ppmd, pyppmd), lambda _: LARGEST_PREFIX)]


def _given(prefix: bytes, before: bytes) -> str:
    """'given the last 32 kB of the training text'"""
    if len(prefix) == len(before):
        return "given the training text"
    size = f"{len(prefix) >> 20} MiB" if len(prefix) >> 20 else f"{len(prefix) / 1000:.0f} kB"
    return f"given the last {size} of the training text"


def _gzip(before: bytes, text: bytes) -> int:
    """A gzip file; behind another text a zlib stream, which can name a dictionary."""
    if not before:
        return len(gzip.compress(text, 9))
    coder = zlib.compressobj(level=9, zdict=before)
    return len(coder.compress(text) + coder.flush())


def _bz2(before: bytes, text: bytes) -> int:
    return len(bz2.compress(before + text)) - (len(bz2.compress(before)) if before else 0)


def _xz(before: bytes, text: bytes) -> int:
    def size(data: bytes) -> int:
        window = max(1 << 16, len(data))  # so that it looks back over all of it
        filters = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": window}]
        return len(lzma.compress(data, format=lzma.FORMAT_XZ, filters=filters))

    return size(before + text) - (size(before) if before else 0)


def _ppmd(pyppmd: ModuleType, before: bytes, text: bytes) -> int:
    """Variant I, which cuts its tree back where the memory is full, instead of forgetting all."""
    coder = pyppmd.Ppmd8Encoder(PPM_ORDER, PPM_MEMORY, pyppmd.PPMD8_RESTORE_METHOD_CUT_OFF)
    coder.encode(before)
    return len(coder.encode(text) + coder.flush())
