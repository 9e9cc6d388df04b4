"""The experiments of `lmzoo transfer`: what they put together and what they say."""

from pathlib import Path

import numpy as np
import pytest

from lmzoo.report.transfer import domains, few, supervision
from lmzoo.report.transfer.experiment import Lab, apart, by_labels, by_task, experiments, with_mean
from lmzoo.tasks.finetuning.grid import Point
from lmzoo.tasks.finetuning.learner import Cell
from lmzoo.tasks.probing.datasets import TEST, TRAIN, UNSPLIT, ProbeSet
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
    ("tuned", "says"), [(0.8, "above from scratch at 2 of 2"), (0.4, "above from scratch at 0 of 2")]
)
def test_few_labels_are_summed_up_whichever_way_it_went(tuned, says):
    points = [point(f"gpt, {row}", labels, mean) for labels in (10, 100)
              for row, mean in (("fine-tuned", tuned), ("from scratch", 0.5))]  # fmt: skip
    points += [point("majority class", 100, 0.9), point("TF-IDF", 100, 0.6)]
    said = few.sentence(lab({}), points)
    assert f"With 100 labels gpt, fine-tuned, scores {100 * tuned:.1f} and the same network from scratch 50.0." in said
    assert f"{says} numbers of labels, with intervals apart at 2." in said
    assert f"TF-IDF is {'below' if tuned > 0.6 else 'above'} it: 60.0." in said


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
