"""Counting words near each other, beside a reference that says it with loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmzoo.embeddings import rows
from lmzoo.embeddings.cooccurrence import SIDES, WEIGHTS, Counted, keep_probabilities
from lmzoo.errors import UsageError
from lmzoo.interface import Progress, Run

V = 6
END = V - 1
WEIGH = {"harmonic": lambda d, _: 1 / d, "linear": lambda d, k: (k - d + 1) / k, "flat": lambda *_: 1}
texts = st.lists(st.integers(0, END), min_size=6, max_size=60).filter(lambda ids: len(set(ids) - {END}) > 1)


def count(tokens, vocab_size, seed=0, memory=None, progress=None, **settings):
    counted = Counted(**{"weights": "harmonic", "min_count": 1, **settings})
    return counted.count(tokens, vocab_size, Run(seed=seed, memory=memory, progress=progress or Progress()))


def reference(tokens, window, weights, sides, min_count=1):
    """The definition: two places go together where they are near enough and no `end` is between them."""
    counts = np.bincount(tokens, minlength=V)
    text = [END] + [token for token in tokens if token == END or counts[token] >= min_count]
    table = np.zeros((V, V))
    for i, word in enumerate(text):
        for j, context in enumerate(text):
            distance = abs(i - j)
            if not 1 <= distance <= window or (sides == "left" and j > i):
                continue
            if END not in text[min(i, j) + 1 : max(i, j)]:
                table[word, context] += WEIGH[weights](distance, window)
    return table


@given(texts, st.integers(1, 6), st.sampled_from(WEIGHTS), st.sampled_from(SIDES))
@settings(deadline=None)
def test_counts_what_the_definition_says(tokens, window, weights, sides):
    found = count(np.array(tokens), V, window=window, weights=weights, sides=sides)
    np.testing.assert_allclose(found.toarray(), reference(tokens, window, weights, sides), rtol=1e-6)


@given(texts, st.integers(2, 5))
@settings(deadline=None)
def test_rare_words_are_taken_out_before_windows_are_laid(tokens, min_count):
    counts = np.bincount(tokens, minlength=V)
    if (counts[:END] >= min_count).sum() < 2:
        with pytest.raises(UsageError, match=f"with min-count {min_count}"):
            count(np.array(tokens), V, window=3, min_count=min_count)
        return
    found = count(np.array(tokens), V, window=3, min_count=min_count)
    np.testing.assert_allclose(found.toarray(), reference(tokens, 3, "harmonic", "both", min_count), rtol=1e-6)


def test_a_window_reaches_an_end_and_never_past_it():
    table = count(np.array([0, END, 1, 2]), V, window=3, weights="flat").toarray()
    assert table[0, END] == 2  # the one before the text, and the one behind it
    assert table[1, END] == 1
    assert table[0, 1] == table[1, 0] == 0
    assert table[END, END] == 2  # from either end of the line to the other


def test_end_is_never_taken_out():
    table = count(np.array([0, 1, 0, 1, END, 0, 1]), V, window=2, min_count=3, subsample=0).toarray()
    assert table[1, END] > 0 and table[0, END] > 0


def some_text(length=30_000, vocab_size=3000):
    rng = np.random.default_rng(0)
    return np.minimum(rng.zipf(1.2, length), vocab_size - 1).astype(np.int32), vocab_size


def test_rows_are_sorted_and_columns_beyond_the_first_block_of_bits_are_found():
    tokens, vocab_size = some_text(vocab_size=9000)
    found = count(tokens, vocab_size, window=4)
    assert found.shape == (vocab_size, vocab_size)
    assert found.dtype == np.float32
    assert found.indices.dtype == np.int32
    assert found.indices.max() == vocab_size - 1
    for row in range(0, vocab_size, 97):
        columns = found.indices[found.indptr[row] : found.indptr[row + 1]]
        assert (np.diff(columns) > 0).all()


@pytest.mark.parametrize("weights", WEIGHTS)
def test_a_count_of_both_sides_is_exactly_symmetric(weights):
    tokens, vocab_size = some_text()
    found = count(tokens, vocab_size, window=7, weights=weights)
    mirrored = found.T.tocsr()
    mirrored.sort_indices()
    np.testing.assert_array_equal(found.data, mirrored.data)
    np.testing.assert_array_equal(found.indices, mirrored.indices)


def test_both_sides_are_the_left_one_and_its_mirror_image():
    tokens, vocab_size = some_text()
    left = count(tokens, vocab_size, window=5, sides="left")
    both = count(tokens, vocab_size, window=5)
    np.testing.assert_allclose((left + left.T).toarray(), both.toarray(), rtol=1e-6)


def test_no_weight_is_lost():
    """Without an `end` between them, T + 1 places have T + 1 - d pairs at distance d."""
    tokens = np.arange(1000) % END
    total = count(tokens, V, window=3).sum(dtype=np.float64)
    assert total == pytest.approx(2 * sum((1001 - d) / d for d in (1, 2, 3)))


def test_neither_memory_nor_threads_nor_ranges_change_the_counts(monkeypatch):
    tokens, vocab_size = some_text()
    expected = count(tokens, vocab_size, window=6)
    for memory, threads, positions in ((None, 1, 100), (1 << 16, 2, 200_000), (1, 5, 7)):
        monkeypatch.setattr(rows, "THREADS", threads)
        monkeypatch.setattr(rows, "POSITIONS", positions)
        found = count(tokens, vocab_size, window=6, memory=memory)
        for key in ("indptr", "indices", "data"):
            np.testing.assert_array_equal(getattr(found, key), getattr(expected, key))


def is_in_a_file(array):
    return array is not None and (isinstance(array, np.memmap) or is_in_a_file(getattr(array, "base", None)))


def test_what_is_long_is_kept_in_files_where_memory_is_bounded(monkeypatch):
    monkeypatch.setattr("lmzoo.ngrams.out_of_core.SMALL", 1000)
    tokens, vocab_size = some_text()
    found = count(tokens, vocab_size, window=6, memory=1 << 16)
    assert is_in_a_file(found.data)
    assert not is_in_a_file(count(tokens, vocab_size, window=6).data)
    np.testing.assert_array_equal(found.data, count(tokens, vocab_size, window=6).data)


def test_subsampling_keeps_the_share_that_the_formula_names():
    tokens = np.random.default_rng(1).choice(4, 200_000, p=[0.7, 0.2, 0.09, 0.01])
    keep = keep_probabilities(np.bincount(tokens, minlength=V), 0.01)
    assert keep[0] == pytest.approx((np.sqrt(0.7 / 0.01) + 1) * 0.01 / 0.7, rel=0.01)
    assert keep[3] == 1
    left = count(tokens, V, window=1, sides="left", subsample=0.01).sum(axis=1)[:4]
    np.testing.assert_allclose(left / np.bincount(tokens), keep[:4], rtol=0.03)


def test_subsampling_depends_on_the_seed_and_on_nothing_else():
    tokens, vocab_size = some_text()
    first, again, other = (count(tokens, vocab_size, subsample=1e-3, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.data, again.data)
    assert (first != other).nnz > 0


def test_the_text_is_left_as_it_was():
    tokens, vocab_size = some_text()
    before = tokens.copy()
    count(tokens, vocab_size, subsample=1e-3, min_count=3)
    np.testing.assert_array_equal(tokens, before)


def test_progress_adds_up_to_the_text_and_its_first_end():
    class Adding(Progress):
        total = 0

        def advance(self, amount=1, note=""):
            self.total += amount

    progress = Adding()
    tokens, vocab_size = some_text()
    count(tokens, vocab_size, progress=progress)
    assert progress.total == len(tokens) + 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 0}, "window must be 1 or more, not 0"),
        ({"window": 9}, "window must be at most the text's length, 8 tokens, not 9"),
        ({"weights": "harmonik"}, "no weights 'harmonik'; did you mean harmonic?; there are: harmonic, linear, flat"),
        ({"sides": "right"}, "no sides 'right'; there are: both, left"),
        ({"subsample": -1e-3}, "subsample must be 0 or a share of the text, as 1e-4, not -0.001"),
        ({"subsample": float("nan")}, "subsample must be 0 or a share"),
        ({"min_count": -1}, "min-count must be 0 or more, not -1"),
        ({"min_count": 5}, "of this text of 8 tokens fewer than two different words are left with min-count 5"),
    ],
)
def test_settings_that_cannot_work_are_refused_in_one_line(settings, message):
    with pytest.raises(UsageError) as caught:
        count(np.array([0, 1, 2, 3, 0, 1, 2, 3]), V, **{"window": 2, **settings})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_subsampling_never_drops_the_end_of_a_line():
    lines = np.tile(np.array([0, 2, 1, 2], dtype=np.int32), 500)  # `end`, 2, is half of the tokens
    table = count(lines, 3, window=2, subsample=0.01).toarray()
    assert table[0, 1] == table[1, 0] == 0
    assert table[0, 2] > 0
