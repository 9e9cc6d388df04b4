"""The rules that split one text into train, valid and test, in order and without shuffling."""

import io
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any


def _pieces(text: str, ends: Iterable[int]) -> list[str]:
    return [text[start:end] for start, end in pairwise([0, *ends, len(text)])]


def by_characters(text: str, cuts: list[float]) -> list[str]:
    """Cut at these fractions of the characters, rounded down: [0.85, 0.9] is 85 %, 5 %, 10 %."""
    return _pieces(text, [int(cut * len(text)) for cut in cuts])


def by_bytes(text: str, cuts: list[int]) -> list[str]:
    """Cut at these byte offsets of the UTF-8 text; inside a character, at the start of the next."""
    data = text.encode()
    for i, cut in enumerate(cuts := list(cuts)):
        while cut < len(data) and data[cut] & 0xC0 == 0x80:  # 0b10xxxxxx continues a character
            cut += 1
        cuts[i] = cut
    return [data[start:end].decode() for start, end in pairwise([0, *cuts, len(data)])]


def by_words(text: str, cuts: list[int]) -> list[str]:
    """Cut at the end of the line with the n-th word of the text, for each n in `cuts`."""
    ends, words, position, wanted = [], 0, 0, list(cuts)
    for line in lines_of(text):
        words, position = words + len(line.split()), position + len(line)
        while wanted and words >= wanted[0]:
            ends.append(position)
            wanted.pop(0)
    return _pieces(text, ends + [len(text)] * len(wanted))


def by_tenth_lines(text: str, cuts: list[int]) -> list[str]:  # noqa: ARG001
    """Of every ten lines, the ninth is for validation and the tenth for testing."""
    lines = lines_of(text)
    train = [line for i, line in enumerate(lines) if i % 10 < 8]
    return ["".join(part) for part in (train, lines[8::10], lines[9::10])]


RULES: dict[str, Callable[[str, list[Any]], list[str]]] = {
    "characters": by_characters,
    "bytes": by_bytes,
    "words": by_words,
    "tenth lines": by_tenth_lines,
}


def lines_of(text: str) -> list[str]:
    """The lines of `text`, each with its end, "\\n" alone."""
    return list(io.StringIO(text, newline="\n"))  # unlike splitlines, only "\n" ends a line
