"""Word vectors projected onto the plane, by PCA or t-SNE.

PCA rotates the unit vectors so that the plane shows as much of their variance as any plane can (Pearson 1901):
distances on the map are never longer than between the vectors. t-SNE (van der Maaten & Hinton 2008) preserves
neighbourhoods and nothing else: sizes of groups and the distances between them mean nothing.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lmzoo.analysis.word_vectors import Vectors
from lmzoo.errors import UsageError, not_installed, one_of
from lmzoo.interface import Array

METHODS = {"pca": "PCA", "tsne": "t-SNE"}
FEWEST, MOST = 3, 200  # words on a map: two have no shape, and more cannot be read
DEFAULT, LETTERS = 60, 4  # how many words a map shows by default, and their least letters


def frequent_words(vectors: Vectors, n: int = DEFAULT) -> list[str]:
    """The `n` most frequent words of four letters and more, one spelling of each."""
    words = [vectors.words[i] for i in sorted(vectors.by_upper.values())]
    return [word for word in words if len(word) >= LETTERS and word.isalpha()][:n]


def layout(vectors: Vectors, words: Sequence[str], method: str = "pca", seed: int = 0) -> dict[str, Any]:
    """Where to put `words` (N,) in the plane, as JSON knows it.

    Gives `method`; `words`, as the vectors spell them, each once; `points`, [x, y] of each; and `variance`, the share
    of all variance along x and along y for "pca", None for "tsne", which starts from that map and where `seed` matters.
    Raises UsageError for another method, for words that have no vector, for fewer than 3 or more than 200, and where
    scikit-learn is not installed.
    """
    one_of("map", method, METHODS)
    places = list(dict.fromkeys(vectors.places(words)))
    if not FEWEST <= len(places) <= MOST:
        raise UsageError(f"a map shows {FEWEST} to {MOST} different words, not {len(places)}")
    named = [vectors.words[i] for i in places]
    points, variance = _project(vectors.dense(named), method, seed)
    return {"method": method, "words": named, "points": points.tolist(), "variance": variance}


def principal(rows: Array) -> tuple[Array, Array]:
    """PCA: (N, D) → (N, 2) in the plane of the largest variance, and the share of it along each axis."""
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    u, lengths, axes = np.linalg.svd(centred, full_matrices=False)
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])  # as scikit-learn chooses them
    points = u * lengths * signs
    variance = lengths**2 / max(float((lengths**2).sum()), np.finfo(np.float64).tiny)
    missing = max(0, 2 - len(lengths))
    return np.pad(points, ((0, 0), (0, missing)))[:, :2], np.pad(variance, (0, missing))[:2]


def _project(rows: Array, method: str, seed: int) -> tuple[Array, list[float] | None]:
    """(N, D) → (N, 2), and for PCA the share of the variance along each axis."""
    try:
        from sklearn.decomposition import PCA
        from sklearn.manifold import TSNE
    except ImportError:
        raise not_installed("a map of words", "scikit-learn") from None
    rows = rows[:, rows.any(axis=0)].astype(np.float64)  # of sparse vectors most columns are zero
    if np.ptp(rows, axis=0).max() == 0:
        raise UsageError(f"these {len(rows)} words have the same vector, so there is nothing to lay out")
    if method == "pca":
        pca = PCA(n_components=min(2, rows.shape[1]), svd_solver="full")
        points = pca.fit_transform(rows)
        points = np.pad(points, ((0, 0), (0, 2 - points.shape[1])))
        return points, np.pad(pca.explained_variance_ratio_, (0, 2))[:2].tolist()
    # A fifth of the words as neighbours: the usual 30 would be all there are. Exact, for then threads change nothing.
    perplexity = min(30.0, max(2.0, len(rows) / 5))
    tsne = TSNE(init="pca" if rows.shape[1] > 1 else "random", perplexity=perplexity, method="exact", random_state=seed)
    points = tsne.fit_transform(rows)
    return PCA(n_components=2, svd_solver="full").fit_transform(points), None  # its longer side along x
