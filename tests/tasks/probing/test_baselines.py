"""Baselines: the majority class, TF-IDF and most frequent tags, by hand and against published figures."""

import numpy as np
import pytest

from lmzoo.tasks.probing import baselines, datasets
from lmzoo.tasks.probing.datasets import TEST, TRAIN, VALID, ProbeSet, splits
from lmzoo.tasks.probing.probe import results, train_and_test

N = 600
LABELS = np.random.default_rng(0).integers(0, 2, N)
SPLIT = np.repeat([TRAIN, VALID, TEST], [300, 100, 200])


def examples(labels=LABELS, parts=SPLIT, texts=None, **more):
    texts = texts or ([f"text {n}" for n in range(len(labels))],)
    return ProbeSet("toy", texts, np.asarray(labels), np.asarray(parts), **more)


def test_the_majority_class_is_that_of_the_training_examples():
    labels = np.where(SPLIT == TEST, 0, LABELS)
    labels[:5] = 1
    labels[SPLIT == TRAIN] |= np.arange(300) % 3 == 0
    some = examples(labels)
    result = baselines.baselines([some])[baselines.MAJORITY][0]
    assert (result.value, result.chance) == (0, 1)


def test_words_and_their_pairs_tell_texts_apart():
    text = [("not bad", "bad")[y] + f" thing {n % 7}" for n, y in enumerate(LABELS)]
    some = examples(texts=(text,))
    assert results(some, train_and_test(baselines.tfidf(some), some))[0].value == 1


def test_nothing_is_known_of_words_that_only_the_tested_texts_have():
    some = examples(texts=([f"{'good' if y else 'bad'}{'' if part != TEST else '!x'}y" for y, part in
                            zip(LABELS, SPLIT, strict=True)],))  # fmt: skip
    rows = baselines.tfidf(some)(np.flatnonzero(SPLIT != TEST))["words", "TF-IDF"]
    assert rows[np.flatnonzero(SPLIT == TEST)].nnz == 0


def test_pairs_of_texts_are_told_apart_by_the_words_that_differ():
    first = [f"a {'cat' if n % 3 else 'dog'} sat" for n in range(N)]
    second = [text if y else text.replace("sat", "ran") for text, y in zip(first, LABELS, strict=True)]
    some = examples(texts=(first, second))
    assert results(some, train_and_test(baselines.tfidf(some), some))[0].value == 1


def test_a_word_has_its_most_frequent_tag_and_a_new_one_that_of_all():
    texts = (["a a b", "a b b", "a b c"],)
    tags = [0, 0, 1, 1, 1, 1, 0, 1, 0]
    some = examples(tags, [TRAIN] * 3 + [VALID] * 3 + [TEST] * 3, texts, word_labels=True)
    (split,) = splits(some)
    assert baselines.most_frequent_tags(some, split).tolist() == [0, 1, 1]


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "published", "within"),
    [
        ("trec", 0.874, 0.01),  # Zhang & Lee 2003: one on n-grams
        ("sst2", 0.806, 0.013),  # Socher et al. 2013, table 1, on words: halfway from one, 79.4, to naive Bayes, 81.8
    ],
)
def test_words_score_what_others_published(name, published, within):
    (sentences,) = datasets.load(name)
    found = results(sentences, train_and_test(baselines.tfidf(sentences), sentences))[0]
    assert abs(found.value - published) < within
