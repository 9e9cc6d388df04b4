"""The n-gram: count what followed the last few words (Shannon 1948), and smooth (Chen & Goodman 1998).

One recursion serves every smoothing. The probability of a word w after the words h is

    p(w | h) = α(w | h) + γ(h) · p(w | h⁻)                                   (Chen & Goodman 1998, eq. 12)

where h⁻ is h without its oldest word, and the shortest estimate of all is uniform: p(w) = 1/V. A smoothing says
how much to believe the counts, α, and how much to leave to the shorter context, γ. Where h never occurred there
is nothing to believe: p(w | h) = p(w | h⁻). Those that "back off" leave the shorter context to unseen words alone:
p(w | h) = α(w | h) where hw was seen, and γ(h) · p(w | h⁻) where not.

With c(·) counts, c(h·) = Σ_w c(hw), N₁₊(h·) the number of different words seen after h, r = c(hw):

    ml                   α = c(hw) / c(h·)                         γ = 0
    add-k                α = c(hw) / (c(h·) + kV)                  γ = kV / (c(h·) + kV), straight to 1/V
    jelinek-mercer       α = λ_h · c(hw) / c(h·)                   γ = 1 − λ_h, λ by EM on the validation text
    witten-bell          α = c(hw) / (c(h·) + N₁₊(h·))             γ = N₁₊(h·) / (c(h·) + N₁₊(h·))
    absolute             α = (c(hw) − D) / c(h·)                   γ = D · N₁₊(h·) / c(h·)
    katz                 α = d_r · c(hw) / c(h·)                   backs off; d_r by Good & Turing
    kneser-ney           absolute, with a(·) for c(·)
    modified-kneser-ney  α = (a(hw) − D_{a(hw)}) / a(h·)           γ = Σ_k D_k N_k(h·) / a(h·)
    stupid-backoff       α = c(hw) / c(h·)                         backs off with γ = 0.4: a score, no probability

a(·) are Kneser & Ney's counts: for all but the longest n-grams, not how often a word was seen but after how many
different words. ("San Francisco" is frequent, "Francisco" follows one word only.) The definitions agree with
KenLM's (Heafield 2013), whose scores are the oracle of the tests; two things differ on purpose. Every token of
the vocabulary is one of V here, so there is no <unk>; and all arithmetic is in float64, rounded once to float32.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from lmzoo.errors import FormatError, UsageError, nearest
from lmzoo.interface import Data, Ids, Origin, Run
from lmzoo.ngrams.counts import Level, count_ngrams
from lmzoo.ngrams.held_out import digits, nearest_known, occurrences
from lmzoo.ngrams.out_of_core import Scratch, release
from lmzoo.ngrams.pruning import Parts, cut, entropy_prune, parse_cutoffs
from lmzoo.ngrams.trie import Trie, TrieModel

Array = NDArray[Any]

SHANNON = Origin(1948, "Shannon 1948, A Mathematical Theory of Communication")  # the idea is Markov's, 1913


class Smoothing:
    """How much of p(w | h) is counted, α, and how much is left to the shorter context, γ."""

    title: ClassVar[str] = "{gram}"  # of a model; {gram} is "5-gram", {k} what add-k adds
    origin: ClassVar[Origin] = SHANNON
    backs_off: ClassVar[bool] = False  # γ · p(w | h⁻) is for unseen words alone
    is_distribution: ClassVar[bool] = True
    uses_validation: ClassVar[bool] = False  # what `prepare` estimates is estimated on the validation text

    def __init__(self, settings: "Ngram") -> None:
        self.settings = settings
        self.remarks: list[str] = []

    def prepare(self, levels: list[Level], valid: Ids) -> None:
        """Estimate what needs all levels, or the validation text (T,)."""

    def alpha(self, level: Level) -> Array:
        """α(w | h) of each n-gram of the level, (G,)."""
        raise NotImplementedError

    def gamma(self, level: Level, alpha: Array, lower: Array) -> Array:
        """γ(h) of each context of the level, (C,), given its α(w | h) and p(w | h⁻), both (G,).

        If not said otherwise: what α leaves, of what is left of p(· | h⁻). All of it where h was never seen.
        """
        left = np.maximum(1 - level.total(alpha), 0)  # rounding can leave a little less than nothing
        if not self.backs_off:
            return left
        return left / np.maximum(1 - level.total(np.where(level.count > 0, lower, 0)), 1e-12)


class MaximumLikelihood(Smoothing):
    """Relative frequencies. What was not seen is impossible, so most texts are: the ruler will say where."""

    title = "{gram}, unsmoothed"

    def alpha(self, level: Level) -> Array:
        """c(hw) / c(h·)."""
        return level.count / np.maximum(level.total(level.count), 1)[level.context]

    def gamma(self, level: Level, alpha: Array, lower: Array) -> Array:  # noqa: ARG002
        """Nothing where h was seen."""
        return (level.total(level.count) == 0).astype(float)


class AddK(Smoothing):
    """Laplace's rule (k = 1) and Lidstone's: every word is taken to have been seen k times more."""

    title = "{gram}, add-{k:g}"

    def alpha(self, level: Level) -> Array:
        """c(hw) / (c(h·) + kV); shorter contexts are not believed at all, so that γ is for the uniform 1/V."""
        if level.continuations is not None:
            return np.zeros(len(level))
        return level.count / (level.total(level.count) + self.settings.k * self.settings.vocab_size_)[level.context]


class JelinekMercer(Smoothing):
    """Linear interpolation (Jelinek & Mercer 1980), one weight for each order and size of c(h·).

    The weights make the validation text likeliest, all orders together, by EM. Contexts share a weight with those
    whose count has as many binary digits; each weight has been to thank once and not once beforehand, so that few
    occasions make no certainty.
    """

    ROUNDS = 30
    uses_validation = True
    title = "Jelinek–Mercer, {gram}"
    origin = Origin(1980, "Jelinek & Mercer 1980, Interpolated Estimation of Markov Source Parameters")

    def prepare(self, levels: list[Level], valid: Ids) -> None:
        """EM: a weight is how often its mixture's counted part was to thank, of all the times it was asked."""
        self.weights = np.full((65, 33), 0.5)
        if len(valid) == 0:
            self.remarks.append("no validation text to fit the weights of Jelinek-Mercer on: all are 1/2")
            return
        counted, asked = [], []  # for each level: c(hw)/c(h·) and the size of c(h·), (T,); 0 where h was not seen
        for count, total in occurrences(levels, valid):
            counted.append(count / np.maximum(total, 1))
            asked.append(digits(total))
        for _ in range(self.ROUNDS):
            lower = np.full(len(valid), 1 / len(levels[0]))
            mixed = []
            for level, ml, bucket in zip(levels, counted, asked, strict=True):
                weight = np.where(bucket > 0, self.weights[level.order][bucket], 0)
                mixed.append((weight * ml, (1 - weight) * lower))
                lower = mixed[-1][0] + mixed[-1][1]
            blame = np.ones(len(valid))
            for level, (here, below), bucket in zip(levels[::-1], mixed[::-1], asked[::-1], strict=True):
                share = blame * here / (here + below)
                total = np.bincount(bucket, blame, 33)
                gained = np.bincount(bucket, share, 33)
                self.weights[level.order] = nearest_known((gained + 1) / (total + 2), total > 0)
                blame = blame * below / (here + below)

    def alpha(self, level: Level) -> Array:
        """λ · c(hw) / c(h·)."""
        total = level.total(level.count)
        return (self._weight(level) / np.maximum(total, 1))[level.context] * level.count

    def gamma(self, level: Level, alpha: Array, lower: Array) -> Array:  # noqa: ARG002
        """1 − λ."""
        return 1 - self._weight(level)

    def _weight(self, level: Level) -> Array:
        return np.where(level.total(level.count) > 0, self.weights[level.order][digits(level.total(level.count))], 0)


class WittenBell(Smoothing):
    """Witten & Bell 1991, method C: something new is as likely as it has been so far."""

    title = "Witten–Bell, {gram}"
    origin = Origin(1991, "Witten & Bell 1991, The Zero-Frequency Problem")

    def alpha(self, level: Level) -> Array:
        """c(hw) / (c(h·) + N₁₊(h·))."""
        kinds = level.total(level.count > 0)
        return level.count / np.maximum(level.total(level.count) + kinds, 1)[level.context]


class AbsoluteDiscounting(Smoothing):
    """Ney, Essen & Kneser 1994: take the same D from every count that is not zero."""

    title = "absolute discounting, {gram}"
    origin = Origin(1994, "Ney, Essen & Kneser 1994, On Structuring Probabilistic Dependences")

    def __init__(self, settings: "Ngram") -> None:
        super().__init__(settings)
        self.discounts: dict[int, Array] = {}  # order → D by count 0, 1, 2, 3+

    def prepare(self, levels: list[Level], valid: Ids) -> None:  # noqa: ARG002
        """The discounts of each order."""
        self.discounts = {level.order: self.estimate(level) for level in levels}

    def counts(self, level: Level) -> Array:
        """The counts that are discounted, (G,)."""
        return level.count

    def alpha(self, level: Level) -> Array:
        """(c(hw) − D) / c(h·)."""
        counts = self.counts(level)
        return (counts - self._taken(level)) / np.maximum(level.total(counts), 1)[level.context]

    def gamma(self, level: Level, alpha: Array, lower: Array) -> Array:  # noqa: ARG002
        """What α took off, as a share of the whole: Σ_w D / c(h·)."""
        total = level.total(self.counts(level))
        return np.where(total > 0, level.total(self._taken(level)) / np.maximum(total, 1), 1.0)

    def _taken(self, level: Level) -> Array:
        return self.discounts[level.order][np.minimum(self.counts(level), 3)]

    def estimate(self, level: Level) -> Array:
        """D = n₁ / (n₁ + 2 n₂), from the n-grams counted once and twice."""
        _, n1, n2, *_ = level.counts_of_counts(self.counts(level)).tolist()
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


class KneserNey(AbsoluteDiscounting):
    """Interpolated Kneser-Ney (Kneser & Ney 1995; Chen & Goodman 1998, §2.7): absolute, on a(·)."""

    title = "Kneser–Ney, {gram}"
    origin = Origin(1995, "Kneser & Ney 1995, Improved Backing-Off for m-gram Language Modeling")

    def counts(self, level: Level) -> Array:
        """Kneser & Ney's."""
        return level.adjusted


class ModifiedKneserNey(KneserNey):
    """Interpolated modified Kneser-Ney (Chen & Goodman 1998, §3): discounts for counts of 1, 2 and 3 or more."""

    title = "modified Kneser–Ney, {gram}"
    origin = Origin(1998, "Chen & Goodman 1998, An Empirical Study of Smoothing Techniques")

    def estimate(self, level: Level) -> Array:
        """D_k = k − (k+1) · Y · n_{k+1}/n_k with Y = n₁/(n₁ + 2n₂) (eq. 26); KenLM's fallback if that fails."""
        _, n1, n2, n3, n4, _ = self._as_kenlm_counts(level).tolist()
        if n1 and n2 and n3:
            y = n1 / (n1 + 2 * n2)
            d = np.array([0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
            if (d[1:] > 0).all() and (d <= [0, 1, 2, 3]).all():  # a D of 0 would leave nothing for the unseen
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
        counts = level.counts_of_counts(level.adjusted)
        if level.last is not None and level.continuations is not None:
            counts[min(level.adjusted[level.last], 5)] -= 1
            counts[min(level.count[level.last], 5)] += 1
        return counts


class Katz(Smoothing):
    """Katz 1987: counts up to K are discounted as Good & Turing say, and what that frees goes to unseen words."""

    backs_off = True
    title = "Katz, {gram}"
    origin = Origin(1987, "Katz 1987, Estimation of Probabilities from Sparse Data")
    K = 7

    def prepare(self, levels: list[Level], valid: Ids) -> None:  # noqa: ARG002
        """d_r of each order, for r = 0 … K and more than K."""
        self.ratios = {level.order: self._ratios(level) for level in levels}

    def alpha(self, level: Level) -> Array:
        """d_r · c(hw) / c(h·), where d_r = (r*/r − x) / (1 − x), r* = (r+1) n_{r+1}/n_r, x = (K+1) n_{K+1}/n_1."""
        discounted = self.ratios[level.order][np.minimum(level.count, self.K + 1)] * level.count
        alpha: Array = discounted / np.maximum(level.total(level.count), 1)[level.context]
        total, kinds, used = level.total(level.count), level.total(level.count > 0), level.total(alpha)
        # A context that saw every word has nobody to leave anything to; one whose counts are all high would leave
        # nothing, and gives as much as if one more word had been seen.
        scale = np.where(kinds == self.settings.vocab_size_, 1 / np.maximum(used, 1e-300), 1.0)
        scale = np.where((kinds < self.settings.vocab_size_) & (used > 1 - 1e-9), total / (total + 1), scale)
        return scale[level.context] * alpha

    def _ratios(self, level: Level) -> Array:
        n = level.counts_of_counts(level.count, self.K + 2).astype(float)
        ratios = np.ones(self.K + 2)
        if (n[1 : self.K + 2] == 0).any():
            self.remarks.append(
                f"order {level.order}: too few {level.order}-grams for Good-Turing (none seen "
                f"{int(np.argmin(n[1 : self.K + 2])) + 1} times), nothing was discounted"
            )
            return ratios
        r = np.arange(1, self.K + 1)
        common = (self.K + 1) * n[self.K + 1] / n[1]
        found = ((r + 1) * n[2 : self.K + 2] / (r * n[1 : self.K + 1]) - common) / (1 - common)
        sound = (found > 0) & (found <= 1)
        if not sound.all():
            bad = ", ".join(f"{d:.3g} for counts of {k}" for k, d in zip(r[~sound], found[~sound], strict=True))
            self.remarks.append(f"order {level.order}: Good-Turing's discount comes out as {bad}: left undiscounted")
        ratios[1 : self.K + 1] = np.where(sound, found, 1)
        return ratios


class StupidBackoff(MaximumLikelihood):
    """Brants et al. 2007: relative frequencies, and 0.4 of the shorter context's where there are none."""

    backs_off = True
    is_distribution = False
    title = "stupid back-off, {gram}"
    origin = Origin(2007, "Brants et al. 2007, Large Language Models in Machine Translation")

    def gamma(self, level: Level, alpha: Array, lower: Array) -> Array:  # noqa: ARG002
        """0.4 (§4), so scores do not sum to one."""
        return np.where(level.total(level.count) > 0, 0.4, 1.0)


class Imported(Smoothing):
    """Probabilities that were read from an ARPA file: `lmzoo import` makes such a model, no fit does."""

    backs_off = True
    title = "imported {gram}"

    def prepare(self, levels: list[Level], valid: Ids) -> None:  # noqa: ARG002
        """There is nothing to estimate."""
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
# What `smoothing: auto` tries. Jelinek-Mercer has its weights from the validation text, so it would flatter itself.
TRIED = ("witten-bell", "absolute", "katz", "kneser-ney", "modified-kneser-ney")


@dataclass
class Ngram(TrieModel):
    """P(w | the last order-1 tokens), by counting and smoothing."""

    # the longest n-gram that is counted, 1 to 64; auto: what serves the validation text best
    order: int | Literal["auto"] = 5
    # ml, add-k, jelinek-mercer, witten-bell, absolute, katz, kneser-ney, modified-kneser-ney, stupid-backoff or auto
    smoothing: str = "modified-kneser-ney"
    k: float = 1.0  # what add-k adds to every count, above 0
    # drop n-grams seen so often or less, a count for each order: 0,0,1 drops what is longer than two and seen once
    cutoffs: str = "0"
    prune: float = 0.0  # drop n-grams without which perplexity rises by a smaller share, as 1e-8 (Stolcke 1998)

    name: ClassVar[str] = "ngram"
    year: ClassVar[int] = 1998
    paper: ClassVar[str] = "Chen & Goodman 1998, An Empirical Study of Smoothing Techniques"
    family: ClassVar[str] = "count"
    label_settings: ClassVar[Mapping[str, str]] = {}  # the title has them

    def __post_init__(self) -> None:
        if self.order != "auto" and not 1 <= self.order <= 64:
            raise UsageError(f"order must be 1 to 64 or auto, not {self.order}: it is the longest n-gram's length")
        if self.smoothing not in (*SMOOTHINGS, "auto"):
            raise UsageError(
                f"no smoothing named {self.smoothing!r}; there are: {', '.join(SMOOTHINGS)}, auto"
                f"{nearest(self.smoothing, SMOOTHINGS)}"
            )
        if not 0 < self.k < float("inf"):
            raise UsageError(f"k must be above 0, not {self.k}: it is added to every count")
        parse_cutoffs(self.cutoffs)
        if not 0 <= self.prune < float("inf"):
            raise UsageError(f"prune must be 0 or more, not {self.prune}: it is a share by which perplexity may rise")
        if self.prune and not self.is_distribution:
            raise UsageError(f"{self.smoothing} gives scores, no probabilities, which prune weighs: use cutoffs")

    @property
    def title(self) -> str:
        """ "Kneser–Ney, 5-gram", "bigram, unsmoothed", "unigram"; of auto, what `fit` chose."""
        smoothing, order = self._chosen()
        title = SMOOTHINGS.get(smoothing, Smoothing).title
        if order == 1 and not title.startswith("{gram}"):
            title = "{gram}"  # there is nothing shorter to back off to: how it is discounted matters little
        gram = {1: "unigram", 2: "bigram", "auto": "n-gram"}.get(order, f"{order}-gram")
        pruned = self.prune > 0 or any(parse_cutoffs(self.cutoffs))
        return title.format(gram=gram, k=self.k) + (", pruned" if pruned else "")

    @property
    def origin(self) -> Origin:
        """That of the smoothing. A unigram is Shannon's first-order approximation (§3), however it is discounted."""
        smoothing, order = self._chosen()
        return SHANNON if order == 1 else SMOOTHINGS.get(smoothing, ModifiedKneserNey).origin

    def _chosen(self) -> tuple[str, int | str]:
        learned = vars(self)
        return learned.get("smoothing_", self.smoothing), learned.get("order_", self.order)

    @property
    def is_distribution(self) -> bool:
        """Whether what it gives are probabilities: stupid back-off's scores are none."""
        return SMOOTHINGS[self.smoothing].is_distribution if self.smoothing != "auto" else True

    def warm_up(self) -> None:
        """Have the counting and walking loops compiled, or loaded where they were before."""
        Ngram(order=2).fit(Data.of(np.zeros(2, dtype=np.int32), np.zeros(0, dtype=np.int32), 2)).log_probs_many(
            [[0], [0]]
        )

    def fit(self, data: Data, run: Run | None = None) -> Self:
        """Count `data.train` and smooth. Where counts are too few for an estimate, `remarks` says what was done."""
        run = run or Run()
        if "auto" in (self.order, self.smoothing):
            return self._choose(data, run)
        assert self.order != "auto"
        self.vocab_size_, self.order_, self.smoothing_ = data.vocab_size, self.order, self.smoothing
        scratch = Scratch(run.memory)
        levels = count_ngrams(data.train, data.vocab_size, self.order, scratch, run.progress)
        smoothing = SMOOTHINGS[self.smoothing](self)
        if smoothing.uses_validation and data.refit:
            held_in = count_ngrams(data.train_only, data.vocab_size, self.order, scratch, run.progress)
            smoothing.prepare(held_in, data.valid)
        else:
            smoothing.prepare(levels, data.valid)
        probs, gammas = _interpolate(levels, smoothing, scratch)
        kept, kept_probs, kept_gammas = self._pruned(levels, probs, gammas)
        self.trie_ = Trie.build(kept, kept_probs, kept_gammas, scratch)
        self.remarks = list(smoothing.remarks)
        if kept is not levels:
            was, now = (sum(map(len, some)) for some in (levels, kept))
            self.remarks.append(f"pruned from {was:,} to {now:,} n-grams: {1 - now / was:.1%} saved")
        if len(levels) < self.order:
            self.remarks.append(f"the text has no n-grams longer than {len(levels)}: order {self.order} adds none")
        return self

    def _pruned(self, levels: list[Level], probs: list[Array], gammas: list[Array]) -> Parts:
        thresholds, backs_off = parse_cutoffs(self.cutoffs), SMOOTHINGS[self.smoothing].backs_off
        if not any(thresholds) and self.prune == 0:
            return levels, probs, gammas
        parts = cut(levels, probs, gammas, thresholds, backs_off=backs_off, is_distribution=self.is_distribution)
        return entropy_prune(*parts, self.prune)

    def _choose(self, data: Data, run: Run) -> Self:
        """Fit with each smoothing that may be meant, and longer and longer n-grams until two in a row do not help."""
        if len(data.valid) == 0:
            raise UsageError("there is no validation text to choose by: give an order and a smoothing instead of auto")
        held_in = replace(data, train=data.train_only, refit=False)
        tried: list[tuple[float, Ngram]] = []
        for smoothing in TRIED if self.smoothing == "auto" else (self.smoothing,):
            lowest, worse = np.inf, 0
            for order in range(1, 65) if self.order == "auto" else (self.order,):
                model = Ngram(order, smoothing, self.k, self.cutoffs, self.prune).fit(held_in, run)
                bits = float(-model.log_probs(data.valid)[0].mean() / np.log(2))
                worse = 0 if bits < lowest else worse + 1
                lowest = min(bits, lowest)
                model = model if worse == 0 else Ngram(order, smoothing)  # no need to keep one that is not wanted
                tried.append((bits, model))
                if worse == 2:
                    break
        lowest, best = min(tried, key=lambda pair: pair[0])
        if not np.isfinite(lowest):
            raise UsageError(f"{self.smoothing} finds the validation text impossible, so no order can be chosen by it")
        if data.refit:
            best.fit(data, run)
        self.__dict__ |= {key: value for key, value in vars(best).items() if key.endswith("_")}
        listed = "; ".join(f"{model.smoothing} {model.order}: {bits:.4f}" for bits, model in tried)
        self.remarks = [f"chosen by validation text: {best.smoothing} {best.order} (bits a token: {listed})"]
        self.remarks += best.remarks
        return self

    def arrays(self) -> dict[str, Array]:
        """The trie's arrays, the order and V; and the smoothing, as the bytes of its name."""
        return {**super().arrays(), "smoothing": np.frombuffer(self.smoothing_.encode(), dtype=np.uint8)}

    def restore(self, arrays: dict[str, Array]) -> Self:
        """The inverse of `arrays`. Raises FormatError for arrays that no fit could have made."""
        columns = dict(arrays)
        self.smoothing_ = columns.pop("smoothing").tobytes().decode()
        if self.smoothing_ not in SMOOTHINGS:
            raise FormatError(f"there is no smoothing named {self.smoothing_!r}: damaged, or of a later version")
        return super().restore(columns)


def _interpolate(levels: list[Level], smoothing: Smoothing, scratch: Scratch) -> tuple[list[Array], list[Array]]:
    """The recursion: p(w | h) of every n-gram (G,) and γ(h) of every context (C,), a pair of arrays for each level."""
    probs, gammas = [np.array([1 / len(levels[0])])], []  # the empty n-gram's stands for 1/V
    for level in levels:
        probs.append(scratch.empty(len(level), np.float64))
        gammas.append(scratch.empty(len(level.children) - 1, np.float64))
        for ngrams, contexts, part in level.parts():
            lower = probs[-2][part.suffix]
            alpha = smoothing.alpha(part)
            gamma = smoothing.gamma(part, alpha, lower)
            seen = part.count > 0 if smoothing.backs_off else False  # unigrams are listed whether seen or not
            probs[-1][ngrams] = np.where(seen, alpha, alpha + gamma[part.context] * lower)
            gammas[-1][contexts] = gamma
        level.release()
        release(probs[-2], gammas[-1])
    return probs[1:], gammas
