"""SVD: the best approximation of PPMI, found as numpy finds it, and Levy, Goldberg & Dagan's recipe."""

import numpy as np
import pytest
import scipy.sparse

from lmzoo import testing
from lmzoo.errors import FormatError, UsageError
from lmzoo.interface import Progress, Run
from lmzoo.models._cooccurrence import count
from lmzoo.models.pmi import pmi
from lmzoo.models.svd import SVD, decompose

V = testing.VOCAB_SIZE
TRAIN, VALID = testing.practice_text(3000), testing.practice_text(500, seed=1)


def table(size=40, seed=0):
    rng = np.random.default_rng(seed)
    dense = rng.random((size, size)).astype(np.float32) * (rng.random((size, size)) < 0.3)
    return scipy.sparse.csr_array(dense)


def test_it_is_the_decomposition_that_numpy_finds():
    words, singular, contexts = decompose(table(), 7, 0, Progress())
    u, s, vt = np.linalg.svd(table().toarray())
    np.testing.assert_allclose(singular, s[:7], rtol=1e-4)
    np.testing.assert_allclose(words @ contexts.T, u[:, :7] * s[:7] @ vt[:7], atol=1e-4)
    np.testing.assert_allclose(np.abs(np.sum(words * u[:, :7], axis=0)), 1, atol=1e-3)


def test_signs_are_settled_and_a_seed_changes_nothing_but_rounding():
    first, other = decompose(table(), 7, 0, Progress()), decompose(table(), 7, 1, Progress())
    np.testing.assert_allclose(first[0], other[0], atol=1e-4)
    assert (first[0][np.abs(first[0]).argmax(axis=0), np.arange(7)] > 0).all()


def test_more_dimensions_than_words_are_zero():
    words, singular, contexts = decompose(table(6), 9, 0, Progress())
    assert words.shape == contexts.shape == (6, 9)
    assert (singular[5:] == 0).all() and (words[:, 5:] == 0).all()


def test_a_word_is_its_row_of_u_times_the_power_of_the_singular_values():
    """Levy, Goldberg & Dagan 2015, §3.3, by an independent path: dense PPMI, numpy's decomposition, p = 1/2."""
    counts = count(TRAIN, V, window=2, weights="flat", min_count=1)
    u, s, _ = np.linalg.svd(pmi(counts, 0.75).toarray())
    model = SVD(dimensions=4, window=2, min_count=1).fit(TRAIN, VALID, V)
    recipe = u[:, :4] * np.sqrt(s[:4])
    found = model.vectors()
    np.testing.assert_allclose(found @ found.T, recipe @ recipe.T, atol=1e-4)
    whole = SVD(dimensions=4, window=2, min_count=1, eigenvalues=0.0).fit(TRAIN, VALID, V).vectors()
    np.testing.assert_allclose(whole @ whole.T, u[:, :4] @ u[:, :4].T, atol=1e-4)


def test_the_predictor_takes_the_approximation_itself():
    model = SVD(dimensions=4, window=2, min_count=1).fit(TRAIN, VALID, V)
    counts = count(TRAIN, V, window=2, weights="flat", min_count=1)
    u, s, vt = np.linalg.svd(pmi(counts, 0.75).toarray())
    words, contexts = np.divmod(np.arange(V * V), V)
    found = model.scores(words, contexts).reshape(V, V)
    np.testing.assert_allclose(found, u[:, :4] * s[:4] @ vt[:4], atol=1e-4)


@pytest.mark.parametrize(("name", "value"), [("dimensions", 0), ("eigenvalues", 1.5), ("shift", -1.0)])
def test_settings_that_cannot_be_are_named(name, value):
    with pytest.raises(UsageError, match=name):
        SVD(**{name: value})


def test_a_damaged_run_is_refused():
    model = SVD(dimensions=4, min_count=1).fit(TRAIN, VALID, V, Run())
    with pytest.raises(FormatError, match="damaged run"):
        SVD(dimensions=5, min_count=1).restore(model.arrays())
