"""How lmzoo speaks in a terminal: progress bars and notes on stderr, results on stdout."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lmzoo.interface import Progress


class Bars(Progress):
    """A progress bar with an ETA for each task, on stderr while it is a terminal, gone when it is done."""

    def __init__(self, quiet: bool = False):
        self.quiet = quiet
        self._bars: Any = None
        self._open: list[Any] = []

    @contextmanager
    def task(self, name: str, total: float | None = None) -> Iterator["Bars"]:
        """A bar of its own; `advance` moves the innermost one."""
        self._start()
        self._open.append(self._bars.add_task(name, total=total, note=""))
        try:
            yield self
        finally:
            self._bars.remove_task(self._open.pop())
            if not self._open:
                self._bars.stop()
                self._bars = None

    def advance(self, amount: float = 1, note: str = "") -> None:
        """Move the innermost bar; `note` is shown beside it."""
        if self._open:
            self._bars.update(self._open[-1], advance=amount, **({"note": note} if note else {}))

    def _start(self) -> None:
        if self._bars is not None:
            return
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        console = Console(stderr=True)
        self._bars = RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("eta"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            transient=True,
            disable=self.quiet or not console.is_terminal,
        )
        self._bars.start()
