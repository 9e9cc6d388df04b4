"""Ctrl-C handled between two steps, when a checkpoint can be written."""

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Self

ONE_REQUEST = 1.0  # seconds within which a second signal is the same Ctrl-C, passed on by torchrun


class Interruption:
    """In a `with` statement the first SIGINT or SIGTERM only sets `requested`; a later one interrupts at once."""

    def __init__(self) -> None:
        self.requested = False
        self._when = 0.0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # only there Python handles signals
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.requested and time.monotonic() - self._when > ONE_REQUEST:
            raise KeyboardInterrupt
        if not self.requested:
            self.requested, self._when = True, time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
