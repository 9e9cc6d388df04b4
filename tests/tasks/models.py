"""Small models that are no language models, for tests of what tasks ask of an ability."""

from dataclasses import dataclass

import numpy as np

from lmzoo.interface import Data, Encoder, MaskedModel, Model, SentenceEncoder


@dataclass
class Table(Model, Encoder):
    """A vector for each token, and above it twice the sum of those so far."""

    width: int = 2
    name = "table"
    layer_names = ("low", "high")

    def fit(self, data, run=None):
        self.vocab_size_ = data.vocab_size
        self.table_ = np.random.default_rng(0).normal(size=(data.vocab_size, self.width)).astype(np.float32)
        return self

    def features(self, tokens, layer=-1):
        return self.table_[tokens] if layer in (0, -2) else 2 * np.cumsum(self.table_[tokens], axis=0)


@dataclass
class Sentences(Model, SentenceEncoder):
    """A vector for a text: how often it has each token."""

    name = "sentences"

    def fit(self, data, run=None):
        self.vocab_size_ = data.vocab_size
        return self

    def encode_texts(self, texts):
        return np.array([np.bincount(text, minlength=self.vocab_size_) for text in texts], dtype=np.float32)


@dataclass
class TableAndSentences(Table, SentenceEncoder):
    """Both: vectors of tokens, and of whole texts."""

    name = "both"
    encode_texts = Sentences.encode_texts


@dataclass
class Cloze(Table, MaskedModel):
    """A BERT of one layer: what fills a blank is what was seen between its two neighbours in training."""

    name = "cloze"

    def fit(self, data, run=None):
        super().fit(data, run)
        self.counts_ = np.ones((self.vocab_size_ + 1,) * 3)  # left neighbour, right neighbour, token; V: none
        padded = np.concatenate([[self.vocab_size_], data.train, [self.vocab_size_]])
        np.add.at(self.counts_, (padded[:-2], padded[2:], padded[1:-1]), 100)
        return self

    def fill_log_probs(self, tokens, blanks):
        padded = np.concatenate([[self.vocab_size_], tokens, [self.vocab_size_]])
        at = np.flatnonzero(blanks)
        counts = self.counts_[padded[at], padded[at + 2], : self.vocab_size_]
        return np.log(counts / counts.sum(axis=-1, keepdims=True))


def fitted(model, tokenizer, text=""):
    """`model`, fitted on `text`."""
    return model.fit(Data.of(tokenizer.encode(text), [], tokenizer.vocab_size))
