"""Label efficiency and single units (Radford, Józefowicz & Sutskever 2017, figures 2 and 3).

They found one unit of an LSTM trained on 82 million reviews that follows sentiment, and that eleven labels of a probe
matched what others had needed a whole treebank for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lmzoo.errors import UsageError
from lmzoo.evaluation import units
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Array, Progress
from lmzoo.tasks.metrics import metric
from lmzoo.tasks.probing.datasets import ProbeSet, splits
from lmzoo.tasks.probing.features import Candidate
from lmzoo.tasks.probing.probe import Inputs, choose, fit, strengths_for

SIZES = (10, 30, 100, 300, 1000, 3000, 10000)
SEEDS = 5
BINS = 40
STATE: Candidate = ("the state", "last")  # of a recurrent network: cells, or hidden units


def curve(
    rows: Any, examples: ProbeSet, sizes: Sequence[int] = SIZES, seeds: int = SEEDS, progress: Progress | None = None
) -> list[dict[str, Any]]:
    """The score of a probe by its number of training labels: {"labels", "values", "mean"} for each size.

    `rows` (N, D) are its features, dense or sparse. Each of `seeds` draws other labels, all classes among them; the
    last size is all there are, drawn once. It is tested on the test set; of folds, on the first.
    """
    split, labels, score = splits(examples)[0], examples.labels, metric(examples.metric)
    all_sizes = [*(size for size in sizes if size < len(split.train)), len(split.train)]
    points: list[dict[str, Any]] = []
    with (progress or Progress()).task(f"fewer labels of {examples.task}", len(all_sizes)) as task:
        for size in all_sizes:
            task.doing(f"{size:,} labels")
            values = []
            for seed in range(seeds if size < len(split.train) else 1):
                drawn = split.train[_draw(labels[split.train], size, seed)]
                tried = [fit(rows[drawn], labels[drawn], strength) for strength in strengths_for(rows)]
                # Chosen on the whole validation set, as theirs was: only the labels to learn from become fewer.
                best = max(tried, key=lambda one: float(score(labels[split.valid], one.predict(rows[split.valid]))))
                values.append(float(score(labels[split.test], best.predict(rows[split.test]))))
            points.append({"labels": size, "values": values, "mean": float(np.mean(values))})
            task.advance()
    return points


def label_curve(inputs: Inputs, examples: ProbeSet, progress: Progress | None = None) -> dict[str, Any]:
    """The "points" of `curve` for the best layer and pooling, and the "task", "metric", "chance", … they belong to."""
    split = splits(examples)[0]
    rows = inputs(split.train)
    layer, pooling = choose(rows, examples, split)[0]
    chance = float(np.bincount(examples.labels).max() / len(examples.labels)) if examples.metric == "accuracy" else 0.0
    facts = {"task": examples.task, "metric": examples.metric, "chance": chance, "layer": layer, "pooling": pooling}
    return facts | {"points": curve(rows[layer, pooling], examples, progress=progress)}


def _draw(labels: Array, size: int, seed: int) -> Array:
    """The positions of `size` of `labels`, drawn by `seed`, each class among them where there is room."""
    order = np.random.default_rng(seed).permutation(len(labels))
    if labels.dtype.kind != "f":
        firsts = np.unique(labels[order], return_index=True)[1]
        order = np.concatenate([order[firsts], np.delete(order, firsts)])
    return order[:size]


def best_unit(inputs: Mapping[Candidate, Array], examples: ProbeSet) -> dict[str, Any]:
    """The single unit that best separates two classes by a threshold, and the distribution of its values.

    `inputs` are rows (N, D) by layer and pooling. Unit and threshold are chosen on training and validation examples.
    Gives "layer", "pooling", "unit", "threshold", "above" (the class above it: 0 or 1), "accuracy" (on the test set; of
    folds, the first), "tested" (their number), "edges" (bins + 1,) and "counts" (2, bins) of the test examples of each
    class. Raises UsageError where there are not two classes.
    """
    labels = examples.labels
    if not examples.is_binary:
        raise UsageError(f"{examples.task} does not have two classes, so no unit can separate them by a threshold")
    split = splits(examples)[0]
    learned = split.train_and_valid
    high = labels == labels.max()
    tried = [
        (*_threshold(rows[learned], high[learned]), layer, pooling) for (layer, pooling), rows in inputs.items()
    ]  # accuracy, unit, threshold, whether the higher class is above it
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
        "tested": len(split.test),
        "classes": list(examples.classes or ("class 0", "class 1")),
        "edges": edges.tolist(),
        "counts": [np.histogram(values[truth == one], edges)[0].tolist() for one in (False, True)],
    }


def unit_of_state(text_model: TextModel, examples: ProbeSet, progress: Progress | None = None) -> dict[str, Any]:
    """`best_unit` of a recurrent network's state after each text, which is prepared as in `evaluation.units`.

    Also "untrained" and "shuffled", the accuracy of the best unit of the same network with its first weights, and of
    the best one for shuffled labels: what a choice among so many units gives by itself. Raises as `best_unit` does, and
    UsageError for a network without such a state, or a set of pairs.
    """
    if len(examples.texts) > 1:
        raise UsageError(f"{examples.task} has pairs of texts: units are looked for in single ones")
    rows = units.final(text_model, examples.texts[0], progress)
    shuffled = replace(examples, labels=np.random.default_rng(0).permutation(examples.labels))
    twin = TextModel(text_model.model.untrained(0), text_model.tokenizer)
    untrained = units.final(twin, examples.texts[0], progress)
    found = best_unit({STATE: rows}, examples)
    controls = {"untrained": best_unit({STATE: untrained}, examples), "shuffled": best_unit({STATE: rows}, shuffled)}
    return found | {name: one["accuracy"] for name, one in controls.items()}


def _threshold(rows: Array, high: Array) -> tuple[float, int, float, bool]:
    """The best unit of `rows` (N, D) for `high` (N,): accuracy, unit, threshold, and whether `high` is above it."""
    order = np.argsort(rows, axis=0, kind="stable")
    values = np.take_along_axis(rows, order, axis=0)
    below = np.cumsum(high[order], axis=0)[:-1]  # (N - 1, D) high ones below a cut after each row but the last
    cuts = np.arange(1, len(rows))[:, None]
    right = cuts - below + (high.sum() - below)  # low ones below the cut and high ones above it
    # Between equal values there is no cut; a unit may also be higher for the lower class.
    right = np.where(values[1:] > values[:-1], np.maximum(right, len(rows) - right), 0)
    best, unit = np.unravel_index(np.argmax(right), right.shape)
    above = bool(2 * (cuts[best, 0] - below[best, unit] + high.sum() - below[best, unit]) >= len(rows))
    threshold = (values[best, unit] + values[best + 1, unit]) / 2
    return float(right[best, unit] / len(rows)), int(unit), float(threshold), above
