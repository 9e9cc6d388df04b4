"""Values of Python as JSON that gives them back as they were: tuples, sets, counters, dictionaries with any keys.

A list is a list; anything else that JSON has no form for is {"its type": …}. So what a model counts in dictionaries is
saved without a pickle, and what it answers crosses from one process to another.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Set
from typing import Any

import numpy as np

from lmzoo.errors import FormatError, UsageError
from lmzoo.interface import Array

NUMBERS = "biuf"  # the kinds of NumPy's types that are numbers
JSON = ".json"  # ends the name of an array that holds the bytes of a value as JSON
GROUPS: dict[str, Callable[[Any], Any]] = {"tuple": tuple, "set": set, "frozenset": frozenset}


def encode(value: Any, attach: Callable[[Any], Any]) -> Any:
    """`value` as what `json.dumps` takes; `attach` gives the JSON of what is no plain value, or raises TypeError."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if type(value) is list:
        return [encode(item, attach) for item in value]
    if isinstance(value, tuple | Set) and not isinstance(value, Mapping):
        kind = "tuple" if isinstance(value, tuple) else "frozenset" if isinstance(value, frozenset) else "set"
        return {kind: [encode(item, attach) for item in value]}
    if isinstance(value, Mapping):
        pairs = [[encode(key, attach), encode(item, attach)] for key, item in value.items()]
        if isinstance(value, defaultdict) and value.default_factory:
            return {"defaultdict": [encode(value.default_factory(), attach), pairs]}
        return {"Counter" if isinstance(value, Counter) else "dict": pairs}
    return {"attached": attach(value)}


def decode(value: Any, fetch: Callable[[Any], Any]) -> Any:
    """The inverse of `encode`. Raises ValueError or TypeError for what it never gave."""
    if isinstance(value, list):
        return [decode(item, fetch) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind in GROUPS:
        return GROUPS[kind](decode(item, fetch) for item in content)
    if kind == "defaultdict":
        empty, content = content
        found: Any = defaultdict(lambda: decode(empty, fetch))
    elif kind == "attached":
        return fetch(content)
    elif kind in ("dict", "Counter"):
        found = Counter() if kind == "Counter" else {}
    else:
        raise ValueError(f"there is no kind of value {kind!r}")
    for key, item in content:
        found[decode(key, fetch)] = decode(item, fetch)
    return found


def to_arrays(values: Mapping[str, Any]) -> dict[str, Array]:
    """What a model learned, as arrays: a dictionary as the bytes of its JSON, under its name and `JSON`.

    Raises UsageError naming what JSON cannot hold.
    """
    arrays = {}
    for name, value in values.items():
        array = np.asarray(value, order="C") if isinstance(value, np.ndarray | np.generic | int | float) else None
        if array is not None and array.dtype.kind in NUMBERS:
            arrays[name] = array
            continue
        try:
            text = json.dumps(encode(value, _in_line), allow_nan=False, separators=(",", ":"))
        except (TypeError, ValueError, RecursionError) as error:
            raise UsageError(
                f"what it learned in {name}_ cannot be saved: {error}; use arrays, numbers, text, and lists, tuples, "
                "sets and dictionaries of those, or override arrays and restore"
            ) from None
        arrays[name + JSON] = np.frombuffer(text.encode("utf-8", "surrogatepass"), dtype=np.uint8)
    return arrays


def from_arrays(arrays: Mapping[str, Array]) -> dict[str, Any]:
    """The inverse of `to_arrays`. Raises FormatError naming an array that is no JSON of `encode`."""
    values: dict[str, Any] = {}
    for name, array in arrays.items():
        if not name.endswith(JSON):
            values[name] = array
            continue
        try:
            values[name.removesuffix(JSON)] = decode(json.loads(array.tobytes()), _out_of_line)
        except (TypeError, ValueError, RecursionError) as error:
            raise FormatError(f"{name} is not what lmzoo writes there: {error}") from None
    return values


def check_array(value: Any) -> None:
    """Raise TypeError where `value` is no array of numbers."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in NUMBERS:
        raise TypeError(f"it holds a {getattr(value, 'dtype', type(value).__name__)}")


def _in_line(value: Any) -> Any:
    """A small array in the JSON of a dictionary."""
    check_array(value)
    return [value.dtype.str, list(value.shape), value.ravel().tolist()]


def _out_of_line(content: Any) -> Array:
    dtype, shape, numbers = content
    if np.dtype(dtype).kind not in NUMBERS:
        raise ValueError(f"no array has the type {dtype!r}")
    return np.array(numbers, dtype=dtype).reshape(shape)
