"""Labelled texts for tests: what a review says of a film tells its class."""

import numpy as np

from lmzoo.tasks.probing.datasets import TEST, TRAIN, ProbeSet

GOOD, BAD, REST = ("good", "fine", "great"), ("bad", "poor", "dull"), ("film", "plot", "cast", "score", "end")


def reviews(count=60, tested=40, seed=0, task="reviews", **more):
    """`count` reviews to learn from and `tested` others, a third of both good."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count + tested) % 3 == 0).astype(int)
    texts = [f"a {rng.choice(GOOD if y else BAD)} {rng.choice(REST)} and {rng.choice(REST)}" for y in labels]
    parts = np.repeat([TRAIN, TEST], [count, tested])
    return ProbeSet(task, (texts,), labels, parts, classes=("bad", "good"), **more)
