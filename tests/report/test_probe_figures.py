"""The figures of probes: what they show."""

from functools import partial

import pytest

from lmzoo.report import probe_figures as drawn
from lmzoo.report.canvas import NARROW, WIDE, picture
from tests.report.test_canvas import texts

UNIT = {
    "label": "books-lstm", "family": "recurrent", "task": "SST-2", "layer": "layer 1", "pooling": "mean", "unit": 23,
    "threshold": 0.25, "above": 0, "accuracy": 0.8123, "classes": ["negative", "positive"],
    "edges": [-1.0, -0.5, 0.0, 0.5, 1.0], "counts": [[1, 4, 9, 12], [14, 8, 3, 0]],
}  # fmt: skip


def points(*means):
    sizes = (10, 100, 1000)
    return [{"labels": n, "values": [m - 0.05, m + 0.05], "mean": m} for n, m in zip(sizes, means, strict=True)]


CURVE = {"task": "SST-2", "metric": "accuracy", "chance": 0.5, "layer": "layer 1", "pooling": "mean"}
CURVES = [
    {"label": "books-lstm", "family": "recurrent", **CURVE, "points": points(0.6, 0.7, 0.75)},
    {"label": "TF-IDF", "family": "baseline", **CURVE, "points": points(0.52, 0.6, 0.78)},
    {"label": "books-lstm", "family": "recurrent", **CURVE, "task": "MR", "points": points(0.5, 0.5, 0.5)},
]


@pytest.mark.parametrize("draw", [drawn.unit, drawn.label_curves])
@pytest.mark.parametrize("canvas", [WIDE, NARROW], ids=["wide", "narrow"])
def test_without_facts_there_is_no_figure(draw, canvas):
    assert draw([], canvas) is None


def test_a_unit_is_a_histogram_of_each_class_with_the_threshold_between():
    figure, alt = drawn.unit([UNIT | {"accuracy": 0.6}, UNIT], WIDE)
    (axes,) = figure.axes
    assert [list(patch.get_data().values) for patch in axes.patches[::2]] == UNIT["counts"]
    (threshold,) = axes.lines
    assert list(threshold.get_xdata()) == [0.25, 0.25]
    assert "books-lstm: one unit has 81.2% of SST-2 right" in texts(figure)
    assert "unit 23 of layer 1 (mean over tokens) of books-lstm" in alt
    sides = {note.get_text(): note.get_horizontalalignment() for note in axes.texts}
    assert sides == {"negative": "left", "positive": "right"}  # beside the threshold, where they are


def test_curves_are_those_of_one_task():
    figure, alt = drawn.label_curves(CURVES, WIDE)
    (axes,) = figure.axes
    lines = [list(line.get_ydata()) for line in axes.lines if len(line.get_ydata()) == 3]
    assert lines == [[0.6, 0.7, 0.75], [0.52, 0.6, 0.78]]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["10", "100", "1,000"]
    assert {"● books-lstm", "■ TF-IDF", "chance"} <= set(texts(figure))
    assert "books-lstm 0.60 with 10 and 0.75 with 1,000; TF-IDF 0.52" in alt


@pytest.mark.parametrize(("draw", "rows"), [(drawn.unit, [UNIT]), (drawn.label_curves, CURVES)])
def test_they_are_drawn_in_both_sizes_without_a_warning(draw, rows):
    assert picture(partial(draw, rows)).png.startswith(b"\x89PNG")
