"""A network as a row of the table: what it is given of each kind of examples, and in what order it answers."""

import numpy as np
import pytest

from lmzoo.data import tokenizers
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data, Progress, Run
from lmzoo.tasks.finetuning.networks import NetworkLearner, encoded
from lmzoo.tasks.probing.datasets import ProbeSet, Split
from tests.neural.networks import network

WORDS = [letter * 2 for letter in "abcdefgh"]
TEXT = " ".join(WORDS * 40) + " "


@pytest.fixture(scope="module")
def text_model():
    tokenizer = tokenizers.train("word:20", TEXT)
    ids = tokenizer.encode(TEXT)
    return TextModel(
        network("lstm").fit(Data.of(ids, ids, tokenizer.vocab_size), Run(steps=5, device="cpu")), tokenizer
    )


def learner(text_model, scratch=False, **tuning):
    run = Run(steps=40, device="cpu", precision="float32")
    return NetworkLearner("lstm", text_model, "digest", {"learning_rate": 0.02, **tuning}, scratch, run)


def of_texts(*columns, labels, **more):
    return ProbeSet("task", columns, np.asarray(labels), np.zeros(len(labels), int), **more)


def sentences(count, seed=0):
    rng = np.random.default_rng(seed)
    return [" ".join(WORDS[n] for n in rng.integers(8, size=rng.integers(2, 6))) for _ in range(count)]


TAGS = sentences(30)
WORD_LABELS = of_texts(
    TAGS,
    labels=[int(word > "d") for text in TAGS for word in text.split(" ")],
    classes=("early", "late"),
    word_labels=True,
)
ALL_WORDS = np.arange(len(WORD_LABELS.labels))


def test_words_are_answered_in_the_order_that_is_asked(text_model):
    owners = np.repeat(np.arange(30), [len(text.split(" ")) for text in TAGS])
    train, valid, test = (np.flatnonzero(np.isin(owners, texts)) for texts in (range(20), range(20, 25), range(25, 30)))
    shuffled = np.random.default_rng(0).permutation(test)
    predicted = learner(text_model).predict(WORD_LABELS, Split(train, valid, shuffled), 0, Progress())
    assert np.mean(predicted.values == WORD_LABELS.labels[shuffled]) > 0.9


def test_a_choice_and_a_pair_are_read_as_such(text_model):
    a, b, c = (sentences(12, seed) for seed in (1, 2, 3))
    choice = of_texts(a, b, c, labels=[0, 1] * 6)
    pair = of_texts(a, b, labels=[0, 1] * 6, classes=("no", "yes"))
    split = Split(np.arange(8), np.arange(8, 10), np.arange(10, 12))
    for examples, form, reads in ((choice, "choice", 3), (pair, "joined", 2)):
        model = learner(text_model).learned(examples, split.train, split.valid, 0, Progress())
        assert (model.form, model.reads_) == (form, reads)
    assert learner(text_model, form="both").learned(pair, split.train, split.valid, 0, Progress()).form == "both"


def test_from_scratch_is_another_row_with_other_first_weights(text_model):
    one, other = learner(text_model), learner(text_model, scratch=True)
    assert one.settings != other.settings
    texts = of_texts(sentences(20), labels=[0, 1] * 10, classes=("no", "yes"))
    train, valid = np.arange(16), np.arange(16, 20)
    models = [row.learned(texts, train, valid, 1, Progress()) for row in (one, other)]  # the run itself has seed 0
    first = text_model.model.arrays()["net.embedding.weight"]
    moved = [np.abs(model.arrays()["net.network.embedding.weight"] - first).mean() for model in models]
    assert moved[0] < 0.2 < moved[1]


def test_each_word_is_read_at_its_last_token(text_model):
    (ids, places), *_ = encoded(text_model, WORD_LABELS, ALL_WORDS).texts
    assert [text_model.tokenizer.decode(ids[: place + 1]).split(" ")[-1] for place in places] == TAGS[0].split(" ")
