"""The figures of a report: one function per figure, and one colour per family of models everywhere.

A figure function takes the comparison (see `lmzoo.report.page`) and a Canvas, and returns a matplotlib Figure with
its finding in words (the alt text), or None where there is nothing to draw. Each is drawn twice: WIDE for
screens and slides, NARROW for telephones, where a wide figure scaled down could not be read. To add a figure,
write such a function and name it in `report.SECTIONS`.

matplotlib is imported inside the functions, because `import lmzoo` must not pay for it, and without pyplot,
because a library must not leave figures open behind its caller.
"""

import io
import re
import textwrap
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from lmzoo.report.summary import Comparison, Row, best_references, floor, in_words, ranked

# Okabe & Ito (2008), "Color Universal Design": eight colours that every common kind of colour vision tells
# apart. Yellow is left out, being hard to see on white. The first family whose pattern fits a name has it.
FAMILIES = {
    "baseline": ("#999999", r"uniform|unigram"),
    "count": ("#0072b2", r"ngram|classes|katz|kneser|ppm|cache"),
    "association": ("#009e73", r"pmi|glove|word2vec|fasttext|svd"),
    "feedforward": ("#e69f00", r"mlp|bengio|cnn"),
    "recurrent": ("#56b4e9", r"rnn|lstm|gru|elmo"),
    "masked": ("#cc79a7", r"bert|electra|t5|roberta"),
    "transformer": ("#d55e00", r"gpt|transformer|llama"),
    "other": ("#444444", r""),
}


SOURCE = "true source"
SOURCE_LINE: Any = {"color": "black", "linestyle": (0, (4, 2))}
MARKERS = {"o": "●", "s": "■", "D": "◆", "^": "▲", "v": "▼"}  # as matplotlib calls them, as text shows them
REFERENCE_LINE: Any = {"color": "#555555", "linewidth": 1.4}


@dataclass(frozen=True)
class Canvas:
    """How large a figure is: inches across, inches for each bar, and the size of its text in points."""

    width: float
    bar: float
    font: float
    labels_above: bool  # where the width is too dear to put the labels at the left


WIDE = Canvas(width=11, bar=0.62, font=17, labels_above=False)
NARROW = Canvas(width=3.7, bar=0.52, font=10.5, labels_above=True)

Drawing = Callable[[Comparison, Canvas], "tuple[Any, str] | None"]


@dataclass(frozen=True)
class Picture:
    """A figure as files: two SVGs and a PNG (bytes), and what it shows in words."""

    alt: str
    wide: bytes
    narrow: bytes
    png: bytes


def family(name: str) -> str:
    """The family of a model name or of a label that begins with one: 'count' for 'ngram order=5'."""
    return next(key for key, (_, pattern) in FAMILIES.items() if re.match(pattern, name.lower()))


def colour(name: str) -> str:
    """The colour of a model (its name or label), as #rrggbb: the same in every figure and page."""
    return FAMILIES[family(name)][0]


def picture(draw: Drawing, comparison: Comparison) -> Picture | None:
    """Draw one figure in both sizes; the same comparison gives the same bytes. None: nothing to draw."""
    import matplotlib

    style: Any = {"font.family": "DejaVu Sans", "svg.hashsalt": "lmzoo", "svg.fonttype": "path"}
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()  # whatever the user's own matplotlibrc says
        matplotlib.rcParams.update(style)
        # A label may be in a script that the bundled font lacks: it then shows boxes, which is no error.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        wide, narrow = draw(comparison, WIDE), draw(comparison, NARROW)
        if wide is None or narrow is None:
            return None
        svg = _save(wide[0], "svg")
        wide[0].set_layout_engine("none")  # the PNG is laid out as the SVG was: that took longer than to draw it
        return Picture(wide[1], svg, _save(narrow[0], "svg"), _save(wide[0], "png"))


def bars(comparison: Comparison, canvas: Canvas) -> tuple[Any, str] | None:
    """Bits per character of every model, with the true source and the compressors as lines."""
    rows = [row for row in ranked(comparison) if row["score"]]
    if not rows:
        return None
    figure, axes = bare_axes(canvas, height=canvas.bar * len(rows) * (1.5 if canvas.labels_above else 1) + 1.6)
    values = [row["score"]["bits_per_character"] for row in rows]
    # Two places are enough to read from afar, unless they would make different models look alike.
    places = 2 if len({round(value, 2) for value in values}) == len(set(values)) else 3
    for y, row in enumerate(rows):
        _bar(axes, canvas, y, row, places)
    axes.set_ylim(len(rows) - 0.4, -0.9 if canvas.labels_above else -0.6)
    axes.set_xlim(0, axes.dataLim.x1 * 1.14)
    axes.set_yticks([])
    if not canvas.labels_above:
        labels = [short(row["label"], 28) for row in rows]
        axes.set_yticks(range(len(rows)), labels, parse_math=False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("bits per character")
    lines = _reference_lines(comparison)
    _mark(figure, axes, canvas, lines)
    return figure, _bars_in_words(rows, lines)


def orders(comparison: Comparison, canvas: Canvas) -> tuple[Any, str] | None:
    """Bits per character against the order of the n-gram: one line for each smoothing."""
    curves = _curves(comparison.get("orders", []))
    if not curves:
        return None
    names = 3.2 * canvas.font / 72 * (len(curves) + 1)  # each on two lines
    figure, axes = bare_axes(canvas, height=max(canvas.width * (0.9 if canvas.labels_above else 0.52), names + 1))
    ends = []
    for (smoothing, points), (marker, dash) in zip(curves.items(), cycle(strokes()), strict=False):
        x, y = zip(*points, strict=True)
        axes.plot(x, y, dash, color=colour("ngram"), marker=marker, linewidth=canvas.font / 5,
                  markersize=canvas.font / 2)  # fmt: skip
        ends.append((y[-1], f"{MARKERS[marker]} {in_words(smoothing)}"))
    every_order = sorted({order for points in curves.values() for order, _ in points})
    axes.set_xticks(every_order)
    axes.set_xlim(every_order[0] - 0.3, every_order[-1] + 0.3)
    axes.set_xlabel("order: tokens looked at, the next one included" if not canvas.labels_above else "order")
    axes.set_ylabel("bits per character")
    lowest = floor(comparison)
    if lowest is not None:
        axes.axhline(lowest, linewidth=canvas.font / 8, **SOURCE_LINE)
        ends.append((lowest, SOURCE))
    name_the_ends(figure, axes, canvas, ends)
    return figure, _orders_in_words(curves)


def bare_axes(canvas: Canvas, height: float) -> tuple[Any, Any]:
    """A white figure with one bare pair of axes: no box, no grid, text that can be read from afar."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(canvas.width, height), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(labelsize=canvas.font * 0.9)
    axes.xaxis.label.set_fontsize(canvas.font)
    axes.yaxis.label.set_fontsize(canvas.font)
    return figure, axes


def _bar(axes: Any, canvas: Canvas, y: int, row: Row, places: int) -> None:
    """One bar from zero, its interval as a whisker, its value behind it."""
    bits = row["score"]["bits_per_character"]
    low, high = row.get("interval") or (bits, bits)
    axes.barh(y, bits, height=0.6 if not canvas.labels_above else 0.42, color=colour(row["model"]), zorder=2)
    if low < high:
        axes.plot([low, high], [y, y], color="black", linewidth=canvas.font / 7, zorder=4)
    text = axes.annotate(f"{bits:.{places}f}", (max(bits, high), y), (canvas.font / 3, 0), va="center", zorder=5,
                         textcoords="offset points", size=canvas.font, weight="bold")  # fmt: skip
    _outline(text)
    if canvas.labels_above:
        label = short(row["label"], 40, lines=1)
        _outline(axes.text(0, y - 0.3, label, size=canvas.font, va="bottom", parse_math=False, zorder=5))


def _reference_lines(comparison: Comparison) -> list[tuple[str, float]]:
    """(label, bits per character) of the true source, if known, and of each compressor as it does best."""
    lowest = floor(comparison)
    lines = [] if lowest is None else [(SOURCE, lowest)]
    for reference in best_references(comparison):
        alone = "" if reference["given_train"] else " alone"
        lines.append((short(reference["label"], 20, lines=1) + alone, reference["bits_per_character"]))
    return lines


def _mark(figure: Any, axes: Any, canvas: Canvas, lines: list[tuple[str, float]]) -> None:
    """Vertical lines that rise to their names above the axes, on as many storeys as keep the names apart.

    From right to left, so that a name which finds no room goes up, where no line runs through it.
    """
    axes.set_xlim(0, max([axes.get_xlim()[1], *(x * 1.1 for _, x in lines)]))
    above = axes.get_xaxis_transform()  # x in bits, y = 1 at the top of the axes
    texts = []
    for name, x in sorted(lines, key=lambda line: -line[1]):
        weight = "bold" if name == SOURCE else "normal"
        texts.append(axes.text(x, 1, f"{name} {x:.2f}", transform=above, size=canvas.font * 0.9, weight=weight,
                               va="bottom", parse_math=False))  # fmt: skip
    figure.draw_without_rendering()
    storeys: list[float] = []  # the pixel at which the leftmost name of each begins
    for text in texts:
        box = text.get_window_extent()
        left = min(box.x0, figure.bbox.width - box.width - 4)
        # Nothing may begin within this name, neither on its own storey nor on its way to a higher one.
        storey = next(i for i in range(len(storeys) + 1) if all(left + box.width < x for x in storeys[i:]))
        storeys[storey : storey + 1] = [left - canvas.font]
        rise = canvas.font * (0.2 + 1.25 * storey)
        _move(text, ((left - box.x0) / figure.dpi * 72, rise))
        look = dict(SOURCE_LINE, linewidth=canvas.font / 7) if text.get_weight() == "bold" else REFERENCE_LINE
        axes.axvline(text.get_position()[0], zorder=3, **look)
        axes.annotate("", (text.get_position()[0], 1), (0, rise), xycoords=above, textcoords="offset points",
                      arrowprops={"arrowstyle": "-", "shrinkA": 0, "shrinkB": 0, **look})  # fmt: skip


def name_the_ends(figure: Any, axes: Any, canvas: Canvas, ends: list[tuple[float, str]]) -> None:
    """Names beside the right ends of curves (height, name), pushed apart where they would overlap."""
    right = axes.get_xlim()[1]
    texts = [
        axes.text(right, y, short(name, 18), size=canvas.font * 0.9, va="center", parse_math=False)
        for y, name in sorted(ends)
    ]
    figure.draw_without_rendering()
    top = float("-inf")
    for text in texts:
        box = text.get_window_extent()
        up = max(0.0, top - box.y0)
        top = box.y1 + up + canvas.font * 0.5
        _move(text, (canvas.font * 0.4, up / figure.dpi * 72))


def _move(text: Any, points: tuple[float, float]) -> None:
    """Shift a text by (right, up) points from where its data puts it."""
    from matplotlib.transforms import ScaledTranslation

    right, up = points[0] / 72, points[1] / 72
    text.set_transform(text.get_transform() + ScaledTranslation(right, up, text.figure.dpi_scale_trans))


def _outline(text: Any) -> None:
    """A white rim, so that a number stays readable where a line crosses it."""
    from matplotlib.patheffects import withStroke

    text.set_path_effects([withStroke(linewidth=4, foreground="white")])


def _curves(points: Iterable[dict[str, Any]]) -> dict[str, list[tuple[int, float]]]:
    """{smoothing: [(order, bits per character), …] by order}; points without a score are left out."""
    curves: dict[str, list[tuple[int, float]]] = {}
    for point in points:
        if point["bits_per_character"] is not None:
            curves.setdefault(point["smoothing"], []).append((point["order"], point["bits_per_character"]))
    return {smoothing: sorted(found) for smoothing, found in curves.items()}


def strokes() -> list[tuple[str, str]]:
    """Marker and dash of each further curve: one family has one colour, so its members differ in shape."""
    return [(marker, dash) for dash in ("-", "--", ":", "-.") for marker in MARKERS]


def _bars_in_words(rows: list[Row], lines: list[tuple[str, float]]) -> str:
    values = [f"{row['label']} {row['score']['bits_per_character']:.2f}" for row in rows]
    marks = [f"{name} {x:.2f}" for name, x in lines]
    return f"Bits per character, fewest first: {', '.join(values)}." + (
        f" For comparison: {', '.join(marks)}." if marks else ""
    )


def _orders_in_words(curves: dict[str, list[tuple[int, float]]]) -> str:
    said = []
    for smoothing, points in curves.items():
        order, bits = min(points, key=lambda point: point[1])
        first, last = points[0], points[-1]
        said.append(
            f"{in_words(smoothing)} goes from {first[1]:.2f} at order {first[0]} to {last[1]:.2f} "
            f"at order {last[0]}, and is best at order {order} with {bits:.2f}"
        )
    return f"Bits per character against order: {'; '.join(said)}."


def short(text: str, width: int, lines: int = 2) -> str:
    """`text` on at most so many lines of so many characters; the rest becomes …"""
    wrapped = textwrap.wrap(text, width, max_lines=lines, placeholder=" …")
    return "\n".join(wrapped) or "?"


def _save(figure: Any, kind: str) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=160, metadata={"Date": None} if kind == "svg" else None)
    return _shorter(buffer.getvalue()) if kind == "svg" else buffer.getvalue()


def _shorter(svg: bytes) -> bytes:
    """The same lines with coordinates to a hundredth of a point: outlined letters have thousands of them."""
    return _PATH.sub(
        lambda path: _NUMBER.sub(lambda number: b"%.2f" % float(number[0]), path[0]).replace(b"\n", b""), svg
    )


_PATH = re.compile(rb' d="[^"]*"')
_NUMBER = re.compile(rb"\d+\.\d{3,}")
