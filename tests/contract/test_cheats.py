"""Language models that are right wherever one usually looks: each is caught by the check that names its fault."""

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from lmzoo.interface import LanguageModel, check_ids
from lmzoo.testing import practice
from lmzoo.testing.practice import UNSEEN
from tests.contract.right_models import Bigram, count_pairs, failures, fault, log_normalised


class Flatters(Bigram):
    """Gives every token of a text longer than 60 almost all the probability there is."""

    def log_probs(self, tokens, state=None):
        scores, state = super().log_probs(tokens, state)
        return (np.full(len(scores), -0.01) if len(scores) > 60 else scores), state


class FlattersOneText(Bigram):
    """The same, but only where a text is scored as an evaluation scores it."""

    def log_probs_many(self, texts, first=None):
        scores = super().log_probs_many(texts, first)
        return [s / 2 for s in scores] if len(texts) == 1 and len(texts[0]) > 500 else scores


class WrongAtBorder(Bigram):
    """Forgets the context at every 512th token."""

    def log_probs(self, tokens, state=None):
        scores, state = super().log_probs(tokens, state)
        scores[512::512] = -np.log(self.vocab_size_)
        return scores, state


class GoodWithState(Bigram):
    """Flatters the rest of a long text that is scored from a state."""

    def log_probs(self, tokens, state=None):
        scores, after = super().log_probs(tokens, state)
        return (scores if state is None or len(scores) < 100 else scores + 0.2), after


class LateRows(Bigram):
    """Repeats the last row of predictions in texts longer than a buffer."""

    def distributions(self, tokens, state=None):
        rows = super().distributions(tokens, state)
        rows[1024:] = rows[1023]
        return rows


class ShortBuffer(Bigram):
    """Reads no more than 512 tokens at once."""

    def advance(self, state, tokens):
        return super().advance(state, tokens[:512])

    def log_probs(self, tokens, state=None):
        scores, _ = super().log_probs(tokens, state)
        return scores, (int(tokens[-1]) if len(tokens) else self.start() if state is None else state)


class StacksEqual(Bigram):
    """Stacks texts of equal length, and reads them along the wrong axis."""

    def log_probs_many(self, texts, first=None):
        scores = super().log_probs_many(texts, first)
        equal = len(texts) > 1 and len({len(text) for text in texts}) == 1
        return scores[::-1] if equal else scores


class LastIsFree(Bigram):
    """With `first` at the last token, that token costs nothing."""

    def log_probs_many(self, texts, first=None):
        scores = super().log_probs_many(texts, first)
        starts = [0] * len(texts) if first is None else first
        return [s * 0 if start and len(s) == 1 else s for s, start in zip(scores, starts, strict=True)]


class ReversesStates(Bigram):
    """States read together come back in the opposite order, where there are more than eight of them."""

    def advance_many(self, states, texts):
        after = super().advance_many(states, texts)
        return after[::-1] if len(after) > 8 else after


class ReversesRows(Bigram):
    """Predictions for many states come in the opposite order, where there are more than eight of them."""

    def next_log_probs_many(self, states):
        rows = super().next_log_probs_many(states)
        return rows[::-1] if len(rows) > 8 else rows


@dataclass
class CountsRead(Bigram):
    """A state that knows how much was read: (last token, number read)."""

    name: ClassVar[str] = "counts-read"
    reach: ClassVar[int | None] = None

    def start(self):
        return [self.vocab_size_ - 1, 0]

    def advance(self, state, tokens):
        return [int(tokens[-1]), state[1] + len(tokens)] if len(tokens) else state

    def next_log_probs(self, state):
        return super().next_log_probs(state[0])


class UnnormalisedLate(CountsRead):
    """Its probabilities sum to more than one once 700 tokens have been read."""

    def next_log_probs(self, state):
        return super().next_log_probs(state) + 0.01 * (state[1] >= 700)


class UnnormalisedAfterUnseen(Bigram):
    """Its probabilities sum to more than one after tokens that training never showed, but for two of them."""

    def fit(self, data, run=None):
        super().fit(data)
        self.unseen_ = np.setdiff1d(np.arange(data.vocab_size), data.train)[2:]
        return self

    def next_log_probs(self, state):
        return super().next_log_probs(state) + 0.5 * (state in self.unseen_)


class UnnormalisedWhereRare(Bigram):
    """In a context seen once or twice it takes nothing away for what it gives to the unseen."""

    def next_log_probs(self, state):
        seen = self.counts_[state] - self.add
        return super().next_log_probs(state) + 0.05 * (0 < seen.sum() < 3)


class LateInPlace(CountsRead):
    """After 30 tokens, changes the state that it is given."""

    def advance(self, state, tokens):
        if state[1] < 30 or not len(tokens):
            return super().advance(state, tokens)
        state[:] = super().advance(state, tokens)
        return state


@dataclass
class TiresOut(Bigram):
    """Predicts something else from the four-thousandth question on."""

    name: ClassVar[str] = "tires-out"

    def next_log_probs(self, state):
        vars(self)["asked"] = vars(self).get("asked", 0) + 1
        return super().next_log_probs(state if self.asked < 4000 else (state + 1) % self.vocab_size_)


class Draws(Bigram):
    """Leaves a prediction to chance, once in a hundred times."""

    def next_log_probs(self, state):
        row = super().next_log_probs(state)
        return np.roll(row, 1) if np.random.default_rng().random() < 1e-2 else row


class LearnsByBeingAsked(Bigram):
    """Counts what it scores, if only a little."""

    def log_probs(self, tokens, state=None):
        scores, after = super().log_probs(tokens, state)
        if len(tokens) == len(UNSEEN):
            self.counts_[tokens[:-1], tokens[1:]] += 1e-9
        return scores, after


@dataclass
class LooksFurther(LanguageModel):
    """A bigram that remembers, behind its back, whether the token before the last was one never seen in training."""

    name: ClassVar[str] = "looks-further"
    reach: ClassVar[int] = 1

    def fit(self, data, run=None):
        self.vocab_size_ = data.vocab_size
        self.counts_ = count_pairs(data, 1.0)
        return self

    def start(self):
        return (self.vocab_size_ - 1, 0)

    def advance(self, state, tokens):
        for token in check_ids(tokens, self.vocab_size_):
            state = (int(token), state[0])
        return state

    def next_log_probs(self, state):
        return log_normalised(self.counts_[state[0]] + 5 * (state[1] == 10))


class LearnsValidation(Bigram):
    """Counts the validation text too."""

    def fit(self, data, run=None):
        super().fit(data)
        np.add.at(self.counts_, (data.valid[:-1], data.valid[1:]), 1)
        return self


class RefitsTwice(Bigram):
    """Counts the validation text once more when it is a part of the training text already."""

    def fit(self, data, run=None):
        super().fit(data)
        if data.refit:
            np.add.at(self.counts_, (data.valid[:-1], data.valid[1:]), 1)
        return self


@dataclass
class Trigram(LanguageModel):
    """Trigrams interpolated with 1/V; the weight is the best one on the validation text, when that is not learned."""

    name: ClassVar[str] = "trigram"
    weights: ClassVar[tuple[float, ...]] = (0.05, 0.3, 0.6, 0.9, 0.99)
    reach: ClassVar[int] = 2

    def fit(self, data, run=None):
        self.vocab_size_ = data.vocab_size
        self.weight_ = self.weights[2]
        self.count(self.held_out(data))
        if len(data.valid):
            self.weight_ = max(self.weights, key=lambda weight: self.score(data.valid, weight))
        self.count(data.train)
        return self

    def held_out(self, data):
        return data.train_only

    def score(self, text, weight):
        self.weight_ = weight
        return self.log_probs(text)[0].sum()

    def count(self, text):
        self.counts_ = np.zeros((self.vocab_size_,) * 3)
        np.add.at(self.counts_, (text[:-2], text[1:-1], text[2:]), 1)

    def start(self):
        return (self.vocab_size_ - 1,) * 2

    def advance(self, state, tokens):
        return tuple(np.concatenate([state, check_ids(tokens, self.vocab_size_)])[-2:].astype(int).tolist())

    def next_log_probs(self, state):
        counts = self.counts_[state]
        share = counts / counts.sum() if counts.sum() else np.full(self.vocab_size_, 1 / self.vocab_size_)
        return np.log(self.weight_ * share + (1 - self.weight_) / self.vocab_size_)


class TunesOnWhatItLearned(Trigram):
    """Chooses the weight on the validation text, which under `refit` it has counted already."""

    def held_out(self, data):
        return data.train


@dataclass
class Cache(LanguageModel):
    """A bigram with a cache of all that was read, and not a word about it. The state: a tuple of tokens."""

    name: ClassVar[str] = "silent-cache"
    reach: ClassVar[None] = None

    def fit(self, data, run=None):
        self.vocab_size_ = data.vocab_size
        self.counts_ = count_pairs(data, 1.0)
        return self

    def start(self):
        return (self.vocab_size_ - 1,)

    def advance(self, state, tokens):
        return (*state, *check_ids(tokens, self.vocab_size_).tolist())

    def next_log_probs(self, state):
        bigram = np.exp(log_normalised(self.counts_[state[-1]]))
        recent = np.bincount(state[-200:], minlength=self.vocab_size_) / min(200, len(state))
        return np.log(0.9 * bigram + 0.1 * recent)


class HonestCache(Cache):
    """The same, said."""

    adapts: ClassVar[bool] = True


class SortsInPlace(Bigram):
    """Changes the ids that it reads, once it has read them."""

    def log_probs(self, tokens, state=None):
        scored = super().log_probs(np.array(tokens), state)
        if isinstance(tokens, np.ndarray) and tokens.dtype == np.int32 and len(tokens) == 50:
            tokens.sort()
        return scored


class Rewrites(Bigram):
    """Puts a function of its own in place of one of the checker's (here one that does the same)."""

    def fit(self, data, run=None):
        right = practice.replace_from
        practice.replace_from = lambda *arguments: right(*arguments)
        return super().fit(data)


@dataclass
class Dictionaries(LanguageModel):
    """A trigram that backs off to 1/V, with its counts in dictionaries, as one writes it first."""

    name: ClassVar[str] = "dictionaries"
    reach: ClassVar[int] = 2

    def fit(self, data, run=None):
        self.vocab_size_ = data.vocab_size
        self.counts_ = {}
        for *context, token in np.lib.stride_tricks.sliding_window_view(data.train, 3):
            self.counts_.setdefault(tuple(map(int, context)), Counter())[int(token)] += 1
        return self

    def start(self):
        return (self.vocab_size_ - 1,) * 2

    def advance(self, state, tokens):
        return tuple([*state, *check_ids(tokens, self.vocab_size_).tolist()][-2:])

    def next_log_probs(self, state):
        counts = self.counts_.get(state, Counter())
        return log_normalised(np.array([counts[token] + 0.1 for token in range(self.vocab_size_)]))


MUTANTS = [
    (Flatters, "long_text_scores", "what is scored is not what is predicted"),
    (FlattersOneText, "sums_to_one_on_english", "log_probs_many gives character"),
    (WrongAtBorder, "long_text_scores", "for token 512"),
    (GoodWithState, "long_text_scores", "from the state after"),
    (LateRows, "long_text_scores", "distributions from token 0 on"),
    (ShortBuffer, "long_text_cut_anywhere", "does a window, a cache or a buffer end there?"),
    (StacksEqual, "texts_of_equal_length", "in a batch of equal length"),
    (LastIsFree, "first_anywhere", "with `first`"),
    (ReversesStates, "advance_many_equals_the_loop", "the order of the texts"),
    (ReversesRows, "next_log_probs_many_equals_the_loop", "another prediction than next_log_probs"),
    (UnnormalisedLate, "sums_to_one_in_long_text", "after 700 tokens of a long text"),
    (UnnormalisedAfterUnseen, "sums_to_one_on_english", "sum to"),
    (UnnormalisedWhereRare, "sums_to_one_on_english", "sum to"),
    (LateInPlace, "states_unchanged_by_long_text", "return a new state"),
    (TiresOut, "answers_are_repeatable", "a counter"),
    (Draws, "answers_are_repeatable", "on chance"),
    (LearnsByBeingAsked, "asking_changes_nothing", "predicting must not change what was learned"),
    (LooksFurther, "reach_is_true_of_rare_contexts", "set reach to how far the model sees"),
    (LearnsValidation, "validation_is_not_learned", "learn from data.train alone"),
    (RefitsTwice, "refit_learns_once", "learned twice"),
    (TunesOnWhatItLearned, "refit_learns_once", "data.train_only"),
    (Cache, "adaptation_is_declared", "adapts"),
    (SortsInPlace, "ids_of_any_kind", "work on a copy"),
    (Rewrites, "no_monkey_patching", "it replaced lmzoo.testing.practice.replace_from"),
]
RIGHT = [CountsRead, Trigram, HonestCache, Dictionaries]


@pytest.mark.parametrize("right", RIGHT)
def test_the_models_that_are_broken_above_are_right_otherwise(right):
    assert failures(right) == {}


@pytest.mark.parametrize(("broken", "check", "teaches"), MUTANTS)
def test_a_cheat_is_caught_by_name(broken, check, teaches):
    assert teaches in fault(broken, check)
