"""Small texts and labelled examples to try a model on, and how two answers are compared."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lmzoo.interface import Array, Examples, Ids

TOLERANCE = 1e-4  # nats: the rounding error of float32 arithmetic done in another order
VOCAB_SIZE = 12  # of the practice text; 9 and 10 never occur in it, 11 is `end`
LONG = 1300  # tokens of a long text: past the borders of the usual windows
Property = Callable[[Any], str]  # a check: a fitted model → what is wrong with it, "" if nothing is
UNSEEN = np.array([3, 9, 1, 10, 4, 11, 11, 0, 9], dtype=np.int32)  # with the two tokens that training never shows


class HasVocabulary(Protocol):
    """Anything fitted."""

    vocab_size_: int


def practice_text(length: int, seed: int = 0) -> Ids:
    """Ids (length,) with a rule to learn: token 3t+1 (mod 9) follows t four times in five; every 41st is `end`."""
    rng = np.random.default_rng(seed)
    tokens = np.empty(length, dtype=np.int32)
    token = 0
    for t in range(length):
        token = (3 * token + 1) % 9 if rng.random() < 0.8 else int(rng.integers(9))
        tokens[t] = token
    tokens[40::41] = VOCAB_SIZE - 1
    return tokens


def practice_examples(count: int, seed: int = 0, classes: tuple[str, ...] = ("low", "middle", "high")) -> Examples:
    """Texts of 3 to 12 tokens in three classes; four tokens in five are 3c, 3c+1 or 3c+2 in class c.

    A fourth class and those after it have no example.
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    texts = []
    for label in labels:
        own = 3 * label + rng.integers(3, size=rng.integers(3, 13))
        noise = rng.integers(9, size=len(own))
        texts.append((np.where(rng.random(len(own)) < 0.8, own, noise).astype(np.int32),))
    return Examples(texts, labels, classes)


def in_vocabulary(tokens: Ids, model: HasVocabulary) -> Ids:
    """`tokens` folded into the vocabulary of a model that was not fitted on the practice text."""
    return tokens % model.vocab_size_


def usual_text(model: HasVocabulary) -> Ids:
    """(50,): practice text that was not trained on, or, for a smaller vocabulary, every token in turn."""
    if model.vocab_size_ >= VOCAB_SIZE:
        return practice_text(50, seed=2)
    return in_vocabulary(np.arange(50, dtype=np.int32), model)


def texts_of_many_lengths(model: HasVocabulary) -> list[Ids]:
    """Unseen tokens, an ordinary text, no text, one token: what padding and batching get wrong."""
    unseen = in_vocabulary(UNSEEN, model)
    return [unseen, usual_text(model), unseen[:0], unseen[:1]]


def long_text(model: HasVocabulary, seed: int = 0) -> Ids:
    """(LONG,): practice text, then contexts that are rare, runs of one token, tokens never seen, and practice text."""
    rng = np.random.default_rng(seed + 100)
    parts = [
        practice_text(450, seed + 3),
        rng.integers(VOCAB_SIZE, size=200),  # with tokens that training never shows, and in orders that it never has
        np.full(60, 9),
        np.full(60, 4),
        np.tile([10, 9, 11], 10),
        practice_text(500, seed + 4),
    ]
    return in_vocabulary(np.concatenate(parts)[:LONG].astype(np.int32), model)


def batches(model: HasVocabulary) -> dict[str, list[Ids]]:
    """Texts as they may come together, by what is special of the batch: what padding, sorting and stacking get wrong.

    No two texts of a batch are equal, so that none can pass for another.
    """
    text = long_text(model)
    return {
        "of many lengths": [*texts_of_many_lengths(model), usual_text(model)[:7], text[:300]],
        "of equal length": [text[n : n + 20] for n in (0, 31, 62, 443)],
        "of one token": [text[n : n + 1] for n in np.unique(text, return_index=True)[1]],
        "alone": [usual_text(model)],
        "growing one by one": [text[n : 2 * n] for n in range(40)],
    }


def replace_from(tokens: Ids, start: int, vocab_size: int) -> Ids:
    """A copy of `tokens` with every token from `start` on replaced by another one."""
    other = tokens.copy()
    other[start:] = (other[start:] + 1) % vocab_size
    return other


def close(a: Any, b: Any) -> bool:
    """Whether log-probabilities are equal up to TOLERANCE."""
    return np.shape(a) == np.shape(b) and not len(differing(a, b))


def differing(a: Any, b: Any) -> NDArray[np.intp]:
    """Where log-probabilities of equal shape differ by more than TOLERANCE, as indices into the flattened array.

    NaN equals NaN: that it is no probability is what the checks of sums say, and one fault should fail one check.
    """
    return np.flatnonzero(~np.isclose(a, b, atol=TOLERANCE, rtol=0, equal_nan=True))


def close_vectors(a: Array, b: Array) -> bool:
    """Whether features are equal up to float32 rounding, which grows with their size."""
    size = max(1.0, float(np.abs(a).max(initial=0)))
    return a.shape == b.shape and bool(np.allclose(a, b, atol=TOLERANCE * size, rtol=0))


def wrong_distributions(rows: Any, shape: tuple[int, ...], what: str) -> str:
    """Says what is wrong with log-probabilities (…, V) in nats that should have `shape`; "" if nothing is."""
    rows = np.asarray(rows)
    if rows.shape != shape:
        return f"{what} has shape {rows.shape}; it must be {shape}, one log-probability a token or class"
    if not np.isfinite(rows).all():
        at = tuple(int(n) for n in np.argwhere(~np.isfinite(rows))[0])
        return (
            f"{what}: log P of entry {at[-1]} is {rows[at]}: a probability of zero (or NaN) makes a text impossible, "
            "so no bits can be given; smooth towards a shorter context"
        )
    totals = np.exp(rows.astype(np.float64)).sum(axis=-1)
    if np.abs(totals - 1).max(initial=0) > TOLERANCE:
        worst = float(np.ravel(totals)[np.argmax(np.abs(np.ravel(totals) - 1))])
        return (
            f"{what}: the probabilities sum to {worst:.6f}, not 1: the discounted mass must equal the redistributed "
            "mass (check the back-off weight or the softmax)"
        )
    return ""
