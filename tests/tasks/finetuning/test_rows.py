"""The rows of a table, networks among them."""

from dataclasses import replace

import numpy as np
import pytest

from lmzoo.data import tokenizers
from lmzoo.errors import UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data, Progress, Run
from lmzoo.models.lstm import LSTM
from lmzoo.models.uniform import Uniform
from lmzoo.neural.training.config import Training
from lmzoo.tasks.finetuning import rows
from lmzoo.tasks.finetuning.learner import hidden
from lmzoo.tasks.finetuning.rows import Pretrained, Rows
from lmzoo.tasks.finetuning.trials import trial
from tests.tasks.finetuning.examples import reviews


@pytest.fixture(scope="module")
def runs():
    words = tokenizers.train("word:50", " ".join(reviews().texts[0]))
    ids = words.encode(" ".join(reviews().texts[0]))
    data = Data.of(ids, ids[:50], words.vocab_size)
    network = LSTM(hidden=8, embedding=6, training=Training(batch=4, window=8)).fit(data, Run(steps=2))
    models = {"net": network, "none": Uniform().fit(data)}
    return [Pretrained(name, TextModel(model, words), name, model.family) for name, model in models.items()]


def test_a_network_has_more_rows_than_what_cannot_be_fine_tuned(runs):
    names = [row.name for row in rows.of_runs(runs, {}, Run(), Rows(untrained=True), None)]
    assert names == [
        "net, fine-tuned", "net, from scratch", "net, frozen", "net, untrained, frozen", "none, frozen",
        "none, untrained, frozen",
    ]  # fmt: skip
    few = rows.of_runs(runs, {}, Run(), Rows(scratch=False, frozen=False), None)
    assert [row.name for row in few] == ["net, fine-tuned"]


def test_rows_differ_in_their_settings(runs):
    made = rows.of_runs(runs[:1], {}, Run(), Rows(untrained=True), None)
    made += rows.of_runs(runs[:1], rows.tuning({"epochs": "7"}), Run(), Rows(scratch=False, frozen=False), None)
    assert len({str(row.settings) for row in made}) == len(made) == 5


def test_test_labels_choose_nothing_in_a_network(runs):
    tuning = rows.tuning({"epochs": "1", "least_steps": "5", "batch": "8"})
    for learner in rows.of_runs(runs[:1], tuning, Run(device="cpu"), Rows(frozen=False), None):
        some = trial(reviews(), (20,), (1,))
        split, whole = some.split(20, 1), some.examples
        unseen = np.setdiff1d(np.arange(len(whole.labels)), split.train_and_valid)
        poisoned = whole.labels.copy()
        poisoned[unseen] = 1 - poisoned[unseen]
        found = [
            learner.predict(hidden(examples, split), split, 1, Progress()).values
            for examples in (whole, replace(whole, labels=poisoned))
        ]
        assert (found[0] == found[1]).all()


def test_how_to_fine_tune_is_checked_before_any_work():
    assert rows.tuning({"preset": "ulmfit"})["unfreeze"] is True
    assert "form" not in rows.tuning({}) and rows.tuning({"form": "both"})["form"] == "both"
    with pytest.raises(UsageError, match="epoch"):
        rows.tuning({"epoch": "2"})
    with pytest.raises(UsageError, match="dropout"):
        rows.tuning({"dropout": "2"})
