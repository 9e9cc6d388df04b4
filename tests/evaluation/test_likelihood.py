"""Likelihoods of texts and of what follows a beginning."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmzoo.data import tokenizers
from lmzoo.errors import ScoreError
from lmzoo.evaluation.likelihood import greedy, likelihoods
from lmzoo.evaluation.text_model import TextModel, first_token
from lmzoo.interface import Data
from lmzoo.models.ngram import Ngram
from lmzoo.models.uniform import Uniform

TEXT = "the cat sat on the mat and the dog sat on the log because the cat did not like the dog\n" * 8
WORDS = tokenizers.train("word:40", TEXT)
CHARS = tokenizers.train("char", TEXT)


def trained(made, order=3):
    ids = made.encode(TEXT)
    return Ngram(order=order).fit(Data.of(ids, ids, made.vocab_size))


def test_a_whole_text_scores_as_the_model_scores_it():
    model = trained(WORDS)
    (found,) = likelihoods(TextModel(model, WORDS), [("", "the cat sat")])
    assert found.log_prob == pytest.approx(model.log_probs(WORDS.encode("the cat sat"))[0].sum())
    assert found.per_token == found.log_prob / 3


@pytest.mark.parametrize("made", [WORDS, CHARS], ids=["words", "characters"])
def test_beginning_and_continuation_add_up_to_the_whole(made):
    model = trained(made)
    whole, first, rest = likelihoods(
        TextModel(model, made), [("", "the cat sat"), ("", "the cat"), ("the cat", " sat")]
    )
    assert first.log_prob + rest.log_prob == pytest.approx(whole.log_prob)
    assert first.tokens + rest.tokens == whole.tokens


@given(st.text(max_size=12), st.text(max_size=12))
def test_no_token_is_lost_or_counted_twice(beginning, continuation):
    uniform = Uniform().fit(Data.of(np.zeros(1, np.int32), np.zeros(1, np.int32), CHARS.vocab_size))
    rest, whole = likelihoods(TextModel(uniform, CHARS), [(beginning, continuation), ("", beginning + continuation)])
    assert rest.tokens == len(CHARS.encode(continuation))
    assert whole.tokens == len(CHARS.encode(beginning + continuation))


def test_a_token_over_the_border_belongs_to_the_continuation():
    assert first_token([3, 7, 11], 5) == 1  # the second ends behind the border
    assert first_token([3, 7, 11], 7) == 2
    assert first_token([], 0) == 0


def test_the_bytes_of_a_character_stay_together():
    # "a", then a character of three bytes, whose piece stands at the last of them
    assert first_token([1, 1, 1, 2], 1) == 1
    assert first_token([0, 0, 1, 2], 0) == 0
    assert first_token([0, 0, 1, 2], 1) == 3


def test_nothing_costs_nothing():
    (found,) = likelihoods(TextModel(trained(WORDS), WORDS), [("the cat", "")])
    assert (found.log_prob, found.tokens, found.per_token) == (0, 0, 0)


def test_a_probability_of_zero_is_an_error_that_names_text_and_token():
    ids = WORDS.encode("the cat sat on the mat")
    model = Ngram(order=2, smoothing="ml").fit(Data.of(ids, ids, WORDS.vocab_size))
    with pytest.raises(ScoreError, match=r"token 1 .* -inf in the text 'the dog'"):
        likelihoods(TextModel(model, WORDS), [("", "the dog")])


# ── Going on greedily ─────────────────────────────────────────────────────────────────────────────


def by_hand(model, made, beginning, continuation, never_first=None):
    """The shares of the tokens of a continuation, all of them asked."""
    read, wanted = made.encode(beginning), made.encode(beginning + continuation)
    shares = []
    for t in range(len(read), len(wanted)):
        scores = model.next_log_probs(model.advance(model.start(), wanted[:t]))
        if t == len(read) and never_first is not None:
            scores = np.where(never_first, -np.inf, scores)
        best = np.flatnonzero(scores == scores.max())
        shares.append(1 / len(best) if wanted[t] in best else 0.0)
    return shares


@pytest.mark.parametrize("made", [WORDS, CHARS], ids=["words", "characters"])
@pytest.mark.parametrize("continuation", [" cat", " cat sat on", " dog", " zebra"])
def test_the_likeliest_tokens_are_those_of_a_loop_over_distributions(made, continuation):
    model = trained(made)
    (found,) = greedy(TextModel(model, made), [("and the", continuation)])
    expected = by_hand(model, made, "and the", continuation)
    assert (found[0] > 0).all() == all(share > 0 for share in expected)
    assert found[0, -1] == expected[-1]
    astray = next((t for t, share in enumerate(expected) if share == 0), len(expected))
    assert found[0, : astray + 1].tolist() == expected[: astray + 1]
    assert (found[0] == found[1]).all()


def test_what_cannot_come_first_leaves_its_place_to_the_next():
    model, never = trained(WORDS), np.zeros(WORDS.vocab_size, dtype=bool)
    after = model.next_log_probs(model.advance(model.start(), WORDS.encode("and the")))
    first, second = np.argsort(-after)[:2]
    never[first] = True
    (found,) = greedy(TextModel(model, WORDS), [("and the", WORDS.decode([second]))], never)
    assert found[:, 0].tolist() == [0, 1]


def test_tokens_that_are_equally_likely_share_the_credit():
    uniform = Uniform().fit(Data.of(np.zeros(1, np.int32), np.zeros(1, np.int32), CHARS.vocab_size))
    (found,) = greedy(TextModel(uniform, CHARS), [("the ", "cat")])
    np.testing.assert_allclose(found, 1 / CHARS.vocab_size)


def test_among_log_probabilities_that_are_nan_none_is_the_likeliest(monkeypatch):
    model = trained(WORDS)
    monkeypatch.setattr(model, "next_log_probs", lambda state: np.full(WORDS.vocab_size, np.nan))
    with pytest.raises(ScoreError, match="NaN before token 0 of the continuation"):
        greedy(TextModel(model, WORDS), [("the", " cat")])
