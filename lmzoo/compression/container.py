"""The file that `lmzoo compress` writes: what it was made with, the range coder's output, and a checksum over both.

     0  magic       \\x89LMZ                                                                          4 bytes
     4  format      1                                                                                1
     5  spelling    by which bytes became text: an index of `SPELLINGS`                              1
     6  lines       1 where the model was started anew in each line, else 0                          1
     7  lanes       parts that were read side by side                                                1
     8  model       SHA-256 of the model's arrays, its settings and its tokenizer, cut short        16
    24  arithmetic  SHA-256 of what floating-point results depend on (`arithmetic`), cut short       4
    28  length      of the original, in bytes                                                        8
    36  tokens      that it was read as                                                              8
    44  checksum    CRC-32 of the original                                                           4
    48  payload     32-bit words of the range coder                                                4·n
        checksum    CRC-32 of all before it                                                          4

Numbers are little-endian. Any file that CRC-32 does not vouch for is refused before a word of it is decoded.
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
# How bytes can be read as text and written back, the best first: (encoding, how it treats what does not fit).
SPELLINGS = (("utf-8", "surrogatepass"), ("utf-8", "surrogateescape"), ("latin-1", "strict"))
_HEADER = struct.Struct("<4s4B16s4sQQI")
_CHECKSUM = struct.Struct("<I")
SIZE = _HEADER.size + _CHECKSUM.size  # bytes of a container besides its payload


@dataclass(frozen=True)
class Container:
    """A compressed file, taken apart."""

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
        """The inverse of `pack`. Raises FormatError for what is empty, foreign, cut short, damaged or of the future."""
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
        """Raise UsageError unless it was made with this model and tokenizer."""
        given = fingerprint(text_model)
        if self.model != given:
            raise UsageError(
                f"it was compressed with another model or tokenizer (fingerprint {self.model.hex()[:12]}) than this "
                f"{text_model.name} with {text_model.tokenizer.spec} ({given.hex()[:12]}): give the run that "
                "it was compressed with"
            )


def fingerprint(text_model: TextModel) -> bytes:
    """16 bytes that tell this model from all others: of its name, settings and arrays, and of its tokenizer."""
    model, tokenizer = text_model
    named = [model.name, model.config(), tokenizer.to_json()]
    digest = hashlib.sha256(json.dumps(named, sort_keys=True, default=str).encode())
    for key, value in sorted(model.arrays().items()):
        array = np.ascontiguousarray(value)
        if np.ndim(value) == 0:  # the type of a lone number is not kept by `restore`
            digest.update(f"{key} {array.item()!r}".encode())
        else:
            digest.update(f"{key} {array.dtype.str} {array.shape}".encode())
            digest.update(array.tobytes())
    return digest.digest()[:16]


def arithmetic() -> bytes:
    """4 bytes that tell where the last digits of floating-point results may differ: processor and versions."""
    facts = [platform.machine(), _processor()]
    for package in ("numpy", "numba", "torch"):
        try:
            facts.append(metadata.version(package))
        except metadata.PackageNotFoundError:
            facts.append("")
    return hashlib.sha256("\n".join(facts).encode()).digest()[:4]


def _processor() -> str:
    """The processor's model, as Linux has it; elsewhere what Python knows of it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            return next((line for line in file if line.startswith("model name")), "")
    except OSError:
        return platform.processor()
