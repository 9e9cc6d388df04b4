"""What a hand-in is kept in, by level. The result of a grading says which level held.

    0   a process of its own, with limits
    1   and a network and processes of its own: nothing outside can be reached, and nothing outlives it; disks are
        read-only, /tmp is empty, and lmzoo's own code cannot be seen
    2   and another user, who can read neither the grader's files nor its memory

At levels 0 and 1 a hand-in can read what its grader can read, the secret too.
"""

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import lmzoo
from lmzoo.errors import UsageError

MEANS = {
    0: "a process with limits; a hand-in could read the secret, and use the network",
    1: "no network, nothing outlives it, lmzoo is hidden; a hand-in could read the secret",
    2: "another user, no network, nothing outlives it, lmzoo is hidden; a hand-in cannot read the secret",
}
BARE = "another user, who cannot read the secret; unshare is refused here, so it has a network, and may see lmzoo"
DROPPED = ["--no-new-privs", "--inh-caps=-all", "--"]  # of setpriv
OWN = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--net", "--ipc"]  # of unshare
PASSING = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock")  # where anybody may write: empty, and gone with the process
# The shell stays process 1 of its namespaces, so that whatever a hand-in has started ends with it. The arguments, each
# list ended by --: the folder of the hand-in, folders to keep although one above them is emptied, folders to empty,
# those of them that lie in what is kept, file systems that become read-only, and the command. (-n: what is noted in
# /run/mount, level 1 may not write.)
SCRIPT = """
set -e
work=$1; shift
mount -n -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/work; mount -n --bind "$work" /mnt/work
n=0
while [ "$1" != -- ]; do mkdir /mnt/$n; mount -n --bind "$1" /mnt/$n; eval "place$n=\\$1"; n=$((n+1)); shift; done
shift
for top in PASSING; do [ ! -d $top ] || mount -n -t tmpfs -o mode=1777,size=64m tmpfs $top; done
while [ "$1" != -- ]; do [ ! -d "$1" ] || mount -n -t tmpfs -o mode=755 tmpfs "$1"; shift; done
shift
while [ $n -gt 0 ]; do
  n=$((n-1)); eval "place=\\$place$n"; mkdir -p "$place"; mount -n --move /mnt/$n "$place"
done
while [ "$1" != -- ]; do [ ! -d "$1" ] || mount -n -t tmpfs -o mode=755 tmpfs "$1"; shift; done
shift
mkdir -p "$work"; mount -n --move /mnt/work "$work"; mount -n -o remount,bind,ro "$work" || :
umount -n /mnt
while [ "$1" != -- ]; do mount -n -o "remount,bind,ro$1" "$2" 2>/dev/null || :; shift 2; done
shift
cd "$work"
"$@"
exit $?
""".replace("PASSING", " ".join(PASSING))


def new_user() -> int:
    """A user that nobody else is: two hand-ins at once can neither stop nor read one another."""
    return (1 << 20) + secrets.randbelow(1 << 28)


def command(level: int, folder: Path, words: list[str], user: int) -> list[str]:
    """The command that runs `words` in `folder` at a level, as that user at level 2."""
    if level == 0:
        return words
    if level == 2 and not separates():
        return ["setpriv", *_of(user), *words]
    if level == 1:
        unshare, dropped = ["unshare", "--map-root-user"], ["--bounding-set=-all", *DROPPED]
    else:
        unshare, dropped = ["unshare"], _of(user)
    # The folders of Python, where one above them is emptied or may not be entered by another user.
    needed = sorted({sys.base_prefix, sys.prefix})
    closed = {top for place in needed if level == 2 and (top := _closed(Path(place)))}
    emptied = sorted({*closed, *hidden()})
    kept = [place for place in needed if any(Path(place).is_relative_to(top) for top in (*emptied, *PASSING))]
    again = [top for top in hidden() if any(Path(top).is_relative_to(place) for place in kept)]
    script = [str(folder), *kept, "--", *emptied, "--", *again, "--", *read_only(), "--"]
    return [*unshare, *OWN, "sh", "-c", SCRIPT, "sh", *script, "setpriv", *dropped, *words]


@cache
def hidden() -> tuple[str, ...]:
    """Folders that a hand-in may not see: lmzoo's, whose models know what is right, wherever its Python would find it.

    Of a checkout the whole, for its tests have hand-ins that earn everything.
    """
    ask = "import importlib.util as u; spec = u.find_spec('lmzoo'); print(spec.origin if spec else '')"
    done = subprocess.run([sys.executable, "-I", "-c", ask], capture_output=True, text=True, check=False)
    found = {Path(origin).resolve().parent for origin in (lmzoo.__file__, done.stdout.strip()) if origin}
    return tuple(str(one.parent if (one.parent / "pyproject.toml").is_file() else one) for one in sorted(found))


@cache
def read_only() -> tuple[str, ...]:
    """The options to keep and the place of each file system of a disk, which a hand-in may not write to."""
    found = []
    for line in Path("/proc/self/mounts").read_text("utf-8", "replace").splitlines():
        _source, place, _, options, *_ = line.split(" ")
        place = place.encode().decode("unicode_escape").encode("latin-1").decode("utf-8", "replace")
        if Path(place).parts[1:2] not in (("proc",), ("sys",), ("dev",)) and "rw" in options.split(","):
            # Another user's namespace may add `ro` to what holds for it, and take nothing away.
            also = [f",{one}" for one in ("nosuid", "nodev", "noexec") if one in options.split(",")]
            found += ["".join(also), place]
    return tuple(found)


def _of(user: int) -> list[str]:
    return ["--reuid", str(user), "--regid", str(user), "--clear-groups", *DROPPED]


def sweep(user: int) -> None:
    """End what a user of level 2 left running, and remove its files, where no namespace that ended has done so."""
    if separates():
        return
    subprocess.run(["setpriv", *_of(user), "sh", "-c", "kill -9 -1"], capture_output=True, check=False)
    for top in filter(os.path.isdir, PASSING):
        for entry in os.scandir(top):
            with contextlib.suppress(OSError):
                if entry.stat(follow_symlinks=False).st_uid == user:
                    shutil.rmtree(entry) if entry.is_dir(follow_symlinks=False) else os.unlink(entry)


def _closed(place: Path) -> str | None:
    """The first folder on the way to `place` that other users may not enter."""
    tops = [*reversed(place.parents), place]
    return next((str(top) for top in tops if not top.stat().st_mode & 0o001), None)


def means(level: int) -> str:
    """What holds at a level here."""
    return BARE if level == 2 and is_root() and not separates() else MEANS[level]


def choose(asked: int | None) -> int:
    """The level to use: the one that was asked for, else the highest there is.

    Raises UsageError where it cannot be had; and as root for one below 2 that was not asked for, since root's
    hand-ins can do anything.
    """
    highest = next((level for level in (2, 1) if _works(level)), 0)
    if asked is None and highest < 2 and is_root():
        raise UsageError(
            "this is root, and no other user can be taken for the hand-ins (unshare or setpriv refuse): run as "
            f"another user, or say --level {highest} if the hand-ins are your own"
        )
    if asked is not None and (asked not in MEANS or (asked > 0 and not _works(asked))):
        raise UsageError(f"level {asked} cannot be had here: the highest is {highest} ({means(highest)})")
    return highest if asked is None else asked


def is_root() -> bool:
    """Whether what this process starts may do anything."""
    return os.name == "posix" and os.geteuid() == 0


@cache
def separates() -> bool:
    """Whether namespaces can be had at level 2. In a container without rights of its own they cannot."""
    return _runs(["unshare", *OWN, "true"])


@cache
def _works(level: int) -> bool:
    """Whether a process can be started so."""
    if sys.platform != "linux" or (level == 2 and os.geteuid() != 0):
        return False
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        words = [sys.executable, "-I", "-c", "print('it runs')"]
        return _runs(command(level, Path(name), words, new_user()), b"it runs\n")


def _runs(words: list[str], printed: bytes = b"") -> bool:
    try:
        done = subprocess.run(words, capture_output=True, timeout=60, check=False, env={}, cwd="/")
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout == printed
