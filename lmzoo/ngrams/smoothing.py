"""Smoothing n-gram counts: nine ways to estimate α(w | h) and γ(h), each from its own paper.

`models/ngram.py` has the recursion that these fill in, and a table of them. Letters: T tokens in a text, V vocabulary
size, G n-grams in a level, C contexts in a level.
"""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from lmzoo.errors import UsageError
from lmzoo.interface import Array, Ids, Origin
from lmzoo.loops import loop
from lmzoo.ngrams.counts import Level

SHANNON = Origin(1948, "Shannon 1948, A Mathematical Theory of Communication")  # the idea is Markov's, 1913


class Smoothing:
    """Estimates α(w | h), the probability taken from the counts, and γ(h), the weight of the shorter context."""

    title: ClassVar[str] = "{gram}"  # of a model; {gram} is "5-gram", {k} what add-k adds
    origin: ClassVar[Origin] = SHANNON
    backs_off: ClassVar[bool] = False  # γ · p(w | h⁻) applies to unseen words only (back-off, not interpolation)
    is_distribution: ClassVar[bool] = True
    uses_validation: ClassVar[bool] = False  # `prepare` estimates its parameters on the validation text

    def __init__(self, vocab_size: int, k: float = 1.0) -> None:
        self.vocab_size, self.k = vocab_size, k
        self.remarks: list[str] = []
        self.failed: dict[int, str] = {}  # order → why its counts were too few for an estimate

    def prepare(self, levels: list[Level], valid: Ids) -> None:
        """Estimate parameters that need all levels, or the validation text (T,)."""

    def alpha(self, level: Level) -> Array:
        """α(w | h) of each n-gram of the level, (G,)."""
        raise NotImplementedError

    def gamma(self, level: Level, alpha: Array, lower: Array) -> Array:
        """γ(h) of each context of the level, (C,), given its α(w | h) and p(w | h⁻), both (G,).

        By default the probability mass that α leaves over, so that p(· | h) sums to one; 1 where h was never seen.
        """
        left = np.maximum(1 - level.total(alpha), 0)  # (C,); rounding can put it slightly below zero
        if not self.backs_off:
            return left
        # In back-off only unseen words receive it, so it is divided by their mass under the shorter context.
        return left / np.maximum(1 - level.total(np.where(level.count > 0, lower, 0)), 1e-12)

    def interpolate(self, level: Level, shorter: Array, probs: Array, gammas: Array) -> None:
        """Put p(w | h) of each n-gram into `probs` (G,) and γ(h) into `gammas` (C,), given the p of the order below."""
        for ngrams, contexts, part in level.parts():  # parts that fit in the processor's cache
            lower = shorter[part.suffix]  # p(w | h⁻), (G,)
            alpha = self.alpha(part)
            gamma = self.gamma(part, alpha, lower)
            below = gamma[part.context] * lower
            if self.backs_off:
                below[part.count > 0] = 0  # level 1 lists all V words, seen or not
            np.add(alpha, below, out=probs[ngrams])
            gammas[contexts] = gamma

    def remark(self, what: str) -> None:
        """Add one remark on the orders that `failed`, if any: "too few n-grams (order 2: 3 seen once; …)"."""
        if self.failed:
            self.remarks.append(f"{what} ({'; '.join(f'order {order}: {why}' for order, why in self.failed.items())})")


class MaximumLikelihood(Smoothing):
    """Relative frequencies. Unseen events have probability zero, so most texts do: the evaluator names the position."""

    title = "{gram}, unsmoothed"

    def alpha(self, level: Level) -> Array:
        """c(hw) / c(h·)."""
        return level.count / np.maximum(level.total(level.count), 1)[level.context]

    def gamma(self, level: Level, alpha: Array, lower: Array) -> Array:  # noqa: ARG002
        """0 where h was seen, else 1."""
        return (level.total(level.count) == 0).astype(float)


class AddK(Smoothing):
    """Additive smoothing: Laplace's rule (k = 1) and Lidstone's. Every word counts as seen k more times."""

    title = "{gram}, add-{k:g}"

    def alpha(self, level: Level) -> Array:
        """c(hw) / (c(h·) + kV) at the highest order."""
        if level.continuations is not None:
            return np.zeros(len(level))  # lower orders contribute nothing, so γ goes straight to the uniform 1/V
        return level.count / (level.total(level.count) + self.k * self.vocab_size)[level.context]


class JelinekMercer(Smoothing):
    """Linear interpolation (Jelinek & Mercer 1980): α = λ_h · c(hw) / c(h·), γ = 1 − λ_h.

    Contexts share one λ by order and by size of c(h·). All λ together are fitted by EM to maximise the likelihood of
    the validation text.
    """

    ROUNDS = 30
    uses_validation = True
    title = "Jelinek–Mercer, {gram}"
    origin = Origin(1980, "Jelinek & Mercer 1980, Interpolated Estimation of Markov Source Parameters")

    def prepare(self, levels: list[Level], valid: Ids) -> None:
        """EM. The responsibility of an order's relative frequency for a token is its share of p(token)."""
        self.weights = np.full((65, 33), 0.5)  # λ by order and by bucket of c(h·)
        if len(valid) == 0:
            self.remarks.append("no validation text to fit the weights of Jelinek-Mercer on: all are 1/2")
            return
        frequencies, buckets = [], []  # for each level, of each token of `valid`: c(hw)/c(h·) and h's bucket, (T,)
        for count, total in held_out_counts(levels, valid):
            frequencies.append(count / np.maximum(total, 1))
            buckets.append(binary_digits(total))
        for _ in range(self.ROUNDS):
            # E step, upwards: p(w | h) = λ · ml + (1 − λ) · p(w | h⁻), its two terms apart.
            lower = np.full(len(valid), 1 / len(levels[0]))
            terms = []
            for level, ml, bucket in zip(levels, frequencies, buckets, strict=True):
                weight = np.where(bucket > 0, self.weights[level.order][bucket], 0)
                terms.append((weight * ml, (1 - weight) * lower))
                lower = terms[-1][0] + terms[-1][1]
            # Downwards: each order takes its share of the responsibility that longer ones leave to it, (T,).
            responsibility = np.ones(len(valid))
            for level, (here, below), bucket in zip(levels[::-1], terms[::-1], buckets[::-1], strict=True):
                share = responsibility * here / (here + below)
                total = np.bincount(bucket, responsibility, 33)
                expected = np.bincount(bucket, share, 33)
                # M step, with add-one smoothing of the EM counts (a Beta(1, 1) prior): few tokens give no certainty.
                self.weights[level.order] = fill_unknown((expected + 1) / (total + 2), total > 0)
                responsibility = responsibility * below / (here + below)

    def alpha(self, level: Level) -> Array:
        """λ · c(hw) / c(h·)."""
        total = level.total(level.count)
        return (self._weight(level) / np.maximum(total, 1))[level.context] * level.count

    def gamma(self, level: Level, alpha: Array, lower: Array) -> Array:  # noqa: ARG002
        """1 − λ."""
        return 1 - self._weight(level)

    def _weight(self, level: Level) -> Array:
        total = level.total(level.count)
        return np.where(total > 0, self.weights[level.order][binary_digits(total)], 0)


def held_out_counts(levels: list[Level], tokens: Ids) -> Iterator[tuple[Array, Array]]:
    """For each level, c(hw) and c(h·) of the n-gram that ends at each position of a held-out text: (T,), (T,).

    Zero where the n-gram or its context was not seen in training.
    """
    vocab_size = len(levels[0])
    end = vocab_size - 1
    words = np.concatenate([np.array([end], dtype=np.int64), tokens])  # (T+1,)
    context = np.zeros(len(words), dtype=np.int64)  # the n-gram of the level below before each position, or -1
    for level in levels:
        # n-grams are sorted by (context, word), so one number for the pair can be searched for
        keys = level.context.astype(np.int64) * vocab_size + level.word
        wanted = context * vocab_size + words
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        seen = (context >= 0) & (keys[place] == wanted)
        total = level.total(level.count)
        yield np.where(seen, level.count[place], 0)[1:], np.where(context >= 0, total[np.maximum(context, 0)], 0)[1:]
        ngram = np.where(seen, place, -1)
        if level.order > 1:  # no context of two or more words ends with `end`
            ngram[words == end] = -1
            ngram[0] = -1
        else:
            ngram[0] = end
        context = np.concatenate([[-1], ngram[:-1]])


def fill_unknown(weights: Array, known: Array) -> Array:
    """`weights` (K,) by bucket; an unknown one takes the weight of the nearest known bucket below, or else above.

    Bucket 0 holds unseen contexts, so no other takes its weight. If no bucket is known all weights are 1/2.
    """
    places = np.flatnonzero(known[1:]) + 1
    if len(places) == 0:
        return np.full(len(weights), 0.5)
    nearest_below = np.searchsorted(places, np.arange(len(weights)), side="right") - 1
    return weights[places[np.maximum(nearest_below, 0)]]


def binary_digits(counts: Array) -> Array:
    """The number of binary digits of each count, 0 for 0: the bucket that it falls into."""
    return np.frexp(counts)[1].clip(0, 32)


class WittenBell(Smoothing):
    """Witten & Bell 1991, method C: the probability of a new word is its relative frequency so far."""

    title = "Witten–Bell, {gram}"
    origin = Origin(1991, "Witten & Bell 1991, The Zero-Frequency Problem")

    def alpha(self, level: Level) -> Array:
        """c(hw) / (c(h·) + N₁₊(h·))."""
        kinds = level.total(level.count > 0)  # N₁₊(h·)
        return level.count / np.maximum(level.total(level.count) + kinds, 1)[level.context]


class AbsoluteDiscounting(Smoothing):
    """Ney, Essen & Kneser 1994: subtract the same discount D from every count above zero."""

    title = "absolute discounting, {gram}"
    origin = Origin(1994, "Ney, Essen & Kneser 1994, On Structuring Probabilistic Dependences")
    fallback = "D = 0.75"

    def __init__(self, vocab_size: int, k: float = 1.0) -> None:
        super().__init__(vocab_size, k)
        self.discounts: dict[int, Array] = {}  # order → D for counts of 0, 1, 2, 3 or more

    def prepare(self, levels: list[Level], valid: Ids) -> None:  # noqa: ARG002
        """Estimate the discounts of each order."""
        self.discounts = {level.order: self.estimate(level) for level in levels}
        self.remark(f"too few n-grams to estimate discounts from, used {self.fallback}")

    def counts(self, level: Level) -> Array:
        """The counts that are discounted, (G,)."""
        return level.count

    def alpha(self, level: Level) -> Array:
        """(c(hw) − D) / c(h·)."""
        counts = self.counts(level)
        return (counts - self._discount(level)) / np.maximum(level.total(counts), 1)[level.context]

    def gamma(self, level: Level, alpha: Array, lower: Array) -> Array:  # noqa: ARG002
        """The discounted mass, Σ_w D / c(h·)."""
        total = level.total(self.counts(level))
        return np.where(total > 0, level.total(self._discount(level)) / np.maximum(total, 1), 1.0)

    def interpolate(self, level: Level, shorter: Array, probs: Array, gammas: Array) -> None:
        """The same numbers in one pass."""
        counts, discounts = self.counts(level), self.discounts[level.order]
        _interpolate(counts, level.children, level.suffix, discounts, shorter, probs, gammas)

    def _discount(self, level: Level) -> Array:
        """D of each n-gram, (G,)."""
        return self.discounts[level.order][np.minimum(self.counts(level), 3)]

    def estimate(self, level: Level) -> Array:
        """D = n₁ / (n₁ + 2 n₂), from the numbers of n-grams seen once and twice."""
        _, n1, n2, *_ = level.counts_of_counts(self.counts(level)).tolist()
        if n1 and n2:
            d = n1 / (n1 + 2 * n2)
        else:
            d = 0.75
            self.failed[level.order] = f"{n1} seen once, {n2} twice"
        return np.array([0, d, d, d])


class KneserNey(AbsoluteDiscounting):
    """Interpolated Kneser-Ney (Kneser & Ney 1995; Chen & Goodman 1998, §2.7): absolute discounting of a(·)."""

    title = "Kneser–Ney, {gram}"
    origin = Origin(1995, "Kneser & Ney 1995, Improved Backing-Off for m-gram Language Modeling")

    def counts(self, level: Level) -> Array:
        """a(hw): continuation counts below the highest order."""
        return level.adjusted


class ModifiedKneserNey(KneserNey):
    """Interpolated modified Kneser-Ney (Chen & Goodman 1998, §3): a discount each for counts of 1, 2 and 3 or more."""

    title = "modified Kneser–Ney, {gram}"
    origin = Origin(1998, "Chen & Goodman 1998, An Empirical Study of Smoothing Techniques")
    fallback = "0.5, 1, 1.5 as KenLM's --discount_fallback does"

    def estimate(self, level: Level) -> Array:
        """D_k = k − (k+1) · Y · n_{k+1}/n_k with Y = n₁/(n₁ + 2n₂) (eq. 26); KenLM's fallback where that fails."""
        _, n1, n2, n3, n4, _ = self._as_kenlm_counts(level).tolist()
        if n1 and n2 and n3:
            y = n1 / (n1 + 2 * n2)
            d = np.array([0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
            # A discount of 0 would leave no mass for unseen words, and one above its count would go below zero.
            if (d[1:] > 0).all() and (d <= [0, 1, 2, 3]).all():
                return d
            self.failed[level.order] = f"they come out as {d[1]:.3g}, {d[2]:.3g}, {d[3]:.3g}"
        else:
            self.failed[level.order] = f"{n1} seen once, {n2} twice, {n3} three times"
        return np.array([0, 0.5, 1, 1.5])

    def _as_kenlm_counts(self, level: Level) -> Array:
        """The counts of counts, (6,), as KenLM's lmplz computes them.

        At the end of its stream of n-grams lmplz flushes the suffixes of the very last one with their raw counts
        (lm/builder/adjust_counts.cc). That moves one n-gram an order, and the third digit of a discount on a small
        text; without it scores would agree with KenLM's to four digits only.
        """
        counts = level.counts_of_counts(level.adjusted)
        if level.last is not None and level.continuations is not None:
            counts[min(level.adjusted[level.last], 5)] -= 1
            counts[min(level.count[level.last], 5)] += 1
        return counts


class Katz(Smoothing):
    """Katz 1987: Good-Turing discounts for counts up to K; the discounted mass backs off to unseen words."""

    backs_off = True
    title = "Katz, {gram}"
    origin = Origin(1987, "Katz 1987, Estimation of Probabilities from Sparse Data")
    K = 7  # larger counts are reliable and not discounted

    def prepare(self, levels: list[Level], valid: Ids) -> None:  # noqa: ARG002
        """d_r of each order, for r = 0 … K and more than K."""
        self.ratios = {level.order: self._ratios(level) for level in levels}
        self.remark("too few n-grams for Good-Turing, nothing was discounted")

    def alpha(self, level: Level) -> Array:
        """d_r · c(hw) / c(h·), where d_r = (r*/r − x) / (1 − x), r* = (r+1) n_{r+1}/n_r, x = (K+1) n_{K+1}/n_1."""
        discounted = self.ratios[level.order][np.minimum(level.count, self.K + 1)] * level.count
        alpha: Array = discounted / np.maximum(level.total(level.count), 1)[level.context]
        total, kinds, used = level.total(level.count), level.total(level.count > 0), level.total(alpha)  # (C,) each
        # A context that was followed by all V words has no unseen word to back off to: its α are scaled to sum to one.
        scale = np.where(kinds == self.vocab_size, 1 / np.maximum(used, 1e-300), 1.0)
        # One with large counts only would leave nothing to unseen words: it is scaled as if it had one more token.
        scale = np.where((kinds < self.vocab_size) & (used > 1 - 1e-9), total / (total + 1), scale)
        return scale[level.context] * alpha

    def _ratios(self, level: Level) -> Array:
        n = level.counts_of_counts(level.count, self.K + 2).astype(float)
        ratios = np.ones(self.K + 2)
        if (n[1 : self.K + 2] == 0).any():
            self.failed[level.order] = f"none seen {int(np.argmin(n[1 : self.K + 2])) + 1} times"
            return ratios
        r = np.arange(1, self.K + 1)
        common = (self.K + 1) * n[self.K + 1] / n[1]  # x
        estimates = ((r + 1) * n[2 : self.K + 2] / (r * n[1 : self.K + 1]) - common) / (1 - common)
        valid = (estimates > 0) & (estimates <= 1)
        if not valid.all():
            bad = ", ".join(f"{d:.3g} for counts of {k}" for k, d in zip(r[~valid], estimates[~valid], strict=True))
            self.remarks.append(f"order {level.order}: Good-Turing's discount comes out as {bad}: left undiscounted")
        ratios[1 : self.K + 1] = np.where(valid, estimates, 1)
        return ratios


class StupidBackoff(MaximumLikelihood):
    """Brants et al. 2007: relative frequencies, and 0.4 times the shorter context's score for unseen words."""

    backs_off = True
    is_distribution = False
    title = "stupid back-off, {gram}"
    origin = Origin(2007, "Brants et al. 2007, Large Language Models in Machine Translation")

    def gamma(self, level: Level, alpha: Array, lower: Array) -> Array:  # noqa: ARG002
        """0.4 (§4), not normalised: scores do not sum to one."""
        return np.where(level.total(level.count) > 0, 0.4, 1.0)


class Imported(Smoothing):
    """Probabilities read from an ARPA file: `lmzoo import` makes such a model, it cannot be fitted."""

    backs_off = True
    title = "imported {gram}"

    def prepare(self, levels: list[Level], valid: Ids) -> None:  # noqa: ARG002
        """Raises UsageError: there is nothing to estimate."""
        raise UsageError("the smoothing 'arpa' is that of a file read by `lmzoo import`: it cannot be fitted")


SMOOTHINGS: dict[str, type[Smoothing]] = {
    "ml": MaximumLikelihood,
    "add-k": AddK,
    "jelinek-mercer": JelinekMercer,
    "witten-bell": WittenBell,
    "absolute": AbsoluteDiscounting,
    "katz": Katz,
    "kneser-ney": KneserNey,
    "modified-kneser-ney": ModifiedKneserNey,
    "stupid-backoff": StupidBackoff,
    "arpa": Imported,
}


@loop
def _interpolate(counts, children, suffix, discounts, shorter, probs, gammas):  # type: ignore[no-untyped-def]
    """`AbsoluteDiscounting.interpolate`, with the sums in the order of `Level.total`."""
    for context in range(len(gammas)):
        total, mass = 0.0, 0.0
        for g in range(children[context], children[context + 1]):
            total += counts[g]
            mass += discounts[min(counts[g], 3)]
        room = max(total, 1.0)
        gamma = mass / room if total > 0 else 1.0
        gammas[context] = gamma
        for g in range(children[context], children[context + 1]):
            probs[g] = (counts[g] - discounts[min(counts[g], 3)]) / room + gamma * shorter[suffix[g]]
