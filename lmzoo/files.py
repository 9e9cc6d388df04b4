"""Files that are read: only regular ones, within bounds, and checked."""

import hashlib
import json
import os
import re
import stat
import tomllib
from io import BufferedReader
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from lmzoo.errors import FormatError, UsageError, nearest

SETTINGS = 16 << 20  # bytes of a file of settings, facts or code, at most
TEXTS = 4 << 30  # bytes of a text or any other file that is held in memory whole, at most
DEPTH = 50  # levels of a JSON or TOML, at most: more would exhaust the stack of what works on it
# A TOML key of more than DEPTH parts, as in a.b.c: `tomllib` takes memory for the square of their number.
LONG_KEY = re.compile(rf"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){{{DEPTH}}}""")
IRREGULAR = (
    (stat.S_ISDIR, "a folder, not a file"),
    (stat.S_ISFIFO, "a pipe, not a file: write its output to a file first"),
    (stat.S_ISSOCK, "a socket, not a file"),
    (stat.S_ISCHR, "a device, not a file"),
    (stat.S_ISBLK, "a device, not a file"),
)
T = TypeVar("T")


def open_file(path: str | Path) -> BufferedReader:
    """Open a regular file to read. Raises OSError, and UsageError for a folder, device, pipe, socket or file of /proc.

    Links are followed, and what they lead to is checked. Opening never blocks, not even on a pipe.
    """
    _refuse_irregular(path, os.stat(path))  # before it is opened: that alone can make a device act
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        _refuse_irregular(path, os.fstat(descriptor))  # again: another process may have put something else there
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _refuse_irregular(path: str | Path, status: os.stat_result) -> None:
    kind = next((what for is_so, what in IRREGULAR if is_so(status.st_mode)), None)
    if kind is None and any(os.path.ismount(top) and os.stat(top).st_dev == status.st_dev for top in ("/proc", "/sys")):
        kind = "made up by the system as it is read, not a file on a disk"
    if kind:
        raise UsageError(f"{path} is {kind}")


def read_file(path: str | Path, limit: int = TEXTS) -> bytes:
    """The contents of a regular file. Raises as `open_file`, and FormatError where it has more than `limit` bytes."""
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        check_size(path, size, limit)
        contents = file.read(size + 1)  # no more than there is: Python reserves memory for all of it
    if len(contents) > size:
        raise FormatError(f"{path} grew while it was read: try again once nobody writes to it")
    return contents


def check_size(path: str | Path, size: int, limit: int) -> None:
    """Raise FormatError where a file has more than `limit` bytes."""
    if size > limit:
        raise FormatError(f"{path} has {size:,} bytes, where {limit:,} are the most to be read")


def read_text(path: str | Path, limit: int = SETTINGS) -> str:
    """A text in UTF-8. Raises as `read_file`, and FormatError naming the first byte that is not UTF-8."""
    contents = read_file(path, limit)
    try:
        return contents.decode()
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is not UTF-8: {error.reason} at byte {error.start:,}") from None


def read_json(path: str | Path, kind: type[T], limit: int = SETTINGS, closed: bool = False) -> T:
    """A JSON file as `kind`: a dataclass, msgspec.Struct or builtin type. Raises as `read_text` and `parse_json`."""
    return parse_json(read_text(path, limit), kind, path, closed)


def parse_json(text: str, kind: type[T], where: object, closed: bool = False) -> T:
    """JSON as `kind`. Raises FormatError beginning with `where`, naming the line or the field that is wrong.

    Refused are also numbers that are NaN or infinite, a name that an object has twice, and more than DEPTH levels;
    where it is `closed`, names that `kind` does not have, too.
    """
    try:
        value = json.loads(text, parse_constant=_not_finite, parse_float=_finite, object_pairs_hook=_once)
    except RecursionError:
        raise FormatError(f"{where} has more than {DEPTH} levels, one inside the other") from None
    except ValueError as error:
        raise FormatError(f"{where} is not JSON: {error}") from None
    return typed(value, kind, where, closed)


def json_lines(text: str, where: object, what: str) -> list[tuple[str, str]]:
    """Each line that is not blank, and its place: "mine.jsonl, line 3". Raises FormatError where there is no `what`."""
    lines = [(line, f"{where}, line {number}") for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise FormatError(f"{where} has no {what}: it must have one on each line, as JSON")
    return lines


def read_toml(path: str | Path, kind: type[T], limit: int = SETTINGS) -> T:
    """A TOML file as `kind`, as `read_json` reads JSON; but a name that `kind` does not have is an error."""
    text = read_text(path, limit)
    try:
        if LONG_KEY.search(text):
            raise RecursionError
        value = tomllib.loads(text, parse_float=_finite)
    except RecursionError:
        raise FormatError(f"{path} has more than {DEPTH} levels, one inside the other") from None
    except ValueError as error:
        raise FormatError(f"{path} is not TOML: {error}") from None
    return typed(value, kind, path, closed=True)


def typed(value: Any, kind: type[T], where: object, closed: bool = False) -> T:
    """Plain JSON as `kind`. Raises FormatError beginning with `where`, naming the field that is wrong.

    `closed`: a name that `kind` does not have is wrong, as in what people write, where it is a misspelling.
    """
    import msgspec  # 20 ms, which `lmzoo --help` need not wait for

    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEPTH:
            raise FormatError(f"{where} has more than {DEPTH} levels, one inside the other")
        inside = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list))
        level = [item for items in inside for item in items if isinstance(item, dict | list)]
    try:
        made = msgspec.convert(value, kind, strict=True)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:  # the latter for half of a surrogate pair
        reason, _, field = str(error).replace("`", "").partition(" - at $")
        reason = reason.replace("Object missing required field", "lacks the field")
        place = f" in {field.lstrip('.')}" if field else ""
        raise FormatError(f"{where}: {reason[0].lower()}{reason[1:]}{place}") from None
    if closed and (unknown := _unknown(value, msgspec.to_builtins(made))):
        raise FormatError(f"{where} has {unknown}")
    return made


def _unknown(value: Any, known: Any) -> str:
    """The first name in `value` that `known` lacks, in words; '' where there is none."""
    if isinstance(value, dict):
        for name in value:
            if name not in known:
                return f"the unknown name {name!r}{nearest(name, known)}"
        return next(filter(None, (_unknown(part, known[name]) for name, part in value.items())), "")
    if isinstance(value, list):
        return next(filter(None, map(_unknown, value, known)), "")
    return ""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the name {next(name for name in names if names.count(name) > 1)!r} is there twice")
    return value


def _finite(digits: str) -> float:
    number = float(digits)
    return number if abs(number) < float("inf") else _not_finite(digits)


def _not_finite(digits: str) -> NoReturn:
    raise ValueError(f"{digits} is no finite number")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
