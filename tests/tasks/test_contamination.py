"""Contamination: 8-gram overlap of a test set with a training text, against sets of tuples."""

import re

import numpy as np
import pytest

from lmzoo.tasks import contamination
from lmzoo.tasks.contamination import overlaps, training_text

TEN = "one two three four five six seven eight nine ten"


def overlap(texts, corpus):
    (share,) = overlaps([texts], corpus)
    return share


def by_hand(texts, corpus):
    def ngrams(text):
        words = re.findall(r"[^\W_]+", text.lower())
        return [tuple(words[i : i + 8]) for i in range(len(words) - 7)]

    known = set(ngrams(corpus))
    found = [ngram in known for text in texts for ngram in ngrams(text)]
    return sum(found) / len(found)


def test_training_text_overlaps_wholly_and_other_text_not_at_all():
    assert overlap([TEN], f"zero {TEN} eleven") == 1
    assert overlap([TEN], TEN.replace("five", "5")) == 0


def test_case_and_punctuation_are_ignored():
    assert overlap([TEN], TEN.upper().replace(" ", ", \n_")) == 1


def test_an_8_gram_lies_within_one_text():
    assert overlap([TEN, TEN], f"{TEN} {TEN}") == 1
    assert overlap(["three four five six seven", TEN], TEN) == 1
    assert overlap([TEN], " ".join(TEN.split()[:7])) == 0


def test_a_set_without_8_grams_has_no_overlap():
    assert overlap(["one two three", ""], TEN) is None
    assert overlap([], TEN) is None


def test_several_sets_are_compared_in_one_pass():
    assert overlaps([[TEN], [], [TEN.replace("ten", "10"), "no"]], TEN) == [1, None, pytest.approx(2 / 3)]


def test_the_training_text_of_a_run_is_found_unless_it_must_be_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("LMZOO_CACHE", str(tmp_path / "cache"))
    text = tmp_path / "mine.txt"
    text.write_text("a line of mine\n" * 100)
    assert training_text({"corpus": "mine", "corpus_path": str(text)}).startswith("a line of mine\n")
    assert training_text({"corpus": "mine", "corpus_path": str(tmp_path / "gone.txt")}) is None
    assert training_text({"corpus": "ptb"}, mirror="") is None
    assert training_text({}) is None


@pytest.mark.parametrize("chunk", [1, 50, 1000])
def test_overlap_equals_set_intersection_wherever_chunks_end(chunk, monkeypatch):
    monkeypatch.setattr(contamination, "CHUNK", chunk)
    rng = np.random.default_rng(0)
    words = rng.choice(["ab", "b", "c", "été"], size=4000, p=[0.7, 0.1, 0.1, 0.1])
    corpus = " ".join(words[:3000])
    texts = [" ".join(words[i : i + 25]) for i in range(2900, 4000, 25)]
    expected = by_hand(texts, corpus)
    assert 0.1 < expected < 0.9
    assert overlap(texts, corpus) == pytest.approx(expected)
