"""What tests of several tasks share."""

import random

import pytest

from lmzoo.data import corpus
from lmzoo.tasks import nbest

WORDS = [
    "the", "then", "cat", "cart", "sat", "sad", "set", "on", "in", "a", "an", "and", "mat", "dog", "log", "saw", "was",
]  # fmt: skip


@pytest.fixture(scope="session")
def own(tmp_path_factory):
    """A corpus of random sentences in which every word is frequent."""
    source = random.Random(0)
    sentences = [" ".join(source.choices(WORDS, k=source.randint(5, 9))) + "." for _ in range(1200)]
    path = tmp_path_factory.mktemp("own") / "sentences.txt"
    path.write_text("\n\n".join(" ".join(sentences[i : i + 3]) for i in range(0, 1200, 3)))
    return corpus.load(path)


@pytest.fixture(scope="session")
def lists(own):
    return nbest.make(own, lists=50, candidates=20, rate=0.3)
