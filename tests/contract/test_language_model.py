"""Language models broken on purpose: each is caught by the check that names its fault, in words that teach."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest

from lmzoo.interface import check_ids
from tests.contract.right_models import Bigram, failures, fault, log_normalised


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
    """Ignores the state that it is given: each piece of a text is scored from the start."""

    def log_probs(self, tokens, state=None):
        return super().log_probs(tokens, None)


class FirstToken(Bigram):
    """Reads only the first of several tokens."""

    def advance(self, state, tokens):
        return int(tokens[0]) if len(tokens) else state

    def log_probs(self, tokens, state=None):
        tokens = check_ids(tokens, self.vocab_size_)
        scores, _ = super().log_probs(tokens, state)
        return scores, self.advance(self.start() if state is None else state, tokens)


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
    """Claims that no earlier token matters, while the last one does."""

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


class Unprepared(Bigram):
    """Answers before it has learned anything."""

    vocab_size_ = 12
    counts_ = np.ones((12, 12))


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


class IgnoresFirst(Bigram):
    """Scores each text from its first token on, whatever `first` says."""

    def log_probs_many(self, texts, first=None):
        return [self.log_probs(text)[0] for text in texts]


class Padded(Bigram):
    """Texts read together are padded with `end`, which the shorter ones then read too."""

    def advance_many(self, states, texts):
        longest = max(len(text) for text in texts)
        padded = [np.append(text, [self.vocab_size_ - 1] * (longest - len(text))) for text in texts]
        return [self.advance(state, text) for state, text in zip(states, padded, strict=True)]


class EqualLengths(Bigram):
    """Takes only texts of one token: what `advance_many` once was."""

    def advance_many(self, states, texts):
        return [int(token) for token in np.concatenate(texts)]


class OneRow(Bigram):
    """Predicts for a batch what follows the first of its states."""

    def next_log_probs_many(self, states):
        return np.stack([self.next_log_probs(states[0])] * len(states))


class DrawsUniformly(Bigram):
    """Draws all tokens equally often."""

    def draw(self, state, u):
        return int(u * self.vocab_size_)


class DrawsByItself(Bigram):
    """Draws with a generator of its own."""

    def draw(self, state, u):
        return super().draw(state, np.random.default_rng().random())


class OneLate(Bigram):
    """Rows of predictions after each token instead of before it."""

    def distributions(self, tokens, state=None):
        return np.stack([self.next_log_probs(int(token)) for token in tokens])


class RowsFromTheStart(Bigram):
    """The first row of predictions ignores the state."""

    def distributions(self, tokens, state=None):
        return super().distributions(tokens)


class StateBefore(Bigram):
    """With the rows of predictions comes the state before the last token."""

    def distributions_and_state(self, tokens, state=None):
        return self.distributions(tokens, state), self.advance(self.start() if state is None else state, tokens[:-1])


class NoScoreShape(Bigram):
    """One score, 0, for no tokens."""

    def log_probs(self, tokens, state=None):
        scores, state = super().log_probs(tokens, state)
        return (scores if len(scores) else np.zeros(1)), state


class HonestWhileShort(Bigram):
    """Gives itself likelier tokens once a text is longer than any that is usually tried."""

    def log_probs(self, tokens, state=None):
        scores, state = super().log_probs(tokens, state)
        scores[300:] *= 0.5
        return scores, state


class Spoils(Bigram):
    """Changes the ids it was given."""

    def fit(self, data, run=None):
        super().fit(data)
        data.train[0] = 1 - data.train[0]
        return self


class ReturnsNothing(Bigram):
    """Forgets to return itself."""

    def fit(self, data, run=None):
        super().fit(data)


@dataclass
class Unsavable(Bigram):
    """A setting that JSON does not give back."""

    sizes: tuple[int, ...] = field(default=(1, 2))

    def config(self):
        return {**super().config(), "sizes": self.sizes}


MUTANTS = [
    (Peeks, "future_never_matters", "causal mask"),
    (Unnormalised, "sums_to_one", "back-off weight"),
    (OffByOne, "scoring_equals_stepping", "off-by-one"),
    (Stale, "scoring_cut_anywhere", "cut after"),
    (FirstToken, "cut_anywhere", "is not advance over the whole"),
    (SharedCache, "states_are_values", "advance must return a new state"),
    (Zero, "sums_to_one", "smooth towards a shorter context"),
    (WrongShape, "sums_to_one", "one log-probability a token"),
    (ShortReach, "reach_is_true", "a token further back matters"),
    (Unrepeatable, "same_seed", "same seed"),
    (Forgetful, "saves_and_loads", "once loaded"),
    (Impatient, "constructor_only_stores", "learn in fit"),
    (Unprepared, "unfitted_says_so", "NotFittedError"),
    (Careless, "bad_id_is_named", "check_ids"),
    (Backwards, "beats_uniform", "knows nothing"),
    (Leaky, "many_texts", "padding"),
    (IgnoresFirst, "first_anywhere", "`first`"),
    (Padded, "advance_many_equals_the_loop", "padding"),
    (EqualLengths, "advance_many_equals_the_loop", "states for"),
    (OneRow, "next_log_probs_many_equals_the_loop", "another prediction"),
    (DrawsUniformly, "draws_what_it_predicts", "next_log_probs says"),
    (DrawsByItself, "draws_what_it_predicts", "two tokens for one state and number"),
    (OneLate, "distributions_equal_the_loop", "from the start on: row 0"),
    (RowsFromTheStart, "distributions_equal_the_loop", "from a state on: row 0"),
    (StateBefore, "distributions_equal_the_loop", "in another state than advance"),
    (NoScoreShape, "empty_text", "not (0,)"),
    (HonestWhileShort, "long_text_scores", "in a long text"),
    (Spoils, "fit", "changed the training ids"),
    (ReturnsNothing, "fit", "return self"),
    (Unsavable, "config_round_trips", "JSON"),
]


def test_the_model_that_is_broken_here_is_right():
    assert failures(Bigram) == {}


@pytest.mark.parametrize(("broken", "check", "teaches"), MUTANTS)
def test_a_broken_model_is_caught_by_name(broken, check, teaches):
    assert teaches in fault(broken, check)


def test_a_faster_path_that_is_right_passes():
    class Fast(Bigram):
        def log_probs(self, tokens, state=None):
            ids = check_ids(tokens, self.vocab_size_)
            before = np.concatenate([[self.start() if state is None else state], ids])
            return log_normalised(self.counts_)[before[:-1], ids], int(before[-1])

        def distributions(self, tokens, state=None):
            ids = check_ids(tokens, self.vocab_size_)
            return log_normalised(self.counts_)[np.concatenate([[self.start() if state is None else state], ids])[:-1]]

    assert failures(Fast) == {}
