"""The table of learners, tasks, labels and seeds."""

import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from lmzoo.errors import ScoreError
from lmzoo.tasks.finetuning import grid
from lmzoo.tasks.finetuning.baselines import Majority, TfIdf
from lmzoo.tasks.finetuning.learner import Cell, Predicted
from lmzoo.tasks.finetuning.trials import trial
from tests.tasks.finetuning.examples import reviews


@dataclass
class Fake:
    """Predicts `values`, or what a function of examples and split says, and notes what it was asked."""

    what: object = 0
    name: str = "fake"
    asked: list = field(default_factory=list)

    @property
    def settings(self):
        return {"learner": "fake", "what": str(self.what)}

    def predict(self, examples, split, seed, progress):
        self.asked.append((len(split.train_and_valid), seed))
        if isinstance(self.what, Exception):
            raise self.what
        values = self.what(examples, split) if callable(self.what) else np.full(len(split.test), self.what)
        return Predicted(values, {"steps": np.int64(3), "losses": np.ones(2)})


def table(folder, *learners, sizes=(10, None), seeds=(1, 2), **more):
    return grid.fill(learners, [trial(reviews(), sizes, seeds, **more)], sizes, folder)


def test_a_cell_for_each_row_number_of_labels_and_seed(tmp_path):
    cells = table(tmp_path, Fake(0), Majority())
    assert [(cell.row, cell.labels, cell.seed) for cell in cells] == [
        (row, labels, seed) for labels in (10, 60) for seed in (1, 2) for row in ("fake", "majority class")
    ]
    assert all(cell.value == pytest.approx(26 / 40) and cell.items == 40 for cell in cells)  # of 60 … 99
    assert cells[0].facts == {"steps": 3, "losses": [1, 1]}


def test_who_looks_at_test_labels_sees_none(tmp_path):
    def cheat(examples, split):
        return examples.labels[split.test]

    (cell,) = table(tmp_path, Fake(cheat), sizes=(10,), seeds=(1,))
    assert 1 - cell.value in (pytest.approx(26 / 40), pytest.approx(14 / 40))  # as who says the same of all


def test_what_is_there_is_not_computed_again(tmp_path):
    first, again = Fake(0), Fake(0, "renamed")
    cells = table(tmp_path, first, sizes=(10,))
    assert first.asked == [(10, 1), (10, 2)]
    assert [replace(cell, row="fake") for cell in table(tmp_path, again, sizes=(10,))] == cells
    assert again.asked == []
    assert {cell.row for cell in table(tmp_path, again, sizes=(10,))} == {"renamed"}
    for path in tmp_path.iterdir():
        path.write_text(path.read_text()[:-5])  # damaged
    table(tmp_path, again, sizes=(10,))
    assert again.asked == first.asked
    table(tmp_path, other := Fake(1), sizes=(10,))
    assert other.asked == first.asked


def killed(examples, split):
    os.kill(os.getpid(), signal.SIGKILL)


def test_who_is_killed_loses_the_cell_at_work(tmp_path):
    code = (
        "from tests.tasks.finetuning.test_grid import *; table(Path(sys.argv[1]), Fake(0), Fake(killed), sizes=(10,))"
    )
    process = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=Path(__file__).parents[3], check=False)
    assert process.returncode == -signal.SIGKILL
    table(tmp_path, after := Fake(0), sizes=(10,))
    assert after.asked == [(10, 2)]
    assert {json.loads(path.read_text())[0]["row"] for path in tmp_path.iterdir()} == {"fake"}


def test_what_draws_nothing_learns_from_all_labels_once(tmp_path):
    class Counted(TfIdf):
        settings = {"learner": "counted"}  # noqa: RUF012
        asked = []  # noqa: RUF012

        def predict(self, examples, split, seed, progress):
            self.asked.append(seed)
            return super().predict(examples, split, seed, progress)

    whole = reviews()
    parts = whole.parts.copy()
    parts[50:60] = 1  # a validation part of its own, the same for all seeds
    both = trial(replace(whole, parts=parts), (10, None), (1, 2))
    cells = grid.fill([Counted()], [both], (10, None), tmp_path)
    assert Counted.asked == [1, 2, 1]
    assert [cell.seed for cell in cells] == [1, 2, 1, 2] and cells[2].value == cells[3].value


@pytest.mark.parametrize("error", [ScoreError("it diverged: a lower --learning-rate"), float("nan"), [0, 1]])
def test_what_cannot_be_learned_is_a_note_and_is_tried_again(tmp_path, error):
    what = error if isinstance(error, Exception | float) else lambda *_: np.array(error)
    cells = table(tmp_path, fake := Fake(what), sizes=(10,), seeds=(1,))
    assert cells[0].value is None and cells[0].note
    assert not list(tmp_path.iterdir())
    table(tmp_path, fake, sizes=(10,), seeds=(1,))
    assert len(fake.asked) == 2
    assert grid.points(cells)[0].note == cells[0].note


def test_more_labels_than_there_are_are_left_out(tmp_path):
    assert {cell.labels for cell in table(tmp_path, Fake(0), sizes=(10, 60, 1000, None))} == {10, 60}


def test_several_test_sets_are_cells_of_one_training(tmp_path):
    films = reviews(30, 21, seed=3, task="films")
    one = trial(reviews(), (10,), (1,), tested={"reviews": reviews(), "reviews → films": films})
    cells = grid.fill([fake := Fake(0)], [one], (10,), tmp_path)
    assert len(fake.asked) == 1
    assert [(cell.task, cell.items) for cell in cells] == [("reviews", 40), ("reviews → films", 21)]
    assert cells[1].value == pytest.approx((films.labels[30:] == 0).mean())


def test_the_interval_of_a_mean_is_students():
    cells = [Cell("row", "task", "accuracy", 10, seed, value, 40) for seed, value in enumerate((0.5, 0.6, 0.7))]
    (point,) = grid.points([*cells, Cell("row", "task", "accuracy", 10, 3, None, 40, note="it diverged")])
    assert point.mean == pytest.approx(0.6)
    half = 4.302652729911275 * 0.1 / math.sqrt(3)  # t with two degrees of freedom
    assert point.interval == pytest.approx((0.6 - half, 0.6 + half))
    assert (point.values, point.note) == ((0.5, 0.6, 0.7), "it diverged")
    assert grid.points(cells[:1])[0].interval is None
