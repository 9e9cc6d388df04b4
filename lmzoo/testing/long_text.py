"""Checks along a long text, by every path that an evaluation, a compressor or a sampler takes through it.

A text of LONG tokens is read once by the definition, one `next_log_probs` and one `advance` a token (the walk), and
everything else is compared with that.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from lmzoo.interface import Decoder, Floats, Ids, LanguageModel, State
from lmzoo.testing.decoder import different_states, starts
from lmzoo.testing.practice import (
    TOLERANCE,
    Property,
    close,
    differing,
    in_vocabulary,
    long_text,
    practice_text,
    usual_text,
    wrong_distributions,
)

WINDOWS = (64, 128, 256, 512, 1024)  # where networks cut a text, and caches and buffers end
PATIENCE = 1.5  # seconds that a model is asked the same things again and again
ASKED = 60_000  # tokens of which it is then asked at most
SAME = 1e-6  # nats: the same computation, done again
ADAPTED = 0.1  # nats by which a token that was just read may be likelier than one that was not


@dataclass(eq=False)
class Walk:
    """A long text read by the definition."""

    tokens: Ids  # (T,)
    rows: Floats  # (T, V): the prediction before each token
    states: dict[int, State]  # the state before the token at some places, and after the last

    @property
    def scores(self) -> Floats:
        """log P of each token, (T,)."""
        scores: Floats = self.rows[np.arange(len(self.tokens)), self.tokens]
        return scores


class _Same:
    """A model as a key: by identity, as dataclasses have no hash."""

    def __init__(self, model: Any):
        self.model = model

    def __hash__(self) -> int:
        return id(self.model)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.model is self.model


def walk(model: Decoder) -> Walk:
    """The walk of a model through its long text: taken once."""
    return _walk(_Same(model))


@lru_cache(maxsize=1)
def _walk(same: _Same) -> Walk:
    model = same.model
    tokens, state, states = long_text(model), starts(model)[0], {}
    reach = getattr(model, "reach", None) or 30
    borders = {place for border in (*WINDOWS, reach) for place in (border - 1, border, border + 1)}
    rows = np.empty((len(tokens), model.vocab_size_))
    for t in range(len(tokens)):
        if t in borders | {0}:
            states[t] = state
        rows[t] = model.next_log_probs(state)
        state = model.advance(state, tokens[t : t + 1])
    return Walk(tokens, rows, states | {len(tokens): state})


# ── Of any decoder ──


def sums_to_one_in_long_text(model: Decoder) -> str:
    """The probabilities sum to one in every context of a long text: common, rare, repeated and unseen ones."""
    taken = walk(model)
    wrong = wrong_distributions(taken.rows, taken.rows.shape, "next_log_probs")
    if not wrong:
        return ""
    sums = np.exp(taken.rows).sum(axis=1)
    t = int(np.argmin(np.isfinite(taken.rows).all(axis=1) & (np.abs(sums - 1) <= TOLERANCE)))
    last = f" (the last: {taken.tokens[max(0, t - 5) : t].tolist()})" if t else ""
    return f"after {t} tokens of a long text{last}, {wrong}"


def long_text_cut_anywhere(model: Decoder) -> str:
    """A long text ends in the same state whether read at once, token by token, or cut where windows end."""
    taken = walk(model)
    places = sorted(taken.states)
    for start, stop in [
        *((0, place) for place in places),
        *pairwise(places),
        (1, len(taken.rows)),
    ]:
        if start in taken.states:
            state = model.advance(taken.states[start], taken.tokens[start:stop])
            if message := different_states(model, state, taken.states[stop]):
                return (
                    f"advance over tokens {start} to {stop} of a long text is not one advance after another "
                    f"(does a window, a cache or a buffer end there?): {message}"
                )
    state = taken.states[0]
    for start, stop in pairwise(places):
        state = model.advance(state, taken.tokens[start:stop])
        if message := different_states(model, state, taken.states[stop]):
            return (
                f"read in pieces, cut at {places[: places.index(stop)]}, a long text ends in another state: {message}"
            )
    return ""


def states_unchanged_by_long_text(model: Decoder) -> str:
    """A state predicts the same before and after a long text is read from it."""
    taken = walk(model)
    for place, state in taken.states.items():
        if place < len(taken.rows) and not close(model.next_log_probs(state), taken.rows[place]):
            return (
                f"the state after {place} tokens predicts something else once the rest of the text has been read: "
                "advance changed it in place (return a new state, however long the text)"
            )
    return ""


def answers_are_repeatable(model: Decoder) -> str:
    """The same question has the same answer, however often and in whatever order questions are asked."""
    rng, deadline, asked = np.random.default_rng(0), time.monotonic() + PATIENCE, 0
    questions = list(_questions(model))
    answers = [ask() for _, _, ask in questions]
    while asked < ASKED and time.monotonic() < deadline:
        for n in rng.permutation(len(questions)):
            what, tokens, ask = questions[n]
            if not np.allclose(ask(), answers[n], atol=SAME, rtol=0, equal_nan=True):
                return (
                    f"asked again, {what} answered differently (after {asked:,} more tokens): the model depends on "
                    "what it was asked before, or on chance (a cache, a counter, a random draw, dropout)"
                )
            asked += tokens
    return ""


def _questions(model: Decoder) -> Iterator[tuple[str, int, Any]]:
    """(what is asked, of how many tokens, how)."""
    taken = walk(model)
    for place, state in taken.states.items():
        yield f"next_log_probs after {place} tokens", 1, lambda state=state: np.array(model.next_log_probs(state))
    if isinstance(model, LanguageModel):
        for start, stop in ((0, 300), (443, 500), (500, 1300), (700, 760)):
            text = taken.tokens[start:stop]
            yield "log_probs", stop - start, lambda text=text: np.array(model.log_probs(text)[0])
        text = taken.tokens[:100]
        yield "distributions", len(text), lambda: np.array(model.distributions(text))


# ── Of a language model ──


def long_text_scores(model: LanguageModel) -> str:
    """A long text has the same scores at once, from a state, alone and in a batch as token by token."""
    taken = walk(model)
    tokens, backwards = taken.tokens, taken.tokens[::-1].copy()
    places = [place for place in taken.states if place < len(tokens)]
    for what, start, scores in (
        ("log_probs", 0, lambda: model.log_probs(tokens)[0]),
        ("log_probs_many of it alone", 0, lambda: model.log_probs_many([tokens])[0]),
        ("log_probs_many of it and one as long", 0, lambda: model.log_probs_many([backwards, tokens])[1]),
        ("log_probs_many of it among others", 0, lambda: model.log_probs_many([tokens[:600], tokens, tokens[:1]])[1]),
        ("log_probs_many with `first`", 1000, lambda: model.log_probs_many([tokens], [1000])[0]),
        *((f"log_probs from the state after {n} tokens", n, lambda n=n: model.log_probs(tokens[n:], taken.states[n])[0])
          for n in places),
    ):  # fmt: skip
        found, expected = np.asarray(scores()), taken.scores[start:]
        if found.shape != expected.shape:
            return f"in a long text {what} has shape {found.shape}, not {expected.shape}"
        wrong = differing(found, expected)
        if len(wrong):
            t = int(wrong[0])
            return (
                f"in a long text {what} says {found[t]:.5f} nats for token {t + start}, and stepping through it "
                f"{expected[t]:.5f}: what is scored is not what is predicted"
            )
    rows, state = model.distributions_and_state(tokens)
    if message := different_states(model, state, taken.states[len(tokens)]):
        return f"in a long text distributions_and_state ends in another state than advance: {message}"
    for place in (0, *places[-1:]):
        found = model.distributions(tokens[place:], taken.states[place]) if place else rows
        if not close(np.asarray(found), taken.rows[place:]):
            return f"in a long text distributions from token {place} on has other rows than next_log_probs"
    return ""


def reach_is_true_of_rare_contexts(model: LanguageModel) -> str:
    """In rare contexts too, tokens further back than `reach` do not matter."""
    reach = model.reach
    if reach is None:
        return ""
    if not isinstance(reach, int | np.integer) or reach < 0:
        return f"reach is {reach!r}: it must be a number of tokens, 0 or more, or None for no limit"
    rng, text = np.random.default_rng(1), long_text(model)
    length = 300
    pasts = {
        "a usual text": np.resize(usual_text(model), length),
        "one token again and again": np.full(length, text[500]),
        "tokens never seen in training": in_vocabulary(np.resize(np.array([9, 10]), length), model),
        "random tokens": rng.integers(model.vocab_size_, size=length),
        "the text itself": np.resize(text, length),
    }
    text = np.resize(text[300:], reach + 400)
    expected = None
    for what, past in pasts.items():
        rows = np.asarray(model.distributions(text, model.advance(model.start(), past.astype(np.int32))))[reach:]
        expected = rows if expected is None else expected
        if not close(rows, expected):
            return (
                f"reach is {reach}, but tokens before the last {reach} ({what}) changed a prediction: "
                "set reach to how far the model sees, or to None"
            )
    return ""


def adaptation_is_declared(model: LanguageModel) -> str:
    """A model that learns from the text it scores (a cache, dynamic evaluation) declares it: `adapts`."""
    if model.adapts:
        return ""
    between, after = (in_vocabulary(practice_text(20, seed), model) for seed in (7, 8))
    between[-1] = model.vocab_size_ - 1
    for one, other in ((9, 10), (3, 7)):
        likelier = 0.0
        for read, not_read in ((one, other), (other, one)):
            text = np.concatenate([np.full(200, read), between])
            text[20:200:21] = model.vocab_size_ - 1  # in lines
            state = model.advance(model.start(), in_vocabulary(text.astype(np.int32), model))
            row = np.asarray(model.distributions(after, state)).mean(axis=0)
            likelier += float(row[read % model.vocab_size_] - row[not_read % model.vocab_size_]) / 2
        if likelier > ADAPTED:
            return (
                f"after lines of one repeated token that token stayed {likelier:.2f} nats likelier a line later: the "
                "model learns from the text that it is scored on; declare it by `adapts: ClassVar[bool] = True`, so "
                "that its figures are marked as dynamic evaluation"
            )
    return ""


DECODER_CHECKS: tuple[Property, ...] = (
    sums_to_one_in_long_text,
    long_text_cut_anywhere,
    states_unchanged_by_long_text,
    answers_are_repeatable,
)
CHECKS: tuple[Property, ...] = (
    long_text_scores,
    reach_is_true_of_rare_contexts,
    adaptation_is_declared,
)
