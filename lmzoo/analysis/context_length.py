"""How much of the past a model uses: bits per character by how many tokens it is allowed to look back.

At some hundred places of the test text, which are the same for every model whatever its tokenizer, a word is scored
twice over:

    allowed      each of its tokens behind exactly the c tokens before it, for c = 0, 1, 2, 4, 8, …: the model begins
                 anew, reads those c tokens as if a text began with them, and is asked for the next one
    position     the word and what follows it is read from a fresh start, and the tokens are put together by how
                 many were read before them

Where the evaluator scores every line alone, no context reaches over a line's start. A model is asked no further back
than it can see (`reach`), since nothing changes there. One that adapts to what it reads is never started anew by the
ruler, so it is not asked at all.
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
from lmzoo.interface import Ids, LanguageModel, Progress

Array = NDArray[Any]

ALLOWED = (0, 1, 2, 4, 8, 16, 32, 64, 128)
STRETCHES = 200
FEWEST = 10  # stretches, below which nothing can be said
LONGEST = 32  # characters of one
# Of a longer window, `end`, which every text begins with, takes one place: a text that fills it is a token shorter.
SHORT_REACH = 16
ADAPTS = "It adapts to the text that it reads, so it is never started anew, and was not asked."
# White space that follows none: no token of any tokenizer reaches across this point from the left.
_BOUNDARY = re.compile(r"(?<=\S)(?=\s)")


@dataclass(frozen=True)
class Stretches:
    """The tokens of the chosen stretches of a text: M of T."""

    ids: Ids  # (T,) of the text
    characters: Array  # (T,) that each of them adds
    begins: Array  # (T,) where that begins which it is read with from a fresh start
    ends: Array  # (T,) and where it ends
    tokens: Array  # (M,) places of those that are scored
    which: Array  # (M,) the stretch that each belongs to, 0 … N-1

    @property
    def firsts(self) -> Array:
        """The place of the first token of each stretch, (N,)."""
        return self.tokens[np.flatnonzero(np.diff(self.which, prepend=-1))]

    @property
    def furthest(self) -> int:
        """The most tokens that any of the M is read behind."""
        return int((self.tokens - self.begins[self.tokens]).max())


def facts_of(
    text_model: TextModel,
    text: str,
    seed: int = 0,
    progress: Progress | None = None,
    protocol: str = "stream",
) -> dict[str, Any] | None:
    """What `model` makes of some stretches of `text`, chosen by `seed`, by how much context it has, as JSON.

    `allowed` are {context, bits_per_character, interval}, in tokens; `positions` {first, last, bits_per_character,
    interval} of tokens first … last behind a fresh start; `reach`, `stretches`, `characters` and `tokens` say what was
    measured. None for a text that is too short or a model without probabilities; nothing is `allowed` one that
    adapts, and `note` says why. Raises ScoreError for a probability that is zero or no number.
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
    if model.adapts:
        return facts
    contexts = contexts_within(model.reach, stretches.furthest)
    longest = max(contexts[-1], 1)
    with (progress or Progress()).task("context", sum(contexts) + len(contexts) + longest) as task:
        for context in contexts:
            bits = bits_within(model, stretches, context)
            facts["allowed"].append({"context": context, **_mean(bits, counted, stretches.which, seed)})
            task.advance(context + 1, f"{context} tokens")
        facts["positions"] = _by_position(model, stretches, longest, seed)
        task.advance(longest)
    return facts


def contexts_within(reach: int | None, longest: int) -> list[int]:
    """How many tokens of context are allowed one after the other, where a model sees no further than `reach` and no
    token has more than `longest` before it.
    """
    furthest = ALLOWED[-1]
    if reach is not None and reach <= furthest:
        furthest = reach if reach <= SHORT_REACH else reach - 1
    below = [context for context in ALLOWED if context < furthest] + [furthest]
    needed = next((n for n, context in enumerate(below) if context >= longest), len(below) - 1)
    return below[: needed + 1]


def bits_within(model: LanguageModel, stretches: Stretches, context: int | None) -> Array:
    """Bits of each of the M tokens behind the `context` tokens before it; None: all that it is read with."""
    begins = stretches.begins[stretches.tokens]
    first = begins if context is None else np.maximum(begins, stretches.tokens - context)
    texts = [stretches.ids[a : t + 1] for a, t in zip(first.tolist(), stretches.tokens.tolist(), strict=True)]
    return _bits(model.log_probs_many(texts, [len(text) - 1 for text in texts]), f"behind {context} tokens")


def _by_position(model: LanguageModel, stretches: Stretches, longest: int, seed: int) -> list[dict[str, Any]]:
    """Bits per character of the tokens at places 1, 2, 3-4, 5-8, … of texts that begin where the stretches do."""
    firsts = stretches.firsts
    lasts = np.minimum(firsts + longest, stretches.ends[firsts])
    texts = [stretches.ids[a:b] for a, b in zip(firsts.tolist(), lasts.tolist(), strict=True)]
    bits = _bits(model.log_probs_many(texts), "from a fresh start")
    which = np.repeat(np.arange(len(texts)), lasts - firsts)
    places = np.concatenate([np.arange(a, b) for a, b in zip(firsts, lasts, strict=True)])
    behind = places - firsts[which] + 1
    found, first, last = [], 1, 1
    while first <= behind.max():
        here = (behind >= first) & (behind <= last)
        mean = _mean(bits[here], stretches.characters[places[here]], which[here], seed)
        found.append({"first": first, "last": last, **mean})
        first, last = last + 1, last * 2
    return found


def _bits(log_probs: Sequence[Array], where: str) -> Array:
    bits: Array = np.concatenate(log_probs) / -np.log(2)
    if not np.isfinite(bits).all():
        raise ScoreError(f"a token has {bits[~np.isfinite(bits)][0]} bits {where}: no probability may be zero or NaN")
    return bits


def _mean(bits: Array, characters: Array, which: Array, seed: int) -> dict[str, Any]:
    """Bits over characters, and its 95 % interval over the stretches, which are resampled whole."""
    of_each = np.bincount(which, bits), np.bincount(which, characters)
    there = np.bincount(which) > 0
    mean = float(bits.sum() / max(characters.sum(), 1))
    return {"bits_per_character": mean, "interval": interval(ratio, *(part[there] for part in of_each), seed=seed)}


# Which stretches


def read(text_model: TextModel, text: str, seed: int, protocol: str) -> Stretches | None:
    """The tokens of stretches of `text`, as `model` reads it; None where it is too short for any."""
    parts = scored_parts(text_model, opening(text), protocol)
    if not parts:
        return None
    ids, lengths = np.concatenate(parts), np.array([len(part) for part in parts])
    pieces = text_model.tokenizer.pieces(ids)
    characters = np.array([len(piece) for piece in pieces])
    chosen = choose("".join(pieces), seed)
    if not len(chosen):
        return None
    # A token belongs where it starts; the bytes of one character all start where it does.
    first, last = np.searchsorted(np.cumsum(characters) - characters, chosen.T)
    which = np.repeat(np.arange(len(chosen)), last - first)
    tokens = np.concatenate([np.arange(a, b) for a, b in zip(first, last, strict=True)])
    return Stretches(
        ids=ids, characters=characters, begins=np.repeat(np.cumsum(lengths) - lengths, lengths),
        ends=np.repeat(np.cumsum(lengths), lengths), tokens=tokens, which=np.unique(which, return_inverse=True)[1],
    ) if len(tokens) else None  # fmt: skip


def choose(text: str, seed: int) -> NDArray[np.int64]:
    """Where N stretches of `text` begin and end, in characters, (N, 2): a word in each of N equal parts of it.

    Every word is as likely as any other, with the white space before it and what is written together with it. Where
    there are hardly any words, some characters stand for one. N ≤ STRETCHES, and 0 for a text too short for FEWEST.
    """
    points = np.array([found.start() for found in _BOUNDARY.finditer(text)], dtype=np.int64)
    if len(points) * LONGEST < len(text):
        points = np.arange(0, len(text) + 1, LONGEST // 4)
    skipped = min(len(points) // 4, ALLOWED[-1])  # where hardly anything stands before
    count = min(STRETCHES, (len(points) - 1 - skipped) // 2)
    if count < FEWEST:
        return np.empty((0, 2), dtype=np.int64)
    edges = np.linspace(skipped, len(points) - 1, count + 1).astype(np.int64)
    drawn = np.random.default_rng(seed).integers(edges[:-1], edges[1:])
    return np.stack([points[drawn], np.minimum(points[drawn + 1], points[drawn] + LONGEST)], axis=1)
