"""Only regular files are read, within a limit, and JSON and TOML become typed values."""

import json
import os
import resource
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmzoo import files
from lmzoo.errors import FormatError, UsageError


@dataclass
class Facts:
    name: str
    sizes: list[float] = field(default_factory=list)
    inner: dict[str, "Facts"] = field(default_factory=dict)


@pytest.fixture
def irregular(tmp_path, monkeypatch):
    """What is no file: its name, and what it should be called."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    os.mkdir("folder")
    os.symlink("/dev/zero", "zero")
    os.symlink("fifo", "link")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        yield {
            "fifo": "a pipe", "link": "a pipe", "folder": "a folder", "zero": "a device", "socket": "a socket",
            "/proc/self/environ": "made up by the system", "/sys/kernel/mm/transparent_hugepage/enabled": "made up",
        }  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="has no /proc")
@pytest.mark.parametrize("read", [files.open_file, files.read_file, files.sha256_of])
def test_only_regular_files_are_read(irregular, read):
    for name, what in irregular.items():
        with pytest.raises(UsageError, match=f"{name} is {what}"):
            read(name)


def test_a_missing_file_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.read_file(tmp_path / "none")


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and a limit on the address space")
def test_no_more_memory_is_reserved_than_the_file_has(tmp_path):
    """As under `ulimit -v`, where every run was out of memory: the limit on bytes, 4 GB, was reserved for each file."""
    (tmp_path / "file").write_bytes(b"12345")
    before = resource.getrlimit(resource.RLIMIT_AS)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (1 << 30), before[1]))
    try:
        assert files.read_file(tmp_path / "file") == b"12345"
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_no_more_than_the_limit_is_read(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    assert files.read_file(tmp_path / "file", limit=5) == b"12345"
    with pytest.raises(FormatError, match="file has 5 bytes, where 4 are the most to be read"):
        files.read_file(tmp_path / "file", limit=4)


def test_a_file_of_holes_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "file").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(FormatError, match="has 1,099,511,627,776 bytes"):
        files.read_file(tmp_path / "file")


def test_a_link_to_a_file_is_read(tmp_path):
    (tmp_path / "file").write_bytes(b"text")
    (tmp_path / "link").symlink_to("file")
    assert files.read_file(tmp_path / "link") == b"text"


def test_json_and_toml_become_a_type(tmp_path):
    wanted = Facts("a", [1.0, 2.5], {"b": Facts("c")})
    (tmp_path / "x.json").write_text('{"name": "a", "sizes": [1, 2.5], "inner": {"b": {"name": "c"}}}')
    (tmp_path / "x.toml").write_text('name = "a"\nsizes = [1, 2.5]\n[inner.b]\nname = "c"\n')
    assert files.read_json(tmp_path / "x.json", Facts) == wanted
    assert files.read_toml(tmp_path / "x.toml", Facts) == wanted


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is not JSON: Expecting value: line 1 column 1"),
        ("[1]", "x: expected object, got array"),
        ('{"sizes": []}', "x: lacks the field name"),
        ('{"name": 1}', "x: expected str, got int in name"),
        ('{"name": "a", "inner": {"b": {"name": "c", "sizes": [1, "2"]}}}', r"got str in inner\[...\].sizes\[1\]"),
        ('{"name": "a", "sizes": [NaN]}', "NaN is no finite number"),
        ('{"name": "a", "sizes": [-Infinity]}', "-Infinity is no finite number"),
        ('{"name": "a", "sizes": [1e999]}', "1e999 is no finite number"),
        ('{"name": "a", "name": "b"}', "the name 'name' is there twice"),
        ('{"name": ' + "9" * 5000 + "}", "is not JSON: Exceeds the limit"),
        ("[" * 100_000, "more than 50 levels"),
        ("[" * 51 + "]" * 51, "more than 50 levels"),
        ('{"a":' * 100_000, "more than 50 levels"),
    ],
)
def test_what_is_wrong_with_a_json_is_named(text, complaint):
    with pytest.raises(FormatError, match=complaint):
        files.parse_json(text, Facts, "x")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name = ", "is not TOML: Invalid value"),
        ("name = 1", "expected str, got int in name"),
        ("name = 'a'\nsizes = [nan]", "nan is no finite number"),
        ("name = 'a'\nsizes = [-inf]", "-inf is no finite number"),
        ("name = 'a'\nname = 'b'", "is not TOML: Cannot overwrite a value"),
        ("a = " + "[" * 100_000, "more than 50 levels"),
        ("a." * 100_000 + "a = 1", "more than 50 levels"),  # takes tomllib 40 GB
        ("[" + "'a' . " * 100_000 + "a]", "more than 50 levels"),
        ("name = '\udc80'", "is not UTF-8: invalid start byte at byte 8"),
    ],
)
def test_what_is_wrong_with_a_toml_is_named(tmp_path, text, complaint):
    (tmp_path / "x.toml").write_text(text, "utf-8", "surrogateescape")
    with pytest.raises(FormatError, match=complaint):
        files.read_toml(tmp_path / "x.toml", Facts)


def json_values():
    plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
    return st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


@given(json_values())
def test_every_json_comes_back(value):
    assert files.parse_json(json.dumps(value), Any, "x") == value


@given(st.binary(max_size=40) | st.text('[]{}",:.-+eE0123456789aNInfity\\ u\n', max_size=40).map(str.encode))
def test_any_bytes_give_facts_or_a_format_error(tmp_path_factory, contents):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(contents)
    for read in (files.read_json, files.read_toml):
        for kind in (Facts, dict[str, Any]):
            with suppress(FormatError):
                read(path, kind)
