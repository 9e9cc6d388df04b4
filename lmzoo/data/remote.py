"""A text that every worker of a cluster reads for itself: byte ranges of a plain file at a path or URL (by fsspec).

Ranges are cut at line ends, between the last word of a line and the white space behind it: no token of any tokenizer
crosses that place (`tokenizers.base.spans`), so the ids of the parts one after the other are those of the whole. Where
a range is cut follows from the bytes around its nominal end, so neighbours agree without asking each other. (A stretch
of a million characters without white space is cut by its distance from where reading began: there ids may differ.)
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lmzoo.drafts import write_atomically
from lmzoo.errors import FormatError, UsageError, not_installed

WINDOW = 1 << 16  # bytes that are read first around a cut
LARGEST, SMALLEST = 64 << 20, 1 << 16  # bytes of a range: some need twenty times as much memory to be counted
RANGES_A_WORKER = 4
# A byte that may end a character that is no space, before nothing but space to the end of the line.
_LAST_OF_LINE = re.compile(rb"[^ \t-\r](?=[ \t\x0b-\r]*\n)")


@dataclass(frozen=True)
class RemoteText:
    """A plain text in UTF-8, or a range of it, and what follows its last byte without being in the file."""

    url: str
    size: int  # bytes of the file
    tail: str = ""  # a line end that the file lacks, the validation text after it
    start: int = 0
    stop: int = -1  # -1: the end

    def ranges(self, workers: int) -> list["RemoteText"]:
        """It in pieces, some for each of so many workers."""
        step = min(LARGEST, max(SMALLEST, -(-self.size // (RANGES_A_WORKER * workers))))
        starts = range(0, max(self.size, 1), step)
        return [replace(self, start=start, stop=min(start + step, self.size)) for start in starts]

    def read(self) -> str:
        """The text of this range. Raises UsageError where it is not at the URL, FormatError where it is not UTF-8."""
        stop = self.size if self.stop < 0 else self.stop
        files, path = find(self.url)
        try:
            if (there := files.size(path)) != self.size:
                raise FormatError(f"{self.url} has {there:,} bytes here and {self.size:,} where it was first read")
            start, stop = (self._cut(files, path, at) for at in (self.start, stop))
            contents = files.cat_file(path, start=start, end=stop) if stop > start else b""
        except FileNotFoundError:
            raise UsageError(
                f"{self.url} is not there: give a path or URL that every worker can read, as on a shared disk"
            ) from None
        try:
            last = stop == self.size and (contents or not start)  # else the range before it reached the end
            return contents.decode() + (self.tail if last else "")
        except UnicodeDecodeError as error:
            raise FormatError(f"{self.url} is not UTF-8: {error.reason} at byte {start + error.start:,}") from None

    def beginning(self, size: int = 1 << 23) -> str:
        """Its first lines, of about `size` bytes, but the first of them whole."""
        stop = min(size, self.size)
        text = replace(self, start=0, stop=stop, tail=self.tail if stop == self.size else "").read()
        return text if "\n" in text or stop == self.size else self.beginning(4 * size)

    def _cut(self, files: Any, path: str, at: int) -> int:
        """Where the range that ends about byte `at`, and the next one, are cut: `at`, or behind it."""
        if at == 0 or at == self.size:
            return at
        width = WINDOW
        while True:
            window = files.cat_file(path, start=at, end=min(at + width, self.size))
            for match in _LAST_OF_LINE.finditer(window):
                if _ends_in_letter(window[max(0, match.end() - 4) : match.end()]):
                    return at + match.end()
            if at + width >= self.size:
                return self.size
            width *= 4


def _ends_in_letter(last: bytes) -> bool:
    """Whether the last character of these bytes, of which the first may be half of one, is no white space."""
    for size in range(1, len(last) + 1):
        if last[-size] & 0xC0 != 0x80:  # where a character begins
            char = last[-size:].decode(errors="replace")
            return not char[-1:].isspace()
    return False


def find(url: str) -> tuple[Any, str]:
    """The file system of fsspec and the path in it. Raises UsageError where the package for it is not installed."""
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise not_installed("--cluster", "lmzoo-lab[cluster]") from None
    try:
        files, path = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise UsageError(f"{url} cannot be read: {error}") from None
    return files, path


def copy(text: str, path: Path) -> RemoteText:
    """`text` as a file, unless it is there already: for a cluster whose workers see this disk."""
    contents = text.encode()
    if not path.is_file() or path.stat().st_size != len(contents):
        write_atomically(path, contents)
    return RemoteText(str(path.absolute()), len(contents))
