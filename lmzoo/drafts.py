"""Atomic writes: files and folders are whole or absent, even if their writer is killed; and locks between processes.

A draft is written beside its place, under a name that begins with DRAFT, and its writer holds a lock on it (flock),
which the system releases when a process ends. So a draft without a lock was left by a killed process, and the next
writer in that folder removes it. Where a file system has no locks, a draft is removed after a day.
"""

import errno
import hashlib
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path

from lmzoo.errors import LmzooError, UsageError

if sys.platform != "win32":
    import fcntl

DRAFT = ".lmzoo-"
STALE = 86_400  # seconds after which a draft is abandoned, where there are no locks
_LEFT = re.compile(rf"{re.escape(DRAFT)}[0-9a-z_]{{8,12}}(\.lock|\.was-(?P<was>.+))?", re.DOTALL)
_OCCUPIED = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR)
_held: set[Path] = set()  # drafts and locks of this process
_made: list[Path] = []  # folders that were made for locks, the innermost first


class TakenError(LmzooError):
    """The place of a result is taken, so the result was saved beside it, under a free name."""


# ── Writing ───────────────────────────────────────────────────────────────────────────────────────


def write_atomically(path: Path, contents: bytes, overwrite: bool = True) -> None:
    """Write beside `path` and rename: it is old or new, never half. Raises OSError, and then leaves nothing."""
    with draft_of(path, overwrite, durable=False) as draft:
        draft.write_bytes(contents)


def write_together(folder: Path, contents: dict[str, bytes]) -> None:
    """Write all of `contents`, by file name, before any file in `folder` is replaced; then rename each, in order.

    Of two processes that do so at once, one waits.
    """
    with locked(lock_of(folder / "")), temporary_folder(folder) as drafts:
        for name, content in contents.items():
            (drafts / name).write_bytes(content)
        for name in contents:
            os.replace(drafts / name, folder / name)


@contextmanager
def draft_of(path: Path, overwrite: bool = True, durable: bool = True) -> Iterator[Path]:
    """A file to write, which becomes `path` (or what `path` links to) at the end; on an error `path` is unchanged.

    Without `overwrite` nothing that appeared there meanwhile is replaced: raises TakenError, which names the file that
    has the result. `durable`: synced to the disk before the rename, so that a power cut leaves no empty file.
    Raises OSError, also for a device or pipe.
    """
    place = _real(path)
    if place.exists() and not (place.is_file() or place.is_dir()):  # as /dev/zero, by a link that somebody put there
        raise OSError(errno.EINVAL, "it is a device or a pipe, which is not replaced", str(path))
    with _draft(place.parent, lambda draft: draft.touch(exist_ok=False)) as draft:
        yield draft
        if durable:
            sync(draft)
        if overwrite:
            os.replace(draft, place)
        else:
            _install(draft, place, _link, path)


@contextmanager
def draft_folder_of(folder: Path, overwrite: bool = True) -> Iterator[Path]:
    """A folder to fill, which becomes `folder` at the end, as with `draft_of`. Raises OSError and TakenError."""
    place = _real(folder)  # a link to a folder stays a link
    with temporary_folder(place.parent) as draft:
        yield draft
        for path in draft.iterdir():
            sync(path)
        if overwrite:
            replace_folder(draft, place)
        else:
            _install(draft, place, os.rename, folder)
        sync(place.parent)


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """A folder in `parent` that is removed in the end, or by the next process if this one is killed."""
    with _draft(parent, Path.mkdir) as draft:
        yield draft


@contextmanager
def _draft(parent: Path, create: Callable[[Path], None]) -> Iterator[Path]:
    _make_folder(parent)
    remove_abandoned(parent)
    draft = parent / f"{DRAFT}{secrets.token_hex(6)}"
    _held.add(draft)
    handle = None
    try:
        while handle is None:
            create(draft)
            handle = _lock(draft, os.O_RDONLY)  # None: another process removed it as abandoned before it was locked
        yield draft
    finally:
        _remove(draft)
        _held.discard(draft)
        if handle:
            os.close(handle)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:  # as the system calls a file in the place of a folder
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None


def _install(draft: Path, place: Path, move: Callable[[Path, Path], None], asked: Path) -> None:
    """Move `draft` to `place` if that is free, else beside it. Raises TakenError in the latter case."""
    for number in count(1):
        free = place if number == 1 else place.with_name(_numbered(place, number, draft.is_dir()))
        try:
            move(draft, free)
        except OSError as error:
            if error.errno not in _OCCUPIED:
                raise
            continue
        if number > 1:
            raise TakenError(f"{asked} exists and is not replaced: this result is in {free}")
        return


def _numbered(place: Path, number: int, is_folder: bool) -> str:
    return f"{place.name}-{number}" if is_folder else f"{place.stem}-{number}{place.suffix}"


def _link(draft: Path, place: Path) -> None:
    """Rename a file to a name that must be free."""
    try:
        os.link(draft, place)
    except OSError as error:
        if error.errno in _OCCUPIED:
            raise
        os.close(os.open(place, os.O_CREAT | os.O_EXCL))  # a file system without links
        os.replace(draft, place)


def replace_folder(draft: Path, place: Path) -> None:
    """Put `draft` in the place of the folder `place`, which is removed."""
    for attempts_left in reversed(range(20)):
        try:
            if not place.is_dir():
                draft.rename(place)
            elif not _exchange(draft, place):  # else the old folder is now the draft, which its writer removes
                _replace_in_two_steps(draft, place)
            return
        except OSError as error:  # another process has put its folder there, or taken the old one away
            if error.errno not in (errno.ENOENT, *_OCCUPIED) or not attempts_left:
                raise


def _replace_in_two_steps(draft: Path, place: Path) -> None:
    """For systems that cannot exchange two folders; `remove_abandoned` puts the old one back if this is killed."""
    old = draft.with_name(f"{DRAFT}{secrets.token_hex(6)}.was-{place.name}")
    place.rename(old)
    try:
        draft.rename(place)
    finally:
        _put_back(old, place)


def _put_back(old: Path, place: Path) -> None:
    """Rename the old folder back if nothing has come there, else remove it."""
    with suppress(OSError):  # a folder cannot be renamed onto one that is not empty
        old.rename(place)
    if place.exists():
        _remove(old)


def _exchange(a: Path, b: Path) -> bool:
    """Exchange two folders in one step. False where the system cannot."""
    import ctypes  # here, because it is slow to import and some systems lack it

    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2  # Linux
    except (AttributeError, OSError, TypeError):
        return False
    at_cwd, exchange = -100, 2
    if rename(at_cwd, os.fsencode(a), at_cwd, os.fsencode(b), exchange) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(b))


def remove_folder(folder: Path) -> None:
    """Remove a folder, if it is there: for others it is whole, then gone."""
    gone = folder.with_name(f"{DRAFT}{secrets.token_hex(6)}")
    with suppress(OSError):
        folder.rename(gone)
        _remove(gone)


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
    with temporary_folder(folder):
        pass


# ── Abandoned drafts and locks ────────────────────────────────────────────────────────────────────


def remove_abandoned(folder: Path) -> None:
    """Remove drafts and locks in `folder` that no living process holds."""
    with suppress(OSError):
        for entry in list(os.scandir(folder)):
            if left := _LEFT.fullmatch(entry.name):
                with suppress(OSError):
                    _remove_if_abandoned(Path(entry.path), left["was"])


def _remove_if_abandoned(path: Path, was: str | None) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        except OSError:  # no locks here
            if time.time() - path.stat().st_mtime < STALE:
                return
        if was:
            _put_back(path, path.with_name(was))
        else:
            _remove(path)
    finally:
        os.close(handle)


def remove_held() -> None:
    """Remove the drafts and locks of this process, which is about to end without unwinding."""
    for path in list(_held):
        _remove(path)
    for folder in list(_made):
        with suppress(OSError):  # something else may be in it
            folder.rmdir()


def _remove(path: Path) -> None:
    with suppress(OSError):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


# ── Locks ─────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def reserved(place: Path) -> Iterator[None]:
    """Hold a place that will be written in the end: until then another process that asks for it is refused.

    Raises UsageError where another process holds it, OSError where nothing can be written there. Leaves nothing.
    """
    lock = lock_of(place)
    remove_abandoned(lock.parent)
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(lock, wait=False))
        except BlockingIOError:
            raise UsageError(f"another lmzoo is at work on {place}: wait for it, or choose another place") from None
        yield


def _real(path: Path) -> Path:
    """Where links lead; of those that lead in a circle, one of them. `Path.resolve` raises RuntimeError there."""
    return Path(os.path.realpath(path))


def lock_of(place: Path) -> Path:
    """The file to lock for a file or folder, beside it; the same by whatever links it is reached."""
    place = _real(place)
    return place.with_name(f"{DRAFT}{hashlib.sha256(os.fsencode(place.name)).hexdigest()[:12]}.lock")


@contextmanager
def locked(lock: Path, wait: bool = True) -> Iterator[None]:
    """Hold `lock`, a file that is removed in the end, with the folders that were made for it and are still empty.

    A process that is killed holds no lock. Raises BlockingIOError where another process holds it and not `wait`.
    """
    made = [folder for folder in lock.parents if not folder.exists()]
    _made[:0] = made
    handle = None
    try:
        for attempts_left in reversed(range(1000)):  # each fails only where another has removed what this one made
            _make_folder(lock.parent)
            handle = _lock(lock, os.O_RDWR | os.O_CREAT, wait)
            if handle is not None:
                break
            if not attempts_left:  # as in /proc
                raise FileNotFoundError(errno.ENOENT, "no file can be made here", str(lock.parent))
        _held.add(lock)
        yield
    finally:
        if handle is not None:
            _remove(lock)
            _held.discard(lock)
            os.close(handle)
        for folder in made:
            _made.remove(folder)
            with suppress(OSError):
                folder.rmdir()


def _lock(path: Path, flags: int, wait: bool = True) -> int | None:
    """The handle of a file or folder on which this process holds the lock; None where it was removed meanwhile."""
    try:
        handle = os.open(path, flags, 0o666)
    except FileNotFoundError:
        return None
    try:
        _flock(handle, wait)
        if os.path.samestat(os.fstat(handle), os.stat(path)):
            return handle
    except FileNotFoundError:
        pass
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return None


def _flock(handle: int, wait: bool) -> None:
    for attempts_left in reversed(range(1 if wait else 10)):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            return
        except BlockingIOError:  # for a moment also by one who asks whether it is abandoned
            if not attempts_left:
                raise
            time.sleep(0.01)
        except OSError:  # some network file systems have no locks
            return
