"""What the figures of a report share: their sizes, one colour for each family of models, axes, and files.

A section's `figure` draws on a Canvas and returns a matplotlib Figure with its content in words (the alternative
text), or None where there is nothing to draw. It is called with WIDE for screens and with NARROW for telephones, where
a wide figure scaled down could not be read; with SLIDE for `--slides`.

In an SVG, text is text: it can be searched, copied, and edited on a slide. It is measured in DejaVu Sans, which is
wider than what a reader without it has instead, so that no name grows into another.

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

from lmzoo.report.dark import darkened

# Chosen to be told apart by every common kind of colour vision (as Machado et al. 2009 simulate it), with a contrast
# of at least 3 to white; `lmzoo.report.dark` makes those of dark pages.
COLOURS = {
    "baseline": "#8f8f8f",
    "count": "#1a46ba",
    "association": "#1f7a5d",
    "feedforward": "#b3770b",
    "recurrent": "#a658d9",
    "masked": "#8d1d88",
    "transformer": "#b02a04",
    "other": "#333333",
}
FAMILY_NAMES = {
    "baseline": "baseline", "count": "counts", "association": "word vectors", "feedforward": "feed-forward",
    "recurrent": "recurrent", "masked": "masked", "transformer": "attention", "other": "other",
}  # fmt: skip
SHADES = (1.0, 0.6, 0.2)  # members of one family differ in darkness: this share of the colour's light is left

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
    height: float | None = None  # inches, where that is fixed
    least: float = 0.0  # points of the smallest text

    def size(self, share: float) -> float:
        """Points of a text that is to be `share` of the usual size."""
        return max(self.least, self.font * share)

    def tall(self, inches: float) -> float:
        """The height of a figure that would like to be so many inches high."""
        return self.height or inches


WIDE = Canvas(width=11, bar=0.29, font=13, narrow=False)
NARROW = Canvas(width=3.7, bar=0.3, font=10.5, narrow=True)
SLIDE = Canvas(width=40 / 3, bar=0.36, font=20, narrow=False, height=7.5, least=18)  # 16:9
TALLER = 4  # attempts to lay a figure out, each a third higher than the one before


@dataclass(frozen=True)
class Picture:
    """A figure as files: two SVGs and a PNG (bytes), and its content in words."""

    alt: str
    wide: bytes
    narrow: bytes
    png: bytes

    @property
    def dark(self) -> bytes:
        """The wide SVG for a dark page."""
        return darkened(self.wide)

    @property
    def narrow_dark(self) -> bytes:
        """The narrow SVG for a dark page."""
        return darkened(self.narrow)


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
    with style():
        wide, narrow = draw(WIDE), draw(NARROW)
        if wide is None or narrow is None:
            return None
        return Picture(wide[1], save(wide[0], "svg"), save(narrow[0], "svg"), save(wide[0], "png"))


def image(draw: Callable[[], Any], kind: str) -> bytes:
    """A single figure as a file of one kind: png or svg."""
    with style():
        return save(draw(), kind)


@contextmanager
def style() -> Iterator[None]:
    """matplotlib's defaults, whatever the user's own matplotlibrc says, with the text of figures as text."""
    import matplotlib

    style: Any = {"font.family": FONT, "svg.hashsalt": "lmzoo", "svg.fonttype": "none", "hatch.linewidth": 1.6}
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(style)
        # A label may be in a script that the bundled font lacks: it then shows boxes, which is no error.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def new_figure(width: float, height: float) -> Any:
    """A white matplotlib Figure whose axes are laid out to make room for their labels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06)  # inches: other fonts than DejaVu Sans may be wider
    figure = Figure(figsize=(width, height), layout=layout, facecolor="white", dpi=DPI)
    FigureCanvasAgg(figure)  # measures texts; without it, each measurement would begin to draw the whole figure
    return figure


def bare_axes(canvas: Canvas, height: float) -> tuple[Any, Any]:
    """A figure with one bare pair of axes: no box, no grid, text that can be read from afar."""
    figure = new_figure(canvas.width, height)
    axes = figure.add_subplot()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(labelsize=canvas.size(0.9))
    axes.xaxis.label.set_fontsize(canvas.font)
    axes.yaxis.label.set_fontsize(canvas.font)
    return figure, axes


def curve_height(canvas: Canvas, shape: float, curves: int) -> float:
    """The height of a figure with so many curves: `shape` of its width, or room for a name of two lines each."""
    names = 2.2 * canvas.font / 72 * (curves + 1)
    return canvas.tall(max(canvas.width * (0.9 if canvas.narrow else shape), names + 1))


def fit_heights(axes: Any, heights: Sequence[float]) -> None:
    """Scale the axis to these means: an interval over two or three seeds can be far wider than their whole range."""
    pad = 0.15 * (max(heights) - min(heights)) + 0.01
    axes.set_ylim(min(heights) - pad, max(heights) + pad)


def log_counts(axes: Any, canvas: Canvas) -> None:
    """Let the axis count thousands and millions, of tokens say, on a logarithmic scale: 1k, 10k, …, 1M."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(100 if canvas.narrow else 10, numticks=9))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def draw_curves(axes: Any, canvas: Canvas, curves: Iterable[Curve]) -> list[tuple[float, str, str]]:
    """Draw each curve with a marker and dash of its own; returns their ends for `labels.name_ends`."""
    ends = []
    for (name, x, y, hue), (marker, dash) in zip(curves, cycle(strokes()), strict=False):
        axes.plot(x, y, dash, color=hue, marker=marker, linewidth=canvas.font / 5, markersize=canvas.font / 2, zorder=3)
        ends.append((y[-1], f"{MARKERS[marker]} {name}", hue))
    return ends


def short(text: str, width: int, lines: int = 2) -> str:
    """`text` on at most so many lines of so many characters; the rest becomes …"""
    wrapped = textwrap.wrap(text, width, max_lines=lines, placeholder=" …")
    return "\n".join(wrapped) or "?"


def in_two(name: str, width: int = 16) -> str:
    """A name of more than `width` letters on two lines of about one length."""
    name = short(name, 44, lines=1)
    spaces = [at for at, letter in enumerate(name) if letter == " "]
    if len(name) <= width or not spaces:
        return name
    middle = min(spaces, key=lambda at: max(at, len(name) - at - 1))
    return f"{name[:middle]}\n{name[middle + 1 :]}"


def distinct(names: Sequence[str], width: int) -> list[str]:
    """Names of at most `width` letters. A long one loses its settings or, if it would be another's then, its middle."""
    heads = [name.split(",")[0] for name in names]
    return [
        name if len(name) <= width else _cut(name if heads.count(head) > 1 else head, width)
        for name, head in zip(names, heads, strict=True)
    ]


def _cut(name: str, width: int) -> str:
    """Beginning … end, of whole words where there are any: "modified… 3-gram"."""
    if len(name) <= width:
        return name
    head, _, tail = name.rpartition(" ")
    if not head or len(tail) > width * 2 // 3:
        tail = name[-(width // 2) :]
    room = width - len(tail) - 2
    whole = name[: room + 1].rpartition(" ")[0]
    return f"{whole or name[:room]}… {tail}".replace(",…", "…")


def number(value: float) -> str:
    """A figure in an alternative text or beside a line: 1.31, 141.2, 12,345."""
    return f"{value:.2f}" if value < 10 else f"{value:.4g}" if value < 1000 else f"{value:,.0f}"


def hold(figure: Any) -> None:
    """Lay the figure out once and for all: what is measured must not move when the figure is saved."""
    if not figure.get_layout_engine():
        return
    for _ in range(TALLER):
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            try:
                figure.get_layout_engine().execute(figure)
                break
            except UserWarning:  # names left no room for the axes: a figure of one line, say
                figure.set_figheight(1.3 * figure.get_figheight())
    figure.set_layout_engine("none")


def save(figure: Any, kind: str) -> bytes:
    """A figure as a file: svg or png."""
    hold(figure)  # not `savefig`, which draws everything twice to lay it out again
    buffer = io.BytesIO()
    if kind == "svg":
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
        return _smaller(buffer.getvalue())
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.dpi = DPI
    FigureCanvasAgg(figure).print_png(buffer, pil_kwargs={"compress_level": 6})
    return buffer.getvalue()


def _smaller(svg: bytes) -> bytes:
    """The same picture in fewer bytes, with coordinates to a hundredth of a point; and the fonts to take."""
    svg = svg.replace(b"<svg ", f'<svg font-family="{FONTS}" '.encode(), 1)
    svg = svg.replace(f"font-family: '{FONT}'; ".encode(), b"")  # of each text: it is that of the whole
    svg = _USELESS.sub(b"", svg)
    return _PATH.sub(
        lambda path: _NUMBER.sub(lambda found: b"%.2f" % float(found[0]), path[0]).replace(b"\n", b""), svg
    )


DPI = 144  # of a PNG: a slide has 1920 × 1080 pixels
FONT = "DejaVu Sans"  # what matplotlib brings and measures
FONTS = f"'{FONT}', Verdana, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"
_USELESS = re.compile(rb'\s*<!--.*?-->| transform="rotate\(-0 [^)]*\)"|(?<=>)\n *(?=<)', re.DOTALL)
_PATH = re.compile(rb' d="[^"]*"')
_NUMBER = re.compile(rb"\d+\.\d{3,}")
