"""Safetensors files, written array by array and read by memory mapping, for models as large as memory.

The safetensors library copies all arrays into one string to write them, and out of the file to read them. The format is
the length of a JSON header (8 bytes), the header, and the bytes of the arrays; the library checks a file before it is
mapped.
"""

import io
import json
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lmzoo.errors import FormatError
from lmzoo.files import open_file, parse_json
from lmzoo.interface import Array
from lmzoo.ngrams.out_of_core import release

NAMES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip
AT_ONCE = 1 << 24  # bytes: of an array that is in a temporary file, no more need be in memory
CODES = {np.dtype(code): name for name, code in NAMES.items()}


def write(path: Path, arrays: dict[str, Array]) -> None:
    """Write `arrays`, those of the largest item size first, so that each is aligned."""
    with path.open("wb") as file:
        _write(file, arrays)


def to_bytes(arrays: dict[str, Array]) -> bytes:
    """The bytes of a file that `write` writes."""
    file = io.BytesIO()
    _write(file, arrays)
    return file.getvalue()


def _write(file: BinaryIO, arrays: dict[str, Array]) -> None:
    ordered = sorted(arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0]))
    header, place = {}, 0
    for name, array in ordered:
        offsets = [place, place + array.nbytes]
        header[name] = {"dtype": CODES[array.dtype], "shape": list(array.shape), "data_offsets": offsets}
        place = offsets[1]
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for _, array in ordered:
        numbers = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        for start in range(0, len(numbers), AT_ONCE):
            file.write(numbers[start : start + AT_ONCE].data)
            release(array)


def read(path: Path) -> dict[str, Array]:
    """The arrays of a file, mapped into memory copy-on-write. Raises FormatError for a damaged file."""
    from safetensors import SafetensorError, safe_open

    arrays = {}
    with open_file(path) as file:  # only a regular file: the library would wait at a pipe for ever
        try:
            with safe_open(path, framework="np"):
                pass  # the library has seen to it that the header is sound and the arrays fill the file
        except SafetensorError as error:
            raise FormatError(f"{path} is not a whole safetensors file: {error}") from None
        size = int.from_bytes(file.read(8), "little")
        header = parse_json(file.read(size).decode(), dict[str, Any], path)
        header.pop("__metadata__", None)
        for name, facts in header.items():
            if facts["dtype"] not in NAMES:
                raise FormatError(f"{path}: {name} is of type {facts['dtype']}, which no model of lmzoo has")
            dtype, shape = np.dtype(NAMES[facts["dtype"]]), tuple(facts["shape"])
            offset = 8 + size + facts["data_offsets"][0]
            if 0 in shape:
                arrays[name] = np.empty(shape, dtype)
            else:
                # As a plain array: each slice of a memmap costs ten times as much.
                arrays[name] = np.asarray(np.memmap(file, dtype, "c", offset, shape or (1,))).reshape(shape)
    return arrays
