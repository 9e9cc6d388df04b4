"""The experiments of `lmzoo transfer`: what they put together and what they say."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lmzoo.report.transfer import checkpoints, domains, few, suite, supervision
from lmzoo.report.transfer.experiment import (
    Lab,
    Start,
    apart,
    by_labels,
    by_task,
    experiments,
    named,
    overlap,
    with_mean,
)
from lmzoo.tasks.finetuning.grid import Point
from lmzoo.tasks.finetuning.learner import Cell, Predicted
from lmzoo.tasks.finetuning.rows import Pretrained
from lmzoo.tasks.probing.datasets import TEST, TRAIN, UNSPLIT, ProbeSet
from lmzoo.tasks.result import TaskResult
from tests.tasks.finetuning.examples import reviews


def cell(row, task, labels, seed, value):
    return Cell(row, task, "accuracy", labels, seed, value, 40)


def point(row, labels, mean, half=0.01, task="t"):
    interval = (mean - half, mean + half) if half else None
    return Point(row, task, "accuracy", labels, (mean,), mean, interval, 40)


def lab(sets, **more):
    return Lab((), sets, (10, None), (1, 2), Path("nowhere"), Path("nowhere"), **more)


def test_the_files_are_experiments_in_the_order_of_the_page():
    assert [one.id for one in experiments()] == [
        "few", "ablation", "layers", "checkpoints", "steps", "domains", "supervision", "suite",
    ]  # fmt: skip


def test_the_mean_is_over_tasks_for_each_seed_and_all_labels_of_each_count_as_one_size():
    cells = [
        cell("a", "t", 10, 1, 0.5),
        cell("a", "u", 10, 1, 0.7),
        cell("a", "t", 60, 1, 0.8),
        cell("a", "u", 90, 1, 1.0),
    ]
    cells += [cell("b", "t", 10, 1, 0.5), cell("b", "u", 10, 1, None)]
    means = with_mean(cells, [1])[len(cells) :]
    assert [(one.row, one.task, one.labels, one.value) for one in means] == [
        ("a", "mean of 2 tasks", 10, pytest.approx(0.6)), ("a", "mean of 2 tasks", 90, pytest.approx(0.9)),
    ]  # fmt: skip
    assert with_mean(cells[:1], [1]) == cells[:1]


def test_tables_have_a_row_for_each_learner():
    points = [point("a", 10, 0.5), point("a", 100, 0.75), point("b", 10, 0.625, half=0)]
    table = by_labels(points)
    assert table.heads == ["10 labels", "100 labels"]
    assert [(row, [(one.text, one.aside) for one in cells]) for row, cells in table.lines] == [
        ("a", [("50.0", "49.0–51.0"), ("75.0", "74.0–76.0")]), ("b", [("62.5", ""), ("–", "")]),
    ]  # fmt: skip
    assert by_task([point("a", 10, 0.5), point("a", 10, 0.6, task="u")]).heads == ["t", "u"]


def test_intervals_that_touch_are_not_apart():
    assert apart(point("a", 10, 0.5), point("b", 10, 0.53))
    assert not apart(point("a", 10, 0.5), point("b", 10, 0.515))
    assert not apart(point("a", 10, 0.5, half=0), point("b", 10, 0.9))


@pytest.mark.parametrize(
    ("tuned", "says", "ahead"),
    [
        (0.8, "lifts gpt from 50.0 to 80.0 with 100 labels and from 60.0 to 90.0 with 1,000; "
              "the best of the others: 60.0 by TF-IDF, then 95.0 by TF-IDF.", 3),
        (0.605, "lifts gpt from 50.0 to 60.5 with 100 labels and from 60.0 to 70.5 with 1,000; "
                "the best of the others: 60.0 by TF-IDF (intervals overlap), then 95.0 by TF-IDF.", 3),
        (0.4, "takes gpt from 50.0 to 40.0 with 100 labels and from 60.0 to 50.0 with 1,000; "
              "the best of the others: 60.0 by TF-IDF, then 95.0 by TF-IDF.", 0),
    ],
)  # fmt: skip
def test_few_labels_are_summed_up_in_one_sentence_whichever_way_it_went(tuned, says, ahead):
    points = [point(f"gpt, {row}", labels, mean + 0.1 * (labels == 1000)) for labels in (10, 100, 1000)
              for row, mean in (("fine-tuned", tuned), ("from scratch", 0.5), ("frozen", 0.99))]  # fmt: skip
    points += [point("majority class", 100, 0.9), point("TF-IDF", 100, 0.6), point("TF-IDF", 1000, 0.95)]
    said, sure, *saved = few.sentences(2, points)
    assert said == f"Pre-training {says}"
    assert (
        sure
        == f"Pre-trained, gpt is above from scratch at {ahead} of 3 numbers of labels, with intervals apart at {ahead}."
    )
    labels = f"Pre-trained it needs 10 labels for what takes 1,000 from scratch ({100 * tuned:.1f} and 60.0)."
    assert saved == ([labels] if tuned > 0.6 else [])


def test_every_other_network_has_a_sentence_of_its_own():
    points = [point(f"{name}, {row}", 100, mean) for name, tuned in (("LSTM", 0.6), ("LSTM, tied", 0.7))
              for row, mean in (("fine-tuned", tuned), ("from scratch", 0.595))]  # fmt: skip
    first, *_, last = few.sentences(2, points)
    assert first == ("Pre-training lifts LSTM, tied, from 59.5 to 70.0 with 100 labels; "
                     "the best of the others: 60.0 by LSTM, fine-tuned.")  # fmt: skip
    assert last == "Pre-training lifts LSTM from 59.5 to 60.0 with 100 labels (intervals overlap)."


def test_runs_have_the_names_of_their_models_and_of_two_alike_the_settings_or_the_folder():
    def start(folder, title, label):
        text_model = SimpleNamespace(model=SimpleNamespace(title=title, label=label))
        return Start(Pretrained(folder, text_model, folder, "recurrent"), Path(folder), {})

    runs = [("a", "GPT", "GPT, 4 layers"), ("b", "LSTM", "LSTM, 8 cells"), ("c", "LSTM", "LSTM, 9 cells"),
            ("d", "LSTM", "LSTM, 9 cells")]  # fmt: skip
    names = [one.name for one in named([start(*run) for run in runs])]
    assert names == ["GPT", "LSTM, 8 cells", "LSTM, 9 cells (c)", "LSTM, 9 cells (d)"]


def test_without_a_network_the_best_row_is_named():
    points = [point("majority class", 100, 0.9), point("TF-IDF", 100, 0.6), point("NB-SVM", 100, 0.7)]
    assert few.sentences(2, points) == ["With 100 labels NB-SVM is right most often: 70.0."]


def test_texts_that_are_learned_from_are_not_tested_elsewhere():
    home = ProbeSet(
        "home",
        (["Good film .", "bad", "ugly"],),
        np.array([1, 0, 0]),
        np.array([TRAIN, TRAIN, TEST]),
        classes=("n", "p"),
    )
    away = ProbeSet(
        "away", (["good film", "ugly", "new"],), np.array([1, 0, 1]), np.full(3, UNSPLIT), classes=("n", "p")
    )
    other = ProbeSet("other", (["x"],), np.array([0]), np.full(1, UNSPLIT), classes=("no", "yes"))
    ((trial, left_out),) = domains.away(lab({"sst2": [home], "mr": [away], "cr": [other]}))
    tested = {name: [trial.examples.texts[0][n] for n in places] for name, places in trial.tests.items()}
    assert tested == {"home": ["ugly"], "home → away": ["ugly", "new"]}
    assert left_out == {"away": 1}
    assert not domains.away(lab({"sst2": [home]})) and not domains.away(lab({"mr": [away], "imdb": [home]}))


def test_labels_are_counted_in_bits():
    facts = supervision.of_labels(lab({"t": [reviews()]}).trials[0])
    third = -(1 / 3 * np.log2(1 / 3) + 2 / 3 * np.log2(2 / 3))
    assert (facts["labels"], facts["classes"], facts["bits"]) == (60, 2, 60)
    assert facts["entropy"] == pytest.approx(60 * third, rel=0.01)


def test_a_suite_takes_the_mean_over_its_tasks_and_names_the_best(tmp_path):
    class Always:
        """A row that always says one class."""

        draws = False

        def __init__(self, name, answer):
            self.name, self.answer, self.settings = name, answer, {"answer": answer}

        def predict(self, examples, split, seed, progress):
            return Predicted(np.full(len(split.test), self.answer))

    sets = {name: [reviews(seed=n, task=name)] for n, name in enumerate(("sst2", "mr", "cola", "trec", "rte"))}
    sets["rte"].append(reviews(seed=9, task="RTE, hypothesis alone"))
    assert suite.experiment.lacks(lab({"sst2": sets["sst2"], "mr": sets["mr"], "cola": sets["cola"]}))
    one = Lab((), sets, (None,), (1,), tmp_path, tmp_path, extra=(Always("ones", 1), Always("noughts", 0)))
    assert not suite.experiment.lacks(one)
    one.all_rows = lambda: one.extra
    found = suite.run(one)
    share = {
        name: np.mean([of.labels[of.parts == TEST].mean() for of in (sets[name][0],)]) for name in ("sst2", "cola")
    }
    points = {(point["row"], point["task"]): point["mean"] for point in found.facts["points"]}
    assert {task for _, task in points} == {"sst2", "cola", "trec", "rte", "mean of 4 tasks"}
    assert points["ones", "sst2"] == pytest.approx(share["sst2"])
    mean = np.mean([points["ones", task] for task in ("sst2", "cola", "trec", "rte")])
    assert points["ones", "mean of 4 tasks"] == pytest.approx(mean)
    best, other = ("Ones", "noughts") if mean > 0.5 else ("Noughts", "ones")
    high = 100 * max(mean, 1 - mean)
    assert found.sentence == f"{best} has the highest mean, {high:.1f}; {other} follows with {100 - high:.1f}."


def test_checkpoints_are_asked_in_order_and_how_far_each_is_from_guessing(tmp_path, monkeypatch):
    class Loaded:
        """What a folder holds: the share of questions that it has right."""

        def __init__(self, right):
            self.right = right

    right = {"step2": 0.5, "step4": 0.625, "step8": 0.875}
    asked = []

    def ask(text_model, questions):
        asked.append(text_model.right)
        return [
            TaskResult("agreement", "accuracy", text_model.right, None, 0.5, 50, 0, "", "", "", "local"),
            TaskResult("memory", "accuracy", 1.0, None, 0.5, 50, 0, "", "", "", "long"),
        ]

    monkeypatch.setattr(checkpoints.targeted, "questions", lambda *_: "questions")
    monkeypatch.setattr(checkpoints.targeted, "ask", ask)
    monkeypatch.setattr(checkpoints.store, "load", lambda folder, device: Loaded(right[folder.name]))
    monkeypatch.setattr(checkpoints.store, "digest", lambda folder: folder.name)
    monkeypatch.setattr(checkpoints.store, "checkpoint", lambda folder, step: folder / f"step{step}")
    kept = {"checkpoints": [{"step": step, "tokens": 100 * step} for step in (2, 4, 8)]}
    starts = [Start(Pretrained(name, None, name, "recurrent"), tmp_path / name, known)
              for name, known in (("lstm", kept), ("other", {}))]  # fmt: skip
    text = SimpleNamespace(train="", sha256="0")
    with_runs = Lab(starts, {}, (10,), (1,), tmp_path, tmp_path, corpus=text, grammar="grammar")
    assert checkpoints.experiment.lacks(lab({}))
    assert not checkpoints.experiment.lacks(with_runs)
    found = checkpoints.run(with_runs)
    assert asked == [0.5, 0.625, 0.875]
    moments = [(one["tokens"], one["scores"]["local"], one["scores"]["all"]) for one in found.facts["moments"]]
    assert moments == [(200, 0, 0.5), (400, 0.25, 0.625), (800, 0.75, 0.875)]
    assert found.sentence == "lstm comes 88 % of the way from guessing, half of that by 200 tokens."
    assert found.tables[0][1].lines[0][0] == "lstm, 200 tokens"
    checkpoints.run(with_runs)
    assert asked == [0.5, 0.625, 0.875]  # each is asked once


def test_intervals_overlap_only_where_there_are_some():
    some, near, far = point("a", 10, 0.5, 0.1), point("b", 10, 0.6, 0.1), point("c", 10, 0.9, 0.1)
    assert overlap(some, near) == " (intervals overlap)"
    assert overlap(some, far) == overlap(some, point("b", 10, 0.6, half=0)) == ""
