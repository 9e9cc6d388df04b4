"""Fields of a line, as ARPA files and word vectors have them: numbers, words, and a note on what was odd.

Files of gigabytes are read by compiled loops; what a loop does not understand is left to Python.
"""

import codecs
import re

import numpy as np
from numba import njit

from lmzoo.errors import cleaned

POWERS = 10.0 ** np.arange(23)  # exact in float64
TAB, NEWLINE, RETURN, SPACE, MINUS, POINT, ZERO, E = 9, 10, 13, 32, 45, 46, 48, 101

_NUMBER = re.compile(rb"[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|inf|infinity)", re.IGNORECASE)
_BLANKS = re.compile(rb"[ \t\r]+")
_ERRORS = "lmzoo <0xNN>"
NOT_UTF8 = "words that are not UTF-8, whose bytes were spelled <0xNN>"


def fields(line: bytes) -> list[bytes]:
    """The fields of a line, parted as KenLM parts them, by spaces, tabs and carriage returns alone."""
    return [field for field in _BLANKS.split(line.rstrip(b"\n")) if field]


def is_number(field: bytes) -> bool:
    """Whether `field` is a decimal number, finite or not."""
    return _NUMBER.fullmatch(field) is not None


def shown(text: bytes) -> str:
    """An excerpt of the file, for error messages, with U+FFFD for what is no text."""
    return excerpt(cleaned(text[:244].decode("utf-8", "replace")))  # 61 characters have 244 bytes at most


def excerpt(text: str) -> str:
    """The beginning of a text, quoted, for messages."""
    return repr(text[:60] + "…" if len(text) > 60 else text)


def _spell(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "".join(f"<0x{byte:02X}>" for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_ERRORS, _spell)


def spelled(word: bytes) -> str:
    """The text of a word; bytes that are not UTF-8 are spelled <0xNN>, as those of a character that was cut."""
    return word.decode("utf-8", _ERRORS)


class Tally:
    """What was odd in a file that was read all the same: how often, by kind, and the first example."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, str]] = {}

    def add(self, kind: str, example: str, times: int = 1) -> None:
        """Count `times` more of a `kind`, a plural that says what was done: "duplicates, left out"."""
        count, first = self._found.get(kind, (0, example))
        self._found[kind] = count + times, first

    def notes(self) -> list[str]:
        """One note, or none."""
        found = [
            f"{kind}: {count:,}" + f" ({'first: ' * (count > 1)}{excerpt(first)})" * bool(first)
            for kind, (count, first) in self._found.items()
        ]
        return ["; ".join(found)] if found else []


@njit(cache=True, nogil=True)
def number(text, at):  # type: ignore[no-untyped-def]
    """(the decimal number at `at`, where it ends); (NaN, at) if there is none, or one with too many digits."""
    begin = at
    negative = text[at] == MINUS
    if negative:
        at += 1
    mantissa, digits, power, point = np.int64(0), 0, 0, False
    while True:
        c = text[at]
        if ZERO <= c <= ZERO + 9:
            mantissa = mantissa * 10 + (c - ZERO)
            digits += 1
            power -= point
        elif c == POINT and not point:
            point = True
        else:
            break
        at += 1
    if (text[at] == 101 or text[at] == 69) and digits:  # e, E
        at += 1
        sign = -1 if text[at] == MINUS else 1
        if text[at] == MINUS or text[at] == 43:
            at += 1
        exponent = 0
        if not ZERO <= text[at] <= ZERO + 9:
            return np.nan, begin
        while ZERO <= text[at] <= ZERO + 9 and exponent < 1000:
            exponent = exponent * 10 + (text[at] - ZERO)
            at += 1
        power += sign * exponent
    if digits == 0 or digits > 18 or abs(power) >= len(POWERS):
        return np.nan, begin
    value = mantissa / POWERS[-power] if power < 0 else mantissa * POWERS[power]
    return -value if negative else value, at


@njit(cache=True, nogil=True)
def is_space(c):  # type: ignore[no-untyped-def]
    """Whether a byte parts fields: as in KenLM, a space, a tab or a carriage return, and nothing else."""
    return c in (SPACE, TAB, RETURN)
