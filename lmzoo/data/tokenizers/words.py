"""The words of a text as numbers: in Python for a short text, by the loop of `compiled` for a long one."""

import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from lmzoo.data.tokenizers.base import (
    BYTES,
    CHUNK,
    HOLE,
    NEWLINE,
    Tokenizer,
    Tokens,
    line_and_column,
    to_bytes,
)
from lmzoo.errors import TokenizerError

if TYPE_CHECKING:
    from lmzoo.data.tokenizers.compiled import Reader

# Characters from which on the compiled loop saves more than it takes to load; the latter if LLVM must be loaded first.
LONG, LONG_WITHOUT_LLVM = 1 << 17, 1 << 19
LINE_END, FIRST = 0, 1  # the numbers of the newline and of the first word, where words stand between white space


def is_long(text: str) -> bool:
    """Whether to read `text` by the compiled loop."""
    return len(text) >= (LONG if "llvmlite" in sys.modules else LONG_WITHOUT_LLVM)


def number(
    text: str, spans: Iterator[tuple[int, int]], word: re.Pattern[str], pieces: bool
) -> tuple[list[str], list[Tokens]]:
    """The distinct words of `text` in order of first appearance, and their numbers in each of the `spans`.

    `pieces` are numbered from BYTES on, single bytes being their own numbers; words from FIRST on, newlines being
    LINE_END. Raises as `utf8` does.
    """
    first, newline = (BYTES, NEWLINE) if pieces else (FIRST, LINE_END)
    if is_long(text):
        from lmzoo.data.tokenizers.compiled import Reader

        reader = Reader(pieces)
        chunks = [reader.learn(utf8(text, start, end, pieces), first, newline) for start, end in spans]
        return reader.spellings(), chunks
    given = {chr(byte): byte for byte in range(128)} if pieces else {"\n": newline}
    numbers: defaultdict[str, int] = defaultdict(count(first).__next__, given)
    chunks = []
    for start, end in spans:
        utf8(text, start, end, pieces)
        chunks.append(np.fromiter(map(numbers.__getitem__, word.findall(text, start, end)), np.int32))
    return list(numbers)[len(given) :], chunks


def reader_of(words: Sequence[str], pieces: bool) -> "Reader | None":
    """What finds `words` by their place, from BYTES on for `pieces`; None where one of them is never cut so."""
    from lmzoo.data.tokenizers.compiled import Reader

    reader, first = Reader(pieces), BYTES if pieces else 0
    for start in range(0, len(words), CHUNK // 8):
        some = words[start : start + CHUNK // 8]
        ids = reader.learn(to_bytes("\n".join(some)), first, HOLE)
        if not np.array_equal(ids[ids != HOLE], first + start + np.arange(len(some))):
            return None
    return reader


def utf8(text: str, start: int, end: int, surrogates: bool) -> bytes:
    """text[start:end] in UTF-8. Raises TokenizerError, naming line and column, for a lone surrogate unless allowed."""
    try:
        return text[start:end].encode("utf-8", "surrogatepass" if surrogates else "strict")
    except UnicodeEncodeError as error:
        line, column = line_and_column(text, start + error.start)
        found = text[start + error.start]
        raise TokenizerError(f"line {line}, column {column}: {found!r}, a lone surrogate, is no text") from None


def encode_many(tokenizer: Tokenizer, texts: Sequence[str], newline: int) -> list[Tokens]:
    """`tokenizer.encode` of each of `texts`, many at a time: a newline, whose id this is, ends every word.

    They are joined so that no chunk is longer than one that is read whole.
    """
    try:
        return [ids for some in _batches(texts) for ids in _encode_joined(tokenizer, some, newline)]
    except TokenizerError:  # which names the place among the joined
        return [tokenizer.encode(text) for text in texts]


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """`texts` in order, together of less than CHUNK characters with a newline after each, or a single one."""
    start = characters = 0
    for n, text in enumerate(texts):
        characters += len(text) + 1
        if characters > CHUNK and n > start:
            yield texts[start:n]
            start, characters = n, len(text) + 1
    if start < len(texts):
        yield texts[start:]


def _encode_joined(tokenizer: Tokenizer, texts: Sequence[str], newline: int) -> list[Tokens]:
    if len(texts) == 1:
        return [tokenizer.encode(texts[0])]
    ids = tokenizer.encode("\n".join([*texts, ""]))
    ends = np.flatnonzero(ids == newline)  # of lines, of which a text may have several
    ends = ends[np.cumsum([text.count("\n") + 1 for text in texts]) - 1]
    starts = [0, *(ends + 1).tolist()]
    return [ids[start:end] for start, end in zip(starts, ends.tolist(), strict=False)]
