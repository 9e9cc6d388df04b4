"""Ctrl-C and requests to end (SIGTERM, SIGHUP), answered within two seconds by whatever is running.

Python calls a handler only between two steps of its own, and a library's long call is one step. So a thread watches
too: if the exception that the handler raises has not ended the process in time, the thread removes what is half written
and ends it. A training, which has handlers of its own, first saves.
"""

import atexit
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from types import FrameType

from lmzoo import drafts
from lmzoo.errors import Terminated
from lmzoo.neural.training.signals import ONE_REQUEST, REQUESTS

PATIENCE = 1.2  # seconds that the exception has to end the process
INTERRUPTED, TERMINATED = 130, 143  # 128 + SIGINT and + SIGTERM, as shells count
NOTHING_LEFT = "interrupted; nothing half-written was left"
_last_word = threading.Lock()  # held by whoever prints the line with which the process ends
_watching, _asked = False, 0


def code_of(error: BaseException) -> int:
    """The exit code for a KeyboardInterrupt."""
    return TERMINATED if isinstance(error, Terminated) else INTERRUPTED


def watch() -> None:
    """From now on the signals end this process as described above. A signal that is ignored, as by nohup, stays so."""
    global _watching
    _watching = True
    read, write = os.pipe()
    os.set_blocking(write, False)
    for number in REQUESTS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _raise)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)  # written to at once, whatever Python is doing
    os.register_at_fork(after_in_child=_forget)
    threading.Thread(target=_wait, args=(read,), daemon=True).start()


def _forget() -> None:
    """In a child process, whose signals are not its parent's."""
    signal.set_wakeup_fd(-1)
    for number in REQUESTS:
        if signal.getsignal(number) is _raise:
            signal.signal(number, signal.SIG_DFL)


def _raise(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    global _asked
    if not _asked:  # a second one would interrupt what cleans up after the first
        _asked = INTERRUPTED if number == signal.SIGINT else TERMINATED
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated


def _wait(read: int) -> None:
    first = float("inf")
    while True:
        number, now = os.read(read, 1)[0], time.monotonic()
        first = min(first, now)
        if signal.getsignal(number) is _raise or now - first > ONE_REQUEST:  # else a training saves first
            time.sleep(PATIENCE)
            drafts.remove_held()
            if _last_word.acquire(blocking=False):
                clear_line = "\r\x1b[2K\x1b[?25h" if sys.stderr.isatty() else ""  # of a progress bar
                with suppress(OSError):  # nobody may be reading
                    os.write(2, f"{clear_line}lmzoo: {NOTHING_LEFT}\n".encode())
            else:
                time.sleep(0.3)  # for the line to be printed
            os._exit(INTERRUPTED if number == signal.SIGINT else TERMINATED)


def asked() -> int:
    """The exit code of a request to end that was answered by an exception, whatever a library made of that; else 0."""
    return _asked


def take_the_last_word() -> None:
    """To be called before the line is printed with which the process ends."""
    if not _last_word.acquire(blocking=False) and _watching:
        time.sleep(60)  # the thread has printed its own and ends the process


def end(code: int) -> None:
    """End the process, if it is watched, without what Python does in the end: with PyTorch that takes seconds."""
    if _watching:
        atexit._run_exitfuncs()
        sys.stderr.flush()
        os._exit(code)
