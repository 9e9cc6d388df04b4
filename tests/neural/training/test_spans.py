"""Spans that are left out of a text, and pairs: sources and targets from the seed and the step alone."""

from itertools import pairwise

import numpy as np
import pytest

from lmzoo.errors import UsageError
from lmzoo.neural.training.batches import IGNORED
from lmzoo.neural.training.masking import PADDING
from lmzoo.neural.training.parallel import Parallel
from lmzoo.neural.training.spans import SaySpans, Spans

V, END = 1000, 999
TEXT = np.random.default_rng(0).integers(0, END, 20_000)


def read(spans=None, *, text=TEXT, batch=8, window=40, seed=0, lines=False, separator=None):
    return SaySpans(V, spans or Spans(), separator).batches(text, batch, window, seed, Parallel(), lines)


def rejoined(source, target):
    """The text of which a source and a target were made: each sentinel replaced by what it stands for."""
    assert target[0] == V and target[-1] >= V
    marks = np.flatnonzero(target >= V)
    spans = {int(target[a]): target[a + 1 : b] for a, b in pairwise(marks)}
    assert [*spans] == [V + n for n in range(len(spans))] and target[-1] == V + len(spans)
    return np.concatenate([spans[int(n)] if n >= V else [n] for n in source])


@pytest.mark.parametrize("length", [1, 2, 3, 7, 40, 400])
@pytest.mark.parametrize(("share", "mean"), [(0.15, 3.0), (0.5, 1.0), (1.0, 2.0)])
def test_source_and_target_are_the_text(length, share, mean):
    spans = Spans(share, mean, 1000)
    rng, text = np.random.default_rng(1), np.arange(length)
    for _ in range(20):
        source, target = spans.cut(text, rng, V)
        assert rejoined(source, target).tolist() == text.tolist()
        assert (target < V).sum() == max(1, round(share * length))
        neighbours = (source[:-1] >= V) & (source[1:] >= V)
        assert not neighbours.any()  # between two spans something stays


def test_spans_are_of_three_tokens_on_average_and_stand_anywhere():
    rng, text = np.random.default_rng(0), np.arange(40)
    made = [Spans().cut(text, rng, V) for _ in range(600)]
    assert all((target >= V).sum() == 2 + 1 for _, target in made)  # 6 of 40 tokens in two spans, and a last sentinel
    hidden = np.bincount(np.concatenate([target[target < V] for _, target in made]), minlength=40)
    assert hidden.min() > 20  # 90 on average: also the first and the last token
    lengths = {int((target[1:] >= V).argmax()) for _, target in made}
    assert lengths == {1, 2, 3, 4, 5}


def test_batches_are_those_of_the_seed_and_the_step_and_end_with_end():
    (first,), (again,), (other,) = (read(seed=seed).parts(step) for seed, step in ((0, 3), (0, 3), (0, 4)))
    assert first.ids.equal(again.ids) and first.targets.equal(again.targets)
    assert not first.targets.equal(other.targets)
    assert (first.ids.numpy()[:, -1] == END).all() and (first.targets.numpy()[:, -1] == END).all()
    assert first.tokens == read().tokens(3) == 8 * 40
    assert [len(part.ids) for part in read().parts(0, 3)] == [3, 3, 2]


def test_each_line_is_a_source_a_tab_and_its_target():
    text = np.concatenate([[1, 2, 500, 3, END], [4, 500, 5, 6, 500, END]] * 30)
    parts = read(text=text, lines=True, separator=500).parts(0)
    found = set()
    for part in parts:
        for source, target in zip(part.ids.numpy(), part.targets.numpy(), strict=True):
            found.add((*source[source != PADDING], 0, *target[target != IGNORED]))
    assert found == {(1, 2, END, 0, 3, END), (4, END, 0, 5, 6, 500, END)}
    with pytest.raises(UsageError, match="a line of the text has no tab"):
        read(text=np.array([1, 2, END] * 60), lines=True, separator=500).parts(0)
    with pytest.raises(UsageError, match="give --lines too"):
        read(separator=500)


def test_a_window_that_uses_up_the_sentinels_is_refused():
    assert read(Spans(0.15, 3.0, 21), window=400).parts(0)
    with pytest.raises(UsageError, match="needs 21 sentinels, and there are 20: raise --sentinels"):
        read(Spans(0.15, 3.0, 20), window=400)
