"""What a learner is given to learn from."""

import numpy as np

from lmzoo.tasks.finetuning.learner import hidden
from lmzoo.tasks.probing.datasets import TRAIN, ProbeSet, Split


def test_a_learner_sees_only_the_labels_that_it_may_learn_from_or_choose_by():
    texts = ["a", "b", "c", "d", "e"]
    examples = ProbeSet("toy", (texts,), np.array([2, 1, 0, 1, 0]), np.full(5, TRAIN), classes=("x", "y", "z"))
    seen = hidden(examples, Split(np.array([3]), np.array([0]), np.array([4])))
    assert seen.labels.tolist() == [2, 1, 1, 1, 1]  # of the second and third, too: they are not among the few labels
    assert seen.texts == (texts,)
