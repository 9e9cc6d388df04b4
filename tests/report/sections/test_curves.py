"""Learning curves as a figure and a table: what stands where, and that nothing breaks where something is missing."""

import json

import numpy as np
import pytest

from lmzoo.analysis.scaling_law import predict
from lmzoo.report import page
from lmzoo.report.canvas import NARROW, WIDE, colour, picture
from lmzoo.report.section import find
from tests.comparisons import comparison, draw, learning_curves, pairs, render, row, tables, view
from tests.report.test_canvas import texts

BOTH = pytest.mark.parametrize("canvas", [WIDE, NARROW], ids=["wide", "narrow"])
SPACE = "\N{NO-BREAK SPACE}"


def unknown_source() -> dict:
    """A comparison on a text whose source nobody knows."""
    given = comparison(**learning_curves(0.0))
    given["corpus"]["floor_bits"] = None
    return given


def drawn_lines(figure, style: str) -> list:
    return [line for line in figure.axes[0].lines if line.get_linestyle() == style]


@BOTH
def test_without_curves_there_is_neither_figure_nor_table(canvas):
    assert draw("curves", comparison(), canvas) is None
    assert draw("curves", comparison(curves={"rows": []}), canvas) is None
    assert tables("curves", comparison()) == ()
    one = learning_curves()["curves"]["rows"][:1]
    one[0]["points"] = one[0]["points"][:1]
    assert draw("curves", comparison(curves={"rows": one}), canvas) is None


def test_points_are_bits_above_the_source_on_two_log_axes():
    figure, _ = draw("curves", comparison(**learning_curves()), WIDE)
    axes = figure.axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert axes.get_ylabel() == "bits per character above the source"
    rows = learning_curves()["curves"]["rows"]
    points = drawn_lines(figure, "None")
    assert len(points) == 3
    for line, one_row in zip(points, rows, strict=True):
        scored = [one for one in one_row["points"] if one["bits_per_character"]]
        assert list(line.get_xdata()) == [one["characters"] for one in scored]
        assert list(line.get_ydata()) == pytest.approx([one["bits_per_character"] - 1.1 for one in scored])


def test_where_the_source_is_not_known_bits_are_as_they_are():
    figure, _ = draw("curves", unknown_source(), WIDE)
    assert figure.axes[0].get_ylabel() == "bits per character"
    first = drawn_lines(figure, "None")[0]
    assert first.get_ydata()[0] == learning_curves(0.0)["curves"]["rows"][0]["points"][0]["bits_per_character"]


def test_a_law_is_a_solid_line_through_its_points_and_none_is_dotted():
    figure, _ = draw("curves", comparison(rows=[row("lstm", 2.0), *comparison()["rows"]], **learning_curves()), WIDE)
    laws = drawn_lines(figure, "-")
    for line, one_row in zip(laws, learning_curves()["curves"]["rows"], strict=False):
        assert line.get_ydata() == pytest.approx(predict(one_row["fit"], line.get_xdata()) - 1.1)
        assert line.get_xdata()[[0, -1]] == pytest.approx([31_250, 2_000_000])
    straight = np.diff(np.log(laws[0].get_ydata()), 2)
    assert np.abs(straight).max() < 1e-6
    (dotted,) = drawn_lines(figure, ":")
    assert dotted.get_color() == colour("recurrent")


def test_a_model_has_its_familys_colour_and_its_second_is_darker():
    figure, _ = draw("curves", comparison(rows=[row("lstm", 2.0), *comparison()["rows"]], **learning_curves()), WIDE)
    first, second, third = (line.get_color() for line in drawn_lines(figure, "None"))
    assert (first, third) == (colour("count"), colour("recurrent"))
    assert second not in (first, third)


@BOTH
def test_curves_are_named_at_their_ends_with_their_exponents(canvas):
    figure, _ = draw("curves", comparison(**learning_curves()), canvas)
    said = {" ".join(text.split(" ")).replace("\n", " ").replace(SPACE, " ").strip() for text in texts(figure)}
    assert {"● ngram order=5 α 0.30", "■ ngram order=3 α 1.00, floor 1.30", "◆ lstm"} <= said
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_small_exponents_have_a_place_more():
    given = comparison(**learning_curves())
    given["curves"]["rows"][0]["fit"]["exponent"] = 0.0768
    figure, alt = draw("curves", given, WIDE)
    assert f"● ngram order=5 α{SPACE}0.077" in texts(figure)
    assert "exponent 0.077 towards 1.10" in alt


@BOTH
def test_both_axes_have_numbers_and_none_covers_another(canvas):
    figure, _ = draw("curves", comparison(**learning_curves()), canvas)
    figure.draw_without_rendering()
    for axis in (figure.axes[0].xaxis, figure.axes[0].yaxis):
        labels = [label for label in axis.get_ticklabels() if label.get_text() and inside(axis, label)]
        assert len(labels) >= 2
        boxes = [label.get_window_extent() for label in labels]
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def inside(axis, label) -> bool:
    low, high = axis.get_view_interval()
    return low <= label.get_position()[axis.axis_name == "y"] <= high


def test_the_finding_is_in_words():
    _, alt = draw("curves", comparison(**learning_curves()), WIDE)
    assert alt.startswith("Bits per character against characters of training text, on logarithmic axes: ngram order=5 ")
    assert "from 1.90 at 31.2 k characters to 1.33 at 2.00 M, exponent 0.30 towards 1.10" in alt
    assert "lstm goes from 2.10 at 1.00 M characters to 2.00 at 2.00 M, which is no power law." in alt


@BOTH
def test_a_point_below_the_source_is_left_out(canvas):
    given = comparison(**learning_curves())
    given["curves"]["rows"][0]["points"][-1]["bits_per_character"] = 1.0
    given["curves"]["rows"][0]["fit"] = None
    figure, _ = draw("curves", given, canvas)
    assert len(drawn_lines(figure, "None")[0].get_xdata()) == 6


def test_the_table_has_the_law_and_the_bits_at_each_share():
    (grid,) = tables("curves", comparison(**learning_curves()))
    assert grid.heads[:4] == ("exponent α", "floor", "R²", "twice the text")
    assert grid.heads[4:] == ("1/64", "1/32", "1/16", "1/8", "1/4", "1/2", "all of it")
    label, cells = grid.lines[0][0], pairs(grid.lines[0][1])
    saved = (15_000 / 2e6) ** 0.3 - (15_000 / 4e6) ** 0.3
    assert label == "ngram order=5"
    assert cells[:2] == [("0.300", "0.274 to 0.326"), ("1.100", "the source")]
    assert cells[2:4] == [("0.9900", ""), (f"\N{MINUS SIGN}{saved:.3f}", "")]
    assert cells[4] == (f"{1.1 + (15_000 / 31_250) ** 0.3:.3f}", "")
    assert pairs(grid.lines[1][1])[1] == ("1.300", "its own")
    assert [cell.text for cell in grid.lines[2][1]] == ["\N{EN DASH}"] * 9 + ["2.100", "2.000"]


def test_what_went_wrong_is_noted_once_with_its_shares():
    given = comparison(**learning_curves())
    for one, step in zip(given["curves"]["rows"][2]["points"][5:], (7, 1200), strict=True):
        one["remarks"] = [f"the weights of step {step:,} of 1,500 were kept"]
    assert view("curves", given)["notes"] == [
        "lstm (1/64, 1/32, 1/16, 1/8, 1/4): a batch is more than the text",
        "lstm (1/2, all of it): the weights of step 7 of 1,500 were kept",
    ]


def test_the_same_comparison_is_the_same_picture():
    def of(canvas):
        return draw("curves", comparison(**learning_curves()), canvas)

    assert picture(of) == picture(of)


@pytest.mark.parametrize("given", [comparison(**learning_curves()), unknown_source()], ids=["source", "no source"])
def test_the_report_shows_them_and_keeps_them(given, monkeypatch):
    monkeypatch.setattr(page, "sections", lambda: (find("curves"),))
    files = render(given)
    html = files["index.html"].decode()
    assert {"curves.png", "curves.svg"} <= set(files)
    assert '<section id="curves"' in html
    assert "lstm (1/64, 1/32, 1/16, 1/8, 1/4): a batch is more than the text" in html
    assert json.loads(files["results.json"])["curves"] == given["curves"]


def test_a_report_without_curves_has_no_such_section(monkeypatch):
    monkeypatch.setattr(page, "sections", lambda: (find("curves"),))
    files = render(comparison())
    assert '<section id="curves"' not in files["index.html"].decode()
    assert "curves.png" not in files
