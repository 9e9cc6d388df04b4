"""Safetensors as the library writes and reads them, without copying a model as large as memory."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load_file, save_file

from lmzoo.errors import FormatError
from lmzoo.ngrams.out_of_core import Scratch, release
from lmzoo.runs import tensors

numbers = st.sampled_from([np.dtype(code) for code in tensors.NAMES.values()])
arrays = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5).filter(lambda name: name != "__metadata__"),
    numbers.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=4))),
    max_size=4,
)


def same(a, b):
    return a.keys() == b.keys() and all(
        a[key].dtype == b[key].dtype and a[key].shape == b[key].shape and a[key].tobytes() == b[key].tobytes()
        for key in a
    )


@given(arrays)
@settings(deadline=None)
def test_what_one_writes_the_other_reads(tmp_path_factory, given_arrays):
    folder = tmp_path_factory.mktemp("tensors")
    tensors.write(folder / "ours", given_arrays)
    save_file(given_arrays, folder / "theirs")
    assert same(load_file(folder / "ours"), given_arrays)
    assert same(tensors.read(folder / "ours"), given_arrays)
    assert same(tensors.read(folder / "theirs"), given_arrays)


def test_reading_maps_and_changes_stay_in_memory(tmp_path):
    tensors.write(tmp_path / "file", {"x": np.arange(5)})
    mapped = tensors.read(tmp_path / "file")["x"]
    assert not mapped.flags.owndata  # the file does
    mapped[0] = 99
    assert tensors.read(tmp_path / "file")["x"][0] == 0


@pytest.mark.parametrize("cut", [0, 4, 8, 20, -1])
def test_a_file_cut_short_is_refused(tmp_path, cut):
    path = tmp_path / "file"
    tensors.write(path, {"x": np.arange(5)})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(FormatError, match="not a whole safetensors file"):
        tensors.read(path)


def test_a_type_without_numpy_is_refused(tmp_path):
    header = b'{"x":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}'
    (tmp_path / "file").write_bytes(len(header).to_bytes(8, "little") + header + b"ab")
    with pytest.raises(FormatError, match="x is of type BF16"):
        tensors.read(tmp_path / "file")


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of mapped files is read from /proc")
def test_writing_arrays_that_are_in_files_does_not_bring_them_into_memory(tmp_path):
    array = Scratch(memory=1 << 20).empty(1 << 24, np.int32)  # 64 MiB
    array[:] = np.arange(len(array))
    release(array)
    before = mapped()
    tensors.write(tmp_path / "file", {"x": np.asarray(array), "y": np.ones(3)})
    assert mapped() - before < 1 << 25
    assert np.array_equal(tensors.read(tmp_path / "file")["x"], array)


def mapped():
    """Bytes of mapped files in memory."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(re.search(r"RssFile:\s+(\d+)", status)[1])
