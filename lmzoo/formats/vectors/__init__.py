"""Files of word vectors, as word2vec, GloVe and gensim read and write them.

    word2vec          a line "N D", then N lines: a word and D numbers, separated by spaces
    word2vec-binary   the same line, then N times: the word, a space, D float32s (4 D bytes, little-endian), a newline
    glove             the lines of word2vec without the first
    keyedvectors      a Python pickle by gensim: written, but not read, because a pickle can run any code

The format of a file is detected from its contents. Words are written in descending order of their counts, as all of
these programs do. A number is printed with as many digits, six or more, as reading back the same float32 takes. A word
may contain anything but white space; in text files that are read a word may contain spaces, as a few of GloVe's do: the
last D fields are the numbers.
"""

import gzip
import os
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, pairwise
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike

from lmzoo.errors import FormatError, UsageError, not_installed, one_of
from lmzoo.formats.arpa import _BINARY, _new_file
from lmzoo.formats.arpa.lines import shown
from lmzoo.formats.vectors.lines import (
    FOREIGN,
    LONGEST_LINE,
    LONGEST_NUMBER,
    LONGEST_WORD,
    check_finite,
    is_utf8,
    parse,
    parse_lines,
    put_lines,
    sniff,
)
from lmzoo.interface import Array, Progress

FORMATS = ("word2vec", "word2vec-binary", "glove", "keyedvectors")
BLOCK = 1 << 23  # bytes read, and printed by each thread, at a time
HEAD = 1 << 22  # bytes from which the format is detected
THREADS = min(8, os.cpu_count() or 1)

_SPACE_OR_SURROGATE = re.compile("[ \t\n\r\v\f\ud800-\udfff]")


class Vectors(NamedTuple):
    """What is in a file: N words, their vectors (N, D) float32, and its format."""

    words: list[str]
    matrix: Array
    format: str


# ── In ────────────────────────────────────────────────────────────────────────────────────────────


def read(path: str | Path, format: str | None = None, progress: Progress | None = None) -> Vectors:  # noqa: A002
    """Read a file of vectors, plain or gzipped; without `format`, it is detected from the contents.

    Raises FormatError naming the line (in a binary file the word): a file that is empty, of another kind, truncated or
    damaged, a wrong number of words or numbers, a field that is no number, NaN and infinity, a duplicate word, one that
    is not UTF-8, a pickle. UsageError for a missing file.
    """
    path, progress = Path(path), progress or Progress()
    if format is not None:
        one_of("format", format, FORMATS)
    try:
        with path.open("rb") as raw, progress.task(f"reading {path.name}", os.fstat(raw.fileno()).st_size) as task:
            return _Reader(raw, task).read(format)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FormatError(f"{path}: the compressed file is damaged or cut short ({error})") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None
    except FormatError as error:
        raise FormatError(f"{path}, {error}") from None


def recognises(path: Path) -> bool:
    """Whether `path` looks like a file of vectors, gensim's pickles included, which `read` refuses by name."""
    try:
        with path.open("rb") as raw:
            head = _Reader(raw, Progress()).head()
        sniff(head, None)
    except FormatError:
        return head.startswith(tuple(FOREIGN))
    except (OSError, EOFError, zlib.error):
        return False
    return not head.startswith(tuple(_BINARY))


class _Reader:
    """Reads one file block by block into one matrix."""

    def __init__(self, raw: IO[bytes], progress: Progress):
        self._raw, self._progress, self._position = raw, progress, 0
        magic = raw.read(2)
        raw.seek(0)
        self._file = cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if magic == b"\x1f\x8b" else raw
        self._head = b""  # read to detect the format, and not parsed yet
        self._words: list[str] = []
        self._first = 1  # line number (in a binary file, word number) of the first word
        self._unit = "line"

    def head(self) -> bytes:
        """The beginning of the file."""
        return self._file.read(HEAD)

    def read(self, format: str | None) -> Vectors:  # noqa: A002
        self._head = self.head()
        kind, announced, dimensions = sniff(self._head, format)
        self._matrix = np.empty((0, dimensions), np.float32)
        if announced is not None:
            self._head = self._head.partition(b"\n")[2]
        if kind == "word2vec-binary":
            self._unit = "word"
            self._binary(cast(int, announced), dimensions)
        else:
            self._first += announced is not None
            self._text(dimensions, "where line 1 " + ("says" if announced is not None else "has"))
        if announced is not None and len(self._words) != announced:
            raise FormatError(
                f"line 1: {announced:,} words are announced, and {len(self._words):,} are here: is the file cut short, "
                "or put together from several?"
            )
        self._refuse_duplicates()
        return Vectors(self._words, self._matrix, kind)

    def _blocks(self) -> Iterator[bytes]:
        block, self._head = self._head or self._file.read(BLOCK), b""
        while block:
            yield block
            block = self._file.read(BLOCK)
            position = self._raw.tell()
            self._progress.advance(position - self._position)
            self._position = position

    def _error(self, row: int, message: str) -> FormatError:
        return FormatError(f"{self._unit} {self._first + row:,}: {message}")

    def _text(self, dimensions: int, expected: str) -> None:
        rest = b""
        expected = f"{expected} {dimensions}"
        with ThreadPoolExecutor(THREADS) as pool:  # the compiled loop releases the GIL
            for block in self._blocks():
                rest += block
                # Blank lines are held back: at the end of the file they are allowed.
                if size := len(rest[: rest.rfind(b"\n") + 1].rstrip()):
                    size = rest.index(b"\n", size) + 1
                    self._lines(rest[:size], dimensions, expected, pool)
                    rest = rest[size:]
                elif len(rest) > LONGEST_LINE:
                    raise self._error(len(self._words), f"this line is longer than {LONGEST_LINE:,} bytes")
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
        for row in np.flatnonzero(word_stops < 0).tolist():
            try:
                word, rows[row] = parse(block[starts[row] : stops[row]], dimensions, expected)
            except ValueError as error:
                raise self._error(len(self._words) + row, str(error)) from None
            word_stops[row] = starts[row] + len(word)
        self._add_words([block[a:b] for a, b in zip(starts.tolist(), word_stops.tolist(), strict=True)])

    def _binary(self, announced: int, dimensions: int) -> None:
        rest, width = b"", 4 * dimensions
        for block in self._blocks():
            rest += block
            spelled: list[bytes] = []
            records: list[bytes] = []
            at = 0
            while len(self._words) + len(spelled) < announced:  # a word, a space and its float32s
                stop = rest.find(b" ", at)
                if stop < 0 or stop + 1 + width > len(rest):
                    break
                spelled.append(rest[at:stop].lstrip(b"\n"))
                at = stop + 1 + width
                records.append(rest[stop + 1 : at])
            rest = rest[at:]
            vectors = self._room_for(len(spelled))
            vectors[:] = np.frombuffer(b"".join(records), "<f4").reshape(-1, dimensions)
            for row in np.flatnonzero(~np.isfinite(vectors).all(axis=1)).tolist():
                try:
                    check_finite(vectors[row], spelled[row])
                except ValueError as error:
                    raise self._error(len(self._words) + row, str(error)) from None
            self._add_words(spelled)
            if len(self._words) == announced and rest.strip():
                raise self._error(announced, f"{shown(rest.strip())} stands behind the last of the announced words")
            if len(self._words) < announced and rest.find(b" ") < 0 and len(rest) > LONGEST_WORD:
                raise self._error(len(self._words), "no space ends it: the file is damaged, or not word2vec's")
        if len(self._words) < announced:
            cut = f" in {shown(rest.strip().split(b' ')[0])}" if rest.strip() else ""
            raise self._error(len(self._words), f"the file ends here{cut}, and {announced:,} words are announced")

    def _room_for(self, rows: int) -> Array:
        """The next `rows` rows. The matrix is resized in place, so that there are never two copies."""
        before, dimensions = self._matrix.shape
        self._matrix.resize((before + rows, dimensions), refcheck=False)
        return self._matrix[before:]

    def _add_words(self, spelled: list[bytes]) -> None:
        try:
            words = b"\n".join(spelled).decode("utf-8").split("\n") if spelled else []
        except UnicodeDecodeError:
            row = next(row for row, word in enumerate(spelled) if not is_utf8(word))
            raise self._error(
                len(self._words) + row, f"the word {shown(spelled[row])} is not UTF-8: convert the file, as with iconv"
            ) from None
        if len(words) != len(spelled) or "" in words:
            row = next(row for row, word in enumerate(spelled) if not word or b"\n" in word)
            raise self._error(len(self._words) + row, f"{shown(spelled[row])} is no word: the file is damaged")
        self._words += words

    def _refuse_duplicates(self) -> None:
        if len(set(self._words)) == len(self._words):
            return
        seen: dict[str, int] = {}
        for row, word in enumerate(self._words):
            if seen.setdefault(word, row) != row:
                earlier = f"{self._unit} {self._first + seen[word]:,}"
                raise self._error(row, f"the word {word!r} again, which {earlier} has: leave one of the two out")


# ── Out ───────────────────────────────────────────────────────────────────────────────────────────


def write(
    path: str | Path,
    words: Sequence[str],
    matrix: ArrayLike,
    counts: ArrayLike | None = None,
    format: str = "word2vec",  # noqa: A002
    progress: Progress | None = None,
    overwrite: bool = True,
) -> None:
    """Write `words` (N,) and their vectors (N, D), the most frequent first; without `counts` (N,) in the order given.

    A name that ends in .gz is compressed. The file is written atomically; without `overwrite`, beside one that is there
    (TakenError). Raises UsageError for words that are not distinct or have white space, and vectors that are not
    finite; LmzooError if the file cannot be written.
    """
    one_of("format", format, FORMATS)
    path, (words, rows, counts) = Path(path), _checked(words, matrix, counts)
    if format == "keyedvectors":
        vectors = to_keyed_vectors(words, rows, counts)
        with _new_file(path, overwrite) as file:
            vectors.save(file)
        return
    spelled = [word.encode("utf-8") for word in words]
    step = max(1, BLOCK // (LONGEST_NUMBER * rows.shape[1]))
    parts = [slice(i, i + step) for i in range(0, len(spelled), step)]

    def block(part: slice) -> Any:
        return (_records if format == "word2vec-binary" else _printed)(spelled[part], rows[part])

    with (
        _new_file(path, overwrite) as file,
        (progress or Progress()).task(f"writing {path.name}", len(spelled)) as task,
    ):
        if format != "glove":
            file.write(b"%d %d\n" % rows.shape)
        with ThreadPoolExecutor(THREADS) as pool:
            for i in range(0, len(parts), THREADS):  # no more at a time: printed parts wait in memory
                for printed in pool.map(block, parts[i : i + THREADS]):
                    file.write(printed)
                    task.advance(step)


def _checked(words: Sequence[str], matrix: ArrayLike, counts: ArrayLike | None) -> tuple[list[str], Array, Any]:
    """Words, vectors and counts, sorted by count, descending. Raises UsageError as `write` does."""
    words, rows = list(words), np.asarray(matrix, np.float32)
    if rows.ndim != 2 or len(rows) != len(words) or not rows.size:
        raise UsageError(f"{len(words):,} words need a matrix with as many rows, not one of shape {rows.shape}")
    for word in words:
        if not word or _SPACE_OR_SURROGATE.search(word):
            raise UsageError(f"{word!r} cannot be written: a word in a file of vectors is text without white space")
    if len(set(words)) < len(words):
        word, count = Counter(words).most_common(1)[0]
        raise UsageError(f"the word {word!r} is given {count} times: a file of vectors has each word once")
    if not np.isfinite(rows).all():
        row = int(np.argmin(np.isfinite(rows).all(axis=1)))
        raise UsageError(f"the vector of {words[row]!r} is not finite: train with a lower learning rate")
    if counts is None:
        return words, np.ascontiguousarray(rows), None
    counts = np.asarray(counts)
    if counts.shape != (len(words),):
        raise UsageError(f"{len(words):,} words need as many counts, not counts of shape {counts.shape}")
    order = np.argsort(-counts, kind="stable")
    return [words[i] for i in order.tolist()], rows[order], counts[order]


def _printed(words: list[bytes], rows: Array) -> Any:
    names = np.frombuffer(b"".join(words), np.uint8)
    out = np.empty(len(names) + rows.size * LONGEST_NUMBER + len(words), np.uint8)
    return out[: put_lines(out, rows, names, np.array([0, *accumulate(map(len, words))]))].data


def _records(words: list[bytes], rows: Array) -> bytes:
    numbers = rows.astype("<f4")
    return b"".join([b"%b %b\n" % (word, row.tobytes()) for word, row in zip(words, numbers, strict=True)])


def to_keyed_vectors(words: Sequence[str], matrix: ArrayLike, counts: ArrayLike | None = None) -> Any:
    """gensim's `KeyedVectors` of N words and their vectors (N, D), the most frequent first.

    Raises UsageError if gensim is not installed, and as `write` does.
    """
    words, rows, counts = _checked(words, matrix, counts)
    try:
        from gensim.models import KeyedVectors
    except ImportError:
        raise not_installed("the format keyedvectors", "gensim") from None
    vectors = KeyedVectors(rows.shape[1])
    vectors.add_vectors(words, rows)
    if counts is not None:
        vectors.expandos["count"] = counts
    return vectors
