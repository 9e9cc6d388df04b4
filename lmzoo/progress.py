"""Where a long computation reports how far it is; apart from the interface, for the command line needs no NumPy."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")


class Progress:
    """Receives progress reports. This one is silent; the command line's draws bars."""

    @contextmanager
    def task(self, name: str, total: float | None = None) -> Iterator["Progress"]:  # noqa: ARG002
        """A named piece of work of `total` units (None: unknown), to be used in a `with` statement."""
        yield self

    def advance(self, amount: float = 1, note: str = "") -> None:
        """`amount` more units are done; `note` is a figure worth showing beside the bar."""

    def track(self, name: str, items: Sequence[Item]) -> Iterator[Item]:
        """`items`, one after the other, as a task of as many units."""
        with self.task(name, len(items)) as task:
            for item in items:
                yield item
                task.advance()
