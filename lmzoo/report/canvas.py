"""What the figures of a report share: two sizes, one colour for each family of models, axes, and files.

A section's `figure` draws on a Canvas and returns a matplotlib Figure with its content in words (the alternative
text), or None where there is nothing to draw. It is called twice: WIDE for screens and slides, NARROW for telephones,
where a wide figure scaled down could not be read.

matplotlib is imported inside the functions, because `import lmzoo` must not pay for it, and without pyplot, because a
library must not leave figures open behind its caller.
"""

import io
import re
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Any

# Okabe & Ito (2008), "Color Universal Design": colours that every common kind of colour vision tells apart. Yellow is
# left out, being hard to see on white.
COLOURS = {
    "baseline": "#999999",
    "count": "#0072b2",
    "association": "#009e73",
    "feedforward": "#e69f00",
    "recurrent": "#56b4e9",
    "masked": "#cc79a7",
    "transformer": "#d55e00",
    "other": "#444444",
}
SHADES = (1.0, 0.72, 0.46, 0.2)  # members of one family differ in darkness: this share of the colour's light is left

SOURCE = "true source"
SOURCE_LINE: Any = {"color": "black", "linestyle": (0, (4, 2))}
REFERENCE_LINE: Any = {"color": "#555555", "linewidth": 1.4}
MARKERS = {"o": "●", "s": "■", "D": "◆", "^": "▲", "v": "▼"}  # as matplotlib calls them, as text shows them

Curve = tuple[str, Sequence[float], Sequence[float], str]  # name, x, y, colour
Drawing = tuple[Any, str]  # a matplotlib Figure, and its content in words


@dataclass(frozen=True)
class Canvas:
    """The size of a figure: inches across, inches for each bar, and the size of its text in points."""

    width: float
    bar: float
    font: float
    narrow: bool  # where width is too dear to put labels at the left


WIDE = Canvas(width=11, bar=0.62, font=17, narrow=False)
NARROW = Canvas(width=3.7, bar=0.52, font=10.5, narrow=True)


@dataclass(frozen=True)
class Picture:
    """A figure as files: two SVGs and a PNG (bytes), and its content in words."""

    alt: str
    wide: bytes
    narrow: bytes
    png: bytes


def colour(family: str) -> str:
    """The colour of a family of models, as #rrggbb: the same in every figure and on the page."""
    return COLOURS.get(family, COLOURS["other"])


def shade(base: str, i: int) -> str:
    """The i-th member of a family whose colour is `base` (#rrggbb): ever darker, then `base` again."""
    light = SHADES[i % len(SHADES)]
    return "#" + "".join(f"{round(int(base[at : at + 2], 16) * light):02x}" for at in (1, 3, 5))


def strokes() -> list[tuple[str, str]]:
    """Marker and dash of each further curve: members of one family differ in shape, too."""
    return [(marker, dash) for dash in ("-", "--", ":", "-.") for marker in MARKERS]


def picture(draw: Callable[[Canvas], Drawing | None]) -> Picture | None:
    """Draw a figure in both sizes; the same facts give the same bytes. None: nothing to draw."""
    with _style():
        wide, narrow = draw(WIDE), draw(NARROW)
        if wide is None or narrow is None:
            return None
        svg = save(wide[0], "svg")
        wide[0].set_layout_engine("none")  # the PNG is laid out as the SVG was
        return Picture(wide[1], svg, save(narrow[0], "svg"), save(wide[0], "png"))


def image(draw: Callable[[], Any], kind: str) -> bytes:
    """A single figure as a file of one kind: png or svg."""
    with _style():
        return save(draw(), kind)


@contextmanager
def _style() -> Iterator[None]:
    import matplotlib

    style: Any = {"font.family": "DejaVu Sans", "svg.hashsalt": "lmzoo", "svg.fonttype": "path"}
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()  # whatever the user's own matplotlibrc says
        matplotlib.rcParams.update(style)
        # A label may be in a script that the bundled font lacks: it then shows boxes, which is no error.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def new_figure(width: float, height: float) -> Any:
    """A white matplotlib Figure whose axes are laid out to make room for their labels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)  # measures texts; without it, each measurement would begin to draw the whole figure
    return figure


def bare_axes(canvas: Canvas, height: float) -> tuple[Any, Any]:
    """A figure with one bare pair of axes: no box, no grid, text that can be read from afar."""
    figure = new_figure(canvas.width, height)
    axes = figure.add_subplot()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(labelsize=canvas.font * 0.9)
    axes.xaxis.label.set_fontsize(canvas.font)
    axes.yaxis.label.set_fontsize(canvas.font)
    return figure, axes


def curve_height(canvas: Canvas, shape: float, curves: int) -> float:
    """The height of a figure with so many curves: `shape` of its width, or room for a name of two lines each."""
    names = 3.2 * canvas.font / 72 * (curves + 1)
    return max(canvas.width * (0.9 if canvas.narrow else shape), names + 1)


def draw_curves(axes: Any, canvas: Canvas, curves: Iterable[Curve]) -> list[tuple[float, str]]:
    """Draw each curve with a marker and dash of its own; returns their ends (height, name) for `labels.name_ends`."""
    ends = []
    for (name, x, y, hue), (marker, dash) in zip(curves, cycle(strokes()), strict=False):
        axes.plot(x, y, dash, color=hue, marker=marker, linewidth=canvas.font / 5, markersize=canvas.font / 2, zorder=3)
        ends.append((y[-1], f"{MARKERS[marker]} {name}"))
    return ends


def outline(text: Any, width: float = 4) -> None:
    """A white rim, so that a text stays readable where a line crosses it."""
    from matplotlib.patheffects import withStroke

    text.set_path_effects([withStroke(linewidth=width, foreground="white")])


def short(text: str, width: int, lines: int = 2) -> str:
    """`text` on at most so many lines of so many characters; the rest becomes …"""
    wrapped = textwrap.wrap(text, width, max_lines=lines, placeholder=" …")
    return "\n".join(wrapped) or "?"


def number(value: float) -> str:
    """A figure in an alternative text or beside a line: 1.31, 141.2, 12,345."""
    return f"{value:.2f}" if value < 10 else f"{value:.4g}" if value < 1000 else f"{value:,.0f}"


def save(figure: Any, kind: str) -> bytes:
    """A figure as a file: svg or png."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=160, metadata={"Date": None} if kind == "svg" else None)
    return _shorter(buffer.getvalue()) if kind == "svg" else buffer.getvalue()


def _shorter(svg: bytes) -> bytes:
    """The same paths with coordinates to a hundredth of a point: outlined letters have thousands of them."""
    return _PATH.sub(
        lambda path: _NUMBER.sub(lambda found: b"%.2f" % float(found[0]), path[0]).replace(b"\n", b""), svg
    )


_PATH = re.compile(rb' d="[^"]*"')
_NUMBER = re.compile(rb"\d+\.\d{3,}")
