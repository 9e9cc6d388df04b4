"""Results are cached under everything they depend on, come back exactly, and are never out of date."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmzoo.errors import ScoreError
from lmzoo.runs import cache, provenance
from lmzoo.runs.cache import ResultCache, digest, succeeded


class Computation:
    """A computation that counts how often it is called."""

    def __init__(self, value):
        self.value, self.times = value, 0

    def __call__(self):
        self.times += 1
        return self.value


@pytest.fixture
def results(tmp_path):
    return ResultCache(tmp_path / "kept")


def test_a_result_is_computed_once(results):
    compute = Computation({"bits": 1.5})
    assert results.get("score", {"model": "a"}, compute) == {"bits": 1.5}
    assert results.get("score", {"model": "a"}, compute) == {"bits": 1.5}
    assert compute.times == 1


def test_reading_an_entry_makes_no_file(results):
    for _ in range(2):
        results.get("score", {}, lambda: 1)
        assert [path.suffix for path in results.folder.iterdir()] == [".json"]


@pytest.mark.parametrize(("kind", "of"), [("sample", {"model": "a"}), ("score", {"model": "b"}), ("score", {})])
def test_another_kind_or_key_is_another_entry(results, kind, of):
    results.get("score", {"model": "a"}, lambda: 1)
    assert results.get(kind, of, lambda: 2) == 2


@pytest.mark.parametrize("what", ["code", "versions", "machine"])
def test_other_code_versions_or_machine_are_another_entry(results, what, monkeypatch):
    results.get("score", {}, lambda: 1)
    now = provenance.circumstances() | {what: "another"}
    monkeypatch.setattr(provenance, "circumstances", lambda: now)
    assert results.get("score", {}, lambda: 2) == 2


def test_the_code_is_part_of_the_key(tmp_path, monkeypatch):
    before = provenance.circumstances()["code"]
    (tmp_path / "card.toml").write_text("a = 1")
    monkeypatch.setattr(provenance.cards, "folder", lambda: tmp_path)
    assert provenance.circumstances.__wrapped__()["code"] != before


@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip
def test_a_cached_result_equals_the_computed_one(tmp_path_factory, value):
    results = ResultCache(tmp_path_factory.mktemp("kept"))
    first = results.get("any", {}, lambda: value)
    assert first == value
    assert results.get("any", {}, lambda: "not again") == first


def test_the_first_result_is_like_a_cached_one(results):
    first = results.get("pair", {}, lambda: {"interval": (1.0, 2.0), 3: "three"})
    assert first == results.get("pair", {}, lambda: None) == {"interval": [1.0, 2.0], "3": "three"}


def test_arrays_come_back_to_the_last_bit(results):
    arrays = {"bits": np.random.default_rng(0).normal(size=99), "ids": np.arange(5, dtype=np.int32)}
    results.get_with_arrays("score", {}, lambda: ({"a": 1}, arrays))
    facts, found = results.get_with_arrays("score", {}, lambda: pytest.fail("it was cached"))
    assert facts == {"a": 1}
    assert {name: array.dtype for name, array in found.items()} == {"bits": np.float64, "ids": np.int32}
    assert all((found[name] == arrays[name]).all() for name in arrays)


def _cut(path):
    path.write_bytes(path.read_bytes()[:-9])


def _flip(path):
    contents = bytearray(path.read_bytes())
    contents[len(contents) // 2] ^= 4
    path.write_bytes(contents)


def _foreign(path):
    path.write_bytes(b"\x80\x04\x95 a pickle")


def _list(path):
    path.write_text("[1, 2]")


def _forged(path):
    """A number was changed, and the file is JSON all the same."""
    if path.suffix == ".json":
        facts = json.loads(path.read_text())
        path.write_text(json.dumps(facts | {"value": 99}))
    else:
        _flip(path)


@pytest.mark.parametrize("damage", [_cut, _flip, _foreign, _list, _forged, lambda path: path.unlink()])
@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_a_damaged_entry_is_computed_again(results, damage, suffix):
    arrays = {"bits": np.ones(50)}
    results.get_with_arrays("score", {}, lambda: (1, arrays))
    (path,) = results.folder.glob(f"*{suffix}")
    damage(path)
    assert results.get_with_arrays("score", {}, lambda: (2, arrays))[0] == 2
    assert results.get_with_arrays("score", {}, lambda: (3, arrays))[0] == 2


def test_a_full_disk_only_means_no_caching(results, monkeypatch):
    def full(path, contents):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "write_atomically", full)
    assert results.get("score", {}, lambda: 1) == 1
    assert results.get("score", {}, lambda: 2) == 2


def test_an_error_is_not_cached(results):
    assert results.get("curve", {}, lambda: {"error": "too little memory"}, succeeded)["error"]
    assert results.get("curve", {}, lambda: {"bits": 1, "error": None}, succeeded)["bits"] == 1
    assert results.get("curve", {}, lambda: {"bits": 2, "error": None}, succeeded)["bits"] == 1


def test_a_figure_called_error_is_cached_like_any_other(results):
    assert results.get("calibration", {}, lambda: {"error": 0.05}) == results.get("calibration", {}, lambda: None)


def test_without_a_folder_nothing_is_cached():
    results = ResultCache(None)
    assert [results.get("score", {}, Computation(n)) for n in (1, 2)] == [1, 2]


def test_entries_unused_for_a_month_are_removed(results, monkeypatch):
    results.get("old", {}, lambda: 1)
    monkeypatch.setattr(cache, "DAYS", -1)
    assert not list(ResultCache(results.folder).folder.iterdir())


def test_nan_is_refused(results):
    with pytest.raises(ScoreError, match="score: one of its figures is NaN"):
        results.get("score", {}, lambda: float("nan"))


def test_the_order_of_keys_makes_no_difference():
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})
