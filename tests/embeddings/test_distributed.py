"""Pairs counted in chunks on any number of workers are those counted at once, to the last bit."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lmzoo.embeddings.cooccurrence import SIDES, WEIGHTS, Counted
from lmzoo.embeddings.distributed import count_tokens
from lmzoo.errors import UsageError
from lmzoo.interface import Run
from tests.inline import spread


def outcome(counted, ids, run):
    """The table, or what is wrong with the text."""
    try:
        return counted.count(ids, 5, run)
    except UsageError as error:
        return str(error)


@given(
    tokens=st.lists(st.integers(0, 4), min_size=6, max_size=60).map(lambda ids: [0, 1, *ids]),  # 4 is `end`
    cuts=st.lists(st.integers(0, 60), max_size=6),
    workers=st.integers(1, 4),
    window=st.integers(1, 6),
    weights=st.sampled_from(WEIGHTS),
    sides=st.sampled_from(SIDES),
    subsample=st.sampled_from([0.0, 0.3]),
    min_count=st.sampled_from([0, 2]),
)
def test_any_chunks_and_workers_give_the_table_of_one(
    tokens, cuts, workers, window, weights, sides, subsample, min_count
):
    counted = Counted(window, weights, sides, subsample, min_count)
    run = Run(seed=3)
    expected, table = (outcome(counted, ids, run) for ids in (np.array(tokens), spread(tokens, cuts, workers)))
    if isinstance(expected, str):
        assert table == expected
        return
    for name in ("indptr", "indices", "data"):
        mine, theirs = getattr(table, name), getattr(expected, name)
        np.testing.assert_array_equal(mine, theirs, name)
        assert mine.dtype == theirs.dtype


def test_a_pair_across_a_seam_is_counted_once():
    # 0 | 1 and `end` before them, a window of one: (0, 1) both ways, (end, 0) both ways
    table = Counted(window=1, min_count=0).count(spread([0, 1], [1]), 3, Run())
    assert table.toarray().tolist() == [[0, 1, 1], [1, 0, 0], [1, 0, 0]]


def test_words_are_counted_in_all_chunks():
    assert count_tokens(spread([0, 1, 1, 2], [1, 3]), 4).tolist() == [1, 2, 1, 0]
