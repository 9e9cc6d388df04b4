"""Bits per blank of a masked model, beside those of the text's own grammar at the same blanks: the floor.

Of documents drawn from the text one token each is hidden. The model needs −log2 P(token | the rest of the document);
the grammar, which knows the text on both sides and the tokens that there are, the fewest bits that can be expected.
"""

from dataclasses import dataclass

import numpy as np

from lmzoo.data.blanks import Fillings
from lmzoo.data.corpus import Corpus
from lmzoo.data.grammar import Grammar
from lmzoo.errors import ScoreError, UsageError, in_range
from lmzoo.evaluation.statistics import interval
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import MaskedModel, Progress

FEWEST = 10  # blanks


@dataclass(frozen=True)
class BlankBits:
    """Means over blanks of the test text, with 95 % bootstrap intervals; no bits per character."""

    bits: float  # −log2 P(token | both sides) of the model
    floor: float  # of the grammar
    blanks: int
    bits_interval: tuple[float, float] | None
    above_interval: tuple[float, float] | None  # of how far the model is above the floor, blank by blank
    corpus: str
    tokenizer: str
    seed: int


def measure(
    text_model: TextModel, corpus: Corpus, grammar: Grammar, blanks: int, seed: int, progress: Progress
) -> BlankBits:
    """Hide `blanks` tokens of the test text, each in a document by itself.

    Raises UsageError for a model that fills no blanks, ScoreError for a log-probability that is not finite.
    """
    in_range("blanks", blanks, FEWEST)
    model = text_model.require(MaskedModel, "it has no bits per blank")
    tokenizer = text_model.tokenizer
    if tokenizer.lossy:
        raise UsageError(f"{text_model.name} reads another form of the text, of which the grammar says nothing")
    texts = [tokenizer.pieces([token])[0] for token in range(tokenizer.vocab_size - 1)]
    fillings = Fillings(grammar, {text for text in texts if "\ufffd" not in text})
    documents, rng = grammar.documents(corpus.test)[:-1], np.random.default_rng(seed)  # the last may be cut short
    rows = []
    for _ in progress.track("filling blanks", range(blanks)):
        ids = tokenizer.encode(documents[rng.integers(len(documents))])
        pieces = tokenizer.pieces(ids)
        known = [n for n, piece in enumerate(pieces) if piece in fillings.words]
        place = known[rng.integers(len(known))]
        hidden = np.arange(len(ids)) == place
        own = float(model.fill_log_probs(ids, hidden)[0][ids[place]]) / -np.log(2)
        if not np.isfinite(own):
            raise ScoreError(f"{text_model.name} gives the token {pieces[place]!r} a log-probability of {-own}")
        floor = fillings.conditional("".join(pieces[:place]), "".join(pieces[place + 1 :]))
        rows.append((own, -floor[pieces[place]]))
    found = np.array(rows)
    return BlankBits(
        bits=float(found[:, 0].mean()),
        floor=float(found[:, 1].mean()),
        blanks=blanks,
        bits_interval=interval(np.mean, found[:, 0]),
        above_interval=interval(np.mean, found[:, 0] - found[:, 1]),
        corpus=corpus.name,
        tokenizer=tokenizer.spec,
        seed=seed,
    )
