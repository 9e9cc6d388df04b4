"""The file that a compressed text is: it comes back as it was packed, and nothing damaged is taken for whole."""

import struct
import zlib

import numpy as np
import pytest

from lmzoo.compression.container import SIZE, SPELLINGS, Container, arithmetic, fingerprint
from lmzoo.data import tokenizers
from lmzoo.errors import FormatError, UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data
from lmzoo.models.ngram import Ngram
from lmzoo.runs import store

TEXT = "a rose is a rose is a rose\n" * 5
CHARS = tokenizers.train("char", TEXT)
IDS = CHARS.encode(TEXT)
PACKED = Container(1, True, 3, bytes(range(16)), b"\0\1\2\3", 30, 20, 0xFFFFFFFF, b"eightbit")


def trained(order=2, ids=IDS, made=CHARS):
    return Ngram(order=order).fit(Data.of(ids, ids, made.vocab_size))


def test_a_container_comes_back_as_it_was_packed():
    assert Container.unpack(PACKED.pack()) == PACKED
    assert len(PACKED.pack()) == SIZE + len(PACKED.payload)


def test_a_flipped_bit_is_noticed_wherever_it_is():
    whole = PACKED.pack()
    for n in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[n // 8] ^= 1 << n % 8
        with pytest.raises(FormatError, match=r"damaged|not written by"):
            Container.unpack(bytes(damaged))


def test_a_file_cut_short_is_noticed_at_every_length():
    whole = PACKED.pack()
    with pytest.raises(FormatError, match="empty"):
        Container.unpack(b"")
    for length in range(1, len(whole)):
        with pytest.raises(FormatError, match="cut short"):
            Container.unpack(whole[:length])
    with pytest.raises(FormatError, match="damaged"):
        Container.unpack(whole + b"\0")


def test_another_kind_of_file_is_named_as_such():
    with pytest.raises(FormatError, match=r"not written by `lmzoo compress`: it begins with b'PK"):
        Container.unpack(b"PK\3\4" + bytes(100))


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [(4, 2, "format 2"), (5, len(SPELLINGS), "header"), (6, 2, "header"), (7, 0, "header"), (36, 91, "header")],
)
def test_a_header_that_no_version_of_ours_writes_is_refused_though_its_checksum_is_right(place, value, said):
    body = bytearray(PACKED.pack()[:-4])
    body[place] = value
    with pytest.raises(FormatError, match=said):
        Container.unpack(bytes(body) + struct.pack("<I", zlib.crc32(body)))


def test_a_fingerprint_is_of_all_that_predictions_depend_on():
    model = trained()
    prints = {fingerprint(TextModel(model, CHARS))}
    prints.add(fingerprint(TextModel(trained(order=3), CHARS)))
    prints.add(fingerprint(TextModel(trained(ids=IDS[:-1]), CHARS)))
    byte = tokenizers.train("byte", "")
    assert byte.vocab_size == CHARS.vocab_size
    prints.add(fingerprint(TextModel(model, byte)))
    assert len(prints) == 4
    assert fingerprint(TextModel(trained(), CHARS)) in prints


def test_a_model_that_was_saved_and_loaded_has_the_same_fingerprint(tmp_path):
    model = trained()
    store.save(TextModel(model, CHARS), tmp_path / "run")
    assert fingerprint(store.load(tmp_path / "run")) == fingerprint(TextModel(model, CHARS))


def test_the_wrong_model_is_refused():
    made = Container(0, False, 1, fingerprint(TextModel(trained(), CHARS)), arithmetic(), 0, 0, 0, b"")
    made.refuse_another(TextModel(trained(), CHARS))
    with pytest.raises(UsageError, match=r"with another model or tokenizer .* than this ngram with char"):
        made.refuse_another(TextModel(trained(order=3), CHARS))


def test_an_array_of_nothing_and_a_lone_number_have_a_fingerprint():
    model = trained()
    model.arrays = lambda: {"a": np.zeros((0, 3)), "b": np.int64(3)}
    first = fingerprint(TextModel(model, CHARS))
    model.arrays = lambda: {"a": np.zeros((0, 3)), "b": 3}
    assert fingerprint(TextModel(model, CHARS)) == first
    model.arrays = lambda: {"a": np.zeros((0, 4)), "b": 3}
    assert fingerprint(TextModel(model, CHARS)) != first
