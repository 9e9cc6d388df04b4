"""Label efficiency and single units: curves rise, and a planted unit is found."""

import numpy as np
import pytest

from lmzoo.data import tokenizers
from lmzoo.errors import UsageError
from lmzoo.evaluation import units
from lmzoo.evaluation.text_model import TextModel
from lmzoo.models.lstm import LSTM
from lmzoo.tasks.probing import probe
from lmzoo.tasks.probing.datasets import TEST, TRAIN, UNSPLIT, VALID, ProbeSet
from lmzoo.tasks.probing.neurons import _draw, best_unit, curve, label_curve, unit_of_state

N = 900
RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2, N)
PARTS = np.repeat([TRAIN, VALID, TEST], [500, 100, 300])
NOISE = RNG.normal(size=(N, 30)).astype(np.float32)


def examples(labels=LABELS, parts=PARTS, **more):
    return ProbeSet("toy", ([f"text {n}" for n in range(N)],), labels, parts, **more)


def with_unit(number, size):
    rows = NOISE.copy()
    rows[:, number] += size * LABELS
    return rows


def test_a_probe_gets_better_with_more_labels():
    rows = NOISE + 0.4 * LABELS[:, None].astype(np.float32)
    points = curve(rows, examples(), sizes=(10, 100), seeds=4)
    assert [point["labels"] for point in points] == [10, 100, 500]
    assert [len(point["values"]) for point in points] == [4, 4, 1]
    means = [point["mean"] for point in points]
    assert 0.5 < means[0] < means[1] < means[2]
    assert points == curve(rows, examples(), sizes=(10, 100), seeds=4)


def test_if_a_unit_is_the_label_two_labels_are_enough():
    points = curve(LABELS[:, None].astype(np.float32), examples(), sizes=(2,), seeds=3)
    assert points[0]["values"] == [1, 1, 1]


def test_few_labels_include_every_class():
    labels = np.array([0] * 100 + [1] * 3 + [2] * 100)
    for seed in range(20):
        some = _draw(labels, 3, seed)
        assert sorted(labels[some]) == [0, 1, 2]
    assert len(set(_draw(labels, 50, 0))) == 50


def test_the_curve_of_a_model_is_that_of_its_best_layer():
    inputs = {("low", "mean"): NOISE, ("high", "last"): with_unit(4, 3)}
    found = label_curve(probe.fixed(inputs), examples())
    assert (found["layer"], found["pooling"], found["task"], found["metric"]) == ("high", "last", "toy", "accuracy")
    assert found["points"][-1]["mean"] > 0.85


@pytest.mark.parametrize(("size", "above"), [(5, 1), (-5, 0)])
@pytest.mark.parametrize("parts", [PARTS, np.full(N, UNSPLIT)], ids=["split", "folds"])
def test_the_planted_unit_is_found_with_its_direction(size, above, parts):
    inputs = {("low", "mean"): NOISE, ("high", "max"): with_unit(7, size)}
    found = best_unit(inputs, examples(parts=parts, classes=("bad", "good")))
    assert (found["layer"], found["pooling"], found["unit"], found["above"]) == ("high", "max", 7, above)
    assert 0.97 < found["accuracy"] < 1
    assert abs(found["threshold"] - size / 2) < 0.7
    tested = 300 if parts is PARTS else 90
    assert sum(map(sum, found["counts"])) == tested
    assert len(found["edges"]) == len(found["counts"][0]) + 1
    middles = (np.array(found["edges"])[1:] + np.array(found["edges"])[:-1]) / 2
    low, high = (np.average(middles, weights=counts) for counts in found["counts"])
    assert (high > low) == (above == 1)
    assert found["classes"] == ["bad", "good"]


def test_the_threshold_is_the_best_there_is():
    """Against trying all of them."""
    rows, high = np.round(NOISE[:60, :3] + 0.8 * LABELS[:60, None], 1), LABELS[:60] == 1
    tried = [
        max(np.mean((rows[:, n] > cut) == high), np.mean((rows[:, n] <= cut) == high))
        for n in range(3)
        for cut in np.unique(rows)
    ]
    labels = np.concatenate([LABELS[:60], LABELS[:60]])
    parts = np.repeat([TRAIN, VALID, TEST], [30, 30, 60])  # tested on the same, so that it is the share found
    some = ProbeSet("toy", ([""] * 120,), labels, parts)
    found = best_unit({("layer", "mean"): np.concatenate([rows, rows])}, some)
    assert found["accuracy"] == pytest.approx(max(tried))


def test_no_threshold_lies_between_equal_values():
    """Sorted by a constant unit, the examples stay in order: low ones first, as if a cut separated them."""
    labels = np.repeat([0, 1, 0, 1], [40, 40, 10, 10])
    parts = np.repeat([TRAIN, VALID, TEST], [79, 1, 20])
    useful = np.where(np.arange(100) % 10 == 0, 1 - labels, labels)
    rows = np.stack([np.zeros(100), useful], axis=1)
    assert best_unit({("layer", "mean"): rows}, ProbeSet("toy", ([""] * 100,), labels, parts))["unit"] == 1


def test_constant_units_separate_nothing():
    found = best_unit({("layer", "mean"): np.zeros((N, 3), dtype=np.float32)}, examples())
    assert 0.3 < found["accuracy"] < 0.7


@pytest.mark.parametrize("labels", [np.arange(N) % 3, NOISE[:, 0].astype(float)], ids=["three classes", "numbers"])
def test_without_two_classes_there_is_no_best_unit(labels):
    with pytest.raises(UsageError, match="toy does not have two classes"):
        best_unit({("layer", "mean"): NOISE}, examples(labels))


def test_of_a_recurrent_network_it_is_one_of_its_state_beside_its_twin_and_shuffled_labels(monkeypatch):
    """The trained network is given a unit that knows the label; the untrained one has noise."""
    model = LSTM(hidden=8, embedding=6)
    model = model.holding(model.build(257).eval(), 257)
    text_model = TextModel(model, tokenizers.train("byte", "a"))
    monkeypatch.setattr(units, "final", lambda one, *_: with_unit(5, 4) if one is text_model else NOISE)
    found = unit_of_state(text_model, examples())
    assert (found["layer"], found["pooling"], found["unit"], found["tested"]) == ("the state", "last", 5, 300)
    assert found["accuracy"] > 0.95
    assert found["untrained"] == best_unit({("layer", "last"): NOISE}, examples())["accuracy"]
    assert 0.4 < found["untrained"] < 0.6
    assert 0.4 < found["shuffled"] < 0.6


def test_a_pair_of_texts_has_no_state():
    pairs = ProbeSet("pairs", ([""] * N, [""] * N), LABELS, PARTS)
    with pytest.raises(UsageError, match="pairs has pairs of texts"):
        unit_of_state(None, pairs)
