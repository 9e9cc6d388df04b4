"""Words in the plane, drawn: the map of a report, and that of `lmzoo map`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lmzoo.analysis.projection import METHODS, MOST
from lmzoo.drafts import write_atomically
from lmzoo.errors import UsageError
from lmzoo.interface import Array
from lmzoo.report.canvas import colour, image, new_figure
from lmzoo.report.labels import name_points
from lmzoo.report.points import Point

FORMATS = (".png", ".svg")


def check_path(path: Path) -> None:
    """Raises UsageError where no map can be written to `path`, before any work is done."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path}: a map is written as PNG or SVG, so its name must end in {' or '.join(FORMATS)}")
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} cannot be written: it is {'a folder' if path.is_dir() else 'no regular file'}")
    if not path.parent.is_dir():
        raise UsageError(f"{path} cannot be written: there is no folder {path.parent}")


def write(path: Path, facts: Mapping[str, Any], title: str = "") -> None:
    """Draw what `projection.layout` returned into a PNG or SVG file, which is replaced; the same facts, the same file.

    Raises UsageError where it cannot be written.
    """
    check_path(path)
    contents = image(lambda: draw_map(facts, title), path.suffix.lower()[1:])
    try:
        write_atomically(path, contents)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}; choose another --out") from None


def draw_map(
    facts: Mapping[str, Any],
    title: str = "",
    width: float = 11,
    height: float = 7.2,
    font: float | None = None,
    hue: str = colour("association"),
) -> Any:
    """A matplotlib Figure of `width` by `height` inches: a dot for each word, and its name beside it."""
    points, words = np.array(facts["points"]), facts["words"]
    font = font or float(np.interp(len(words), [15, 60, MOST], [19, 14.5, 9]) * width / 11)
    figure = new_figure(width, height)
    figure.set_layout_engine("none")
    top = 1 - 2.2 * font / 72 / height
    axes = figure.add_axes((0.01, 0.01, 0.98, top - 0.01))
    axes.set_axis_off()
    figure.text(0.02, (1 + top) / 2, _caption(facts, title), size=font * 0.95, va="center", color="#444444",
                parse_math=False)  # fmt: skip
    _frame(axes, points, width / (height * top))
    axes.scatter(points[:, 0], points[:, 1], s=(font * 0.5) ** 2, color=hue, linewidths=0, zorder=2)
    figure.draw_without_rendering()
    named = [Point(x, y, word) for (x, y), word in zip(points.tolist(), words, strict=True)]
    name_points(axes, font, named, drop=False)
    return figure


def _caption(facts: Mapping[str, Any], title: str) -> str:
    """What is shown, and by which method."""
    by = METHODS[facts["method"]]
    if facts["variance"] is not None:
        by += f": the plane shows {sum(facts['variance']):.0%} of the variance"
    return f"{title} · {by}" if title else by


def _frame(axes: Any, points: Array, shape: float) -> None:
    """Limits with room for names, and one scale for both axes, so that distances can be compared."""
    low, high = points.min(axis=0), points.max(axis=0)
    size = max((high[0] - low[0]) * 1.25, (high[1] - low[1]) * 1.12 * shape)
    (x, y), half = (low + high) / 2, (size / 2, size / shape / 2)
    axes.set_xlim(x - half[0], x + half[0])
    axes.set_ylim(y - half[1], y + half[1])
