"""Runs trained on a cluster are those of one process: same tokenizer, same model, same bits."""

import os
import signal

import numpy as np
import pytest

from lmzoo.data import corpus as corpora
from lmzoo.data import remote_corpus
from lmzoo.data.own_text import Paths
from lmzoo.interface import Run
from lmzoo.progress import Progress
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


class Killing(Progress):
    """Kills a worker when counting begins."""

    def __init__(self, client):
        self.client = client

    def task(self, name, total=None):
        if name == "counting n-grams":
            os.kill(next(iter(self.client.run(os.getpid).values())), signal.SIGKILL)
        return super().task(name, total)


def test_a_worker_killed_while_it_counts_a_text_that_only_workers_read(two_processes, source, tmp_path, monkeypatch):
    monkeypatch.setattr(two_processes, "progress", Killing(two_processes.client))
    for part in ("train", "valid", "test"):
        (tmp_path / part).write_text(getattr(source, part))
    paths = Paths(**{part: str(tmp_path / part) for part in ("train", "valid", "test")})
    settings = {"order": "2", "smoothing": "jelinek-mercer"}  # fits its weights on a text that it must not have counted
    here, run = corpora.load(paths, refit=True), Run(cluster=two_processes)
    alone = training.fit("ngram", settings, training.encode(here, "char", Run()), Run())
    there = remote_corpus.load(paths, two_processes, refit=True, lines=False)
    together = training.fit("ngram", settings, training.encode(there, "char", run), run)
    for key, array in together.model.arrays().items():
        np.testing.assert_array_equal(array, alone.model.arrays()[key], key)
