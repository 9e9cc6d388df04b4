"""Loops that numba compiles once and that then run without it: numba takes half a second to load, LLVM's linker little.

    @loop
    def count(words, counts):
        for word in words:
            counts[word] += 1

The first call with arrays of some types compiles the function and keeps its machine code in a file beside the source's
byte code; later processes load that file. A loop is given contiguous arrays and numbers, releases Python's lock while
it runs, raises nothing and checks no bounds, and returns a whole number or nothing (0). It allocates nothing. It may
call other loops.
"""

import hashlib
import os
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from ctypes import CFUNCTYPE, c_double, c_int64, c_uint64, c_void_p
from functools import cache, cached_property, update_wrapper
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from lmzoo.drafts import write_atomically

ENTRY = "entry"  # the name of the compiled function in its file
NUMBERS = {"q": c_int64, "Q": c_uint64, "d": c_double}  # kinds of arguments that are no arrays
_lock = threading.RLock()  # numba compiles and LLVM links one at a time


class Loop:
    """A function that is compiled for the kinds of arguments that it is called with."""

    def __init__(self, function: Callable[..., Any]):
        assert isinstance(function, FunctionType)
        self._function, self._name = function, function.__name__
        self._compiled: dict[tuple[str, ...], Callable[..., int]] = {}
        update_wrapper(self, function)

    def __call__(self, *arguments: Any) -> Any:
        """The whole number that the loop returns, or 0."""
        flat: list[Any] = []
        kinds = tuple([_unpack(argument, flat) for argument in arguments])
        compiled = self._compiled.get(kinds)
        if compiled is None:
            with _lock:
                compiled = self._compiled[kinds] = self._load(kinds)
        return compiled(*flat)

    @cached_property
    def in_numba(self) -> Any:
        """The function as numba's `njit` makes it."""
        from numba import njit

        return njit(error_model="numpy", nogil=True)(self._function)

    @property
    def _numba_type_(self) -> Any:
        """What numba asks for where a function that it compiles calls this one."""
        from numba import types

        return types.Dispatcher(self.in_numba)

    def _load(self, kinds: tuple[str, ...]) -> Callable[..., int]:
        """The machine code for arguments of these kinds: from its file, or compiled."""
        what = hashlib.sha256(repr((self.meaning, kinds)).encode()).digest()
        path = self._path(kinds)
        code = _read(path, what)
        if code is None:
            code = _compile(self.in_numba, kinds)
            _write(path, what, code)
        signature = [c for kind in kinds for c in _parameters(kind)]
        return CFUNCTYPE(c_int64, *signature)(_link(code))

    @cached_property
    def meaning(self) -> Any:
        """All that the machine code follows from, but for the machine: the byte code, and the values it refers to."""
        code = self._function.__code__
        assert not any(isinstance(constant, CodeType) for constant in code.co_consts)
        names = self._function.__globals__
        values = {name: _meaning(names[name]) for name in code.co_names if name in names}
        return code.co_code, code.co_names, code.co_varnames, code.co_argcount, repr(code.co_consts), values

    def _path(self, kinds: Sequence[str]) -> Path:
        source = Path(self._function.__code__.co_filename)
        of = hashlib.sha256(repr((str(source), kinds, sys.version, _versions(), _machine())).encode()).hexdigest()[:12]
        return _folder(source.parent) / f"{source.stem}.{self._name}-{of}.loop"


def loop(function: Callable[..., Any]) -> Loop:
    """The decorator of functions that are to be compiled; see above."""
    return Loop(function)


def _meaning(value: Any) -> Any:
    return value.meaning if isinstance(value, Loop) else getattr(value, "__name__", None) or repr(value)


def _unpack(argument: Any, flat: list[Any]) -> str:
    """Append what is passed for an argument to `flat`, and return its kind: "<i4 1" of a flat array of int32."""
    if isinstance(argument, np.ndarray):
        assert argument.flags.c_contiguous
        flat.append(argument.__array_interface__["data"][0])
        flat += argument.shape
        return f"{argument.dtype.str} {argument.ndim}"
    if isinstance(argument, float):
        flat.append(argument)
        return "d"
    flat.append(int(argument))
    return "Q" if isinstance(argument, np.uint64) else "q"


def _parameters(kind: str) -> list[Any]:
    """The types of what `_unpack` appends."""
    return [NUMBERS[kind]] if kind in NUMBERS else [c_void_p] + [c_int64] * int(kind.split()[1])


# ── Compiling, by numba ──


def _compile(function: Any, kinds: Sequence[str]) -> bytes:
    """An object file with ENTRY, a C function that makes arrays of pointers and sizes and calls `function`."""
    from llvmlite import binding as llvm
    from numba import carray, cfunc, from_dtype, types

    numbers = {"q": types.int64, "Q": types.uint64, "d": types.float64}
    signature: list[Any] = []
    given: list[Any] = []
    parameters, passed = [], []
    for i, kind in enumerate(kinds):
        if kind in numbers:
            given.append(numbers[kind])
            signature.append(numbers[kind])
            parameters.append(f"a{i}")
            passed.append(f"a{i}")
            continue
        item, dimensions = from_dtype(np.dtype(kind.split()[0])), int(kind.split()[1])
        sizes = [f"a{i}_{n}" for n in range(dimensions)]
        given.append(types.Array(item, dimensions, "C"))
        signature += [types.CPointer(item), *[types.int64] * dimensions]
        parameters += [f"a{i}", *sizes]
        passed.append(f"carray(a{i}, ({', '.join(sizes)},))")
    function.compile(tuple(given))
    call = f"function({', '.join(passed)})"
    nothing = function.nopython_signatures[-1].return_type == types.none
    text = f"def {ENTRY}({', '.join(parameters)}):\n " + (f"{call}\n return 0" if nothing else f"return {call}")
    namespace = {"carray": carray, "function": function}
    exec(text, namespace)  # there is no other way to a function with so many parameters
    wrapper = cfunc(types.int64(*signature), error_model="numpy")(namespace[ENTRY])
    module = llvm.parse_assembly(wrapper.inspect_llvm())
    for one in (*module.functions, *module.global_variables):
        if not one.is_declaration:
            one.linkage = "internal"
    entry = module.get_function(wrapper.native_name)
    entry.linkage, entry.name = "external", ENTRY
    machine = _target_machine()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=3))
    builder.getModulePassManager().run(module, builder)
    foreign = [one.name for one in module.functions if one.is_declaration and not one.name.startswith("llvm.")]
    assert not foreign, f"{function} calls {', '.join(foreign)}"
    return bytes(machine.emit_object(module))


# ── Loading, by LLVM ──


@cache
def _target_machine() -> Any:
    from llvmlite import binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    cpu, features = _machine()
    target = llvm.Target.from_default_triple()
    reloc = "static" if target.name.startswith("x86") else "default"  # as numba does
    return target.create_target_machine(
        cpu=cpu, features=features, opt=3, reloc=reloc, codemodel="jitdefault", jit=True
    )


@cache
def _machine() -> tuple[str, str]:
    from llvmlite import binding as llvm

    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


@cache
def _versions() -> tuple[str, str]:
    from importlib.metadata import version

    return version("numba"), version("llvmlite")


_engines: list[Any] = []  # which own the machine code


def _link(code: bytes) -> int:
    """The address of ENTRY in an object file."""
    from llvmlite import binding as llvm

    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target_machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    return int(engine.get_function_address(ENTRY))


# ── Files of machine code ──


def _read(path: Path, what: bytes) -> bytes | None:
    """The machine code in a file, if it is whole and of `what`."""
    with suppress(OSError):
        contents = path.read_bytes()
        if hashlib.sha256(what + contents[32:]).digest() == contents[:32]:
            return contents[32:]
    return None


def _write(path: Path, what: bytes, code: bytes) -> None:
    with suppress(OSError):
        write_atomically(path, hashlib.sha256(what + code).digest() + code)


@cache
def _folder(beside: Path) -> Path:
    """Where machine code is kept: numba's folder, where one is named, else beside the byte code, else the user's."""
    if named := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(named)
    folder = beside / "__pycache__"
    if os.access(folder if folder.exists() else beside, os.W_OK):
        return folder
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lmzoo" / "loops"
