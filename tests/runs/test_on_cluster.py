"""Runs trained on a cluster are those of one process: same tokenizer, same model, same bits."""

import numpy as np
import pytest

from lmzoo.data import corpus as corpora
from lmzoo.interface import Run
from lmzoo.runs import train as training
from tests import workers


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "words.txt"
    path.write_text(workers.text())
    return corpora.load(path)


@pytest.mark.parametrize(
    ("name", "settings", "spec"),
    [
        ("ngram", {"order": "3"}, "word:100"),
        ("pmi", {"window": "3", "subsample": "0.01"}, "split:min=3"),
        ("svd", {"preset": "tiny"}, "split:min=2"),
        ("glove", {"preset": "tiny", "epochs": "1"}, "word:50"),
    ],
)
def test_two_processes_give_the_model_of_one(two_processes, source, name, settings, spec):
    alone = training.fit(name, settings, training.encode(source, spec, Run()), Run())
    run = Run(cluster=two_processes)
    text = training.encode(source, spec, run)
    assert len(text.train.chunks) > 2
    together = training.fit(name, settings, text, run)
    assert together.text_model.tokenizer.to_json() == alone.text_model.tokenizer.to_json()
    assert together.provenance["training_tokens"] == alone.provenance["training_tokens"]
    expected = alone.model.arrays()
    assert together.model.arrays().keys() == expected.keys()
    for key, array in together.model.arrays().items():
        np.testing.assert_array_equal(array, expected[key], key)


def test_the_validation_text_is_counted_too_in_a_final_fit(two_processes, source):
    settings = {"order": "2", "smoothing": "jelinek-mercer"}  # fits its weights on a text that it must not have counted
    refitted = corpora.load(source.paths, refit=True)
    alone = training.fit("ngram", settings, training.encode(refitted, "char", Run()), Run())
    run = Run(cluster=two_processes)
    together = training.fit("ngram", settings, training.encode(refitted, "char", run), run)
    for key, array in together.model.arrays().items():
        np.testing.assert_array_equal(array, alone.model.arrays()[key], key)
