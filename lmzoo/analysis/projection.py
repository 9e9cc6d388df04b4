"""A map of words: their vectors laid out in the plane, to be looked at.

PCA turns the unit vectors so that the plane shows as much of their variance as any plane can (Pearson 1901): distances
on the map are never longer than in truth. t-SNE (van der Maaten & Hinton 2008) keeps neighbours together and nothing
else: sizes of groups and the distances between them mean nothing.

scikit-learn and matplotlib are imported inside the functions, for only maps need them.
"""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmzoo.analysis.word_vectors import Vectors
from lmzoo.errors import UsageError, nearest, not_installed
from lmzoo.files import write_atomically
from lmzoo.report import canvas

METHODS = {"pca": "PCA", "tsne": "t-SNE"}
FORMATS = (".png", ".svg")
FEWEST, MOST = 3, 200  # words on a map: two have no shape, and more cannot be read
ROUNDS = 4  # how often each label may choose its place,
TRIED = 64  # and of how many places it sees what stands on the way from there
USUAL, LETTERS = 60, 4  # the map of no words in particular: so many, of so many letters and more

Array = NDArray[Any]


def frequent_words(vectors: Vectors, n: int = USUAL) -> list[str]:
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
    if method not in METHODS:
        raise UsageError(f"no map {method!r}{nearest(method, METHODS)}; there are: {', '.join(METHODS)}")
    places = list(dict.fromkeys(vectors.places(words)))
    if not FEWEST <= len(places) <= MOST:
        raise UsageError(f"a map shows {FEWEST} to {MOST} different words, not {len(places)}")
    named = [vectors.words[i] for i in places]
    points, variance = _project(vectors.dense(named), method, seed)
    return {"method": method, "words": named, "points": points.tolist(), "variance": variance}


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
    return PCA(n_components=2, svd_solver="full").fit_transform(
        tsne.fit_transform(rows)
    ), None  # its longer side along x


def check_path(path: Path) -> None:
    """Raises UsageError where no map can be written to `path`, before any work is done."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path}: a map is written as PNG or SVG, so its name must end in {' or '.join(FORMATS)}")
    if path.is_dir():
        raise UsageError(f"{path} cannot be written: it is a folder")
    if not path.parent.is_dir():
        raise UsageError(f"{path} cannot be written: there is no folder {path.parent}")


def write(path: Path, facts: dict[str, Any], title: str = "") -> None:
    """Draw what `layout` gave into a PNG or SVG file, which is replaced. Raises UsageError where it cannot be written.

    The same facts give the same file.
    """
    import matplotlib

    check_path(path)
    style: Any = {"font.family": "DejaVu Sans", "svg.hashsalt": "lmzoo", "svg.fonttype": "path"}
    kind, buffer = path.suffix.lower()[1:], io.BytesIO()
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()  # whatever the user's own matplotlibrc says
        matplotlib.rcParams.update(style)
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # it then shows boxes, which is no error
        drawn = draw(facts, title)
        drawn.savefig(buffer, format=kind, dpi=160, metadata={"Date": None} if kind == "svg" else None)
    try:
        write_atomically(path, buffer.getvalue())
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}; choose another --out") from None


def draw(
    facts: dict[str, Any], title: str = "", width: float = 11, height: float = 7.2, font: float | None = None
) -> Any:
    """The map as a matplotlib Figure of `width` by `height` inches: a dot for each word, and its label beside it."""
    from matplotlib.figure import Figure

    points, words = np.array(facts["points"]), facts["words"]
    font = font or float(np.interp(len(words), [15, 60, MOST], [19, 14.5, 9]) * width / 11)
    figure = Figure(figsize=(width, height), facecolor="white")
    top = 1 - 2.2 * font / 72 / height
    axes = figure.add_axes((0.01, 0.01, 0.98, top - 0.01))
    axes.set_axis_off()
    figure.text(0.02, (1 + top) / 2, _caption(facts, title), size=font * 0.95, va="center", color="#444444",
                parse_math=False)  # fmt: skip
    _frame(axes, points, width / (height * top))
    axes.scatter(points[:, 0], points[:, 1], s=(font * 0.5) ** 2, color=canvas.colour("svd"), linewidths=0, zorder=2)
    _label(figure, axes, points, words, font)
    return figure


def _caption(facts: dict[str, Any], title: str) -> str:
    """What is seen, and by which method."""
    by = METHODS[facts["method"]]
    if facts["variance"] is not None:
        by += f": the plane shows {sum(facts['variance']):.0%} of the variance"
    return f"{title} · {by}" if title else by


def _frame(axes: Any, points: Array, shape: float) -> None:
    """Limits with room for labels, and one scale for both axes, so that distances can be compared."""
    low, high = points.min(axis=0), points.max(axis=0)
    size = max((high[0] - low[0]) * 1.25, (high[1] - low[1]) * 1.12 * shape)
    (x, y), half = (low + high) / 2, (size / 2, size / shape / 2)
    axes.set_xlim(x - half[0], x + half[0])
    axes.set_ylim(y - half[1], y + half[1])


def _label(figure: Any, axes: Any, points: Array, words: Sequence[str], font: float) -> None:
    """Put each word near its dot; where it has to stand off, a thin line leads to it. The most crowded choose first."""
    from matplotlib.patheffects import withStroke

    texts = [axes.text(*point, word, size=font, va="center", ha="center", parse_math=False, zorder=4,
                       path_effects=[withStroke(linewidth=3, foreground="white")])
             for word, point in zip(words, points, strict=True)]  # fmt: skip
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in texts]
    sizes = np.array([(box.width, box.height) for box in boxes]) + font * figure.dpi / 72 * 0.15
    dots = axes.transData.transform(points)
    frame = axes.get_window_extent()
    centres = place_labels(dots, sizes, (frame.x0, frame.y0, frame.x1, frame.y1))
    unit = font * figure.dpi / 72
    for text, dot, centre, size in zip(texts, dots, centres, sizes, strict=True):
        text.set_position(axes.transData.inverted().transform(centre))
        foot = _foot(dot, centre, size)
        if np.linalg.norm(foot - dot) > 0.45 * unit:
            ends = axes.transData.inverted().transform([dot, foot])
            axes.plot(*ends.T, color="#999999", linewidth=font / 16, zorder=1)


def place_labels(dots: Array, sizes: Array, frame: tuple[float, float, float, float]) -> Array:
    """Centres (N, 2) for labels of `sizes` (N, 2) near `dots` (N, 2), in the frame (x0, y0, x1, y1).

    Each takes the place on rings around its dot that is near, covers no other label nor dot, is not nearer to another
    dot than to its own, and from which a line to its dot strikes nothing. The most crowded choose first; then all
    choose again, now that all others are there. In a frame too full for that, it is the place that covers least.
    """
    height = float(sizes[:, 1].max())
    gaps = np.linalg.norm(dots[:, None] - dots, axis=2)
    crowded = np.argsort(-np.exp(-gaps / (3 * height)).sum(axis=1), kind="stable")
    low, high = np.array(frame[:2]), np.array(frame[2:])
    centres = np.full(dots.shape, np.inf)
    for i in np.tile(crowded, ROUNDS).tolist():
        reach = _around(sizes[i], height, float(np.linalg.norm(high - low)))
        places = np.clip(dots[i] + reach, low + sizes[i] / 2, high - sizes[i] / 2)
        here = np.isfinite(centres[:, 0]) & (np.arange(len(dots)) != i)
        covered = _overlaps(places, sizes[i], centres[here], sizes[here])
        away = np.linalg.norm(np.maximum(np.abs(places[:, None] - dots) - sizes[i] / 2, 0), axis=2) / height
        own, nearest_other = away[:, i], np.delete(away, i, axis=1).min(axis=1, initial=np.inf)
        # No way is too long to keep off another label, and none worth going of more than six lines to keep off a dot.
        dotted = np.minimum(own, nearest_other) < 0.24
        cost = 1e3 * covered + 6 * dotted + 1.5 * (nearest_other < own) + np.maximum(own, 0.45)
        best = np.argsort(cost, kind="stable")[:TRIED]
        struck = _strikes(dots[i], places[best], sizes[i], np.delete(dots, i, axis=0), centres[here], sizes[here])
        centres[i] = places[best[int(np.argmin(cost[best] + 3 * struck))]]
    return centres


def _around(size: Array, height: float, reach: float) -> Array:
    """Places (n, 2) of a label relative to its dot: right, left, above and below it, then on ever wider rings."""
    angles = np.deg2rad([0, 180, 90, 270, 45, 135, 315, 225, 22.5, 157.5, 337.5, 202.5, 67.5, 112.5, 292.5, 247.5])
    directions = np.column_stack([np.cos(angles), np.sin(angles)])
    rings = np.geomspace(0.25 * height, max(reach, height), 20)
    return (directions * (size / 2) + rings[:, None, None] * directions).reshape(-1, 2)


def _foot(dot: Array, places: Array, size: Array) -> Array:
    """The point of a label at `places` (…, 2) that is next to its dot: where a line to it ends."""
    return np.clip(dot, places - size / 2, places + size / 2)


def _strikes(dot: Array, places: Array, size: Array, dots: Array, labels: Array, sizes: Array) -> Array:
    """Whether the line from a label at each of `places` (m, 2) to its dot strikes another dot or label: (m,)."""
    steps = np.linspace(0, 1, 8)[:, None, None]
    line = dot + steps * (_foot(dot, places, size) - dot)  # (8, m, 2)
    near = np.linalg.norm(line[:, :, None] - dots, axis=3) < 0.3 * size[1]
    through = (np.abs(line[:, :, None] - labels) < sizes / 2).all(axis=3)
    return near.any(axis=(0, 2)) | through.any(axis=(0, 2))


def _overlaps(places: Array, size: Array, others: Array, sizes: Array) -> Array:
    """How many of the boxes `others` (n, 2) with `sizes` a box of `size` covers at each of `places` (m, 2): (m,)."""
    apart = np.abs(places[:, None] - others) - (size + sizes) / 2
    return (apart < 0).all(axis=2).sum(axis=1)
