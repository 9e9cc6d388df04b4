"""Parsing and printing files of word vectors, line by line and in blocks of lines.

Files have a hundred million numbers, so they are parsed and printed by compiled loops. A line that the loop does not
understand is left to `parse`, which is slow, accepts everything allowed, and says what is wrong with the rest.
"""

import re
from collections import Counter

import numpy as np
from numba import njit

from lmzoo.data.sniff import Kind, is_utf8
from lmzoo.errors import FormatError
from lmzoo.formats.fields import (
    MINUS,
    NEWLINE,
    POINT,
    POWERS,
    SPACE,
    ZERO,
    E,
    fields,
    is_number,
    is_space,
    number,
    shown,
)
from lmzoo.formats.files import instead
from lmzoo.interface import Array

LONGEST_LINE = 1 << 24  # bytes
LONGEST_WORD = 10_000  # bytes
LONGEST_NUMBER = 20  # bytes of a printed number, including the space before it
_EXACT = 16  # bytes: shorter decimal numbers are read exactly by one float64 operation
_HEADER = re.compile(rb"[ \t]*(\d{1,15})[ \t]+(\d{1,15})[ \t\r]*")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


# ── Detecting the format ──────────────────────────────────────────────────────────────────────────


def detect(head: bytes, format: str | None, kind: Kind) -> tuple[str, int | None, int]:  # noqa: A002
    """The format, the number of words announced by a header (or None) and D, from the beginning of a file.

    `kind` is what the file looks like otherwise.
    """
    if not head.strip():
        raise FormatError("line 1: the file is empty")
    first, _, rest = head.partition(b"\n")
    header = _HEADER.fullmatch(first)
    if header and format != "glove":
        words, dimensions = map(int, header.groups())
        if not 0 < dimensions < LONGEST_LINE or not words:
            raise FormatError(f"line 1: {words:,} words of {dimensions:,} numbers are announced, of which none can be")
        return format or ("word2vec-binary" if _is_binary(rest, dimensions) else "word2vec"), words, dimensions
    if format in ("word2vec", "word2vec-binary"):
        raise FormatError(f"line 1: {shown(first)} is not the two numbers, of words and dimensions, that {format} has")
    lines = head.split(b"\n")
    complete = [line for line in (lines[:-1] or lines)[:1000] if fields(line)]
    # Numbers at the end of a line: D, but for words that end with numbers, "windows 95", and lines that are damaged.
    lengths = Counter(map(_numbers_at_end, complete[:: len(complete) // 100 + 1]))
    dimensions = max(lengths, key=lambda length: (lengths[length], length), default=0)
    if dimensions < 1 or not is_number(fields(complete[0])[-1]) or (format is None and _CONTROL.search(first)):
        raise FormatError(
            f"line 1: {shown(first)} is neither a header, 'words dimensions', nor a word and its numbers: this is no "
            f"file of vectors{instead(kind)}"
        )
    return "glove", None, dimensions


def _numbers_at_end(line: bytes) -> int:
    """How many fields at a line's end are numbers, without the first field, which is a word."""
    numbers = 0
    for field in reversed(fields(line)[not line[:1].isspace() :]):
        if not is_number(field):
            break
        numbers += 1
    return numbers


def _is_binary(rest: bytes, dimensions: int) -> bool:
    """Whether the numbers in `rest`, the file after the header, are binary rather than decimal."""
    line, _, _ = rest.partition(b"\n")
    numbers = fields(line)[1:][-dimensions:]
    if len(numbers) == dimensions and all(map(is_number, numbers)):
        return False
    body = rest.partition(b" ")[2][: 4 * dimensions]
    return bool(_CONTROL.search(body)) or not is_utf8(body, whole=False)


# ── One line, in Python ───────────────────────────────────────────────────────────────────────────


def parse(line: bytes, dimensions: int, expected: str) -> tuple[bytes, Array]:
    """b'. . 0.5 -1' → (b'. .', [0.5, -1]): the last D fields are the numbers. ValueError says what is wrong with it.

    The word is empty where white space stands in its place. `expected` says where D comes from, "where line 1 says 9".
    """
    parts = fields(line)
    word, numbers = parts[:-dimensions], parts[-dimensions:]
    # Of two lines without a newline between them, one number and the next word stand together: "0.1the".
    run_together = len(word) > dimensions and sum(map(is_number, word[1:])) >= max(1, dimensions - 1)
    if len(numbers) < dimensions or not (word or line[:1].isspace()) or run_together:
        count = len(parts) - 1
        raise ValueError(f"{count} number{'s' * (count != 1)} {expected}{', as of two lines in one' * run_together}")
    for n, field in enumerate(numbers):
        if not is_number(field):
            raise ValueError(f"number {n + 1} of {shown(b' '.join(word))} is {shown(field)}, which is not a number")
    with np.errstate(over="ignore"):
        return b" ".join(word), np.array([float(field) for field in numbers]).astype(np.float32)


# ── Many lines, compiled ──────────────────────────────────────────────────────────────────────────


@njit(cache=True, nogil=True)
def parse_lines(text, starts, stops, out, word_stops):  # type: ignore[no-untyped-def]
    """Read the lines text[start:stop] (stop: their newlines) into `out` (lines, D), and the ends of their words.

    The end is -1 for lines left to `parse`: those with a space in the word, more or fewer numbers, or a long number.
    """
    for row in range(len(starts)):
        start, at = starts[row], stops[row]
        word_stops[row] = -1
        for d in range(out.shape[1] - 1, -1, -1):
            while at > start and is_space(text[at - 1]):
                at -= 1
            stop = at
            while at > start and not is_space(text[at - 1]):
                at -= 1
            if at == start or stop - at > _EXACT:
                break
            value, end = number(text, at)
            if end != stop:
                break
            out[row, d] = value
        else:
            while at > start and is_space(text[at - 1]):
                at -= 1
            word_stops[row] = at if at > start else -1
            for i in range(start, at):
                if is_space(text[i]):
                    word_stops[row] = -1


@njit(cache=True, nogil=True)
def parse_records(text, starts, stops, out):  # type: ignore[no-untyped-def]
    """Copy the numbers of whole records, text[stop + 1 :], into `out` (records, 4 D bytes); words are text[start:stop].

    Returns (the number of records, where the rest begins).
    """
    at = 0
    for row in range(len(out)):
        stop = at
        while stop < len(text) and text[stop] != SPACE:
            stop += 1
        end = stop + 1 + out.shape[1]
        if end > len(text):
            return row, at
        starts[row], stops[row] = at, stop
        out[row] = text[stop + 1 : end]
        at = end
    return len(out), at


@njit(cache=True, nogil=True)
def _decimal(size):  # type: ignore[no-untyped-def]
    """(M, s) such that M · 10^-s is read as the float32 `size` > 0, with the fewest digits from six to nine.

    Nine always suffice: the relative error is at most 5e-9, and half the gap to the next float32 is 3e-8.
    """
    exact = np.float64(size)
    exponent = int(np.floor(np.log10(exact)))
    for digits in range(6, 10):
        scale = digits - 1 - exponent
        if abs(scale) < len(POWERS):
            mantissa = np.rint(exact * POWERS[scale] if scale >= 0 else exact / POWERS[-scale])
            read = mantissa / POWERS[scale] if scale >= 0 else mantissa * POWERS[-scale]
            if np.float32(read) == size:
                break
        elif scale > 0:
            mantissa = np.rint(exact * 1e22 * 10.0 ** (scale - 22))
        else:
            mantissa = np.rint(exact / 1e22 / 10.0 ** (-scale - 22))
    whole = np.int64(mantissa)
    while whole % 10 == 0:
        whole //= 10
        scale -= 1
    return whole, scale


@njit(cache=True, nogil=True)
def _digits(whole):  # type: ignore[no-untyped-def]
    """The number of digits of an integer above 0."""
    digits, power = 1, 10
    while whole >= power:
        digits += 1
        power *= 10
    return digits


@njit(cache=True, nogil=True)
def _put_digits(out, at, whole, digits, point):  # type: ignore[no-untyped-def]
    """Print `whole` padded with zeros to `digits`, with a decimal point before the last `point` of them (0: none)."""
    i = end = at + digits + (point > 0)
    for k in range(digits):
        if k == point and point > 0:
            i -= 1
            out[i] = POINT
        i -= 1
        out[i] = ZERO + whole % 10
        whole //= 10
    return end


@njit(cache=True, nogil=True)
def _put_number(out, at, value):  # type: ignore[no-untyped-def]
    """Print a float32 so that reading it gives the same bits: '0.418', '-1.25e-12'."""
    if value < 0:
        out[at] = MINUS
        at += 1
    if value == 0:
        out[at] = ZERO
        return at + 1
    whole, scale = _decimal(abs(value))
    digits = _digits(whole)
    exponent = digits - 1 - scale
    if -5 <= exponent < 9:
        for _ in range(-scale):
            whole *= 10
        scale = max(scale, 0)
        return _put_digits(out, at, whole, max(exponent, 0) + 1 + scale, scale)
    at = _put_digits(out, at, whole, digits, digits - 1)
    out[at] = E
    at += 1
    if exponent < 0:
        out[at] = MINUS
        at += 1
    return _put_digits(out, at, abs(exponent), _digits(abs(exponent)), 0)


@njit(cache=True, nogil=True)
def put_lines(out, matrix, names, starts):  # type: ignore[no-untyped-def]
    """Print a line for each row of `matrix` (lines, D): its word, names[start:next start], and its numbers."""
    at = 0
    for row in range(len(matrix)):
        for i in range(starts[row], starts[row + 1]):
            out[at] = names[i]
            at += 1
        for d in range(matrix.shape[1]):
            out[at] = SPACE
            at = _put_number(out, at + 1, matrix[row, d])
        out[at] = NEWLINE
        at += 1
    return at
