"""Effective context length: bits per character against the number of tokens of left context.

Words at about two hundred positions of the test text, the same for every model and tokenizer, are scored in two ways:

    allowed      each token given exactly the c tokens before it, for c = 0, 1, 2, 4, 8, …, from the start state
    position     the word and what follows it are read from the start state, and tokens are grouped by how many were
                 read before them

Where the evaluator scores every line alone, no context crosses the start of a line.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmzoo.errors import ScoreError
from lmzoo.evaluation.perplexity import opening, scored_parts
from lmzoo.evaluation.statistics import interval, ratio
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Array, Ids, LanguageModel, Progress

ALLOWED = (0, 1, 2, 4, 8, 16, 32, 64, 128)
STRETCHES = 200  # words that are scored
FEWEST = 10  # stretches needed
LONGEST = 32  # characters of a stretch
# In a longer window, the `end` that every text begins with takes one position.
SHORT_REACH = 16
ADAPTS = "It adapts to the text that it reads, so it is never restarted, and was not asked."
# Before white space that follows other text: no token of any tokenizer crosses this point from the left.
_BOUNDARY = re.compile(r"(?<=\S)(?=\s)")


@dataclass(frozen=True)
class Stretches:
    """N stretches of a text, and their M tokens among the T of the text."""

    ids: Ids  # (T,) of the text
    characters: Array  # (T,) that each token adds
    begins: Array  # (T,) where the part begins that the evaluator reads each token in: the text or the line
    ends: Array  # (T,) and where that part ends
    tokens: Array  # (M,) positions of the tokens that are scored
    which: Array  # (M,) the stretch of each, 0 … N-1

    @property
    def firsts(self) -> Array:
        """The position of the first token of each stretch, (N,)."""
        return self.tokens[np.flatnonzero(np.diff(self.which, prepend=-1))]


def facts_of(
    text_model: TextModel,
    text: str,
    seed: int = 0,
    progress: Progress | None = None,
    protocol: str = "stream",
) -> dict[str, Any] | None:
    """Bits per character of stretches of `text`, drawn by `seed`, by length of the left context, as plain JSON.

    `allowed` are {context, bits_per_character, interval}, context in tokens; `positions` {first, last,
    bits_per_character, interval} of the tokens first … last after the start state; `reach`, `stretches`, `characters`
    and `tokens` describe the sample. None for a text that is too short or a model without probabilities. A model that
    adapts has empty lists, and a `note`. Raises ScoreError for a probability of zero or NaN.
    """
    model = text_model.require(LanguageModel, "it has no bits")
    if not model.is_distribution:
        return None
    stretches = read(text_model, text, seed, protocol)
    if stretches is None:
        return None
    counted = stretches.characters[stretches.tokens]
    facts: dict[str, Any] = {
        "reach": model.reach, "stretches": int(stretches.which[-1]) + 1, "characters": int(counted.sum()),
        "tokens": len(counted), "allowed": [], "positions": [], "note": ADAPTS if model.adapts else "",
    }  # fmt: skip
    if model.adapts:  # the evaluator never restarts it
        return facts
    furthest = int((stretches.tokens - stretches.begins[stretches.tokens]).max())  # the longest left context
    contexts = contexts_within(model.reach, furthest)
    longest = max(contexts[-1], 1)
    with (progress or Progress()).task("context", sum(contexts) + len(contexts) + longest) as task:
        for context in contexts:
            task.doing(f"{context} tokens")
            bits = bits_within(model, stretches, context)
            facts["allowed"].append({"context": context, **_mean(bits, counted, stretches.which, seed)})
            task.advance(context + 1)
        task.doing("every position")
        facts["positions"] = _by_position(model, stretches, longest, seed)
        task.advance(longest)
    return facts


def contexts_within(reach: int | None, longest: int) -> list[int]:
    """The context lengths to score with, for a model of this `reach` and tokens with at most `longest` before them.

    Beyond a model's reach nothing changes, so it is not asked there.
    """
    furthest = ALLOWED[-1]
    if reach is not None and reach <= furthest:
        furthest = reach if reach <= SHORT_REACH else reach - 1
    below = [context for context in ALLOWED if context < furthest] + [furthest]
    needed = next((n for n, context in enumerate(below) if context >= longest), len(below) - 1)
    return below[: needed + 1]


def bits_within(model: LanguageModel, stretches: Stretches, context: int | None) -> Array:
    """Bits of each of the M tokens given the `context` tokens before it; None: all of its left context."""
    begins = stretches.begins[stretches.tokens]
    first = begins if context is None else np.maximum(begins, stretches.tokens - context)
    texts = [stretches.ids[a : t + 1] for a, t in zip(first.tolist(), stretches.tokens.tolist(), strict=True)]
    return _bits(model.log_probs_many(texts, [len(text) - 1 for text in texts]), f"after {context} tokens")


def _by_position(model: LanguageModel, stretches: Stretches, longest: int, seed: int) -> list[dict[str, Any]]:
    """Bits per character of tokens 1, 2, 3-4, 5-8, … of texts that begin where the stretches do."""
    firsts = stretches.firsts
    lasts = np.minimum(firsts + longest, stretches.ends[firsts])
    texts = [stretches.ids[a:b] for a, b in zip(firsts.tolist(), lasts.tolist(), strict=True)]
    bits = _bits(model.log_probs_many(texts), "from the start state")
    which = np.repeat(np.arange(len(texts)), lasts - firsts)
    places = np.concatenate([np.arange(a, b) for a, b in zip(firsts, lasts, strict=True)])
    positions = places - firsts[which] + 1  # counted from 1
    rows, first, last = [], 1, 1
    while first <= positions.max():
        here = (positions >= first) & (positions <= last)
        mean = _mean(bits[here], stretches.characters[places[here]], which[here], seed)
        rows.append({"first": first, "last": last, **mean})
        first, last = last + 1, last * 2
    return rows


def _bits(log_probs: Sequence[Array], where: str) -> Array:
    bits: Array = np.concatenate(log_probs) / -np.log(2)
    if not np.isfinite(bits).all():
        raise ScoreError(f"a token has {bits[~np.isfinite(bits)][0]} bits {where}: no probability may be zero or NaN")
    return bits


def _mean(bits: Array, characters: Array, which: Array, seed: int) -> dict[str, Any]:
    """Bits per character, and the 95 % bootstrap interval: stretches are resampled whole."""
    sums = np.bincount(which, bits), np.bincount(which, characters)
    present = np.bincount(which) > 0
    mean = float(bits.sum() / max(characters.sum(), 1))
    return {"bits_per_character": mean, "interval": interval(ratio, *(column[present] for column in sums), seed=seed)}


def read(text_model: TextModel, text: str, seed: int, protocol: str) -> Stretches | None:
    """Stretches of `text` and their tokens, as the evaluator has the model read it; None where it is too short."""
    parts = scored_parts(text_model, opening(text), protocol)
    if not parts:
        return None
    ids, lengths = np.concatenate(parts), np.array([len(part) for part in parts])
    pieces = text_model.tokenizer.pieces(ids)
    characters = np.array([len(piece) for piece in pieces])
    chosen = choose("".join(pieces), seed)
    if not len(chosen):
        return None
    # A token belongs to the stretch it starts in; the bytes of one character all start where it does.
    first, last = np.searchsorted(np.cumsum(characters) - characters, chosen.T)
    which = np.repeat(np.arange(len(chosen)), last - first)
    tokens = np.concatenate([np.arange(a, b) for a, b in zip(first, last, strict=True)])
    return Stretches(
        ids=ids, characters=characters, begins=np.repeat(np.cumsum(lengths) - lengths, lengths),
        ends=np.repeat(np.cumsum(lengths), lengths), tokens=tokens, which=np.unique(which, return_inverse=True)[1],
    ) if len(tokens) else None  # fmt: skip


def choose(text: str, seed: int) -> NDArray[np.int64]:
    """The bounds of N stretches of `text` in characters, (N, 2): a word drawn from each of N equal parts of it.

    A word comes with the white space before it and the punctuation after it. In a text with hardly any white space,
    stretches of a fixed length are drawn instead. N ≤ STRETCHES; 0 for a text too short for FEWEST.
    """
    points = np.array([match.start() for match in _BOUNDARY.finditer(text)], dtype=np.int64)
    if len(points) * LONGEST < len(text):
        points = np.arange(0, len(text) + 1, LONGEST // 4)
    skipped = min(len(points) // 4, ALLOWED[-1])  # the first words have hardly any context
    count = min(STRETCHES, (len(points) - 1 - skipped) // 2)
    if count < FEWEST:
        return np.empty((0, 2), dtype=np.int64)
    edges = np.linspace(skipped, len(points) - 1, count + 1).astype(np.int64)
    drawn = np.random.default_rng(seed).integers(edges[:-1], edges[1:])
    return np.stack([points[drawn], np.minimum(points[drawn + 1], points[drawn] + LONGEST)], axis=1)
