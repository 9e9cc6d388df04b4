"""The order in which a text is read: everything once a pass, from the seed and the step alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmzoo.errors import UsageError
from lmzoo.neural.training import batches
from lmzoo.neural.training.batches import IGNORED, Lines, Streams, Windows
from lmzoo.neural.training.parallel import Parallel, Replicated

END = 10_000


@st.composite
def shapes(draw):
    """(tokens, batch, window) that fit."""
    batch, window = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    return draw(st.integers(batch * window, 12 * batch * window + 7)), batch, window


def text(tokens):
    """Ids that say where they stand."""
    return np.arange(tokens, dtype=np.int32)


@given(shapes(), st.integers(0, 99))
def test_streams_predict_contiguous_tokens_each_once_a_pass(shape, seed):
    tokens, batch, window = shape
    read = Streams(text(tokens), END, batch, window, seed, Parallel())
    steps = [read(step) for step in range(read.steps_per_pass)]
    targets = np.concatenate([step.targets.numpy() for step in steps], axis=1)  # (B, a pass)
    assert (np.diff(targets, axis=1) == 1).all()
    assert len(np.unique(targets)) == targets.size
    assert targets.size > tokens - batch * 2 * window
    for step in steps:
        before, after = step.ids.numpy(), step.targets.numpy()
        assert (before[:, 1:] == after[:, :-1]).all()
        assert (before[:, 0] == np.where(after[:, 0] == 0, END, after[:, 0] - 1)).all()


@given(shapes(), st.integers(0, 99))
def test_streams_are_fresh_at_the_start_of_each_pass_only(shape, seed):
    tokens, batch, window = shape
    read = Streams(text(tokens), END, batch, window, seed, Parallel())
    assert [read(step).fresh for step in range(2 * read.steps_per_pass)] == 2 * [
        True,
        *[False] * (read.steps_per_pass - 1),
    ]


def test_streams_cut_each_pass_elsewhere():
    read = Streams(text(1000), END, 2, 8, 0, Parallel())
    begins = {int(read(number * read.steps_per_pass).targets[0, 0]) for number in range(50)}
    assert begins == set(range(8))


@given(shapes(), st.integers(0, 99), st.integers(0, 4))
def test_windows_are_drawn_once_a_pass_each_with_its_left_context(shape, seed, lead):
    tokens, batch, window = shape
    read = Windows(text(tokens), END, batch, window, lead, seed, Parallel())
    steps = [read(step) for step in range(-(-2 * read.count // batch))]
    targets = np.concatenate([step.targets.numpy() for step in steps])
    for one_pass in (targets[: read.count], targets[read.count : 2 * read.count]):
        starts = np.sort(one_pass[:, 0])
        assert (np.diff(starts) == window).all()
        assert (np.diff(one_pass, axis=1) == 1).all()
        assert read.count * window > tokens - 2 * window
    for step in steps:
        expected = step.targets.numpy()[:, :1] + np.arange(-1 - lead, window - 1)
        assert np.array_equal(step.ids.numpy(), np.where(expected < 0, END, expected))
        assert step.fresh


def test_windows_come_in_another_order_in_each_pass():
    read = Windows(text(1000), END, 10, 10, 0, 0, Parallel())
    first, second = ([int(read(step).targets[0, 0]) for step in range(n, n + 9)] for n in (0, 9))
    assert first != sorted(first)
    assert np.argsort(first).tolist() != np.argsort(second).tolist()


def test_windows_are_cut_elsewhere_in_each_pass():
    read = Windows(text(100), END, 1, 5, 0, 0, Parallel())
    assert {int(read(number * read.count).targets[0, 0]) % 5 for number in range(50)} == set(range(5))


def test_more_windows_than_can_be_shuffled_are_drawn_independently(monkeypatch):
    monkeypatch.setattr(batches, "LARGEST_SHUFFLE", 10)
    read = Windows(text(60), END, 4, 5, 0, 0, Parallel())
    starts = [int(start) for step in range(500) for start in read(step).targets[:, 0]]
    assert set(starts) == set(range(60 - 5 + 1))


@given(shapes(), st.integers(0, 99), st.lists(st.integers(0, 60), min_size=1, max_size=6), st.booleans())
def test_a_batch_depends_on_the_seed_and_the_step_alone(shape, seed, steps, carried):
    tokens, batch, window = shape

    def order():
        if carried:
            return Streams(text(tokens), END, batch, window, seed, Parallel())
        return Windows(text(tokens), END, batch, window, 2, seed, Parallel())

    used = order()
    for step in steps:
        new = order()(step)
        assert (used(step).ids == new.ids).all()
        assert (used(step).targets == new.targets).all()


def test_another_seed_gives_other_batches():
    for order in (
        lambda seed: Streams(text(3000), END, 3, 16, seed, Parallel()),
        lambda seed: Windows(text(3000), END, 3, 16, 0, seed, Parallel()),
    ):
        assert len({tuple(order(seed)(0).targets[:, 0].tolist()) for seed in range(5)}) > 1


@given(shapes(), st.integers(1, 3), st.integers(0, 30), st.booleans())
def test_the_rows_of_all_processes_are_the_batch_of_one(shape, processes, step, carried):
    tokens, batch, window = shape
    tokens *= processes

    def order(batch, parallel):
        if carried:
            return Streams(text(tokens), END, batch, window, 1, parallel)
        return Windows(text(tokens), END, batch, window, 3, 1, parallel)

    alone = order(batch * processes, Parallel())(step)
    parts = [order(batch, Replicated(rank, processes))(step) for rank in range(processes)]
    assert np.array_equal(alone.ids, np.concatenate([part.ids for part in parts]))
    assert np.array_equal(alone.targets, np.concatenate([part.targets for part in parts]))


@pytest.mark.parametrize(
    ("batch", "window", "words"),
    [
        (1, 101, "window of 101 tokens is longer than the training text, which has 100"),
        (11, 10, "batch of 11 windows of 10 tokens is more than the training text.* at most 10 such"),
        (0, 10, "at least 1"),
        (4, 0, "at least 1"),
        (-1, 10, "at least 1"),
    ],
)
def test_a_batch_or_window_that_does_not_fit_the_text_is_an_error_in_one_line(batch, window, words):
    for make in (
        lambda: Streams(text(100), END, batch, window, 0, Parallel()),
        lambda: Windows(text(100), END, batch, window, 0, 0, Parallel()),
    ):
        with pytest.raises(UsageError, match=words) as caught:
            make()
        assert "\n" not in str(caught.value)


# ── Lines ──


@st.composite
def lines(draw):
    """Lines of ids that say where they stand; each ends with END, but perhaps the last."""
    lengths = draw(st.lists(st.one_of(st.integers(1, 9), st.integers(1, 60)), min_size=1, max_size=40))
    ids = text(sum(lengths))
    ids[np.cumsum(lengths)[: len(lengths) - draw(st.integers(0, 1))] - 1] = END
    return ids


def pieces(ids, room):
    """The lines, those of more than `room` tokens cut there: what is read from the start state."""
    whole = [line for line in np.split(ids, np.flatnonzero(ids == END) + 1) if len(line)]
    return [line[i : i + room] for line in whole for i in range(0, len(line), room)]


def read_whole(parts, context):
    """What each row reads before its targets, and all of its targets, put together from the parts."""
    found = []
    for part in parts:
        rows = [row[row != IGNORED].tolist() for row in part.targets.numpy()]
        before = part.ids.numpy()
        if part.fresh:
            assert (before[:, : context + 1] == END).all()  # the start state, and nothing of another line
            fresh, found = len(found), [*found, *([] for _ in rows)]
        for n, row in enumerate(rows):
            known = [*[END] * (context + 1), *found[fresh + n], *row]
            assert before[n, : context + len(row)].tolist() == known[-(context + len(row) + 1) : -1]
            found[fresh + n] += row
    return found


@given(lines(), st.integers(1, 4), st.integers(1, 6), st.integers(0, 3), st.integers(1, 3), st.integers(0, 99))
def test_lines_are_read_whole_each_once_a_pass_from_the_start_state(ids, batch, window, context, count, seed):
    read = Lines(ids, END, batch, window, context, seed, Parallel())
    for begin in (0, read.steps_per_pass):
        steps = [read.parts(begin + step, count) for step in range(read.steps_per_pass)]
        assert all(steps)
        lines_read = [line for parts in steps for line in read_whole(parts, context)]
        assert sorted(lines_read) == sorted(line.tolist() for line in pieces(ids, batch * window))
        for number, parts in enumerate(steps):
            assert sum(part.tokens for part in parts) == read.tokens(begin + number) <= 3 * batch * window
            for part in parts:
                assert part.targets.shape[1] <= window
                assert part.targets.numel() <= max(window, -(-batch * window // count))
    assert round(read.steps_per_pass * read.tokens_per_step) == len(ids)


@given(lines(), st.integers(1, 4), st.integers(1, 6), st.integers(2, 3), st.integers(0, 9))
def test_the_lines_of_all_processes_are_those_of_one(ids, batch, window, processes, step):
    cut = pieces(ids, batch * window)
    if len(cut) < processes:
        with pytest.raises(UsageError, match="lines are too few"):
            Lines(ids, END, batch, window, 0, 1, Replicated(0, processes))
        return
    every = [Lines(ids, END, batch, window, 0, 1, Replicated(rank, processes)) for rank in range(processes)]
    read = [read_whole(one.parts(step), 0) for one in every]
    assert all(read)  # a process without lines would wait for the others for ever
    assert sum(len(line) for own in read for line in own) == every[0].tokens(step)
    assert sorted(map(len, read))[-1] - sorted(map(len, read))[0] <= 1


def test_lines_come_in_another_order_in_each_pass_and_with_each_seed():
    ids = np.tile(np.array([1, 2, 3, END]), 500) + np.repeat(np.arange(500), 4) * np.tile([1, 1, 1, 0], 500)

    def order(seed, number):
        read = Lines(ids, END, 4, 8, 0, seed, Parallel())
        steps = range(number * read.steps_per_pass, (number + 1) * read.steps_per_pass)
        return tuple(line[0] for step in steps for line in read_whole(read.parts(step), 0))

    assert len({order(0, 0), order(0, 1), order(1, 0)}) == 3
    assert order(0, 1) == order(0, 1)
