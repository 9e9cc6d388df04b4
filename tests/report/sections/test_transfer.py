"""The section of `compare --transfer`: the comparison's networks, fine-tuned on few labels beside baselines."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry
from lmzoo.comparison.results import Row, to_json
from lmzoo.data import tokenizers
from lmzoo.errors import ScoreError, UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data, Run
from lmzoo.models.lstm import LSTM
from lmzoo.models.uniform import Uniform
from lmzoo.neural.training.config import Training
from lmzoo.report.canvas import SLIDE, WIDE
from lmzoo.report.sections import transfer
from lmzoo.runs.cache import ResultCache
from lmzoo.tasks.finetuning import rows
from lmzoo.tasks.finetuning.networks import NetworkLearner
from tests.comparisons import comparison, draw, render, tables
from tests.comparisons import row as row_of
from tests.tasks.finetuning.examples import reviews

SETS = [reviews(40, 10, seed=n, task=name) for n, name in enumerate(("document kind", "topic", "stars"))]


def entry(model, label, identity):
    """A trained model as a comparison has it."""
    words = tokenizers.train("word:50", " ".join(reviews().texts[0]))
    ids = words.encode(" ".join(reviews().texts[0]))
    fitted = model.fit(Data.of(ids, ids[:50], words.vocab_size), Run(steps=1))
    return Entry(label, Row(label, model.name, None, "", {}, "", family=model.family), TextModel(fitted, words),
                 identity=identity)  # fmt: skip


@pytest.fixture(scope="module")
def entries():
    training = Training(batch=4, window=8)
    return [
        entry(LSTM(hidden=4, embedding=3, training=training), "LSTM, 4 cells", "a"),
        entry(Uniform(), "uniform", "b"),
    ]


@pytest.fixture
def context(monkeypatch, tmp_path):
    """Of a comparison with toy sets, whose networks learn next to nothing."""
    quick = rows.tuning({"epochs": "1", "least_steps": "2"})
    plain = rows.of_runs
    monkeypatch.setattr(rows, "of_runs", lambda runs, _, *more: plain(runs, quick, *more))
    known = {"grammar": "grammar", "probes": SETS}
    text = SimpleNamespace(corpus=SimpleNamespace(train=""))
    return Context(text, Run(device="cpu"), ResultCache(tmp_path), transfer=True, shared=known).of(transfer.section)


def test_only_who_asks_has_it(context, entries):
    assert transfer.compute(entries, replace(context, transfer=False)) is None


def test_each_network_has_two_rows_beside_baselines_and_is_not_learned_again(context, entries, monkeypatch):
    facts = transfer.compute(entries, context)
    assert list(dict.fromkeys(point.row for point in facts.points)) == [
        "majority class", "TF-IDF", "NB-SVM", "LSTM, 4 cells, fine-tuned", "LSTM, 4 cells, from scratch",
    ]  # fmt: skip
    seen = {(point.task, point.labels, len(point.values)) for point in facts.points}
    tasks = ("document kind", "topic", "mean of 2 tasks")
    assert seen == {(task, labels, 3) for task in tasks for labels in (10, 40)}  # 100 there are not
    monkeypatch.setattr(NetworkLearner, "predict", lambda *_: pytest.fail("learned again"))
    entries = [replace(one, row=replace(one.row, label=f"{one.label}!")) for one in entries]
    again = transfer.compute(entries, context)
    assert [replace(point, row=point.row.replace("!", "")) for point in again.points] == list(facts.points)
    assert "LSTM, 4 cells!, fine-tuned" in {point.row for point in again.points}


def test_what_diverged_is_a_note_and_is_tried_again(context, entries, monkeypatch):
    asked = []

    def diverges(*_):
        asked.append(1)
        raise ScoreError("it diverged")

    monkeypatch.setattr(NetworkLearner, "predict", diverges)
    for times in (1, 2):
        facts = transfer.compute(entries, context)
        assert len(asked) == times * 2 * 2 * 2 * 3
    assert {point.note for point in facts.points if point.row.startswith("LSTM")} == {"it diverged"}


def test_without_networks_or_a_grammar_it_says_so(context, entries):
    with pytest.raises(UsageError, match="only networks can be fine-tuned"):
        transfer.compute(entries[1:], context)
    with pytest.raises(UsageError, match="no grammar wrote this text"):
        transfer.compute(entries, replace(context, shared={"grammar": None}))


def test_it_is_shown_with_the_mean_first_and_said_at_the_top_of_the_page():
    points = [
        {"row": row, "task": task, "metric": "accuracy", "labels": labels, "values": [mean], "mean": mean,
         "interval": [mean - 0.01, mean + 0.01], "items": 10, "note": ""}
        for task in ("topic", "mean of 2 tasks")
        for row, first in (("TF-IDF", 0.5), ("A, 1, fine-tuned", 0.6), ("A, 1, from scratch", 0.4))
        for labels, mean in ((100, first), (240, first + 0.2))
    ]  # fmt: skip
    given = comparison(rows=[row_of("A, 1", 1.3, model="lstm", family="recurrent")], transfer={"points": points})
    mean, topic = tables("transfer", given)
    assert (mean.first, mean.heads) == ("model", ["100 labels", "240 labels"])
    assert [cells[0].text for _, cells in mean.lines] == ["50.0", "60.0", "40.0"] and len(topic.lines) == 3
    for canvas in (WIDE, SLIDE):
        figure, alt = draw("transfer", given, canvas)
        assert figure.get_figwidth() == canvas.width and "A, 1, fine-tuned 0.60 with 100" in alt
    page = render(given)["index.html"].decode()
    said = "In accuracy after fine-tuning (mean of 2 tasks), pre-training lifts A, 1, from 40.0 to 60.0 with 100 labels"
    assert said in page and page.index(said) < page.index('id="transfer"')
    assert "3 draws of labels" in page and "mean of 2 tasks: accuracy, times a hundred" in page
    assert to_json(transfer.data(transfer.Transfer(()), None)) == []
