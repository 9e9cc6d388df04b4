"""Files of other programs: read through one door, whatever they are packed in, and written whole or not at all."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

from lmzoo.data.reading import EIGHT_BITS, Source, open_bytes
from lmzoo.data.sniff import EXTRACT, NO_TEXT, Kind, unreadable
from lmzoo.drafts import draft_of
from lmzoo.errors import FormatError, LmzooError, UsageError
from lmzoo.interface import Progress

MOST = 1 << 44  # bytes of a file that is read block by block: published ones have up to some 10^11
OF_TEXTS = (NO_TEXT, EXTRACT)  # advice for somebody who wants a text
# Kinds of file, besides texts, that may be vectors or an ARPA file: the first word may be <head>, and UTF-16 without a
# mark is guessed by zero bytes.
BYTES = ("binary", "word2vec", "html", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", *EIGHT_BITS)


@contextmanager
def reading(path: Path, wanted: str, progress: Progress) -> Iterator[tuple[Source, Kind]]:
    """Open the file and tell its kind; FormatErrors of the block are about `path`.

    Raises UsageError for no file, and FormatError naming what it is where it cannot be `wanted`.
    """
    try:
        stream, kind = open_bytes(path, MOST)
        with stream, progress.task(f"reading {path.name}", path.stat().st_size) as task:
            if not kind.text and kind.name not in BYTES:
                raise unreadable(path, replace(kind, advice="") if kind.advice in OF_TEXTS else kind, wanted)
            yield Source(stream, task), kind
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None
    except FormatError as error:
        named = str(error).startswith(f"{path} ")  # those of `open_bytes`
        raise FormatError(str(error) if named else f"{path}, {error}") from None


def instead(kind: Kind) -> str:
    """What a file that could not be read looks like, for the end of a message: ": it is …"."""
    if kind.name in ("text", "binary", "word2vec"):
        return ""
    return f": it is {kind.words}" + f"; {kind.advice}" * (kind.advice != "" and not kind.text)


@contextmanager
def new_file(path: Path, overwrite: bool) -> Iterator[IO[bytes]]:
    """A temporary file beside `path`, renamed onto it on success and removed on failure; gzipped if `path` says so."""
    try:
        with draft_of(path, overwrite) as draft, draft.open("wb") as raw:
            if path.suffix == ".gz":
                with gzip.GzipFile("", "wb", 6, raw, mtime=0) as file:  # no name and time: same model, same bytes
                    yield file  # type: ignore[misc]
            else:
                yield raw
    except OSError as error:
        raise LmzooError(f"{path} could not be written: {error.strerror or error}; nothing was changed there") from None
