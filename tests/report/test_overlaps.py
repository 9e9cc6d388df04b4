"""In the figures of the default comparison no name covers another, a point or a line, and all are inside."""

from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np
import pytest
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch
from matplotlib.text import Text

from lmzoo.report import canvas as figures
from lmzoo.report.canvas import NARROW, SLIDE, WIDE
from tests.comparisons import draw
from tests.report.crowded import LABELS, crowded

CANVASES = pytest.mark.parametrize("canvas", [WIDE, NARROW, SLIDE], ids=["wide", "narrow", "slide"])
SECTIONS = (
    "bars", "history", "cost", "orders", "curves", "context", "calibration", "exam", "probes", "distances",
    "factorised", "map", "arrival",
)  # fmt: skip


class Drawn:
    """What is drawn of a figure, in pixels: texts with their boxes, lines and points."""

    def __init__(self, figure) -> None:
        figures.hold(figure)
        found: dict[type, list] = {Text: [], Line2D: [], FancyArrowPatch: []}
        with pytest.MonkeyPatch.context() as patch:
            for kind in found:
                patch.setattr(kind, "draw", self._recorder(kind, found[kind]))
            figure.draw_without_rendering()
        self.bounds = figure.bbox
        self.texts = [(text, Text.get_window_extent(text)) for text in found[Text] if text.get_text().strip()]
        self.lines = found[Line2D]
        self.arrows = found[FancyArrowPatch]

    @staticmethod
    def _recorder(kind, records):
        draw = kind.draw

        def record(self, renderer, *more, **named):
            if self.get_visible():
                records.append(self)
            return draw(self, renderer, *more, **named)

        return record

    def strokes(self) -> Iterator[np.ndarray]:
        """Points (N, 2) a pixel or two apart along every line that is not a tick's."""
        for line in self.lines:
            if line.axes is None or line.get_linestyle() == "None" or line.get_marker() in _TICKS:
                continue
            path = line.get_transform().transform(line.get_xydata())
            box = line.axes.get_window_extent() if line.get_clip_on() else self.bounds
            for ends in pairwise(path):
                yield _along(ends, box)
        for arrow in self.arrows:
            for ends in pairwise(arrow.get_transform().transform_path(arrow.get_path()).vertices):
                yield _along(ends, self.bounds)

    def points(self) -> Iterator[tuple[float, float, float]]:
        """x, y and half the size of every marker."""
        for line in self.lines:
            if line.axes is not None and line.get_marker() in figures.MARKERS and len(line.get_xydata()):
                half = line.get_markersize() * line.figure.dpi / 72 / 2
                for x, y in line.get_transform().transform(line.get_xydata()):
                    yield x, y, half


_TICKS = {0, 1, 2, 3}  # how matplotlib calls the marker of a tick


def _along(ends, box) -> np.ndarray:
    a, b = (np.asarray(end, float) for end in ends)
    count = int(np.linalg.norm((b - a).clip(-5000, 5000))) // 2 + 2
    points = a + np.linspace(0, 1, count)[:, None] * (b - a)
    (low, high) = np.sort([box.min, box.max], axis=0)
    return points[((low <= points) & (points <= high)).all(axis=1)]


def inside(box, point, margin: float) -> bool:
    return box.x0 + margin < point[0] < box.x1 - margin and box.y0 + margin < point[1] < box.y1 - margin


def faults(drawn: Drawn) -> list[str]:
    """What a reader would stumble over."""
    said = lambda text: repr(text.get_text())  # noqa: E731
    found = [
        f"{said(a)} covers {said(b)}"
        for (a, one), (b, other) in combinations(drawn.texts, 2)
        if min(one.x1, other.x1) - max(one.x0, other.x0) > 1 and min(one.y1, other.y1) - max(one.y0, other.y0) > 1.5
    ]
    found += [
        f"{said(text)} leaves the figure"
        for text, box in drawn.texts
        if box.x0 < -2 or box.y0 < -2 or box.x1 > drawn.bounds.width + 2 or box.y1 > drawn.bounds.height + 2
    ]
    strokes = np.concatenate([np.empty((0, 2)), *drawn.strokes()])
    dots = list(drawn.points())
    for text, box in drawn.texts:
        low, high = np.array([box.x0, box.y0]) + 1.5, np.array([box.x1, box.y1]) - 1.5
        if ((strokes > low) & (strokes < high)).all(axis=1).any():
            found.append(f"a line runs through {said(text)}")
        if any(inside(box, (x, y), -half * 0.5) for x, y, half in dots):
            found.append(f"a point is under {said(text)}")
    return found


@CANVASES
@pytest.mark.parametrize("section", SECTIONS)
def test_nothing_covers_a_name_and_a_slide_can_be_read_from_afar(section, canvas):
    with figures.style():
        figure, _ = draw(section, crowded(), canvas)
        drawn = Drawn(figure)
    assert faults(drawn) == []
    if canvas is SLIDE:
        assert tuple(figure.get_size_inches()) == pytest.approx((40 / 3, 7.5))
        assert min(text.get_size() for text, _ in drawn.texts) >= 18


@pytest.mark.parametrize("canvas", [WIDE, SLIDE], ids=["wide", "slide"])
def test_every_model_of_the_default_comparison_has_its_name_in_the_history(canvas):
    with figures.style():
        figure, _ = draw("history", crowded(), canvas)
    axes = figure.axes[0]
    beside = ("true source", "xz", "bz2", "PPMd")
    names = [text for text in axes.texts if not text.get_text().startswith(beside)]
    assert len(names) == len(LABELS) - 1
    assert "uniform 3.61" in axes.get_title(loc="left")


def test_a_fault_is_found():
    with figures.style():
        figure, axes = figures.bare_axes(WIDE, 4)
        axes.plot([0, 1], [0, 1])
        axes.text(0.5, 0.5, "on the line")
        axes.text(0.5, 0.49, "on the other")
        assert len(faults(Drawn(figure))) >= 2
