"""Provenance: the machine, versions, commit and command behind a result, collected automatically."""

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from lmzoo.data import cards

PACKAGES = ("numpy", "scipy", "numba", "gensim", "scikit-learn", "tokenizers", "torch", "constriction", "pyppmd")
PROCESS = Path("/proc/self")


def provenance() -> dict[str, Any]:
    """Date, machine, versions, commit and command: {"date", "machine", "versions", "commit", "command"}."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": machine(),
        "versions": versions(),
        "commit": commit(),
        "command": command(),
    }


_asking: dict[str, str] = {}  # machine and command of the process that this one works for


def work_for(machine: str, command: str) -> None:
    """From now on results count as those of a command on another machine, under whose keys they will be looked for.

    The provenance of runs names the machine that they were made on all the same.
    """
    _asking.update(machine=machine, command=command)
    circumstances.cache_clear()


@cache
def circumstances() -> dict[str, Any]:
    """What any result depends on: {"code", "versions", "machine"}, the code as a digest.

    Without the report, whose sections have versions of their own: a change of a figure retrains nothing.
    """
    digest = hashlib.sha256()
    for folder in (cards.PACKAGE, cards.folder()):
        for path in sorted(path for path in folder.rglob("*") if path.suffix in (".py", ".toml")):
            if path.is_relative_to(cards.PACKAGE / "report"):
                continue
            digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes() + b"\0")
    return {"code": digest.hexdigest(), "versions": versions(), "machine": _asking.get("machine") or machine()}


def machine() -> str:
    """'AMD EPYC, 2 cores, 24 GiB, Linux x86_64'."""
    cpu = platform.processor() or platform.machine()
    memory = ""
    if sys.platform == "linux":
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        models = [line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")]
        cpu = models[0] if models else cpu
        gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        memory = f"{gib:.0f} GiB, "
    return f"{cpu}, {os.cpu_count()} cores, {memory}{platform.system()} {platform.machine()}"


def versions() -> dict[str, str]:
    """The versions of lmzoo, Python and the numerical packages that are installed."""
    return dict(_versions())


@cache  # 20 ms, and a comparison asks for each of its models
def _versions() -> dict[str, str]:
    from lmzoo import __version__

    installed = {"lmzoo": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return installed


@cache
def commit() -> str | None:
    """The commit of the running checkout, as it was when this process first asked: its code is from before that."""
    return commit_of(cards.PACKAGE.parent)


def commit_of(checkout: Path) -> str | None:
    """The commit of a checkout, with '+changes' if its files differ; None for what is none."""
    if not (checkout / ".git").exists():
        return None
    try:
        name = _git(checkout, "rev-parse", "--short=12", "HEAD")
        changes = _git(checkout, "status", "--porcelain", "--untracked-files=no", "--", "lmzoo", "corpora")
    except (OSError, subprocess.SubprocessError):
        return None
    return name + ("+changes" if changes else "")


def _git(checkout: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(checkout), *arguments], capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()


def command() -> str:
    """The command line, quoted for a shell."""
    import shlex

    if "command" in _asking:
        return _asking["command"]
    program = Path(sys.argv[0]).name
    return shlex.join(["lmzoo" if program in ("lmzoo", "cli.py", "__main__.py") else program, *sys.argv[1:]])


@dataclass
class Peak:
    """The peak resident memory of this process, in bytes; None where the system does not report it."""

    bytes: int | None = None


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Measure the peak resident size of the whole process during the block.

    Only Linux has such a mark that can be reset; elsewhere, and where that is not permitted, it is None.
    """
    peak = Peak()
    try:
        (PROCESS / "clear_refs").write_text("5", encoding="ascii")  # proc(5): resets VmHWM to the current size
    except OSError:
        yield peak
        return
    yield peak
    peak.bytes = _high_water_mark()


def _high_water_mark() -> int | None:
    """VmHWM, in bytes."""
    try:
        status = (PROCESS / "status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    kilobytes = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(kilobytes[0]) * 1024 if kilobytes else None
