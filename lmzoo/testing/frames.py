"""Values between an examiner and the process of the model that it examines: frames of JSON and arrays, no pickle.

    token (16 bytes) | length of the JSON (8) | JSON: {"arrays": [[type, shape, contiguous], …], "value": …} | arrays

The token is random for each process, so that anything else that is written to the pipe is noticed.
"""

import json
import os
import select
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from lmzoo.data import plain
from lmzoo.interface import Array

LARGEST = 1 << 30  # bytes of a frame


class FrameError(Exception):
    """What was read is no frame: something else was written to the pipe."""


@dataclass(frozen=True)
class Handle:
    """A state or model of the other process, by its number."""

    number: int


class Frames:
    """Both directions of the pipe."""

    def __init__(self, incoming: int, outgoing: int, token: bytes):
        self.incoming, self.outgoing, self.token = incoming, outgoing, token
        self.read_arrays: list[Array] = []  # of the last frame that was read
        self.written_arrays: list[Array] = []  # of the last frame that was written

    def write(self, value: Any) -> None:
        """Send a value. Raises TypeError for one that cannot be sent, OSError where the pipe is closed."""
        self.written_arrays = []
        content = plain.encode(value, self._attach)
        about = [[a.dtype.str, list(a.shape), a.flags.c_contiguous] for a in self.written_arrays]
        head = json.dumps({"arrays": about, "value": content}).encode("utf-8", "surrogatepass")
        parts = [self.token, len(head).to_bytes(8, "little"), head]
        parts += [np.ascontiguousarray(array).tobytes() for array in self.written_arrays]
        rest = memoryview(b"".join(parts))
        while rest:
            rest = rest[os.write(self.outgoing, rest) :]

    def read(self, seconds: float | None = None) -> Any:
        """The next value. Raises EOFError at the end, TimeoutError, and FrameError for what is no frame."""
        deadline = None if seconds is None else time.monotonic() + seconds
        if bytes(self._exactly(len(self.token), deadline)) != self.token:
            raise FrameError("something other than an answer was written to the pipe")
        length = int.from_bytes(self._exactly(8, deadline), "little")
        if length > LARGEST:
            raise FrameError("an answer is too large")
        try:
            head = json.loads(bytes(self._exactly(length, deadline)))
            self.read_arrays = []
            for name, shape, contiguous in head["arrays"]:
                dtype = np.dtype(name)
                if (
                    dtype.kind not in plain.NUMBERS
                    or dtype.itemsize > 8
                    or not all(type(n) is int and n >= 0 for n in shape)
                ):
                    raise FrameError("an answer is no array of numbers")
                size = dtype.itemsize * int(np.prod(shape, dtype=object))
                if size > LARGEST:
                    raise FrameError("an answer is too large")
                array = np.frombuffer(self._exactly(size, deadline), dtype).reshape(shape)
                self.read_arrays.append(array if contiguous else np.repeat(array, 2, axis=0)[::2])  # a view stays one
            return plain.decode(head["value"], self._fetch)
        except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
            raise FrameError(f"an answer is not what it must be: {error}") from None

    def _attach(self, value: Any) -> Any:
        if isinstance(value, Handle):
            return value.number
        plain.check_array(value)
        self.written_arrays.append(value.astype(np.float64) if value.dtype.itemsize > 8 else value)
        return [len(self.written_arrays) - 1]

    def _fetch(self, content: Any) -> Any:
        return self.read_arrays[content[0]] if isinstance(content, list) else Handle(int(content))

    def _exactly(self, count: int, deadline: float | None) -> bytearray:
        data = bytearray()
        while len(data) < count:
            if deadline is not None and os.name == "posix":  # elsewhere pipes cannot be waited for with a limit
                ready, _, _ = select.select([self.incoming], [], [], max(0.0, deadline - time.monotonic()))
                if not ready:
                    raise TimeoutError
            piece = os.read(self.incoming, min(count - len(data), 1 << 20))
            if not piece:
                raise EOFError
            data += piece
        return data
