"""Classifiers broken on purpose."""

import numpy as np
import pytest

from lmzoo.errors import UsageError
from tests.contract.right_models import NaiveBayes, failures, fault


class Unnormalised(NaiveBayes):
    """Joint log-probabilities instead of those given the text."""

    def class_log_probs(self, texts):
        return np.stack([self.log_prior_ + self.log_likelihood_[:, text].sum(axis=1) for (text,) in texts])


class SoftmaxOverTexts(NaiveBayes):
    """Normalises over the wrong axis."""

    def class_log_probs(self, texts):
        rows = super().class_log_probs(texts)
        return rows - np.logaddexp.reduce(rows, axis=0, keepdims=True)


class BatchPrior(NaiveBayes):
    """Shifts its scores by the mean of the batch."""

    def class_log_probs(self, texts):
        rows = super().class_log_probs(texts)
        rows = rows - 0.5 * rows.mean(axis=0)
        return rows - np.logaddexp.reduce(rows, axis=1, keepdims=True)


class SortedByLength(NaiveBayes):
    """Batches texts by their length and forgets to put the rows back."""

    def class_log_probs(self, texts):
        return super().class_log_probs(sorted(texts, key=lambda segments: len(segments[0])))


class AnyId(NaiveBayes):
    """Takes -1 for the last token."""

    def class_log_probs(self, texts):
        return super().class_log_probs([(np.clip(text, 0, self.vocab_size_ - 1),) for (text,) in texts])


class Contrary(NaiveBayes):
    """Prefers the class that fits least."""

    def class_log_probs(self, texts):
        rows = -super().class_log_probs(texts)
        return rows - np.logaddexp.reduce(rows, axis=1, keepdims=True)


class DropsAbsentClasses(NaiveBayes):
    """Has a column for each label that it has seen, not for each class."""

    def fit_labels(self, examples, valid, run=None):
        super().fit_labels(examples, valid, run)
        seen = np.unique(examples.labels)
        self.log_prior_, self.log_likelihood_ = self.log_prior_[seen], self.log_likelihood_[seen]
        return self


class RefusesAbsentClassesVaguely(NaiveBayes):
    """Says that a class is missing, and not which."""

    def fit_labels(self, examples, valid, run=None):
        if len(np.unique(examples.labels)) < len(examples.classes):
            raise UsageError("some class has no examples")
        return super().fit_labels(examples, valid, run)


class Unrepeatable(NaiveBayes):
    """Ignores the seed when it learns from labels."""

    def fit_labels(self, examples, valid, run=None):
        super().fit_labels(examples, valid, run)
        self.log_prior_ = self.log_prior_ + np.random.default_rng().random(len(self.log_prior_))
        return self


class Forgetful(NaiveBayes):
    """Does not save its prior."""

    def arrays(self):
        return super().arrays() | {"log_prior": np.zeros_like(self.log_prior_)}

    def fit_labels(self, examples, valid, run=None):
        super().fit_labels(examples, valid, run)
        self.log_prior_ = np.log([0.7, 0.2, 0.1, *[0.1] * len(examples.classes)][: len(examples.classes)])
        return self


class Relabels(NaiveBayes):
    """Changes the labels that it was given."""

    def fit_labels(self, examples, valid, run=None):
        super().fit_labels(examples, valid, run)
        examples.labels[0] = 2
        return self


class Eager(NaiveBayes):
    """Classifies before it has seen a label."""

    def class_log_probs(self, texts):
        if "log_prior_" not in vars(self):
            return np.zeros((len(texts), 1))
        return super().class_log_probs(texts)


MUTANTS = [
    (Unnormalised, "classes_sum_to_one", "the probabilities sum to"),
    (SoftmaxOverTexts, "classes_sum_to_one", "the probabilities sum to"),
    (BatchPrior, "texts_classified_together", "statistic of the batch"),
    (SortedByLength, "order_of_examples_does_not_matter", "sorted by length"),
    (AnyId, "bad_text_id_is_named", "check_ids"),
    (Contrary, "beats_chance", "guessing among 3 classes"),
    (DropsAbsentClasses, "class_without_examples", "(5, 4)"),
    (RefusesAbsentClassesVaguely, "class_without_examples", "does not name the class, 'absent'"),
    (Unrepeatable, "same_seed", "as a Classifier"),
    (Forgetful, "saves_and_loads", "as a Classifier"),
    (Relabels, "fit_labels", "changed the labels"),
    (Eager, "unfitted_says_so", "Classifier before fit"),
]


def test_the_model_that_is_broken_here_is_right():
    assert failures(NaiveBayes) == {}


@pytest.mark.parametrize(("broken", "check", "teaches"), MUTANTS)
def test_a_broken_model_is_caught_by_name(broken, check, teaches):
    assert teaches in fault(broken, check)


def test_a_class_without_examples_may_be_refused_by_name():
    class Refuses(NaiveBayes):
        def fit_labels(self, examples, valid, run=None):
            for label, name in enumerate(examples.classes):
                if label not in examples.labels:
                    raise UsageError(f"the class {name!r} has no examples to learn from")
            return super().fit_labels(examples, valid, run)

    assert failures(Refuses) == {}
