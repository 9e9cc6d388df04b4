"""What tests of several tasks share."""

import random

import pytest

from lmzoo.data import corpus, tokenizers
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data
from lmzoo.models.ngram import Ngram
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


@pytest.fixture(scope="session")
def treebank_5gram():
    """A 5-gram of the Penn Treebank (for tests that are marked `data`)."""
    treebank = corpus.load("ptb")
    words = tokenizers.train("split", treebank.train, lines=True)
    data = Data.of(words.encode(treebank.train), words.encode(treebank.valid), words.vocab_size)
    return TextModel(Ngram(order=5).fit(data), words)
