"""Names in a figure: none covers another, and each is near what it names."""

from itertools import pairwise

import numpy as np
import pytest

from lmzoo.report.labels import place_labels, spread


def boxes_overlap(centres, sizes):
    apart = np.abs(centres[:, None] - centres) - (sizes[:, None] + sizes) / 2
    return ((apart < 0).all(axis=2) & ~np.eye(len(centres), dtype=bool)).any()


@pytest.mark.parametrize("width", [400, 40, 0])
def test_no_label_covers_another_or_leaves_the_frame(width):
    """The nearer the dots stand, the farther the labels must go; in the last case all dots are one."""
    generator = np.random.default_rng(0)
    dots = np.array([500, 400]) + width * generator.uniform(-1, 1, (60, 2))
    sizes = np.column_stack([generator.uniform(20, 90, 60), np.full(60, 18.0)])
    centres = place_labels(dots, sizes, (0, 0, 1000, 800))
    assert not boxes_overlap(centres, sizes)
    assert (centres - sizes / 2 >= -1e-6).all() and (centres + sizes / 2 <= np.array([1000, 800]) + 1e-6).all()


def test_a_label_that_has_room_stands_right_of_its_dot_and_one_at_the_edge_left():
    centres = place_labels(np.array([[100.0, 100], [590, 300]]), np.full((2, 2), [60.0, 20]), (0, 0, 600, 400))
    assert centres[0][0] > 130 and centres[0][1] == pytest.approx(100)
    assert centres[1][0] < 560 and centres[1][1] == pytest.approx(300)


@pytest.mark.parametrize("wanted", [[10, 50, 90], [50, 50, 50], [1, 2, 3, 98, 99], [0, 0, 0, 0], [49, 50, 51, 52]])
def test_names_of_curves_never_overlap_and_move_no_more_than_they_must(wanted):
    placed = spread(wanted, [10] * (len(wanted) - 1), 0, 100)
    assert all(b - a >= 10 - 1e-6 for a, b in pairwise(placed))
    assert min(placed) >= -1e-6
    assert max(placed) <= 100 + 1e-6
    if wanted == [10, 50, 90]:
        assert placed == pytest.approx(wanted)
    if wanted == [50, 50, 50]:
        assert placed == pytest.approx([40, 50, 60])
