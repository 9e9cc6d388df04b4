"""Probes: how much a simple classifier can read off a model's frozen features.

A probe is a logistic regression on standardised features (ridge regression, where labels are numbers). Layer, pooling
and regularisation strength are chosen on validation examples; then it is fitted on training and validation examples
together, and tested once. An accuracy means little alone (Hewitt & Liang 2019), so there are beside it

    untrained           the same network with its initial weights: what architecture and dimensions alone give
    shuffled labels     the same features with random labels (a control task): what the probe can memorise
    baselines           the majority class, and TF-IDF: see `baselines.py`
"""

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lmzoo.data import corpus
from lmzoo.errors import ScoreError, TokenizerError, UsageError
from lmzoo.evaluation import statistics
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Array, Encoder, Model, Progress
from lmzoo.tasks.metrics import metric
from lmzoo.tasks.probing.datasets import ProbeSet, Split, splits
from lmzoo.tasks.probing.features import Candidate, FeatureReader
from lmzoo.tasks.result import TaskResult

# What a probe can be trained on: given the positions of the training examples, rows (N, D) for each candidate.
Inputs = Callable[[Array], Mapping[Candidate, Any]]

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # of standardised features: C, or 1 / alpha of ridge regression
SPARSE_STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0)  # of TF-IDF rows, whose numbers are small
MIDDLE_STRENGTH = 1e-2  # with which layers and poolings are compared
# The optimiser stops here at the latest: what is left to gain in the loss is less than what regularisation changes.
ITERATIONS, TOLERANCE = 100, 1e-3
SEED = 0
PROBE, UNTRAINED, SHUFFLED = "probe", "untrained", "shuffled labels"


@dataclass(frozen=True)
class Outcome:
    """A probe's predictions for the test examples, and how it came to them."""

    predictions: Array  # of all splits, one after the other
    choices: list[tuple[Candidate, float]]  # of each split: layer and pooling, and the regularisation strength


def probe_model(
    text_model: TextModel, sets: Sequence[ProbeSet], progress: Progress | None = None, folder: Path | None = None
) -> dict[str, list[TaskResult]]:
    """A model's results on each of `sets`: as it is, with labels shuffled and, of a network, untrained.

    `folder` is where features are cached (None: probes/ in lmzoo's cache). A model without vectors, or whose tokenizer
    cannot encode the texts, has results without a value and a note that says so.
    """
    progress, folder = progress or Progress(), folder or corpus.cache_folder() / "probes"
    try:
        reader = FeatureReader(text_model, folder, progress)
    except UsageError as error:
        return {PROBE: [result for examples in sets for result in refused(examples, str(error))]}
    rows = _results_of(reader, sets, (PROBE, SHUFFLED))
    twin = text_model.model.untrained(SEED) if isinstance(text_model.model, Encoder) else None
    if isinstance(twin, Model):
        twin_reader = FeatureReader(TextModel(twin, text_model.tokenizer), folder, progress)
        rows |= _results_of(twin_reader, sets, (UNTRAINED,))
    return rows


def probe_once(text_model: TextModel, sets: Sequence[ProbeSet], progress: Progress | None = None) -> list[TaskResult]:
    """A model's results on each of `sets` alone, with nothing cached: for checkpoints of a training."""
    try:
        reader = FeatureReader(text_model, None, progress)
    except UsageError as error:
        return [result for examples in sets for result in refused(examples, str(error))]
    return _results_of(reader, sets, (PROBE,))[PROBE]


def _results_of(reader: FeatureReader, sets: Sequence[ProbeSet], rows: tuple[str, ...]) -> dict[str, list[TaskResult]]:
    """The results of its features in the first of `rows`, and with labels shuffled in the second, if there is one."""
    of_rows: dict[str, list[TaskResult]] = {row: [] for row in rows}
    for examples in sets:
        try:
            inputs = reader.inputs(examples)
        except (TokenizerError, ScoreError, UsageError) as error:
            what = "its tokenizer cannot encode these texts: " if isinstance(error, TokenizerError) else ""
            for row in rows:
                of_rows[row] += refused(examples, f"{what}{error}")
            continue
        outcome = train_and_test(fixed(inputs), examples, reader.progress)
        of_rows[rows[0]] += [replace(result, note=reader.note) for result in results(examples, outcome)]
        for row in rows[1:]:
            of_rows[row] += results(*control_task(inputs, examples, outcome, reader.progress))
    return of_rows


# ── The protocol ──────────────────────────────────────────────────────────────────────────────────


def fixed(inputs: Mapping[Candidate, Array]) -> Inputs:
    """Rows that do not depend on which examples are for training."""
    return lambda _: inputs


def train_and_test(inputs: Inputs, examples: ProbeSet, progress: Progress | None = None) -> Outcome:
    """Train, choose and test on each split of `examples`."""
    predictions, choices = [], []
    for split in (progress or Progress()).track(f"probing {examples.task}", splits(examples)):
        predicted, choice = predict(inputs, examples, split)
        predictions.append(predicted)
        choices.append(choice)
    return Outcome(np.concatenate(predictions), choices)


def predict(inputs: Inputs, examples: ProbeSet, split: Split) -> tuple[Array, tuple[Candidate, float]]:
    """The predictions for the test examples of one split, and what was chosen by its validation examples."""
    candidate, strength = choose(inputs(split.train), examples, split)
    rows = inputs(split.train_and_valid)[candidate]
    return _predicted(rows, examples.labels, split, strength), (candidate, strength)


def _predicted(rows: Any, labels: Array, split: Split, strength: float) -> Array:
    """What is predicted for the test examples after fitting on training and validation examples together."""
    learned = split.train_and_valid
    return fit(rows[learned], labels[learned], strength).predict(rows[split.test])


def choose(inputs: Mapping[Candidate, Any], examples: ProbeSet, split: Split) -> tuple[Candidate, float]:
    """The layer and pooling with the best validation score at a middle strength, then their best strength."""
    # Five-fold cross-validation of the strength would more than double the fits of a split, which are 20 at most: 15
    # for layers and poolings, 4 for the other strengths, and the last one.
    scores: dict[tuple[Candidate, float], float] = {}

    def score(candidate: Candidate, strength: float) -> float:
        if (candidate, strength) not in scores:
            rows, labels = inputs[candidate], examples.labels
            predictor = fit(rows[split.train], labels[split.train], strength)
            predicted = predictor.predict(rows[split.valid])
            scores[candidate, strength] = float(metric(examples.metric)(labels[split.valid], predicted))
        return scores[candidate, strength]

    best = next(iter(inputs))
    if len(inputs) > 1:
        best = max(inputs, key=lambda candidate: score(candidate, MIDDLE_STRENGTH))
    return best, max(strengths_for(inputs[best]), key=lambda strength: score(best, strength))


def control_task(
    inputs: Mapping[Candidate, Any], examples: ProbeSet, outcome: Outcome, progress: Progress | None = None
) -> tuple[ProbeSet, Outcome]:
    """The same with random labels, and the layer and pooling that were chosen for the real ones."""
    shuffled = replace(examples, labels=_shuffled(examples))
    predictions = []
    chosen = list(zip(splits(examples), outcome.choices, strict=True))
    for split, (candidate, strength) in (progress or Progress()).track(f"shuffling {examples.task}", chosen):
        rows = inputs[candidate]
        if examples.word_labels:  # word types can be memorised: with the strength that does so best
            _, strength = choose({candidate: rows}, shuffled, split)
        predictions.append(_predicted(rows, shuffled.labels, split, strength))
    return shuffled, replace(outcome, predictions=np.concatenate(predictions))


def _shuffled(examples: ProbeSet) -> Array:
    """Labels shuffled among texts, where more than chance would be a mistake; of words, one drawn for each word type.

    A probe that knows the word type knows that label: it measures memorisation (Hewitt & Liang 2019, section 2).
    """
    rng = np.random.default_rng(SEED)
    if not examples.word_labels:
        return rng.permutation(examples.labels)
    types, type_of = np.unique(examples.words(), return_inverse=True)
    return rng.choice(examples.labels, len(types))[type_of]


def fit(rows: Any, labels: Array, strength: float) -> Any:
    """A predictor of `labels` (N,) from `rows` (N, D), which are standardised unless they are sparse."""
    from sklearn.dummy import DummyClassifier
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if labels.dtype.kind == "f":
        learner = Ridge(alpha=1 / strength, solver="sparse_cg" if _is_sparse(rows) else "cholesky")
    elif (labels == labels[0]).all():
        learner = DummyClassifier()
    else:
        learner = LogisticRegression(C=strength, max_iter=ITERATIONS, tol=TOLERANCE)
    predictor = learner if _is_sparse(rows) else make_pipeline(StandardScaler(), learner)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # to stop at ITERATIONS is intended
        return predictor.fit(rows, labels)


def strengths_for(rows: Any) -> tuple[float, ...]:
    """The regularisation strengths that are tried for `rows`."""
    return SPARSE_STRENGTHS if _is_sparse(rows) else STRENGTHS


def _is_sparse(rows: Any) -> bool:
    return not isinstance(rows, np.ndarray)


# ── Results ───────────────────────────────────────────────────────────────────────────────────────


def results(examples: ProbeSet, outcome: Outcome) -> list[TaskResult]:
    """The result of an outcome; of regression two: Pearson's and Spearman's correlation."""
    all_splits = splits(examples)
    truth = examples.labels[np.concatenate([split.test for split in all_splits])]
    # What always giving the test set's most frequent class scores; correlations then are 0.
    chance = float(np.bincount(truth).max() / len(truth)) if examples.metric == "accuracy" else 0.0
    return [
        TaskResult(
            task=examples.task,
            metric=name,
            value=float(metric(name)(truth, outcome.predictions)),
            # Words drawn again one by one, as the bootstrap would, are no spans.
            interval=None if name == "F1" else statistics.interval(metric(name), truth, outcome.predictions),
            chance=chance,
            items=len(truth),
            training=round(np.mean([len(split.train_and_valid) for split in all_splits])),
            kind=PROBE,
            protocol=_in_words(outcome.choices),
        )
        for name in metrics(examples)
    ]


def refused(examples: ProbeSet, note: str) -> list[TaskResult]:
    """The results of what cannot be probed, and why not."""
    return [TaskResult(examples.task, name, None, kind=PROBE, note=note) for name in metrics(examples)]


def metrics(examples: ProbeSet) -> tuple[str, ...]:
    """The metrics of a set: there is a result for each."""
    return ("Pearson", "Spearman") if examples.is_regression else (examples.metric,)


def _in_words(choices: Sequence[tuple[Candidate, float]]) -> str:
    """'layer 1, mean, C = 0.01'; of several splits, what most of them chose."""
    if not choices:
        return ""
    ((layer, pooling), strength), votes = Counter(choices).most_common(1)[0]
    among = f" ({votes} of {len(choices)} folds)" if len(choices) > 1 else ""
    return f"{layer}, {pooling}" + (f", C = {strength:g}" if strength else "") + among
