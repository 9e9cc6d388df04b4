"""Bits per character of every model and of the compressors, with the true source as a line.

On a corpus whose figures are perplexities, the perplexity.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lmzoo.comparison.results import Comparison, Interval, Row
from lmzoo.report.canvas import FAMILY_NAMES, SOURCE, SOURCE_LINE, Canvas, Drawing, bare_axes, colour, short
from lmzoo.report.section import Section
from lmzoo.report.summary import best_references
from lmzoo.report.units import BITS, PERPLEXITY, in_unit, shared_unit

ADAPTIVE = "#6f6f6f"  # of a compressor, which learns while it reads
TODAY: dict[str, Any] = {"hatch": "//", "edgecolor": "white", "linewidth": 0.0}  # of a model that was trained as today
BEYOND = 1.15  # times the longest bar that counts: what is longer is cut


@dataclass(frozen=True)
class Bar:
    """A model, or a compressor."""

    label: str
    value: float
    interval: Interval
    family: str  # "": a compressor
    recipe: str


def figure(_: None, comparison: Comparison, canvas: Canvas) -> Drawing | None:
    """A bar for each scored model and each compressor, best first."""
    bars = _bars(comparison)
    if not any(bar.family for bar in bars):
        return None
    unit = shared_unit(comparison)
    said = _in_words(bars, unit, comparison.corpus.floor)
    bars, left_out = _that_fit(bars, canvas)
    rows = canvas.bar * len(bars) * (1.45 if canvas.narrow else 1)
    figure, axes = bare_axes(canvas, canvas.tall(rows + canvas.font / 72 * 8))
    # Two places can be read from afar, unless they would make different models look alike.
    places = 2 if len({round(bar.value, 2) for bar in bars}) == len({bar.value for bar in bars}) else 3
    if unit == PERPLEXITY:
        places = 1
    end = _end(bars)
    for y, bar in enumerate(bars):
        _draw(axes, canvas, y, bar, places, end)
    axes.set_ylim(len(bars) - 0.4, -0.9 if canvas.narrow else -0.6)
    axes.set_xlim(0, end * (1.2 if canvas.narrow else 1.1))
    axes.set_yticks([])
    if not canvas.narrow:
        axes.set_yticks(range(len(bars)), [short(bar.label, 34, lines=1) for bar in bars], parse_math=False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(unit + (f" ({left_out} more in the table)" if left_out else ""))
    _legend(figure, canvas, bars)
    if comparison.corpus.floor is not None and unit == BITS:
        _source(axes, canvas, comparison.corpus.floor, len(bars))
    return figure, said


def _bars(comparison: Comparison) -> list[Bar]:
    unit, scored = shared_unit(comparison), [row for row in comparison.ranked() if row.score]

    def value(bits: float, row: Row) -> float:
        return in_unit(bits * row.score.characters, row.score, unit) if row.score else bits

    models = [
        Bar(
            f"{row.label}, adaptive" if row.adapts_at_test_time else row.label,
            value(row.bits, row),
            (value(low, row), value(high, row)),
            row.family,
            row.recipe,
        )
        for row in scored
        for low, high in [row.interval or (row.bits, row.bits)]
    ]
    for one in best_references(comparison) if scored else ():
        bits = value(one.bits_per_character, scored[0])  # of the same text
        models.append(Bar(f"{one.label}{'' if one.given_train else ' alone'}, adaptive", bits, (bits, bits), "", ""))
    return sorted(models, key=lambda bar: bar.value)


def _that_fit(bars: list[Bar], canvas: Canvas) -> tuple[list[Bar], int]:
    """The bars that a figure of fixed height has room for, the models before the compressors; how many it has not."""
    if canvas.height is None:
        return bars, 0
    room = int((canvas.height * 72 - 7 * canvas.font) / (1.15 * canvas.least))
    kept = sorted(bars, key=lambda bar: not bar.family)[:room]
    return [bar for bar in bars if bar in kept], len(bars) - len(kept)


def _end(bars: Sequence[Bar]) -> float:
    """The length of the longest bar that counts: a model that knows nothing is not what the others are compared by."""
    longest = max([bar.value for bar in bars if bar.family not in ("", "baseline")] or [bar.value for bar in bars])
    return max(bar.value for bar in bars if bar.value <= longest * BEYOND)


def _draw(axes: Any, canvas: Canvas, y: int, bar: Bar, places: int, end: float) -> None:
    """A bar from zero, its interval as a whisker, its value behind it; a bar that is cut has a gap near its end."""
    cut = bar.value > end
    length = min(bar.value, end)
    low, high = bar.interval
    look: dict[str, Any] = {"height": 0.4 if canvas.narrow else 0.66, "zorder": 2}
    if bar.family:
        axes.barh(y, length, **look, **{"facecolor": colour(bar.family)} | (TODAY if bar.recipe == "today" else {}))
    else:
        axes.barh(y, length, **look | {"height": look["height"] * 0.6}, facecolor="white", edgecolor=ADAPTIVE)
    if cut:
        axes.barh(y, end * 0.012, left=end * 0.96, height=look["height"] * 1.2, color="white", zorder=3)
    elif low < high:
        axes.plot([low, high], [y, y], color="black", linewidth=canvas.font / 8, zorder=4)
    axes.annotate(f"{bar.value:,.{places}f}", (length if cut else max(length, high), y), (canvas.font / 3, 0),
                  va="center_baseline", zorder=5, textcoords="offset points", size=canvas.size(0.95),
                  weight="bold" if bar.family else "normal")  # fmt: skip
    if canvas.narrow:
        axes.text(0, y - 0.25, short(bar.label, 40, lines=1), size=canvas.font, va="bottom", parse_math=False)


def _source(axes: Any, canvas: Canvas, floor: float, bars: int) -> None:
    """The true source: a line through all bars, its name above them."""
    look = SOURCE_LINE | {"linewidth": canvas.font / 8, "zorder": 3}
    if canvas.narrow:  # labels are between the bars
        axes.vlines([floor] * bars, [y - 0.2 for y in range(bars)], [y + 0.2 for y in range(bars)], **look)
    else:
        axes.axvline(floor, **look)
    axes.annotate(f"{SOURCE} {floor:.2f}", (floor, 1), (0, canvas.font * 0.2), xycoords=axes.get_xaxis_transform(),
                  textcoords="offset points", ha="center" if floor > axes.get_xlim()[1] / 5 else "left",
                  size=canvas.size(0.9), weight="bold")  # fmt: skip


def _legend(figure: Any, canvas: Canvas, bars: Sequence[Bar]) -> None:
    """The families in their colours, and what hatched and hollow bars are."""
    from matplotlib.patches import Patch

    families = dict.fromkeys(bar.family for bar in bars if bar.family in FAMILY_NAMES)
    patches = [
        Patch(facecolor=colour(family), label=FAMILY_NAMES[family]) for family in FAMILY_NAMES if family in families
    ]
    if any(bar.recipe == "today" for bar in bars):
        patches.append(Patch(facecolor="#6f6f6f", label="with today's training", **TODAY))
    if any(not bar.family for bar in bars):
        patches.append(Patch(facecolor="white", edgecolor=ADAPTIVE, label="compressor, adaptive"))
    figure.legend(handles=patches, loc="outside upper left", ncols=2 if canvas.narrow else 4, frameon=False,
                  fontsize=canvas.size(0.85), handlelength=1.2, columnspacing=1.2, handletextpad=0.5,
                  borderaxespad=0.2, labelspacing=0.3)  # fmt: skip


def _in_words(bars: Sequence[Bar], unit: str, floor: float | None) -> str:
    values = ", ".join(f"{bar.label} {bar.value:.2f}" for bar in bars if bar.family)
    others = [f"{bar.label} {bar.value:.2f}" for bar in bars if not bar.family]
    marks = ", ".join(([] if floor is None or unit != BITS else [f"{SOURCE} {floor:.2f}"]) + others)
    return f"{unit.capitalize()}, fewest first: {values}." + (f" For comparison: {marks}." if marks else "")


def data(_: None, comparison: Comparison) -> list[dict[str, Any]]:
    """A line for each bar, and one for the true source."""
    floor = comparison.corpus.floor
    unit = shared_unit(comparison)
    source = [] if floor is None or unit != BITS else [Bar(SOURCE, floor, (floor, floor), "", "")]
    return [
        {"label": bar.label, unit: bar.value, "low": bar.interval[0], "high": bar.interval[1],
         "family": bar.family, "recipe": bar.recipe}
        for bar in [*source, *_bars(comparison)]
    ]  # fmt: skip


section = Section("bars", "Bits per character", 10, "headline", figure=figure, data=data)
