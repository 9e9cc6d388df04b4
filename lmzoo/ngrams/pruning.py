"""Pruning n-gram models: count cut-offs, and relative entropy (Stolcke 1998).

Both drop the n-grams that matter least and give their probability mass to the shorter context. A model is what
`Trie.build` takes, lowest order first: `levels`; `probs`, p(w | h) of each n-gram, (G,) by level; `gammas`, γ(h) of
each context, (C,) by level. The result has the same form; the input is not changed. Unigrams are never dropped, so
every word keeps a probability.

A pruned model contains the prefix and the suffix of each of its n-grams, as a counted one does. For cut-offs that
follows because they do not decrease. Departure: Stolcke keeps only prefixes, but without its suffix an n-gram could not
be reached word by word (KenLM would add it back). On the Penn Treebank that keeps 4 % more n-grams at a threshold of
1e-7, and 9 % more at 1e-6.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lmzoo.errors import UsageError
from lmzoo.interface import Array
from lmzoo.ngrams.counts import Level
from lmzoo.ngrams.smoothing import Smoothing

Parts = tuple[list[Level], list[Array], list[Array]]  # levels, probs, gammas


def parse_cutoffs(text: str) -> list[int]:
    """'0,0,1' → [0, 0, 1]: a count for each order; the last one is for all higher orders, too.

    Raises UsageError unless they are integers that begin with 0 and do not decrease.
    """
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise UsageError(f"cutoffs must be counts of 0 and more with commas between, as in 0,0,1, not {text!r}")
    thresholds = [int(part) for part in parts]
    if thresholds[0] != 0:
        raise UsageError(f"cutoffs must begin with 0, not {thresholds[0]}: unigrams stay, or words would be impossible")
    if sorted(thresholds) != thresholds:
        raise UsageError(f"cutoffs must not decrease, as {text!r} do: an n-gram needs the shorter ones that it ends in")
    return thresholds


def cut(
    levels: list[Level], probs: list[Array], gammas: list[Array], thresholds: Sequence[int], smoothing: type[Smoothing]
) -> Parts:
    """Drop n-grams of order n seen thresholds[n-1] times or less, as KenLM's --prune does.

    The last threshold is for all higher orders, too. Discounts stay those estimated from all counts. In interpolated
    models γ(h) grows by the dropped α(w | h); in those that back off γ(h) is renormalised; where scores are no
    distribution (stupid back-off) γ stays.
    """
    if not any(thresholds):
        return levels, probs, gammas
    cutoffs = [thresholds[min(level.order, len(thresholds)) - 1] for level in levels]
    keep = [(level.count > cutoff) | (level.order == 1) for level, cutoff in zip(levels, cutoffs, strict=True)]
    if not smoothing.is_distribution:
        return _selected(levels, probs, gammas, keep)
    if smoothing.backs_off:
        return _selected(levels, probs, _renormalised(levels, probs, gammas, keep), keep)
    new_probs, new_gammas = [probs[0]], [gammas[0]]
    for n in range(1, len(levels)):
        level = levels[n]
        alpha = probs[n] - gammas[n][level.context] * probs[n - 1][level.suffix]  # (G,)
        new_gammas.append(gammas[n] + level.total(np.where(keep[n], 0, alpha)))
        new_probs.append(alpha + new_gammas[n][level.context] * new_probs[n - 1][level.suffix])
    return _selected(levels, new_probs, new_gammas, keep)


def entropy_prune(levels: list[Level], probs: list[Array], gammas: list[Array], threshold: float) -> Parts:
    """Drop each n-gram without which perplexity would rise by less than the share `threshold` (Stolcke 1998, §3).

    From the highest order down, and never the prefix or suffix of one that stays. The p(w | h) of those that stay are
    unchanged, and γ(h) = (1 − Σ_kept p(w | h)) / (1 − Σ_kept p(w | h⁻)).
    """
    if threshold == 0:
        return levels, probs, gammas
    keep = [np.ones(len(level), dtype=bool) for level in levels]
    needed = np.zeros(len(levels[-1]), dtype=bool)
    for n in range(len(levels) - 1, 0, -1):
        level = levels[n]
        keep[n] = needed | (perplexity_rise(levels, probs, gammas, n) >= threshold)
        needed = level.total(keep[n]) > 0
        needed[level.suffix[keep[n]]] = True
    return _selected(levels, probs, _renormalised(levels, probs, gammas, keep), keep)


def perplexity_rise(levels: list[Level], probs: list[Array], gammas: list[Array], n: int) -> Array:
    """The relative rise of perplexity if one n-gram of levels[n] alone is dropped, (G,): e^D − 1, D of Stolcke's §3.2.

    D = −p(h) { p(w|h) [ln p(w|h⁻) + ln γ'(h) − ln p(w|h)] + [ln γ'(h) − ln γ(h)] · (1 − Σ_seen p(w|h)) }

    is the relative entropy between the models with and without it, where γ' is γ without it.
    """
    level, prob = levels[n], probs[n]
    lower = probs[n - 1][level.suffix]
    unseen, unseen_lower = _unseen(level, lower, gammas[n])
    unseen, unseen_lower = unseen[level.context], unseen_lower[level.context]
    gamma = gammas[n][level.context]
    new = (unseen + prob) / np.maximum(unseen_lower + lower, 1e-300)
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 · ln 0 = 0, where nothing is left to unseen words
        others = np.where(unseen > 0, unseen * np.log(new / gamma), 0)
    relative_entropy = -(prob * np.log(lower * new / prob) + others)
    # p(h) is h's relative frequency, not the product of the model's shorter n-grams: Kneser & Ney's are no estimate of
    # how often words occur (Chelba et al. 2010).
    history = level.total(level.count)[level.context] / levels[0].count.sum()
    return np.expm1(np.maximum(history * relative_entropy, 0))  # D ≥ 0 but for rounding


def _unseen(level: Level, lower: Array, gamma: Array) -> tuple[Array, Array]:
    """1 − Σ p(w | h) and 1 − Σ p(w | h⁻) over the words seen after each context, (C,) each."""
    unseen_lower = np.maximum(1 - level.total(lower), 0)
    return gamma * unseen_lower, unseen_lower


def _renormalised(levels: list[Level], probs: list[Array], gammas: list[Array], keep: list[Array]) -> list[Array]:
    """The γ (C,) of each level with which distributions sum to one without the dropped n-grams."""
    new = [gammas[0]]
    for n in range(1, len(levels)):
        level, dropped = levels[n], ~keep[n]
        lower = probs[n - 1][level.suffix]
        unseen, unseen_lower = _unseen(level, lower, gammas[n])
        unseen += level.total(np.where(dropped, probs[n], 0))
        unseen_lower += level.total(np.where(dropped, lower, 0))
        ratio = unseen / np.maximum(unseen_lower, 1e-300)
        new.append(np.where(level.total(dropped) > 0, ratio, gammas[n]))
    return new


def _selected(levels: list[Level], probs: list[Array], gammas: list[Array], keep: list[Array]) -> Parts:
    """The model of those n-grams to `keep`, renumbered. Their prefixes and suffixes must be kept."""
    smaller: Parts = [levels[0]], [probs[0]], [gammas[0]]
    for n in range(1, len(levels)):
        if not keep[n].any():
            break
        level, below = levels[n], keep[n - 1]
        size = level.total(keep[n])[below]
        smaller[0].append(
            replace(
                level,
                word=level.word[keep[n]],
                suffix=_numbers(below)[level.suffix[keep[n]]],
                count=level.count[keep[n]],
                children=np.concatenate([[0], np.cumsum(size)]).astype(np.int32),
                continuations=None if level.continuations is None else level.continuations[keep[n]],
                last=int(_numbers(keep[n])[level.last]) if level.last is not None and keep[n][level.last] else None,
            )
        )
        smaller[1].append(probs[n][keep[n]])
        smaller[2].append(gammas[n][below])
    return smaller


def _numbers(keep: Array) -> Array:
    """The new number of each n-gram to keep, (G,)."""
    return (np.cumsum(keep) - 1).astype(np.int32)
