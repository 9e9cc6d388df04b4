"""The picture of a map of words: it can be read, and the same facts give the same file."""

from itertools import pairwise

import numpy as np
import pytest

from lmzoo.analysis.projection import layout
from lmzoo.analysis.word_vectors import Vectors
from lmzoo.errors import UsageError
from lmzoo.report import word_map
from lmzoo.report.word_map import write

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def vectors():
    """Two groups of words, about two directions far apart."""
    generator = np.random.default_rng(0)
    centres = np.eye(20)[[0] * 10 + [1] * 10] * 3
    words = [f"left{i}" for i in "abcdefghij"] + [f"right{i}" for i in "abcdefghij"]
    return Vectors(words, centres + 0.3 * generator.standard_normal((20, 20)))


def test_labels_of_a_real_map_do_not_overlap(vectors):
    figure = word_map.draw_map(layout(vectors, vectors.words), "title")
    figure.draw_without_rendering()
    axes = figure.axes[0]
    boxes = [text.get_window_extent() for text in axes.texts]
    assert [text.get_text() for text in axes.texts] == vectors.words
    frame = figure.bbox
    for i, box in enumerate(boxes):
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])


@pytest.mark.parametrize(("name", "begins"), [("map.png", b"\x89PNG"), ("map.svg", b"<?xml"), ("map.SVG", b"<?xml")])
def test_the_name_says_what_kind_of_picture_and_the_same_facts_give_the_same_bytes(vectors, tmp_path, name, begins):
    facts = layout(vectors, vectors.words)
    contents = []
    for _ in range(2):
        write(tmp_path / name, facts, "svd")
        contents.append((tmp_path / name).read_bytes())
    assert contents[0].startswith(begins)
    assert all(one == other for one, other in pairwise(contents))
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_picture_that_cannot_be_written_is_an_error(vectors, tmp_path):
    facts = layout(vectors, vectors.words)
    (tmp_path / "folder.png").mkdir()
    for name, message in [
        ("map.jpg", "must end in .png or .svg"),
        ("nowhere/map.png", "there is no folder"),
        ("folder.png", "it is a folder"),
    ]:
        with pytest.raises(UsageError, match=message):
            write(tmp_path / name, facts)
