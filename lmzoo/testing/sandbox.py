"""Checks of an untrusted model: its file runs in a process of its own, the checks run in this one.

    result = check_file("mine.py")              result.checks, result.printed, result.seconds

The file is never imported here. Each call of a method is sent to the other process, and only numbers come back
(`frames`), so whatever the file does to lmzoo, NumPy or stdout cannot change a check. That process has limits of CPU
time, memory, file size and waiting time (POSIX; elsewhere none), and is killed with all that it has started. It is no
security boundary: it can read and write files, so run strangers' code in a container as well.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import lmzoo
from lmzoo import errors, interface
from lmzoo.errors import LmzooError
from lmzoo.interface import Data, Examples, Model, Progress, Run
from lmzoo.testing.contract import Check, EndedError, ModelError, check_model
from lmzoo.testing.frames import FrameError, Frames, Handle

PRINTED = 4000  # characters of what a model prints that are kept
# The methods that are called in the other process, with their arguments by position.
METHODS = {
    "Model": ("config", "arrays"),
    "Decoder": ("advance", "next_log_probs", "advance_many", "next_log_probs_many", "draw"),
    "LanguageModel": ("start", "log_probs", "log_probs_many", "distributions"),
    "TextToText": ("start_after",),
    "MaskedModel": ("fill_log_probs", "pseudo_log_probs"),
    "Encoder": ("features", "features_many", "untrained"),
    "SentenceEncoder": ("encode_texts",),
    "Classifier": ("class_log_probs",),
}
ATTRIBUTES = {"Model": ("vocab_size_",), "LanguageModel": ("reach", "is_distribution"), "Encoder": ("layer_names",)}


@dataclass(frozen=True)
class Limits:
    """What a model may use while it is checked."""

    answer: float = 60  # seconds to wait for an answer
    fit: float = 150  # seconds to wait for a fit
    cpu: int = 600  # seconds of CPU in all
    memory: int = 4 << 30  # bytes
    file: int = 64 << 20  # bytes of each file that it writes


@dataclass(frozen=True)
class Result:
    """The outcome of every check of a file, what its model printed, and how long it took."""

    checks: Sequence[Check]
    printed: str = ""  # the first PRINTED characters
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether the model keeps its whole contract."""
        return all(check.passed for check in self.checks)


def check_file(
    path: str | Path, steps: int = 50, limits: Limits | None = None, progress: Progress | None = None
) -> Result:
    """Run the contract over the model in FILE.py, which is imported and asked in a process of its own.

    Raises UsageError where the file has no model that could be checked, and LmzooError where the process ended before
    it could say which model it has.
    """
    began = time.perf_counter()
    with tempfile.TemporaryFile() as log:
        with remote(path, limits or Limits(), log) as kind:
            checks = check_model(kind, steps, progress=progress)
        log.seek(0)
        printed = log.read(4 * PRINTED).decode("utf-8", "replace")[:PRINTED]
    return Result(checks, printed, time.perf_counter() - began)


@contextmanager
def remote(path: str | Path, limits: Limits, log: BinaryIO) -> Iterator[type[Model]]:
    """The class of the model in FILE.py, each method a question to a process that ends with the block.

    What the file prints goes to `log`. Its methods raise EndedError and ModelError, and it raises as `check_file` does.
    """
    with examined(path, limits, log) as examinee:
        try:
            kind = _class(examinee)
        except (EndedError, ModelError) as error:
            raise LmzooError(f"{path}: {error}") from None
        yield kind


@dataclass
class Examinee:
    """The process of one model."""

    process: "subprocess.Popen[bytes]"
    frames: Frames
    limits: Limits
    ended: str = ""  # why it gives no more answers
    released: list[int] = field(default_factory=list)  # states that are no longer used here

    def ask(self, what: str, *arguments: Any) -> Any:
        """The answer to a question. Raises what the model raised (ModelError, or an error of lmzoo) and EndedError."""
        if self.ended:
            raise EndedError(self.ended, reached=False)
        released, self.released = self.released, []
        seconds = self.limits.fit if what.startswith("fit") else self.limits.answer
        try:
            self.frames.write({"ask": what, "arguments": [*map(_bare, arguments)], "release": released})
            answer = self.frames.read(seconds)
        except TimeoutError:
            self.ended = (
                f"{what} did not return within {seconds:g} seconds (an endless loop?), so its process was ended"
            )
        except (EOFError, OSError):
            self.ended = self._how_it_ended(what)
        except FrameError as error:
            self.ended = f"{error}: a model must write only to files that it has opened itself"
        if self.ended:
            self.close()
            raise EndedError(self.ended)
        if answer["changed"] and not what.startswith("fit"):
            raise EndedError(f"{what} changed the ids that it was given: work on a copy")
        for n, now in answer["changed"]:  # the check of `fit` will say so
            self.frames.written_arrays[n][...] = now
        if "error" in answer:
            raise _error(answer)
        return answer["answer"]

    def _how_it_ended(self, what: str) -> str:
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        code = self.process.poll()
        if code in (-getattr(signal, "SIGXCPU", 24), -9):
            return (
                f"in {what} its process was killed: it used more than {self.limits.cpu} seconds of CPU, or the machine "
                "ran out of memory"
            )
        if code is not None and code < 0:
            return f"in {what} its process crashed ({signal.Signals(-code).name})"
        how = f"ended its own process with exit code {code} (os._exit?)" if code is not None else "closed its pipe"
        return f"in {what} it {how}: a model must return, or raise an error"

    def close(self) -> None:
        """End the process and all that it has started."""
        if os.name == "posix":
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()


@contextmanager
def examined(path: str | Path, limits: Limits, log: BinaryIO) -> Iterator[Examinee]:
    """The process of the model in FILE.py, which prints to `log`; ended with the block."""
    token = secrets.token_bytes(16)
    bounds = json.dumps({name: asdict(limits)[name] for name in ("memory", "cpu", "file")})
    command = [sys.executable, "-P", "-m", "lmzoo.testing.answerer", str(path), token.hex(), bounds]
    # The child imports the lmzoo that runs here, not one in the working folder.
    where = os.pathsep.join(filter(None, [str(Path(lmzoo.__file__).parents[1]), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0, start_new_session=True,
        env={**os.environ, "PYTHONPATH": where},
    )  # fmt: skip
    assert process.stdin and process.stdout
    examinee = Examinee(process, Frames(process.stdout.fileno(), process.stdin.fileno(), token), limits)
    try:
        yield examinee
    finally:
        examinee.close()
        process.stdin.close()
        process.stdout.close()


class _State:
    """A state of the other process, which releases it when it is no longer used here."""

    def __init__(self, examinee: Examinee, handle: Handle):
        self.examinee, self.handle = examinee, handle

    def __del__(self) -> None:
        self.examinee.released.append(self.handle.number)


def _bare(value: Any) -> Any:
    """States and models as their handles."""
    if isinstance(value, _State | _Remote):
        return value.handle
    if isinstance(value, range):
        return list(value)
    return type(value)(map(_bare, value)) if isinstance(value, list | tuple) else value


def _wrap(examinee: Examinee, value: Any) -> Any:
    """Handles as states."""
    if isinstance(value, Handle):
        return _State(examinee, value)
    if isinstance(value, list | tuple):
        return type(value)(_wrap(examinee, item) for item in value)
    return value


def _error(answer: dict[str, Any]) -> Exception:
    """The error that the model raised: one of lmzoo's own where it was one, else a ModelError that names it."""
    kind, text = getattr(errors, str(answer["known"]), None), str(answer["text"])
    if isinstance(kind, type) and issubclass(kind, LmzooError):
        error: Exception = kind(text)
        error.line = answer["line"]  # type: ignore[attr-defined]
        return error
    return ModelError(str(answer["error"]), text, answer["line"])


def _class(examinee: Examinee) -> type[Model]:
    """A class whose models are those of the other process: with its abilities, each method a question."""
    about = examinee.ask("describe")
    bases = [getattr(interface, name, None) for name in about["abilities"]]
    kinds = [base for base in bases if isinstance(base, type) and (issubclass(base, Model) or base.__name__ in METHODS)]
    # Each class that another one of them derives from comes with that one.
    own = tuple(kind for kind in kinds if not any(other is not kind and issubclass(other, kind) for other in kinds))
    names = {kind.__name__ for kind in kinds} | {"Model"}
    namespace: dict[str, Any] = {"examinee": examinee, "name": str(about["name"]), "adapts": bool(about["adapts"])}
    namespace |= {method: _method(method) for kind in names for method in METHODS.get(kind, ())}
    namespace |= {name: _attribute(name) for kind in names for name in ATTRIBUTES.get(kind, ())}
    if "Classifier" in names:
        namespace["fit_labels"] = _Remote.label
    return type(str(about["class"]), (_Remote, *own), namespace)


def _method(name: str) -> Callable[..., Any]:
    def method(self: "_Remote", *arguments: Any, **named: Any) -> Any:
        answer = self.examinee.ask(name, self, *arguments, *named.values())
        if name == "untrained":
            return None if answer is None else type(self).of(answer)
        return _wrap(self.examinee, answer)

    return method


def _attribute(name: str) -> property:
    def value(self: "_Remote") -> Any:
        known = vars(self)
        if name not in known or name != "vocab_size_":  # that one never changes, and is used all the time
            known[name] = self.examinee.ask("attribute", self, name)
        return known[name]

    return property(value)


class _Remote:
    """A model of the other process."""

    examinee: Examinee
    handle: Handle

    @classmethod
    def of(cls, handle: Handle) -> "_Remote":
        model = object.__new__(cls)
        vars(model)["handle"] = handle
        return model

    @classmethod
    def from_config(cls, config: Any) -> "_Remote":
        return cls.of(cls.examinee.ask("new", dict(config)))

    def extra_attributes(self) -> set[str]:
        return set(self.examinee.ask("extra_attributes", self))

    @classmethod
    def replaced(cls) -> str:
        return str(cls.examinee.ask("replaced"))

    def fit(self, data: Data, run: Run) -> Any:
        facts = (data.train, data.valid, data.vocab_size, data.refit, _settings(run))
        return self._itself(self.examinee.ask("fit", self, *facts))

    def label(self, examples: Examples, valid: Examples, run: Run) -> Any:
        facts = [[list(part.texts), part.labels, list(part.classes)] for part in (examples, valid)]
        return self._itself(self.examinee.ask("fit_labels", self, *facts, _settings(run)))

    def restore(self, arrays: dict[str, Any]) -> Any:
        return self._itself(self.examinee.ask("restore", self, arrays))

    def _itself(self, returned: str) -> Any:
        return self if returned == "self" else None


def _settings(run: Run) -> dict[str, Any]:
    return {name: getattr(run, name) for name in ("seed", "steps", "seconds")}


def printed(path: str, result: Result) -> str:
    """What the model printed, the name of its file before each line, so that it cannot pass for lmzoo's output."""
    name, lines = Path(path).name, result.printed.splitlines()
    shown = [f"{name} printed: {errors.one_line(line)}\n" for line in lines[:20]]
    return "".join([*shown, *([f"{name} printed more, which is not shown\n"] if len(lines) > 20 else [])])
