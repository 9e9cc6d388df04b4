"""Learning curves as a figure and as a table: bits against training text, and the laws that they obey.

The figure is made as those of `lmzoo.report.canvas` are, which says how, and shares its canvases. Both axes are
logarithmic.
Where the entropy of the source is known, bits are counted from there: a power law that leads to the source is then a
straight line, and a curve that bends away from it has met a floor of its own.
"""

import re
from collections.abc import Sequence
from itertools import cycle
from typing import Any

from lmzoo.analysis.scaling_law import predict
from lmzoo.report.association_figures import shade
from lmzoo.report.canvas import MARKERS, Canvas, bare_axes, colour, family, name_the_ends, short, strokes
from lmzoo.report.summary import DASH, Comparison, Grid, amount, floor

TICKS = (1, 1.5, 2, 3, 4, 5, 6, 8)  # of each power of ten, on the axis of bits
STEPS = 40  # of a drawn law
MINUS = "\N{MINUS SIGN}"
_NUMBER = re.compile(r"-?\d[\d,.]*")
Point = tuple[float, float]  # characters of training text, bits per character


def curves(comparison: Comparison, canvas: Canvas) -> tuple[Any, str] | None:
    """Bits per character against characters of training text, on log axes, each model with the law it obeys."""
    rows = [(row, points) for row in _rows(comparison) if len(points := _scored(row)) > 1]
    source = floor(comparison)
    if not rows:
        return None
    names = 3.2 * canvas.font / 72 * (len(rows) + 1)  # each on two lines
    height = max(canvas.width * (1.15 if canvas.labels_above else 0.56), names + 1)
    figure, axes = bare_axes(canvas, height)
    axes.spines["left"].set_visible(True)
    axes.set_xscale("log")
    axes.set_yscale("log")
    ends, members = [], dict.fromkeys((family(row["model"]) for row, _ in rows), 0)
    for (row, points), (marker, _) in zip(rows, cycle(strokes()), strict=False):
        kin = family(row["model"])
        look: Any = {"color": shade(colour(row["model"]), members[kin]), "zorder": 3}
        members[kin] += 1
        above = _above(points, source)
        if above:
            _curve(axes, canvas, row, above, source, marker, look)
            ends.append((above[-1][1], f"{MARKERS[marker]} {short(row['label'], 15, lines=1)} {_exponent(row)}"))
    if not ends:
        return None
    _ticks(axes, canvas)
    axes.set_xlabel("characters of training text")
    beyond = " above the source" if source is not None else ""
    axes.set_ylabel("bits per character" + ("\n" if beyond and canvas.labels_above else "") + beyond)
    name_the_ends(figure, axes, canvas, ends)
    return figure, _in_words(rows)


def _rows(comparison: Comparison) -> list[dict[str, Any]]:
    return list((comparison.get("curves") or {}).get("rows", []))


def _scored(row: dict[str, Any]) -> list[Point]:
    found = [(one["characters"], one["bits_per_character"]) for one in row["points"]]
    return sorted((characters, bits) for characters, bits in found if bits is not None)


def _above(points: Sequence[Point], source: float | None) -> list[Point]:
    """Bits counted from the source. A log axis has no place for what chance took below it."""
    return [(characters, bits - (source or 0)) for characters, bits in points if bits > (source or 0)]


def _curve(
    axes: Any, canvas: Canvas, row: dict[str, Any], points: list[Point], source: float | None, marker: str, look: Any
) -> None:
    """Points with the law through them, or joined by dots where there is none."""
    import numpy as np

    x, y = zip(*points, strict=True)
    axes.plot(x, y, marker, markersize=canvas.font / 1.9, markeredgecolor="white", markeredgewidth=canvas.font / 20,
              **look | {"zorder": 4})  # fmt: skip
    if row["fit"]:
        at = np.geomspace(x[0], x[-1], STEPS)
        axes.plot(at, predict(row["fit"], at) - (source or 0), "-", linewidth=canvas.font / 5.5, **look)
    else:
        axes.plot(x, y, ":", linewidth=canvas.font / 7, **look)


def _exponent(row: dict[str, Any]) -> str:
    """α, and the floor where it is the model's own: without it a steep law could not be told from a high one."""
    fit = row["fit"]
    if not fit:
        return ""
    floor = fit["floor"]
    own = f", floor {floor:.2f}" if floor < 10 else f", floor {floor:.1f}"
    law = f"α {_two_figures(fit['exponent'])}" + (own if fit["floor_is"] == "fitted" else "")
    return law.replace(" ", "\N{NO-BREAK SPACE}")  # so that it stays on one line


def _two_figures(exponent: float) -> str:
    """As exponents are usually given: 0.33, and 0.095 of small ones."""
    return f"{exponent:.2f}" if exponent >= 0.0995 else f"{exponent:.3f}"


def _ticks(axes: Any, canvas: Canvas) -> None:
    """Amounts of text as 30 k and 2 M, bits as plain numbers; a fifth of a decade apart at least."""
    from matplotlib.ticker import EngFormatter, FixedLocator, LogLocator, NullLocator

    low, high = axes.get_ylim()
    heights = [tick * 10.0**power for power in range(-6, 4) for tick in TICKS]
    seen = [height for height in heights if low <= height <= high]
    if high / low > 10:
        seen = [height for height in seen if f"{height:e}"[0] in "125" and f"{height:e}"[2] == "0"]
    axes.yaxis.set_major_locator(FixedLocator(seen))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0) if not canvas.labels_above else (1.0,)))
    axes.xaxis.set_major_formatter(EngFormatter())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())


def _in_words(rows: list[tuple[dict[str, Any], list[Point]]]) -> str:
    said = []
    for row, points in rows:
        (least, first), (most, last) = points[0], points[-1]
        law = "which is no power law"
        if row["fit"]:
            law = f"exponent {_two_figures(row['fit']['exponent'])}" + (
                f" towards {row['fit']['floor']:.2f}" if row["fit"]["floor"] else ""
            )
        said.append(
            f"{row['label']} goes from {first:.2f} at {amount(least)} characters to {last:.2f} at {amount(most)}, {law}"
        )
    return f"Bits per character against characters of training text, on logarithmic axes: {'; '.join(said)}."


# The table


def table(comparison: Comparison) -> dict[str, Any] | None:
    """The law of each model, its bits at each share, what twice the text would save; and what there is to be noted."""
    rows = _rows(comparison)
    if not rows:
        return None
    shares = sorted({one["share"] for row in rows for one in row["points"]})
    heads = ("exponent α", "floor", "R²", "twice the text", *(_share(share) for share in shares))
    lines = []
    for row in rows:
        by_share = {one["share"]: one["bits_per_character"] for one in row["points"]}
        bits = [by_share.get(share) for share in shares]
        cells = [(DASH if value is None else f"{value:.3f}", "") for value in bits]
        lines.append((row["label"], [*_law(row), *cells]))
    return {"laws": Grid(heads, lines), "notes": _notes(rows)}


def _share(share: float) -> str:
    return "all of it" if share == 1 else f"1/{1 / share:.0f}"


def _law(row: dict[str, Any]) -> list[tuple[str, str]]:
    """Exponent with interval, floor and how it was come by, R², and what twice the text would save by the law."""
    fit = row["fit"]
    if not fit:
        return [(DASH, "")] * 4
    low, high = (f"{end:.3f}".replace("-", MINUS) for end in fit["interval"])
    floors = {"source": (f"{fit['floor']:.3f}", "the source"), "fitted": (f"{fit['floor']:.3f}", "its own"),
              "none": (DASH, "")}  # fmt: skip
    most = max(characters for characters, _ in _scored(row))
    now, then = predict(fit, [most, 2 * most])
    saved = f"{MINUS}{now - then:.3f}"
    return [(f"{fit['exponent']:.3f}", f"{low} to {high}"), floors[fit["floor_is"]], (f"{fit['r2']:.4f}", ""),
            (saved, "")]  # fmt: skip


def _notes(rows: list[dict[str, Any]]) -> list[str]:
    """Errors and remarks, each once for a model, with the shares that it is of; in the numbers of the first of them."""
    said: dict[tuple[str, str], tuple[str, list[str]]] = {}
    for row in rows:
        for one in row["points"]:
            for remark in [*([one["error"]] if one["error"] else []), *one.get("remarks", [])]:
                whatever_its_numbers = (row["label"], _NUMBER.sub("", remark))
                said.setdefault(whatever_its_numbers, (remark, []))[1].append(_share(one["share"]))
    return [f"{label} ({', '.join(shares)}): {remark}" for (label, _), (remark, shares) in said.items()]
