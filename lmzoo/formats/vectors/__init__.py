"""Files of word vectors, as word2vec, GloVe and gensim read and write them.

    word2vec          a line "N D", then N lines: a word and D numbers, separated by spaces
    word2vec-binary   the same line, then N times: the word, a space, D float32s (4 D bytes, little-endian), a newline
    glove             the lines of word2vec without the first
    keyedvectors      a Python pickle by gensim: written, but not read, because a pickle can run any code

The format of a file is detected from its contents; gensim's binary files have no newlines. Words are written in
descending order of their counts, as all of these programs do. A number is printed with as many digits, six or more, as
reading back the same float32 takes. A word may contain anything but white space; in text files that are read a word may
contain spaces, as a few of GloVe's do: the last D fields are the numbers.
"""

import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from lmzoo.errors import FormatError, UsageError, not_installed, one_of
from lmzoo.formats.files import new_file, reading
from lmzoo.formats.vectors.lines import LONGEST_NUMBER, put_lines
from lmzoo.formats.vectors.reader import BLOCK, THREADS, Reader
from lmzoo.interface import Array, Progress

FORMATS = ("word2vec", "word2vec-binary", "glove", "keyedvectors")
_SPACE_OR_SURROGATE = re.compile("[ \t\n\r\v\f\ud800-\udfff]")


class Vectors(NamedTuple):
    """What is in a file: N words, their vectors (N, D) float32, its format, and a note on what was odd, or none."""

    words: list[str]
    matrix: Array
    format: str
    notes: list[str]


# ── In ────────────────────────────────────────────────────────────────────────────────────────────


def read(path: str | Path, format: str | None = None, progress: Progress | None = None) -> Vectors:  # noqa: A002
    """Read a file of vectors, packed or in UTF-16 too; without `format`, it is detected from the contents.

    A bad word does not cost the file: of duplicates the first is kept, bytes that are not UTF-8 are spelled <0xNN>,
    byte-order marks, words without text and vectors that are not finite are left out, and a note counts all that.

    Raises FormatError naming the line (in a binary file the word): a file that is empty, of another kind, truncated or
    damaged, a wrong number of words or numbers, a field that is no number. UsageError for a missing file.
    """
    if format is not None:
        one_of("format", format, FORMATS)
    with reading(Path(path), "word vectors", progress or Progress()) as (source, kind):
        reader = Reader(source, kind)
        reader.read(format)
    return Vectors(reader.words, reader.matrix, reader.format, reader.tally.notes())


def recognises(path: Path) -> bool:
    """Whether `path` looks like a file of vectors. Raises as `read` does for a file that can be no model at all."""
    with reading(path, "an ARPA file, word vectors or a GPT-2", Progress()) as (source, kind):
        try:
            Reader(source, kind).detect(None)
        except FormatError:
            return False
    return True


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
        with new_file(path, overwrite) as file:
            vectors.save(file)
        return
    spelled = [word.encode("utf-8") for word in words]
    step = max(1, BLOCK // (LONGEST_NUMBER * rows.shape[1]))
    parts = [slice(i, i + step) for i in range(0, len(spelled), step)]

    def block(part: slice) -> Any:
        return (_records if format == "word2vec-binary" else _printed)(spelled[part], rows[part])

    with (
        new_file(path, overwrite) as file,
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
