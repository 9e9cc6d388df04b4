"""Which labels are seen, and what is tested."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmzoo.errors import UsageError
from lmzoo.tasks.finetuning.trials import nested_order, trial
from lmzoo.tasks.probing.datasets import TEST, TRAIN, UNSPLIT, VALID, ProbeSet
from tests.tasks.finetuning.examples import reviews


def texts(trial, positions):
    return [trial.examples.texts[0][n] for n in positions]


@given(st.lists(st.integers(0, 3), min_size=2, max_size=60), st.integers(0, 99))
def test_every_beginning_has_each_class_as_often_as_the_whole(labels, seed):
    labels, pool = np.array(labels), np.arange(len(labels))
    order = nested_order(labels, pool, seed)
    assert sorted(order.tolist()) == pool.tolist()
    for size in range(1, len(pool) + 1):
        for one in np.unique(labels):
            expected = size * (labels == one).mean()
            # Of C classes each is less than one away from its share, and what the others are away, it may be too.
            assert abs((labels[order[:size]] == one).sum() - expected) < len(np.unique(labels))


def test_few_labels_are_among_the_many_and_a_fifth_is_to_choose_by():
    some = trial(reviews(), (10, 20, None), (1, 2))
    ten, twenty = some.split(10, 1), some.split(20, 1)
    assert (len(ten.train), len(ten.valid), len(twenty.train), len(twenty.valid)) == (8, 2, 16, 4)
    assert set(ten.train) < set(twenty.train) and set(ten.valid) < set(twenty.valid)
    assert set(ten.train_and_valid) != set(some.split(10, 2).train_and_valid)
    everything = some.split(60, 1)
    assert (len(everything.train), len(everything.valid)) == (54, 6)
    assert ten.test.tolist() == everything.test.tolist() == some.tested()["reviews"].tolist()


def test_of_all_labels_the_validation_part_is_to_choose_by():
    whole = reviews()
    parts = whole.parts.copy()
    parts[50:60] = VALID
    some = trial(replace(whole, parts=parts), (10, None), (1,))
    assert some.whole == 50
    assert texts(some, some.split(50, 1).valid) == whole.texts[0][50:60]
    assert not set(some.split(10, 1).train_and_valid) & set(some.split(50, 1).valid)


def test_without_a_split_the_first_of_ten_folds_is_tested():
    whole = reviews(100, 0)
    some = trial(replace(whole, parts=np.full(100, UNSPLIT)), (None,), (1,))
    assert (some.whole, len(some.tested()["reviews"])) == (90, 10)


def test_only_texts_that_are_read_stand_in_it():
    whole = reviews()
    some = trial(whole, (10,), (1, 2), limit=7)
    assert len(some.examples.labels) <= 2 * 10 + 7
    assert len(some.tested()["reviews"]) == 7
    assert set(texts(some, some.tested()["reviews"])) <= set(whole.texts[0][60:])
    for seed in (1, 2):
        split = some.split(10, seed)
        assert sorted(texts(some, split.train_and_valid)) == sorted(
            whole.texts[0][n] for n in nested_order(whole.labels, np.arange(60), seed)[:10]
        )


def test_words_of_a_sentence_stay_together():
    sentences = [" ".join(f"w{n}-{i}" for i in range(1 + n % 3)) for n in range(30)]
    sizes = [text.count(" ") + 1 for text in sentences]
    parts = np.repeat([TRAIN] * 20 + [TEST] * 10, sizes)
    tags = ProbeSet("tags", (sentences,), np.arange(sum(sizes)) % 2, parts, classes=("A", "B"), word_labels=True)
    some = trial(tags, (10,), (1,))
    split, words, owners = some.split(10, 1), some.examples.words(), some.examples.owners()
    assert [words[n] for n in split.test] == " ".join(sentences[20:]).split()
    assert len(np.unique(owners[split.train])) == 8
    for part in (split.train, split.valid):
        assert [words[n] for n in part] == [
            word for n in dict.fromkeys(owners[part]) for word in some.examples.texts[0][n].split()
        ]


def test_what_is_learned_on_one_set_can_be_tested_on_others():
    other = reviews(30, 20, seed=1, task="films")
    some = trial(reviews(), (10,), (1,), tested={"reviews": reviews(), "reviews → films": other})
    tested = some.tested()
    assert {name: len(places) for name, places in tested.items()} == {"reviews": 40, "reviews → films": 20}
    assert texts(some, tested["reviews → films"]) == other.texts[0][30:]
    assert some.examples.labels[tested["reviews → films"]].tolist() == other.labels[30:].tolist()
    assert some.split(10, 1).test.tolist() == [*tested["reviews"], *tested["reviews → films"]]
    with pytest.raises(UsageError, match="cannot be tested on films: its classes differ"):
        trial(reviews(), (10,), (1,), tested={"films": replace(other, classes=("no", "yes"))})


def test_classes_without_names_are_numbered():
    unnamed = replace(reviews(), classes=())
    assert trial(unnamed, (10,), (1,)).examples.classes == ("0", "1")


def test_one_label_is_too_few():
    with pytest.raises(UsageError, match="reviews has fewer than two labels to learn from"):
        trial(reviews(1, 5), (None,), (1,))
