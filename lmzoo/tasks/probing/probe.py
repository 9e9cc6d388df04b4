"""Probes: how much a simple classifier can read off a model's features, the model being frozen.

For each task the features are standardised and a logistic regression is trained on them (ridge regression, where
labels are numbers). The layer, the pooling and the strength of the regularisation are chosen on validation examples;
then it is fitted on training and validation examples together, and tested once. The same splits and seeds for all.
Validation examples are a set's own where it has some; else every tenth of those for training. A set that has no test
examples either is cross-validated: tested in ten parts, each with another tenth to choose by. To choose the
strength by five folds besides would more than double the fits of a split, which are 20 at most: 15 for layers and
poolings, 4 for the other strengths, and the last one.

A figure means little alone (Hewitt & Liang 2019), so there are beside it

    majority class      what is right without looking
    TF-IDF              a logistic regression on words and pairs of words (of tags: the word's most frequent one)
    untrained           the same network with its first weights: what architecture and dimensions alone give
    shuffled labels     the same features with labels that mean nothing: what the probe can memorise. Of tags, each word
                        type has one drawn at random for it, as in their control tasks; a probe that knows the word
                        knows it. Elsewhere the labels are shuffled among texts, and more than chance would be a mistake
"""

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmzoo.data import corpus
from lmzoo.data.tokenizers import Tokenizer
from lmzoo.errors import ScoreError, TokenizerError, UsageError, not_installed
from lmzoo.evaluation import statistics
from lmzoo.interface import Encoder, Model, Progress
from lmzoo.tasks.probing.datasets import Examples, Split, splits
from lmzoo.tasks.probing.features import Candidate, Reader
from lmzoo.tasks.result import TaskResult

Array = NDArray[Any]
# What can be learned from: rows (N, D) by candidate, as they are once those at some places are known.
Inputs = Callable[[Array], Mapping[Candidate, Any]]

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # of standardised features: C, or 1 / alpha for ridge regression
MIDDLE = 1e-2  # with which layers and poolings are compared
STRENGTHS_OF_WORDS = (0.3, 1.0, 3.0, 10.0, 30.0)
# The optimiser stops here at the latest. What is left to gain in the loss is below what regularisation changes.
ITERATIONS, TOLERANCE = 100, 1e-3
SEED = 0
PROBE, UNTRAINED, SHUFFLED = "probe", "untrained", "shuffled labels"
MAJORITY, WORDS = "majority class", "TF-IDF"


@dataclass(frozen=True)
class Outcome:
    """What a probe said of the test examples, and how it came to it."""

    places: Array  # of the examples tested
    predictions: Array  # as many
    choices: list[tuple[Candidate, float]]  # of each split: layer and pooling, and the strength of regularisation
    training: int  # examples learned from, on average


def grade_model(
    model: Model,
    tokenizer: Tokenizer,
    sets: Sequence[Examples],
    progress: Progress | None = None,
    folder: Path | None = None,
) -> dict[str, list[TaskResult]]:
    """The grades of a model in each of `sets`: as it is, with labels shuffled and, of a network, untrained.

    `folder` is where features are kept (None: probes/ in lmzoo's cache). A model that has no vectors, or whose
    tokenizer cannot write the texts, has grades without a value and a note that says so. Raises UsageError where
    scikit-learn is not installed, ScoreError for vectors that are not finite.
    """
    progress, folder = progress or Progress(), folder or corpus.cache_folder() / "probes"
    if not isinstance(model, Encoder):
        note = f"{model.name} has no vectors to probe: all it knows of a text is how likely it is"
        return {PROBE: [grade for examples in sets for grade in _nothing(examples, note)]}
    found = _grade_reader(Reader(model, tokenizer, folder, progress), sets, (PROBE, SHUFFLED))
    twin = model.untrained(SEED)
    if isinstance(twin, Model):
        found |= _grade_reader(Reader(twin, tokenizer, folder, progress), sets, (UNTRAINED,))
    return found


def _grade_reader(reader: Reader, sets: Sequence[Examples], rows: tuple[str, ...]) -> dict[str, list[TaskResult]]:
    """The grades of its features in the first of `rows`, and with labels shuffled in the second, if there is one."""
    found: dict[str, list[TaskResult]] = {row: [] for row in rows}
    for examples in sets:
        try:
            inputs = reader.inputs(examples)
        except TokenizerError as error:
            for row in rows:
                found[row] += _nothing(examples, f"its tokenizer cannot write these texts: {error}")
            continue
        except ScoreError as error:
            for row in rows:
                found[row] += _nothing(examples, str(error))
            continue
        outcome = probe(always(inputs), examples, reader.progress)
        found[rows[0]] += [replace(grade, note=reader.note) for grade in graded(examples, outcome)]
        for row in rows[1:]:
            found[row] += graded(*control(inputs, examples, outcome, reader.progress))
    return found


def always(inputs: Mapping[Candidate, Array]) -> Inputs:
    """Rows that are what they are, whichever are known."""
    return lambda _: inputs


def baselines(sets: Sequence[Examples], progress: Progress | None = None) -> dict[str, list[TaskResult]]:
    """The grades of the majority class, and of TF-IDF or the most frequent tags of words, in each of `sets`."""
    found: dict[str, list[TaskResult]] = {MAJORITY: [], WORDS: []}
    for examples in sets:
        if examples.graded:
            found[MAJORITY] += _nothing(examples, "numbers have no majority class")
        else:
            found[MAJORITY] += graded(examples, majority(examples))
        outcome = frequent_tags(examples) if examples.words else probe(words(examples), examples, progress)
        found[WORDS] += graded(examples, outcome)
    return found


# ── The protocol ──────────────────────────────────────────────────────────────────────────────────


def probe(inputs: Inputs, examples: Examples, progress: Progress | None = None) -> Outcome:
    """Learn, choose and test, on each split of `examples`."""
    places, predictions, choices, training = [], [], [], []
    all_splits = splits(examples)
    with (progress or Progress()).task(f"probing {examples.task}", len(all_splits)) as task:
        for split in all_splits:
            candidate, strength = choose(inputs(split.train), examples, split)
            learned = np.concatenate([split.train, split.valid])
            rows = inputs(learned)[candidate]
            predictions.append(fit(rows[learned], examples.labels[learned], strength).predict(rows[split.test]))
            places.append(split.test)
            choices.append((candidate, strength))
            training.append(len(learned))
            task.advance()
    return Outcome(np.concatenate(places), np.concatenate(predictions), choices, round(np.mean(training)))


def choose(inputs: Mapping[Candidate, Any], examples: Examples, split: Split) -> tuple[Candidate, float]:
    """The candidate that is best on validation examples with a middling regularisation, then the best strength."""
    scores: dict[tuple[Candidate, float], float] = {}

    def score(candidate: Candidate, strength: float) -> float:
        if (candidate, strength) not in scores:
            rows, labels = inputs[candidate], examples.labels
            predictor = fit(rows[split.train], labels[split.train], strength)
            predicted = predictor.predict(rows[split.valid])
            scores[candidate, strength] = float(measure(examples.metric)(labels[split.valid], predicted))
        return scores[candidate, strength]

    best = max(inputs, key=lambda candidate: score(candidate, MIDDLE)) if len(inputs) > 1 else next(iter(inputs))
    return best, max(strengths_for(inputs[best]), key=lambda strength: score(best, strength))


def control(
    inputs: Mapping[Candidate, Any], examples: Examples, outcome: Outcome, progress: Progress | None = None
) -> tuple[Examples, Outcome]:
    """The same with labels that mean nothing, and the layer and pooling that were chosen for those that do.

    Where words can be memorised, the strength that does so best is looked for; among texts there is nothing to find.
    """
    meaningless = replace(examples, labels=_shuffled(examples))
    predictions = []
    all_splits = splits(examples)
    with (progress or Progress()).task(f"shuffling {examples.task}", len(all_splits)) as task:
        for split, (candidate, strength) in zip(all_splits, outcome.choices, strict=True):
            learned, rows = np.concatenate([split.train, split.valid]), inputs[candidate]
            if examples.words:
                _, strength = choose({candidate: rows}, meaningless, split)
            predictor = fit(rows[learned], meaningless.labels[learned], strength)
            predictions.append(predictor.predict(rows[split.test]))
            task.advance()
    return meaningless, replace(outcome, predictions=np.concatenate(predictions))


def _shuffled(examples: Examples) -> Array:
    rng = np.random.default_rng(SEED)
    if not examples.words:
        return rng.permutation(examples.labels)
    kinds, number = np.unique([word for text in examples.texts[0] for word in text.split(" ")], return_inverse=True)
    return rng.choice(examples.labels, len(kinds))[number]


def fit(rows: Any, labels: Array, strength: float) -> Any:
    """A predictor of `labels` (N,) from `rows` (N, D), standardised unless they are sparse.

    Raises UsageError where scikit-learn is not installed.
    """
    need_sklearn()
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
        warnings.simplefilter("ignore", ConvergenceWarning)  # to stop early is meant
        return predictor.fit(rows, labels)


def strengths_for(rows: Any) -> tuple[float, ...]:
    """The strengths of regularisation that are tried for `rows`."""
    return STRENGTHS_OF_WORDS if _is_sparse(rows) else STRENGTHS


def _is_sparse(rows: Any) -> bool:
    return not isinstance(rows, np.ndarray)


def need_sklearn() -> None:
    """Raise UsageError where scikit-learn is not installed."""
    if find_spec("sklearn") is None:
        raise not_installed("probing", "scikit-learn")


# ── Baselines ─────────────────────────────────────────────────────────────────────────────────────


def majority(examples: Examples) -> Outcome:
    """The class that most training examples have, whatever the example."""
    need_sklearn()
    from sklearn.dummy import DummyClassifier

    found = []
    for split in splits(examples):
        learned = np.concatenate([split.train, split.valid])
        predictor = DummyClassifier(strategy="most_frequent").fit(learned[:, None], examples.labels[learned])
        found.append((split.test, predictor.predict(split.test[:, None]), len(learned)))
    places, predictions, training = zip(*found, strict=True)
    return Outcome(np.concatenate(places), np.concatenate(predictions), [], round(np.mean(training)))


def frequent_tags(examples: Examples) -> Outcome:
    """For each word the label it most often has in training; the most frequent one for words that it never saw."""
    all_words = np.array([word for text in examples.texts[0] for word in text.split(" ")])
    (split,) = splits(examples)
    learned = np.concatenate([split.train, split.valid])
    counts = Counter(zip(all_words[learned].tolist(), examples.labels[learned].tolist(), strict=True))
    label_of = {word: label for (word, label), _ in sorted(counts.items(), key=lambda item: item[1])}
    otherwise = int(np.bincount(examples.labels[learned]).argmax())
    predictions = np.array([label_of.get(word, otherwise) for word in all_words[split.test].tolist()])
    return Outcome(split.test, predictions, [(("words", "most frequent tag"), 0.0)], len(learned))


def words(examples: Examples) -> Inputs:
    """Words and pairs of neighbouring words of each text, weighed by TF-IDF, as what a probe may learn from."""
    need_sklearn()
    from scipy.sparse import hstack, vstack
    from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

    vectorizer = CountVectorizer(ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]+")
    vectorizer.fit(text for column in examples.texts for text in column)
    counts = [vectorizer.transform(column) for column in examples.texts]

    def inputs(known: Array) -> dict[Candidate, Any]:
        seen = np.flatnonzero(sum(column[known].sum(axis=0) for column in counts))  # others it has never heard of
        transformer = TfidfTransformer(sublinear_tf=True).fit(vstack([column[known][:, seen] for column in counts]))
        u, *others = (transformer.transform(column[:, seen]) for column in counts)
        return {("words", "TF-IDF"): hstack([abs(u - others[0]), u.multiply(others[0])], "csr") if others else u}

    return inputs


# ── Grades ────────────────────────────────────────────────────────────────────────────────────────


def graded(examples: Examples, outcome: Outcome) -> list[TaskResult]:
    """The grade of an outcome; where labels are numbers, two: Pearson's and Spearman's correlation."""
    truth = examples.labels[outcome.places]
    grade = TaskResult(
        task=examples.task, metric=examples.metric, value=None, chance=_chance(examples, outcome), items=len(truth),
        training=outcome.training, kind="probe", protocol=_in_words(outcome.choices),
    )  # fmt: skip
    found = []
    for metric in metrics(examples):
        statistic = measure(metric)
        value = float(statistic(truth, outcome.predictions))
        sure = statistics.interval(statistic, truth, outcome.predictions)
        found.append(replace(grade, metric=metric, value=value, interval=sure))
    return found


def _chance(examples: Examples, outcome: Outcome) -> float:
    """What the most frequent class of the test set gets; no correlation at all."""
    if examples.metric != "accuracy":
        return 0.0
    return float(np.bincount(examples.labels[outcome.places]).max() / len(outcome.places))


def _nothing(examples: Examples, note: str) -> list[TaskResult]:
    return [TaskResult(examples.task, metric, None, kind="probe", note=note) for metric in metrics(examples)]


def metrics(examples: Examples) -> tuple[str, ...]:
    """The metrics that there is a result for: where labels are numbers, two."""
    return ("Pearson", "Spearman") if examples.graded else (examples.metric,)


def _in_words(choices: Sequence[tuple[Candidate, float]]) -> str:
    """'layer 1, mean, C = 0.01', or of several splits what most of them chose."""
    if not choices:
        return ""
    ((layer, pooling), strength), votes = Counter(choices).most_common(1)[0]
    among = f" ({votes} of {len(choices)} folds)" if len(choices) > 1 else ""
    return f"{layer}, {pooling}" + (f", C = {strength:g}" if strength else "") + among


def measure(metric: str) -> Callable[..., Any]:
    """The statistic of that name: of truth and predictions, (…, N) each, along an axis."""
    known: dict[str, Callable[..., Any]] = {
        "accuracy": accuracy, "MCC": correlation, "Pearson": correlation, "Spearman": rank_correlation,
    }  # fmt: skip
    if metric not in known:
        raise UsageError(f"no metric {metric!r}; there are: {', '.join(known)}")
    return known[metric]


def accuracy(truth: Array, predictions: Array, axis: int = -1) -> Any:
    """The share that is right."""
    return (truth == predictions).mean(axis=axis)


def correlation(truth: Array, predictions: Array, axis: int = -1) -> Any:
    """Pearson's r, which for classes 0 and 1 is Matthews' correlation coefficient; 0 where one of them is constant."""
    x, y = (np.asarray(a, dtype=float) - np.mean(a, axis=axis, keepdims=True) for a in (truth, predictions))
    size = np.sqrt((x * x).sum(axis=axis) * (y * y).sum(axis=axis))
    return np.divide((x * y).sum(axis=axis), size, out=np.zeros_like(size), where=size > 0)


def rank_correlation(truth: Array, predictions: Array, axis: int = -1) -> Any:
    """Spearman's ρ: Pearson's r of ranks, equal values having their mean rank."""
    from scipy.stats import rankdata

    return correlation(rankdata(truth, axis=axis), rankdata(predictions, axis=axis), axis=axis)
