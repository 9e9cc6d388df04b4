"""What was worked out once is kept: whole, of just what it was of, and never out of date."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmzoo.errors import ScoreError
from lmzoo.runs import cache, provenance
from lmzoo.runs.cache import Kept, digest, succeeded


class Work:
    """Something to work out, that counts how often it was."""

    def __init__(self, value):
        self.value, self.times = value, 0

    def __call__(self):
        self.times += 1
        return self.value


@pytest.fixture
def kept(tmp_path):
    return Kept(tmp_path / "kept")


def test_it_is_worked_out_once(kept):
    work = Work({"bits": 1.5})
    assert kept.facts("score", {"model": "a"}, work) == {"bits": 1.5}
    assert kept.facts("score", {"model": "a"}, work) == {"bits": 1.5}
    assert work.times == 1


@pytest.mark.parametrize(("kind", "of"), [("sample", {"model": "a"}), ("score", {"model": "b"}), ("score", {})])
def test_of_anything_else_it_is_another_piece(kept, kind, of):
    kept.facts("score", {"model": "a"}, lambda: 1)
    assert kept.facts(kind, of, lambda: 2) == 2


@pytest.mark.parametrize("what", ["code", "versions", "machine"])
def test_other_circumstances_are_another_piece(kept, what, monkeypatch):
    kept.facts("score", {}, lambda: 1)
    now = provenance.circumstances() | {what: "another"}
    monkeypatch.setattr(provenance, "circumstances", lambda: now)
    assert kept.facts("score", {}, lambda: 2) == 2


def test_the_code_is_a_part_of_the_circumstances(tmp_path, monkeypatch):
    before = provenance.circumstances()["code"]
    (tmp_path / "card.toml").write_text("a = 1")
    monkeypatch.setattr(provenance.cards, "folder", lambda: tmp_path)
    assert provenance.circumstances.__wrapped__()["code"] != before


@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip
def test_what_is_found_is_what_was_given(tmp_path_factory, value):
    kept = Kept(tmp_path_factory.mktemp("kept"))
    first = kept.facts("any", {}, lambda: value)
    assert first == value
    assert kept.facts("any", {}, lambda: "not again") == first


def test_the_first_time_is_like_every_other(kept):
    first = kept.facts("pair", {}, lambda: {"interval": (1.0, 2.0), 3: "three"})
    assert first == kept.facts("pair", {}, lambda: None) == {"interval": [1.0, 2.0], "3": "three"}


def test_arrays_come_back_to_the_last_bit(kept):
    arrays = {"bits": np.random.default_rng(0).normal(size=99), "ids": np.arange(5, dtype=np.int32)}
    kept.both("score", {}, lambda: ({"a": 1}, arrays))
    facts, found = kept.both("score", {}, lambda: pytest.fail("it was kept"))
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
def test_a_damaged_piece_is_worked_out_anew(kept, damage, suffix):
    arrays = {"bits": np.ones(50)}
    kept.both("score", {}, lambda: (1, arrays))
    (path,) = kept.folder.glob(f"*{suffix}")
    damage(path)
    assert kept.both("score", {}, lambda: (2, arrays))[0] == 2
    assert kept.both("score", {}, lambda: (3, arrays))[0] == 2


def test_what_cannot_be_kept_is_only_not_kept(kept, monkeypatch):
    def full(path, contents):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "write_atomically", full)
    assert kept.facts("score", {}, lambda: 1) == 1
    assert kept.facts("score", {}, lambda: 2) == 2


def test_an_error_is_not_kept(kept):
    assert kept.facts("curve", {}, lambda: {"error": "too little memory"}, succeeded)["error"]
    assert kept.facts("curve", {}, lambda: {"bits": 1, "error": None}, succeeded)["bits"] == 1
    assert kept.facts("curve", {}, lambda: {"bits": 2, "error": None}, succeeded)["bits"] == 1


def test_a_figure_that_is_called_an_error_is_kept_like_any_other(kept):
    assert kept.facts("calibration", {}, lambda: {"error": 0.05}) == kept.facts("calibration", {}, lambda: None)


def test_without_a_folder_nothing_is_kept():
    kept = Kept(None)
    assert [kept.facts("score", {}, Work(n)) for n in (1, 2)] == [1, 2]


def test_what_nobody_asks_for_in_a_month_is_dropped(kept, monkeypatch):
    kept.facts("old", {}, lambda: 1)
    monkeypatch.setattr(cache, "DAYS", -1)
    assert not list(Kept(kept.folder).folder.iterdir())


def test_no_number_that_is_none_is_kept(kept):
    with pytest.raises(ScoreError, match="score: one of its figures is NaN"):
        kept.facts("score", {}, lambda: float("nan"))


def test_the_order_of_keys_is_no_difference():
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})
