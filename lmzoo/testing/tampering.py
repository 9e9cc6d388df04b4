"""Detects that a model replaces (monkey-patches) functions of Python, NumPy or lmzoo, which the checks use."""

import re
import sys
from typing import Any

# Not all of lmzoo: PyTorch, for one, wraps the steps of the optimisers that are used.
WATCHED = re.compile(r"builtins|json|math|numpy|lmzoo\.(interface|errors|data\.plain|testing(\..*)?)")
Snapshot = dict[tuple[Any, str], Any]  # (module or class, name) → the function


def snapshot() -> Snapshot:
    """The functions of the watched modules that are loaded, and of the classes of lmzoo."""
    found: Snapshot = {}
    for module_name, module in list(sys.modules.items()):
        if module is None or not WATCHED.fullmatch(module_name):
            continue
        for name, value in list(vars(module).items()):
            if not callable(value) or name.startswith("__"):
                continue
            found[module, name] = value
            if isinstance(value, type) and WATCHED.fullmatch(value.__module__) and "lmzoo" in value.__module__:
                found |= {(value, part): one for part, one in vars(value).items() if _is_code(one)}
    return found


def _is_code(value: Any) -> bool:
    return callable(value) or isinstance(value, property | classmethod | staticmethod)


def replaced(before: Snapshot) -> str:
    """The first function that is another one now than it was `before`, by its name; "" if none is."""
    for (owner, name), value in before.items():
        if vars(owner).get(name) is not value:
            return (
                f"{owner.__module__}.{owner.__name__}.{name}" if isinstance(owner, type) else f"{owner.__name__}.{name}"
            )
    return ""


def complaint(name: str) -> str:
    """What is wrong if a function of this `name` was replaced; "" for none."""
    if not name:
        return ""
    return f"it replaced {name}, which is not its own: a model must change nothing outside itself"
