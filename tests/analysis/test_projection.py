"""Maps of words: where words are put, and that a picture of them can be read."""

import sys
from itertools import pairwise

import numpy as np
import pytest

from lmzoo.analysis import projection
from lmzoo.analysis.projection import frequent_words, layout, place_labels, write
from lmzoo.analysis.word_vectors import Vectors
from lmzoo.errors import UsageError

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def vectors():
    """Two groups of words, about two directions far apart."""
    generator = np.random.default_rng(0)
    centres = np.eye(20)[[0] * 10 + [1] * 10] * 3
    words = [f"left{i}" for i in "abcdefghij"] + [f"right{i}" for i in "abcdefghij"]
    return Vectors(words, centres + 0.3 * generator.standard_normal((20, 20)))


def test_pca_is_the_projection_on_the_greatest_variance(vectors):
    facts = layout(vectors, vectors.words)
    rows = vectors.dense(vectors.words).astype(float)
    centred = rows - rows.mean(axis=0)
    values, axes = np.linalg.eigh(centred.T @ centred)
    ours, theirs = np.array(facts["points"]), centred @ axes[:, [-1, -2]]
    assert np.allclose(np.abs(ours), np.abs(theirs), atol=1e-5)  # an axis has no sign
    assert facts["variance"] == pytest.approx((values[[-1, -2]] / values.sum()).tolist(), abs=1e-5)
    assert facts["words"] == vectors.words


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_like_words_are_put_near_each_other(vectors, method):
    points = np.array(layout(vectors, vectors.words, method)["points"])
    gaps = np.linalg.norm(points[:, None] - points, axis=2)
    same = np.arange(20)[:, None] // 10 == np.arange(20) // 10
    assert gaps[same].mean() < 0.7 * gaps[~same].mean()


@pytest.mark.parametrize("words", [3, 4, 20])
def test_tsne_suits_few_words_and_depends_on_nothing_but_the_seed(vectors, words):
    first = layout(vectors, vectors.words[:words], "tsne", seed=3)
    assert first == layout(vectors, vectors.words[:words], "tsne", seed=3)
    assert first["variance"] is None
    assert np.isfinite(first["points"]).all()


def test_sparse_vectors_have_the_same_map(vectors):
    sparse = pytest.importorskip("scipy.sparse")
    other = Vectors(vectors.words, sparse.csr_array(vectors.matrix))
    assert np.allclose(layout(other, vectors.words)["points"], layout(vectors, vectors.words)["points"], atol=1e-5)


def test_words_are_named_as_the_vectors_spell_them_and_once(vectors):
    assert layout(vectors, ["LEFTA", "lefta", "rightb", "leftc"])["words"] == ["lefta", "rightb", "leftc"]


def test_the_usual_words_are_frequent_long_and_not_two_spellings_of_one():
    words = ["the", "with", "With", "1999", "@-@", "which", "from", "about"]
    assert frequent_words(Vectors(words, np.eye(8)), 3) == ["with", "which", "from"]


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


def test_labels_of_a_real_map_do_not_overlap(vectors):
    figure = projection.draw(layout(vectors, vectors.words), "title")
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


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda v: layout(v, v.words, "pc"), "no map 'pc'; did you mean pca.* pca, tsne"),
        (lambda v: layout(v, ["lefta", "LEFTA", "leftb"]), "3 to 200 different words, not 2"),
        (lambda v: layout(v, ["lefta", "leftb", "leftx"]), "no vector for 'leftx'"),
        (lambda v: layout(Vectors(["a", "b", "c"], np.ones((3, 2))), ["a", "b", "c"]), "3 words have the same vector"),
    ],
)
def test_what_cannot_be_laid_out_is_said(vectors, ask, message):
    with pytest.raises(UsageError, match=message):
        ask(vectors)


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


def test_without_scikit_learn_the_error_says_what_to_install(vectors, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.decomposition", None)
    with pytest.raises(UsageError, match="needs scikit-learn, which is not installed: pip install scikit-learn"):
        layout(vectors, vectors.words)
