"""Answers of a hand-in's function to the cases of a check: its file runs in a process of its own (`worker`, `jail`)."""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lmzoo.course import jail, worker
from lmzoo.errors import LmzooError

KEPT = 4096  # bytes of what a hand-in prints
LONGEST = 32 << 20  # bytes of an answer
READY = b'{"ready": true}'
MEMORY = 2 << 30  # bytes of address space


@dataclass(frozen=True)
class Question:
    """What a check asks: f(*arguments) for each case, or, where `given` has what makes it, f(*given[n])(*arguments)."""

    function: str
    cases: Sequence[tuple[int | None, tuple[Any, ...]]]  # the n of `given`, or None; the arguments
    given: Sequence[tuple[Any, ...]] = ()


@dataclass(frozen=True)
class Fault:
    """Why there is no answer, in words for the student."""

    message: str


@dataclass
class Answers:
    """An answer or a fault for each case, and what was printed."""

    values: list[Any]
    printed: str = ""
    printed_bytes: int = 0
    cpu: int = 0  # seconds that it was allowed


@dataclass
class _Printed:
    """Reads all that a hand-in prints, so that it never waits, and keeps the beginning."""

    kept: bytearray = field(default_factory=bytearray)
    total: int = 0

    def drain(self, descriptor: int) -> None:
        with contextlib.suppress(OSError):
            while piece := os.read(descriptor, 1 << 16):
                self.total += len(piece)
                self.kept += piece[: KEPT - len(self.kept)]


def ask(name: str, contents: bytes, question: Question, cpu: int, level: int) -> Answers:
    """Run a file of that name and contents, and ask it.

    `cpu`: seconds of CPU, for all cases together; ten times as long, and ten seconds, it may wait.
    Whatever the hand-in does, there is an answer or a fault for each case. Raises LmzooError where its process could
    not be started, which is not its fault.
    """
    with tempfile.TemporaryDirectory(prefix="handin-") as place, contextlib.ExitStack() as stack:
        folder = Path(place)
        folder.chmod(0o755)
        (folder / name).write_bytes(contents)
        shutil.copyfile(worker.__file__, folder / "worker.py")
        for copy in folder.iterdir():
            copy.chmod(0o644)
        reading, writing = os.pipe()
        heard, said = os.pipe()
        stack.callback(os.close, reading)
        limits = {"RLIMIT_CPU": cpu, "RLIMIT_AS": MEMORY, "RLIMIT_FSIZE": 16 << 20, "RLIMIT_CORE": 0}
        if level == 2:
            limits["RLIMIT_NPROC"] = 64  # which counts by user, and at the other levels that is the grader's
        words = [sys.executable, "-I", "-B", "-u", "-X", "utf8", str(folder / "worker.py"), str(folder / name)]
        words += [str(writing), json.dumps(limits)]
        process = subprocess.Popen(
            jail.command(level, folder, words), stdin=subprocess.PIPE, stdout=said, stderr=said, pass_fds=[writing],
            start_new_session=True, cwd=folder, env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        os.close(writing)
        os.close(said)
        printed = _Printed()
        listener = threading.Thread(target=printed.drain, args=(heard,), daemon=True)
        listener.start()
        try:
            values = _converse(process, reading, question, cpu)
        finally:
            _end(process)
        listener.join(5)
        os.close(heard)
    text = bytes(printed.kept).decode("utf-8", "replace").replace(str(folder) + "/", "")
    return Answers(values, text, printed.total, cpu)


def _end(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
    if process.stdin:
        with contextlib.suppress(OSError):
            process.stdin.close()


def _converse(process: "subprocess.Popen[bytes]", reading: int, question: Question, cpu: int) -> list[Any]:
    """Send the question, and read answers until there is one for each case, or the reason why there are no more."""
    request = {
        "function": question.function,
        "given": [[worker.freeze(item) for item in given] for given in question.given],
        "cases": [[number, [worker.freeze(item) for item in arguments]] for number, arguments in question.cases],
    }
    values: list[Any] = []
    wait = 10 * cpu + 10
    deadline = time.monotonic() + wait
    assert process.stdin
    why = ""
    try:
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.close()
        lines = _lines(reading, deadline)
        if next(lines, b"") != READY:
            raise LmzooError("the process for the hand-in could not be started here; nothing was graded")
        for line in lines:
            answer = json.loads(line)
            if "stopped" in answer:
                why = _said(answer["stopped"])
                break
            if "end" in answer:
                why = "it answered fewer cases than there are"
                break
            if "error" in answer:
                values.append(Fault(_said(answer["error"])))
            else:
                values.append(worker.thaw(answer["answer"]))
            if len(values) == len(question.cases):
                break
        else:
            why = _how_it_ended(process, cpu)
    except TimeoutError:
        why = f"it did not return within {wait} seconds (an endless loop, or input()?), so it was ended"
    except BrokenPipeError:
        raise LmzooError("the process for the hand-in ended before it was asked; nothing was graded") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        why = "something other than an answer was written where answers go: open only files of your own"
    return values + [Fault(why)] * (len(question.cases) - len(values))


def _lines(descriptor: int, deadline: float) -> Iterator[bytes]:
    held = bytearray()
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            raise TimeoutError
        piece = os.read(descriptor, 1 << 18)
        if not piece:
            return
        held += piece
        if b"\n" not in piece:
            if len(held) > LONGEST:
                raise ValueError("too long")
            continue
        *lines, rest = bytes(held).split(b"\n")
        held = bytearray(rest)
        yield from lines


def _said(error: dict[str, Any]) -> str:
    """An error of the hand-in, in words that help."""
    kind, text, line = str(error["kind"]), str(error["text"]), error.get("line")
    at = f"line {line}: " if line else ""
    if kind == "NotImplementedError":
        return f"{at}a hole is left in it: {text or 'NotImplementedError'}"
    if kind in ("SyntaxError", "IndentationError", "TabError"):
        return _syntax(text, at, str(error.get("source") or ""), error.get("column"))
    if kind in ("ModuleNotFoundError", "ImportError"):
        return f"{at}{text}" + ("; it is not installed here" if kind == "ModuleNotFoundError" else "")
    if kind == "SystemExit":
        return f"{at}it called exit: a function must return"
    if kind == "MemoryError":
        return f"{at}it needs more memory than the {MEMORY >> 30} GiB that it may use"
    return f"{at}{kind}: {text}" if text else f"{at}{kind}"


def _syntax(text: str, at: str, source: str, column: Any) -> str:
    if "Missing parentheses in call to" in text:
        return f"{at}this is Python 2 ({text.split('. ')[0]}); Python 3 is used here"
    if "codec can't decode" in text or "Non-UTF-8" in text or "encoding" in text:
        return f"{at}the file is not UTF-8: save it so in your editor ({text})"
    shown = source.rstrip("\n")
    caret = f"\n  {shown}\n  {' ' * (int(column) - 1)}^" if shown and column else ""
    return f"{at}{text}{caret}"


def _how_it_ended(process: "subprocess.Popen[bytes]", cpu: int) -> str:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)
    code = process.poll()
    if code in (-9, -24, 137, 152):
        return f"it was killed: it used more than {cpu} seconds of CPU, or the machine ran out of memory"
    if code is None:
        return "it closed the pipe of its answers: close only files of your own"
    if code < 0 or code > 128:
        return f"it crashed ({signal.Signals(-code if code < 0 else code - 128).name})"
    return f"it ended its own process with exit code {code} (os._exit?): a function must return"
