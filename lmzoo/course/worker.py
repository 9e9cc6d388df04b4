"""The process of a hand-in: calls its function and writes what it returns, a line of JSON for each case.

    python -I worker.py FILE DESCRIPTOR LIMITS     the function and what makes it are a line on stdin, then each case

A case comes when the one before it is answered, so that no answer can look at a later question. Nothing of lmzoo is
imported, so there is nothing here to patch: whatever the hand-in does to this process, only numbers come out of it. Its
limits are set before the hand-in's first line runs.
"""

import json
import os
import sys
import traceback
from collections.abc import Iterable
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any

DEEPEST = 20  # of lists in lists


class NoReference(MetaPathFinder):
    """Refuses `import lmzoo`, and others. A hint to the student, no wall: what is right is computed elsewhere."""

    def __init__(self, refused: Iterable[str]):
        self.refused = {*refused}

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:  # noqa: ARG002
        """Raise ImportError for lmzoo, and what is refused, and what is in them."""
        top = name.partition(".")[0]
        if top in self.refused:
            raise ImportError(f"{top} would do the work of this assignment, so a hand-in may not use it")
        if top == "lmzoo":
            raise ImportError("lmzoo grades this assignment, so a hand-in may not use it: write the formula yourself")


def limit(bounds: dict[str, int]) -> None:
    """Set each of `bounds`, by the name of its RLIMIT, for good."""
    import resource

    for name, bound in bounds.items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        bound = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        resource.setrlimit(kind, (bound, bound))


def thaw(value: Any, depth: int = 0) -> Any:
    """Tuples and dictionaries from their JSON (see `freeze`). Raises ValueError where it is deeper than DEEPEST."""
    if depth > DEEPEST:
        raise ValueError("it is nested too deeply")
    if isinstance(value, list):
        return [thaw(item, depth + 1) for item in value]
    if isinstance(value, dict):
        if "tuple" in value:
            return tuple(thaw(item, depth + 1) for item in value["tuple"])
        return {thaw(key, depth + 1): thaw(item, depth + 1) for key, item in value["pairs"]}
    return value


def freeze(value: Any) -> Any:
    """The inverse of `thaw`; arrays of NumPy and PyTorch as lists. Raises TypeError for what is no number in the end.

    Numbers that JSON does not know as such, of NumPy for example, are made Python's.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if hasattr(value, "tolist"):
        return freeze(value.tolist())
    if isinstance(value, tuple):
        return {"tuple": [freeze(item) for item in value]}
    if isinstance(value, list):
        return [freeze(item) for item in value]
    if isinstance(value, dict):
        return {"pairs": [[freeze(key), freeze(item)] for key, item in value.items()]}
    raise TypeError(f"it returned {type(value).__name__}, which is neither a number nor made of numbers")


def failure(error: BaseException, file: str) -> dict[str, Any]:
    """What a hand-in raised: its kind and text, and the last line of the hand-in that it went through."""
    # Not `extract_tb`, which looks each line up in its file: that is slow, and a thousand cases may fail.
    frames = traceback.walk_tb(error.__traceback__)
    lines = [line for frame, line in frames if frame.f_code.co_filename == file]
    found: dict[str, Any] = {
        "kind": type(error).__name__,
        "text": str(error)[:500],
        "line": lines[-1] if lines else None,
    }
    if isinstance(error, SyntaxError):
        found |= {"text": str(error.msg)[:500], "line": error.lineno, "column": error.offset}
        found["source"] = error.text[:500] if isinstance(error.text, str) else None
    return found


def answers(file: str, request: dict[str, Any], cases: Iterable[str | bytes]) -> Any:
    """Yield the answer to each case in turn, which is a line of `cases`."""
    with open(file, "rb") as source:
        code = compile(source.read(), file, "exec", dont_inherit=True)
    module = ModuleType("handin")
    module.__file__ = file
    sys.modules["handin"] = module
    exec(code, vars(module))
    exec(request["provided"], vars(module))
    if not callable(function := vars(module).get(request["function"])):
        raise NameError(f"there is no function {request['function']} in it")
    made: dict[int, Any] = {}
    for line in cases:
        number, arguments = json.loads(line)
        try:
            if number is None:
                asked = function
            else:
                if number not in made:
                    try:
                        made[number] = function(*thaw(request["given"][number]))
                    except Exception as error:  # it may have trained for a minute: once is enough
                        made[number] = error
                if isinstance(asked := made[number], Exception):
                    raise asked
            if not callable(asked):
                what = "nothing" if asked is None else type(asked).__name__
                raise TypeError(f"{request['function']} returned {what}, and must return a function of a history")
            values = thaw(arguments)
            answer = freeze(asked(*values))
            if request["unchanged"] and [freeze(value) for value in values] != arguments:
                raise ValueError("it changed what it was given: a state is a value, so copy what you write to")
            yield {"answer": answer}
        except Exception as error:
            yield {"error": failure(error, file)}


def main(file: str, descriptor: str, limits: str) -> None:
    """Answer the one request."""
    cases = os.fdopen(os.dup(0), "rb")
    request = json.loads(cases.readline())
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    limit(json.loads(limits))
    sys.meta_path.insert(0, NoReference(request["refused"]))

    def write(answer: dict[str, Any]) -> None:
        rest = json.dumps(answer).encode() + b"\n"
        while rest:
            rest = rest[os.write(int(descriptor), rest) :]

    write({"ready": True})  # what fails before is the grader's fault, not the hand-in's
    try:
        for answer in answers(file, request, cases):
            write(answer)
    except BaseException as error:  # SystemExit too: whoever grades is told of it
        write({"stopped": failure(error, file)})
    os._exit(0)  # without waiting for threads that the hand-in left


if __name__ == "__main__":
    main(*sys.argv[1:])
