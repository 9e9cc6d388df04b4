"""N-grams counted in chunks on any number of workers are those counted at once, to the last bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmzoo.errors import LmzooError
from lmzoo.ngrams import distributed
from lmzoo.ngrams.counts import count_ngrams
from lmzoo.ngrams.distributed import Rows, count, merge
from tests.inline import spread


def assert_same(levels, expected):
    assert len(levels) == len(expected)
    for level, other in zip(levels, expected, strict=True):
        assert level.order == other.order
        assert level.last == other.last
        for name in ("word", "suffix", "count", "children", "continuations"):
            mine, theirs = getattr(level, name), getattr(other, name)
            np.testing.assert_array_equal(mine, theirs, f"{name} of order {level.order}")
            assert (mine is None and theirs is None) or mine.dtype == theirs.dtype


@given(
    tokens=st.lists(st.integers(0, 4), min_size=1, max_size=40),  # 4 is `end`
    cuts=st.lists(st.integers(0, 40), max_size=6),
    order=st.integers(1, 6),
    workers=st.integers(1, 4),
)
def test_any_chunks_and_workers_give_the_levels_of_one(tokens, cuts, order, workers):
    assert_same(count(spread(tokens, cuts, workers), 5, order), count_ngrams(np.array(tokens), 5, order))


def test_ngrams_across_a_seam_are_counted_once():
    # 0 1 | 0 1 with end 2: "0 1" twice, "1 0" once, though it lies across the seam
    levels = count(spread([0, 1, 0, 1], [2]), 3, 2)
    bigrams = dict(
        zip(zip(levels[1].context.tolist(), levels[1].word.tolist(), strict=True), levels[1].count, strict=True)
    )
    assert bigrams == {(0, 1): 2, (1, 0): 1, (2, 0): 1}


def test_an_array_is_counted_here():
    assert_same(count(np.array([0, 1, 0]), 3, 2), count_ngrams(np.array([0, 1, 0]), 3, 2))


def test_more_than_32_bits_are_refused(monkeypatch):
    monkeypatch.setattr(distributed, "MOST", 5)
    one = [Rows(np.array([0], np.int32), np.array([3], np.int32), np.array([0, 1]))]
    with pytest.raises(LmzooError, match="more than 5 n-grams"):
        merge([one, one])
