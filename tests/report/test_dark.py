"""The dark variant of a figure: the same shapes in colours that can be read on a dark page."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmzoo.report import canvas as figures
from lmzoo.report.canvas import COLOURS, shade
from lmzoo.report.dark import INK, PAGE, contrast, darkened, turn
from tests.comparisons import draw
from tests.report.crowded import crowded

COLOUR = re.compile(rb"#[0-9a-f]{6}\b")


def test_contrast_is_that_of_the_guidelines():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # WebAIM's checker says 4.48


def test_white_becomes_the_page_and_black_its_ink():
    assert (turn("#ffffff"), turn("#000000")) == (PAGE, INK)


@pytest.mark.parametrize("family", COLOURS)
def test_every_family_can_be_seen_by_day_and_by_night(family):
    for member in range(3):
        hue = shade(COLOURS[family], member)
        assert contrast(hue, "#ffffff") >= 3  # WCAG 2.2, of graphics
        assert contrast(turn(hue), PAGE) >= 3


@pytest.mark.parametrize("grey", ["#000000", "#333333", "#444444", "#555555", "#666666", "#6f6f6f"])
def test_grey_texts_can_be_read_by_night(grey):
    assert contrast(turn(grey), PAGE) >= 4.5


@given(st.integers(0, 255), st.integers(0, 255))
def test_what_is_lighter_by_day_is_darker_by_night(a, b):
    greys = [f"#{value:02x}{value:02x}{value:02x}" for value in sorted((a, b))]
    light, dark = (contrast(turn(grey), "#000000") for grey in greys)
    assert light >= dark


@pytest.mark.parametrize("section", ["bars", "exam"])
def test_a_dark_figure_has_the_same_shapes_and_no_colour_of_the_day(section):
    with figures.style():
        svg = figures.save(draw(section, crowded(), figures.WIDE)[0], "svg")
    dark = darkened(svg)
    assert COLOUR.sub(b"", dark.replace(b' fill="' + INK.encode() + b'"', b"", 1)) == COLOUR.sub(b"", svg)
    turned = {turn(found.decode()).encode() for found in COLOUR.findall(svg)}
    assert set(COLOUR.findall(dark)) - {INK.encode()} <= turned
    assert b"fill: #ffffff" not in dark
