"""What a fine-tuned network is compared with, always: from the majority class to a probe of its frozen features.

The strongest of the simple ones is that of Wang & Manning (2012), "Baselines and Bigrams": with f the binary counts of
words and pairs of words, p = 1 + Σ f over the texts of a class and q that over all others,

    r = log (p / ‖p‖₁) − log (q / ‖q‖₁)          naive Bayes' log-count ratio
    w = a linear SVM's on r ∘ f                   squared hinge loss, C = 1, no bias
    w′ = (1 − β) mean |w| + β w, β = 1/4          the class whose w′ · (r ∘ f) is highest

There is no bias, as in the authors' program (github.com/sidaw/nbsvm): interpolated with the small weights, it would
outweigh them where classes are not equally frequent.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from lmzoo.errors import UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Array, Encoder, Progress
from lmzoo.tasks.finetuning.learner import Predicted
from lmzoo.tasks.probing import baselines, probe
from lmzoo.tasks.probing.datasets import ProbeSet, Split
from lmzoo.tasks.probing.features import SENTENCE, Candidate, FeatureReader

ALPHA, BETA, PENALTY = 1.0, 0.25, 1.0  # Wang & Manning 2012, section 3: α, β and C
ITERATIONS = 10_000  # of the SVM, at most
TOKEN = r"\w+|[^\w\s]+"
UNTRAINED_SEED = 0

Inputs = Mapping[Candidate, Array]


class _Memo:
    """What was computed last from a set's texts, which the cells of a task share."""

    def __init__(self) -> None:
        self.texts: Any = None
        self.value: Any = None

    def __call__(self, examples: ProbeSet, work: Callable[[], Any]) -> Any:
        if self.texts is not examples.texts:
            self.texts, self.value = examples.texts, work()
        return self.value


@dataclass(frozen=True)
class Majority:
    """The most frequent class."""

    name = baselines.MAJORITY
    settings = {"learner": "majority"}  # noqa: RUF012
    draws = False  # whether the seed changes anything but the labels that it sees

    def predict(self, examples: ProbeSet, split: Split, seed: int, progress: Progress) -> Predicted:  # noqa: ARG002
        """The most frequent class among the labels that were seen. Raises UsageError where labels are numbers."""
        if examples.is_regression:
            raise UsageError("numbers have no majority class")
        return Predicted(baselines.majority_class(examples, split))


@dataclass(frozen=True)
class TfIdf:
    """Logistic regression on TF-IDF of words and pairs of words; for words, their most frequent tags."""

    name = baselines.TFIDF
    settings = {"learner": "tfidf"}  # noqa: RUF012
    draws = False
    memo: _Memo = field(default_factory=_Memo)

    def predict(self, examples: ProbeSet, split: Split, seed: int, progress: Progress) -> Predicted:  # noqa: ARG002
        """As the baseline of `lmzoo probe`; of continuations the likeliest right one."""
        if examples.word_labels:
            return Predicted(baselines.most_frequent_tags(examples, split))
        if not examples.is_choice:
            inputs = self.memo(examples, lambda: baselines.tfidf(examples))
            values, (_, strength) = probe.predict(inputs, examples, split)
            return Predicted(values, {"C": strength})
        pairs, of_pairs = _pairs(examples), _of_pairs(examples, split)
        inputs = self.memo(examples, lambda: baselines.tfidf(pairs))
        candidate, strength = probe.choose(inputs(of_pairs.train), pairs, of_pairs)
        learned = of_pairs.train_and_valid
        rows = inputs(learned)[candidate]
        scores = probe.fit(rows[learned], pairs.labels[learned], strength).predict_proba(rows[of_pairs.test])[:, -1]
        return Predicted(scores.reshape(len(split.test), -1).argmax(axis=1), {"C": strength})


@dataclass(frozen=True)
class NaiveBayesSvm:
    """A linear SVM on naive Bayes' log-count ratios of words and pairs of words (Wang & Manning 2012)."""

    name = "NB-SVM"
    settings = {"learner": "nbsvm", "alpha": ALPHA, "beta": BETA, "C": PENALTY}  # noqa: RUF012
    draws = False
    memo: _Memo = field(default_factory=_Memo)

    def predict(self, examples: ProbeSet, split: Split, seed: int, progress: Progress) -> Predicted:  # noqa: ARG002
        """The class of the highest score; the words of each text of a pair count by themselves.

        Raises UsageError for words and numbers.
        """
        if examples.word_labels or examples.is_regression:
            raise UsageError(f"it classifies texts, not {'words' if examples.word_labels else 'numbers'}")
        whole, of = (_pairs(examples), _of_pairs(examples, split)) if examples.is_choice else (examples, split)
        rows = self.memo(examples, lambda: _binary(whole))
        learned = of.train_and_valid
        scores = nbsvm(
            rows[learned], whole.labels[learned], rows[of.test], 2 if examples.is_choice else len(whole.classes)
        )
        if examples.is_choice:
            scores = scores[:, 1].reshape(len(split.test), -1)
        return Predicted(scores.argmax(axis=1))


def nbsvm(rows: Any, labels: Array, test: Any, classes: int) -> Array:
    """Scores (M, C) of test rows (M, F) by what was learned from binary rows (N, F), each class against the others."""
    from sklearn.svm import LinearSVC

    seen = np.flatnonzero(np.asarray(rows.sum(axis=0)).ravel())  # no words of test texts alone
    rows, test = rows[:, seen], test[:, seen]
    scores = np.full((test.shape[0], classes), -np.inf)
    for one in np.unique(labels):
        of_class = labels == one
        if of_class.all():
            scores[:, one] = 0
            continue
        r = _ratio(rows, of_class)
        svm = LinearSVC(C=PENALTY, fit_intercept=False, random_state=0, max_iter=ITERATIONS)
        w = svm.fit(rows.multiply(r).tocsr(), of_class).coef_[0]
        scores[:, one] = test @ (r * ((1 - BETA) * np.abs(w).mean() + BETA * w))
    return scores


def _ratio(rows: Any, of_class: Array) -> Array:
    """r of one class against the others, (F,)."""
    p, q = (ALPHA + np.asarray(rows[mask].sum(axis=0)).ravel() for mask in (of_class, ~of_class))
    return np.log(p / p.sum()) - np.log(q / q.sum())


def _binary(examples: ProbeSet) -> Any:
    """Which words and pairs of words each text has, (N, F) sparse; of pairs of texts side by side."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(ngram_range=(1, 2), token_pattern=TOKEN, binary=True, dtype=np.float64)
    vectorizer.fit(text for column in examples.texts for text in column)
    return hstack([vectorizer.transform(column) for column in examples.texts], "csr")


def _pairs(examples: ProbeSet) -> ProbeSet:
    """A beginning with each of its continuations, as pairs that are right (1) or not (0)."""
    beginning, *continuations = examples.texts
    first = [text for text in beginning for _ in continuations]
    second = [text for texts in zip(*continuations, strict=True) for text in texts]
    labels = (examples.labels[:, None] == np.arange(len(continuations))).astype(int).ravel()
    return replace(
        examples, texts=(first, second), labels=labels, parts=np.zeros(len(labels), int), classes=("wrong", "right")
    )


def _of_pairs(examples: ProbeSet, split: Split) -> Split:
    count = len(examples.texts) - 1
    return Split(*((part[:, None] * count + np.arange(count)).ravel() for part in vars(split).values()))


# ── Vectors ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Frozen:
    """A logistic regression on a run's frozen features: the probe of `lmzoo probe`, on the same few labels.

    `untrained`: on those of the same network with first weights. `pooled`: on means of vectors alone.
    """

    name: str
    text_model: TextModel
    folder: Path | None  # where features are cached
    untrained: bool = False
    pooled: bool = False
    draws = False
    memo: _Memo = field(default_factory=_Memo)
    made: list[FeatureReader] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, Any]:
        """The features, by all that they depend on."""
        return {"learner": "probe", "features": self._reader(Progress()).fingerprint, "pooled": self.pooled}

    def predict(self, examples: ProbeSet, split: Split, seed: int, progress: Progress) -> Predicted:  # noqa: ARG002
        """Layer, pooling and strength are chosen by the validation examples. Raises as `FeatureReader.inputs` does."""
        reader = self._reader(progress)
        inputs: Inputs = self.memo(examples, lambda: reader.inputs(examples))
        if self.pooled and not examples.word_labels:
            inputs = {one: rows for one, rows in inputs.items() if one[1] == "mean" or one == SENTENCE}
        values, ((layer, pooling), strength) = probe.predict(probe.fixed(inputs), examples, split)
        return Predicted(values, {"layer": layer, "pooling": pooling, "C": strength})

    def _reader(self, progress: Progress) -> FeatureReader:
        if not self.made:
            text_model = self.text_model
            if self.untrained:
                twin = text_model.model.untrained(UNTRAINED_SEED) if isinstance(text_model.model, Encoder) else None
                if twin is None:
                    raise UsageError(f"there is no untrained {text_model.name}")
                text_model = TextModel(twin, text_model.tokenizer)
            self.made.append(FeatureReader(text_model, self.folder))
        self.made[0].progress = progress
        return self.made[0]


@dataclass(frozen=True)
class PooledVectors:
    """A logistic regression on the mean of the vectors of a text's words."""

    name: str
    matrix: Array  # (N, D)
    rows: Mapping[str, int]  # that of each word
    digest: str  # of the file or run that they are from
    draws = False
    memo: _Memo = field(default_factory=_Memo)

    @property
    def settings(self) -> dict[str, Any]:
        """Where they are from."""
        return {"learner": "vectors", "file": self.digest}

    def predict(self, examples: ProbeSet, split: Split, seed: int, progress: Progress) -> Predicted:  # noqa: ARG002
        """A word without a vector is looked up in lower case, then left out. Raises UsageError for continuations."""
        if examples.is_choice:
            raise UsageError("to choose a continuation is learned by fine-tuning, not from pooled vectors")
        rows, unknown = self.memo(examples, lambda: self._rows(examples))
        values, (_, strength) = probe.predict(probe.fixed({("vectors", "mean"): rows}), examples, split)
        return Predicted(values, {"C": strength, "words without a vector": unknown})

    def _rows(self, examples: ProbeSet) -> tuple[Array, float]:
        counts = [0, 0]  # words, and those without a vector

        def mean(words: list[str]) -> Array:
            found = [self.rows.get(word, self.rows.get(word.lower())) for word in words]
            known = [row for row in found if row is not None]
            counts[0] += len(words)
            counts[1] += len(words) - len(known)
            return self.matrix[known].mean(axis=0) if known else np.zeros(self.matrix.shape[1])

        if examples.word_labels:
            rows = np.array([mean([word]) for word in examples.words()])
        else:
            u, *others = (np.array([mean(re.findall(TOKEN, text)) for text in column]) for column in examples.texts)
            rows = np.hstack([np.abs(u - others[0]), u * others[0]]) if others else u
        return rows.astype(np.float32), counts[1] / max(counts[0], 1)
