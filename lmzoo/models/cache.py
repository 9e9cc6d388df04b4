"""The cache model: words that occurred recently are likely to occur again (Kuhn & De Mori 1990).

    p_n(w | h) = (c_n(h, w) + k · p_{n-1}(w | h)) / (c_n(h) + k)        c_n(h, w) = Σ ½^((a-1) / half-life)

It learns from the text it is scored on, not from the training text. c_n(h, w) counts how often w followed the last n-1
tokens of h within the last `window` tokens, an occurrence a tokens ago with exponentially decaying weight, and
c_n(h) = Σ_w c_n(h, w). p_0 is the unigram of the training text with add-one smoothing. The first cache had order n = 1;
Jelinek, Merialdo, Roukos & Strauss (1991) added trigrams.

On its own it is a poor model. It is meant to be interpolated with one that knows the language
(`lmzoo eval A B --mix`), and its defaults are the best ones beside modified Kneser-Ney on the validation text of the
Penn Treebank.

Departures: Kuhn & De Mori have a cache for each part of speech and constant interpolation weights. Here there is one
cache, and an order's weight grows with the count of its context (MacKay & Peto 1995): with constant weights fitted to
the cache alone the interpolated model has perplexity 128 on the validation text instead of 122. Exponential decay is
from Clarkson & Robinson (1997).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from lmzoo.errors import FormatError, in_range
from lmzoo.interface import Array, Data, Ids, LanguageModel, Run, State, check_ids


@dataclass
class Cache(LanguageModel):
    """P(w | the last `window` tokens) from the n-grams among them, to be interpolated with another model."""

    window: int = 1000  # tokens in the cache, 1 or more
    half_life: float = 100.0  # tokens after which the weight of an occurrence is halved, above 0
    order: int = 3  # length of the longest n-grams in the cache, 1 to 64; 1 is Kuhn & De Mori's
    k: float = 2.0  # weight of the shorter context, in occurrences, above 0

    name: ClassVar[str] = "cache"
    year: ClassVar[int] = 1990
    paper: ClassVar[str] = "Kuhn & De Mori 1990, A Cache-Based Natural Language Model for Speech Recognition"
    family: ClassVar[str] = "count"
    title: ClassVar[str] = "cache"
    label_settings: ClassVar[Mapping[str, str]] = {"window": "{} tokens"}
    adapts: ClassVar[bool] = True

    def __post_init__(self) -> None:
        in_range("window", self.window, 1, why="it is the number of tokens in the cache")
        in_range("half-life", self.half_life, above=0, why="a large one is as good as no decay")
        in_range("order", self.order, 1, 64, why="it is the length of the longest n-gram")
        in_range("k", self.k, above=0, why="unseen words would have probability zero")

    @property
    def reach(self) -> int:
        """The window."""
        return self.window

    def warm_up(self) -> None:
        """Compile the scoring loop, or load it from numba's cache."""
        nothing = np.zeros(0, dtype=np.int32)
        type(self)().fit(Data.of(nothing, nothing, 2)).log_probs([0])

    def fit(self, data: Data, run: Run | None = None) -> Self:  # noqa: ARG002
        """Count the unigrams of `data.train`, p_0."""
        counts = np.bincount(data.train, minlength=data.vocab_size) + 1.0
        self.vocab_size_, self.unigrams_ = data.vocab_size, counts / counts.sum()
        return self

    def restore(self, arrays: dict[str, Array]) -> Self:
        """The inverse of `arrays`. Raises FormatError for arrays that no fit could have made."""
        super().restore(arrays)
        probs = self.unigrams_
        if np.shape(probs) != (self.vocab_size_,) or not (probs.min() > 0 and np.isclose(probs.sum(), 1)):
            raise FormatError("these arrays are not a cache's: its unigrams are no distribution over the vocabulary")
        return self

    # A state is the cache: the ids of the last `window` tokens, oldest first.

    def start(self) -> State:
        """`end` alone."""
        return np.array([self.vocab_size_ - 1], dtype=np.int32)

    def advance(self, state: State, tokens: Ids) -> State:
        """The last `window` tokens after reading `tokens` (T,)."""
        text = np.concatenate([state, check_ids(tokens, self.vocab_size_)]).astype(np.int32)
        return text[-self.window :].copy()

    def next_log_probs(self, state: State) -> Array:
        """log P of every token, (V,), in nats."""
        weights = self._decay(len(state))[::-1].copy()  # of each token in the cache as an occurrence
        probs = self.unigrams_
        for n in range(self.order):
            if n:  # only tokens that followed the same n tokens count
                weights[n:] *= state[:-n] == state[-n]
                weights[:n] = 0
            if not weights.any():
                break
            counts = np.bincount(state, weights, self.vocab_size_)
            probs = (counts + self.k * probs) / (counts.sum() + self.k)
        return np.log(probs)

    def log_probs(self, tokens: ArrayLike, state: State | None = None) -> tuple[Array, State]:
        """log P of each of `tokens` (T,), in nats, and the state after them."""
        tokens = check_ids(tokens, self.vocab_size_)
        state = self.start() if state is None else state
        text = np.concatenate([state, tokens]).astype(np.int32)
        decay = self._decay(min(self.window, len(text)))
        probs = _cache_probs(text, len(state), decay, self.unigrams_, self.order, float(self.k))
        return np.log(probs), text[-self.window :].copy()

    def distributions(self, tokens: Ids, state: State | None = None) -> Array:
        """`next_log_probs` before each of `tokens` (T,) is read, in one pass: (T, V)."""
        tokens = check_ids(tokens, self.vocab_size_)
        state = self.start() if state is None else state
        text = np.concatenate([state, tokens]).astype(np.int32)
        rows = np.tile(self.unigrams_, (len(tokens), 1))
        _put_rows(rows, text, len(state), self._decay(min(self.window, len(text))), self.order, float(self.k))
        return np.log(rows, out=rows)

    def _decay(self, length: int) -> Array:
        """The weight of an occurrence 1 … `length` tokens ago, (length,)."""
        return 0.5 ** (np.arange(length) / self.half_life)


@njit(cache=True, nogil=True)
def _cache_probs(text: Array, first: int, decay: Array, unigrams: Array, order: int, k: float) -> Array:
    """P of each token of `text` (S,) from position `first` on given those before it, (S - first,)."""
    probs = np.empty(len(text) - first)
    hits, totals = np.empty(order), np.empty(order)
    for t in range(first, len(text)):
        hits[:], totals[:] = 0, 0
        oldest = max(0, t - len(decay))
        for s in range(oldest, t):
            weight = decay[t - s - 1]
            for n in range(min(order, s - oldest + 1)):  # as long as the n tokens before s are those before t
                if n and text[s - n] != text[t - n]:
                    break
                totals[n] += weight
                if text[s] == text[t]:
                    hits[n] += weight
        prob = unigrams[text[t]]
        for n in range(order):
            prob = (hits[n] + k * prob) / (totals[n] + k)
        probs[t - first] = prob
    return probs


@njit(cache=True, nogil=True)
def _put_rows(rows: Array, text: Array, first: int, decay: Array, order: int, k: float) -> None:
    """Interpolate the cache into `rows` (S - first, V) of unigram probabilities: P at each position of `text` (S,)."""
    for t in range(first, len(text)):
        row, oldest = rows[t - first], max(0, t - len(decay))
        for n in range(order):
            total = 0.0
            for s in range(oldest + n, t):
                if _same(text, s, t, n):
                    total += decay[t - s - 1]
            if total == 0:  # longer contexts were not seen either
                break
            row *= k / (total + k)
            for s in range(oldest + n, t):
                if _same(text, s, t, n):
                    row[text[s]] += decay[t - s - 1] / (total + k)


@njit(inline="always")
def _same(text: Array, s: int, t: int, n: int) -> bool:
    """Whether the n tokens before s are those before t."""
    for i in range(1, n + 1):  # noqa: SIM110 (numba has no generators)
        if text[s - i] != text[t - i]:
            return False
    return True
