"""Looking n-grams up: a back-off model as an automaton over contexts (Aho & Corasick 1975, with weights).

Nodes are numbered from the root (the empty context, 0) through the unigrams (1 … V) to the longest n-grams, and the
children of a node are consecutive, sorted by word. A state is the node of the longest context that was seen in
training. Reading a word either finds a child, or multiplies by γ and falls back to the next shorter context; the root
has a child for every word, so this always ends.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from lmzoo.errors import FormatError
from lmzoo.interface import Array, Ids, LanguageModel, State, check_ids
from lmzoo.loops import loop
from lmzoo.ngrams.counts import Level
from lmzoo.ngrams.out_of_core import Scratch, release
from lmzoo.ngrams.walking import ROWS, put_bigrams, walk_many

WORTH_A_THREAD = 20_000  # tokens: with fewer, starting a thread costs more than it saves
BLOCK = 128  # nodes whose probabilities are summed for drawing
MOST_CONTEXTS = 64  # of a state: the longest order there is
TRIES = 64  # draws of a word that all may be in vain, before all V words are looked at


@dataclass
class Trie:
    """N nodes: the root, then the n-grams of order 1, 2, … Only the first C can have children."""

    words: Array  # (N,) int32: the last word; -1 for the root
    probs: Array  # (N,) float32: p(word | the words before it)
    counts: Array  # (N,) int32: occurrences in the training text
    fallback: Array  # (N,) int32: the longest proper suffix that has children, or the root
    children: Array  # (C+1,) int32: the children of node c are children[c] … children[c+1]-1
    gammas: Array  # (C,) float32: γ of node c, the weight of the shorter context

    _walked = 0  # tokens that were looked up

    @classmethod
    def build(cls, levels: list[Level], probs: list[Array], gammas: list[Array], scratch: Scratch) -> Self:
        """One node for each n-gram of `levels`, given its p(w | h), `probs` (G,), and γ(h), `gammas` (C,), by level.

        The lists are emptied on the way: no level is in memory longer than it must.
        """
        first = np.cumsum([0, 1] + [len(level) for level in levels]).tolist()  # first[n]: the first node of order n
        nodes, contexts = first[-1], first[-2]
        trie = cls(
            words=scratch.empty(nodes, np.int32),
            probs=scratch.empty(nodes, np.float32),
            counts=scratch.empty(nodes, np.int32),
            fallback=scratch.empty(nodes, np.int32),
            children=scratch.empty(contexts + 1, np.int32),
            gammas=scratch.empty(contexts, np.float32),
        )
        trie.words[0], trie.probs[0], trie.fallback[0] = -1, 1, 0
        trie.counts[0] = levels[0].count.sum()
        while levels:
            level, prob, gamma = levels.pop(0), probs.pop(0), gammas.pop(0)
            n = level.order
            here, below = slice(first[n], first[n + 1]), slice(first[n - 1], first[n])
            columns = (trie.words, level.word), (trie.probs, prob), (trie.counts, level.count)
            for column, values in columns:
                column[here] = values
                release(column, values)
            trie.gammas[below] = gamma
            release(trie.gammas, gamma)
            np.add(level.children[:-1], np.int32(first[n]), out=trie.children[below])
            trie.children[first[n]] = first[n + 1]  # the end of the last context; the next level overwrites it
            _link(level.suffix, first[n - 1], trie.children, trie.fallback, trie.fallback[here])
            release(level.suffix, level.children, trie.children, trie.fallback)
        return trie

    def walk(self, tokens: Array, state: int) -> tuple[Array, int]:
        """Probability of each token (T,), read in order from `state`, and the state after the last."""
        probs = np.empty(len(tokens))
        return probs, int(_walk(tokens, state, probs, *self._columns))

    def walk_many(self, tokens: Array, starts: Array, states: Array) -> Array:
        """`walk` over B texts, concatenated in `tokens` (T,) with boundaries `starts` (B+1,): (T,).

        Text b is read from states[b] (B,). Threads share the texts.
        """
        probs = np.empty(len(tokens))
        threads = max(1, min(os.cpu_count() or 1, len(tokens) // WORTH_A_THREAD, len(states)))
        cuts = np.searchsorted(starts, np.linspace(0, len(tokens), threads + 1)).tolist()
        cuts[0], cuts[-1] = 0, len(states)
        self._walked += len(tokens)
        pays = len(self._firsts) > 2 and 2 * self._walked > self._firsts[2]
        bigrams = self._bigrams if pays else np.empty(0, np.int64)

        def walk(text: int, stop: int) -> None:
            contexts, space = np.empty((ROWS, len(self._firsts)), np.int32), np.empty((10, ROWS), np.int64)
            where = tokens, starts, states, text, stop, probs
            walk_many(*where, self._firsts, contexts, *space, bigrams, *self._columns)

        if threads == 1:
            walk(*cuts)
        else:
            with ThreadPoolExecutor(threads) as pool:  # the compiled loop releases the GIL
                list(pool.map(walk, cuts[:-1], cuts[1:]))
        return probs

    @cached_property
    def _firsts(self) -> Array:
        """The first node of each order from 1 on, and the number of nodes."""
        firsts = [1]
        while firsts[-1] < len(self.gammas) and self.children[firsts[-1]] > firsts[-1]:
            firsts.append(int(self.children[firsts[-1]]))
        return np.array([*firsts, len(self.words)] if firsts[-1] < len(self.words) else firsts)

    @cached_property
    def _bigrams(self) -> Array:
        """A hash table of the bigrams, made once half as many tokens were looked up: so long it would not pay."""
        table = np.zeros(1 << int(2 * (self._firsts[2] - self._firsts[1])).bit_length(), np.int64)
        put_bigrams(table, self.words, self.children)
        return table

    def distribution(self, state: int, vocab_size: int) -> Array:
        """p(w | state) of every word, (V,): unigrams, overwritten by ever longer contexts."""
        probs = np.empty(vocab_size)
        depth, context = 0, state
        while context != 0:
            depth, context = depth + 1, int(self.fallback[context])
        _distribution(state, probs, np.empty(depth, np.int64), np.empty(depth), *self._columns)
        return probs

    def distributions(self, tokens: Array, state: int, vocab_size: int) -> Array | None:
        """`distribution` before each of `tokens` (T,) is read, in order from `state`: (T, V); None where a
        context is longer than MOST_CONTEXTS.
        """
        probs, space = np.empty((len(tokens), vocab_size)), (np.empty(MOST_CONTEXTS, np.int64), np.empty(MOST_CONTEXTS))
        return None if _distributions(tokens, state, probs, *space, *self._columns) < 0 else probs

    def draw(self, state: int, u: float) -> int:
        """A word drawn from p(w | state), for a number `u` uniform in [0, 1); -1 where TRIES were not enough."""
        space: list[Array] = [np.empty(MOST_CONTEXTS, np.int64), *np.empty((3, MOST_CONTEXTS))]
        return int(_draw(state, np.uint64(u * 2**53), TRIES, BLOCK, self._sums, *space, *self._columns))

    @cached_property
    def _sums(self) -> Array:
        """The sum of all `probs` before each block of BLOCK nodes, the last of which may have fewer."""
        whole = self.probs[: len(self.probs) // BLOCK * BLOCK].reshape(-1, BLOCK)
        return np.append(0, np.cumsum(whole.sum(axis=1, dtype=np.float64)))  # `reduceat` copies all as float64

    @property
    def _columns(self) -> tuple[Array, ...]:
        return self.words, self.probs, self.children, self.gammas, self.fallback

    def check(self, vocab_size: int) -> None:
        """Raise FormatError for arrays from a file in which `walk` could run out of bounds or loop forever."""
        nodes, contexts = len(self.words), len(self.gammas)
        wanted = {"words": "i4", "probs": "f4", "counts": "i4", "fallback": "i4", "children": "i4", "gammas": "f4"}
        sound = (
            all(getattr(self, key).dtype == dtype and getattr(self, key).ndim == 1 for key, dtype in wanted.items())
            and 0 < vocab_size < nodes
            and len(self.probs) == len(self.fallback) == len(self.counts) == nodes
            and 0 < contexts == len(self.children) - 1 <= nodes
            and self.children[0] == 1
            and self.children[1] == 1 + vocab_size
            and self.children[-1] == nodes
            and _is_sound(vocab_size, *self._columns)
        )
        if not sound:
            raise FormatError("these arrays are not an n-gram model's: links or probabilities are out of range")


class TrieModel(LanguageModel):
    """A language model that is a trie: an n-gram model once it is estimated, or read from a file.

    A state is the node of the longest context that was seen in training.
    """

    trie_: Trie
    order_: int

    @property
    def reach(self) -> int:
        """It sees order - 1 tokens back."""
        return self.order_ - 1

    def size(self) -> tuple[int, str]:
        """The distinct n-grams of all orders with a count that is not 0 (-1 in models read from a file)."""
        return int(np.count_nonzero(self.trie_.counts[1:])), "n-grams"

    def arrays(self) -> dict[str, Array]:
        """The trie's arrays, the order and V."""
        numbers = {"vocab_size": np.asarray(self.vocab_size_), "order": np.asarray(self.order_)}
        return numbers | {column.name: getattr(self.trie_, column.name) for column in fields(Trie)}

    def restore(self, arrays: dict[str, Array]) -> Self:
        """The inverse of `arrays`. Raises FormatError for arrays that no fit could have made."""
        columns = dict(arrays)
        self.vocab_size_, self.order_ = (int(columns.pop(key)) for key in ("vocab_size", "order"))
        self.trie_ = Trie(**columns)
        self.trie_.check(self.vocab_size_)
        return self

    def start(self) -> State:
        """The context that consists of `end`."""
        return self.advance(0, np.array([self.vocab_size_ - 1]))

    def advance(self, state: State, tokens: Ids) -> State:
        """The longest context after reading `tokens` (T,), at most order - 1 of them."""
        # Nothing before the last order - 1 tokens matters, so a long text need not be read whole.
        if len(tokens) >= self.order_:
            state, tokens = 0, tokens[len(tokens) - self.order_ + 1 :]
        return self.trie_.walk(check_ids(tokens, self.vocab_size_).astype(np.int32), state)[1]

    def next_log_probs(self, state: State) -> Array:
        """log P of every token, (V,), in nats."""
        return _log(self.trie_.distribution(state, self.vocab_size_))

    def distributions(self, tokens: Ids, state: State | None = None) -> Array:
        """`next_log_probs` before each of `tokens` (T,) is read, in one pass: (T, V)."""
        ids = check_ids(tokens, self.vocab_size_).astype(np.int32)
        rows = self.trie_.distributions(ids, self.start() if state is None else state, self.vocab_size_)
        return super().distributions(tokens, state) if rows is None else _log(rows, rows)

    def draw(self, state: State, u: float) -> int:
        """A token drawn as `next_log_probs` says, in time that does not depend on V."""
        word = self.trie_.draw(state, u)
        return word if word >= 0 else super().draw(state, u)

    def log_probs(self, tokens: ArrayLike, state: State | None = None) -> tuple[Array, State]:
        """log P of each of `tokens` (T,), in nats, and the state after them."""
        ids = check_ids(tokens, self.vocab_size_).astype(np.int32)
        state = self.start() if state is None else state
        # The state at any position depends on the order - 1 tokens before it only, so parts can be read in parallel.
        parts = max(1, min(os.cpu_count() or 1, len(ids) // WORTH_A_THREAD))
        starts = np.linspace(0, len(ids), parts + 1).astype(np.int64)
        states = [state, *(self.advance(state, ids[:start]) for start in starts[1:-1])]
        probs = self.trie_.walk_many(ids, starts, np.array(states))
        return _log(probs), self.advance(state, ids)

    def log_probs_many(self, texts: Sequence[ArrayLike], first: Sequence[int] | None = None) -> list[Array]:
        """`log_probs` of separate texts, or of each from its `first` token on, in one pass over all of them."""
        starts = np.cumsum([0, *(len(np.asarray(text)) for text in texts)])
        tokens = check_ids(np.concatenate([np.zeros(0, dtype=np.int32), *texts]), self.vocab_size_)
        states = np.full(len(texts), self.start())
        log_probs = _log(self.trie_.walk_many(tokens.astype(np.int32), starts, states))
        first = [0] * len(texts) if first is None else first
        return [log_probs[a + start : b] for (a, b), start in zip(pairwise(starts), first, strict=True)]


def _log(probs: Array, out: Array | None = None) -> Array:
    with np.errstate(divide="ignore"):  # unsmoothed models have zeros, which the evaluator reports
        return np.log(probs, out=out)


@loop
def _link(suffix, first, children, fallback, out):  # type: ignore[no-untyped-def]
    """The fallback of each n-gram: its longest proper suffix with children (one without has no γ, and is skipped)."""
    for g in range(len(suffix)):
        node = suffix[g] + first
        out[g] = node if node == 0 or children[node + 1] > children[node] else fallback[node]


@loop
def _find(state, word, words, children):  # type: ignore[no-untyped-def]
    """The child of `state` by `word`, or -1."""
    if state == 0:
        return 1 + word  # the root has a child for every word
    low = children[state]
    high = children[state + 1]
    while low < high:
        middle = (low + high) >> 1
        if words[middle] < word:
            low = middle + 1
        else:
            high = middle
    return low if low < children[state + 1] and words[low] == word else -1


@loop
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


@loop
def _walk(tokens, state, out, words, probs, children, gammas, fallback):  # type: ignore[no-untyped-def]
    for t in range(len(tokens)):
        out[t], state = _step(state, tokens[t], words, probs, children, gammas, fallback)
    return state


@loop
def _distribution(state, out, contexts, shares, words, probs, children, gammas, fallback):  # type: ignore[no-untyped-def]
    depth = len(contexts)
    share = 1.0  # what all longer contexts together leave to this one
    for n in range(depth):
        contexts[n], shares[n] = state, share
        share *= gammas[state]
        state = fallback[state]
    for word in range(len(out)):
        out[word] = probs[1 + word] * share
    for n in range(depth - 1, -1, -1):
        for child in range(children[contexts[n]], children[contexts[n] + 1]):
            out[words[child]] = probs[child] * shares[n]


@loop
def _distributions(tokens, state, out, contexts, shares, words, probs, children, gammas, fallback):  # type: ignore[no-untyped-def]
    for t in range(len(tokens)):
        depth, context = 0, state
        while context != 0:
            depth, context = depth + 1, fallback[context]
        if depth > len(contexts):
            return -1
        _distribution(state, out[t], contexts[:depth], shares[:depth], words, probs, children, gammas, fallback)
        _, state = _step(state, tokens[t], words, probs, children, gammas, fallback)
    return 0


@loop
def _draw(  # type: ignore[no-untyped-def]
    state, seed, tries, block, sums, contexts, shares, before, ends, words, probs, children, gammas, fallback
):
    """A word drawn in proportion to p(w | state), or -1.

    What each context h of the chain of fallbacks holds, its children, is drawn with the weight that the longer ones
    leave it, γ · γ' · …; a word that a longer context holds itself is refused, and all begins anew. So a word comes in
    proportion to its p in the longest context that has it: exactly `distribution`, also where p sums to something else.
    """
    depth, context = 1, state
    while context != 0:
        depth, context = depth + 1, fallback[context]
    if depth > len(contexts):  # of a file that no fit has made
        return -1
    share, total = 1.0, 0.0
    for n in range(depth):
        first, stop = children[state], children[state + 1]
        contexts[n], shares[n], before[n] = state, share, _sum_before(first, block, sums, probs)
        total += share * (_sum_before(stop, block, sums, probs) - before[n])
        ends[n] = total
        share *= gammas[state]
        state = fallback[state]
    for _ in range(tries):
        # The next number of SplitMix64 (Steele, Lea & Flood 2014), which one seed gives as many of as are needed.
        seed += np.uint64(0x9E3779B97F4A7C15)
        z = (seed ^ (seed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        place = ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53 * total
        n = 0
        while n < depth - 1 and place >= ends[n]:
            n += 1
        place = before[n] + (place - (ends[n - 1] if n > 0 else 0.0)) / shares[n]
        first, stop = children[contexts[n]], children[contexts[n] + 1]
        low, high = first // block, (stop - 1) // block  # the last block that begins at or before `place`
        while low < high:
            middle = (low + high + 1) >> 1
            if sums[middle] <= place:
                low = middle
            else:
                high = middle - 1
        child, running = low * block, sums[low]
        while child < stop:
            running += probs[child]
            if running > place:  # so it is possible, and one of this context: `place` is at least what comes before
                break
            child += 1
        fresh = child < stop  # but for rounding at the very end
        for longer in range(n):
            fresh = fresh and _find(contexts[longer], words[child], words, children) < 0
        if fresh:
            return words[child]
    return -1


@loop
def _sum_before(node, block, sums, probs):  # type: ignore[no-untyped-def]
    total = sums[node // block]
    for other in range(node // block * block, node):
        total += probs[other]
    return total


@loop
def _is_sound(vocab_size, words, probs, children, gammas, fallback):  # type: ignore[no-untyped-def]
    for c in range(len(gammas)):
        if not (children[c] <= children[c + 1] and 0 <= gammas[c] < np.inf):
            return False
    for g in range(1, len(words)):
        if not (0 <= words[g] < vocab_size and 0 <= probs[g] <= 1.000001 and 0 <= fallback[g] < min(g, len(gammas))):
            return False
    return fallback[0] == 0
