"""Loops keep their machine code: compiled once, run without numba, and compiled anew where anything changed."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lmzoo
from lmzoo import loops
from lmzoo.loops import loop

PACE = 2


@loop
def _doubled(value):
    return value * PACE


@loop
def _sums(values, table, factor, out):
    total = 0
    for i in range(len(values)):
        total += _doubled(values[i])
        out[i] = total * factor + table[i, 1]
    return total


@loop
def _fill(out, value):
    for i in range(len(out)):
        out[i] = value


def called(factor=0.5, kind=np.int32):
    """What `_sums` returns and writes."""
    out = np.zeros(3)
    table = np.arange(6, dtype=np.uint8).reshape(3, 2)
    return _sums(np.array([1, 2, 3], kind), table, factor, out), out.tolist()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Machine code is kept in a folder of its own, and nothing is loaded yet."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    loops._folder.cache_clear()
    for one in (_doubled, _sums, _fill):
        for name in ("meaning", "in_numba"):
            vars(one).pop(name, None)
        one._compiled.clear()
    yield tmp_path
    loops._folder.cache_clear()


def test_arrays_of_any_type_and_numbers_are_passed():
    assert called() == (12, [2, 6, 11])
    assert called(1.0, np.int64) == (12, [3, 9, 17])


def test_a_loop_that_returns_nothing_fills_its_arrays():
    out = np.zeros(4, np.uint64)
    assert _fill(out, np.uint64(2**63)) == 0
    assert out.tolist() == [2**63] * 4


def test_an_array_with_gaps_is_refused():
    with pytest.raises(AssertionError):
        _fill(np.zeros(6)[::2], 1.0)


def test_machine_code_is_compiled_once_for_each_kind_of_arguments(folder, monkeypatch):
    called()
    assert [path.name.split("-")[0] for path in folder.iterdir()] == ["test_loops._sums"]
    _sums._compiled.clear()
    monkeypatch.setattr(loops, "_compile", None)
    assert called() == (12, [2, 6, 11])
    with pytest.raises(TypeError):
        called(kind=np.int64)


@pytest.mark.parametrize("damage", [lambda code: code[:-1] + b"!", lambda code: b""])
def test_a_damaged_file_is_compiled_anew(folder, damage, monkeypatch):
    called()
    (path,) = folder.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    _sums._compiled.clear()
    assert called() == (12, [2, 6, 11])
    _sums._compiled.clear()
    monkeypatch.setattr(loops, "_compile", None)
    assert called() == (12, [2, 6, 11])


def test_a_constant_of_an_inner_loop_that_changed_is_compiled_anew(monkeypatch):
    called()
    monkeypatch.setattr(sys.modules[__name__], "PACE", 3)
    for one in (_doubled, _sums):
        vars(one).pop("meaning")
        vars(one).pop("in_numba", None)
        one._compiled.clear()
    assert called() == (18, [2.5, 7.5, 14])


def test_a_folder_that_cannot_be_written_costs_only_time(folder, monkeypatch):
    (folder / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(folder / "file"))
    loops._folder.cache_clear()
    assert called() == (12, [2, 6, 11])


def test_a_later_process_does_not_load_numba(tmp_path):
    code = (
        "import sys, numpy as np; from lmzoo.models.ngram import Ngram; Ngram().warm_up(); "
        "print(sorted({'numba', 'scipy', 'torch'} & set(sys.modules)))"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(lmzoo.__file__).parents[1])}
    del environment["NUMBA_CACHE_DIR"]  # where the loops of the package are compiled already
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "[]"
