"""The abilities a model can have. Read this first: everything else in lmzoo is built on this page.

Letters, the same everywhere:

    T  tokens in a text        V  vocabulary size        B  texts in a batch
    D  features                H  blanks                 N  texts or candidates      C  classes

Conventions, the same everywhere:

- A token is an integer 0 … V-1. The last one, V-1, is `end`: it ends a text (or a line, where a corpus has lines) and,
  as in GPT-2, is what a model has just read when it starts.
- Log-probabilities are natural logarithms (nats). Only the evaluator turns them into bits.
- States are values: no method changes one that it was given, so a prefix is read once and continued many ways.

A concrete model is a dataclass. Its fields are its hyperparameters: the constructor, the config that is saved,
the flags and help of `lmzoo train NAME` (the comment behind a field is its help), and nothing else. What `fit`
learns is held by attributes that end in an underscore. `models/uniform.py` is the smallest example.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lmzoo import labels, sampling
from lmzoo.cluster import DistributedIds, Workers
from lmzoo.errors import NotFittedError, UsageError
from lmzoo.progress import Progress as Progress  # part of this page, in a file of its own that does without NumPy

State = Any
Array = NDArray[Any]
Floats = NDArray[np.floating[Any]]  # log-probabilities in nats, vectors
Ids = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Start:
    """What the training of a network begins from, where not all of its first weights are drawn by its seed."""

    digest: str  # of all that follows: equal digests, equal first weights
    facts: Mapping[str, Any] = field(default_factory=dict)  # where it comes from: provenance
    remarks: Sequence[str] = ()
    config: Mapping[str, Any] = field(default_factory=dict)  # settings for those that are not given
    arrays: Mapping[str, Any] | None = None  # `Model.arrays` of the model to go on from
    embeddings: Floats | None = None  # (V, m): the first rows of the table that tokens are looked up in
    frozen: bool = False  # that table stays as it is


@dataclass
class Run:
    """How to fit, never what: it is recorded as provenance and is no part of the model.

    A model that trains by steps stops at the first budget that is spent; one that counts takes what it takes.
    """

    seed: int = 0
    device: str = "auto"  # cpu, cuda, cuda:1, mps; auto: the fastest there is
    exact: bool = False  # whether what is trained then scores by the definition: see `Model.exactly`
    seconds: float | None = None  # wall-clock budget; None: as the model sees fit
    steps: int | None = None  # budget of optimiser steps
    tokens: float | None = None  # budget of training tokens read
    flops: float | None = None  # budget of floating-point operations, forward and backward
    precision: str = "auto"  # float32 or bfloat16; auto: the faster one, where the hardware has it
    compile: str = "auto"  # yes or no; auto: where it pays for itself within the budget
    memory: int | None = None  # bytes to make do with, where a model can; None: as many as it likes
    parallel: str = "replicated"  # what processes that torchrun started have of a network: a copy, or a share (sharded)
    folder: Path | None = None  # where checkpoints go; None: there are none
    resume: bool = False  # go on from the checkpoint in `folder`
    start: Start | None = None  # what a model that `starts` begins from; None: weights drawn by the seed
    checkpoints: int = 0  # log-spaced points of a training by steps at which `keep` is given the model as it is then
    keep: "Callable[[Model, dict[str, Any]], object] | None" = None  # … with its steps, tokens read, seconds and losses
    tensorboard: Path | None = None  # where to write TensorBoard's files; None: nowhere
    cluster: Workers | None = None  # who reads and counts the training text; None: this process
    tokens_per_character: float | None = None  # of the training text, so that progress can be shown in bits of it
    progress: Progress = field(default_factory=Progress)


@dataclass(frozen=True)
class Vocabulary:
    """The V tokens: how many there are, which one is `end`, and how each is spelled (for character-aware networks)."""

    spellings: Sequence[bytes]  # (V,) UTF-8, which a byte token may cut short; that of `end`, the last, is b"" or b"\n"

    @classmethod
    def of_size(cls, size: int) -> Self:
        """A vocabulary of `size` tokens spelled as their numbers, for ids that stand for no text."""
        return cls((*(b"%d" % token for token in range(size - 1)), b""))

    def __len__(self) -> int:
        return len(self.spellings)

    @property
    def end(self) -> int:
        """The token that ends a text: V-1."""
        return len(self.spellings) - 1


@dataclass(frozen=True)
class Data:
    """A corpus as a model sees it: what `fit` is given. Raises UsageError naming the first id not below V."""

    train: Ids  # (T,); `DistributedIds` for a model that counts `on_cluster`
    valid: Ids  # (T,) to choose settings and stop by; empty where nothing may be chosen
    vocabulary: Vocabulary
    refit: bool = False  # `train` ends with `valid`: the final fit, after everything has been chosen
    lines: bool = False  # each line, up to its `end`, is a text of its own: no context may run across lines

    def __post_init__(self) -> None:
        for name in ("train", "valid"):  # checked here once, so that no model has to
            if not isinstance(getattr(self, name), DistributedIds):
                object.__setattr__(self, name, check_ids(getattr(self, name), self.vocab_size))

    @classmethod
    def of(cls, train: ArrayLike, valid: ArrayLike, vocab_size: int, refit: bool = False) -> Self:
        """Ids that stand for no text, all below `vocab_size`."""
        return cls(np.asarray(train), np.asarray(valid), Vocabulary.of_size(vocab_size), refit)

    @property
    def vocab_size(self) -> int:
        """V."""
        return len(self.vocabulary)

    @property
    def train_only(self) -> Ids:
        """`train` without the `valid` at its end: what may be learned while something is chosen on `valid`."""
        return self.train[: len(self.train) - len(self.valid)] if self.refit else self.train


@dataclass(frozen=True)
class Examples:
    """Labelled texts, as a Classifier sees them."""

    texts: Sequence[tuple[Ids, ...]]  # N of them, each of one text or of two (premise, hypothesis)
    labels: NDArray[Any]  # (N,) classes 0 … C-1, or numbers where the task is regression
    classes: Sequence[str] = ()  # C names


class Origin(NamedTuple):
    """Where the idea of a model comes from."""

    year: int
    paper: str


class Model(ABC):
    """What every model can do: learn from ids, and be saved as plain arrays."""

    name: ClassVar[str] = ""
    year: ClassVar[int] = 0  # with `paper`, of the default settings; `origin` is that of a model as it is set
    paper: ClassVar[str] = ""
    # baseline, count, association, feedforward, recurrent, masked, transformer or other: its colour in a report.
    family: ClassVar[str] = "other"
    # The settings that a label names, and how: {"hidden": "{} cells"}. None: all that differ from their defaults.
    label_settings: ClassVar[Mapping[str, str] | None] = None

    vocab_size_: int
    resumes: ClassVar[bool] = False  # whether fit leaves checkpoints in `Run.folder` and can go on from them
    starts: ClassVar[bool] = False  # whether fit can begin from `Run.start`
    on_cluster: ClassVar[bool] = False  # whether fit can count a text whose ids lie on a cluster, `DistributedIds`
    remarks: Sequence[str] = ()  # where fit deviated from its settings: shown, and saved in provenance.json
    facts: Mapping[str, Any] = MappingProxyType({})  # measurements of fit (steps, device, …): in provenance.json
    history: Sequence[dict[str, Any]] = ()  # the learning curve, a dict for each evaluation: metrics.jsonl

    @abstractmethod
    def fit(self, data: Data, run: Run | None = None) -> Self:
        """Learn from `data.train`, with `data.valid` to choose settings by. Sets `vocab_size_`; returns self."""

    @property
    def origin(self) -> Origin:
        """Year and paper, which may depend on the settings: an unsmoothed bigram is not of 1998."""
        return Origin(self.year, self.paper)

    @property
    def recipe(self) -> str:
        """How it is trained: "period", as at the time of `origin`; or "today", with what was found since."""
        return "period"

    @property
    def title(self) -> str:
        """What the model is called in a sentence, without its settings: "LSTM", "GloVe"."""
        return self.name

    @property
    def label(self) -> str:
        """What a person would call it in a table: "LSTM, 96 cells", "GloVe"."""
        if self.label_settings is None:
            return ", ".join([self.title, *self.other_settings])
        named = (labels.count(getattr(self, key), pattern) for key, pattern in self.label_settings.items())
        return ", ".join([self.title, *named])

    @property
    def other_settings(self) -> list[str]:
        """In words, the settings that are not the default ones and that `label` need not name."""
        return labels.other_settings(self, self.label_settings or {})

    def warm_up(self) -> None:  # noqa: B027
        """Compile or load what `fit` and scoring need, where that takes time, so that no clock counts it."""

    def to(self, device: str) -> Self:  # noqa: ARG002
        """Compute on `device` from now on, where a model can; others stay where they are. Returns self."""
        return self

    def exactly(self) -> Self:
        """Score by the definition from now on, also where a faster way gives the same up to rounding. Returns self."""
        return self

    def config(self) -> dict[str, Any]:
        """The hyperparameters as one flat dict of what JSON holds: config.json."""
        return asdict(self)  # type: ignore[call-overload]

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The inverse of `config`; what is missing has its default."""
        return cls(**config)

    def arrays(self) -> dict[str, Any]:
        """What is learned, each attribute that ends in an underscore: arrays, numbers, text, collections of those."""
        learned = {key: value for key, value in vars(self).items() if _is_learned(key)}
        return {key.rstrip("_"): _as_array(value) for key, value in learned.items()}

    def restore(self, arrays: dict[str, Any]) -> Self:
        """The inverse of `arrays`. A 0-d array comes back as a Python number."""
        for key, value in arrays.items():
            setattr(self, key + "_", value.item() if isinstance(value, np.ndarray) and not value.ndim else value)
        return self

    def size(self) -> tuple[int, str]:
        """How big it is and in what unit: (12 345, 'parameters') or (67 890, 'n-grams')."""
        return sum(map(_parameters, self.arrays().values())), "parameters"

    def __getattr__(self, key: str) -> Any:
        # Only reached for attributes that do not exist, so this costs nothing once a model is fitted.
        if _is_learned(key):
            name = type(self).__name__
            raise NotFittedError(f"this {name} has learned nothing yet: call fit(data), or lmzoo.load(folder)")
        if isinstance(prop := getattr(type(self), key, None), property | cached_property):
            return prop.__get__(self)  # raises again what the property raised: Python says only that there is none
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {key!r}")


class Decoder(Model):
    """P(next token | a state). Sampling, beam search, rescoring, coding and the live demo need no more than this."""

    @abstractmethod
    def advance(self, state: State, tokens: Ids) -> State:
        """The state after reading `tokens` (T,), also none: the same wherever cut. Leaves `state` as it was."""

    @abstractmethod
    def next_log_probs(self, state: State) -> Floats:
        """log P(each token comes next), (V,), in nats; their exponentials sum to one. To be read, not written to."""

    # Written once, as are others below: a model may replace them by something faster; the contract compares the two.

    def advance_many(self, states: Sequence[State], texts: Sequence[Ids]) -> list[State]:
        """Each of B states after reading its own text (T,), of any length, also of none."""
        return [self.advance(state, text) for state, text in zip(states, texts, strict=True)]

    def next_log_probs_many(self, states: Sequence[State]) -> Floats:
        """`next_log_probs` of each of B states: (B, V)."""
        return np.stack([self.next_log_probs(state) for state in states])

    def draw(self, state: State, u: float) -> int:
        """A token drawn as `next_log_probs` says, by one number `u` uniform in [0, 1): the same for the same number."""
        return sampling.choose(self.next_log_probs(state), u)


class LanguageModel(Decoder):
    """P(text): a decoder that needs nothing to start from, for texts of any length."""

    # True where it learns from the text it is scored on as that goes by, across the ends of lines: a cache, say.
    # The evaluator never restarts such a model within a text, and marks its figures as dynamic evaluation.
    adapts: ClassVar[bool] = False

    @property
    def is_distribution(self) -> bool:
        """False where its scores do not sum to one: they may rank texts, but have no bits."""
        return True

    @property
    @abstractmethod
    def reach(self) -> int | None:
        """How many tokens back it can see; None: no limit."""

    @abstractmethod
    def start(self) -> State:
        """The state before the first token: as if `end` had just been read."""

    def log_probs(self, tokens: ArrayLike, state: State | None = None) -> tuple[Floats, State]:
        """log P of each of `tokens` (T,) given those before it, in nats, and the state after the last."""
        tokens = check_ids(tokens, self.vocab_size_)
        state = self.start() if state is None else state
        scores = np.empty(len(tokens))
        for t, token in enumerate(tokens):
            scores[t] = self.next_log_probs(state)[token]
            state = self.advance(state, tokens[t : t + 1])
        return scores, state

    def log_probs_many(self, texts: Sequence[ArrayLike], first: Sequence[int] | None = None) -> list[Floats]:
        """`log_probs` of separate texts, each from `start()`; batched where a model can.

        With `first`, of text n only those of its tokens first[n], first[n] + 1, …: the others need not be computed.
        """
        first = [0] * len(texts) if first is None else first
        return [self.log_probs(text)[0][start:] for text, start in zip(texts, first, strict=True)]

    def distributions(self, tokens: Ids, state: State | None = None) -> Floats:
        """`next_log_probs` before each token of a text is read: (T,) → (T, V); in one pass where a model can."""
        tokens = check_ids(tokens, self.vocab_size_)
        state = self.start() if state is None else state
        rows = np.empty((len(tokens), self.vocab_size_))
        for t in range(len(tokens)):
            rows[t] = self.next_log_probs(state)
            state = self.advance(state, tokens[t : t + 1])
        return rows

    def distributions_and_state(self, tokens: Ids, state: State | None = None) -> tuple[Floats, State]:
        """`distributions` (T, V), and the state after the last token: for less than both cost, where a model can."""
        state = self.start() if state is None else state
        return self.distributions(tokens, state), self.advance(state, tokens)


class TextToText(Decoder):
    """P(target | source), as of an encoder-decoder. It gives no P(text): there is no `start()` to begin one from."""

    @abstractmethod
    def start_after(self, source: Ids) -> State:
        """The state before the target's first token, having read `source` (T,)."""


class SpanFiller(ABC):
    """Fills each blank with tokens, as many as it likes: T5 in its pre-training."""

    @abstractmethod
    def fill_spans(self, tokens: Ids, blanks: NDArray[np.bool_], longest: int = 20) -> list[Ids]:
        """What it writes into each of the H blanks of `tokens` (T,), at most `longest` tokens: H arrays of ids."""


class MaskedModel(Model):
    """Fills blanks from the context on both sides. It gives no P(text), so never bits per character."""

    @abstractmethod
    def fill_log_probs(self, tokens: Ids, blanks: NDArray[np.bool_]) -> Floats:
        """log P of each token at each of the H blanks of `tokens`, all hidden at once: (T,), (T,) bool → (H, V)."""

    def pseudo_log_probs(self, tokens: Ids, words: Ids | None = None, first: int = 0) -> Floats:
        """log P of each token given all others, (T,), in nats, which sum to Salazar et al.'s pseudo-log-likelihood.

        With `words`, the number of each token's word (T,), ascending, the later tokens of its word are hidden with it,
        as they would give a rare word of several tokens away (Kauf & Ivanova 2023). With `first`, of the tokens first,
        first + 1, … alone: (T - first,).
        """
        # Salazar, Liang, Nguyen & Kirchhoff 2020, equation 2. One blank at a time, T passes: a model may batch them.
        tokens = check_ids(tokens, self.vocab_size_)
        stops = np.arange(1, len(tokens) + 1) if words is None else np.searchsorted(words, words, "right")
        places = np.arange(len(tokens))
        hidden = (places >= places[:, None]) & (places < stops[:, None])  # (T, T)
        rows = [self.fill_log_probs(tokens, blanks)[0] for blanks in hidden[first:]]  # its own blank comes first
        return np.array([row[token] for row, token in zip(rows, tokens[first:], strict=True)], dtype=np.float64)


class Encoder(ABC):
    """A vector for each token of a text, in one or several layers: for probes. A LanguageModel's see no later token."""

    @property
    def layer_names(self) -> Sequence[str]:
        """The layers that it gives vectors of, lowest first; `features` counts them so, from the top with -1, -2, …"""
        return ("vectors",)

    @abstractmethod
    def features(self, tokens: Ids, layer: int = -1) -> Floats:
        """A vector for each token of a text: (T,) → (T, D). D is the layer's own."""

    def features_many(self, texts: Sequence[Ids], layers: Sequence[int] = (-1,)) -> list[list[Floats]]:
        """For each of separate texts, its `features` in each of `layers`, all in memory; batched where a model can."""
        return [[self.features(text, layer) for layer in layers] for text in texts]

    def untrained(self, seed: int = 0) -> Self | None:  # noqa: ARG002
        """A model with the same settings and first weights drawn by `seed`, which has learned nothing; else None."""
        return None


class SentenceEncoder(ABC):
    """A vector for a whole text: skip-thought, or a network's last cell state. Probes use it like pooled features."""

    @abstractmethod
    def encode_texts(self, texts: Sequence[Ids]) -> Floats:
        """(N, D), a row for each of N texts."""


class Classifier(Model):
    """P(class | text), learned from labels: fine-tuning, and any classical baseline beside it."""

    @abstractmethod
    def fit_labels(self, examples: Examples, valid: Examples, run: Run | None = None) -> Self:
        """Learn from `examples`, with `valid` to choose settings and stop by. Returns self."""

    @abstractmethod
    def class_log_probs(self, texts: Sequence[tuple[Ids, ...]]) -> Floats:
        """log P(each class | text), in nats: (N, C)."""


def check_ids(tokens: ArrayLike, vocab_size: int) -> Ids:
    """`tokens` as an array (T,) of integers below V. Raises UsageError naming the first that is not."""
    ids = np.asarray(tokens)
    if ids.size == 0:
        return ids.astype(np.int32).reshape(0)
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise UsageError(f"token ids must be a flat array of integers, not {ids.dtype} of shape {ids.shape}")
    if ids.max() >= vocab_size or ids.min() < 0:
        t = int(np.argmax((ids >= vocab_size) | (ids < 0)))
        raise UsageError(
            f"token id {ids[t]} at position {t} is not in this model's vocabulary of {vocab_size} "
            f"(0 to {vocab_size - 1}): was the text encoded by another tokenizer?"
        )
    return ids


def _is_learned(key: str) -> bool:
    return key.endswith("_") and not key.startswith("_")


def _as_array(value: Any) -> Any:
    """`value` as an array of numbers, or as it is where it is none: a dictionary, ragged lists."""
    try:
        array = np.asarray(value)
    except ValueError:
        return value
    return array if array.dtype.kind in "biuf" else value


def _parameters(value: Any) -> int:
    """The numbers in a learned value: those with a point in arrays, and all that a dictionary counts."""
    if isinstance(value, Mapping):
        return sum(map(_parameters, value.values()))
    is_floats = isinstance(value, np.ndarray) and value.ndim and value.dtype.kind == "f"
    return value.size if is_floats else isinstance(value, int | float)
