"""Compressors as reference lines: their own bytes, what a text before helps, and texts that are hardly any."""

import bz2
import gzip
import lzma
import random
import sys

import pytest

from lmzoo.compression import compressors
from lmzoo.compression.compressors import references

random.seed(0)
WORDS = ["".join(random.choices("abcdefgh", k=random.randint(2, 9))) for _ in range(400)]
TEXT = " ".join(random.choices(WORDS, k=3000))
TRAIN = " ".join(random.choices(WORDS, k=30_000))


def bits(rows):
    return {(row["label"], row["given_train"]): row["bits"] for row in rows}


@pytest.fixture(scope="module")
def rows():
    return references(TRAIN, TEXT)


def test_each_stands_alone_first_and_then_with_the_training_text(rows):
    labels = [(row["label"], row["given_train"]) for row in rows if row["label"] != "PPMd"]
    assert labels == [(label, given) for label in ("gzip", "bz2", "xz") for given in (False, True)]
    assert [row["note"] for row in rows if not row["given_train"]] == ["alone"] * (len(rows) // 2)
    notes = {row["label"]: row["note"] for row in rows if row["given_train"]}
    assert notes["gzip"] == "given the last 33 kB of the training text"
    assert notes["bz2"] == notes["xz"] == "given the training text"


def test_every_byte_of_the_file_counts(rows):
    found = bits(rows)
    assert found["gzip", False] == 8 * len(gzip.compress(TEXT.encode(), 9))
    assert found["bz2", False] == 8 * len(bz2.compress(TEXT.encode()))
    assert found["xz", False] == pytest.approx(8 * len(lzma.compress(TEXT.encode(), preset=9)), abs=64)
    assert all(row["bits_per_character"] == row["bits"] / len(TEXT) for row in rows)


def test_a_text_like_it_before_helps_every_compressor(rows):
    found = bits(rows)
    for label in {label for label, _ in found}:
        assert found[label, True] < 0.97 * found[label, False]


def test_what_is_known_by_heart_costs_hardly_anything():
    found = bits(references(TEXT, TEXT))
    assert found["xz", True] < 0.05 * found["xz", False]
    assert found["gzip", True] < 0.1 * found["gzip", False]


def test_bz2_is_given_what_fits_into_its_block_beside_the_text(monkeypatch):
    monkeypatch.setattr(compressors, "BLOCK", len(TEXT) + 5000)
    rows = references(TRAIN, TEXT)
    assert [row["note"] for row in rows if row["label"] == "bz2"] == [
        "alone", "given the last 5 kB of the training text",
    ]  # fmt: skip
    monkeypatch.setattr(compressors, "BLOCK", len(TEXT))
    assert ("bz2", True) not in bits(references(TRAIN, TEXT))


def test_xz_and_ppmd_are_given_no_more_than_they_have_time_for(monkeypatch):
    monkeypatch.setattr(compressors, "LARGEST_PREFIX", 2000)
    monkeypatch.setattr(compressors, "XZ_PREFIX", 2000)
    limited, short = references(TRAIN, TEXT), references(TRAIN[-2000:], TEXT)
    assert bits(limited)["xz", True] == bits(short)["xz", True]
    assert {row["note"] for row in limited if row["label"] in ("xz", "PPMd") and row["given_train"]} == {
        "given the last 2 kB of the training text"
    }


@pytest.mark.parametrize("train", ["", "a", "\ud800é"])
@pytest.mark.parametrize("test", ["a", "\ud800é", "日本"])
def test_the_shortest_texts_are_texts(train, test):
    rows = references(train, test)
    assert {row["given_train"] for row in rows} == ({False, True} if train else {False})
    assert all(row["bits"] > 0 for row in rows if not row["given_train"])


def test_an_empty_test_text_has_no_bits_per_character():
    assert references("abc", "") == []


def test_without_pyppmd_the_others_stand(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyppmd", None)
    assert [row["label"] for row in references("", TEXT)] == ["gzip", "bz2", "xz"]


def test_ppmds_bytes_give_both_texts_back_and_only_the_second_is_counted():
    pyppmd = pytest.importorskip("pyppmd")
    settings = (compressors.PPM_ORDER, compressors.PPM_MEMORY, pyppmd.PPMD8_RESTORE_METHOD_CUT_OFF)
    coder = pyppmd.Ppmd8Encoder(*settings)
    first, second = coder.encode(TRAIN.encode()), coder.encode(TEXT.encode()) + coder.flush()
    both = TRAIN + TEXT
    assert pyppmd.Ppmd8Decoder(*settings).decode(first + second, len(both)) == both.encode()
    assert bits(references(TRAIN, TEXT))["PPMd", True] == 8 * len(second)
