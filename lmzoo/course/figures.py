"""Figures that several assignments measure: the bits of hidden storyworld documents by the student's own model."""

import random

import numpy as np

from lmzoo.course.checks import Drawn, Figure
from lmzoo.course.remote import Question
from lmzoo.data import tokenizers
from lmzoo.data.grammar import storyworld
from lmzoo.interface import Data
from lmzoo.models.ngram import Ngram


def beside_a_trigram(
    source: random.Random, *, characters: int, hidden: int, spec: str, steps: int, baseline: float, target: float
) -> Drawn:
    """Bits per token of `hidden` characters of documents, measured beside a Kneser-Ney trigram of the same tokens.

    `own_model(tokens, V, steps)` learns from so many `characters`, in tokens of the tokenizer `spec`. There are no
    points for `baseline` times the trigram's bits, and all for `target` times.
    """
    grammar, seed = storyworld(), source.getrandbits(64)
    train = grammar.generate(characters, f"{seed} train")
    tokenizer = tokenizers.train(spec, "".join(train))
    end = tokenizer.end

    def encoded(document: str) -> list[int]:
        return [*tokenizer.encode(document.removesuffix("\n\n")).tolist(), end]  # a blank line is what ends each

    read = [token for document in train for token in encoded(document)]
    texts = [encoded(document) for document in grammar.generate(hidden, f"{seed} hidden")]
    histories = [(end, *text[:t]) for text in texts for t in range(len(text))]
    next_ones = [token for text in texts for token in text]
    trigram = Ngram(3, "kneser-ney").fit(Data.of(np.array(read, np.int32), np.zeros(0, np.int32), end + 1))
    nats = trigram.log_probs_many([np.array(text, np.int32) for text in texts])
    of_each = np.concatenate(nats) / -np.log(2)
    bits = float(of_each.mean())
    judge = Figure(next_ones, end + 1, baseline * bits, target * bits, of_each.tolist())
    return Drawn(Question("own_model", [(0, (one,)) for one in histories], [(read, end + 1, steps)]), judge)
