"""The noisy channel: its errors, and that they are as frequent as its probabilities say."""

import math
import random
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lmzoo.errors import UsageError
from lmzoo.tasks.noisy_channel import NEIGHBOURING_KEYS, NoisyChannel, _edits, _slips, confusions, words_of

WORDS = [
    "he",
    "she",
    "the",
    "there",
    "their",
    "cat",
    "car",
    "cart",
    "sat",
    "on",
    "a",
    "way",
    "away",
    "mat",
    "no",
    "know",
]
SOUNDS = [["there", "their"], ["no", "know"], ["a way", "away"], ["knew", "new"]]
CHANNEL = NoisyChannel(WORDS, 0.3, SOUNDS)


def one_edit(a, b):
    """Damerau's (1964) distance is 1: written from its definition."""
    if a == b or abs(len(a) - len(b)) > 1:
        return False
    if len(a) == len(b):
        wrong = [i for i in range(len(a)) if a[i] != b[i]]
        swapped = (
            len(wrong) == 2 and wrong[1] == wrong[0] + 1 and a[wrong[0]] + a[wrong[1]] == b[wrong[1]] + b[wrong[0]]
        )
        return len(wrong) == 1 or swapped
    longer, shorter = sorted((a, b), key=len, reverse=True)
    return any(longer[:i] + longer[i + 1 :] == shorter for i in range(len(longer)))


def test_neighbouring_keys_are_those_of_a_qwerty_keyboard():
    assert set(NEIGHBOURING_KEYS["g"]) == set("ftyhbv")
    assert set(NEIGHBOURING_KEYS["p"]) == set("ol")
    assert set(NEIGHBOURING_KEYS["q"]) == set("wa")
    assert all(one in NEIGHBOURING_KEYS[other] for one, others in NEIGHBOURING_KEYS.items() for other in others)


@given(st.text("abcxyz", min_size=2, max_size=6))
def test_a_slip_is_one_edit_and_never_the_word_itself(word):
    assert all(one_edit(word, slip) for slip in _slips(word))


@given(st.text("ab", min_size=1, max_size=4), st.text("ab", min_size=1, max_size=5))
def test_edits_are_all_strings_at_distance_one(word, other):
    if word != other:
        assert (other in _edits(word)) == one_edit(word, other)


def test_outcomes_are_as_frequent_as_their_probabilities():
    source, sent = random.Random(0), Counter()
    for _ in range(20_000):
        sent[CHANNEL.corrupt("there", source)] += 1
    for arrived, times in sent.most_common():
        log_prob = dict(CHANNEL.candidates(arrived, 50))["there"]
        expected = 20_000 * math.exp(log_prob)
        assert abs(times - expected) < 5 * math.sqrt(expected) + 1, arrived
    assert sent["their"] > 1000


def test_errors_are_as_frequent_as_the_rate_where_all_kinds_are_possible():
    channel = NoisyChannel([*WORDS, "three"], 0.3, [*SOUNDS, ["three", "free"]])
    assert sum(channel._outcomes("there").values()) == pytest.approx(0.3)
    assert sum(channel._outcomes("mat").values()) == pytest.approx(0.3 * 0.7)  # nothing sounds like it
    assert channel._outcomes("Mat") == {}


def test_a_phrase_arrives_as_its_homophone_and_is_recovered():
    source = random.Random(1)
    arrived = {CHANNEL.corrupt("on a way", source) for _ in range(200)}
    assert "on away" in arrived
    assert "on a way" in dict(CHANNEL.candidates("on away", 50))
    assert dict(CHANNEL.candidates("on away", 50))["on a way"] == pytest.approx(
        math.log(0.3) + math.log1p(-sum(CHANNEL._outcomes("on").values()))
    )


def test_wreck_a_nice_beach():
    channel = NoisyChannel(["it", "is", "hard", "to", "recognise", "speech", "wreck", "a", "nice", "beach"], 0.2)
    assert "it is hard to recognise speech" in dict(channel.candidates("it is hard to wreck a nice beach", 50))
    assert "it is hard to wreck a nice beach" in dict(channel.candidates("it is hard to recognise speech", 50))


def test_homophones_consist_of_words_of_the_vocabulary():
    assert "knew" not in CHANNEL._homophones
    assert set(CHANNEL._homophones) == {"there", "their", "no", "know", "a way", "away"}


@example(["he"], 89)  # a slip that left one letter
@given(
    st.lists(st.sampled_from([*WORDS, "Mary", "1848", "cat,", '"the', "<unk>", "..."]), max_size=5), st.integers(0, 99)
)
def test_what_was_sent_is_among_the_candidates(words, seed):
    sent = " ".join(words)
    arrived = CHANNEL.corrupt(sent, random.Random(seed))
    found = dict(CHANNEL.candidates(arrived, 20_000))
    assert CHANNEL.knows(sent)
    assert sent in found
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert all(CHANNEL.knows(one) for one in found)


def test_names_numbers_and_punctuation_arrive_unchanged():
    text = 'Mary , " 1848 " N <unk> I , THE ... '
    assert CHANNEL.corrupt(text, random.Random(0)) == " ".join(text.split())
    assert CHANNEL.candidates(text, 9) == [(" ".join(text.split()), 0.0)]


def test_punctuation_around_a_word_stays():
    arrived = {CHANNEL.corrupt('"cat,', random.Random(seed)) for seed in range(200)}
    assert len(arrived) > 10
    assert all(text.startswith('"') and text.endswith(",") for text in arrived)
    assert '"cat,' in dict(CHANNEL.candidates('"caat,', 9))


def test_an_unknown_word_is_a_candidate_only_if_nothing_else_is():
    assert "cwt" not in dict(CHANNEL.candidates("cwt", 50))
    assert CHANNEL.candidates("xylophone", 50) == [("xylophone", 0.0)]


def test_fewer_candidates_are_the_first_of_more():
    every = CHANNEL.candidates("the cat sat on there mat", 5000)
    best = CHANNEL.candidates("the cat sat on there mat", 7)
    assert len(every) > 100
    assert [score for _, score in best] == pytest.approx([score for _, score in every[:7]])


def test_an_empty_text_stays_empty():
    assert CHANNEL.corrupt("", random.Random(0)) == ""
    assert CHANNEL.candidates("", 5) == [("", 0.0)]


@pytest.mark.parametrize("rate", [0.0, 1.0, -1.0, math.nan])
def test_a_rate_that_is_no_probability_is_refused(rate):
    with pytest.raises(UsageError, match="rate of errors must be above 0 and below 1"):
        NoisyChannel(WORDS, rate, SOUNDS)


def test_the_list_of_confusions_has_each_member_once_in_a_group_and_no_group_twice():
    groups = confusions()
    assert len(groups) > 300
    assert all(len(set(group)) == len(group) >= 2 for group in groups)
    assert len({frozenset(group) for group in groups}) == len(groups)
    assert all(member == " ".join(member.split()).lower() for group in groups for member in group)


def test_a_vocabulary_is_the_lower_case_words_that_are_frequent_enough():
    text = "the cat, the Cat. the 'cat' N <unk> <unk> do n't don't don't 's 's well-known well-known"
    assert words_of(text, 2) == ["'s", "cat", "don't", "the"]
