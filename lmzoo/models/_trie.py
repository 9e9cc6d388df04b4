"""Looking n-grams up: a back-off model as an automaton over contexts.

Plumbing, not mathematics: `ngram.py` makes the probabilities, this walks them.

Nodes are numbered from the root (the empty context, 0) through the unigrams (1 … V) to the longest n-grams, and
the children of a node stand together, sorted by word. A state is the node of the longest context that was seen
in training. Reading a word either finds a child, or pays γ and falls back to the next shorter context; the root
has a child for every word, so it always ends. (Aho & Corasick 1975 with weights on the failure links.)
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lmzoo.errors import FormatError

Array = NDArray[Any]


@njit(cache=True, inline="always")
def _find(state, word, words, children):  # type: ignore[no-untyped-def]
    """The child of `state` by `word`, or -1. The root's children are the unigrams, in order of word."""
    if state == 0:
        return 1 + word
    low = children[state]
    high = children[state + 1]
    while low < high:
        middle = (low + high) >> 1
        if words[middle] < word:
            low = middle + 1
        else:
            high = middle
    return low if low < children[state + 1] and words[low] == word else -1


@njit(cache=True, inline="always")
def _step(state, word, words, probs, children, gammas, fallback):  # type: ignore[no-untyped-def]
    """(probability of `word` in `state`, the state after it)."""
    gamma = 1.0
    child = _find(state, word, words, children)
    while child < 0:
        gamma *= gammas[state]
        state = fallback[state]
        child = _find(state, word, words, children)
    is_context = child < len(gammas) and children[child + 1] > children[child]
    return gamma * probs[child], child if is_context else fallback[child]


@njit(cache=True)
def walk(tokens, state, words, probs, children, gammas, fallback):  # type: ignore[no-untyped-def]
    """Probability of each token (T,) read one after the other from `state`, and the state after the last."""
    scores = np.empty(len(tokens))
    for t in range(len(tokens)):
        scores[t], state = _step(state, tokens[t], words, probs, children, gammas, fallback)
    return scores, state


def fallbacks(suffix: Array, children: Array) -> Array:
    """For each node, its longest proper suffix that has children (or the root): where to look next.

    `suffix` (G,) is the node without its first word; nodes without children carry no γ, so they are skipped.
    """
    is_context = np.zeros(len(suffix), dtype=bool)
    is_context[: len(children) - 1] = children[1:] > children[:-1]
    result = suffix.copy()
    while True:
        barren = ~is_context[result] & (result > 0)
        if not barren.any():
            return result
        result[barren] = suffix[result[barren]]


def check(vocab_size: int, words: Array, probs: Array, children: Array, gammas: Array, fallback: Array) -> None:
    """Raise FormatError for arrays that `walk` could leave, or turn round in: they come from a file."""
    nodes, contexts = len(words), len(gammas)
    links = np.arange(1, len(fallback))
    sound = (
        0 < vocab_size < nodes
        and len(probs) == len(fallback) == nodes
        and 0 < contexts == len(children) - 1 <= nodes
        and children[0] == 1
        and children[1] == 1 + vocab_size
        and children[-1] == nodes
        and bool((np.diff(children) >= 0).all())
        and fallback[0] == 0
        and bool(((fallback[1:] >= 0) & (fallback[1:] < links) & (fallback[1:] < contexts)).all())
        and bool(((words[1:] >= 0) & (words[1:] < vocab_size)).all())
        and bool(((probs >= 0) & (probs <= 1 + 1e-6)).all())
        and bool(((gammas >= 0) & np.isfinite(gammas)).all())
    )
    if not sound:
        raise FormatError("these arrays are not an n-gram model's: links or probabilities are out of range")
