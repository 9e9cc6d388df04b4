"""A text coloured by a unit: the scale worked by hand, and what stands in the page."""

import pytest

from lmzoo.report.unit_page import Reading, colour, page


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "#ffffff"),
        (2.0, "#e08640"),  # 0.75 of the way from white to (213, 94, 0): 255 - 31.5, 255 - 120.75, 255 - 191.25
        (-2.0, "#4095c5"),  # to (0, 114, 178): 255 - 191.25, 255 - 105.75, 255 - 57.75
        (1.0, "#efc39f"),  # half as far
        (9.0, "#e08640"),
    ],
)
def test_a_colour_is_as_far_from_white_as_the_value_from_zero(value, expected):
    assert colour(value, 2.0) == expected


def test_where_all_is_zero_all_is_white():
    assert Reading("unit 1", ["a", "b"], [0.0, 0.0]).colours() == ["#ffffff"] * 2


def test_the_page_has_the_text_with_colours_and_values():
    reading = Reading("unit 5 of <run>", ["\n", " ", "a<b", "!"], [0.0, 0.5, -1.0, 0.25])
    found = page([reading])
    assert '<span style="background:#4095c5" title="-1">a&lt;b</span>' in found
    assert "<h1>unit 5 of &lt;run&gt;</h1>" in found
    assert "unit 5 of &lt;run&gt;: from -1 to 0.5, at the end 0.25;" in found
    assert "<run>" not in found
