"""The bytes of a public file: from the cache, else a mirror, else its own address; whole or not at all.

A file is at `<folder>/<file>` in the cache and in a mirror alike; a mirror may pack it as `.xz` or `.gz`. Size and
sha256 are checked before a file enters the cache. An interrupted download leaves `<file>.part`, and the next call
resumes it (HTTP Range, RFC 9110 §14).

On `requests` rather than pooch, which has neither: its downloader cannot resume, and with a hook that makes it do so
this file was 45 lines longer.
"""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lmzoo.data.unpack import DAMAGED, PACKINGS, drop_tags, one_sentence_a_line, read_members, unpack
from lmzoo.drafts import lock_of, locked, write_atomically
from lmzoo.errors import DownloadError, FormatError, UsageError
from lmzoo.files import read_file, read_text
from lmzoo.progress import Progress

TIMEOUT = 30.0  # seconds without a byte
CHUNK = 1 << 16
LARGEST = 1 << 30  # bytes of a download: a zip may have far more in it than the file that is wanted


@dataclass(frozen=True)
class File:
    """One file of a corpus, as described by its card. `size` and `sha256` are those of the unpacked contents."""

    path: str  # <folder>/<file>, in the cache and in a mirror
    size: int  # bytes
    sha256: str = ""  # empty: not known; that of the first download is recorded beside the cached file
    url: str = ""  # empty: only a mirror has it
    member: str = ""  # of the zip at `url`: a name, or a pattern whose matches are joined in order of name
    tagged: bool = False  # the zip has word/tag pairs and blank lines: keep the words (NLTK's Brown corpus)
    sentences: bool = False  # the zip has tabs, and blank lines between sentences: make it one sentence a line
    split: str = ""  # "train", "valid" or "test", where a corpus has a file for each
    columns: int = 0  # of each line, before the text, which a corpus leaves out: labels, say; each ends with a tab


@dataclass(frozen=True)
class Obtained:
    """A file whose size and hash were checked: its contents, where they came from, whether the cache has them."""

    file: File
    contents: bytes
    source: str  # "cache PATH", "mirror PATH" or "download URL"
    sha256: str
    cached: bool

    @property
    def origin(self) -> str:
        """`source` without the folders of this machine, for records that others will read."""
        return self.source if "://" in self.source else f"{self.source.partition(' ')[0]} {self.file.path}"


def obtain(file: File, cache: Path, mirror: str = "", progress: Progress | None = None) -> Obtained:
    """The checked contents of `file`, which is added to `cache` if it is not there.

    `mirror` is a folder or an http(s) URL; with a folder, a cache that cannot be written does not matter. Raises
    DownloadError where no source has the file whole, UsageError if `mirror` is neither a folder nor a URL.
    """
    found = _from_cache(file, cache)
    if found is None and mirror and not _is_url(mirror):
        found = _from_folder(file, mirror, cache)
    return found or _from_web(file, mirror, cache, progress or Progress())


def _from_cache(file: File, cache: Path) -> Obtained | None:
    path = cache / file.path
    try:
        found = _obtained(file, read_file(path, file.size), f"cache {path}", cached=True)
    except (OSError, FormatError):  # FormatError: it has more bytes than it should
        return None
    # A damaged file is treated like a missing one: it is fetched again and replaced.
    whole = not _complaint(file, found.contents) and found.sha256 == _recorded(path, found.sha256)
    return found if whole else None


def _from_folder(file: File, mirror: str, cache: Path) -> Obtained | None:
    folder = Path(mirror).expanduser()
    if not folder.is_dir():
        raise UsageError(f"the mirror {mirror!r} is no folder and no http(s) URL (see LMZOO_MIRROR)")
    for packing in PACKINGS:
        packed = folder / (file.path + packing)
        if packed.is_file():
            try:
                contents = unpack(read_file(packed), file.size)
            except (*DAMAGED, OSError, UsageError) as error:
                raise DownloadError(f"the mirror's {packed} cannot be read: {_reason(error)}") from error
            return _checked(file, contents, f"mirror {packed}", cache)
    return None


def _checked(file: File, contents: bytes, source: str, cache: Path) -> Obtained:
    if complaint := _complaint(file, contents):
        raise DownloadError(f"the {source} {complaint}: copy it there again")
    try:
        _store(file, contents, cache)
    except OSError:
        return _obtained(file, contents, source, cached=False)  # the contents are in memory, which is enough
    return _obtained(file, contents, source, cached=True)


def _obtained(file: File, contents: bytes, source: str, cached: bool) -> Obtained:
    return Obtained(file, contents, source, hashlib.sha256(contents).hexdigest(), cached)


def _from_web(file: File, mirror: str, cache: Path, progress: Progress) -> Obtained:
    answers = []
    try:
        with locked(lock_of(cache / file.path)):
            if again := _from_cache(file, cache):  # another command fetched it while this one waited
                return again
            for url in _addresses(file, mirror):
                try:
                    return _download(file, url, cache, progress)
                except _Missing as missing:
                    answers.append(f"{url} answers {missing}")
    except OSError as error:
        raise DownloadError(
            f"cannot write {file.path} into the cache {cache}: {_reason(error)}; "
            "make room there, or set LMZOO_CACHE to another folder"
        ) from error
    tried = answers[-1] if answers else f"no public address has {file.path}"
    lacks = f" and the mirror {mirror} lacks it" if mirror else ""
    raise DownloadError(f"{tried}{lacks}: set LMZOO_MIRROR to a folder or URL that has {file.path} (plain, .xz or .gz)")


def _addresses(file: File, mirror: str) -> list[str]:
    own = [file.url] if file.url else []
    if not _is_url(mirror):
        return own
    try:
        urlsplit(mirror)
    except ValueError as error:
        raise UsageError(f"the mirror {mirror!r} is no URL: {error} (see LMZOO_MIRROR)") from error
    return [f"{mirror.rstrip('/')}/{file.path}{packing}" for packing in PACKINGS] + own


def _download(file: File, url: str, cache: Path, progress: Progress) -> Obtained:
    """Fetch `url`, check, store. Raises DownloadError, _Missing, or OSError from the cache."""
    packing = Path(urlsplit(url).path).suffix
    part = cache / (file.path + (packing if packing in (".xz", ".gz", ".zip") else "") + ".part")
    try:
        _receive(url, part, file, progress)
    except OSError:
        with suppress(OSError):
            part.unlink()  # free the space of a full disk
        raise
    packed = read_file(part)
    part.unlink()
    try:
        contents = _read(packed, file) if url == file.url and file.member else unpack(packed, file.size)
        complaint = _complaint(file, contents)
    except DAMAGED as error:
        complaint = f"is damaged ({_reason(error)})"
    if complaint:
        raise DownloadError(f"{url} {complaint}; it is deleted: try again, or set LMZOO_MIRROR to a good copy")
    _store(file, contents, cache)
    return _obtained(file, contents, f"download {url}", cached=True)


def _read(packed: bytes, file: File) -> bytes:
    """The wanted members of the zip at a file's own address."""
    contents = read_members(packed, file.member, 4 * file.size if file.tagged or file.sentences else file.size)
    if file.sentences:
        return one_sentence_a_line(contents)
    return drop_tags(contents) if file.tagged else contents


def _receive(url: str, part: Path, file: File, progress: Progress) -> None:
    """Append to `part` what it lacks of `url`. Raises as `_download` does."""
    import requests  # takes 0.1 s to import, and most calls find the file in the cache

    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        response = requests.get(url, headers=headers, stream=True, timeout=TIMEOUT)
    except requests.RequestException as error:
        raise DownloadError(
            f"cannot reach {urlsplit(url).netloc or url} ({type(error).__name__}): without a network, set "
            "LMZOO_MIRROR to a folder or URL that has the data"
        ) from error
    with response:
        status, where = response.status_code, response.headers.get("Content-Range", "")
        if have and where == f"bytes */{have}":
            return  # complete already: the last call was killed between the last byte and the check
        if status in (403, 404, 410):
            raise _Missing(f"{status} {response.reason}")
        if have and not (status == 206 and where.startswith(f"bytes {have}-")):
            part.unlink()  # this server cannot resume, or has another file now: start again
            _receive(url, part, file, progress)
        elif status in (200, 206):
            _write(response, part, have, max(LARGEST, 4 * file.size), progress)
        else:
            raise DownloadError(f"{url} answers {status} {response.reason}: try again later")


def _write(response: Any, part: Path, have: int, most: int, progress: Progress) -> None:
    import requests

    length = response.headers.get("Content-Length", "")
    total = have + int(length) if length.isdigit() else None
    name = Path(urlsplit(response.url).path).name
    with open(part, "ab") as out, progress.task(f"fetching {name}", total) as task:
        task.advance(have)
        try:
            for chunk in response.iter_content(CHUNK):
                out.write(chunk)
                have += len(chunk)
                task.advance(len(chunk))
                if have > most:
                    part.unlink()
                    raise DownloadError(f"{response.url} sends more than {most:,} bytes: no file here is as large")
        except requests.RequestException as error:
            raise DownloadError(
                f"the connection to {response.url} was lost after {have:,} of "
                f"{f'{total:,}' if total else 'an unknown number of'} bytes: "
                "the same command again continues from there"
            ) from error


def _complaint(file: File, contents: bytes) -> str:
    """What is wrong with `contents`, or ''."""
    if len(contents) > file.size:
        return f"has more than the {file.size:,} bytes that were expected"
    if len(contents) < file.size:
        return f"has {len(contents):,} bytes where {file.size:,} were expected"
    found = hashlib.sha256(contents).hexdigest()
    if file.sha256 and found != file.sha256:
        return f"has sha256 {found} where {file.sha256} was expected"
    return ""


def _store(file: File, contents: bytes, cache: Path) -> None:
    path = cache / file.path
    write_atomically(path, contents)
    if not file.sha256:
        found = hashlib.sha256(contents).hexdigest()
        write_atomically(_record(path), f"{found}  {path.name}\n".encode())


def _record(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _recorded(path: Path, default: str) -> str:
    try:
        return read_text(_record(path)).split()[0]
    except (OSError, FormatError, IndexError):
        return default


def _is_url(mirror: str) -> bool:
    return mirror.lower().startswith(("http://", "https://"))


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


class _Missing(Exception):  # noqa: N818
    """The server has no such file: ask the next."""
