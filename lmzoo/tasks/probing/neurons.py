"""How few labels, and how few units, are enough (Radford, Józefowicz & Sutskever 2017, figures 2 and 3).

They found that one unit of an LSTM that had read 82 million reviews follows their sentiment, and that eleven labels
were enough to match what others needed a whole treebank for.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmzoo.errors import UsageError
from lmzoo.interface import Progress
from lmzoo.tasks.probing.datasets import Examples, splits
from lmzoo.tasks.probing.features import Candidate
from lmzoo.tasks.probing.probe import Inputs, choose, fit, measure, strengths_for

Array = NDArray[Any]

SIZES = (10, 30, 100, 300, 1000, 3000, 10000)
SEEDS = 5
BINS = 40


def curve(
    rows: Any, examples: Examples, sizes: Sequence[int] = SIZES, seeds: int = SEEDS, progress: Progress | None = None
) -> list[dict[str, Any]]:
    """How good a probe is that has seen so many labels: {"labels", "values", "mean"} for each size.

    `rows` (N, D), which may be sparse, is what it reads. The labels are drawn anew by each of `seeds`, all classes
    among them; the last size is all there are, drawn once. It is tested on the test set (of folds, the first), and the
    strength of the regularisation is chosen on the whole validation set, as theirs was: what it shows is how few
    labels are enough to learn from.
    """
    split, labels, metric = splits(examples)[0], examples.labels, measure(examples.metric)
    wanted = [*(size for size in sizes if size < len(split.train)), len(split.train)]
    found = []
    with (progress or Progress()).task(f"fewer labels of {examples.task}", len(wanted)) as task:
        for size in wanted:
            values = []
            for seed in range(seeds if size < len(split.train) else 1):
                some = split.train[_drawn(labels[split.train], size, seed)]
                tried = [fit(rows[some], labels[some], strength) for strength in strengths_for(rows)]
                best = max(tried, key=lambda one: float(metric(labels[split.valid], one.predict(rows[split.valid]))))
                values.append(float(metric(labels[split.test], best.predict(rows[split.test]))))
            found.append({"labels": size, "values": values, "mean": float(np.mean(values))})
            task.advance(note=f"{size} labels: {found[-1]['mean']:.3f}")
    return found


def label_curve(inputs: Inputs, examples: Examples, progress: Progress | None = None) -> dict[str, Any]:
    """The "points" of `curve` for the best layer and pooling, and what they are of: "task", "metric", "chance", …"""
    split = splits(examples)[0]
    rows = inputs(split.train)
    layer, pooling = choose(rows, examples, split)[0]
    chance = float(np.bincount(examples.labels).max() / len(examples.labels)) if examples.metric == "accuracy" else 0.0
    facts = {"task": examples.task, "metric": examples.metric, "chance": chance, "layer": layer, "pooling": pooling}
    return facts | {"points": curve(rows[layer, pooling], examples, progress=progress)}


def _drawn(labels: Array, size: int, seed: int) -> Array:
    """The places of `size` of `labels`, drawn by `seed`, each class among them where there is room."""
    order = np.random.default_rng(seed).permutation(len(labels))
    if labels.dtype.kind != "f":
        firsts = np.unique(labels[order], return_index=True)[1]
        order = np.concatenate([order[firsts], np.delete(order, firsts)])
    return order[:size]


def best_unit(inputs: Mapping[Candidate, Array], examples: Examples) -> dict[str, Any]:
    """The one number of all that best tells two classes apart by a threshold, and how it is distributed.

    Unit and threshold are chosen on training and validation examples. `inputs` are rows (N, D) by layer and pooling.
    Gives "layer", "pooling", "unit", "threshold", "above" (the class above it: 0 or 1), "accuracy" (of the test set; of
    folds, the first), "edges" (bins + 1,) and "counts" (2, bins) of the test examples of each class. Raises UsageError
    where there are not two classes.
    """
    labels = examples.labels
    if not examples.two_classes:
        raise UsageError(f"{examples.task} does not have two classes, so no unit can tell them apart by a threshold")
    split = splits(examples)[0]
    learned = np.concatenate([split.train, split.valid])
    high = labels == labels.max()
    tried = [
        (*_threshold(rows[learned], high[learned]), layer, pooling) for (layer, pooling), rows in inputs.items()
    ]  # share right, unit, threshold, whether the higher class is above it
    _, unit, threshold, above, layer, pooling = max(tried, key=lambda one: one[0])
    values, truth = inputs[layer, pooling][split.test, unit], high[split.test]
    edges = np.histogram_bin_edges(values, BINS)
    return {
        "task": examples.task,
        "layer": layer,
        "pooling": pooling,
        "unit": unit,
        "threshold": threshold,
        "above": int(above),
        "accuracy": float(((values > threshold) == (truth == above)).mean()),
        "classes": list(examples.classes or ("class 0", "class 1")),
        "edges": edges.tolist(),
        "counts": [np.histogram(values[truth == one], edges)[0].tolist() for one in (False, True)],
    }


def _threshold(rows: Array, high: Array) -> tuple[float, int, float, bool]:
    """The best unit of `rows` (N, D) for `high` (N,): share right, unit, threshold, and if `high` is above it."""
    order = np.argsort(rows, axis=0, kind="stable")
    values = np.take_along_axis(rows, order, axis=0)
    below = np.cumsum(high[order], axis=0)[:-1]  # of the high ones, with a cut behind each row but the last
    cuts = np.arange(1, len(rows))[:, None]
    right = cuts - below + (high.sum() - below)  # low ones below and high ones above
    right = np.where(values[1:] > values[:-1], np.maximum(right, len(rows) - right), 0)
    best, unit = np.unravel_index(np.argmax(right), right.shape)
    above = bool(2 * (cuts[best, 0] - below[best, unit] + high.sum() - below[best, unit]) >= len(rows))
    threshold = (values[best, unit] + values[best + 1, unit]) / 2
    return float(right[best, unit] / len(rows)), int(unit), float(threshold), above
