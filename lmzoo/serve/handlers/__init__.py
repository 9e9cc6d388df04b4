"""What the page asks: a file for each screen that asks something, found by its name.

A handler is a generator of (contestants, request): it yields None after each step of a few milliseconds, where others
take their turn and it may be cancelled, and what it answers: one value, or the lines of a stream.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from lmzoo.serve.contestants import Contestants

MOST_CHARACTERS = 2000  # of a text
Text = Annotated[str, msgspec.Meta(max_length=MOST_CHARACTERS)]
Name = Annotated[str, msgspec.Meta(max_length=16)]  # the id of a model
Names = Annotated[list[Name], msgspec.Meta(max_length=64)]


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request: its fields, and their bounds."""


@dataclass(frozen=True)
class Handler:
    """What answers a path: from a request of this kind, one value, or `streams` of many, one a line."""

    request: type[Request]
    handle: Callable[[Contestants, Any], Iterator[Any]]
    streams: bool = False
    seconds: float = 2.0  # after which it is stopped
    # What an exported page asks of it for a sentence: requests whose answers are written into the page.
    frozen: Callable[[Contestants, str], Iterable[dict[str, Any]]] = lambda _, __: ()


def handlers() -> dict[str, Handler]:
    """By path: what the files of this folder list in HANDLERS."""
    found: dict[str, Handler] = {}
    for file in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{file.name}")
        found |= {f"/api/{name}": handler for name, handler in module.HANDLERS.items()}
    return found
