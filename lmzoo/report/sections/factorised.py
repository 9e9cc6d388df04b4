"""Skip-gram with negative sampling factorises PMI: its scores against PMI(w, c) - log k (Levy & Goldberg 2014)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lmzoo.analysis.word_vectors import words_of
from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry
from lmzoo.comparison.results import OPTIONAL, Comparison, OfModel
from lmzoo.embeddings.cooccurrence import Counted
from lmzoo.interface import Array
from lmzoo.models.pmi import pmi
from lmzoo.report.associations import associations, key
from lmzoo.report.canvas import SOURCE_LINE, Canvas, Drawing, bare_axes, colour, short
from lmzoo.report.section import Section
from lmzoo.report.table import MINUS, Cell, Table
from lmzoo.runs.train import Text

COUNTED = ("window", "weights", "sides", "subsample", "min_count")  # settings that say which pairs were counted
PAIRS = 20_000  # of words, drawn in proportion to their co-occurrence counts
FREQUENT = 50  # occurrences in the training text of each word of such a pair: below that, PMI is mostly noise
ACROSS = 40  # hexagons from the lowest to the highest PMI


@dataclass(frozen=True)
class Hexagons:
    """Points counted in regular hexagons of this width, their corners above and below."""

    width: float
    cells: tuple[tuple[float, float, int], ...]  # centre and count of each that holds any


@dataclass(frozen=True)
class Factorised(OfModel):
    """One association's scores against PMI, over the same pairs of words."""

    window: int
    weights: str
    negative: float | None  # k of skip-gram with negative sampling; None for any other association
    pairs: int
    pearson: float
    spearman: float
    median_gap: float  # nats by which the score is above
    hexagons: Hexagons | None = field(default=None, metadata=OPTIONAL)  # of skip-gram with negative sampling


def compute(entries: Sequence[Entry], context: Context) -> tuple[Factorised, ...] | None:
    """The scores of each association that was trained on this very text, against the PMI of its own windows."""
    own = [entry for entry in associations(entries) if _of_this_text(entry, context.text)]
    if not own:
        return None
    return context.cached(tuple[Factorised, ...], key(own, context), lambda: _rows(own, context)) or None


def _rows(own: Sequence[Entry], context: Context) -> list[Factorised]:
    rows: list[Factorised] = []
    counted, counts = None, None
    for entry in own:
        config = entry.row.config
        settings = {"weights": "linear", **{name: config[name] for name in COUNTED if name in config}}
        if settings != counted:  # else the counts are those of the row before
            text = context.text
            counts = Counted(**settings).count(text.train, text.tokenizer.vocab_size, context.run)
            counted = settings
        row = _against_pmi(entry, counts, context.run.seed, settings)
        if row:
            rows.append(row)
    return rows


def _of_this_text(entry: Entry, text: Text) -> bool:
    """Whether it was trained on `text`: a finished run may come from anywhere."""
    source, provenance = text.corpus, entry.row.provenance or {}
    trained_on = (provenance.get("sha256", {}).get("train"), bool(provenance.get("refit")))
    same = trained_on == (source.sha256["train"], source.refit)
    return bool(same and entry.tokenizer.to_json() == text.tokenizer.to_json())


def _against_pmi(entry: Entry, counts: Any, seed: int, settings: dict[str, Any]) -> Factorised | None:
    """Correlation of s(w, c) with PMI(w, c) - log k; None where there are too few words to tell."""
    from scipy import stats

    model, tokenizer = entry.model, entry.tokenizer
    shift = negative_samples(model)
    words, ids = words_of(tokenizer, model.counts_)
    spelled = np.array([any(map(str.isalpha, word)) for word in words], dtype=bool)  # not "=" or ","
    left, right = draw_pairs(counts, ids[spelled & (model.counts_[ids] >= FREQUENT)], PAIRS, seed)
    if len(left) == 0:
        return None
    table = pmi(counts, smoothing=1.0, shift=shift or 1.0, positive=False)
    expected = np.asarray(table[left, right], dtype=np.float64).ravel()
    scores = np.asarray(model.scores(left, right), dtype=np.float64)
    if np.ptp(expected) == 0 or np.ptp(scores) == 0:
        return None
    return Factorised(
        **entry.named,
        window=settings["window"],
        weights=settings["weights"],
        negative=shift,
        pairs=len(left),
        pearson=float(stats.pearsonr(expected, scores).statistic),
        spearman=float(stats.spearmanr(expected, scores).statistic),
        median_gap=float(np.median(scores - expected)),
        hexagons=hexagons(expected, scores) if shift else None,
    )


def negative_samples(model: Any) -> float | None:
    """k of a skip-gram trained by negative sampling; None for CBOW, whose scores are of sums of contexts."""
    config = model.config()
    skip_gram = (config.get("architecture"), config.get("output")) == ("skip-gram", "negative-sampling")
    return float(config["negative"]) if skip_gram else None


def draw_pairs(counts: Any, ids: Array, n: int, seed: int) -> tuple[Array, Array]:
    """`n` pairs (word, context), (n,) each, drawn in proportion to `counts` (CSR, V × V), of words among `ids` only.

    No pairs where `ids` never co-occur.
    """
    inside = np.zeros(counts.shape[0], bool)
    inside[ids] = True
    rows = counts.tocoo().row
    among = np.flatnonzero(inside[rows] & inside[counts.indices] & (counts.data > 0))
    if len(among) == 0:
        return rows[:0], rows[:0]
    cumulative = np.cumsum(counts.data[among], dtype=np.float64)
    drawn = np.searchsorted(cumulative, np.random.default_rng(seed).random(n) * cumulative[-1], side="right")
    cells = among[np.minimum(drawn, len(among) - 1)]
    return rows[cells], np.asarray(counts.indices[cells], dtype=rows.dtype)


def hexagons(x: Array, y: Array, across: int = ACROSS) -> Hexagons:
    """Points (N,) counted in regular hexagons, `across` of them over the range of `x` (Carr et al. 1987).

    The centres are those of two rectangular grids, one shifted by half a cell; a point belongs to the nearest.
    """
    width = float(np.ptp(x)) / across or 1.0
    steps = np.array([width, width * np.sqrt(3)])
    points = np.stack([x, y], axis=1)
    even = np.round(points / steps) * steps
    odd = (np.floor(points / steps) + 0.5) * steps
    nearer = ((points - even) ** 2).sum(axis=1) < ((points - odd) ** 2).sum(axis=1)
    centres, sizes = np.unique(np.where(nearer[:, None], even, odd).round(6), axis=0, return_counts=True)
    return Hexagons(
        width, tuple((*centre, size) for centre, size in zip(centres.tolist(), sizes.tolist(), strict=True))
    )


# ── Shown ──

PALE, DEEP = "#d5efe6", "#00382a"  # few pairs and many, the family's colour between them


def figure(rows: Sequence[Factorised], comparison: Comparison, canvas: Canvas) -> Drawing | None:
    """The scores of the first skip-gram against PMI - log k: pairs of words in hexagons."""
    drawn = [row for row in rows if row.hexagons]
    if not drawn:
        return None
    row = drawn[0]
    figure, axes = bare_axes(canvas, canvas.tall(canvas.width * (1.2 if canvas.narrow else 0.5)))
    axes.spines["left"].set_visible(True)
    hue = colour(comparison.family(row.label))
    cells = _draw_hexagons(axes, row.hexagons, hue, 1 if canvas.narrow else 1.5)
    axes.axline((0, 0), slope=1, linewidth=canvas.font / 8, zorder=4, **SOURCE_LINE)
    top = axes.get_ylim()[1]  # where the diagonal ends, at the right of all pairs
    axes.annotate("equal", (top, top), (canvas.font * 0.4, 0), textcoords="offset points", va="top", size=canvas.font,
                  annotation_clip=False)  # fmt: skip
    k = f"{row.negative:g}"
    axes.set_xlabel(f"PMI(w, c) {MINUS} log {k}, counted")
    axes.set_ylabel("score s(w, c), learned")
    axes.set_title(_correlations(row, "\n" if canvas.narrow else ", "), loc="left", size=canvas.font, parse_math=False)
    _scale(figure, axes, canvas, cells)
    return figure, (
        f"For {row.pairs} pairs of words, the score that {row.label} learned against PMI minus log {k} from "
        f"counts: {_correlations(row, ', ')}. Half of the scores are {abs(row.median_gap):.2f} nats or more "
        f"{'above' if row.median_gap > 0 else 'below'} it."
    )


def _draw_hexagons(axes: Any, facts: Hexagons | None, hue: str, shape: float) -> Any:
    """Hexagons coloured by the logarithm of their counts; the axes become `shape` times as wide as high, or more."""
    from matplotlib.collections import PatchCollection
    from matplotlib.colors import LinearSegmentedColormap, LogNorm
    from matplotlib.patches import RegularPolygon

    assert facts
    width, side = facts.width, facts.width / 3**0.5
    x, y, sizes = zip(*facts.cells, strict=True)
    shapes = [RegularPolygon(centre, 6, radius=side) for centre in zip(x, y, strict=True)]
    shades = LinearSegmentedColormap.from_list("association", [PALE, hue, DEEP])
    cells = PatchCollection(shapes, array=sizes, cmap=shades, norm=LogNorm(1, max(2, *sizes)), linewidths=0.2,
                            edgecolors="face", zorder=2)  # fmt: skip
    axes.add_collection(cells)
    left, bottom = min(x) - width, min(y) - side
    top = max(max(x) + width, max(y) + side)
    axes.set_xlim(left, max(top, left + shape * (top - bottom)))
    axes.set_ylim(bottom, top)
    axes.set_aspect("equal")  # both are in nats
    return cells


def _scale(figure: Any, axes: Any, canvas: Canvas, cells: Any) -> None:
    """The colour bar, beside the axes or below them."""
    powers = [10**n for n in range(6) if 10**n <= cells.norm.vmax]
    bar = figure.colorbar(cells, ax=axes, location="bottom" if canvas.narrow else "right", aspect=30, pad=0.03,
                          ticks=powers, format="{x:,.0f}")  # fmt: skip
    bar.outline.set_visible(False)
    bar.minorticks_off()
    bar.ax.tick_params(labelsize=canvas.size(0.9))
    bar.set_label("pairs per hexagon", size=canvas.size(0.9))


def _correlations(row: Factorised, between: str) -> str:
    return f"{short(row.label, 30, lines=1)}: Pearson {row.pearson:.2f}{between}Spearman {row.spearman:.2f}"


def data(rows: Sequence[Factorised], _: Comparison) -> list[dict[str, Any]]:
    """A line for each hexagon."""
    cells = [row.hexagons.cells for row in rows if row.hexagons][:1]
    return [{"PMI": x, "score": y, "pairs": pairs} for x, y, pairs in (cells[0] if cells else ())]


def table(rows: Sequence[Factorised], _: Comparison) -> Table:
    """How the scores of each association correlate with the PMI of the same counts."""
    lines = []
    for row in rows:
        shift = f" {MINUS} log {row.negative:g}" if row.negative else ""
        against = Cell(f"PMI{shift}", f"window {row.window}, {row.weights} weights")
        lines.append((row.label, [against, Cell(f"{row.pearson:.3f}"), Cell(f"{row.spearman:.3f}")]))
    return Table("model", ("score against", "Pearson", "Spearman"), lines)


section = Section(
    "factorised",
    "Skip-gram factorises PMI",
    60,
    facts=tuple[Factorised, ...],
    compute=compute,
    table=table,
    figure=figure,
    data=data,
)
