"""Reading a file of vectors block by block into one matrix: what is good is kept, and one note counts the rest."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NoReturn

import numpy as np

from lmzoo.data.reading import Source
from lmzoo.data.sniff import Kind, is_utf8
from lmzoo.errors import FormatError
from lmzoo.formats.fields import NOT_UTF8, Tally, excerpt, shown, spelled
from lmzoo.formats.vectors.lines import LONGEST_LINE, LONGEST_WORD, detect, parse, parse_lines, parse_records
from lmzoo.interface import Array

BLOCK = 1 << 23  # bytes read at a time
HEAD = 1 << 22  # bytes from which the format is detected
THREADS = min(8, os.cpu_count() or 1)
CHUNK = 10_000  # rows moved at a time
MARK = "\ufeff"  # of byte order: a part of no word

DUPLICATES = "duplicate words, of which the first was kept"
SPACES = "words with spaces in them"
NOT_FINITE = "vectors that are not finite, left out"
EMPTY = "vectors without a word, left out"
MARKS = "byte-order marks before words, left out"


class Reader:
    """Reads one file. After `read`: `words`, their vectors `matrix` (N, D), the `format`, and `tally`, what was odd."""

    def __init__(self, source: Source, kind: Kind):
        """`kind` is what the file looks like."""
        self._source, self._kind = source, kind
        self._head = b""  # read to detect the format, and not parsed yet
        self._at = 1  # the line (in a binary file, the word) to be read next
        self._records = 0  # words read, those left out too
        self._newlines: bool | None = None  # whether a newline follows each vector of a binary file
        self.words: list[str] = []
        self.tally = Tally()

    def detect(self, format: str | None) -> tuple[str, int | None, int]:  # noqa: A002
        """The format, the number of words announced by a header (or None) and D."""
        self._head = self._source.read(HEAD)
        return detect(self._head, format, self._kind)

    def read(self, format: str | None) -> None:  # noqa: A002
        """Read the whole file. Raises FormatError naming the line or word."""
        self.format, announced, dimensions = self.detect(format)
        self.matrix = np.empty((0, dimensions), np.float32)
        if announced is not None:
            self._head = self._head.partition(b"\n")[2]
        if announced is not None and self.format == "word2vec-binary":
            self._binary(announced, dimensions)
        else:
            self._at += announced is not None
            self._text(dimensions, "where line 1 says" if announced is not None else "where most lines have")
        if announced is not None and self._records != announced:
            raise FormatError(
                f"line 1: {announced:,} words are announced, and {self._records:,} are here: is the file cut short, or "
                "put together from several?"
            )
        self._leave_out_duplicates()
        if not self.words:
            raise FormatError("line 1: none of the words here has a vector that can be kept")

    def _blocks(self) -> Iterator[bytes]:
        block, self._head = self._head or self._source.read(BLOCK), b""
        while block:
            yield block
            block = self._source.read(BLOCK)

    # ── Text ──

    def _text(self, dimensions: int, expected: str) -> None:
        rest = b""
        expected = f"{expected} {dimensions}"
        with ThreadPoolExecutor(THREADS) as pool:  # the compiled loop releases the GIL
            for block in self._blocks():
                rest += block
                if size := rest.rfind(b"\n") + 1:
                    self._lines(rest[:size], dimensions, expected, pool)
                    rest = rest[size:]
                elif len(rest) > LONGEST_LINE:
                    raise FormatError(f"line {self._at:,}: this line is longer than {LONGEST_LINE:,} bytes")
            if rest.strip():
                self._lines(rest + b"\n", dimensions, expected, pool)

    def _lines(self, block: bytes, dimensions: int, expected: str, pool: ThreadPoolExecutor) -> None:
        """Parse complete lines."""
        text = np.frombuffer(block, np.uint8)
        stops = np.flatnonzero(text == ord("\n"))
        starts = np.append(0, stops[:-1] + 1)
        rows = self._room_for(len(starts))
        word_stops = np.empty(len(starts), np.int64)
        cuts = np.linspace(0, len(starts), THREADS + 1).astype(int).tolist()
        parts = [slice(*cut) for cut in pairwise(cuts)]
        list(pool.map(lambda p: parse_lines(text, starts[p], stops[p], rows[p], word_stops[p]), parts))
        unusual = np.flatnonzero(word_stops < 0).tolist()
        words = [block[a:b] for a, b in zip(starts.tolist(), word_stops.tolist(), strict=True)]
        kept = np.ones(len(words), bool)
        for row in unusual:
            line = block[starts[row] : stops[row]]
            if line.strip():
                try:
                    words[row], rows[row] = parse(line, dimensions, expected)
                except ValueError as error:
                    raise FormatError(f"line {self._at + row:,}: {error}") from None
                if b" " in words[row]:
                    self.tally.add(SPACES, spelled(words[row]))
            else:
                words[row], kept[row] = b"", False
                self._records -= 1  # a blank line is none
        self._leave_out_infinite(unusual, words, rows, kept)
        self._add(words, rows, kept)

    # ── Binary ──

    def _binary(self, announced: int, dimensions: int) -> None:
        rest, width = b"", 4 * dimensions
        for block in self._blocks():
            rest += block
            most = min(announced - self._records, len(rest) // (width + 1))
            starts, stops = np.empty((2, most), np.int64)
            numbers = np.empty((most, width), np.uint8)
            count, at = parse_records(np.frombuffer(rest, np.uint8), starts, stops, numbers)
            found = [rest[a:b] for a, b in zip(starts[:count].tolist(), stops[:count].tolist(), strict=True)]
            rows = self._room_for(count)
            rows[:] = numbers[:count].view("<f4")
            rest = rest[at:]
            words, kept = self._without_newlines(found, rest), np.ones(len(found), bool)
            self._leave_out_infinite(np.flatnonzero(~np.isfinite(rows).all(axis=1)).tolist(), words, rows, kept)
            self._add(words, rows, kept)
            if self._records == announced and rest.strip():
                raise FormatError(
                    f"word {self._at:,}: there is text after the last of the announced words: {shown(rest.strip())}"
                )
            if self._records < announced and rest.find(b" ") < 0 and len(rest) > LONGEST_WORD:
                raise FormatError(f"word {self._at:,}: no space ends it: the file is damaged, or not word2vec's")
        if self._records < announced:
            cut = f" in {shown(rest.strip().split(b' ')[0])}" if rest.strip() else ""
            raise FormatError(f"word {self._at:,}: the file ends here{cut}, and {announced:,} words are announced")

    def _without_newlines(self, found: list[bytes], rest: bytes) -> list[bytes]:
        """The words, without the newline that word2vec, but not gensim, writes after the vector before.

        Raises FormatError where a word has a space in it: all programs read it up to there, and numbers in the rest.
        """
        if not found:
            return []
        first = self._records == 0
        if self._newlines is None and (after := b"".join([*found[first:][:1], rest[:1]])):
            self._newlines = after.startswith(b"\n")
        joined = b" ".join(found)
        count = joined.count(b" \n") + joined.startswith(b"\n")
        while b" \n" in joined:
            joined = joined.replace(b" \n", b" ")
        words = joined.lstrip(b"\n").split(b" ")
        if self._newlines and count < len(found) - first:
            self._refuse_shifted(words, next(n for n in range(first, len(found)) if found[n][:1] != b"\n"))
        if not self._newlines and not is_utf8(joined):
            for n, word in enumerate(words):
                if not is_utf8(word, whole=False):  # and so not a word that was only cut at its end
                    self._refuse_shifted(words, n)
        return words

    def _refuse_shifted(self, words: list[bytes], n: int) -> NoReturn:
        last = shown(words[n - 1]) if n else excerpt(self.words[-1]) if self.words else ""
        before = f", perhaps word {self._at + n - 1:,}, {last}," if last else ""
        raise FormatError(
            f"word {self._at + n:,} begins inside the numbers of the word before it: a space in a word{before} shifts "
            "all that follows; write the file again with _ for such spaces"
        )

    # ── Both ──

    def _room_for(self, rows: int) -> Array:
        """The next `rows` rows. The matrix is resized in place, so that there are never two copies."""
        before, dimensions = len(self.words), self.matrix.shape[1]
        self.matrix.resize((before + rows, dimensions), refcheck=False)
        return self.matrix[before:]

    def _leave_out_infinite(self, unusual: list[int], words: list[bytes], rows: Array, kept: Array) -> None:
        for row in unusual:
            if not np.isfinite(rows[row]).all():
                kept[row] = False
                self.tally.add(NOT_FINITE, spelled(words[row]))

    def _add(self, words: list[bytes], rows: Array, kept: Array) -> None:
        """Add the words (R,) with vectors `rows` (R, D), but for those not `kept` (R,) and those without text."""
        texts = self._texts(words)
        for row in [row for row, text in enumerate(texts) if not text and kept[row]] if "" in texts else []:
            kept[row] = False
            self.tally.add(EMPTY, "")
        if not kept.all():
            chosen = np.flatnonzero(kept)
            texts = [texts[row] for row in chosen.tolist()]
            rows[: len(chosen)] = rows[chosen]
        self.words += texts
        self._at += len(words)
        self._records += len(words)

    def _texts(self, words: list[bytes]) -> list[str]:
        """The texts of words, without byte-order marks."""
        if not words:
            return []
        joined = b"\n".join(words)
        if not is_utf8(joined):
            for word in words:
                if not is_utf8(word):
                    self.tally.add(NOT_UTF8, spelled(word))
        texts = spelled(joined).split("\n")
        if len(texts) != len(words):
            row = next(row for row, word in enumerate(words) if b"\n" in word)
            raise FormatError(f"word {self._at + row:,}: {shown(words[row])} is no word: the file is damaged")
        if MARK.encode() in joined:
            marked = [text for text in texts if text.startswith(MARK)]
            if marked:
                self.tally.add(MARKS, marked[0].removeprefix(MARK), len(marked))
                texts = [text.removeprefix(MARK) for text in texts]
        return texts

    def _leave_out_duplicates(self) -> None:
        first: dict[str, int] = {}
        for row, word in enumerate(self.words if len(set(self.words)) < len(self.words) else []):
            if first.setdefault(word, row) != row:
                self.tally.add(DUPLICATES, word)
        if first:
            rows = np.fromiter(first.values(), np.int64, len(first))
            for start in range(0, len(rows), CHUNK):  # in place: rows only move up
                self.matrix[start : start + CHUNK][: len(rows) - start] = self.matrix[rows[start : start + CHUNK]]
            self.words = [*first]
        self.matrix.resize((len(self.words), self.matrix.shape[1]), refcheck=False)
