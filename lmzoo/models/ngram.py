"""The n-gram: count what followed the last few words (Shannon 1948), and smooth (Chen & Goodman 1998).

One recursion serves every smoothing. The probability of a word w after the words h is

    p(w | h) = α(w | h) + γ(h) · p(w | h⁻)                                   (Chen & Goodman 1998, eq. 12)

where h⁻ is h without its oldest word, and the shortest estimate of all is uniform: p(w) = 1/V. A smoothing says
how much to believe the counts, α, and how much to leave to the shorter context, γ. Where h never occurred there
is nothing to believe: p(w | h) = p(w | h⁻).

    ml                     α = c(hw) / c(h)                     γ = 0
    kneser-ney             α = (a(hw) − D) / a(h·)              γ = D · N₁₊(h·) / a(h·)
    modified-kneser-ney    α = (a(hw) − D_{a(hw)}) / a(h·)      γ = Σ_k D_k N_k(h·) / a(h·)

a(·) are Kneser & Ney's counts: for all but the longest n-grams, not how often a word was seen but after how many
different words. ("San Francisco" is frequent, "Francisco" follows one word only.) The definitions agree with
KenLM's (Heafield 2013), whose scores are the oracle of the tests; two things differ on purpose. Every token of
the vocabulary is one of V here, so there is no <unk>; and all arithmetic is in float64, rounded once to float32.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lmzoo.errors import UsageError, nearest
from lmzoo.interface import Ids, LanguageModel, Run, State, check_ids
from lmzoo.models._counting import Level, count_ngrams
from lmzoo.models._trie import check, fallbacks, walk

Array = NDArray[Any]


class MaximumLikelihood:
    """Relative frequencies. What was not seen is impossible, so most texts are: the ruler will say where."""

    def alpha(self, level: Level) -> Array:
        """c(hw) / c(h), (G,)."""
        return level.count / np.maximum(level.total(level.count), 1)[level.context]

    def gamma(self, level: Level) -> Array:
        """Nothing is left for shorter contexts where h was seen, (C,)."""
        return (level.total(level.count) == 0).astype(float)


class KneserNey:
    """Interpolated Kneser-Ney (Kneser & Ney 1995; Chen & Goodman 1998, §2.7): one discount for each order."""

    def __init__(self) -> None:
        self.discounts: dict[int, Array] = {}  # order → D by count 0, 1, 2, 3+
        self.remarks: list[str] = []

    def alpha(self, level: Level) -> Array:
        """(a(hw) − D) / a(h·), (G,)."""
        total = np.maximum(level.total(level.adjusted), 1)
        return (level.adjusted - self.taken(level)) / total[level.context]

    def gamma(self, level: Level) -> Array:
        """What α took off, as a share of the whole: Σ_w D / a(h·), (C,). All of it where h was never seen."""
        total = level.total(level.adjusted)
        return np.where(total > 0, level.total(self.taken(level)) / np.maximum(total, 1), 1.0)

    def taken(self, level: Level) -> Array:
        """The discount of each n-gram, (G,)."""
        if level.order not in self.discounts:
            self.discounts[level.order] = self.estimate(level)
        return self.discounts[level.order][np.minimum(level.adjusted, 3)]

    def estimate(self, level: Level) -> Array:
        """D = n₁ / (n₁ + 2 n₂), from the n-grams seen once and twice (Ney, Essen & Kneser 1994)."""
        _, n1, n2, *_ = level.counts_of_counts()
        if n1 and n2:
            d = n1 / (n1 + 2 * n2)
        else:
            d = 0.75
            self._remark(level.order, f"{n1} seen once and {n2} seen twice", "D = 0.75")
        return np.array([0, d, d, d])

    def _remark(self, order: int, counts: str, instead: str) -> None:
        self.remarks.append(
            f"order {order}: too few {order}-grams to estimate discounts from ({counts}), used {instead}"
        )


class ModifiedKneserNey(KneserNey):
    """Interpolated modified Kneser-Ney (Chen & Goodman 1998, §3): discounts for counts of 1, 2 and 3 or more."""

    def estimate(self, level: Level) -> Array:
        """D_k = k − (k+1) · Y · n_{k+1}/n_k with Y = n₁/(n₁ + 2n₂) (eq. 26); KenLM's fallback if that fails."""
        _, n1, n2, n3, n4, _ = self._as_kenlm_counts(level)
        if n1 and n2 and n3:
            y = n1 / (n1 + 2 * n2)
            d = np.array([0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
            if (d >= 0).all() and (d <= [0, 1, 2, 3]).all():
                return d
            why = f"they come out as {d[1]:.3g}, {d[2]:.3g}, {d[3]:.3g}"
        else:
            why = f"{n1} seen once, {n2} twice, {n3} three times"
        self._remark(level.order, why, "0.5, 1, 1.5 as KenLM's --discount_fallback does")
        return np.array([0, 0.5, 1, 1.5])

    def _as_kenlm_counts(self, level: Level) -> Array:
        """The counts of counts, (6,), as KenLM's lmplz finds them.

        When its stream of n-grams runs dry, lmplz flushes the suffixes of the very last one with their raw
        counts (lm/builder/adjust_counts.cc). That moves one n-gram an order, and the third digit of a discount
        on a small text; without it scores would agree with KenLM's to four digits only.
        """
        counts = level.counts_of_counts()
        if level.last is not None and level.continuations is not None:
            counts[min(level.adjusted[level.last], 5)] -= 1
            counts[min(level.count[level.last], 5)] += 1
        return counts


SMOOTHINGS: dict[str, Callable[[], Any]] = {
    "ml": MaximumLikelihood,
    "kneser-ney": KneserNey,
    "modified-kneser-ney": ModifiedKneserNey,
}


@dataclass
class Ngram(LanguageModel):
    """P(w | the last order-1 tokens), by counting and smoothing."""

    order: int = 5  # the longest n-gram that is counted, 1 to 64
    smoothing: str = "modified-kneser-ney"  # ml, kneser-ney or modified-kneser-ney

    name: ClassVar[str] = "ngram"
    year: ClassVar[int] = 1998
    paper: ClassVar[str] = "Chen & Goodman 1998, An Empirical Study of Smoothing Techniques"

    def __post_init__(self) -> None:
        if not 1 <= self.order <= 64:
            raise UsageError(f"order must be 1 to 64, not {self.order}: it is the length of the longest n-gram")
        if self.smoothing not in SMOOTHINGS:
            raise UsageError(
                f"no smoothing named {self.smoothing!r}; there are: {', '.join(SMOOTHINGS)}"
                f"{nearest(self.smoothing, SMOOTHINGS)}"
            )

    @property
    def reach(self) -> int:
        """It sees order - 1 tokens back."""
        return self.order - 1

    def warm_up(self) -> None:
        """Have the counting and walking loops compiled, or loaded where they were before."""
        Ngram(order=2).fit(np.zeros(2, dtype=np.int32), np.zeros(0, dtype=np.int32), 2).log_probs([0])

    def fit(self, train: Ids, valid: Ids, vocab_size: int, run: Run | None = None) -> Self:  # noqa: ARG002
        """Count `train` (T,) and smooth. Where counts are too few for discounts, `remarks` says what was done."""
        train = check_ids(train, vocab_size)
        self.vocab_size_ = vocab_size
        smoothing = SMOOTHINGS[self.smoothing]()
        levels = count_ngrams(train, vocab_size, self.order)
        alphas_gammas = [(smoothing.alpha(level), smoothing.gamma(level)) for level in levels]
        self._lay_out(levels, _interpolate(levels, alphas_gammas), [gamma for _, gamma in alphas_gammas])
        self.remarks = [*getattr(smoothing, "remarks", [])]
        if len(levels) < self.order:
            self.remarks.append(f"the text has no n-grams longer than {len(levels)}: order {self.order} adds none")
        return self

    def _lay_out(self, levels: list[Level], probs: list[Array], gammas: list[Array]) -> None:
        """Put all levels one behind the other under a root, for `_trie.walk`: node 0, then order 1, 2, …"""
        first = np.cumsum([0, 1] + [len(level) for level in levels])  # first[n]: the first node of order n
        self.words_ = np.concatenate([[-1], *[level.word for level in levels]]).astype(np.int32)
        self.counts_ = np.concatenate([[levels[0].count.sum()], *[level.count for level in levels]])
        self.probs_ = np.concatenate([[1.0], *probs]).astype(np.float32)
        # γ and children belong to contexts: the root and all orders but the longest.
        self.gammas_ = np.concatenate(gammas).astype(np.float32)
        self.children_ = np.concatenate([level.children[:-1] + first[level.order] for level in levels] + [first[-1:]])
        suffix = [level.suffix + first[level.order - 1] for level in levels]
        self.fallback_ = fallbacks(np.concatenate([[0], *suffix]).astype(np.int32), self.children_)

    def size(self) -> tuple[int, str]:
        """The distinct n-grams of all orders."""
        return int((self.counts_[1:] > 0).sum()), "n-grams"

    def restore(self, arrays: dict[str, Array]) -> Self:
        """The inverse of `arrays`. Raises FormatError for arrays that no fit could have made."""
        super().restore(arrays)
        check(self.vocab_size_, self.words_, self.probs_, self.children_, self.gammas_, self.fallback_)
        return self

    # A state is the node of the longest context that was seen in training.

    def start(self) -> State:
        """The context that consists of `end`."""
        return self.advance(0, np.array([self.vocab_size_ - 1]))

    def advance(self, state: State, tokens: Ids) -> State:
        """The longest context after reading `tokens` (T,), at most order - 1 of them."""
        # Nothing older than the last order - 1 tokens can matter, so a long text is not read whole.
        if len(tokens) >= self.order:
            state, tokens = 0, tokens[len(tokens) - self.order + 1 :]
        return self._walk(check_ids(tokens, self.vocab_size_), state)[1]

    def log_probs(self, tokens: ArrayLike, state: State | None = None) -> tuple[Array, State]:
        """log P of each of `tokens` (T,), in nats, and the state after them: one look-up a token."""
        state = self.start() if state is None else state
        probs, state = self._walk(check_ids(tokens, self.vocab_size_), state)
        return _log(probs), state

    def next_log_probs(self, state: State) -> Array:
        """log P of every token, (V,), in nats: the unigrams, then what each longer context says."""
        contexts = [state]
        while contexts[-1] != 0:
            contexts.append(int(self.fallback_[contexts[-1]]))
        probs = self.probs_[1 : 1 + self.vocab_size_].astype(np.float64)
        for context in contexts[-2::-1]:
            children = slice(self.children_[context], self.children_[context + 1])
            probs *= self.gammas_[context]
            probs[self.words_[children]] = self.probs_[children]
        return _log(probs)

    def _walk(self, tokens: Ids, state: int) -> tuple[Array, int]:
        arrays = self.words_, self.probs_, self.children_, self.gammas_, self.fallback_
        probs, state = walk(tokens.astype(np.int32), state, *arrays)
        return probs, int(state)


def _interpolate(levels: list[Level], alphas_gammas: list[tuple[Array, Array]]) -> list[Array]:
    """p(w | h) = α(w | h) + γ(h) · p(w | h⁻) for every n-gram that was seen, order by order: [(G,), …]."""
    probs: list[Array] = [np.array([1 / len(levels[0])])]  # the empty n-gram's stands for 1/V
    for level, (alpha, gamma) in zip(levels, alphas_gammas, strict=True):
        probs.append(alpha + gamma[level.context] * probs[-1][level.suffix])
    return probs[1:]


def _log(probs: Array) -> Array:
    with np.errstate(divide="ignore"):  # maximum likelihood knows impossible events; the ruler names them
        return np.log(probs)
