"""A text, read by every model: bits and rank of each token, and what each expects next."""

import time
from collections.abc import Iterator
from typing import Any

from lmzoo.serve.contestants import Contestants
from lmzoo.serve.handlers import Handler, Names, Request, Text
from lmzoo.serve.worker import said


class Read(Request):
    """A text for `models` (None: all); with `likeliest`, each place has the likeliest tokens, too.

    Without `characters`, the likeliest characters are left out where there are likeliest words.
    """

    text: Text
    models: Names | None = None
    likeliest: bool = False
    characters: bool = True


def read(contestants: Contestants, request: Read) -> Iterator[Any]:
    """{ms, models: [{id, bits, pieces, next, words}]}, or {id, error} where a model failed."""
    began, answers = time.perf_counter(), []
    for run in contestants.chosen(request.models):
        answer: dict[str, Any] = {"id": run.id}
        if run.reader is None:
            answer["error"] = run.error
        else:
            try:
                answer |= yield from run.reader.read(request.text, request.likeliest, request.characters)
            except Exception as error:  # the others answer
                answer["error"] = said(error)
        answers.append(answer)
    yield {"ms": round(1000 * (time.perf_counter() - began), 1), "models": answers}


HANDLERS = {
    "read": Handler(Read, read, frozen=lambda _, text: [{"text": text, "likeliest": True, "characters": False}])
}
