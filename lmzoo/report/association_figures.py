"""The figures of associations: what distance is worth, how scores go with PMI, and a map of words.

They are made as those of `lmzoo.report.canvas` are, which says how, and share its canvases. All associations have
the colour
of their family, so members of it differ in marker, dash and darkness, the last two of which need no colour vision.
"""

from itertools import cycle
from typing import Any

from lmzoo.analysis import projection
from lmzoo.report.canvas import (
    MARKERS,
    REFERENCE_LINE,
    SOURCE_LINE,
    Canvas,
    bare_axes,
    colour,
    name_the_ends,
    short,
    strokes,
)
from lmzoo.report.summary import Comparison

SHADES = (1.0, 0.72, 0.46, 0.2)  # of a family's colour: this much of its light is left
PALE, DEEP = "#d5efe6", "#00382a"  # few pairs and many, the family's colour between them
WORDS_FOR_TELEPHONES = 14  # that can be read on a narrow map


def distances(comparison: Comparison, canvas: Canvas) -> tuple[Any, str] | None:
    """λ_d against the distance d: one line for each association."""
    rows = comparison.get("distances", [])
    if not rows:
        return None
    names = 3.2 * canvas.font / 72 * (len(rows) + 1)  # each on two lines
    height = max(canvas.width * (0.9 if canvas.labels_above else 0.5), names + 1)
    figure, axes = bare_axes(canvas, height)
    ends = []
    for i, (row, (marker, dash)) in enumerate(zip(rows, cycle(strokes()), strict=False)):
        lambdas = row["lambdas"]
        axes.plot(range(1, len(lambdas) + 1), lambdas, dash, color=shade(colour(row["model"]), i), marker=marker,
                  linewidth=canvas.font / 5, markersize=canvas.font / 2, zorder=3)  # fmt: skip
        ends.append((lambdas[-1], f"{MARKERS[marker]} {row['label']}"))
    furthest = max(len(row["lambdas"]) for row in rows)
    axes.axhline(0, zorder=1, **REFERENCE_LINE)
    axes.set_xticks(range(1, furthest + 1) if furthest <= 12 else range(1, furthest + 1, furthest // 6))
    axes.set_xlim(0.7, furthest + 0.3)
    axes.set_xlabel("distance: tokens back" if not canvas.labels_above else "distance")
    axes.set_ylabel("weight of the score, λ" if not canvas.labels_above else "weight λ")
    name_the_ends(figure, axes, canvas, ends)
    return figure, _distances_in_words(rows)


def factorised(comparison: Comparison, canvas: Canvas) -> tuple[Any, str] | None:
    """The scores of the first model that was trained by negative sampling, against PMI - log k: pairs in hexagons."""
    drawn = [row for row in comparison.get("factorised", []) if "hexagons" in row]
    if not drawn:
        return None
    row = drawn[0]
    figure, axes = bare_axes(canvas, canvas.width * (1.2 if canvas.labels_above else 0.6))
    axes.spines["left"].set_visible(True)
    cells = _hexagons(axes, row["hexagons"], 1 if canvas.labels_above else 1.5)
    axes.axline((0, 0), slope=1, linewidth=canvas.font / 8, zorder=4, **SOURCE_LINE)
    top = axes.get_ylim()[1]  # where the diagonal ends, at the right of all pairs
    axes.annotate("equal", (top, top), (canvas.font * 0.4, 0), textcoords="offset points", va="top", size=canvas.font,
                  annotation_clip=False)  # fmt: skip
    k = f"{row['negative']:g}"
    axes.set_xlabel(f"PMI(w, c) \N{MINUS SIGN} log {k}, counted")
    axes.set_ylabel("score s(w, c), learned")
    axes.set_title(_correlations(row, ", " if not canvas.labels_above else "\n"), loc="left",
                   size=canvas.font, parse_math=False)  # fmt: skip
    _scale(figure, axes, canvas, cells)
    return figure, (
        f"For {row['pairs']} pairs of words, the score that {row['label']} learned against PMI minus log {k} from "
        f"counts: {_correlations(row, ', ')}. Half of the scores are {abs(row['median_gap']):.2f} nats or more "
        f"{'above' if row['median_gap'] > 0 else 'below'} it."
    )


def word_plane(comparison: Comparison, canvas: Canvas) -> tuple[Any, str] | None:
    """Frequent words where their vectors put them: fewer of them on a narrow canvas."""
    facts = comparison.get("map")
    if not facts:
        return None
    shown = facts
    if canvas.labels_above:
        few = min(WORDS_FOR_TELEPHONES, len(facts["words"]))
        shown = facts | {"words": facts["words"][:few], "points": facts["points"][:few]}
    figure = projection.draw(shown, "" if canvas.labels_above else facts["label"], canvas.width,
                           canvas.width * (1.2 if canvas.labels_above else 0.65), font=canvas.font * 0.95)  # fmt: skip
    return figure, _map_in_words(facts)


def shade(base: str, i: int) -> str:
    """The i-th member of a family whose colour is `base` (#rrggbb): that colour, then ever darker, then it again."""
    left = SHADES[i % len(SHADES)]
    return "#" + "".join(f"{round(int(base[at : at + 2], 16) * left):02x}" for at in (1, 3, 5))


def _hexagons(axes: Any, facts: dict[str, Any], shape: float) -> Any:
    """Regular hexagons, their corners above and below, coloured by the logarithm of how many pairs are in them.

    The axes become `shape` times as wide as high, or more.
    """
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import LinearSegmentedColormap, LogNorm

    width = facts["width"]
    x, y, sizes = zip(*facts["cells"], strict=True)
    side = width / 3**0.5
    corners = [(0, side), (width / 2, side / 2), (width / 2, -side / 2), (0, -side), (-width / 2, -side / 2),
               (-width / 2, side / 2)]  # fmt: skip
    shapes = [[(a + dx, b + dy) for dx, dy in corners] for a, b in zip(x, y, strict=True)]
    shades = LinearSegmentedColormap.from_list("association", [PALE, colour("word2vec"), DEEP])
    cells = PolyCollection(shapes, array=sizes, cmap=shades, norm=LogNorm(1, max(2, *sizes)), linewidths=0.2,
                           edgecolors="face", zorder=2)  # fmt: skip
    axes.add_collection(cells)
    left, bottom = min(x) - width, min(y) - side
    top = max(max(x) + width, max(y) + side)
    axes.set_xlim(left, max(top, left + shape * (top - bottom)))
    axes.set_ylim(bottom, top)
    axes.set_aspect("equal")  # both are in nats
    return cells


def _scale(figure: Any, axes: Any, canvas: Canvas, cells: Any) -> None:
    """What each colour stands for, beside the axes or below them."""
    powers = [10**n for n in range(6) if 10**n <= cells.norm.vmax]
    bar = figure.colorbar(cells, ax=axes, location="bottom" if canvas.labels_above else "right", aspect=30,
                          pad=0.03, ticks=powers, format="{x:,.0f}")  # fmt: skip
    bar.outline.set_visible(False)
    bar.minorticks_off()
    bar.ax.tick_params(labelsize=canvas.font * 0.9)
    bar.set_label("pairs in a hexagon", size=canvas.font * 0.9)


def _correlations(row: dict[str, Any], between: str) -> str:
    return f"{short(row['label'], 30, lines=1)}: Pearson {row['pearson']:.2f}{between}Spearman {row['spearman']:.2f}"


def _distances_in_words(rows: list[dict[str, Any]]) -> str:
    said = []
    for row in rows:
        lambdas = row["lambdas"]
        far = f" and {lambdas[-1]:.2f} at distance {len(lambdas)}" if len(lambdas) > 1 else ""
        said.append(f"{row['label']} {lambdas[0]:.2f} at distance 1{far}")
    return (
        f"What the score of a token is multiplied by in predicting the next, against its distance: {'; '.join(said)}."
    )


def _map_in_words(facts: dict[str, Any]) -> str:
    words = ", ".join(facts["words"])
    return f"{len(facts['words'])} words where the vectors of {facts['label']} put them in the plane: {words}."
