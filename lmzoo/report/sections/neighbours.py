"""Nearest neighbours: the words whose vectors have the greatest cosine with that of a given word."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lmzoo.analysis.projection import LETTERS
from lmzoo.analysis.word_vectors import Vectors
from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry
from lmzoo.comparison.results import Comparison, OfModel
from lmzoo.report.associations import key, word_models
from lmzoo.report.section import Section
from lmzoo.report.table import Cell, Table

WORDS, NEAREST = 6, 5  # how many words are looked up, and how many neighbours are shown
FREQUENT = 20  # occurrences of a word that is looked up
SKIPPED = 20  # the most frequent words of all, whose neighbours say little


@dataclass(frozen=True)
class Nearest(OfModel):
    """One model's neighbours of each word, with their cosines, the nearest first."""

    found: tuple[tuple[tuple[str, float], ...], ...]


@dataclass(frozen=True)
class Neighbours:
    """Neighbours of the same words in every model that has vectors, the words from frequent to rare."""

    words: tuple[str, ...]
    rows: tuple[Nearest, ...]


def compute(entries: Sequence[Entry], context: Context) -> Neighbours | None:
    """Neighbours of words that all models have vectors of."""

    def work() -> Neighbours:
        able = [(entry, vectors) for entry, vectors in word_models(entries) if len(vectors) > 1]
        words = choose([vectors for _, vectors in able])
        rows = [
            Nearest(**entry.named, found=tuple(tuple(vectors.neighbours(word, NEAREST)) for word in words))
            for entry, vectors in able
        ]
        return Neighbours(tuple(words), tuple(rows))

    facts = context.cached(Neighbours, key(entries, context), work)
    return facts if facts.words and facts.rows else None


def choose(models: Sequence[Vectors]) -> list[str]:
    """Up to six words that all have a vector of, evenly spaced in the logarithm of their rank."""
    if not models:
        return []
    first, *others = models
    assert first.counts is not None
    frequent = [word for word, count in zip(first.words, first.counts, strict=True) if count >= FREQUENT]
    shared = [word for word in frequent if all(word in other.index for other in others)]
    long = [word for word in shared if len(word) >= LETTERS and word.isalpha() and word.islower()]
    chosen = long if len(long) >= WORDS else shared
    first_rank = SKIPPED if len(chosen) > 2 * SKIPPED else 1
    ranks = np.unique(np.geomspace(first_rank, max(len(chosen), 1), WORDS).round().astype(int)) - 1
    return [chosen[rank] for rank in ranks.tolist() if rank < len(chosen)]


def table(facts: Neighbours, _: Comparison) -> Table:
    """A line for each word, a column for each model."""
    lines = [
        (word, [Cell(", ".join(near for near, _ in row.found[i])) for row in facts.rows])
        for i, word in enumerate(facts.words)
    ]
    return Table("word", [row.label for row in facts.rows], lines, prose=True)


section = Section("neighbours", "Nearest neighbours", 80, facts=Neighbours, compute=compute, table=table)
