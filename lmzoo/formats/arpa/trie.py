"""A trie built one order at a time from n-grams in any order, as an ARPA file lists them.

Unlike counted n-grams, those of a file may lack suffixes (after SRILM's pruning). If the suffix of a context is missing
its back-off weight is 1, so the walk goes on at the longest suffix that exists.
"""

from itertools import pairwise

import numpy as np
from numba import njit

from lmzoo.interface import Array
from lmzoo.ngrams.trie import Trie, _find

NOT_KNOWN = -1  # ARPA files have no counts


class GrowingTrie:
    """Nodes 0 (the root), 1 … V (the unigrams), and those of higher orders, which `add` appends."""

    def __init__(self, probs: Array, gammas: Array):
        """The unigrams' p and γ, (V,) float32; word w is node 1 + w."""
        size = len(probs)
        self.first = [0, 1, 1 + size]  # first[n]: the first node of order n
        self.words = np.arange(-1, size, dtype=np.int32)
        self.children = np.array([1, 1 + size], np.int32)  # of all orders but the highest, and the end of the last
        self._probs, self._gammas = [np.ones(1, np.float32), probs], [np.ones(1, np.float32), gammas]

    def add(self, contexts: Array, words: Array, probs: Array, gammas: Array) -> Array:
        """Append the n-grams of the next order, (G,): nodes of their contexts, last words (int32), p and γ (float32).

        Of equal n-grams the first is added. Returns the numbers of the others, (K,).
        """
        repeated = np.empty(0, np.int64)
        key = (contexts.astype(np.int64) << 32) | words
        if (key[1:] <= key[:-1]).any():
            order = np.argsort(key)
            if (key[order[1:]] == key[order[:-1]]).any():
                order = np.argsort(key, kind="stable")
                is_first = np.append(True, key[order[1:]] != key[order[:-1]])
                order, repeated = order[is_first], order[~is_first]
            contexts, words, probs, gammas = (column[order] for column in (contexts, words, probs, gammas))
        del key
        below, here = self.first[-2], self.first[-1]
        stops = here + np.cumsum(np.bincount(contexts - below, minlength=here - below))
        self.children = np.concatenate([self.children, stops], dtype=np.int32)
        self.words = np.concatenate([self.words, words], dtype=np.int32)
        self.first.append(here + len(words))
        self._probs.append(probs)
        self._gammas.append(gammas)
        return repeated

    def finish(self) -> tuple[Trie, Array]:
        """The trie, and the nodes (K,) whose γ is not 1 but has no effect, because no n-gram extends them."""
        while len(self.first) > 3 and self.first[-1] == self.first[-2]:  # a highest order without n-grams
            self.first.pop()
        nodes, contexts = self.first[-1], self.first[-2]
        self.children = self.children[: contexts + 1]
        fallback = np.zeros(nodes, np.int32)
        for first, stop in pairwise(self.first[2:]):
            _link(first, stop, self.words, self.children, fallback)
        gammas = np.concatenate(self._gammas)
        extended = np.zeros(nodes, bool)
        extended[:contexts] = np.diff(self.children) > 0
        idle = np.flatnonzero(~extended & (np.abs(gammas - 1) > 1e-4))
        trie = Trie(
            words=self.words,
            probs=np.concatenate(self._probs),
            counts=np.full(nodes, NOT_KNOWN, np.int32),
            fallback=fallback,
            children=self.children,
            gammas=gammas[:contexts].copy(),
        )
        return trie, idle


def path_to(trie: "Trie | GrowingTrie", node: int) -> list[int]:
    """The words of a node's n-gram, first to last."""
    words: list[int] = []
    while node > 0:
        words.insert(0, int(trie.words[node]))
        node = int(np.searchsorted(trie.children, node, side="right")) - 1
    return words


@njit(cache=True, nogil=True)
def _link(first, stop, words, children, fallback):  # type: ignore[no-untyped-def]
    """The fallback of nodes first … stop-1, all of one order above 1: their longest proper suffix with children."""
    context = 0
    for node in range(first, stop):
        while children[context + 1] <= node:
            context += 1
        shorter = fallback[context]
        link = _find(shorter, words[node], words, children)
        while link < 0:
            shorter = fallback[shorter]
            link = _find(shorter, words[node], words, children)
        last = len(children) - 1
        fallback[node] = link if link < last and children[link + 1] > children[link] else fallback[link]
