"""Files and folders that are whole or absent, whoever is killed while writing them; and locks between processes."""

import errno
import hashlib
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl

DRAFT = ".lmzoo-"  # the names of unfinished files and folders begin so
STALE = 86_400  # seconds after which a draft is what a killed process left
# Another process has put its folder in this place, or taken the old one away.
LOST_A_RACE = (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST)


def write_atomically(path: Path, contents: bytes) -> None:
    """Write beside `path` and rename: it is old or new, never half. Raises OSError, and then leaves nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with draft_of(path, durable=False) as draft:
        draft.write_bytes(contents)


def write_together(folder: Path, contents: dict[str, bytes]) -> None:
    """Write all of `contents`, by file name, before any file in `folder` is replaced; then rename each, in order."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=DRAFT) as drafts:
        for name, content in contents.items():
            (Path(drafts) / name).write_bytes(content)
        for name in contents:
            os.replace(Path(drafts) / name, folder / name)


@contextmanager
def draft_of(path: Path, durable: bool = True) -> Iterator[Path]:
    """The path of a file to write, which then replaces `path`; where that fails, `path` is left as it was.

    `durable`: it is on the disk before the rename, so that not even a power cut leaves an empty file.
    """
    draft = path.with_name(f"{DRAFT}{secrets.token_hex(6)}")
    try:
        yield draft
        if durable:
            sync(draft)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def draft_folder_of(folder: Path) -> Iterator[Path]:
    """A folder to fill, which then replaces `folder`; where that fails, `folder` is left as it was. Raises OSError."""
    place = folder.resolve()  # a link to a folder stays a link
    draft = place.parent / f"{DRAFT}{secrets.token_hex(6)}"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale_drafts(place.parent)
        draft.mkdir()
        yield draft
        for path in draft.iterdir():
            sync(path)
        replace_folder(draft, place)
        sync(place.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def replace_folder(draft: Path, place: Path) -> None:
    """Rename `draft` to `place`. A folder cannot be renamed onto another: the old one is first renamed away."""
    old = place.parent / f"{DRAFT}{secrets.token_hex(6)}"
    try:
        for attempts_left in reversed(range(20)):
            try:
                if place.exists():
                    place.rename(old)
                draft.rename(place)
                break
            except OSError as error:
                if error.errno not in LOST_A_RACE or not attempts_left:
                    raise
                shutil.rmtree(old, ignore_errors=True)  # the other process's folder is in place: replace that one
    except BaseException:
        if old.exists() and not place.exists():
            old.rename(place)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _remove_stale_drafts(folder: Path) -> None:
    for path in folder.glob(f"{DRAFT}*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def try_to_write(folder: Path) -> None:
    """Raise OSError if nothing could be written to `folder`, or it could not be created. Leaves nothing there."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    with tempfile.TemporaryDirectory(dir=folder, prefix=DRAFT):
        pass


@contextmanager
def locked(lock: Path) -> Iterator[None]:
    """Wait until no other process holds `lock`, a file that is created for it and stays; hold it until the end.

    A process that is killed holds no lock.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with open(lock, "ab") as file:
        if sys.platform != "win32":
            with suppress(OSError):  # some network file systems have no locks
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
