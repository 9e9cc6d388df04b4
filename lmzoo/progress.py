"""Where a long computation reports how far it is; apart from the interface, for the command line needs no NumPy."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def result_of(steps: Generator[None, None, Result]) -> Result:
    """What work that is cut into steps, so that others can take turns with it, returns in the end: all of it, now."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result


class Progress:
    """Receives progress reports. This one is silent; the command line's draws bars."""

    @contextmanager
    def task(self, name: str, total: float | None = None) -> Iterator["Progress"]:  # noqa: ARG002
        """A named piece of work of `total` units (None: unknown), to be used in a `with` statement."""
        yield self

    def advance(self, amount: float = 1, note: str = "") -> None:
        """`amount` more units are done; `note` is a figure worth showing beside the bar."""

    def doing(self, note: str) -> None:
        """Work on `note` begins: shown beside the bar until the next note."""
        self.advance(0, note)

    def beside(self) -> "Progress":
        """Where work that runs beside this reports: its tasks are not inside this one's."""
        return self

    def track(self, name: str, items: Sequence[Item], label: Callable[[Item], str] | None = None) -> Iterator[Item]:
        """`items`, one after the other, as a task of as many units; the `label` of the one at work is shown."""
        with self.task(name, len(items)) as task:
            for item in items:
                if label:
                    task.doing(label(item))
                yield item
                task.advance()
