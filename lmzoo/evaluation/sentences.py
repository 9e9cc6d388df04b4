"""Bits of single sentences, token by token: which of two does a model think likelier, and where do they part?

    score(text_model, ["the cat sat", "the cat sats"])      a SentenceBits each

Each sentence is a text of its own: read from the start state, as in the zero-shot tasks, or after a text that is not
scored itself. A masked model gives pseudo-log-likelihoods (see `blanks`), comparable with each other only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lmzoo.errors import ScoreError, UsageError
from lmzoo.evaluation import blanks
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Floats, LanguageModel


@dataclass(frozen=True)
class SentenceBits:
    """A sentence cut into tokens, with the surprisal of each in bits; infinite where its probability is zero."""

    text: str  # as it was given
    tokens: tuple[str, ...]  # T of them, by name
    token_bits: Floats = field(repr=False, compare=False)  # (T,) -log2 P(token | those before it)
    unknown: tuple[str, ...] = ()  # its words that are no token: spelled in bytes, or read as <unk>

    @property
    def bits(self) -> float:
        """-log2 P(sentence)."""
        return float(self.token_bits.sum())

    @property
    def per_token(self) -> float:
        """Bits per token; 0 of an empty sentence."""
        return self.bits / len(self.tokens) if self.tokens else 0.0


def score(text_model: TextModel, sentences: Sequence[str], after: str = "") -> list[SentenceBits]:
    """The bits of each of `sentences` behind `after`, which is read and not scored ("": the start state).

    Raises UsageError for a model that gives a text no probability and fills no blanks, or for a sentence without
    tokens; TokenizerError for one that cannot be encoded; ScoreError for a log-probability that is NaN.
    """
    tokenizer = text_model.tokenizer
    beginning, texts = tokenizer.normalize(after), []
    for sentence in sentences:
        ids, first = text_model.encode_continuation(beginning, tokenizer.normalize(sentence, after))
        if first == len(ids):
            raise UsageError(f"the sentence {sentence[:40]!r} has no tokens to score")
        texts.append((ids, first))
    if blanks.is_pseudo(text_model):
        log_probs = [blanks.pseudo_log_probs(text_model, ids, first) for ids, first in texts]
    else:
        able = text_model.require(LanguageModel, "it cannot score one")
        log_probs = able.log_probs_many([ids for ids, _ in texts], [first for _, first in texts])
    scored = []
    for sentence, (ids, first), nats in zip(sentences, texts, log_probs, strict=True):
        if np.isnan(nats).any():
            raise ScoreError(f"{text_model.name} gives a log-probability of NaN in the sentence {sentence[:40]!r}")
        names = tuple(tokenizer.token(token) for token in ids[first:].tolist())
        unknown, _ = tokenizer.unknown_words(after[-1:] + sentence)  # a space before a word may belong to it
        scored.append(SentenceBits(sentence, names, np.asarray(nats, np.float64) / -np.log(2), tuple(unknown)))
    return scored
