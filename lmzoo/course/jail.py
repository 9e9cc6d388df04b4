"""What a hand-in is kept in, by level. The result of a grading says which level held.

    0   a process of its own, with limits
    1   and a network and processes of its own: nothing outside can be reached, and nothing outlives it
    2   and another user, who can read neither the grader's files nor its memory, with /tmp empty and its own

At levels 0 and 1 a hand-in can read what its grader can read, the secret too.
"""

import os
import secrets
import subprocess
import sys
from functools import cache
from pathlib import Path

from lmzoo.errors import UsageError

MEANS = {
    0: "a process with limits; a hand-in could read the secret, and use the network",
    1: "no network; a hand-in could read the secret",
    2: "another user, no network, its own /tmp; a hand-in cannot read the secret",
}
OWN = ["--pid", "--fork", "--kill-child", "--mount-proc", "--net"]  # of unshare
# The shell stays process 1 of its namespace, so that whatever a hand-in has started ends with it. The arguments: the
# folder of the hand-in, its user, the number of folders that Python needs, these, and the command.
SCRIPT = """
set -e
work=$1 user=$2 count=$3; shift 3
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/work; mount --bind "$work" /mnt/work
n=0; kept=
while [ $n -lt $count ]; do
  mkdir /mnt/$n; mount --bind "$1" /mnt/$n; eval "place$n=\\$1"; n=$((n+1)); shift
done
for top in /tmp /var/tmp /dev/shm; do [ -d $top ] && mount -t tmpfs -o mode=1777,size=64m tmpfs $top; done
while [ "$1" != -- ]; do mount -t tmpfs -o mode=755 tmpfs "$1"; shift; done
shift
n=0
while [ $n -lt $count ]; do eval "place=\\$place$n"; mkdir -p "$place"; mount --move /mnt/$n "$place"; n=$((n+1)); done
mkdir -p "$work"; mount --move /mnt/work "$work"
umount /mnt
cd "$work"
setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs --inh-caps=-all -- "$@"
exit $?
"""


def command(level: int, folder: Path, words: list[str]) -> list[str]:
    """The command that runs `words` in `folder` at a level."""
    if level == 0:
        return words
    if level == 1:
        return ["unshare", "--map-root-user", *OWN, "sh", "-c", '"$@"; exit $?', "sh", *words]
    # A user that nobody else is: two hand-ins at once can neither stop nor read one another.
    user = str((1 << 20) + secrets.randbelow(1 << 28))
    needed = sorted({sys.base_prefix, sys.prefix})
    closed = sorted({top for place in needed if (top := _closed(Path(place)))})
    script = [str(folder), user, str(len(needed)), *needed, *closed, "--"]
    return ["unshare", "--mount", *OWN, "sh", "-c", SCRIPT, "sh", *script, *words]


def _closed(place: Path) -> str | None:
    """The first folder on the way to `place` that other users may not enter."""
    tops = [*reversed(place.parents), place]
    return next((str(top) for top in tops if not top.stat().st_mode & 0o001), None)


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
        raise UsageError(f"level {asked} cannot be had here: the highest is {highest} ({MEANS[highest]})")
    return highest if asked is None else asked


def is_root() -> bool:
    """Whether what this process starts may do anything."""
    return os.name == "posix" and os.geteuid() == 0


@cache
def _works(level: int) -> bool:
    """Whether a process can be started so."""
    if sys.platform != "linux" or (level == 2 and os.geteuid() != 0):
        return False
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        try:
            words = command(level, Path(name), [sys.executable, "-I", "-c", "print('it runs')"])
            done = subprocess.run(words, capture_output=True, timeout=60, check=False, env={}, cwd="/")
        except (OSError, subprocess.TimeoutExpired):
            return False
    return done.returncode == 0 and done.stdout == b"it runs\n"
