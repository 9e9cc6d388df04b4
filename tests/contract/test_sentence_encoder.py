"""Sentence encoders broken on purpose."""

import numpy as np
import pytest

from tests.contract.right_models import BagOfTokens, failures, fault


class OneVector(BagOfTokens):
    """The vector of all texts together."""

    def encode_texts(self, texts):
        return super().encode_texts(texts).mean(axis=0)


class MeanOfNothing(BagOfTokens):
    """Divides an empty text by its length."""

    def encode_texts(self, texts):
        with np.errstate(invalid="ignore"):
            return np.stack([self.counts_[text].sum(axis=0) / np.float64(len(text)) for text in texts])


class Noisy(BagOfTokens):
    """Dropout that was left on."""

    def encode_texts(self, texts):
        return super().encode_texts(texts) + np.random.default_rng().random()


class Standardised(BagOfTokens):
    """Subtracts the mean of the batch."""

    def encode_texts(self, texts):
        rows = super().encode_texts(texts)
        return rows - rows.mean(axis=0)


class SortedByLength(BagOfTokens):
    """Batches texts by their length and forgets to put the rows back."""

    def encode_texts(self, texts):
        return super().encode_texts(sorted(texts, key=len))


MUTANTS = [
    (OneVector, "encodings_are_rows", "not (5, D)"),
    (MeanOfNothing, "encodings_are_rows", "a mean over no tokens"),
    (Noisy, "encodings_are_rows", "dropout"),
    (Standardised, "texts_encoded_together", "statistic of the batch"),
    (SortedByLength, "order_of_texts_does_not_matter", "sorted by length"),
]


def test_the_model_that_is_broken_here_is_right():
    assert failures(BagOfTokens) == {}


@pytest.mark.parametrize(("broken", "check", "teaches"), MUTANTS)
def test_a_broken_model_is_caught_by_name(broken, check, teaches):
    assert teaches in fault(broken, check)
