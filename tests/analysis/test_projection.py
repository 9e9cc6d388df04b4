"""Word vectors in the plane: where words are put."""

import sys

import numpy as np
import pytest

from lmzoo.analysis.projection import frequent_words, layout, principal
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


def test_without_scikit_learn_the_error_says_what_to_install(vectors, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.decomposition", None)
    with pytest.raises(UsageError, match="needs scikit-learn, which is not installed: pip install scikit-learn"):
        layout(vectors, vectors.words)


@pytest.mark.parametrize("shape", [(12, 5), (3, 7), (6, 1)])
def test_principal_axes_are_those_of_scikit_learn(shape):
    from sklearn.decomposition import PCA

    rows = np.random.default_rng(1).normal(size=shape)
    points, variance = principal(rows)
    assert points.shape == (shape[0], 2)
    pca = PCA(n_components=min(2, shape[1]), svd_solver="full")
    np.testing.assert_allclose(points[:, : shape[1]], pca.fit_transform(rows), atol=1e-9)
    np.testing.assert_allclose(variance[: shape[1]], pca.explained_variance_ratio_, atol=1e-12)
