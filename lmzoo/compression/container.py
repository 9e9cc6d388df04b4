"""The file format of `lmzoo compress`: a header, the range coder's output, and a checksum.

     0  magic       \\x89LMZ                                                                          4 bytes
     4  format      1                                                                                1
     5  spelling    how bytes were read as text: an index of `SPELLINGS`                              1
     6  lines       1 where the model restarts at each line, else 0                                  1
     7  lanes       parts that are coded in parallel                                                 1
     8  model       truncated SHA-256 of the model's arrays, settings and tokenizer                 16
    24  arithmetic  truncated SHA-256 of what floating-point results depend on (`arithmetic`)        4
    28  length      of the original, in bytes                                                        8
    36  tokens      of the original                                                                  8
    44  checksum    CRC-32 of the original                                                           4
    48  payload     32-bit words of the range coder                                                4·n
        checksum    CRC-32 of everything before                                                          4

Numbers are little-endian. A file whose CRC-32 does not match is refused before anything is decoded.
"""

import hashlib
import json
import platform
import struct
import zlib
from dataclasses import dataclass
from importlib import metadata

import numpy as np

from lmzoo.errors import FormatError, UsageError
from lmzoo.evaluation.text_model import TextModel

MAGIC = b"\x89LMZ"
FORMAT = 1
# How bytes can be read as text and written back, the best first: (encoding, error handler).
SPELLINGS = (("utf-8", "surrogatepass"), ("utf-8", "surrogateescape"), ("latin-1", "strict"))
_HEADER = struct.Struct("<4s4B16s4sQQI")
_CHECKSUM = struct.Struct("<I")
SIZE = _HEADER.size + _CHECKSUM.size  # bytes without the payload


@dataclass(frozen=True)
class Container:
    """The fields of a compressed file."""

    spelling: int
    lines: bool
    lanes: int
    model: bytes
    arithmetic: bytes
    length: int  # bytes of the original
    tokens: int
    checksum: int  # of the original
    payload: bytes

    def pack(self) -> bytes:
        """The bytes of the file."""
        settings = (FORMAT, self.spelling, self.lines, self.lanes)
        numbers = (self.length, self.tokens, self.checksum)
        body = _HEADER.pack(MAGIC, *settings, self.model, self.arithmetic, *numbers) + self.payload
        return body + _CHECKSUM.pack(zlib.crc32(body))

    @classmethod
    def unpack(cls, file: bytes) -> "Container":
        """The inverse of `pack`. Raises FormatError for a file that is empty, foreign, damaged or of another format."""
        if not file:
            raise FormatError(f"it is empty: a file of `lmzoo compress` has {SIZE} bytes or more; was it copied whole?")
        if file[:4] != MAGIC[: len(file)]:
            raise FormatError(f"it was not written by `lmzoo compress`: it begins with {file[:4]!r}, not {MAGIC!r}")
        if len(file) < SIZE or zlib.crc32(file[:-4]) != _CHECKSUM.unpack(file[-4:])[0]:
            raise FormatError(
                f"it is damaged or cut short: its {len(file):,} bytes do not match their checksum; copy the file again"
            )
        _, version, *settings, model, made_on, length, tokens, checksum = _HEADER.unpack(file[: _HEADER.size])
        spelling, lines, lanes = settings
        if version != FORMAT:
            raise FormatError(f"it has format {version}; this version of lmzoo reads format {FORMAT}")
        payload = file[_HEADER.size : -4]
        if spelling >= len(SPELLINGS) or lines > 1 or not lanes or len(payload) % 4 or tokens > 3 * length:
            raise FormatError("its header is not one that `lmzoo compress` writes: it was made by another program")
        return cls(spelling, bool(lines), lanes, model, made_on, length, tokens, checksum, payload)

    def refuse_another(self, text_model: TextModel) -> None:
        """Raise UsageError unless the file was compressed with this model and tokenizer."""
        given = fingerprint(text_model)
        if self.model != given:
            raise UsageError(
                f"it was compressed with another model or tokenizer (fingerprint {self.model.hex()[:12]}) than this "
                f"{text_model.name} with {text_model.tokenizer.spec} ({given.hex()[:12]}): give the run that "
                "it was compressed with"
            )


def fingerprint(text_model: TextModel) -> bytes:
    """16 bytes that identify a model by its name, settings and arrays, and its tokenizer."""
    model, tokenizer = text_model
    named = [model.name, model.config(), tokenizer.to_json()]
    digest = hashlib.sha256(json.dumps(named, sort_keys=True, default=str).encode())
    for key, value in sorted(model.arrays().items()):
        array = np.ascontiguousarray(value)
        if np.ndim(value) == 0:  # `restore` does not preserve the type of a scalar
            digest.update(f"{key} {array.item()!r}".encode())
        else:
            digest.update(f"{key} {array.dtype.str} {array.shape}".encode())
            digest.update(array.tobytes())
    return digest.digest()[:16]


def arithmetic() -> bytes:
    """4 bytes that identify what floating-point results depend on: the processor and the versions of packages."""
    facts = [platform.machine(), _processor()]
    for package in ("numpy", "numba", "torch"):
        try:
            facts.append(metadata.version(package))
        except metadata.PackageNotFoundError:
            facts.append("")
    return hashlib.sha256("\n".join(facts).encode()).digest()[:4]


def _processor() -> str:
    """The processor's model on Linux; elsewhere what Python reports."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            return next((line for line in file if line.startswith("model name")), "")
    except OSError:
        return platform.processor()
