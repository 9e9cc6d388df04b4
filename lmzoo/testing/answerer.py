"""The process of an untrusted model: it answers the calls of `sandbox`, one at a time.

    python -m lmzoo.testing.answerer FILE.py TOKEN LIMITS

Requests and answers are frames on what was stdin and stdout (see `frames`). What the model prints goes to stderr,
which its examiner keeps apart.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from lmzoo import errors, models
from lmzoo.interface import Data, Examples, Run
from lmzoo.testing import tampering
from lmzoo.testing.frames import Frames, Handle

# The methods that give states, by how: the state, one in each place of a list, or the second of a pair.
STATE, STATES, WITH_STATE = ("start", "advance", "start_after"), ("advance_many",), ("log_probs",)


def limit(memory: int, cpu: int, file: int) -> None:
    """Bound this process: bytes of memory and of each file, seconds of CPU; where the system can."""
    with suppress(ImportError):
        import resource

        bounds = {"RLIMIT_DATA": memory, "RLIMIT_CPU": cpu, "RLIMIT_FSIZE": file, "RLIMIT_CORE": 0}
        for name, bound in bounds.items():
            with suppress(AttributeError, ValueError, OSError):
                kind = getattr(resource, name)
                hard = resource.getrlimit(kind)[1]
                bound = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
                resource.setrlimit(kind, (bound, bound))


class Answerer:
    """The models and states that the examiner speaks of, by number, and what it may ask of them."""

    def __init__(self, path: str):
        self.before = tampering.snapshot()
        self.kind = models.find(path)
        self.file = str(getattr(sys.modules[self.kind.__module__], "__file__", ""))
        self.held: dict[int, Any] = {}
        self.count = 0

    def hold(self, value: Any) -> Handle:
        """A number by which the examiner can speak of a model or state."""
        self.count += 1
        self.held[self.count] = value
        return Handle(self.count)

    def answer(self, request: dict[str, Any]) -> Any:
        """The answer to one question."""
        for number in request["release"]:
            self.held.pop(number, None)
        arguments = self.unwrap(request["arguments"])
        own: Callable[..., Any] | None = getattr(self, f"_ask_{request['ask']}", None)
        if own:
            return own(*arguments)
        model, *arguments = arguments
        result = getattr(model, request["ask"])(*arguments)
        return self.wrap(request["ask"], result)

    def unwrap(self, value: Any) -> Any:
        """Numbers of models and states as what they stand for."""
        if isinstance(value, Handle):
            return self.held[value.number]
        return type(value)(map(self.unwrap, value)) if isinstance(value, list | tuple) else value

    def wrap(self, method: str, result: Any) -> Any:
        """States as numbers, everything else as it is, or as an array."""
        if method in STATE:
            return self.hold(result)
        if method in STATES:
            return [self.hold(state) for state in result]
        if method in WITH_STATE:
            scores, state = result
            return _numbers(scores), self.hold(state)
        if method == "untrained":
            return None if result is None else self.hold(result)
        return result if method in ("config", "arrays") else _numbers(result)

    # Questions that are no method of a model:

    def _ask_describe(self) -> dict[str, Any]:
        abilities = [base.__name__ for base in self.kind.__mro__ if base.__module__ == "lmzoo.interface"]
        return {
            "class": self.kind.__name__,
            "name": str(self.kind.name),
            "abilities": abilities,
            "adapts": bool(getattr(self.kind, "adapts", False)),
        }

    def _ask_new(self, settings: dict[str, Any]) -> Handle:
        return self.hold(self.kind.from_config(settings))

    def _ask_extra_attributes(self, model: Any) -> list[str]:
        return sorted(set(vars(model)) - set(model.__dataclass_fields__))

    def _ask_attribute(self, model: Any, name: str) -> Any:
        return _numbers(getattr(model, name))

    def _ask_fit(self, model: Any, train: Any, valid: Any, vocab_size: int, refit: bool, run: dict[str, Any]) -> str:
        return _returned(model.fit(Data.of(train, valid, vocab_size, refit), Run(**run)), model)

    def _ask_fit_labels(self, model: Any, examples: list[Any], valid: list[Any], run: dict[str, Any]) -> str:
        return _returned(model.fit_labels(Examples(*examples), Examples(*valid), Run(**run)), model)

    def _ask_restore(self, model: Any, arrays: dict[str, Any]) -> str:
        return _returned(model.restore(arrays), model)

    def _ask_replaced(self) -> str:
        return tampering.replaced(self.before)


def _returned(result: Any, model: Any) -> str:
    return "self" if result is model else "nothing" if result is None else "another"


def _numbers(value: Any) -> Any:
    """Arrays of a foreign kind as NumPy's."""
    if isinstance(value, list | tuple):
        return type(value)(map(_numbers, value)) if type(value) in (list, tuple) else list(map(_numbers, value))
    if value is None or isinstance(value, str | int | float | np.ndarray | np.generic):
        return value
    array = np.asarray(value)
    return array if array.dtype.kind in "biuf" else value


def failure(error: BaseException, file: str) -> dict[str, Any]:
    """An error as its examiner raises it again: its own kind, or the nearest one of lmzoo; its text; the line."""
    known = [kind.__name__ for kind in type(error).__mro__ if getattr(errors, kind.__name__, None) is kind]
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    text = str(error)
    if isinstance(error, MemoryError):
        text = f"it needs more memory than a model may use here. {text}".strip()
    return {
        "error": type(error).__name__,
        "known": known[0] if known else None,
        "text": text[:2000],
        "line": lines[-1] if lines else None,
    }


def main(path: str, token: str, limits: str) -> None:
    """Answer until the examiner is gone."""
    requests, answers = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    frames = Frames(requests, answers, bytes.fromhex(token))
    limit(**json.loads(limits))
    answerer: Answerer | None = None
    file = str(os.path.realpath(path))
    while True:
        try:
            request = frames.read()
        except EOFError:
            return
        given = [array.copy() for array in frames.read_arrays]
        try:
            answerer = answerer or Answerer(path)
            answer: dict[str, Any] = {"answer": answerer.answer(request)}
        except BaseException as error:  # also SystemExit: the examiner is told of it
            answer = failure(error, file)
        # What the model did to the arrays it was given: so that the examiner's become like them.
        answer["changed"] = [
            [n, now] for n, (now, then) in enumerate(zip(frames.read_arrays, given, strict=True))
            if not np.array_equal(now, then)
        ]  # fmt: skip
        try:
            frames.write(answer)
        except (TypeError, ValueError, RecursionError) as error:
            frames.write(
                {**failure(error, file), "text": f"it returned something that is not numbers: {error}", "changed": []}
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
