"""Word classes by the exchange algorithm (Kneser & Ney 1993; Martin, Liermann & Ney 1998, §3).

Each word in turn moves to the class that maximises the likelihood of the training text, until none moves. With N(g, h)
the number of times a word of class g is followed by one of class h, N(g·) and N(·h) its sums, and c(w) the occurrences
of the word w, the class bigram p(w | v) = p(class of w | class of v) · p(w | class of w), at relative frequencies, has
the log-likelihood

    Σ_g,h φ(N(g, h)) − Σ_g φ(N(g·)) − Σ_h φ(N(·h)) + Σ_w φ(c(w))        where φ(n) = n ln n

Moving a word changes the rows and columns of two classes, and those only where its own neighbours are. So trying a word
in all K classes costs K times the number of distinct classes next to it, a round O(K · distinct bigrams) or less, and
memory is O(K² + distinct bigrams).
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from scipy.sparse import coo_array

from lmzoo.interface import Array, Ids, Progress

TABLE = 1 << 16  # φ of smaller counts is tabulated: half a megabyte, which stays in the processor's cache
MINIMUM_GAIN = 1e-6  # nats: less may be rounding
PIECES = 20  # of a round, between which progress is shown and Ctrl-C works


class Links(NamedTuple):
    """The neighbours of each word v on one side, words[starts[v]:starts[v+1]], and their counts."""

    starts: Array  # (V+1,)
    words: Array  # (distinct bigrams,)
    counts: Array


class Counts(NamedTuple):
    """Bigram counts of G classes."""

    after: Array  # (G, G): after[g, h] = N(g, h)
    before: Array  # (G, G): its transpose, so that both can be read along rows
    first: Array  # (G,): N(g·)
    second: Array  # (G,): N(·h)


class Exchange:
    """A clustering that is improved by moving words.

    `class_of` (V,) is the class of each word: 0 … K-1, then one for the words that never occur, if there are any, and
    last that of `end`; these two never change. K is `classes`, or the number of distinct words if that is smaller; G is
    the number of all classes.
    """

    def __init__(self, tokens: Ids, vocab_size: int, classes: int) -> None:
        """Count the bigrams of `tokens` (T,), which start after an `end`, and assign initial classes."""
        end = vocab_size - 1
        text = np.concatenate([[end], tokens]).astype(np.int32)
        ones = np.ones(len(text) - 1, dtype=np.int64)
        bigrams = coo_array((ones, (text[:-1], text[1:])), shape=(vocab_size, vocab_size)).tocsr()
        self.right, self.left = _links(bigrams), _links(bigrams.T.tocsr())
        self.occurrences = np.bincount(text[1:], minlength=vocab_size)
        by_frequency = np.argsort(-self.occurrences, kind="stable")
        self.words = by_frequency[(self.occurrences[by_frequency] > 0) & (by_frequency != end)]
        self.K = min(classes, len(self.words))
        self.G = self.K + 1 + (len(self.words) < vocab_size - 1)
        self.class_of = np.full(vocab_size, self.K, dtype=np.int32)
        # Words start in the classes 0 … K-1 in turns, by frequency: nothing is random.
        self.class_of[self.words] = np.arange(len(self.words)) % max(self.K, 1)
        self.class_of[end] = self.G - 1
        sides = self.class_of[text[:-1]], self.class_of[text[1:]]
        after = coo_array((ones, sides), shape=(self.G, self.G)).toarray()
        self.counts = Counts(after, after.T.copy(), after.sum(1), after.sum(0))
        self.phi = np.concatenate([[0.0], _phi(np.arange(1, TABLE))])

    def log_likelihood(self) -> float:
        """ln P of the text under the class bigram, in nats."""
        counts = self.counts
        margins = _phi(counts.first).sum() + _phi(counts.second).sum()
        return float(_phi(counts.after).sum() - margins + _phi(self.occurrences).sum())

    def round(self, task: Progress) -> int:
        """Try each word in every class, the most frequent first: returns how many moved. Advances `task` by one."""
        cost = np.cumsum(np.diff(self.left.starts)[self.words] + np.diff(self.right.starts)[self.words])
        cuts = np.searchsorted(cost, np.linspace(0, cost[-1], PIECES + 1)[1:-1])
        moved = 0
        for words in np.split(self.words, cuts):
            moved += _round(words, self.class_of, self.left, self.right, self.counts, self.phi, self.K)
            task.advance(1 / PIECES)
        return moved

    def in_order_of_size(self) -> Array:
        """`class_of` (V,) with the classes 0 … K-1 renumbered by number of tokens, descending."""
        number = np.arange(self.G, dtype=np.int32)
        number[np.argsort(-self.counts.second[: self.K], kind="stable")] = np.arange(self.K)
        return number[self.class_of]


def cluster(tokens: Ids, vocab_size: int, classes: int, rounds: int, progress: Progress) -> tuple[Array, Array]:
    """The class of each word, (V,), numbered by size, and the log-likelihood before the first and after each round.

    Ends after `rounds`, or after the first in which no word moved. Log-likelihoods are in nats for all of `tokens`.
    """
    exchange = Exchange(tokens, vocab_size, classes)
    likelihoods = [exchange.log_likelihood()]
    if 1 < exchange.K < len(exchange.words):  # with one class, or one for each word, nothing can move
        with progress.task("clustering words", rounds) as task:
            for n in range(rounds):
                moved = exchange.round(task)
                likelihoods.append(exchange.log_likelihood())
                perplexity = np.exp(-likelihoods[-1] / len(tokens))
                task.advance(0, f"round {n + 1}: {moved:,} words moved, class bigram's training ppl {perplexity:.2f}")
                if not moved:
                    break
    return exchange.in_order_of_size(), np.array(likelihoods)


def _links(matrix: Any) -> Links:
    return Links(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data.astype(np.int64))


def _phi(counts: Array) -> Array:
    """n ln n, 0 for 0."""
    return counts * np.log(np.maximum(counts, 1))


@njit(cache=True, nogil=True)
def _round(words, class_of, left, right, counts, phi, classes):  # type: ignore[no-untyped-def]
    """Move each of `words` to its best class, the lowest of equals, if that is better than its own."""
    moved = 0
    for word in words:
        old = class_of[word]
        gains = _take_out(word, class_of, left, right, counts, phi, classes)
        best = np.argmax(gains)
        if gains[best] > gains[old] + MINIMUM_GAIN:
            class_of[word] = best
            moved += 1
        _put(word, 1, class_of, left, right, counts)
    return moved


@njit(cache=True, nogil=True)
def _take_out(word, class_of, left, right, counts, phi, classes):  # type: ignore[no-untyped-def]
    """Remove `word` from the counts of its class; returns the gains of adding it to each of the classes, (K,)."""
    _put(word, -1, class_of, left, right, counts)
    before, itself = _neighbours(word, class_of, left, len(counts.first))
    after, _ = _neighbours(word, class_of, right, len(counts.first))
    gains = np.zeros(classes)
    # N(g, b) grows by the counts of g before the word, N(b, h) by those of h after it ...
    for g in range(len(before)):
        if before[g]:
            _add_gains(gains, counts.after[g], before[g], phi)
        if after[g]:
            _add_gains(gains, counts.before[g], after[g], phi)
    lefts, rights = before.sum() + itself, after.sum() + itself
    for b in range(classes):
        # ... and N(b, b), which is in both, by both, and by the counts of the word next to itself.
        n = counts.after[b, b]
        gains[b] -= _gain(n, before[b], phi) + _gain(n, after[b], phi)
        gains[b] += _gain(n, before[b] + after[b] + itself, phi)
        gains[b] -= _gain(counts.first[b], rights, phi) + _gain(counts.second[b], lefts, phi)
    return gains


@njit(cache=True, nogil=True)
def _put(word, sign, class_of, left, right, counts):  # type: ignore[no-untyped-def]
    """Add `word` to the counts of its class (sign 1) or remove it (-1)."""
    g = class_of[word]
    before, itself = _neighbours(word, class_of, left, len(counts.first))
    after, _ = _neighbours(word, class_of, right, len(counts.first))
    counts.first[g] += sign * (after.sum() + itself)
    counts.second[g] += sign * (before.sum() + itself)
    after[g] += itself
    for h in range(len(before)):
        counts.after[h, g] += sign * before[h]
        counts.before[g, h] += sign * before[h]
        counts.after[g, h] += sign * after[h]
        counts.before[h, g] += sign * after[h]


@njit(cache=True, nogil=True)
def _neighbours(word, class_of, links, size):  # type: ignore[no-untyped-def]
    """Counts of each class, (G,), next to `word` without the word itself; and those of the word itself."""
    by_class = np.zeros(size, np.int64)
    itself = 0
    for i in range(links.starts[word], links.starts[word + 1]):
        if links.words[i] == word:
            itself = links.counts[i]
        else:
            by_class[class_of[links.words[i]]] += links.counts[i]
    return by_class, itself


@njit(cache=True, nogil=True)
def _add_gains(gains, row, more, phi):  # type: ignore[no-untyped-def]
    for b in range(len(gains)):
        gains[b] += _gain(row[b], more, phi)


@njit(cache=True, nogil=True, inline="always")
def _gain(n, more, phi):  # type: ignore[no-untyped-def]
    """φ(n + more) − φ(n)."""
    if n + more < len(phi):
        return phi[n + more] - phi[n]
    return (n + more) * np.log(n + more) - (n * np.log(n) if n else 0.0)
