"""Models broken on purpose: each is caught by the check that names its fault, in words that teach."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest

from lmzoo import testing
from lmzoo.interface import Encoder, LanguageModel, check_ids


@dataclass
class Bigram(LanguageModel):
    """Add-one bigrams: small, right, and easy to break."""

    name: ClassVar[str] = "bigram"
    add: float = 1.0  # what every count starts from
    reach: ClassVar[int] = 1

    def fit(self, data, run=None):
        self.vocab_size_ = data.vocab_size
        self.counts_ = np.full((data.vocab_size, data.vocab_size), self.add)
        np.add.at(self.counts_, (data.train[:-1], data.train[1:]), 1)
        return self

    def start(self):
        return self.vocab_size_ - 1

    def advance(self, state, tokens):
        return int(tokens[-1]) if len(tokens) else state

    def next_log_probs(self, state):
        return np.log(self.counts_[state] / self.counts_[state].sum())


def failures(make):
    return {check.name: check.message for check in testing.check_model(make) if not check.passed}


def test_the_model_that_is_broken_below_is_right():
    assert failures(Bigram) == {}


class Peeks(Bigram):
    """No mask: a token's score looks at the token after it."""

    def log_probs(self, tokens, state=None):
        scores, state = super().log_probs(tokens, state)
        scores[:-1] -= 0.1 * np.asarray(tokens)[1:]
        return scores, state


class Unnormalised(Bigram):
    """A back-off that gives the unseen more than was taken from the seen."""

    def next_log_probs(self, state):
        return np.log(np.where(self.counts_[state] > self.add, super().next_log_probs(state), -2) ** 2)


class OffByOne(Bigram):
    """Scores each token with the state after it."""

    def log_probs(self, tokens, state=None):
        ids = check_ids(tokens, self.vocab_size_)
        return np.array([self.next_log_probs(int(t))[t] for t in ids]), self.advance(self.start(), ids)


class Stale(Bigram):
    """Forgets the state it is given: every piece of a text starts afresh."""

    def log_probs(self, tokens, state=None):
        return super().log_probs(tokens, None)


class SharedCache(Bigram):
    """Keeps what it has read in a list that `advance` changes in place."""

    def start(self):
        return [self.vocab_size_ - 1]

    def advance(self, state, tokens):
        state.extend(int(t) for t in tokens)
        return state

    def next_log_probs(self, state):
        return super().next_log_probs(state[-1])


class Zero(Bigram):
    """Maximum likelihood: what was not seen is impossible."""

    def fit(self, data, run=None):
        super().fit(data)
        self.counts_ -= self.add
        return self

    def next_log_probs(self, state):
        with np.errstate(divide="ignore", invalid="ignore"):
            return super().next_log_probs(state)


class WrongShape(Bigram):
    """Forgets that `end` is a token too."""

    def next_log_probs(self, state):
        return super().next_log_probs(state)[:-1]


class ShortReach(Bigram):
    """Says it sees nothing of the past, and does."""

    reach: ClassVar[int] = 0


class Unrepeatable(Bigram):
    """Ignores the seed."""

    def fit(self, data, run=None):
        super().fit(data)
        self.counts_ += np.random.default_rng().random(self.counts_.shape)
        return self


class Forgetful(Bigram):
    """Learns something that `arrays` does not hold."""

    def arrays(self):
        return {**super().arrays(), "counts": np.round(self.counts_ / 10) + 1}


@dataclass
class Impatient(Bigram):
    """Learns in the constructor."""

    def __post_init__(self):
        self.table = np.zeros(1000)


class Careless(Bigram):
    """Takes any id that its table happens to take: -1 is the last row."""

    def log_probs(self, tokens, state=None):
        ids = np.asarray(tokens, dtype=np.int64)
        before = np.concatenate([[self.start() if state is None else state], ids])[:-1]
        rows = np.log(self.counts_ / self.counts_.sum(axis=1, keepdims=True))
        return rows[before, np.minimum(ids, self.vocab_size_ - 1)], self.advance(before, ids)

    def advance(self, state, tokens):
        return int(tokens[-1]) if len(tokens) else (state if np.ndim(state) == 0 else self.start())


class Backwards(Bigram):
    """Predicts what is unlikely."""

    def next_log_probs(self, state):
        odds = 1 / self.counts_[state]
        return np.log(odds / odds.sum())


class Leaky(Bigram):
    """Texts scored together share one state."""

    def log_probs_many(self, texts, first=None):
        joined, _ = self.log_probs(np.concatenate(texts))
        return np.split(joined, np.cumsum([len(text) for text in texts])[:-1])


class Summary(Bigram, Encoder):
    """Features of the text, not of its tokens."""

    def features(self, tokens, layer=-1):
        return self.counts_[np.asarray(tokens)].sum(axis=0)


class Foresight(Bigram, Encoder):
    """Features of each token and the one that follows it."""

    def features(self, tokens, layer=-1):
        return np.stack([tokens, np.append(tokens[1:], -1)], axis=1)


class LeakyFeatures(Bigram, Encoder):
    """The features of a text among others begin where those of the text before it ended."""

    def features(self, tokens, layer=-1):
        return np.cumsum(tokens)[:, None]

    def features_many(self, texts, layers=(-1,)):
        joined = self.features(np.concatenate(texts))
        parts = np.split(joined, np.cumsum([len(text) for text in texts])[:-1])
        return [[part for _ in layers] for part in parts]


class Spoils(Bigram):
    """Changes the ids it was given."""

    def fit(self, data, run=None):
        super().fit(data)
        data.train[0] = 1 - data.train[0]
        return self


@dataclass
class Unsavable(Bigram):
    """A setting that JSON does not give back."""

    sizes: tuple[int, ...] = field(default=(1, 2))

    def config(self):
        return {**super().config(), "sizes": self.sizes}


@pytest.mark.parametrize(
    ("broken", "check", "teaches"),
    [
        (Peeks, "future_never_matters", "causal mask"),
        (Unnormalised, "sums_to_one", "back-off weight"),
        (OffByOne, "scoring_equals_stepping", "off-by-one"),
        (Stale, "cut_anywhere", "cut after"),
        (SharedCache, "states_are_values", "advance must return a new state"),
        (Zero, "sums_to_one", "smooth towards a shorter context"),
        (WrongShape, "sums_to_one", "one a token"),
        (ShortReach, "reach_is_true", "an older token matters"),
        (Unrepeatable, "same_seed", "same seed"),
        (Forgetful, "saves_and_loads", "once loaded"),
        (Impatient, "constructor_only_stores", "learn in fit"),
        (Careless, "bad_id_is_named", "check_ids"),
        (Backwards, "beats_uniform", "knowing nothing"),
        (Leaky, "many_texts", "padding"),
        (Summary, "features_are_rows", "not (50, D)"),
        (Foresight, "features_see_no_future", "cannot have known"),
        (LeakyFeatures, "many_features", "padding"),
        (Spoils, "fit", "changed the training ids"),
        (Unsavable, "config_round_trips", "JSON"),
    ],
)
def test_a_broken_model_is_caught_by_name(broken, check, teaches):
    assert teaches in failures(broken).get(check, f"{check} passed")


def test_an_exception_in_a_check_is_a_finding_not_a_crash():
    class Raises(Bigram):
        def advance(self, state, tokens):
            raise ZeroDivisionError("homework")

    assert "ZeroDivisionError: homework" in failures(Raises)["cut_anywhere"]


def test_a_model_that_cannot_be_fitted_gets_no_further():
    class Unfit(Bigram):
        def fit(self, data, run=None):
            raise ValueError("not today")

    results = testing.check_model(Unfit)
    assert results[-1].name == "fit"
    assert "not today" in results[-1].message
