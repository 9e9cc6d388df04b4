"""Reading words at the speed of memory: the bytes of a text → numbers of words, by one compiled loop.

Words are found in a hash table with open addressing. A word of up to seven bytes is one 64-bit number, which is all
that has to be compared; a longer one is hashed, and its letters are compared too.
"""

import re
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lmzoo.data.tokenizers.base import BYTES, HOLE, Tokens
from lmzoo.loops import loop

# Kinds of characters. Of words between white space there are three: GAP, NEWLINE and WORD. LEAD is the first byte of a
# character of several; the kinds of such characters stand after those of the 256 bytes, by code point.
GAP, NEWLINE, WHITE, SPACE, MARK, APOSTROPHE, WORD, LEAD = range(8)
ODD = 0x9E3779B97F4A7C15 - (1 << 64)  # 2^64 / the golden ratio, as an int64 (Knuth's multiplicative hashing)
SHORT = 7  # bytes of a word that is its own hash
TABLE = 1 << 12  # rows of the first table

Array = NDArray[np.int64]


class Reader:
    """Distinct words, numbered in order of first appearance: those between white space, or `pieces` as of `Word`.

    A single byte is no piece: it is the token of that number.
    """

    def __init__(self, pieces: bool):
        self.pieces = pieces
        self.words = 0
        self._rows = np.zeros((TABLE, 2), np.int64)  # a word's hash and 1 + its number; 0 in an empty row
        self._ends = np.zeros(TABLE, np.int64)  # word n is the bytes ends[n] … ends[n+1]-1 of `letters`
        self._letters = np.empty(0, np.uint8)

    def learn(self, data: bytes, first: int, newline: int) -> Tokens:
        """The numbers of the words of `data`, UTF-8, from `first` on; new ones get the next. A newline is `newline`."""
        return self._read(data, first, newline, HOLE, True)

    def read(self, data: bytes, first: int, newline: int, unknown: int = HOLE) -> Tokens:
        """The same, but new words become `unknown`, or their bytes where this reads pieces."""
        return self._read(data, first, newline, unknown, False)

    def spellings(self) -> list[str]:
        """The words in their order."""
        letters = self._letters.tobytes()
        ends = self._ends[: self.words + 1].tolist()
        return [letters[a:b].decode("utf-8", "surrogatepass") for a, b in pairwise(ends)]

    def _read(self, data: bytes, first: int, newline: int, unknown: int, learn: bool) -> Tokens:
        text = np.frombuffer(data, np.uint8)
        kinds = _kinds(self.pieces, data.isascii())
        ids = np.empty(len(text), np.int32)  # there is at most one token a byte
        used = int(self._ends[self.words])
        if learn and len(self._letters) < used + len(text):
            self._letters = np.concatenate([self._letters, np.empty(used + len(text), np.uint8)])
        at = tokens = 0
        while True:
            made = np.array([0, self.words])
            at += _read(
                text[at:], kinds, self._rows, self._ends, self._letters, ids[tokens:], made, first, newline, unknown,
                self.pieces, learn
            )  # fmt: skip
            tokens += int(made[0])
            if learn:
                self.words = int(made[1])
            if at == len(text):
                return ids[:tokens].copy()
            self._grow()

    def _grow(self) -> None:
        """Make the table four times as large."""
        self._ends = np.concatenate([self._ends, np.zeros(3 * len(self._ends), np.int64)])
        rows = self._rows[self._rows[:, 1] > 0]
        home = _home(rows[:, 0], 4 * len(self._rows))
        order = np.argsort(home, kind="stable")
        n = np.arange(len(rows))
        places = np.maximum.accumulate(home[order] - n) + n  # each at its home, or behind those that came before it
        larger = np.zeros((4 * len(self._rows), 2), np.int64)
        fits = places < len(larger)
        larger[places[fits]] = rows[order[fits]]
        left = order[~fits]  # behind the last row comes the first
        larger[np.flatnonzero(larger[:, 1] == 0)[: len(left)]] = rows[left]
        self._rows = larger


@cache
def _kinds(pieces: bool, ascii_only: bool) -> NDArray[np.uint8]:
    """The kind of each byte (256,), and behind them of each code point, which `pieces` of not only ASCII need."""
    kinds = np.full(BYTES + (0 if ascii_only or not pieces else 0x110000), MARK, np.uint8)
    if not pieces:
        kinds[:] = WORD
        kinds[list(b"\t\v\f\r ")] = GAP
        kinds[ord("\n")] = NEWLINE
        return kinds
    codes = range(128) if ascii_only else range(0x110000)
    characters = np.array(codes, np.uint32).tobytes().decode("utf-32-le", "surrogatepass")
    of_codes = kinds[: len(codes)] if ascii_only else kinds[BYTES:]
    for pattern, kind in ((r"\w+", WORD), (r"\s+", WHITE)):
        for match in re.finditer(pattern, characters):
            of_codes[match.start() : match.end()] = kind
    for character, kind in (("'", APOSTROPHE), ("\u2019", APOSTROPHE), (" ", SPACE), ("\n", NEWLINE)):
        if ord(character) < len(of_codes):
            of_codes[ord(character)] = kind
    kinds[:128] = of_codes[:128]
    kinds[0x80:0xC0] = WORD  # the later bytes of a character, which are read only where it is in a word
    kinds[0xC0:BYTES] = LEAD
    return kinds


def _home(hashes: Array, rows: int) -> Array:
    """As `_read` finds it."""
    mixed = hashes * np.int64(ODD)
    home: Array = (mixed ^ (mixed >> 32)) & (rows - 1)
    return home


@loop
def _kind(data, i, kinds):  # type: ignore[no-untyped-def]
    """The kind of the character that begins at byte i."""
    kind = kinds[data[i]]
    if kind != LEAD:
        return kind
    lead = np.int64(data[i])
    code = (lead & 0x1F) << 6 | np.int64(data[i + 1]) & 0x3F
    if lead >= 0xE0:
        code = (code & 0x3FF) << 6 | np.int64(data[i + 2]) & 0x3F
    if lead >= 0xF0:
        code = (code & 0x7FFF) << 6 | np.int64(data[i + 3]) & 0x3F
    return kinds[BYTES + code]


@loop
def _hash(value, byte, length):  # type: ignore[no-untyped-def]
    """The hash of a word of `length` bytes and one more: the bytes themselves after a 1, while there is room."""
    return value << 8 | np.int64(byte) if length < SHORT else value * ODD ^ np.int64(byte)


@loop
def _read(data, kinds, rows, ends, letters, out, made, first, newline, unknown, pieces, learn):  # type: ignore[no-untyped-def]
    """Read `data` into `out` up to where the table is too full to learn a word: the number of bytes read.

    Writes into `made` the number of tokens written, and in place of the number of words the new one.
    """
    n, mask, i, t, words = len(data), len(rows) - 1, 0, 0, int(made[1])
    while i < n:
        kind = _kind(data, i, kinds)
        if kind == GAP:  # mostly alone, so that what follows is read at once
            i += 1
            if i == n:
                break
            kind = _kind(data, i, kinds)
            if kind == GAP:
                continue
        if kind == NEWLINE:
            out[t] = newline
            t += 1
            i += 1
            continue
        start, value = i, np.int64(1)
        if kind == SPACE:  # of the word or mark that follows, else a piece of its own
            i += 1
            value = _hash(value, 32, 0)
            kind = _kind(data, i, kinds) if i < n else WHITE
            if kind < MARK:
                out[t] = 32
                t += 1
                continue
        value = _hash(value, data[i], i - start)
        i += 1
        if kind == WORD:
            while i < n:
                if kinds[data[i]] != WORD:
                    kind = _kind(data, i, kinds)
                    if kind == APOSTROPHE:  # of the word only if a word goes on behind it
                        behind = i + 1 if data[i] < 128 else i + 3
                        kind = _kind(data, behind, kinds) if behind < n else WHITE
                    if kind != WORD:
                        break
                value = _hash(value, data[i], i - start)
                i += 1
        else:
            while i < n and data[i] & 0xC0 == 0x80:
                value = _hash(value, data[i], i - start)
                i += 1
        length = i - start
        if pieces and length == 1:
            out[t] = data[start]
            t += 1
            continue
        if length > SHORT:
            value |= -1 << 63  # so that it is no short word's
        mixed = value * ODD
        row = (mixed ^ (mixed >> 32)) & mask
        found = -1
        while rows[row, 1] > 0:
            if rows[row, 0] == value:
                found = rows[row, 1] - 1
                if length > SHORT:
                    begin = ends[found]
                    same = ends[found + 1] - begin == length
                    for j in range(length if same else 0):
                        if letters[begin + j] != data[start + j]:
                            same = False
                            break
                    found = found if same else -1
                if found >= 0:
                    break
            row = (row + 1) & mask
        if found >= 0:
            out[t] = first + found
            t += 1
        elif learn:
            begin = ends[words]
            if 3 * words > 2 * mask:
                i = start
                break
            for j in range(length):
                letters[begin + j] = data[start + j]
            out[t] = first + words
            t += 1
            words += 1
            ends[words] = begin + length
            rows[row, 0] = value
            rows[row, 1] = words
        elif pieces:
            for j in range(start, i):
                out[t] = data[j]
                t += 1
        else:
            out[t] = unknown
            t += 1
    made[0], made[1] = t, words
    return i
