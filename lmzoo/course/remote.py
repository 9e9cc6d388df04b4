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
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lmzoo.course import jail, worker
from lmzoo.errors import LmzooError

KEPT = 4096  # bytes of what a hand-in prints
LONGEST = 500  # characters of what it raised
MOST_ANSWERED = 16 << 20  # bytes of all answers to a check
PATIENCE = 10  # seconds to wait for each second of CPU
MEMORY = 2 << 30  # bytes of address space


@dataclass(frozen=True)
class Question:
    """What a check asks: f(*arguments) for each case, or, where `given` has what makes it, f(*given[n])(*arguments)."""

    function: str
    cases: Sequence[tuple[int | None, tuple[Any, ...]]]  # the n of `given`, or None; the arguments
    given: Sequence[tuple[Any, ...]] = ()
    provided: str = ""  # code that is run after the hand-in's: earlier parts as they should be, in place of its own
    unchanged: bool = False  # whether it is an error that the function changes what it is given
    refused: Sequence[str] = ()  # modules that it may not import


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
    over: bool = False

    def drain(self, descriptor: int) -> None:
        """Until all who could write are gone; after `over`, no more than a pipe holds: one may have outlived its check.

        Closes the descriptor itself: closed by another, its number could be that of the next hand-in's pipe.
        """
        pieces = 16  # of a pipe
        while pieces:
            ready = select.select([descriptor], [], [], 0.2)[0]
            if ready:
                piece = os.read(descriptor, 1 << 16)
                if not piece:
                    break
                self.total += len(piece)
                self.kept += piece[: KEPT - len(self.kept)]
            if self.over:
                pieces = pieces - 1 if ready else 0
        os.close(descriptor)


def ask(name: str, contents: bytes, question: Question, cpu: int, level: int) -> Answers:
    """Run a file of that name and contents, and ask it.

    `cpu`: seconds of CPU, for all cases together; PATIENCE times as long, and a second more, it may wait.
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
        user = jail.new_user()
        process = subprocess.Popen(
            jail.command(level, folder, words, user), stdin=subprocess.PIPE, stdout=said, stderr=said,
            pass_fds=[writing], start_new_session=True, cwd=folder,
            env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "OMP_NUM_THREADS": "1"},
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
            if level == 2:
                jail.sweep(user)
        printed.over = True
        listener.join()
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
    """Ask case by case, until there is an answer for each, or the reason why there are no more."""
    given = [[worker.freeze(item) for item in given] for given in question.given]
    wait = PATIENCE * (cpu + 1)
    assert process.stdin
    pipes = _Pipes(reading, process.stdin.fileno(), time.monotonic() + wait)
    values: list[Any] = []
    why = ""
    try:  # before the hand-in's first line
        pipes.send(
            {
                "function": question.function,
                "given": given,
                "provided": question.provided,
                "unchanged": question.unchanged,
                "refused": [*question.refused],
            }
        )
        pipes.receive()
    except (OSError, EOFError, ValueError):
        raise LmzooError("the process for the hand-in could not be started here; nothing was graded") from None
    try:
        for number, arguments in question.cases:
            pipes.send([number, [worker.freeze(item) for item in arguments]])
            answer = pipes.receive()
            if "stopped" in answer:
                why = _said(answer["stopped"])
                break
            values.append(Fault(_said(answer["error"])) if "error" in answer else worker.thaw(answer["answer"]))
    except TimeoutError:
        why = f"it did not return within {wait:g} seconds (an endless loop, or input()?), so it was ended"
    except EOFError:
        why = _how_it_ended(process, cpu)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        why = "something other than an answer was written where answers go: open only files of your own"
    return values + [Fault(why)] * (len(question.cases) - len(values))


class _Pipes:
    """Lines of JSON to and from the worker, none of which waits longer than until `deadline`."""

    def __init__(self, reading: int, writing: int, deadline: float):
        self.reading, self.writing, self.deadline = reading, writing, deadline
        self.held, self.read = bytearray(), 0
        os.set_blocking(writing, False)  # a hand-in may keep its worker from ever reading

    def send(self, value: Any) -> None:
        """Raises TimeoutError. Where nobody reads any more, `receive` says why."""
        rest = json.dumps(value).encode() + b"\n"
        with contextlib.suppress(BrokenPipeError):
            while rest:
                self._wait([], [self.writing])
                with contextlib.suppress(BlockingIOError):
                    rest = rest[os.write(self.writing, rest) :]

    def receive(self) -> dict[str, Any]:
        """Raises TimeoutError, EOFError, and ValueError for what is no line of JSON or more than MOST_ANSWERED."""
        while (end := self.held.find(b"\n")) < 0:
            self._wait([self.reading], [])
            piece = os.read(self.reading, 1 << 18)
            self.held += piece
            self.read += len(piece)
            if not piece:
                raise EOFError
            if self.read > MOST_ANSWERED:
                raise ValueError("too long")
        line = bytes(self.held[:end])
        del self.held[: end + 1]
        # A whole number of a thousand digits could not be compared with a probability.
        answer = json.loads(line, parse_int=lambda digits: int(digits) if len(digits) < 40 else float(digits))
        if not isinstance(answer, dict):
            raise ValueError("no answer")
        return answer

    def _wait(self, read: list[int], write: list[int]) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0 or not any(select.select(read, write, [], left)):
            raise TimeoutError


def _said(error: dict[str, Any]) -> str:
    """An error of the hand-in, in words that help."""
    kind, text, line = str(error["kind"])[:80], str(error["text"])[:LONGEST], error.get("line")
    at = f"line {line}: " if isinstance(line, int) else ""
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
    source = source[:LONGEST].rstrip("\n")
    if "Missing parentheses in call to" in text:
        return f"{at}this is Python 2 ({text.split('. ')[0]}); Python 3 is used here"
    if "codec can't decode" in text or "Non-UTF-8" in text or "encoding" in text:
        return f"{at}the file is not UTF-8: save it so in your editor ({text})"
    shown = isinstance(column, int) and 0 < column <= len(source) + 1
    caret = f"\n  {source}\n  {' ' * (column - 1)}^" if shown else ""
    return f"{at}{text}{caret}"


def _how_it_ended(process: "subprocess.Popen[bytes]", cpu: int) -> str:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)
    code = process.poll()
    if code in (-9, -24, 137, 152):
        return f"it was killed: it used more than {cpu} seconds of CPU, or the machine ran out of memory"
    if code is None:
        return "it closed the pipe of its answers: close only files of your own"
    killer = -code if code < 0 else code - 128
    if killer in {*signal.Signals}:
        return f"it crashed ({signal.Signals(killer).name})"
    return f"it ended its own process with exit code {code} (os._exit?): a function must return"
