"""Sampling: what is sampled is what is scored."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from lmzoo import models, testing
from lmzoo.data import tokenizers
from lmzoo.errors import UsageError
from lmzoo.evaluation import generation
from lmzoo.interface import Data
from lmzoo.models.uniform import Uniform

NOTHING = np.array([], dtype=np.int32)


@pytest.fixture(scope="module")
def trigram():
    train = testing.practice_text(3000)
    return models.find("ngram")(order=3).fit(Data.of(train, train[:100], testing.VOCAB_SIZE))


# ── The distribution ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("prompt", [[], [3], [3, 1]])
def test_tokens_are_drawn_as_often_as_they_are_probable(trigram, prompt):
    draws = 4000
    prompt = np.array(prompt, dtype=np.int32)
    drawn = [next(generation.generate(trigram, prompt, 1, seed=seed)) for seed in range(draws)]
    expected = draws * np.exp(trigram.next_log_probs(trigram.advance(trigram.start(), prompt)))
    counts = np.bincount(drawn, minlength=testing.VOCAB_SIZE)
    often = np.argsort(-expected)[: (expected >= 5).sum()]
    rest = [draws - counts[often].sum()], [draws - expected[often].sum()]
    assert chisquare(np.append(counts[often], rest[0]), np.append(expected[often], rest[1])).pvalue > 1e-3


def test_a_long_sample_costs_what_the_model_says_it_should(trigram):
    """The mean surprise of a model at its own samples is its entropy."""
    ids = np.array(list(generation.generate(trigram, NOTHING, 5000, seed=1)))
    scores, _ = trigram.log_probs(ids)
    entropies, state = [], trigram.start()
    for t in range(len(ids)):
        log_probs = trigram.next_log_probs(state)
        entropies.append(-(np.exp(log_probs) * log_probs).sum())
        state = trigram.advance(state, ids[t : t + 1])
    surprise = -scores - np.array(entropies)  # a martingale difference: mean 0
    assert abs(surprise.mean()) < 4 * surprise.std() / np.sqrt(len(ids))


# ── The likeliest text ────────────────────────────────────────────────────────────────────────────


def test_a_wide_beam_is_an_exhaustive_search(trigram):
    """Of all 12³ continuations, scored by the model itself, none is likelier."""
    prompt = np.array([5, 7], dtype=np.int32)
    _, state = trigram.log_probs(prompt)
    every = list(itertools.product(range(testing.VOCAB_SIZE), repeat=3))
    totals = [trigram.log_probs(np.array(tokens), state)[0].sum() for tokens in every]
    tokens, total = generation.beam_search(trigram, prompt, 3, testing.VOCAB_SIZE**2)
    assert tuple(tokens) == every[int(np.argmax(totals))]
    assert total == pytest.approx(max(totals))


def test_a_beam_finds_what_greed_misses():
    """Token 0 is likelier at first (0.6), but only 1 leads to a certain token: 0.4 beats 0.6 · 0.5."""

    class Garden(Uniform):
        def advance(self, state, tokens):
            return (*state, *tokens.tolist())

        def next_log_probs(self, state):
            return np.log({(): [0.6, 0.4], (0,): [0.5, 0.5], (1,): [1e-300, 1.0]}[state])

    garden = Garden().fit(Data.of(NOTHING, NOTHING, 2))
    assert generation.beam_search(garden, NOTHING, 2, 1) == ([0, 0], pytest.approx(np.log(0.3)))
    assert generation.beam_search(garden, NOTHING, 2, 2) == ([1, 1], pytest.approx(np.log(0.4)))


@given(prompt=st.lists(st.integers(0, testing.VOCAB_SIZE - 1), max_size=3), width=st.integers(1, 6))
@settings(max_examples=20)
def test_a_beam_says_what_the_model_says_of_its_text_and_one_is_greedy(trigram, prompt, width):
    prompt = np.array(prompt, dtype=np.int32)
    tokens, total = generation.beam_search(trigram, prompt, 6, width)
    assert total == pytest.approx(trigram.log_probs(np.append(prompt, tokens))[0][len(prompt) :].sum())
    greedy = list(generation.generate(trigram, prompt, 6, temperature=0))
    assert generation.beam_search(trigram, prompt, 6, 1)[0] == greedy


def test_of_equals_the_lowest_ids_are_kept():
    uniform = Uniform().fit(Data.of(NOTHING, NOTHING, 5))
    assert generation.beam_search(uniform, NOTHING, 3, 4) == ([0, 0, 0], pytest.approx(-3 * np.log(5)))


def test_a_beam_goes_round_what_is_impossible():
    bigram = models.find("ngram")(order=2, smoothing="ml").fit(Data.of(np.array([0, 1, 0, 1, 3]), NOTHING, 4))
    tokens, total = generation.beam_search(bigram, np.array([0]), 2, 50)
    assert tokens == [1, 0]
    assert total == pytest.approx(np.log(0.5))


@pytest.mark.parametrize(("length", "width", "said"), [(1, 0, "beam must be .* not 0"), (-1, 1, "length must be .*-1")])
def test_a_beam_or_length_out_of_range_is_named(trigram, length, width, said):
    with pytest.raises(UsageError, match=said):
        generation.beam_search(trigram, NOTHING, length, width)


# ── Settings ──────────────────────────────────────────────────────────────────────────────────────


def test_the_same_seed_gives_the_same_tokens(trigram):
    one, same, other = (list(generation.generate(trigram, NOTHING, 50, seed=seed)) for seed in (1, 1, 2))
    assert one == same != other


def test_length_zero_is_nothing(trigram):
    assert list(generation.generate(trigram, NOTHING, 0)) == []


@pytest.mark.parametrize(
    "setting",
    [
        {"temperature": -1}, {"temperature": float("nan")}, {"temperature": float("inf")}, {"top_k": 0},
        {"top_p": 0}, {"top_p": 1.5}, {"top_p": float("nan")}, {"seed": -1},
    ],
)  # fmt: skip
def test_a_setting_out_of_range_is_named_at_once(trigram, setting):
    with pytest.raises(
        UsageError, match=f"{next(iter(setting)).replace('_', '-')} must be .*{next(iter(setting.values()))}"
    ):
        generation.generate(trigram, NOTHING, 1, **setting)


def test_a_prompt_of_another_vocabulary_is_named_at_once(trigram):
    with pytest.raises(UsageError, match="token id 99"):
        generation.generate(trigram, np.array([99]), 1)


# ── Text as it comes ──────────────────────────────────────────────────────────────────────────────


def test_a_character_comes_whole():
    made = tokenizers.train("byte", "")
    assert list(generation.stream(made.encode("é😀a").tolist(), made.decode)) == ["é", "😀", "a"]


@given(ids=st.lists(st.integers(0, 255) | st.sampled_from([0xF0, 0x9F, 0x98, 0x80, 0xED, 0xA0, 0xC3, 0xA9])))
@settings(max_examples=500)
def test_pieces_of_any_bytes_join_to_their_text(ids):
    made = tokenizers.train("byte", "")
    assert "".join(generation.stream(ids, made.decode)) == made.decode(ids)


@given(ids=st.lists(st.sampled_from([0xF0, 0x9F, 0x80, 0xFF]), min_size=20))
def test_bytes_that_are_no_text_are_not_held_back_for_ever(ids):
    """While nothing comes, at most the last few tokens are waited for."""
    made = tokenizers.train("byte", "")
    read = 0

    def tokens():
        nonlocal read
        for id_ in ids:
            read += 1
            yield id_

    first = next(iter(generation.stream(tokens(), made.decode)))
    assert first
    assert read <= 8


@pytest.mark.parametrize("text", ["the cat sat\non the mat\n", " the cat sat \n on the mat \n"])
def test_words_of_a_split_corpus_keep_their_spaces(text):
    made = tokenizers.train("split", text)
    ids = made.encode(text).tolist()
    for cut in range(len(ids) + 1):
        before = made.decode(ids[:cut])
        assert before + "".join(generation.stream(ids[cut:], made.decode, ids[:cut])) == text
