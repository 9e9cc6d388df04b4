"""What a fine-tuned network is compared with."""

import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.sparse import csr_array, csr_matrix

from lmzoo.data import tokenizers
from lmzoo.errors import UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data, Progress
from lmzoo.tasks.finetuning import baselines
from lmzoo.tasks.finetuning.baselines import Frozen, Majority, NaiveBayesSvm, PooledVectors, TfIdf
from lmzoo.tasks.finetuning.learner import hidden
from lmzoo.tasks.finetuning.trials import trial
from lmzoo.tasks.probing import datasets
from lmzoo.tasks.probing.datasets import TEST, TRAIN, ProbeSet
from tests.tasks.finetuning.examples import BAD, GOOD, reviews
from tests.tasks.models import Table


def predicted(learner, examples, labels=40, poison=False):
    some = trial(examples, (labels,), (1,))
    split, whole = some.split(labels, 1), some.examples
    if poison:
        unseen = np.setdiff1d(np.arange(len(whole.labels)), split.train_and_valid)
        wrong = whole.labels.copy()
        wrong[unseen] = 1 - wrong[unseen]
        whole = replace(whole, labels=wrong)
    found = learner.predict(hidden(whole, split), split, 1, Progress())
    return found, float((found.values == some.examples.labels[split.test]).mean())


def text_model(examples):
    words = tokenizers.train("word:50", " ".join(examples.texts[0]))
    return TextModel(Table(width=8).fit(Data.of([0], [], words.vocab_size)), words)


def learners():
    words = (*GOOD, *BAD, "film", "a")
    matrix = np.array([[word in GOOD, word in BAD, 1.0] for word in words])
    rows = {word: n for n, word in enumerate(words)}
    return [
        Majority(), TfIdf(), NaiveBayesSvm(), PooledVectors("vectors", matrix, rows, "digest"),
        Frozen("frozen", text_model(reviews()), None),
    ]  # fmt: skip


@pytest.mark.parametrize("learner", learners(), ids=lambda learner: learner.name)
def test_test_labels_choose_nothing(learner):
    found, _ = predicted(learner, reviews())
    poisoned, _ = predicted(learner, reviews(), poison=True)
    assert (found.values == poisoned.values).all() and found.facts == poisoned.facts


@pytest.mark.parametrize("learner", learners()[1:], ids=lambda learner: learner.name)
def test_what_a_word_tells_is_learned(learner):
    _, accuracy = predicted(learner, reviews())
    assert accuracy > (0.85 if learner.name == "frozen" else 0.95)  # of random vectors
    _, by_majority = predicted(Majority(), reviews())
    assert 0.6 < by_majority < 0.7


def test_the_ratio_of_naive_bayes_worked_out_by_hand():
    # Of the class: "good", "good fun"; of the other: "bad". The features are good, bad, fun.
    # p = 1 + (2, 0, 1) = (3, 1, 2), of 6; q = 1 + (0, 1, 0) = (1, 2, 1), of 4.
    rows = csr_matrix(np.array([[1.0, 0, 0], [1, 0, 1], [0, 1, 0]]))
    expected = np.log([(3 / 6) / (1 / 4), (1 / 6) / (2 / 4), (2 / 6) / (1 / 4)])
    np.testing.assert_allclose(baselines._ratio(rows, np.array([True, True, False])), expected)


def test_nbsvm_is_the_papers_on_a_small_example():
    """Wang & Manning 2012, equations 2 to 4, minimised by another program."""
    x = np.array([[1.0, 0, 0], [1, 0, 1], [0, 1, 0], [0, 1, 1]])
    y, test = np.array([1, 1, 0, 0]), np.array([[1.0, 1, 0], [0, 0, 1], [0, 1, 1]])
    r = baselines._ratio(csr_matrix(x), y == 1)

    def loss(w):
        margins = np.maximum(0, 1 - (2 * y - 1) * ((x * r) @ w))
        return w @ w / 2 + (margins**2).sum()

    w = minimize(loss, np.zeros(3), tol=1e-12).x
    unseen = np.zeros((4, 1)), np.ones((3, 1))  # a word of the test texts alone, which changes nothing
    scores = baselines.nbsvm(csr_array(np.hstack([x, unseen[0]])), y, csr_array(np.hstack([test, unseen[1]])), 3)
    np.testing.assert_allclose(scores[:, 1], (test * r) @ (0.75 * np.abs(w).mean() + 0.25 * w), atol=1e-3)
    assert (scores[:, 2] == -np.inf).all()  # a class of which no example was seen


@pytest.mark.data
@pytest.mark.parametrize(("name", "published"), [("cr", 0.8175), ("mpqa", 0.8632)])
def test_nbsvm_scores_what_its_authors_published(name, published):
    """Their results.txt, NBSVM-bigram: ten folds there, of which this is one."""
    some = trial(datasets.load(name)[0], (None,), (1,))
    split = some.split(some.whole, 1)
    found = NaiveBayesSvm().predict(hidden(some.examples, split), split, 1, Progress()).values
    assert (found == some.examples.labels[split.test]).mean() == pytest.approx(published, abs=0.025)


def test_of_one_class_nbsvm_knows_that_one():
    assert baselines.nbsvm(csr_array(np.eye(2)), np.array([1, 1]), csr_array(np.eye(2)), 2).argmax(axis=1).tolist() == [
        1,
        1,
    ]


def choices(count):
    """Which of three continuations has a good word."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, count)
    second = [[f"a {rng.choice(GOOD if n == y else BAD)} end" for y in labels] for n in range(3)]
    return ProbeSet(
        "choice", (["so"] * count, *second), labels, np.repeat([TRAIN, TEST], [count - 30, 30]), classes=("1", "2", "3")
    )


@pytest.mark.parametrize("learner", [TfIdf(), NaiveBayesSvm()], ids=lambda learner: learner.name)
def test_a_continuation_is_chosen_among_others(learner):
    _, accuracy = predicted(learner, choices(100))
    assert accuracy > (0.95 if learner.name == "NB-SVM" else 0.3)  # TF-IDF of a pair sees only words that both have


def test_words_have_their_most_frequent_tags():
    sentences = ["the cat", "the dog", "a cat", "a dog"] * 5
    tags = ProbeSet("tags", (sentences,), np.array([0, 1] * 20), np.repeat([TRAIN, TEST], [30, 10]), word_labels=True)
    assert predicted(TfIdf(), tags, 10)[1] == 1
    with pytest.raises(UsageError, match="it classifies texts, not words"):
        predicted(NaiveBayesSvm(), tags, 10)


def test_numbers_have_no_majority():
    numbers = replace(reviews(), labels=np.linspace(0, 1, 100), metric="Pearson", classes=())
    for learner, message in ((Majority(), "numbers have no majority class"), (NaiveBayesSvm(), "not numbers")):
        with pytest.raises(UsageError, match=message):
            predicted(learner, numbers)
    assert np.isfinite(predicted(TfIdf(), numbers)[0].values).all()


def test_words_without_a_vector_are_counted():
    some = PooledVectors("vectors", np.array([[1.0], [-1.0]]), {"good": 0, "bad": 1}, "digest")
    found, _ = predicted(
        some, replace(reviews(), texts=([re.sub("fine|great", "GOOD", t) for t in reviews().texts[0]],))
    )
    assert 0.7 < found.facts["words without a vector"] < 0.95


def test_a_model_without_vectors_is_refused():
    class Nothing(Table):
        def untrained(self, seed=0):
            return None

    words = tokenizers.train("word:50", "a b c")
    learner = Frozen(
        "untrained", TextModel(Nothing().fit(Data.of([0], [], words.vocab_size)), words), None, untrained=True
    )
    with pytest.raises(UsageError, match="there is no untrained"):
        _ = learner.settings
