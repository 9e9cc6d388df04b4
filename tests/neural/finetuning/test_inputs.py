"""What a network reads of labelled texts: Radford et al. 2018, figure 1."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmzoo.errors import UsageError
from lmzoo.neural.finetuning.inputs import Form, Labelled, Passes
from lmzoo.neural.training.parallel import Parallel

V = 10
START, DELIMITER, EXTRACT = V, V + 1, V + 2


def ids(*tokens):
    return np.array(tokens, dtype=np.int32)


def form(name="joined", markers="new", longest=12, cut="start"):
    return Form(name, markers, V, longest, cut)


def read(*texts, **how):
    return [one.tolist() for one in form(**how).read(texts).ids]


def test_the_transformations_of_figure_1():
    a, b, c = ids(1, 2), ids(3), ids(4, 5)
    assert read(a) == [[START, 1, 2, EXTRACT]]
    assert read(a, b) == [[START, 1, 2, DELIMITER, 3, EXTRACT]]
    assert read(a, b, name="both") == [
        [START, 1, 2, DELIMITER, 3, EXTRACT],
        [START, 3, DELIMITER, 1, 2, EXTRACT],
    ]
    assert read(a, b, c, name="choice") == [
        [START, 1, 2, DELIMITER, 3, EXTRACT],
        [START, 1, 2, DELIMITER, 4, 5, EXTRACT],
    ]


def test_end_may_stand_for_all_markers_and_there_may_be_none():
    assert read(ids(1, 2), ids(3), markers="end") == [[9, 1, 2, 9, 3, 9]]
    assert read(ids(1, 2), ids(3), markers="none") == [[1, 2, 3]]


def test_of_an_empty_text_something_is_read_all_the_same():
    assert read(ids()) == [[START, EXTRACT]]
    assert read(ids(), markers="none") == [[9]]


def test_a_long_text_is_cut_at_the_end_that_is_said():
    text = ids(0, 1, 2, 3, 4, 5, 6, 7)
    assert read(text, longest=5) == [[START, 5, 6, 7, EXTRACT]]
    assert read(text, longest=5, cut="end") == [[START, 0, 1, 2, EXTRACT]]
    assert [form(longest=n).read((text,)).cut for n in (9, 10)] == [True, False]


def test_of_a_pair_the_longer_text_is_cut_first():
    long, short = ids(*range(9)), ids(7, 8)
    assert read(long, short, longest=9, cut="end") == [[START, 0, 1, 2, 3, DELIMITER, 7, 8, EXTRACT]]
    assert read(short, long, longest=9, cut="end") == [[START, 7, 8, DELIMITER, 0, 1, 2, 3, EXTRACT]]


@given(
    st.lists(st.lists(st.integers(0, V - 1), max_size=20), min_size=1, max_size=2),
    st.integers(4, 30),
    st.sampled_from(["new", "end", "none"]),
    st.sampled_from(["start", "end"]),
)
@settings(deadline=None)
def test_no_sequence_is_longer_than_is_read_and_none_is_shorter_than_need_be(texts, longest, markers, cut):
    parts, marks = [ids(*text) for text in texts], 0 if markers == "none" else len(texts) + 1
    ((sequence,), _, was_cut) = form(markers=markers, longest=longest, cut=cut).read(tuple(parts))
    total = sum(map(len, parts)) + marks
    assert len(sequence) == max(1, min(total, longest))
    assert was_cut == (total > longest)


def test_words_are_read_at_their_last_tokens_and_those_left_out_at_the_edge():
    text, ends = ids(0, 1, 2, 3, 4, 5), np.array([1, 3, 5])
    assert form("tags").read((text, ends)).places.tolist() == [2, 4, 6]  # behind [start]
    assert form("tags", longest=4).read((text, ends)).places.tolist() == [1, 1, 3]  # of [start] 3 4 5
    assert form("tags", longest=4, cut="end").read((text, ends)).places.tolist() == [2, 3, 3]  # of [start] 0 1 2


def test_an_id_outside_the_vocabulary_is_named():
    with pytest.raises(UsageError, match="token id 10 at position 1"):
        form().read((ids(3, 10),))


def test_labels_and_texts_are_counted():
    with pytest.raises(UsageError, match="there are 3 labels for 2 texts"):
        Labelled(form(), [(ids(1),), (ids(2),)], np.array([0, 1, 0]))


# ── Batches ───────────────────────────────────────────────────────────────────────────────────────


def labelled(count, seed=0):
    rng = np.random.default_rng(seed)
    texts = [(rng.integers(0, V, rng.integers(0, 9)),) for _ in range(count)]
    return Labelled(form(), texts, np.arange(count))


def test_every_example_is_read_once_a_pass_in_another_order_each_time():
    passes = Passes(labelled(45), batch=8, seed=1, parallel=Parallel())
    assert passes.steps_per_pass == 6
    steps = range(2 * passes.steps_per_pass)
    read = [label for step in steps for part in passes.parts(step) for label in part.labels.tolist()]
    first, second = read[:45], read[45:]
    assert sorted(first) == sorted(second) == list(range(45))
    assert first != second


def test_a_batch_depends_on_seed_and_step_alone():
    one, other = (Passes(labelled(45), 8, seed, Parallel()) for seed in (1, 1))
    later = other.parts(9)[0].labels.tolist()  # never asked for before, nor any step before it
    assert [one.parts(n) for n in range(9)] and one.parts(9)[0].labels.tolist() == later
    assert Passes(labelled(45), 8, 2, Parallel()).parts(9)[0].labels.tolist() != later


def test_texts_of_similar_length_share_a_batch():
    examples = labelled(400)
    passes = Passes(examples, 16, 0, Parallel())
    padded = sum(passes.parts(n)[0].ids.numel() for n in range(passes.steps_per_pass))
    assert padded < 1.15 * examples.lengths.sum()


def test_parts_of_a_batch_are_the_batch():
    passes = Passes(labelled(10), 10, 0, Parallel())
    (whole,) = passes.parts(0)
    assert [label for part in passes.parts(0, 3) for label in part.labels.tolist()] == whole.labels.tolist()
    assert passes.tokens(0) == whole.tokens == 10


def test_tags_are_found_in_a_padded_batch():
    texts = [(ids(1, 2, 3), np.array([0, 2])), (ids(4, 5, 6, 7, 8), np.array([4]))]
    batch = Labelled(form("tags"), texts, np.array([7, 8, 9])).batch([0, 1])
    assert batch.ids.flatten()[batch.places].tolist() == [1, 3, 8]
    assert batch.labels.tolist() == [7, 8, 9]


def test_several_processes_are_refused():
    with pytest.raises(UsageError, match="without torchrun"):
        Passes(labelled(4), 2, 0, Parallel(rank=0, size=2))
