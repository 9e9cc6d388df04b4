"""Ctrl-C handled between two steps, when a checkpoint can be written."""

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Self

from lmzoo.errors import Terminated

# Ctrl-C, `kill` or a scheduler, and a closed terminal, which Windows does not know.
REQUESTS = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))
ONE_REQUEST = 1.0  # seconds within which a second signal is the same Ctrl-C, passed on by torchrun


class Interruption:
    """In a `with` statement the first SIGINT or SIGTERM only sets `requested`; a later one interrupts at once.

    As long as there is nothing `to_save`, the first one does so too. A signal that is ignored, as by nohup, stays so.
    """

    def __init__(self) -> None:
        self.requested, self.to_save = False, False
        self._number = 0
        self._when = 0.0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # only there Python handles signals
            for number in REQUESTS:
                if signal.getsignal(number) is not signal.SIG_IGN and number not in self._before:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        again = self.requested and time.monotonic() - self._when > ONE_REQUEST
        if not self.requested:
            self.requested, self._when, self._number = True, time.monotonic(), number
        if again or not self.to_save:
            raise self.error()

    def error(self, message: str = "") -> KeyboardInterrupt:
        """The exception to end with."""
        return KeyboardInterrupt(message) if self._number == signal.SIGINT else Terminated(message)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
