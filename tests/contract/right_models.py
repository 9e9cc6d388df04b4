"""One small model for each ability that is right and easy to break: what the mutants derive from."""

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from lmzoo import testing
from lmzoo.interface import (
    Classifier,
    Encoder,
    LanguageModel,
    MaskedModel,
    Model,
    SentenceEncoder,
    TextToText,
    check_ids,
)


@cache
def checks(make):
    """name → check, of the whole contract."""
    return {check.name: check for check in testing.check_model(make)}


def failures(make):
    """name → message of the checks that a model does not pass."""
    return {name: check.message for name, check in checks(make).items() if not check.passed}


def fault(broken, check):
    """What a check says of a broken model, which has as many checks as a right one, whatever fails."""
    assert list(checks(broken)) == testing.check_names(broken)
    return failures(broken).get(check, f"{check} passed")


def log_normalised(counts):
    return np.log(counts / counts.sum(axis=-1, keepdims=True))


def count_pairs(data, add):
    counts = np.full((data.vocab_size, data.vocab_size), add)
    np.add.at(counts, (data.train[:-1], data.train[1:]), 1)
    return counts


@dataclass
class Bigram(LanguageModel):
    """Add-one bigrams."""

    name: ClassVar[str] = "bigram"
    add: float = 1.0  # what every count starts from
    reach: ClassVar[int] = 1

    def fit(self, data, run=None):
        self.vocab_size_ = data.vocab_size
        self.counts_ = count_pairs(data, self.add)
        return self

    def start(self):
        return self.vocab_size_ - 1

    def advance(self, state, tokens):
        return int(tokens[-1]) if len(tokens) else state

    def next_log_probs(self, state):
        return log_normalised(self.counts_[state])


@dataclass
class Copying(TextToText):
    """A bigram mixed with the distribution of the source's tokens. The state: (last token, source's counts)."""

    name: ClassVar[str] = "copying"
    weight: float = 0.5  # of the source

    def fit(self, data, run=None):
        self.vocab_size_ = data.vocab_size
        self.counts_ = count_pairs(data, 1.0)
        return self

    def start_after(self, source):
        source = check_ids(source, self.vocab_size_)
        counts = np.bincount(source, minlength=self.vocab_size_) + 1.0
        return self.vocab_size_ - 1, tuple(counts / counts.sum())

    def advance(self, state, tokens):
        return (int(tokens[-1]), state[1]) if len(tokens) else state

    def next_log_probs(self, state):
        bigram = np.exp(log_normalised(self.counts_[state[0]]))
        return np.log((1 - self.weight) * bigram + self.weight * np.array(state[1]))


@dataclass
class Neighbours(MaskedModel):
    """P(token | left and right neighbour) ∝ count(left, token) · count(token, right); a blank neighbour is skipped."""

    name: ClassVar[str] = "neighbours"
    add: float = 1.0  # what every count starts from

    def fit(self, data, run=None):
        self.vocab_size_ = data.vocab_size
        self.counts_ = count_pairs(data, self.add)
        return self

    def row(self, visible, place):
        """`visible`: ids, with -1 for blanks."""
        scores = np.ones(self.vocab_size_)
        if place > 0 and visible[place - 1] >= 0:
            scores = scores * self.counts_[visible[place - 1]]
        if place + 1 < len(visible) and visible[place + 1] >= 0:
            scores = scores * self.counts_[:, visible[place + 1]]
        return log_normalised(scores)

    def fill_log_probs(self, tokens, blanks):
        tokens = check_ids(tokens, self.vocab_size_)
        visible = np.where(blanks, -1, tokens)
        rows = [self.row(visible, place) for place in np.flatnonzero(blanks)]
        return np.array(rows).reshape(-1, self.vocab_size_)


@dataclass
class Rows(Model, Encoder):
    """A token's vector is the bigram row of that token; in the upper layer, the mean of the rows up to it."""

    name: ClassVar[str] = "rows"
    layer_names: ClassVar[tuple[str, ...]] = ("row", "mean so far")

    def fit(self, data, run=None):
        self.vocab_size_ = data.vocab_size
        self.counts_ = count_pairs(data, 0.0)
        return self

    def features(self, tokens, layer=-1):
        rows = self.counts_[check_ids(tokens, self.vocab_size_)]
        if layer % len(self.layer_names) == 0:
            return rows
        return np.cumsum(rows, axis=0) / np.arange(1, len(rows) + 1)[:, None]

    def untrained(self, seed=0):
        other = type(self)()
        other.vocab_size_ = self.vocab_size_
        other.counts_ = np.random.default_rng(seed).random(self.counts_.shape)
        return other


@dataclass
class BagOfTokens(Model, SentenceEncoder):
    """A text's vector is the mean of its tokens' bigram rows; that of no tokens is zero."""

    name: ClassVar[str] = "bag-of-tokens"

    def fit(self, data, run=None):
        self.vocab_size_ = data.vocab_size
        self.counts_ = count_pairs(data, 0.0)
        return self

    def encode_texts(self, texts):
        ids = [check_ids(text, self.vocab_size_) for text in texts]
        return np.stack([self.counts_[text].sum(axis=0) / max(1, len(text)) for text in ids])


@dataclass
class NaiveBayes(Classifier):
    """P(class | text) ∝ P(class) Π P(token | class), with add-one estimates of each."""

    name: ClassVar[str] = "naive-bayes"

    def fit(self, data, run=None):
        self.vocab_size_ = data.vocab_size
        return self

    def fit_labels(self, examples, valid, run=None):
        classes = len(examples.classes)
        self.log_prior_ = log_normalised(np.bincount(examples.labels, minlength=classes) + 1.0)
        counts = np.ones((classes, self.vocab_size_))
        for (text,), label in zip(examples.texts, examples.labels, strict=True):
            np.add.at(counts[label], text, 1)
        self.log_likelihood_ = log_normalised(counts)
        return self

    def class_log_probs(self, texts):
        scores = [
            self.log_prior_ + self.log_likelihood_[:, check_ids(text, self.vocab_size_)].sum(axis=1)
            for (text,) in texts
        ]
        return np.stack([score - np.logaddexp.reduce(score) for score in scores])


class Probed(Bigram, Encoder):
    """A language model with features: the row of its counts for each token."""

    def features(self, tokens, layer=-1):
        return self.counts_[tokens]


RIGHT = (Bigram, Probed, Copying, Neighbours, Rows, BagOfTokens, NaiveBayes)
