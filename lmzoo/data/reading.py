"""The contents of a file, whatever they are packed in and whatever kind of UTF they are: how every reader opens a file.

stream, kind = open_bytes(path)     unpacked; UTF-16 and UTF-32 as UTF-8, without a byte-order mark
contents, kind = read_bytes(path)   the same, whole
text, kind = read_text(path)        decoded; what is no text is named
"""

import bz2
import codecs
import gzip
import io
import lzma
import re
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from lmzoo.data.sniff import HEAD, MARKS, UNPACK, Kind, not_utf8, sniff, unreadable
from lmzoo.errors import FormatError, not_installed
from lmzoo.files import TEXTS, check_size, open_file
from lmzoo.progress import Progress

LEAST_UNPACKED = 64 << 20  # bytes that any packed file may become
MOST_TIMES = 100  # how many times its size a larger one may become: text shrinks to a tenth, a bomb to a thousandth
PIECE = 1 << 24  # bytes to read at once
# What reading a damaged packed file raises: bz2 and gzip an OSError, zipfile a RuntimeError for one that is encrypted.
DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError, NotImplementedError)
NO_MEMBER = r"/$|(^|/)__MACOSX/|(^|/)\.DS_Store$"  # folders, and what macOS puts beside files
EIGHT_BITS = ("8-bit", "latin1", "windows-1252", "damaged")


def open_bytes(path: str | Path, limit: int = TEXTS) -> tuple[BinaryIO, Kind]:
    """What a file has in it, as a stream, and its kind: out of .gz, .bz2, .xz, .zst or a .zip of one file; UTF-16 and
    UTF-32 become UTF-8, and no byte-order mark is left. What is no text is passed on as it is.

    Raises OSError, UsageError as `open_file` does, and FormatError, at a later read too, for a damaged file, more than
    `limit` bytes, or an unpacked size that only a decompression bomb has.
    """
    file = open_file(path)
    try:
        stream: BinaryIO = file
        head = file.read(HEAD)
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        check_size(path, size, limit)
        kind = sniff(head, str(path))
        if kind.packed:
            most = min(limit, max(LEAST_UNPACKED, MOST_TIMES * size))
            unpacked = _Stream(path, file, _unpacker(path, file, kind), most)
            stream, head = unpacked.buffered(), unpacked.head
            kind = sniff(head, str(path))
        mark = next((mark for mark, _ in MARKS if head.startswith(mark)), b"")
        stream.read(len(mark))
        if kind.text and kind.encoding != "utf-8":
            stream = _Stream(path, file, stream, limit, kind.encoding).buffered()
        return stream, kind
    except BaseException:
        file.close()
        raise


def read_bytes(path: str | Path, limit: int = TEXTS) -> tuple[bytes, Kind]:
    """All of `open_bytes`, and the kind."""
    stream, kind = open_bytes(path, limit)
    with stream:
        return stream.read(), kind


def read_text(
    path: str | Path, wanted: str = "a text", limit: int = TEXTS, progress: Progress | None = None
) -> tuple[str, Kind]:
    """The text of a file, unpacked and decoded, and its kind. Raises as `open_bytes`, and FormatError for what is no
    text.
    """
    stream, kind = open_bytes(path, limit)
    with stream:
        if not kind.text and kind.name not in EIGHT_BITS:  # these say where the first byte is that is not UTF-8
            raise unreadable(path, kind, wanted)
        source = Source(stream, progress or Progress())
        contents = b"".join(iter(lambda: source.read(PIECE), b""))
    try:
        return contents.decode(), kind
    except UnicodeDecodeError as error:
        raise not_utf8(path, contents, error) from None


class Source:
    """An open file, unpacked. Progress is counted in bytes of the file on the disk."""

    def __init__(self, stream: BinaryIO, progress: Progress):
        """`stream` is one of `open_bytes`."""
        self._stream, self._progress, self._position = stream, progress, 0
        self._file: Any = getattr(getattr(stream, "raw", None), "file", stream)  # below what unpacks it

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer at the end."""
        block = self._stream.read(size)
        before, self._position = self._position, self._file.tell()
        self._progress.advance(self._position - before)
        return block


class _Stream(io.RawIOBase):
    """What `source` gives, of `most` bytes or fewer, recoded to UTF-8; it closes `file` and names `path` in errors."""

    def __init__(self, path: str | Path, file: BinaryIO, source: Any, most: int, encoding: str = ""):
        self.path, self.file, self.source, self.left, self.most = path, file, source, most, most
        self.decoder = codecs.getincrementaldecoder(encoding)() if encoding else None
        self.head = self.ready = self._next()

    def buffered(self) -> BinaryIO:
        return io.BufferedReader(self, HEAD)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.ready = self.ready or self._next()
        count = min(len(buffer), len(self.ready))
        buffer[:count], self.ready = self.ready[:count], self.ready[count:]
        return count

    def _next(self) -> bytes:
        """The next bytes, some 64 KiB; none at the end."""
        try:
            while chunk := self.source.read(HEAD):
                self.left -= len(chunk)
                if self.left < 0:
                    raise FormatError(f"{self.path} has more than {self.most:,} bytes in it: if you trust it, {UNPACK}")
                if text := self.decoder.decode(chunk).encode() if self.decoder else chunk:
                    return text
            return self.decoder.decode(b"", final=True).encode() if self.decoder else b""
        except UnicodeDecodeError as error:
            raise FormatError(f"{self.path} begins as {error.encoding.upper()} and is none: {error.reason}") from None
        except MemoryError:
            raise FormatError(f"{self.path} needs more memory to unpack than there is: {UNPACK}") from None
        except DAMAGED as error:
            if isinstance(error, OSError) and error.errno:  # of the disk; a damaged file has no number
                raise
            raise FormatError(f"{self.path} is damaged ({error}): copy or download it again") from None

    def close(self) -> None:
        """Close the file too."""
        super().close()
        self.file.close()


def _unpacker(path: str | Path, file: BinaryIO, kind: Kind) -> Any:
    """Something to read unpacked bytes from."""
    if kind.name == "gzip":
        return gzip.GzipFile(fileobj=file)
    if kind.name == "bzip2":
        return bz2.BZ2File(file)
    if kind.name == "xz":
        return lzma.LZMAFile(file)
    return _zstd(file) if kind.name == "zstd" else _only_member(path, file)


def _zstd(file: BinaryIO) -> Any:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError:
        raise not_installed("a file packed by Zstandard (.zst)", "backports.zstd") from None

    class Reader(zstd.ZstdFile):
        def read(self, size: int | None = -1) -> bytes:
            try:
                return super().read(size)
            except zstd.ZstdError as error:
                raise EOFError(str(error)) from None  # as the other unpackers do

    # Windows of 2 GiB too, as `zstd --long=31` writes them: no more of one is held than was unpacked.
    return Reader(file, options={zstd.DecompressionParameter.window_log_max: 31})


def _only_member(path: str | Path, file: BinaryIO) -> Any:
    """The file in a zip. Raises FormatError where there are others, or it is encrypted or packed in a rare way."""
    try:
        archive = zipfile.ZipFile(file)
        members = [member for member in archive.infolist() if not re.search(NO_MEMBER, member.filename)]
        if len(members) != 1:
            names = ", ".join(member.filename for member in members[:3]) + ", …" * (len(members) > 3)
            what = (
                f"{len(members):,} files ({names}): unpack it and give one of them, or the folder"
                if members
                else "no file in it"
            )
            raise FormatError(f"{path} is a zip archive with {what}")
        return archive.open(members[0])
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, ValueError) as error:
        raise FormatError(f"{path} cannot be unpacked ({error}): {UNPACK}") from None
