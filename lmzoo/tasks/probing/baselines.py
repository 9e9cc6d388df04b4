"""What a probe is compared with: the majority class, and a classical classifier that sees the words themselves."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from lmzoo.interface import Progress
from lmzoo.tasks.probing.datasets import ProbeSet, Split, splits
from lmzoo.tasks.probing.features import Candidate
from lmzoo.tasks.probing.probe import Array, Inputs, Outcome, refused, results, train_and_test
from lmzoo.tasks.result import TaskResult

MAJORITY, TFIDF = "majority class", "TF-IDF"


def baselines(sets: Sequence[ProbeSet], progress: Progress | None = None) -> dict[str, list[TaskResult]]:
    """The results of the majority class, and of TF-IDF (of words: their most frequent tags), on each of `sets`."""
    rows: dict[str, list[TaskResult]] = {MAJORITY: [], TFIDF: []}
    for examples in sets:
        if examples.is_regression:
            rows[MAJORITY] += refused(examples, "numbers have no majority class")
        else:
            predictions = [majority_class(examples, split) for split in splits(examples)]
            rows[MAJORITY] += results(examples, Outcome(np.concatenate(predictions), []))
        if examples.word_labels:
            (split,) = splits(examples)
            most_frequent = Outcome(most_frequent_tags(examples, split), [(("words", "most frequent tag"), 0.0)])
            rows[TFIDF] += results(examples, most_frequent)
        else:
            rows[TFIDF] += results(examples, train_and_test(tfidf(examples), examples, progress))
    return rows


def majority_class(examples: ProbeSet, split: Split) -> Array:
    """The most frequent class of the training examples, whatever the test example."""
    classes, counts = np.unique(examples.labels[split.train_and_valid], return_counts=True)
    return np.full(len(split.test), classes[counts.argmax()])


def most_frequent_tags(examples: ProbeSet, split: Split) -> Array:
    """For each test word its most frequent label in training; for unseen words, that of all words."""
    words = np.array(examples.words())
    learned = split.train_and_valid
    counts = Counter(zip(words[learned].tolist(), examples.labels[learned].tolist(), strict=True))
    label_of = {word: label for (word, label), _ in sorted(counts.items(), key=lambda item: item[1])}
    of_unseen = int(np.bincount(examples.labels[learned]).argmax())
    return np.array([label_of.get(word, of_unseen) for word in words[split.test].tolist()])


def tfidf(examples: ProbeSet) -> Inputs:
    """Words and pairs of neighbouring words of each text, weighted by TF-IDF: sparse rows (N, words)."""
    from scipy.sparse import hstack, vstack
    from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

    vectorizer = CountVectorizer(ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]+")
    vectorizer.fit(text for column in examples.texts for text in column)
    counts = [vectorizer.transform(column) for column in examples.texts]

    def inputs(training: Array) -> dict[Candidate, Any]:
        seen = np.flatnonzero(sum(column[training].sum(axis=0) for column in counts))  # no words of test texts alone
        transformer = TfidfTransformer(sublinear_tf=True).fit(vstack([column[training][:, seen] for column in counts]))
        u, *others = (transformer.transform(column[:, seen]) for column in counts)
        return {("words", "TF-IDF"): hstack([abs(u - others[0]), u.multiply(others[0])], "csr") if others else u}

    return inputs
