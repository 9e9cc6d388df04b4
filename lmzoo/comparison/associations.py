"""What a comparison shows of its associations: what a distance is worth, what the vectors know, and what is one thing.

An association is whatever has the abilities of `embeddings/predictor.py`: `scores` of pairs of words, `vectors`, and
the
β and λ of a predictor. `facts` gives, wherever there is any of it,

    distances     β and λ_d of each, and its bits per token beside those of the unigram of the same counts
    factorised    s(w, c) against PMI(w, c) - log k: for skip-gram with k negative samples they are one thing at the
                  optimum (Levy & Goldberg 2014)
    word_tests    how the vectors agree with people's judgments, and how many analogies they solve
    neighbours    the nearest neighbours of some words
    map           frequent words in the plane
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from lmzoo.analysis import projection
from lmzoo.analysis.word_similarity import judge, solve_analogies
from lmzoo.analysis.word_vectors import METHODS, Vectors, words_of
from lmzoo.embeddings import cooccurrence
from lmzoo.errors import UsageError
from lmzoo.interface import Run
from lmzoo.models.pmi import pmi
from lmzoo.runs.train import Text

if TYPE_CHECKING:
    from lmzoo.comparison.compare import Contestant

Array = NDArray[Any]
Facts = dict[str, Any]

ABILITIES = ("vectors", "scores", "counts_", "exponent_", "lambdas_", "window")
COUNTED = ("window", "weights", "sides", "subsample", "min_count")  # settings that say which pairs were counted
PAIRS = 20_000  # of words, drawn in proportion to how often they met, whose scores are set against their PMI
OFTEN = 50  # occurrences in the training text of each word of such a pair: below that, PMI is mostly noise
ACROSS = 40  # hexagons from the lowest to the highest PMI
ANALOGIES = "questions-words"
RESTRICT = 30_000  # words that take part in analogies, as in the published figures
# How each set of judgments is called; the first three are the ones that everybody reports.
SETS = {
    "EN-WS-353-ALL": "WordSim-353",
    "EN-SIMLEX-999": "SimLex-999",
    "EN-MEN-TR-3k": "MEN",
    "EN-WS-353-SIM": "WordSim-353 similar",
    "EN-WS-353-REL": "WordSim-353 related",
    "EN-RG-65": "RG-65",
    "EN-MC-30": "MC-30",
    "EN-MTurk-771": "MTurk-771",
    "EN-RW-STANFORD": "Rare Words",
    "EN-SimVerb-3500": "SimVerb-3500",
}
WORDS, NEAREST = 6, 5  # whose neighbours are shown, and how many
LETTERS = projection.LETTERS  # of those words, at least, where there are such
SEEN = 20  # and their occurrences
PASSED = 20  # the most frequent words of all, whose neighbours say little
ON_MAP = 40  # words


@dataclass
class _Known:
    """An association among the contestants, and the words that it has vectors for, if any."""

    entry: "Contestant"
    vectors: Vectors | None

    @property
    def model(self) -> Any:
        return self.entry.model

    @property
    def named(self) -> Facts:
        """What each of its rows begins with."""
        return {"label": self.entry.label, "model": self.entry.row["model"]}


def facts(entries: "Sequence[Contestant]", text: Text, run: Run, word_tests: Mapping[str, str] | None = None) -> Facts:
    """What there is to say of the associations among `entries`, all of it plain data; {} where there is none.

    `word_tests` are the files of the task "words" (see `tasks.fetch`), without which the vectors are not judged.
    Raises FormatError where one of those is no such file.
    """
    known = [_know(entry) for entry in entries if entry.score and all(hasattr(entry.model, a) for a in ABILITIES)]
    if not known:
        return {}
    with run.progress.task("associations", 5) as task:
        made: Facts = {"distances": [_distances(one) for one in known]}
        task.advance(1, "beside PMI")
        made["factorised"] = _factorised(known, text, run)
        task.advance(1, "word tests" if word_tests else "")
        made["word_tests"] = _word_tests(known, word_tests) if word_tests else None
        task.advance(1, "neighbours")
        made["neighbours"] = _neighbours(known)
        task.advance(1, "map")
        made["map"] = _map(known, made["word_tests"])
        task.advance(1)
    return {key: value for key, value in made.items() if value}


def _know(entry: "Contestant") -> _Known:
    assert entry.tokenizer
    try:
        return _Known(entry, Vectors.of(entry.reader))
    except UsageError:  # no words, or none that occurs often enough: it predicts all the same
        return _Known(entry, None)


# ── What a distance is worth ──────────────────────────────────────────────────────────────────────


def _distances(known: _Known) -> Facts:
    """β, λ, and bits per token of the test text: the model's, and those of its counts with one added to each."""
    score = known.entry.score
    assert score
    counts = np.asarray(known.model.counts_) + 1.0
    unigram = np.log2(counts.sum()) - np.log2(counts[score.ids]).mean()
    return {
        **known.named,
        "exponent": float(known.model.exponent_),
        "lambdas": np.asarray(known.model.lambdas_).tolist(),
        "bits_per_token": score.bits / score.tokens,
        "unigram_bits_per_token": float(unigram),
    }


# ── One thing under two names ─────────────────────────────────────────────────────────────────────


def _factorised(known: list[_Known], text: Text, run: Run) -> list[Facts]:
    """The scores of each that learned from this very text, against the PMI of the counts that it could have made."""
    rows: list[Facts] = []
    counted, counts = None, None
    for one in known:
        if not _of_this_text(one, text):
            continue
        config = one.model.config()
        settings = {"weights": "linear", **{key: config[key] for key in COUNTED if key in config}}
        if settings != counted:  # else they are those of the row before
            counts = cooccurrence.count(
                text.train, text.tokenizer.vocab_size, seed=run.seed, memory=run.memory, progress=run.progress,
                **settings,
            )  # fmt: skip
            counted = settings
        found = _beside_pmi(one, counts, run.seed)
        if found:
            rows.append({**one.named, "window": settings["window"], "weights": settings["weights"], **found})
    return rows


def _of_this_text(known: _Known, text: Text) -> bool:
    """Whether it was trained on `text`: a finished run may come from anywhere."""
    entry, source = known.entry, text.corpus
    made = entry.row.get("provenance", {})
    same = (made.get("sha256", {}).get("train"), bool(made.get("refit"))) == (source.sha256["train"], source.refit)
    return bool(same and entry.tokenizer and entry.tokenizer.to_json() == text.tokenizer.to_json())


def _beside_pmi(known: _Known, counts: Any, seed: int) -> Facts | None:
    """How s(w, c) goes with PMI(w, c) - log k; None where there are too few words to tell."""
    assert known.entry.tokenizer
    shift = _negative_samples(known.model)
    named, ids = words_of(known.entry.tokenizer, known.model.counts_)
    spelled = np.array([any(map(str.isalpha, word)) for word in named], dtype=bool)  # not "=" or ","
    words, contexts = draw_pairs(counts, ids[spelled & (known.model.counts_[ids] >= OFTEN)], PAIRS, seed)
    if len(words) == 0:
        return None
    table = pmi(counts, smoothing=1.0, shift=shift or 1.0, positive=False)
    expected = np.asarray(table[words, contexts], dtype=np.float64).ravel()
    scores = np.asarray(known.model.scores(words, contexts), dtype=np.float64)
    if np.ptp(expected) == 0 or np.ptp(scores) == 0:
        return None
    from scipy import stats

    return {
        "negative": shift,
        "pairs": len(words),
        "pearson": float(stats.pearsonr(expected, scores).statistic),
        "spearman": float(stats.spearmanr(expected, scores).statistic),
        "median_gap": float(np.median(scores - expected)),  # nats by which the score is above
        **({"hexagons": hexagons(expected, scores)} if shift else {}),
    }


def _negative_samples(model: Any) -> float | None:
    """k, where it is a skip-gram that was trained by negative sampling: CBOW's scores are of sums of contexts."""
    config = model.config()
    skip_gram = (config.get("architecture"), config.get("output")) == ("skip-gram", "negative-sampling")
    return float(config["negative"]) if skip_gram else None


def draw_pairs(counts: Any, ids: Array, n: int, seed: int) -> tuple[Array, Array]:
    """`n` pairs (word, context), (n,) each, drawn from `counts` (CSR, V × V) in proportion to them: among `ids` only.

    Those that met often are drawn often. None of them where `ids` never met.
    """
    inside = np.zeros(counts.shape[0], bool)
    inside[ids] = True
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    kept = np.flatnonzero(inside[rows] & inside[counts.indices] & (counts.data > 0))
    if len(kept) == 0:
        return rows[:0], rows[:0]
    upto = np.cumsum(counts.data[kept], dtype=np.float64)
    drawn = np.searchsorted(upto, np.random.default_rng(seed).random(n) * upto[-1], side="right")
    cells = kept[np.minimum(drawn, len(kept) - 1)]
    return rows[cells], np.asarray(counts.indices[cells], dtype=rows.dtype)


def hexagons(x: Array, y: Array, across: int = ACROSS) -> Facts:
    """Points (N,) counted in regular hexagons, `across` of them over the range of `x`.

    Gives `width` of a hexagon, its corners being above and below, and `cells`: [x, y, count] of each that holds any.
    The centres are those of two rectangular grids, one shifted by half a cell; a point belongs to the nearest
    (Carr et al. 1987).
    """
    width = float(np.ptp(x)) / across or 1.0
    steps = np.array([width, width * np.sqrt(3)])
    points = np.stack([x, y], axis=1)
    even = np.round(points / steps) * steps
    odd = (np.floor(points / steps) + 0.5) * steps
    nearer = ((points - even) ** 2).sum(axis=1) < ((points - odd) ** 2).sum(axis=1)
    centres, sizes = np.unique(np.where(nearer[:, None], even, odd).round(6), axis=0, return_counts=True)
    found = zip(centres.tolist(), sizes.tolist(), strict=True)
    return {"width": width, "cells": [[*centre, size] for centre, size in found]}


# ── What the vectors know ─────────────────────────────────────────────────────────────────────────


def _word_tests(known: list[_Known], texts: Mapping[str, str]) -> Facts | None:
    """Every set of judgments and the analogies, by every association that has vectors of words."""
    sets = {name: texts[file] for file, name in SETS.items() if file in texts}
    rows = [
        {
            **one.named,
            "words": len(one.vectors),
            "sets": {name: judge(one.vectors, pairs) for name, pairs in sets.items()},
            "analogies": {
                method: solve_analogies(one.vectors, texts[ANALOGIES], RESTRICT, method)
                for method in METHODS
                if ANALOGIES in texts
            },
        }
        for one in known
        if one.vectors
    ]
    return {"sets": list(sets), "restrict": RESTRICT, "rows": rows} if rows else None


def _neighbours(known: list[_Known]) -> Facts | None:
    """The nearest words of some that all know, from the frequent to the rare."""
    able = [one for one in known if one.vectors and len(one.vectors) > 1]
    words = _spread(able)
    rows = [
        {**one.named, "found": [[list(found) for found in one.vectors.neighbours(word, NEAREST)] for word in words]}
        for one in able
        if one.vectors
    ]
    return {"words": words, "rows": rows} if words and rows else None


def _spread(known: list[_Known]) -> list[str]:
    """Up to six words that all have a vector for, evenly far apart in the logarithm of their rank."""
    of_all = [one.vectors for one in known if one.vectors]
    if not of_all:
        return []
    first, *others = of_all
    assert first.counts is not None
    often = [word for word, count in zip(first.words, first.counts, strict=True) if count >= SEEN]
    shared = [word for word in often if all(word in other.index for other in others)]
    long = [word for word in shared if len(word) >= LETTERS and word.isalpha() and word.islower()]
    chosen = long if len(long) >= WORDS else shared
    first_rank = PASSED if len(chosen) > 2 * PASSED else 1
    ranks = np.unique(np.geomspace(first_rank, max(len(chosen), 1), WORDS).round().astype(int)) - 1
    return [chosen[rank] for rank in ranks.tolist() if rank < len(chosen)]


def _map(known: list[_Known], tests: Facts | None) -> Facts | None:
    """Frequent words in the plane, as the vectors have them that agree best with people, or the last there are."""
    dense = [one for one in known if one.vectors and not issparse(one.vectors.matrix)]
    judged = {row["label"]: _agreement(row) for row in tests["rows"]} if tests else {}
    for one in sorted(dense, key=lambda one: (judged.get(one.entry.label, 0.0), dense.index(one)), reverse=True):
        assert one.vectors
        try:
            words = projection.frequent_words(one.vectors, ON_MAP) or one.vectors.words[:ON_MAP]
            return {**one.named, **projection.layout(one.vectors, words)}
        except UsageError:  # too few words, or no scikit-learn
            continue
    return None


def _agreement(row: Facts) -> float:
    """The mean rank correlation with people's judgments, a set counting as many times as it has pairs."""
    found = [(judged["spearman"], judged["pairs"]) for judged in row["sets"].values() if judged["spearman"] is not None]
    values, weights = np.array(found).reshape(-1, 2).T
    return float(np.average(values, weights=weights)) if found else 0.0
