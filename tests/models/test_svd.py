"""SVD: the best approximation of PPMI, found as numpy finds it, and Levy, Goldberg & Dagan's recipe."""

from collections import Counter

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
from scipy.stats import spearmanr

from lmzoo import testing
from lmzoo.data import corpus, task_cards, tokenizers
from lmzoo.embeddings.cooccurrence import Counted
from lmzoo.errors import FormatError, UsageError
from lmzoo.interface import Data, Progress, Run
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
    counts = Counted(window=2, min_count=1).count(TRAIN, V, Run())
    u, s, _ = np.linalg.svd(pmi(counts, 0.75).toarray())
    model = SVD(dimensions=4, window=2, min_count=1).fit(Data.of(TRAIN, VALID, V))
    recipe = u[:, :4] * np.sqrt(s[:4])
    found = model.vectors()
    np.testing.assert_allclose(found @ found.T, recipe @ recipe.T, atol=1e-4)
    whole = SVD(dimensions=4, window=2, min_count=1, eigenvalues=0.0).fit(Data.of(TRAIN, VALID, V)).vectors()
    np.testing.assert_allclose(whole @ whole.T, u[:, :4] @ u[:, :4].T, atol=1e-4)


def test_the_predictor_takes_the_approximation_itself():
    model = SVD(dimensions=4, window=2, min_count=1).fit(Data.of(TRAIN, VALID, V))
    counts = Counted(window=2, min_count=1).count(TRAIN, V, Run())
    u, s, vt = np.linalg.svd(pmi(counts, 0.75).toarray())
    words, contexts = np.divmod(np.arange(V * V), V)
    found = model.scores(words, contexts).reshape(V, V)
    np.testing.assert_allclose(found, u[:, :4] * s[:4] @ vt[:4], atol=1e-4)


@pytest.mark.parametrize(("name", "value"), [("dimensions", 0), ("eigenvalues", 1.5), ("shift", -1.0)])
def test_settings_that_cannot_be_are_named(name, value):
    with pytest.raises(UsageError, match=name):
        SVD(**{name: value})


def test_a_damaged_run_is_refused():
    model = SVD(dimensions=4, min_count=1).fit(Data.of(TRAIN, VALID, V), Run())
    with pytest.raises(FormatError, match="this run is damaged"):
        SVD(dimensions=5, min_count=1).restore(model.arrays())


def test_a_run_whose_vectors_would_be_infinite_is_refused():
    ids = np.arange(400) * 7 % 11
    made = SVD(dimensions=2, window=2, min_count=1).fit(Data.of(ids, ids[:0], 12))
    arrays = {**made.arrays(), "singular": np.full(2, 3e38, np.float32), "words": np.full((12, 2), 3e38, np.float32)}
    with pytest.raises(FormatError, match="too large for single precision"):
        SVD(dimensions=2, window=2, min_count=1, eigenvalues=1.0).restore(arrays)


def by_the_recipe_of_hyperwords(lines, dimensions, window, least):
    """hyperwords' pipeline as its options describe it, with nothing of lmzoo: pairs, PPMI, SVD, and rows of length one.

    Rare words are deleted before windows are laid (--del), contexts are smoothed (--cds 0.75), p is 1/2 (--eig 0.5).
    """
    frequency = Counter(word for line in lines for word in line)
    index = {word: n for n, word in enumerate(word for word, count in frequency.items() if count >= least)}
    rows, columns = [], []
    for line in lines:
        ids = np.array([index[word] for word in line if word in index], dtype=np.int64)
        for d in range(1, window + 1):
            rows += [ids[d:], ids[:-d]]
            columns += [ids[:-d], ids[d:]]
    rows, columns = np.concatenate(rows), np.concatenate(columns)
    counts = scipy.sparse.coo_matrix((np.ones(len(rows)), (rows, columns)), (len(index),) * 2).tocsr()
    of_words, of_contexts = np.asarray(counts.sum(1)).ravel(), np.asarray(counts.sum(0)).ravel() ** 0.75
    found = counts.tocoo()
    values = np.log(found.data * of_contexts.sum() / (of_words[found.row] * of_contexts[found.col]))
    ppmi = scipy.sparse.csr_matrix((np.maximum(values, 0), (found.row, found.col)), counts.shape)
    u, s, _ = scipy.sparse.linalg.svds(ppmi, k=dimensions, v0=np.ones(len(index)))
    vectors = u * np.sqrt(s)
    return index, vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


@pytest.mark.data
def test_it_agrees_with_people_as_the_recipe_of_hyperwords_does():
    """On MEN's judgments, which are the most that words of so short a text can be asked about."""
    text = corpus.load("wikitext2").train[:2_500_000].lower()
    text = text[: 1 + text.rfind("\n")]
    words = tokenizers.train("split", text, lines=True)
    ids = words.encode(text)
    model = SVD(dimensions=100, window=2, min_count=10).fit(Data.of(ids, ids[:0], words.vocab_size))
    names = [words.token(i) for i in range(words.vocab_size - 1)]
    ours = dict(zip(names, model.vectors(), strict=False))
    index, theirs = by_the_recipe_of_hyperwords([line.split() for line in text.split("\n")], 100, 2, 10)
    pairs = [line.split("\t") for line in task_cards.fetch("words")["EN-MEN-TR-3k"].splitlines()]
    known = [(a, b, float(judged)) for a, b, judged in pairs if a in index and b in index]
    assert len(known) > 500

    def cosine(u, v):
        return float(u @ v / max(np.linalg.norm(u) * np.linalg.norm(v), 1e-12))

    judged = [judgment for _, _, judgment in known]
    of_ours = spearmanr(judged, [cosine(ours[a], ours[b]) for a, b, _ in known]).statistic
    of_theirs = spearmanr(judged, [cosine(theirs[index[a]], theirs[index[b]]) for a, b, _ in known]).statistic
    assert of_ours == pytest.approx(of_theirs, abs=0.005)
    assert of_ours > 0.3
