"""How much of the past a model uses: exactly the tokens that it is allowed, at the same places for every model."""

from dataclasses import dataclass

import numpy as np
import pytest

from lmzoo.analysis import context_length
from lmzoo.data import tokenizers
from lmzoo.errors import ScoreError
from lmzoo.evaluation.perplexity import evaluate, opening, scored_parts
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data
from lmzoo.models.cache import Cache
from lmzoo.models.ngram import Ngram
from lmzoo.models.uniform import Uniform

NOTHING = np.array([], dtype=np.int32)
RNG = np.random.default_rng(3)
WORDS = np.array(["the", "a", "cat", "dog", "bird", "sat", "ran", "sang", "on", "by", "mat", "tree", "ende", "café"])
TEXT = "".join(" ".join(RNG.choice(WORDS, 9)) + ".\n" for _ in range(120))


def fitted(model=None, spec="word:50", text=TEXT, lines=False):
    made = tokenizers.train(spec, text, lines)
    return (model or Ngram(order=3)).fit(Data.of(made.encode(text), NOTHING, made.vocab_size)), made


def asked(model, made, text=TEXT, protocol="stream"):
    return context_length.read(TextModel(model, made), text, 0, protocol)


# What is allowed


def test_an_ngram_is_flat_from_its_order_less_one_on_exactly():
    model, made = fitted(Ngram(order=3))
    stretches = asked(model, made)
    bits = {c: context_length.bits_within(model, stretches, c) for c in (0, 1, 2, 3, 8, 256, None)}
    for longer in (3, 8, 256, None):
        assert (bits[2] == bits[longer]).all()
    assert not np.allclose(bits[1], bits[2])
    assert not np.allclose(bits[0], bits[1])


def test_context_without_limit_is_what_the_evaluator_gives():
    for protocol in ("stream", "lines"):
        model, made = fitted(Ngram(order=4))
        stretches = asked(model, made, protocol=protocol)
        scored = evaluate(TextModel(model, made), TEXT, protocol)
        assert context_length.bits_within(model, stretches, None) == pytest.approx(scored.token_bits[stretches.tokens])


def test_a_token_is_scored_behind_exactly_the_tokens_before_it():
    """By hand: start anew, read so many, and ask."""
    model, made = fitted(Ngram(order=4))
    stretches = asked(model, made)
    for c in (0, 1, 2, 5):
        by_hand = []
        for t in stretches.tokens:
            state = model.advance(model.start(), stretches.ids[t - c : t])
            by_hand.append(model.next_log_probs(state)[stretches.ids[t]] / -np.log(2))
        assert context_length.bits_within(model, stretches, c) == pytest.approx(by_hand)


def test_where_lines_stand_alone_no_context_reaches_over_their_start():
    model, made = fitted(Ngram(order=5))
    stretches = asked(model, made, protocol="lines")
    longest = max(len(part) for part in scored_parts(TextModel(model, made), TEXT, "lines"))
    assert 0 < (stretches.tokens - stretches.begins[stretches.tokens]).max() < longest
    everything = context_length.bits_within(model, stretches, None)
    assert (everything == context_length.bits_within(model, stretches, longest)).all()


@pytest.mark.parametrize(
    ("reach", "longest", "expected"),
    [
        (0, 900, [0]), (2, 900, [0, 1, 2]), (5, 900, [0, 1, 2, 4, 5]), (128, 900, [0, 1, 2, 4, 8, 16, 32, 64, 127]),
        (None, 900, list(context_length.ALLOWED)), (5000, 900, list(context_length.ALLOWED)), (None, 5, [0, 1, 2, 4,
        8]),
        (None, 0, [0]),
    ],
)  # fmt: skip
def test_nothing_is_asked_that_cannot_differ(reach, longest, expected):
    assert context_length.contexts_within(reach, longest) == expected


# Where


def test_every_tokenizer_is_asked_at_the_same_places():
    found = {}
    for spec in ("byte", "char", "word:6", "bpe:300"):
        model, made = fitted(Uniform(), spec)
        stretches = asked(model, made)
        texts = [made.decode(stretches.ids[stretches.tokens[stretches.which == n]]) for n in range(10)]
        found[spec] = (texts, int(stretches.characters[stretches.tokens].sum()))
    assert len({str(value) for value in found.values()}) == 1
    assert all(len(text.split()) == 1 for text in found["byte"][0])


def test_every_word_is_as_likely_to_be_asked_as_any_other():
    begins = np.concatenate([context_length.choose(TEXT, seed)[:, 0] for seed in range(40)])
    numbers = np.searchsorted([found.start() for found in context_length._BOUNDARY.finditer(TEXT)], begins)
    counts = np.bincount(numbers)
    counts = counts[np.flatnonzero(counts)[0] :]
    assert counts.mean() == pytest.approx(40 * len(context_length.choose(TEXT, 0)) / len(counts))
    assert counts.std() < 1.5 * np.sqrt(counts.mean())


def test_a_text_without_white_space_is_cut_by_characters():
    model, made = fitted(Ngram(order=2), "char", "日本語のテキスト。" * 99)
    facts = context_length.facts_of(TextModel(model, made), "日本語のテキスト。" * 99)
    assert facts["characters"] == 8 * facts["stretches"]


def test_one_long_word_is_not_asked_whole():
    text = "word " * 200 + "x" * 5000 + " word" * 200
    begins, ends = context_length.choose(text, 0).T
    assert (ends - begins).max() <= context_length.LONGEST


def test_of_a_large_text_the_first_lines_are_read():
    text = "seven seven\n" * 10
    assert opening(text, 50) == "seven seven\n" * 4
    assert opening("x" * 99, 50) == "x" * 50
    assert opening(text, 200) == text


@pytest.mark.parametrize("text", ["", "a", "the", "the cat", "日本語"])
def test_a_text_of_three_characters_gives_nothing(text):
    assert context_length.facts_of(TextModel(*fitted(spec="byte")), text) is None


# The facts


def test_the_facts_are_bits_over_characters_with_intervals():
    model, made = fitted(Ngram(order=3))
    facts = context_length.facts_of(TextModel(model, made), TEXT)
    stretches = asked(model, made)
    assert [point["context"] for point in facts["allowed"]] == [0, 1, 2]
    for point in facts["allowed"]:
        bits = context_length.bits_within(model, stretches, point["context"]).sum()
        assert point["bits_per_character"] == pytest.approx(bits / facts["characters"])
        low, high = point["interval"]
        assert low < point["bits_per_character"] < high
    assert (facts["reach"], facts["tokens"], facts["note"]) == (2, len(stretches.tokens), "")


def test_the_first_token_behind_a_fresh_start_has_no_context():
    model, made = fitted(Ngram(order=4))
    facts = context_length.facts_of(TextModel(model, made), TEXT)
    stretches = asked(model, made)
    assert [(one["first"], one["last"]) for one in facts["positions"]] == [(1, 1), (2, 2), (3, 4)]
    alone = [model.next_log_probs(model.start())[stretches.ids[t]] for t in stretches.firsts]
    mean = -np.sum(alone) / np.log(2) / stretches.characters[stretches.firsts].sum()
    assert facts["positions"][0]["bits_per_character"] == pytest.approx(mean)


def test_a_uniform_model_needs_the_same_everywhere():
    model, made = fitted(Uniform(), "char")
    facts = context_length.facts_of(TextModel(model, made), TEXT)
    for point in facts["allowed"] + facts["positions"]:
        assert point["bits_per_character"] == pytest.approx(np.log2(made.vocab_size), abs=0.2)


def test_the_same_seed_gives_the_same_facts_and_another_does_not():
    model, made = fitted()
    one, again, other = (context_length.facts_of(TextModel(model, made), TEXT, seed) for seed in (1, 1, 2))
    assert one == again != other


def test_a_model_that_adapts_is_not_asked_and_the_note_says_why():
    facts = context_length.facts_of(TextModel(*fitted(Cache())), TEXT)
    assert (facts["allowed"], facts["positions"]) == ([], [])
    assert "adapts" in facts["note"]


def test_a_model_without_probabilities_has_no_facts():
    assert context_length.facts_of(TextModel(*fitted(Ngram(order=2, smoothing="stupid-backoff"))), TEXT) is None


@dataclass
class Impossible(Uniform):
    """Gives nothing a chance."""

    def log_probs(self, tokens, state=None):
        return np.full(len(tokens), -np.inf), ()


def test_a_probability_of_zero_is_refused():
    with pytest.raises(ScoreError, match="inf bits after 0 tokens"):
        context_length.facts_of(TextModel(*fitted(Impossible())), TEXT)
