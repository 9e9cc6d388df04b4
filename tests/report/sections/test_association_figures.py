"""The figures of associations: what they show, and that nothing in them covers anything else."""

from itertools import pairwise

import matplotlib
import numpy as np
import pytest

from lmzoo.report.canvas import NARROW, WIDE, colour, picture, shade
from lmzoo.report.sections.map import NARROW_WORDS
from tests.comparisons import associations, comparison, draw, with_associations
from tests.report.test_canvas import texts
from tests.report.test_page import luminance


@pytest.mark.parametrize("section", ["distances", "factorised", "map"])
@pytest.mark.parametrize("canvas", [WIDE, NARROW], ids=["wide", "narrow"])
def test_without_associations_there_is_no_figure(section, canvas):
    assert draw(section, comparison(), canvas) is None


def test_what_a_distance_is_worth_is_a_line_for_each_model():
    figure, alt = draw("distances", with_associations(), WIDE)
    zero, *lines = sorted(figure.axes[0].lines, key=lambda line: line.get_zorder())
    assert set(zero.get_ydata()) == {0}
    assert [list(line.get_ydata()) for line in lines] == [row["lambdas"] for row in associations()["distances"]]
    assert [line.get_xdata()[0] for line in lines] == [1, 1]
    assert {"● pmi", "■ word2vec dimensions 50"} <= set(texts(figure))
    assert "pmi 1.40 at distance 1 and 0.50 at distance 3; word2vec dimensions 50 1.00 at" in alt


def test_members_of_a_family_differ_in_lightness_and_stay_readable_on_white():
    shades = [shade(colour("association"), i) for i in range(3)]
    assert shades[0] == colour("association")
    lights = [luminance(shade_) for shade_ in shades]
    assert all(1.05 / (light + 0.05) >= 3 for light in lights)  # WCAG 2.2, of graphics
    assert all((a + 0.05) / (b + 0.05) >= 1.5 for a, b in pairwise(lights))
    assert shade(colour("association"), 3) == shades[0]


def test_twenty_five_associations_of_one_distance_can_be_drawn():
    (one, _) = associations()["distances"]
    rows = [one | {"label": f"pmi window {i}", "lambdas": [i / 9]} for i in range(25)]
    figure, _ = draw("distances", comparison(distances=rows), NARROW)
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 25
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_scores_beside_pmi_are_hexagons_with_the_line_where_they_are_equal():
    figure, alt = draw("factorised", with_associations(), WIDE)
    axes = figure.axes[0]
    (cells,) = axes.collections
    assert len(cells.get_paths()) == 17
    assert cells.get_array().max() == 301
    (diagonal,) = axes.lines
    assert (diagonal.get_xy1(), diagonal.get_slope()) == ((0, 0), 1)
    assert axes.get_aspect() == 1
    assert {"PMI(w, c) \N{MINUS SIGN} log 5, counted", "equal"} <= set(texts(figure))
    assert "Pearson 0.91, Spearman 0.89" in alt
    assert "Half of the scores are 0.25 nats or more below it" in alt


def test_without_negative_sampling_there_is_nothing_to_factorise():
    assert draw("factorised", with_associations(factorised=associations()["factorised"][:1]), WIDE) is None


@pytest.mark.parametrize("canvas", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_word_equal_covers_no_hexagon(canvas):
    figure, _ = draw("factorised", with_associations(), canvas)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    (equal,) = [text for text in axes.texts if text.get_text() == "equal"]
    corners = np.concatenate([path.vertices for path in axes.collections[0].get_paths()])
    assert equal.get_window_extent().x0 > axes.transData.transform(corners)[:, 0].max()
    assert equal.get_window_extent().x1 <= figure.bbox.x1


def test_a_map_names_its_words_and_fewer_of_them_on_a_telephone():
    words = associations()["map"]["words"]
    wide, alt = draw("map", with_associations(), WIDE)
    assert set(words) <= set(texts(wide))
    narrow, same = draw("map", with_associations(), NARROW)
    assert set(words) & set(texts(narrow)) == set(words[:NARROW_WORDS])
    assert alt == same
    assert alt.startswith("20 words where the vectors of word2vec dimensions 50 put them in the plane: king, queen")
    sizes = {text.get_size() for text in narrow.findobj(matplotlib.text.Text) if text.get_text() in words}
    assert min(sizes) > 9


@pytest.mark.parametrize("section", ["distances", "factorised", "map"])
def test_the_same_comparison_is_the_same_picture(section):
    def of(canvas):
        return draw(section, with_associations(), canvas)

    assert picture(of) == picture(of)
