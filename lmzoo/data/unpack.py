"""From the bytes of a packed file to those of the text in it: .xz, .gz, members of a zip."""

import fnmatch
import gzip
import io
import lzma
import zipfile
import zlib

PACKINGS = (".xz", ".gz", "")
# What reading a damaged file raises.
DAMAGED = (lzma.LZMAError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile, EOFError, RuntimeError)


def unpack(packed: bytes, size: int) -> bytes:
    """Plain, xz or gzip, recognised by the first bytes. At most `size` + 1 bytes, against decompression bombs."""
    if packed.startswith(b"\xfd7zXZ\x00"):
        with lzma.open(io.BytesIO(packed)) as stream:
            return stream.read(size + 1)
    if packed.startswith(b"\x1f\x8b"):
        with gzip.open(io.BytesIO(packed)) as stream:
            return stream.read(size + 1)
    return packed


def read_members(packed: bytes, pattern: str, most: int) -> bytes:
    """The members of a zip that match `pattern`, joined in order of name: at most `most` bytes. Nothing is extracted
    to the disk, so no name in a zip can lead anywhere. Raises BadZipFile.
    """
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        names = sorted(name for name in archive.namelist() if fnmatch.fnmatchcase(name, pattern))
        size = sum(archive.getinfo(name).file_size for name in names)
        if not names:
            raise zipfile.BadZipFile(f"no member {pattern!r} in it")
        if size > most:
            raise zipfile.BadZipFile(f"{pattern!r} in it has {size:,} bytes")
        return b"".join(archive.read(name) for name in names)


def drop_tags(contents: bytes) -> bytes:
    """`The/at jury/nn said/vbd` → `The jury said`, a sentence a line, blank lines dropped."""
    sentences = (line.split() for line in contents.split(b"\n"))
    return b"".join(b" ".join(pair.rpartition(b"/")[0] for pair in pairs) + b"\n" for pairs in sentences if pairs)


def one_sentence_a_line(contents: bytes) -> bytes:
    """Tabs become spaces, blank lines are dropped."""
    return b"".join(b" ".join(line.split()) + b"\n" for line in contents.split(b"\n") if line.strip())
