"""A spot check of a score: at places along the text, do the probabilities sum to one, and are they those scored?

Bits mean something only if a model's predictions are distributions. So at some places the whole distribution is
computed, one state at a time: it must sum to one, and the probability of the next token must be the one that
`log_probs_many` gave. `lmzoo check` tests more, and `lmzoo certify` proves a score by compressing the text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lmzoo.data.corpus import Corpus
from lmzoo.evaluation.perplexity import Score, scored_parts
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Array, Ids, LanguageModel, Progress

PLACES = 100
# Places are among the first tokens of a text, or of each line, as all before a place are read once more to predict it:
# a tenth of the text, or LEAST tokens of a short one, and at most MOST. So the check costs little beside the score.
SHARE, LEAST, MOST = 0.1, 1 << 12, 1 << 18
SUM = 1e-3  # how far a sum may be from one: rounding of a large vocabulary in float32
GAP = 0.01  # nats between the prediction and the score: rounding in another order
CHANCE = 20  # bits below the source's own: less likely than one in a million (Markov's inequality)


@dataclass(frozen=True)
class Sums:
    """The findings of the spot check of a score."""

    places: int  # tokens of the text whose whole prediction was looked at
    total: float  # the sum of probabilities that was furthest from one
    total_at: int  # the token it was predicted for
    gap: float  # the most that a token was scored above (or below) its prediction, in nats
    gap_at: int  # that token

    @property
    def note(self) -> str:
        """What is wrong, for the notes on a figure; "" if nothing is."""
        if not abs(self.total - 1) <= SUM:
            least = "it may be too low" if self.total > 1 else "it is higher than it need be"
            return (
                f"the probabilities predicted for token {self.total_at} sum to {self.total:.4f}, not 1: this figure is "
                f"not that of a distribution, and {least}"
            )
        if not abs(self.gap) <= GAP:
            return (
                f"token {self.gap_at} was scored {abs(self.gap):.3f} nats {'above' if self.gap > 0 else 'below'} what "
                "the model predicts for it: log_probs_many is not next_log_probs, so this figure is not of the model "
                "that predicts (lmzoo check FILE.py says more)"
            )
        return ""

    @property
    def remark(self) -> str:
        """That it was checked, for a footnote; the same words wherever nothing was wrong."""
        return (
            self.note or f"checked at {self.places} places: the probabilities sum to one and are those that were scored"
        )


def spot_check(text_model: TextModel, text: str, score: Score, progress: Progress | None = None) -> Sums:
    """Look at the predictions for PLACES tokens of `text`, whose `score` is given."""
    model = text_model.require(LanguageModel, "it has no bits")
    # A stream is one part, whose ids the score has: encoding the text again would take as long as scoring it.
    parts = [score.ids] if score.protocol == "stream" else scored_parts(text_model, text, score.protocol)
    log_probs = score.log_probs
    lengths = np.array([len(part) for part in parts])
    begins = np.cumsum(lengths) - lengths
    read = int(min(max(SHARE * lengths.sum(), LEAST), MOST))
    near = np.concatenate([np.arange(b, b + min(n, read)) for b, n in zip(begins, lengths, strict=True)])
    chosen = np.unique(
        np.append(np.random.default_rng(0).choice(near, min(PLACES, len(near)), replace=False), near[[0, -1]])
    )
    found = []
    with (progress or Progress()).task("checking sums", len(chosen)) as task:
        for part, begin in zip(parts, begins, strict=True):
            places = chosen[(chosen >= begin) & (chosen < begin + len(part))] - begin
            for place, row in zip(places, _predictions(model, part, places), strict=True):
                scored = log_probs[begin + place]
                # <unk> may be impossible, which has a note of its own.
                gap = scored - row[part[place]] if np.isfinite(scored) else 0.0
                found.append((begin + place, np.exp(row.astype(np.float64)).sum(), gap))
                task.advance()
    at, totals, gaps = (np.array(column) for column in zip(*found, strict=True))
    worst, widest = int(np.argmax(np.abs(totals - 1))), int(np.argmax(np.abs(gaps)))
    return Sums(len(at), float(totals[worst]), int(at[worst]), float(gaps[widest]), int(at[widest]))


def _predictions(model: LanguageModel, tokens: Ids, places: Array) -> Sequence[Array]:
    """The prediction before each of the tokens at `places`, in order."""
    rows, state, read = [], model.start(), 0
    for place in places:
        state, read = model.advance(state, tokens[read:place]), place
        rows.append(np.asarray(model.next_log_probs(state)))
    return rows


def floor_of(corpus: Corpus, split: str) -> float | None:
    """The bits that the source itself needs for a split of its text, or for all of it; None where it is not known."""
    known = corpus.floor_bits or {}
    return sum(known.values()) if split == "all" and known else known.get(split)


def below_source(score: Score, floor: float | None) -> str:
    """The note on fewer bits than the known source of a text needs for it; "" where that is unknown or not so."""
    if floor is None or score.replaced or score.bits >= floor - CHANCE:
        return ""
    return (
        f"{score.bits:,.0f} bits are fewer than the {floor:,.0f} of the source that wrote this text, which no model "
        "can beat but by luck: it has seen the text, or its probabilities are none (lmzoo check, lmzoo certify)"
    )
