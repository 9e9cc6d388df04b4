"""Names in a figure: none covers another, and each is near what it names."""

import numpy as np
import pytest

from lmzoo.report.labels import place_labels


def boxes_overlap(centres, sizes):
    apart = np.abs(centres[:, None] - centres) - (sizes[:, None] + sizes) / 2
    return ((apart < 0).all(axis=2) & ~np.eye(len(centres), dtype=bool)).any()


@pytest.mark.parametrize("spread", [400, 40, 0])
def test_no_label_covers_another_or_leaves_the_frame(spread):
    """The nearer the dots stand, the farther the labels must go; in the last case all dots are one."""
    generator = np.random.default_rng(0)
    dots = np.array([500, 400]) + spread * generator.uniform(-1, 1, (60, 2))
    sizes = np.column_stack([generator.uniform(20, 90, 60), np.full(60, 18.0)])
    centres = place_labels(dots, sizes, (0, 0, 1000, 800))
    assert not boxes_overlap(centres, sizes)
    assert (centres - sizes / 2 >= -1e-6).all() and (centres + sizes / 2 <= np.array([1000, 800]) + 1e-6).all()


def test_a_label_that_has_room_stands_right_of_its_dot_and_one_at_the_edge_left():
    centres = place_labels(np.array([[100.0, 100], [590, 300]]), np.full((2, 2), [60.0, 20]), (0, 0, 600, 400))
    assert centres[0][0] > 130 and centres[0][1] == pytest.approx(100)
    assert centres[1][0] < 560 and centres[1][1] == pytest.approx(300)
