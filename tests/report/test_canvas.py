"""The figures: what they show, in which colour, and that any label can be drawn."""

import re

import matplotlib
import pytest

from lmzoo import models
from lmzoo.comparison import results
from lmzoo.report import canvas as figures
from lmzoo.report.canvas import NARROW, WIDE, colour
from tests.comparisons import comparison, draw, others_figures, row


def texts(figure) -> list[str]:
    """Every text of a figure that is drawn."""
    figure.draw_without_rendering()
    return [found.get_text() for found in figure.findobj(matplotlib.text.Text) if found.get_text()]


@pytest.mark.parametrize("name", models.names())
def test_every_model_has_a_family_with_a_colour(name):
    assert models.find(name).family in figures.COLOURS


def test_families_of_models_and_of_published_figures_are_the_same_and_no_two_share_a_colour():
    assert tuple(figures.COLOURS) == results.FAMILIES
    assert len(set(figures.COLOURS.values())) == len(figures.COLOURS)
    assert figures.colour("alchemy") == figures.COLOURS["other"]


def test_the_bars_begin_at_zero_and_stand_best_first():
    figure, alt = draw("bars", comparison(), WIDE)
    (axes,) = figure.axes
    assert axes.get_xlim()[0] == 0
    bars = [bar for bar in axes.patches if bar.get_x() == 0]  # not the gap in one that is cut
    assert [round(bar.get_width(), 2) for bar in bars] == [1.31, 1.47, 1.47, 1.47, 1.47, 1.47]
    hues = [colour("count"), colour("count"), "white", "white", colour("baseline"), "white"]
    assert [bar.get_facecolor() for bar in bars] == [matplotlib.colors.to_rgba(hue) for hue in hues]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == [
        "ngram order=5",
        "ngram order=3",
        "xz, adaptive",
        "bz2 alone, adaptive",
        "uniform",
        "gzip, adaptive",
    ]
    assert alt.startswith("Bits per character, fewest first: ngram order=5 1.31")
    assert {"true source 1.10", "1.91", "2.00", "2.46", "2.52"} <= set(texts(figure))


def test_a_bar_of_a_model_that_was_trained_as_today_is_hatched():
    rows = [row("lstm", 1.2, recipe="today"), row("ngram", 1.3, recipe="period"), row("mine", 1.4)]
    figure, _ = draw("bars", comparison(rows=rows, references=[]), WIDE)
    assert [bool(bar.get_hatch()) for bar in figure.axes[0].patches] == [True, False, False]
    assert "with today's training" in [text.get_text() for text in figure.legends[0].texts]


def test_a_bar_of_a_model_that_knows_nothing_is_cut_and_says_its_value():
    figure, _ = draw("bars", comparison(), WIDE)
    axes = figure.axes[0]
    assert axes.get_xlim()[1] < 1.8
    (gap,) = [bar for bar in axes.patches if bar.get_x() > 0 and bar.get_y() > 3 and bar.get_y() < 4]
    assert 1.3 < gap.get_x() < 1.47


def test_a_figure_without_data_is_none():
    assert draw("orders", comparison(orders=[]), WIDE) is None
    assert (
        draw("orders", comparison(orders=[{"order": 1, "smoothing": "mle", "bits_per_character": None}]), WIDE) is None
    )
    assert draw("bars", comparison(rows=[row("ngram", None)]), WIDE) is None
    assert figures.picture(lambda canvas: draw("orders", comparison(orders=[]), canvas)) is None


def test_every_smoothing_is_a_curve_with_its_name_at_its_end():
    figure, alt = draw("orders", comparison(), WIDE)
    curves = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 6]
    assert [list(curve.get_xdata()) for curve in curves] == [[1, 2, 3, 4, 5, 6]] * 2
    assert len({curve.get_marker() for curve in curves}) == 2
    said = " ".join(" ".join(texts(figure)).split())
    assert "\N{BLACK CIRCLE} modified Kneser\N{EN DASH}Ney" in said
    assert "modified Kneser\N{EN DASH}Ney goes from 2.40 at order 1 to 1.35 at order 6" in alt


def test_one_order_and_twenty_five_smoothings_can_be_drawn():
    points = [{"order": 3, "smoothing": f"s{i}", "bits_per_character": 2 + i / 50} for i in range(25)]
    figure, _ = draw("orders", comparison(orders=points), NARROW)
    assert sum(text.endswith(tuple(f"s{i}" for i in range(25))) for text in texts(figure)) == 25


def test_two_sizes_one_of_them_for_a_telephone():
    made = figures.picture(lambda canvas: draw("bars", comparison(), canvas))
    widths = [float(re.search(rb'width="([\d.]+)pt"', svg).group(1)) for svg in (made.wide, made.narrow)]
    assert widths == pytest.approx([WIDE.width * 72, NARROW.width * 72])
    assert b">uniform</text>" in made.wide  # text is text
    assert b"""font-family="'DejaVu Sans', Verdana""" in made.wide
    assert made.wide.count(b"DejaVu Sans") == 1


def test_coordinates_are_short_and_the_same_to_a_hundredth_of_a_point():
    shorter = figures._smaller(b'<path transform="scale(0.015625)" d="M 1.23456 -7.899999 \nL 12.5 0.001"/>')
    assert shorter == b'<path transform="scale(0.015625)" d="M 1.23 -7.90 L 12.5 0.00"/>'


def test_drawing_leaves_the_settings_of_the_caller_alone():
    with matplotlib.rc_context({"font.family": ["serif"], "axes.facecolor": "red"}):
        before = dict(matplotlib.rcParams)
        red = figures.picture(lambda canvas: draw("bars", comparison(), canvas))
        assert dict(matplotlib.rcParams) == before
    assert red == figures.picture(lambda canvas: draw("bars", comparison(), canvas))


def test_close_models_are_told_apart_by_a_third_place():
    close = [row("ngram order=5", 0.607), row("ngram order=4", 0.6096)]
    assert {"0.607", "0.610"} <= set(texts(draw("bars", comparison(rows=close), WIDE)[0]))
    apart = [row("ngram order=5", 0.607), row("ngram order=4", 0.7)]
    assert {"0.61", "0.70"} <= set(texts(draw("bars", comparison(rows=apart), WIDE)[0]))


def test_bars_are_perplexities_where_the_figures_of_a_corpus_are():
    published = [one | {"unit": "perplexity per token"} for one in others_figures() if "value" in one]
    rows = [row("lstm", 1.0, tokenizer="split"), row("ngram", 1.25, tokenizer="split")]
    figure, alt = draw("bars", comparison(rows=rows, published=published, references=[]), WIDE)
    assert alt == "Perplexity per token, fewest first: lstm 16.00, ngram 32.00."
    assert {"16.0", "32.0", "perplexity per token"} <= set(texts(figure))


def test_a_model_that_learns_from_the_test_text_is_marked_as_a_compressor_is():
    _, alt = draw("bars", comparison(rows=[row("cache", 1.2, adapts_at_test_time=True), row("ngram", 1.3)]), WIDE)
    assert alt.startswith("Bits per character, fewest first: cache, adaptive 1.20, ngram 1.30.")
    assert "xz, adaptive 1.91" in alt
