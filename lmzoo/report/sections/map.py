"""A map of frequent words: their vectors projected onto the plane."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from scipy.sparse import issparse

from lmzoo.analysis import projection
from lmzoo.analysis.word_vectors import Vectors
from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry
from lmzoo.comparison.results import Comparison, OfModel
from lmzoo.errors import UsageError
from lmzoo.report.associations import agreement, judged, key, word_models
from lmzoo.report.canvas import Canvas, Drawing, colour
from lmzoo.report.section import Section
from lmzoo.report.word_map import draw_map

WORDS = 40
NARROW_WORDS = 14  # that can be read on a telephone


@dataclass(frozen=True)
class WordMap(OfModel):
    """Words in the plane."""

    method: str  # pca
    words: tuple[str, ...]
    points: tuple[tuple[float, float], ...]
    variance: tuple[float, float] | None  # shares of it, along x and y


def compute(entries: Sequence[Entry], context: Context) -> WordMap | None:
    """By the dense vectors that agree best with human judgments, or the last ones where there are no word tests."""
    kind: Any = WordMap | None
    return context.cached(kind, key(entries, context), lambda: _layout(word_models(entries), context))


def _layout(models: Sequence[tuple[Entry, Vectors]], context: Context) -> dict[str, Any] | None:
    tests = context.word_tests
    dense = [(entry, vectors) for entry, vectors in models[::-1] if not issparse(vectors.matrix)]
    # Sorting is stable: of two that agree equally well, the last comes first.
    for entry, vectors in sorted(dense, key=lambda one: -agreement(judged(one[1], tests)) if tests else 0.0):
        with suppress(UsageError):  # too few words, or no scikit-learn
            words = projection.frequent_words(vectors, WORDS) or vectors.words[:WORDS]
            return {**entry.named, **projection.layout(vectors, words)}
    return None


def figure(facts: WordMap, comparison: Comparison, canvas: Canvas) -> Drawing:
    """Each word where its vector puts it; fewer of them on a narrow canvas."""
    shown = facts
    if canvas.narrow:
        shown = replace(facts, words=facts.words[:NARROW_WORDS], points=facts.points[:NARROW_WORDS])
    title = "" if canvas.narrow else facts.label
    height = canvas.tall(canvas.width * (1.2 if canvas.narrow else 0.55))
    hue = colour(comparison.family(facts.label))
    return draw_map(asdict(shown), title, canvas.width, height, canvas.font * 0.95, hue), _in_words(facts)


def _in_words(facts: WordMap) -> str:
    words = ", ".join(facts.words)
    return f"{len(facts.words)} words where the vectors of {facts.label} put them in the plane: {words}."


def data(facts: WordMap, _: Comparison) -> list[dict[str, Any]]:
    """A line for each word."""
    return [{"word": word, "x": x, "y": y} for word, (x, y) in zip(facts.words, facts.points, strict=True)]


section = Section("map", "Word map", 70, facts=WordMap, compute=compute, figure=figure, data=data)
