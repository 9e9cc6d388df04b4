"""The cache: what was just said is likely to be said again (Kuhn & De Mori 1990).

    p_n(w | h) = (c_n(h, w) + k · p_{n-1}(w | h)) / (c_n(h) + k)        c_n(h, w) = Σ ½^((a-1) / half-life)

It learns from the text it reads, not from the training text. c_n(h, w) counts how often w followed the last n-1
tokens of h among the last `window` tokens, each occasion the less the more tokens a ago it was, and
c_n(h) = Σ_w c_n(h, w). p_0 are the training text's unigrams, with one added to each count. The order n of the first
cache is 1; trigrams were added by Jelinek, Merialdo, Roukos & Strauss (1991).

Alone it is a poor model: it is made to be mixed with one that knows the language (`lmzoo eval A B --mix`), and its
settings are those that serve modified Kneser-Ney best on the validation text of the Penn Treebank.

Kuhn & De Mori keep a cache for each part of speech and give the orders constant weights. Here there is one cache, and
an order weighs the more, the more often its context was seen (MacKay & Peto 1995). Constant weights that are fitted to
the cache alone make it a worse part of that mixture: perplexity 128 on the validation text instead of 122. Occasions
fade by half-life as in Clarkson & Robinson (1997).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from lmzoo.errors import FormatError, UsageError
from lmzoo.interface import Data, Ids, LanguageModel, Run, State, check_ids

Array = NDArray[Any]


@dataclass
class Cache(LanguageModel):
    """P(w | the last `window` tokens), by counting in them alone: a cache of n-grams, to be mixed with others."""

    window: int = 1000  # how many tokens back it remembers, 1 or more
    half_life: float = 100.0  # tokens after which an occasion counts half, above 0
    order: int = 3  # the longest n-gram that is remembered, 1 to 64; 1 is Kuhn & De Mori's
    k: float = 2.0  # how many occasions the shorter context's opinion is worth, above 0

    name: ClassVar[str] = "cache"
    year: ClassVar[int] = 1990
    paper: ClassVar[str] = "Kuhn & De Mori 1990, A Cache-Based Natural Language Model for Speech Recognition"
    family: ClassVar[str] = "count"
    title: ClassVar[str] = "cache"
    label_settings: ClassVar[Mapping[str, str]] = {"window": "{} tokens"}
    adapts: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.window < 1:
            raise UsageError(f"window must be 1 or more, not {self.window}: it is how many tokens are remembered")
        if not 0 < self.half_life < float("inf"):
            raise UsageError(f"half-life must be above 0, not {self.half_life}: a great one is as good as no fading")
        if not 1 <= self.order <= 64:
            raise UsageError(f"order must be 1 to 64, not {self.order}: it is the length of the longest n-gram")
        if not 0 < self.k < float("inf"):
            raise UsageError(f"k must be above 0, not {self.k}: what was never said would be impossible")

    @property
    def reach(self) -> int:
        """Nothing older than `window` tokens is remembered."""
        return self.window

    def warm_up(self) -> None:
        """Have the loop compiled, or loaded where it was before."""
        nothing = np.zeros(0, dtype=np.int32)
        type(self)().fit(Data.of(nothing, nothing, 2)).log_probs([0])

    def fit(self, data: Data, run: Run | None = None) -> Self:  # noqa: ARG002
        """The unigrams of `data.train`: what is expected of a text before any of it is read."""
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

    # A state is what is remembered: the ids of the last `window` tokens, oldest first.

    def start(self) -> State:
        """`end` alone."""
        return np.array([self.vocab_size_ - 1], dtype=np.int32)

    def advance(self, state: State, tokens: Ids) -> State:
        """The state after reading `tokens` (T,), without what is too old."""
        text = np.concatenate([state, check_ids(tokens, self.vocab_size_)]).astype(np.int32)
        return text[-self.window :].copy()

    def next_log_probs(self, state: State) -> Array:
        """log P of every token, (V,), in nats: the equation above, order by order."""
        weights = self._fading(len(state))[::-1].copy()  # of each token in the state as an occasion
        probs = self.unigrams_
        for n in range(self.order):
            if n:  # only what followed the same n tokens counts now
                weights[n:] *= state[:-n] == state[-n]
                weights[:n] = 0
            if not weights.any():
                break
            counts = np.bincount(state, weights, self.vocab_size_)
            probs = (counts + self.k * probs) / (counts.sum() + self.k)
        log_probs: Array = np.log(probs)
        return log_probs

    def log_probs(self, tokens: ArrayLike, state: State | None = None) -> tuple[Array, State]:
        """log P of each of `tokens` (T,), in nats, and the state after them."""
        tokens = check_ids(tokens, self.vocab_size_)
        state = self.start() if state is None else state
        text = np.concatenate([state, tokens]).astype(np.int32)
        fading = self._fading(min(self.window, len(text)))
        probs = _recall(text, len(state), fading, self.unigrams_, self.order, float(self.k))
        return np.log(probs), text[-self.window :].copy()

    def _fading(self, length: int) -> Array:
        """What an occasion counts that was 1 … `length` tokens ago, (length,)."""
        fading: Array = 0.5 ** (np.arange(length) / self.half_life)
        return fading


@njit(cache=True, nogil=True)
def _recall(text: Array, first: int, fading: Array, unigrams: Array, order: int, k: float) -> Array:
    """P of each token of `text` (S,) from place `first` on, (S - first,), given those before it."""
    probs = np.empty(len(text) - first)
    hits, totals = np.empty(order), np.empty(order)
    for t in range(first, len(text)):
        hits[:], totals[:] = 0, 0
        oldest = max(0, t - len(fading))
        for s in range(oldest, t):
            weight = fading[t - s - 1]
            for n in range(min(order, s - oldest + 1)):  # the n tokens before s are those before t
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
