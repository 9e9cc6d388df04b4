"""A text, compressed and decompressed by every model, beside zip and xz."""

import lzma
import math
import sys

import pytest

from lmzoo.compression import codec
from lmzoo.serve.contestants import Contestants
from lmzoo.serve.handlers import race
from lmzoo.serve.handlers.race import Compress, compress

pytest.importorskip("constriction")
TEXT = "The old cat sat on the mat. Ünknown 😀"


def raced(contestants, text):
    return {line["id"]: line for line in compress(contestants, Compress(text=text)) if line is not None}


def test_each_model_has_the_bytes_of_lmzoo_compress_and_its_own_bits(contestants):
    found = raced(contestants, TEXT)
    for run in contestants:
        if run.reader is None:
            assert "damaged" in found[run.id]["error"]
            continue
        line = found[run.id]
        assert line["same"] is True
        assert line["payload"] + line["header"] == len(codec.compress(run.text_model, TEXT.encode()))
        bits = -run.text_model.log_prob(TEXT) / math.log(2)
        assert line["bits"] == pytest.approx(bits, abs=0.01)
        assert bits / 8 <= line["payload"] <= bits / 8 + 9


def test_standard_files_are_whole():
    found = raced(Contestants(()), TEXT * 5)
    assert found["xz"]["same"] is found["zip"]["same"] is True
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": 1 << 16}]
    whole = lzma.compress((TEXT * 5).encode(), filters=filters)
    assert found["xz"]["payload"] + found["xz"]["header"] == len(whole)
    assert found["zip"]["header"] == 98 + 2 * len("text")  # local header, directory and its end: 30 + 46 + 22


def test_the_empty_text_takes_no_payload(contestants):
    found = raced(contestants, "")
    assert {line["payload"] for line in found.values() if "payload" in line and line["id"][0] == "m"} == {0}


def test_a_model_that_decodes_something_else_gets_no_tick(contestants, monkeypatch):
    def otherwise(text_model, file):
        yield
        return b"something else"

    monkeypatch.setattr(race.codec, "decompressing", otherwise)
    found = raced(contestants, "The cat").values()
    assert {line["same"] for line in found if line.get("bits")} == {False}


def test_without_constriction_each_model_says_what_to_install(contestants, monkeypatch):
    monkeypatch.setitem(sys.modules, "constriction", None)
    found = raced(contestants, "The cat")
    assert "constriction" in found["m0"]["error"]
    assert found["zip"]["same"] is True
