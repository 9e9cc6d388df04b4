"""Features of texts, words and pairs: pooled by hand, and cached."""

import numpy as np
import pytest

from lmzoo.data import tokenizers
from lmzoo.errors import ScoreError, UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data
from lmzoo.tasks.probing import features as probe_features
from lmzoo.tasks.probing.datasets import ProbeSet
from lmzoo.tasks.probing.features import SENTENCE, FeatureReader
from tests.tasks.models import Sentences, Table, TableAndSentences, fitted

TEXTS = ["ab", "", "abcab", "b", "ab"]


BYTES = tokenizers.train("byte", "abc")


def table(width=2):
    return Table(width).fit(Data.of([], [], BYTES.vocab_size))


def examples(*columns, **more):
    count = len(columns[0])
    return ProbeSet("toy", columns, np.zeros(count, dtype=int), np.zeros(count, dtype=int), **more)


def test_texts_are_pooled_by_mean_last_and_maximum_in_each_layer():
    model = table()
    inputs = FeatureReader(TextModel(model, BYTES), None).inputs(examples(TEXTS))
    assert set(inputs) == {(layer, pooling) for layer in ("low", "high") for pooling in ("mean", "last", "max")}
    for n, name in enumerate(model.layer_names):
        for row, text in enumerate(TEXTS):
            rows = model.features(BYTES.encode(text), n) if text else np.zeros((1, 2))
            np.testing.assert_allclose(inputs[name, "mean"][row], rows.mean(axis=0), rtol=1e-6)
            np.testing.assert_allclose(inputs[name, "last"][row], rows[-1], rtol=1e-6)
            np.testing.assert_allclose(inputs[name, "max"][row], rows.max(axis=0), rtol=1e-6)


def test_a_pair_has_the_differences_and_products_of_its_texts():
    reader = FeatureReader(TextModel(table(), BYTES), None)
    u, v = (reader.inputs(examples(column))["low", "mean"] for column in (TEXTS, TEXTS[::-1]))
    pairs = reader.inputs(examples(TEXTS, TEXTS[::-1]))["low", "mean"]
    np.testing.assert_array_equal(pairs, np.hstack([abs(u - v), u * v]))


def test_a_word_has_the_vector_of_its_last_token():
    model = table()
    inputs = FeatureReader(TextModel(model, BYTES), None).inputs(examples(["ab c", "bé é"], word_labels=True))
    tokens = [BYTES.encode("ab c")[[1, 3]], BYTES.encode("bé é")[[2, 5]]]  # é has two bytes
    np.testing.assert_array_equal(inputs["low", "word"], model.table_[np.concatenate(tokens)])


def test_a_closed_vocabulary_has_a_token_for_each_word():
    text = "the cat sat\nthe dog sat\nthe <unk> sat\n" * 3
    words = tokenizers.train("split", text, lines=True)
    model = Table(3).fit(Data.of([], [], words.vocab_size))
    inputs = FeatureReader(TextModel(model, words), None).inputs(
        examples(["the cat , unheard-of sat", "The dog"], word_labels=True)
    )
    unknown = words.encode("<unk>")[0]
    the, cat, sat, dog = words.encode("the cat sat dog")
    # The comma is in no word of theirs and is left out: it has what was read before it.
    np.testing.assert_array_equal(inputs["low", "word"], model.table_[[the, cat, cat, unknown, sat, the, dog]])


def test_batches_do_not_change_features(monkeypatch):
    whole = FeatureReader(TextModel(table(), BYTES), None).inputs(examples(TEXTS * 40))
    monkeypatch.setattr(probe_features, "NUMBERS_AT_ONCE", 1)
    parts = FeatureReader(TextModel(table(), BYTES), None).inputs(examples(TEXTS * 40))
    assert all((whole[key] == parts[key]).all() for key in whole)


def test_of_many_layers_five_are_tried_evenly_spaced():
    model = table()
    model.layer_names = tuple(f"layer {n}" for n in range(13))
    model.features = lambda tokens, layer=-1: np.full((len(tokens), 1), layer)
    inputs = FeatureReader(TextModel(model, BYTES), None).inputs(examples(["a"]))
    assert {name: rows.item() for (name, pooling), rows in inputs.items() if pooling == "last"} == {
        "layer 0": 0, "layer 3": 3, "layer 6": 6, "layer 9": 9, "layer 12": 12,
    }  # fmt: skip


def test_wide_vectors_are_hashed(monkeypatch):
    monkeypatch.setattr(probe_features, "WIDE", 50)
    monkeypatch.setattr(probe_features, "NARROW", 40)
    rows = np.zeros((3, 60), dtype=np.float32)
    rows[0, 7], rows[1, 7], rows[2, 8] = 2, 3, 1
    narrow = probe_features._narrow(rows)
    assert narrow.shape == (3, 40)
    assert abs(narrow[0] @ narrow[1]) == 6
    assert np.abs(narrow).sum() == 6
    np.testing.assert_array_equal(probe_features._narrow(rows[:, :50]), rows[:, :50])
    wide = FeatureReader(TextModel(table(60), BYTES), None)
    assert wide.note == "its vectors of 60 numbers are hashed into 40"
    assert wide.inputs(examples(TEXTS))["low", "max"].shape == (5, 40)
    assert FeatureReader(TextModel(table(50), BYTES), None).note == ""


def test_vectors_that_are_not_finite_are_named_by_their_layer():
    model = table()
    model.table_[:] = np.inf
    with pytest.raises(ScoreError, match="vectors of 'low' are not all finite"):
        FeatureReader(TextModel(model, BYTES), None).inputs(examples(["ab"]))


def test_a_sentence_encoder_has_one_vector_for_a_text():
    model = fitted(Sentences(), BYTES)
    inputs = FeatureReader(TextModel(model, BYTES), None).inputs(examples(TEXTS))
    assert list(inputs) == [SENTENCE]
    np.testing.assert_array_equal(inputs[SENTENCE], model.encode_texts([BYTES.encode(text) for text in TEXTS]))


def test_a_model_may_have_vectors_of_tokens_and_of_texts():
    inputs = FeatureReader(TextModel(fitted(TableAndSentences(), BYTES), BYTES), None).inputs(examples(TEXTS, TEXTS))
    assert SENTENCE in inputs and ("low", "mean") in inputs
    assert inputs[SENTENCE].shape == (5, 2 * BYTES.vocab_size)  # |u - v| and u * v of a pair


def test_a_sentence_encoder_has_no_vectors_of_words():
    with pytest.raises(UsageError, match="sentences has vectors of whole texts only"):
        FeatureReader(TextModel(fitted(Sentences(), BYTES), BYTES), None).inputs(examples(["a b"], word_labels=True))


# ── The cache ─────────────────────────────────────────────────────────────────────────────────────


class Counting(Table):
    """Counts how often it is asked."""

    name = "table"
    asked = 0

    def features(self, tokens, layer=-1):
        Counting.asked += 1
        return super().features(tokens, layer)


def read(folder, texts=TEXTS, width=2, change=0.0):
    """The inputs, and whether the model had to be asked."""
    model = Counting(width).fit(Data.of([], [], BYTES.vocab_size))
    model.table_[0] += change
    reader = FeatureReader(TextModel(model, BYTES), folder)
    Counting.asked = 0
    return reader.inputs(examples(texts)), Counting.asked > 0


def test_features_are_cached(tmp_path):
    first, asked = read(tmp_path)
    again, asked_again = read(tmp_path)
    assert (asked, asked_again) == (True, False)
    assert all((first[key] == again[key]).all() for key in first)
    assert {path.suffix for path in tmp_path.iterdir()} == {".npz"}


def test_another_model_or_other_texts_are_read_again(tmp_path):
    read(tmp_path)
    assert read(tmp_path, texts=[*TEXTS, "c"])[1]
    assert read(tmp_path, change=1e-3)[1]
    assert read(tmp_path, width=3)[1]


@pytest.mark.parametrize("damage", ["cut", "flipped", "nothing", "missing", "foreign"])
def test_a_damaged_file_is_computed_again(tmp_path, damage):
    first, _ = read(tmp_path)
    path = sorted(tmp_path.iterdir())[0]
    contents = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(contents[: len(contents) // 2])
    elif damage == "flipped":
        contents[len(contents) // 3] ^= 1
        path.write_bytes(contents)
    elif damage == "nothing":
        path.write_bytes(b"")
    elif damage == "foreign":
        np.savez(path, other=np.zeros(3))
    else:
        path.unlink()
    again, asked = read(tmp_path)
    assert asked
    assert all((first[key] == again[key]).all() for key in first)
    assert not read(tmp_path)[1]


def test_a_cache_that_cannot_be_written_does_not_stop_the_probe(tmp_path):
    (tmp_path / "file").write_text("in the way")
    inputs, _ = read(tmp_path / "file")
    assert len(inputs) == 6
