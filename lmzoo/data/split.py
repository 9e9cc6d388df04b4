"""The rules that split one text into train, valid and test, in order and without shuffling."""

import io
import re
import unicodedata
from bisect import bisect
from collections.abc import Callable, Iterable, Sequence
from heapq import nsmallest
from itertools import accumulate, combinations, pairwise
from typing import Any

_BLANK_LINES = re.compile(r"\n([^\S\n]*\n)+")
_LINE_END = re.compile(r"\n([^\S\n]*\n)*")  # with the blank lines behind it
_SPACE = re.compile(r"\s+")
_WINDOW = 1 << 23  # characters: in more, all ends near a cut would take long to find
_JOINED = "\u200d\ufe0e\ufe0f"  # join emoji, or choose their form


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


def at_ends(text: str, cuts: Sequence[float], documents: Sequence[int] = ()) -> tuple[list[str], str]:
    """Cut near these fractions of the characters, where a text can be cut best; and where that is, in words.

    Between documents, whose ends are given or are blank lines, if there are ends within 5 % of the text; else at line
    ends, if a quarter or more is left for the first of three pieces; else between words or characters.
    """
    size, wanted = len(text), [int(cut * len(text)) for cut in cuts]
    for where, near, most in (
        ("between documents", lambda at: documents[max(0, (i := bisect(documents, at)) - 2) : i + 2], 0.05),
        ("at blank lines", lambda at: _ends(text, at, _BLANK_LINES, size // 20), 0.05),
        ("at line ends", lambda at: _ends(text, at, _LINE_END, size), 0.65),
        ("between words", lambda at: _ends(text, at, _SPACE, min(size // 4, 1 << 16)), 0.25),
    ):
        ends = sorted({end for at in wanted for end in near(at) if 0 < end < size})
        choices = [chosen for chosen in combinations(ends, len(cuts)) if _fits(text, chosen, wanted, most)]
        if choices:
            best = min(choices, key=lambda chosen: sum(abs(end - at) for end, at in zip(chosen, wanted, strict=True)))
            return _pieces(text, best), where
    ends = list(accumulate(wanted, lambda before, at: _next_character(text, max(at, before + 1)), initial=0))[1:]
    return _pieces(text, ends if ends[-1] < size else wanted), "between characters"


def _ends(text: str, at: int, separator: re.Pattern[str], width: int) -> list[int]:
    """The ends of separators around `at`, the nearest four."""
    width = min(width, _WINDOW)
    found = (match.end() for match in separator.finditer(text, max(0, at - width), min(len(text), at + width)))
    return nsmallest(4, found, key=lambda end: abs(end - at))


def _fits(text: str, ends: Sequence[int], wanted: Sequence[int], most: float) -> bool:
    """Whether every end is within that share of the text, and no piece is blank."""
    near = all(abs(end - at) <= most * len(text) for end, at in zip(ends, wanted, strict=True))
    return near and not any(text[start:end].isspace() for start, end in pairwise([*ends, len(text)]))


def _next_character(text: str, at: int) -> int:
    """`at`, or behind the combining marks that belong to the character before it."""
    end = at
    while end < len(text) and (unicodedata.combining(text[end]) or text[end] in _JOINED or text[end - 1] == "\u200d"):
        end += 1
    return end


RULES: dict[str, Callable[[str, list[Any]], list[str]]] = {
    "characters": by_characters,
    "bytes": by_bytes,
    "words": by_words,
    "tenth lines": by_tenth_lines,
}


def lines_of(text: str) -> list[str]:
    """The lines of `text`, each with its end, "\\n" alone."""
    return list(io.StringIO(text, newline="\n"))  # unlike splitlines, only "\n" ends a line
