"""Ways to spoil a good file: any file byte by byte, JSON, safetensors, NumPy and packed files by their structure."""

import bz2
import gzip
import io
import json
import lzma
import os
import random
import re
import socket
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

Bytes = Callable[[random.Random, bytes], bytes]

NUMBERS = (
    *("0", "-1", "1", "255", "65536", str(2**31), str(2**32 - 1), str(2**63), str(2**64), str(-(2**63) - 1), "1_000"),
    *("0.5", "-0", "1e308", "-1e308", "1e999", "NaN", "Infinity", "-inf", "1" + "0" * 1000, "\u0663"),
)
VALUES = (
    *(None, True, -1, 0, 2**31, 2**63, 10**400, 1e308, 0.5, float("nan"), float("inf")),
    *("", "x", "\0", "\ud800", "é" * 70, "../../etc/passwd", "A" * 100_000),
    *([], [None], {}, {"x": 1}, [[[]]], ["a"] * 3, [2**40, 2**40]),
)
PIECES = (
    *(b"\0", b"\0" * 4096, b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\x80", b"\xed\xa0\x80"),
    *(
        b"\r",
        b"\r\n",
        b"\n\n\n",
        b"\t",
        b" " * 5000,
        b"\x1b[2J",
        "\u00a0\u3000\u2028\u0085".encode(),
        b"\xf0\x9f\x98\x80",
    ),
    *(b"[" * 100_000, b'{"a":' * 20_000, b"a" * 200_000, b"a b " * 9999),
    *(b"-nan", b"</s>", b"<unk>", b"\\data\\\n", b"\\end\\\n", b"#version: 0.2\n"),
)
ARRAY = b"\x93NUMPY\x01\0v\0{'descr':'<f8','fortran_order':False,'shape':(9999999999,)}\n"
HEADS = (
    *(
        b"PK\x03\x04",
        b"\x1f\x8b\x08",
        b"BZh9",
        b"\xfd7zXZ\0",
        b"\x28\xb5\x2f\xfd",
        b"%PDF-1.7\n",
        b"\x80\x04\x95",
        b"GGUF",
    ),
    *(b"\x93NUMPY\x01\0", ARRAY, b"SQLite format 3\0", b"version https://git-lfs.github.com/spec/v1\n", b"\x89PNG\r\n"),
    *(b"<!DOCTYPE html>", b"\xff\xfe", b"\xff\xfe\0\0", b"\x89LMZ", b'{"text": "', b"[1,"),
    *(b"10 99999999999\n", b"999999999 4\n", b"\\data\\\nngram 1=99999999999\n"),
)


# ── Bytes ─────────────────────────────────────────────────────────────────────────────────────────


def _flip(rng: random.Random, data: bytes) -> bytes:
    spoiled = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        if spoiled:
            spoiled[rng.randrange(len(spoiled))] ^= 1 << rng.randrange(8)
    return bytes(spoiled)


def _flip_in_head(rng: random.Random, data: bytes) -> bytes:
    return _flip(rng, data[:64]) + data[64:]


def _cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _repeat(rng: random.Random, data: bytes) -> bytes:
    start, end = _range(rng, data)
    return data[:end] + data[start:end] * rng.choice((1, 1, 2, 50)) + data[end:]


def _delete(rng: random.Random, data: bytes) -> bytes:
    start, end = _range(rng, data)
    return data[:start] + data[end:]


def _move(rng: random.Random, data: bytes) -> bytes:
    start, end = _range(rng, data)
    rest = data[:start] + data[end:]
    place = rng.randrange(len(rest) + 1)
    return rest[:place] + data[start:end] + rest[place:]


def _range(rng: random.Random, data: bytes) -> tuple[int, int]:
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + rng.choice((1, 2, 4, 8, 40, 400, 4000)))


def _insert(rng: random.Random, data: bytes) -> bytes:
    place = rng.randrange(len(data) + 1)
    return data[:place] + rng.choice(PIECES) + data[place:]


def _overwrite(rng: random.Random, data: bytes) -> bytes:
    place, piece = rng.randrange(len(data) + 1), rng.choice((*PIECES, rng.randbytes(8), rng.randbytes(100)))[:200]
    return data[:place] + piece + data[place + len(piece) :]


def _another_head(rng: random.Random, data: bytes) -> bytes:
    head = rng.choice(HEADS)
    return head + (data if rng.random() < 0.5 else data[len(head) :])


def _number(rng: random.Random, data: bytes) -> bytes:
    """One or several numbers, as digits, become others."""
    found = list(re.finditer(rb"-?\d+(\.\d+)?(e-?\d+)?", data[:200_000]))
    for match in sorted(rng.sample(found, min(len(found), rng.choice((1, 1, 3)))), key=lambda one: -one.start()):
        data = data[: match.start()] + rng.choice(NUMBERS).encode() + data[match.end() :]
    return data


def _integer(rng: random.Random, data: bytes) -> bytes:
    """Four or eight bytes become an extreme integer, as in a binary header; most often in the first ones."""
    size = rng.choice((1, 2, 4, 8))
    place = rng.randrange(max(1, min(len(data), rng.choice((16, 64, 1 << 30)))))
    number = rng.choice(
        (0, 1, 2 ** (8 * size - 1) - 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 1, rng.getrandbits(8 * size))
    )
    return data[:place] + number.to_bytes(size, rng.choice(("little", "big"))) + data[place + size :]


def _lines(rng: random.Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    if lines:
        here, there = rng.randrange(len(lines)), rng.randrange(len(lines))
        match rng.randrange(4):
            case 0:
                lines[here], lines[there] = lines[there], lines[here]
            case 1:
                lines.insert(here, lines[there])
            case 2:
                del lines[here]
            case _:
                lines[here] = rng.choice(
                    (b"", b"\n", b" ".join(lines[here : here + 3]), lines[here] * 3, lines[here].strip())
                )
    return b"".join(lines)


def _empty(rng: random.Random, data: bytes) -> bytes:
    return rng.choice((b"", b"\n", b" ", b"\0", data[:1]))


TWICE = (_cut, _insert, _number, _integer, _lines)
BYTES = (*TWICE, *TWICE, _flip, _flip_in_head, _repeat, _delete, _move, _overwrite, _another_head, _empty)


# ── Structure ─────────────────────────────────────────────────────────────────────────────────────


def spoil_value(rng: random.Random, value: object) -> object:
    """Plain JSON with something removed, of another type or extreme, at any depth."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        name = rng.choice(list(value))
        match rng.randrange(12):
            case 0:
                return {key: item for key, item in value.items() if key != name}
            case 1:
                return {**value, rng.choice(("x", "", "\0", name + "_", "__class__")): rng.choice(VALUES)}
            case 2:
                return {**value, name: rng.choice(list(value.values()))}
            case _:
                return {**value, name: spoil_value(rng, value[name])}
    if isinstance(value, list) and value and rng.random() < 0.7:
        place = rng.randrange(len(value))
        match rng.randrange(6):
            case 0:
                return value[:place] + value[place + 1 :]
            case 1:
                return [*value[:place], value[place], *value[place:]]
            case 2:
                return rng.sample(value, len(value)) if len(value) < 1000 else value[::-1]
            case _:
                return [*value[:place], spoil_value(rng, value[place]), *value[place + 1 :]]
    if isinstance(value, int) and rng.random() < 0.5:
        return rng.choice((0, -1, value + 1, value - 1, value * 2, 2**31, 2**63, 10**30, f"{value}", [value]))
    return rng.choice(VALUES)


def _json(rng: random.Random, data: bytes) -> bytes:
    value = json.loads(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        value = spoil_value(rng, value)
    return json.dumps(value).encode()


def _json_line(rng: random.Random, data: bytes) -> bytes:
    lines = data.splitlines()
    place = rng.randrange(len(lines))
    return b"\n".join([*lines[:place], _json(rng, lines[place]), *lines[place + 1 :]]) + b"\n"


def _safetensors(rng: random.Random, data: bytes) -> bytes:
    """Another header (shapes, types, offsets, metadata), whose length is right most of the time; or other numbers."""
    size = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + size]), data[8 + size :]
    if rng.random() < 0.35 and body:
        start = rng.randrange(len(body)) // 8 * 8
        number = rng.choice((float("nan"), float("inf"), -1.0, 0.0, 1e300, -(2.0**40), 2.0**63))
        packed = rng.choice(
            (struct.pack("<d", number), struct.pack("<f", min(number, 3e38)) * 2, b"\xff" * 8, rng.randbytes(8))
        )
        body = body[:start] + packed + body[start + 8 :]
        return data[: 8 + size] + body[: len(data) - 8 - size]
    text = json.dumps(spoil_value(rng, header)).encode()
    length = rng.choice((len(text), len(text), len(text), len(text), 0, 2**63, len(data), len(text) - 1))
    return length.to_bytes(8, "little") + text + body


def _zip(rng: random.Random, data: bytes) -> bytes:
    """A zip archive with a member spoiled, renamed, twice, missing or too many."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name, packed = rng.choice(list(members)), io.BytesIO()
    chance = rng.random()
    if chance < 0.7:
        members[name] = rng.choice(BYTES)(rng, members[name])
    elif chance < 0.85:
        members[rng.choice(("../up", "/abs", "x/", name + "2"))] = members[name]
    else:
        members[rng.choice(("", "x", "é"))] = members.pop(name)
    with zipfile.ZipFile(packed, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for key, contents in members.items():
            archive.writestr(key or "x", contents)
    return packed.getvalue()


def _bomb(rng: random.Random, data: bytes) -> bytes:
    """Zeros, or the text itself over and over, to be packed: small on the disk, and much larger in memory."""
    return rng.choice((b"\0", b"a", b"a\n", b" ", data[:1000])) * rng.choice((1000, 3000))


def _packed(pack: Callable[[bytes], bytes], unpack: Callable[[bytes], bytes]) -> Bytes:
    def spoil(rng: random.Random, data: bytes) -> bytes:
        chance = rng.random()
        if chance < 0.1:
            return data + rng.choice((data, b"rest", b"\0" * 100))  # two files, one behind the other, are one
        if chance < 0.2:
            return pack(data)  # packed twice
        return pack(rng.choice((*BYTES, _bomb))(rng, unpack(data)))

    return spoil


STRUCTURE: dict[str, Bytes] = {
    ".json": _json,
    ".jsonl": _json_line,
    ".safetensors": _safetensors,
    ".zip": _zip,
    ".npz": _zip,
    ".gz": _packed(lambda data: gzip.compress(data, 1), gzip.decompress),
    ".bz2": _packed(lambda data: bz2.compress(data, 1), bz2.decompress),
    ".xz": _packed(lambda data: lzma.compress(data, preset=0), lzma.decompress),
}


def spoiled(rng: random.Random, path: Path, others: list[Path]) -> tuple[str, bytes]:
    """What was done, in a word, and what the file at `path` is then to hold. Splices take from one of `others`."""
    data = path.read_bytes()
    structure = STRUCTURE.get(path.suffix)
    if structure and rng.random() < 0.5:
        return "structure", structure(rng, data)
    if rng.random() < 0.08:
        other = rng.choice(others).read_bytes()
        return "splice", data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]
    how = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        mutation = rng.choice(BYTES)
        how.append(mutation.__name__.strip("_"))
        data = mutation(rng, data)
    return "+".join(how), data


# ── What no file is ───────────────────────────────────────────────────────────────────────────────

NO_FILES = (
    *("/dev/zero", "/dev/urandom", "/dev/null", "/dev/full", "/proc/self/mem", "/proc/self/environ"),
    *("fifo", "socket", "folder", "missing", "itself", "dangling", "link", "unreadable"),
)


def displaced(rng: random.Random, path: Path) -> str:
    """Put a device, pipe, socket, folder or link in the place of the file or folder at `path`: which, in a word."""
    kept = path.with_name(path.name + ".kept")
    path.rename(kept)
    kind = rng.choice(NO_FILES)
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as one:
                one.bind(os.path.relpath(path))  # an address is short
        case "folder":
            path.mkdir()
        case "itself" | "dangling" | "link":
            path.symlink_to({"itself": path.name, "dangling": "nowhere", "link": kept.name}[kind])
        case "unreadable":
            path.write_bytes(b"")
            path.chmod(0)
        case "missing":
            pass
        case device if os.geteuid() == 0 and device.startswith("/dev"):
            _make_device(path, device)
        case device:
            path.symlink_to(device)
    return kind


def _make_device(path: Path, like: str) -> None:
    """A device of our own: as root, a fault could replace the system's through a link, and once did."""
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.stat(like).st_rdev)
    except PermissionError:  # in a container
        os.mkfifo(path)
