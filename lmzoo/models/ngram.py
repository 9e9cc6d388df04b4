"""The n-gram: count which words followed the last few (Shannon 1948), and smooth the counts (Chen & Goodman 1998).

One recursion serves every smoothing. The probability of a word w after the words h is

    p(w | h) = α(w | h) + γ(h) · p(w | h⁻)                                   (Chen & Goodman 1998, eq. 12)

where h⁻ is h without its oldest word, and the recursion ends at the uniform distribution, p(w) = 1/V. A smoothing
method defines α, the probability taken from the counts, and γ, the weight of the shorter context. Where h was never
seen, p(w | h) = p(w | h⁻). Methods that "back off" use the shorter context for unseen words only:
p(w | h) = α(w | h) where hw was seen, else γ(h) · p(w | h⁻).

With c(·) counts, c(h·) = Σ_w c(hw), N₁₊(h·) the number of distinct words seen after h, r = c(hw):

    ml                   α = c(hw) / c(h·)                         γ = 0
    add-k                α = c(hw) / (c(h·) + kV)                  γ = kV / (c(h·) + kV), straight to 1/V
    jelinek-mercer       α = λ_h · c(hw) / c(h·)                   γ = 1 − λ_h, λ by EM on the validation text
    witten-bell          α = c(hw) / (c(h·) + N₁₊(h·))             γ = N₁₊(h·) / (c(h·) + N₁₊(h·))
    absolute             α = (c(hw) − D) / c(h·)                   γ = D · N₁₊(h·) / c(h·)
    katz                 α = d_r · c(hw) / c(h·)                   backs off; d_r by Good & Turing
    kneser-ney           absolute, with a(·) for c(·)
    modified-kneser-ney  α = (a(hw) − D_{a(hw)}) / a(h·)           γ = Σ_k D_k N_k(h·) / a(h·)
    stupid-backoff       α = c(hw) / c(h·)                         backs off with γ = 0.4: scores, not probabilities

a(·) are Kneser & Ney's continuation counts: below the highest order, not how often an n-gram was seen but after how
many distinct words. ("San Francisco" is frequent, "Francisco" follows one word only.) `ngrams/smoothing.py` has the
code of each method, with its paper.

The definitions are those of KenLM (Heafield 2013), and the tests compare scores with KenLM's. Departures: every token
of the vocabulary is one of V, so there is no <unk>; arithmetic is in float64, rounded once to float32.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

import numpy as np

from lmzoo.errors import FormatError, UsageError, in_range, one_of
from lmzoo.interface import Array, Data, Origin, Run
from lmzoo.ngrams.counts import Level
from lmzoo.ngrams.distributed import count as count_ngrams
from lmzoo.ngrams.out_of_core import Scratch, release
from lmzoo.ngrams.pruning import cut, entropy_prune, parse_cutoffs
from lmzoo.ngrams.smoothing import SHANNON, SMOOTHINGS, ModifiedKneserNey, Smoothing
from lmzoo.ngrams.trie import Trie, TrieModel

# What `smoothing: auto` chooses from. Jelinek-Mercer fits its weights on the validation text, so its validation score
# would be too good.
TRIED = ("witten-bell", "absolute", "katz", "kneser-ney", "modified-kneser-ney")


@dataclass
class Ngram(TrieModel):
    """P(w | the last order-1 tokens), by counting and smoothing."""

    # length of the longest n-grams, 1 to 64; auto: the one with the lowest validation perplexity
    order: int | Literal["auto"] = 5
    # ml, add-k, jelinek-mercer, witten-bell, absolute, katz, kneser-ney, modified-kneser-ney, stupid-backoff or auto
    smoothing: str = "modified-kneser-ney"
    k: float = 1.0  # added to every count by add-k, above 0
    # drop n-grams seen this often or less, a count for each order: 0,0,1 drops singletons of order 3 and above
    cutoffs: str = "0"
    prune: float = (
        0.0  # entropy pruning: drop n-grams that lower perplexity by less than this share, as 1e-8 (Stolcke 1998)
    )

    name: ClassVar[str] = "ngram"
    year: ClassVar[int] = 1998
    paper: ClassVar[str] = "Chen & Goodman 1998, An Empirical Study of Smoothing Techniques"
    family: ClassVar[str] = "count"
    label_settings: ClassVar[Mapping[str, str]] = {}  # the title has them
    on_cluster: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.order != "auto" and not 1 <= self.order <= 64:
            raise UsageError(
                f"order must be 1 to 64 or auto, not {self.order}: it is the length of the longest n-grams"
            )
        one_of("smoothing", self.smoothing, (*SMOOTHINGS, "auto"))
        in_range("k", self.k, above=0, why="it is added to every count")
        parse_cutoffs(self.cutoffs)
        in_range("prune", self.prune, 0, why="it is a share by which perplexity may rise")
        if self.prune and not self.is_distribution:
            raise UsageError(
                f"{self.smoothing} gives scores, not probabilities, and prune needs probabilities: use cutoffs"
            )

    @property
    def title(self) -> str:
        """ "Kneser–Ney, 5-gram", "bigram, unsmoothed", "unigram"; of auto, what `fit` chose."""
        smoothing, order = self._chosen()
        title = SMOOTHINGS.get(smoothing, Smoothing).title
        if order == 1 and not title.startswith("{gram}"):
            title = "{gram}"  # with nothing but 1/V below it the smoothing matters little
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
        """False for stupid back-off, whose scores do not sum to one."""
        return SMOOTHINGS[self.smoothing].is_distribution if self.smoothing != "auto" else True

    def warm_up(self) -> None:
        """Compile the counting and look-up loops, or load them from numba's cache."""
        Ngram(order=2).fit(Data.of(np.zeros(2, dtype=np.int32), np.zeros(0, dtype=np.int32), 2)).log_probs_many(
            [[0], [0]]
        )

    def fit(self, data: Data, run: Run | None = None) -> Self:
        """Count `data.train` and smooth. `remarks` says where counts were too few for an estimate."""
        run = run or Run()
        if "auto" in (self.order, self.smoothing):
            return self._choose(data, run)
        assert self.order != "auto"
        self.vocab_size_, self.order_, self.smoothing_ = data.vocab_size, self.order, self.smoothing
        scratch = Scratch(run.memory)
        levels = [*count_ngrams(data.train, data.vocab_size, self.order, scratch, run.progress)]
        smoothing = self.estimator()
        if smoothing.uses_validation and data.refit:
            # `train` contains the validation text here, which must be held out where weights are fitted on it.
            without_valid = count_ngrams(data.train_only, data.vocab_size, self.order, scratch, run.progress)
            smoothing.prepare(without_valid, data.valid)
        else:
            smoothing.prepare(levels, data.valid)
        probs, gammas = _interpolate(levels, smoothing, scratch)
        parts = cut(levels, probs, gammas, parse_cutoffs(self.cutoffs), type(smoothing))
        pruned, probs, gammas = entropy_prune(*parts, self.prune)
        self.remarks = list(smoothing.remarks)
        if pruned is not levels:
            was, now = sum(map(len, levels)), sum(map(len, pruned))
            self.remarks.append(f"pruned from {was:,} to {now:,} n-grams: {1 - now / was:.1%} saved")
        if len(levels) < self.order:
            self.remarks.append(f"the text has no n-grams longer than {len(levels)}: order {self.order} adds none")
        self.trie_ = Trie.build(pruned, probs, gammas, scratch)  # which takes them apart
        return self

    def estimator(self) -> Smoothing:
        """The smoothing that `fit` uses."""
        return SMOOTHINGS[self.smoothing](self.vocab_size_, self.k)

    def _choose(self, data: Data, run: Run) -> Self:
        """Fit each candidate smoothing with orders 1, 2, … until two in a row do not lower the validation bits."""
        if len(data.valid) == 0:
            raise UsageError("there is no validation text to choose by: give an order and a smoothing instead of auto")
        without_valid = replace(data, train=data.train_only, refit=False)
        tried: list[tuple[float, Ngram]] = []
        for smoothing in TRIED if self.smoothing == "auto" else (self.smoothing,):
            lowest, worse = np.inf, 0
            for order in range(1, 65) if self.order == "auto" else (self.order,):
                model = Ngram(order, smoothing, self.k, self.cutoffs, self.prune).fit(without_valid, run)
                bits = float(-model.log_probs(data.valid)[0].mean() / np.log(2))
                worse = 0 if bits < lowest else worse + 1
                lowest = min(bits, lowest)
                model = model if worse == 0 else Ngram(order, smoothing)  # free the memory of one that lost
                tried.append((bits, model))
                if worse == 2:
                    break
        lowest, best = min(tried, key=lambda pair: pair[0])
        if not np.isfinite(lowest):
            raise UsageError(f"{self.smoothing} gives the validation text probability zero, so it can choose no order")
        if data.refit:
            best.fit(data, run)
        self.__dict__ |= {key: value for key, value in vars(best).items() if key.endswith("_")}
        self.remarks = [self._choice(tried, best), *best.remarks]
        return self

    def _choice(self, tried: list[tuple[float, "Ngram"]], best: "Ngram") -> str:
        """What `_choose` took, with its perplexity and that of what is nearest to it: one line."""
        lowest = {name: min(bits for bits, model in tried if model.smoothing == name) for _, one in tried
                  for name in [one.smoothing]}  # fmt: skip
        others = []
        for bits, model in tried:
            if model.smoothing == best.smoothing:
                near = abs(int(model.order) - int(best.order)) == 1
            else:
                near = bits == lowest[model.smoothing]
            if near:
                others.append(f"{_perplexity(bits)} ({self._title(model)})")
        taken = _perplexity(lowest[best.smoothing])
        against = f" against {', '.join(others)}" if others else ""
        return f"{self._title(best)} chosen on the validation text: perplexity {taken}{against}"

    def _title(self, tried: "Ngram") -> str:
        """The settings of `tried` that were chosen."""
        order = f"order {tried.order}" if self.order == "auto" else ""
        return ", ".join(filter(None, [order, tried.smoothing if self.smoothing == "auto" else ""]))

    def arrays(self) -> dict[str, Array]:
        """The trie's arrays, the order, V, and the name of the smoothing as bytes."""
        return {**super().arrays(), "smoothing": np.frombuffer(self.smoothing_.encode(), dtype=np.uint8)}

    def restore(self, arrays: dict[str, Array]) -> Self:
        """The inverse of `arrays`. Raises FormatError for arrays that no fit could have made."""
        columns = dict(arrays)
        self.smoothing_ = columns.pop("smoothing").tobytes().decode()
        if self.smoothing_ not in SMOOTHINGS:
            raise FormatError(f"there is no smoothing named {self.smoothing_!r}: damaged, or of a later version")
        return super().restore(columns)


def _perplexity(bits: float) -> str:
    return f"{np.exp2(bits):.5g}" if bits < 100 else "infinite" if np.isinf(bits) else f"2^{bits:.0f}"


def _interpolate(levels: list[Level], smoothing: Smoothing, scratch: Scratch) -> tuple[list[Array], list[Array]]:
    """The recursion: p(w | h) of every n-gram (G,) and γ(h) of every context (C,), by level."""
    probs, gammas = [np.array([1 / len(levels[0])])], []  # the recursion ends at 1/V, the empty n-gram's
    for level in levels:
        probs.append(scratch.empty(len(level), np.float64))
        gammas.append(scratch.empty(len(level.children) - 1, np.float64))
        smoothing.interpolate(level, probs[-2], probs[-1], gammas[-1])
        level.release()
        release(probs[-2], gammas[-1])
    return probs[1:], gammas
