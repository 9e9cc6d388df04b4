"""Usual mistakes in Kneser-Ney smoothing, each as a smoothing of its own, for a program to be measured against.

`misreadings` gives every model that a program may be instead of the intended one: other smoothings, orders and k of
`lmzoo.models.ngram`, and Kneser-Ney with one mistake. None of these is a method that anyone should use.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from lmzoo.interface import Array, Ids
from lmzoo.models.ngram import Ngram
from lmzoo.ngrams.counts import Level
from lmzoo.ngrams.smoothing import SMOOTHINGS, AbsoluteDiscounting, KneserNey, Smoothing


class OnlyUnigrams(KneserNey):
    """Continuation counts for unigrams only; the orders between keep how often they were seen."""

    def counts(self, level: Level) -> Array:
        """a(w), and c(hw) above."""
        return level.adjusted if level.order == 1 else level.count


class NotUnigrams(KneserNey):
    """Continuation counts for every order but the unigrams."""

    def counts(self, level: Level) -> Array:
        """c(w), and a(hw) above."""
        return level.count if level.order == 1 else level.adjusted


class FixedDiscount(KneserNey):
    """D = 0.75 at every order."""

    def estimate(self, level: Level) -> Array:  # noqa: ARG002
        """0.75."""
        return np.array([0, 0.75, 0.75, 0.75])


class OneDiscount(KneserNey):
    """The discount of the highest order at every order."""

    def prepare(self, levels: list[Level], valid: Ids) -> None:
        """D of the last level for all."""
        super().prepare(levels, valid)
        self.discounts = dict.fromkeys(self.discounts, self.discounts[levels[-1].order])


class RawDiscount(KneserNey):
    """Discounts estimated from how often n-grams were seen, where continuation counts are discounted."""

    def estimate(self, level: Level) -> Array:
        """n₁ and n₂ of c(·)."""
        _, n1, n2, *_ = level.counts_of_counts(level.count).tolist()
        return np.array([0, *[n1 / (n1 + 2 * n2) if n1 and n2 else 0.75] * 3])


class UncountedGamma(KneserNey):
    """γ(h) = D / a(h·), without the number of different words N₁₊(h·)."""

    interpolate = Smoothing.interpolate

    def gamma(self, level: Level, alpha: Array, lower: Array) -> Array:
        """γ of one word."""
        kinds = level.total(self.counts(level) > 0)
        return super().gamma(level, alpha, lower) / np.maximum(kinds, 1)


class FullGamma(KneserNey):
    """γ(h) = 1: the shorter context is added with its whole weight."""

    interpolate = Smoothing.interpolate

    def gamma(self, level: Level, alpha: Array, lower: Array) -> Array:  # noqa: ARG002
        """1."""
        return np.ones(len(level.total(alpha)))


class RawTotals(KneserNey):
    """Continuation counts divided by how often the context was seen, c(h·), instead of by their own sum."""

    interpolate = Smoothing.interpolate

    def alpha(self, level: Level) -> Array:
        """(a(hw) − D) / c(h·)."""
        return super().alpha(level) * (level.total(self.counts(level)) / self._seen(level))[level.context]

    def gamma(self, level: Level, alpha: Array, lower: Array) -> Array:
        """D N₁₊(h·) / c(h·)."""
        total = level.total(self.counts(level))
        return super().gamma(level, alpha, lower) * np.where(total > 0, total / self._seen(level), 1)

    def _seen(self, level: Level) -> Array:
        return np.maximum(level.total(level.count), 1)


class UndiscountedUnigrams(KneserNey):
    """Unigrams a(w) / a(·) without a discount, so that a word never seen has probability 0: no step to 1/V."""

    def prepare(self, levels: list[Level], valid: Ids) -> None:
        """D = 0 at order 1."""
        super().prepare(levels, valid)
        self.discounts[1] = np.zeros(4)


class UnseenOnly(KneserNey):
    """γ(h) p(w | h⁻) only where hw was not seen, with the γ of interpolation: the sum is below one."""

    backs_off = True
    interpolate = Smoothing.interpolate


@dataclass(frozen=True)
class Misreading:
    """A model that a program may be instead of the intended one, and what causes it in a sentence."""

    name: str
    cause: str
    model: Ngram


@dataclass
class Misread(Ngram):
    """The n-gram with a smoothing that is not registered."""

    def estimator(self) -> Smoothing:
        """The smoothing with the mistake."""
        return self.kind(self.vocab_size_)

    kind: ClassVar[type[AbsoluteDiscounting]] = KneserNey


ABSOLUTE = (
    "the counts of every order are how often an n-gram was seen; Kneser-Ney counts, below the highest order, the "
    "different words before it"
)
CAUSES: dict[type[AbsoluteDiscounting], str] = {
    OnlyUnigrams: "only unigrams use continuation counts: every order below the highest needs them",
    NotUnigrams: "unigrams use raw counts: a(w) is the number of different words before w",
    FixedDiscount: "D is 0.75 everywhere: estimate it for each order, D = n₁ / (n₁ + 2 n₂)",
    OneDiscount: "one discount is used for all orders: estimate D for each order from its own n₁ and n₂",
    RawDiscount: "D is estimated from raw counts: take n₁ and n₂ of the counts that are discounted, a(·)",
    UncountedGamma: "γ(h) lacks N₁₊(h·): D is taken from every different word after h, so γ = D · N₁₊(h·) / a(h·)",
    FullGamma: "the shorter context is added with weight 1: multiply it by γ(h), the mass that discounting has freed",
    RawTotals: "continuation counts are divided by c(h·): divide them by their own sum a(h·)",
    UndiscountedUnigrams: "the recursion ends at the unigrams: discount them too, and add γ / V for unseen words",
    UnseenOnly: "γ(h) p(w | h⁻) is added for unseen words only: interpolation adds it for every word",
}
ADDED = (0.001, 0.01, 0.05, 0.1, 0.5, 1.0, 2.0)  # usual k


def misreadings(meant: Ngram) -> Iterator[Misreading]:
    """Every model that a program may be instead of `meant`, the likeliest mistakes first; none is fitted."""
    order, smoothing = int(meant.order), meant.smoothing
    if smoothing == "kneser-ney":
        for kind, cause in CAUSES.items():
            model = Misread(order, smoothing)
            vars(model)["kind"] = kind
            yield Misreading("Kneser-Ney with one mistake", cause, model)
    for n, how in ((order - 1, "shorter"), (order + 1, "longer")):
        if n >= 1:
            cause = f"its context is one word {how}: order {order} looks back {order - 1} word{'s' * (order != 2)}"
            yield Misreading(f"{smoothing}, order {n}", cause, replace(meant, order=n))
    for other in SMOOTHINGS:
        if other in (smoothing, "arpa", "add-k"):
            continue
        both = {other, smoothing}
        cause = ABSOLUTE if both == {"absolute", "kneser-ney"} else f"the smoothing is {other}, not {smoothing}"
        yield Misreading(f"{other}, order {order}", cause, Ngram(order, other))
    for k in ADDED:
        if (smoothing, k) != ("add-k", meant.k):
            cause = f"every count has {k:g} added, and no shorter context is used"
            if smoothing == "add-k":
                cause = f"k is {k:g}, not {meant.k:g}"
            yield Misreading(f"add-k with k = {k:g}, order {order}", cause, Ngram(order, "add-k", k))
