"""Many tokens looked up at a time have the probabilities of one after the other, to the last bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmzoo.interface import Data
from lmzoo.models.ngram import Ngram
from lmzoo.ngrams import trie

TEXT = (np.random.default_rng(0).zipf(1.5, 3000) % 12).astype(np.int32)
NOTHING = np.zeros(0, np.int32)
MODELS = [
    Ngram(order=order, smoothing=smoothing, **how).fit(Data.of(TEXT, NOTHING, 12))
    for order, smoothing, how in (
        (1, "witten-bell", {}), (2, "katz", {}), (4, "modified-kneser-ney", {}), (5, "absolute", {"cutoffs": "0,0,3"}),
        (7, "stupid-backoff", {}), (4, "kneser-ney", {"prune": 1e-3}),
    )
]  # fmt: skip


@pytest.mark.parametrize("rows", [2, 7, 1024])
@settings(deadline=None, max_examples=40)
@given(
    which=st.sampled_from(MODELS),
    texts=st.lists(st.lists(st.integers(0, 11), max_size=30), min_size=1, max_size=9),
    before=st.lists(st.integers(0, 11), max_size=5),
    with_table=st.booleans(),
)
def test_many_texts_are_walked_as_each_alone(rows, which, texts, before, with_table):
    tree = which.trie_
    state = which.advance(which.start(), np.array(before, np.int32))
    states = np.array([state if b % 2 else which.start() for b in range(len(texts))])
    tokens = np.concatenate([np.array(text, np.int32) for text in texts])
    starts = np.cumsum([0, *map(len, texts)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trie, "ROWS", rows)
        tree._walked = 10**6 if with_table else -(10**6)
        found = tree.walk_many(tokens, starts, states)
    alone = [tree.walk(np.array(text, np.int32), int(one))[0] for text, one in zip(texts, states, strict=True)]
    assert np.array_equal(found, np.concatenate(alone))


def test_a_table_of_bigrams_is_made_once_it_pays():
    model = Ngram(order=3).fit(Data.of(TEXT, NOTHING, 12))
    model.log_probs(TEXT[:30])
    assert "_bigrams" not in vars(model.trie_)
    for _ in range(5):
        model.log_probs(TEXT[:30])
    assert "_bigrams" in vars(model.trie_)
