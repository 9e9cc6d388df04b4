"""What a model writes behind a prompt, and what of it was copied."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmzoo.analysis import memorization
from lmzoo.data import tokenizers
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data
from lmzoo.models.ngram import Ngram
from lmzoo.models.uniform import Uniform

STORY = "Sean came to the hack space and saw a hyena on the mat. He asked it to go.\n"
TEXT = "the cat sat on the mat and the dog sat on the log because the cat did not like the dog\n\n" * 8
few_letters = st.text("ab\u00e9\n", max_size=40)


def trained(spec: str, text: str = TEXT, order: int = 3, lines: bool = False):
    made = tokenizers.train(spec, text, lines)
    ids = made.encode(text)
    return Ngram(order=order).fit(Data.of(ids, ids, made.vocab_size)), made


# Longest matches


@given(few_letters, few_letters)
def test_the_longest_match_at_each_character_is_what_trying_all_finds(text, training):
    lengths, starts = memorization.longest_matches(text, training)
    tried = [max((n for n in range(end + 1) if text[end - n : end] in training), default=0)
             for end in range(1, len(text) + 1)]  # fmt: skip
    assert lengths.tolist() == tried
    for end, length, start in zip(range(1, len(text) + 1), lengths.tolist(), starts.tolist(), strict=True):
        assert start == (training.find(text[end - length : end]) if length else -1)  # the first of several


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=10))
def test_whatever_characters_there_are(text, training, common):
    lengths, _ = memorization.longest_matches(text + common, training + common)
    assert lengths.max(initial=0) >= len(common)


@given(few_letters, few_letters)
@settings(max_examples=30)
def test_a_match_goes_on_where_the_training_text_is_cut_for_reading(text, training):
    whole = memorization.longest_matches(text, training)
    size, memorization.CHUNK = memorization.CHUNK, 3
    try:
        cut = memorization.longest_matches(text, training)
    finally:
        memorization.CHUNK = size
    assert [column.tolist() for column in cut] == [column.tolist() for column in whole]


@given(st.lists(st.sampled_from(["the cat ", "sat on ", "a mat", ". ", STORY]), max_size=12).map("".join))
@settings(max_examples=50)
def test_copied_are_the_characters_that_lie_in_a_long_piece_of_the_training_text(text):
    found = memorization.copied(text, STORY)
    tried = np.zeros(len(text), dtype=bool)
    for start in range(len(text) - memorization.LEAST + 1):
        if text[start : start + memorization.LEAST] in STORY:
            tried[start : start + memorization.LEAST] = True
    marked = np.zeros(len(text), dtype=bool)
    for start, end in found["stretches"]:
        assert end - start >= memorization.LEAST
        marked[start:end] = True
    assert marked.tolist() == tried.tolist()
    assert found["copied"] == (tried.mean() if text else None)


def test_the_longest_match_says_where_it_stands():
    found = memorization.copied("xx the hack space and saw a hyena! Sean came", STORY)
    longest = found["longest"]
    assert longest == {"characters": 31, "start": 2, "training_start": STORY.index(" the hack")}
    assert found["stretches"] == [[2, 33]]
    assert found["copied"] == 31 / 44


def test_nothing_in_common_is_a_match_of_no_characters():
    assert memorization.copied("xyz", "abc") == {
        "copied": 0,
        "least": 30,
        "stretches": [],
        "longest": {"characters": 0, "start": None, "training_start": None},
    }
    assert memorization.copied("", "abc")["copied"] is None


# The prompt


@pytest.mark.parametrize(
    ("test", "prompt"),
    [
        ("the end of a document.\n\nOnce upon a time there was a dog who could not bark.\n\nMore", "Once upon a time"),
        ("cut off\n\nshort\n\nLong enough to be the prompt of all models here\n", "Long enough"),
        (" it was \n no it was n't so that anybody could see it \n the", " no it was n't so that"),
        ("one line only and nothing else in it that would help", "one line only"),
        ("abc", "abc"),
    ],
)
def test_the_prompt_is_the_beginning_of_a_document_or_line(test, prompt):
    found = memorization.prompt_of(test)
    assert found.startswith(prompt)
    assert found in test
    assert len(found) <= memorization.PROMPT
    assert found == found.rstrip()


@pytest.mark.parametrize(("word", "whole"), [("somewhere", " somewhere"), ("somewherever", "")])
def test_the_prompt_ends_with_a_whole_word(word, whole):
    words = "the words of this line are cut"
    assert memorization.prompt_of(f"x\n{words} {word} around here") == words + whole


# Samples


@pytest.mark.parametrize("spec", ["char", "word:40", "bpe:300", "split"])
def test_a_sample_goes_on_behind_the_prompt_and_its_seed_repeats_it(spec):
    text = TEXT.replace("\n\n", "\n")
    model, made = trained(spec, text, lines=spec == "split")
    first, again, other = (memorization.facts_of(TextModel(model, made), "the cat", seed, text) for seed in (1, 1, 2))
    assert first == again != other
    assert first["prompt"] == "the cat"
    assert first["text"].startswith(" ")
    assert len(first["text"]) <= memorization.CHARACTERS


def test_a_model_that_has_learned_the_text_by_heart_is_found_out():
    model, made = trained("word:40", order=8)
    found = memorization.facts_of(TextModel(model, made), "the cat sat on the mat and the dog", 0, TEXT)
    assert found["copied"] > 0.5
    longest = found["longest"]
    copy = found["text"][longest["start"] :][: longest["characters"]]
    assert TEXT[longest["training_start"] :].startswith(copy)


def test_a_model_that_knows_nothing_copies_nothing():
    made = tokenizers.train("char", TEXT)
    model = Uniform().fit(Data.of(np.zeros(1, np.int32), np.zeros(1, np.int32), made.vocab_size))
    found = memorization.facts_of(TextModel(model, made), "the cat", 0, TEXT)
    assert found["copied"] == 0
    assert 0 < found["longest"]["characters"] < memorization.LEAST


def test_a_sample_stops_where_the_model_ends_the_text():
    made = tokenizers.train("char", TEXT)
    ids = np.append(made.encode("the cat sat"), made.end)
    model = Ngram(order=4, smoothing="ml").fit(Data.of(ids, ids, made.vocab_size))
    assert memorization.facts_of(TextModel(model, made), "the cat", 0, TEXT)["text"] == " sat"


def test_the_test_text_itself_is_told_in_the_same_way():
    test = "x\n\nOnce in a while, when nobody was at home, the cat sat on the mat and the dog sat on the moon.\n"
    found = memorization.of_test(test, TEXT)
    assert test.endswith(found["prompt"] + found["text"])
    assert found["prompt"] == memorization.prompt_of(test)
    assert 0 < found["copied"] < 1
