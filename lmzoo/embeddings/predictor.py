"""PMI and word vectors score pairs of words; one log-linear model turns the scores into next-word probabilities.

PMI is a table of scores s(w, c) of a word w and a context word c near it; GloVe and word2vec are low-rank
factorisations of such tables (Levy & Goldberg 2014). One predictor serves them all:

    p(w | c_1 … c_k) = p(w)^β exp(Σ_d λ_d s(w, c_d)) / Z(c_1 … c_k)

where c_d is the token d positions back, k the window, and Z normalises over the vocabulary: a log-linear model
(Rosenfeld 1996) whose features are the unigram and the association at each distance. Its log-likelihood is concave in β
and λ, the only parameters fitted for prediction, on the validation text. β = 1, λ = 0 is the unigram; β = 1, λ_1 = 1
with PMI of a window of one token to the left is the bigram, relative frequencies for seen pairs.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from lmzoo.cluster import DistributedIds
from lmzoo.embeddings.distributed import count_tokens
from lmzoo.embeddings.gpu import OnDevice, accelerator
from lmzoo.embeddings.softmax import log_normalisers
from lmzoo.errors import FormatError, ScoreError
from lmzoo.interface import Array, Data, Encoder, Ids, LanguageModel, Run, State, check_ids

AT_ONCE = 1 << 20  # tokens of a text scored at a time: their contexts are k times as many numbers
BLOCK = 1 << 23  # logits computed at a time: 32 MB
SAMPLE = 4096  # positions of the validation text that β and λ are fitted on: enough for k+1 parameters
ROUNDS = 60  # of the optimiser, at most
NOWHERE = -1  # a context position before the text, or beyond an `end`: s(w, NOWHERE) = 0


class Association(LanguageModel, Encoder):
    """p(w | c_1 … c_k) ∝ p(w)^β exp(Σ_d λ_d s(w, c_d)). A subclass learns s and says what the vector of a word is."""

    window: int  # k
    _on_device: OnDevice | None = None  # where texts are scored, if not on the CPU

    counts_: Array  # (V,) occurrences in the training text
    exponent_: float  # β
    lambdas_: Array  # (k,) the weight of each distance, nearest first

    @abstractmethod
    def _learn(self, train: Ids, vocab_size: int, run: Run) -> None:
        """Learn associations from `train` (T,), as in the paper."""

    @abstractmethod
    def vectors(self) -> Any:
        """The vector of each word, (V, D): an array, or a scipy sparse array where most of it is zero."""

    @abstractmethod
    def scores(self, words: Ids, contexts: Ids) -> Array:
        """s(w, c) of N pairs: `words` (N,) and `contexts` (N,)."""

    @abstractmethod
    def _put_scores(self, logits: Array, contexts: Ids, lambdas: Array) -> None:
        """Write Σ_d λ_d s(w, c_d) of all words w into `logits` (N, V), for `contexts` (N, k)."""

    @abstractmethod
    def _expected_scores(self, probs: Array, contexts: Ids) -> Array:
        """Σ_w p(w) s(w, c_d): (N, k), for `probs` (N, V) and `contexts` (N, k)."""

    @abstractmethod
    def _moved(self, device: str) -> OnDevice:
        """A copy of all that scoring needs, on a PyTorch device."""

    def fit(self, data: Data, run: Run | None = None) -> Self:
        """Learn associations from `data.train`, then fit β and λ on `data.valid`.

        Raises UsageError for a text without two words that co-occur.
        """
        run = run or Run()
        self.remarks, self.facts = (), {}
        self.vocab_size_ = data.vocab_size
        self._learn_from(data.train_only, run)  # β and λ must be fitted on a text that s was not learned from
        self._fit_weights(data.valid, run)
        if data.refit:
            self._learn_from(data.train, run)
        return self

    def _learn_from(self, train: Ids, run: Run) -> None:
        self.counts_ = _count_tokens(train, self.vocab_size_)
        self._learn(train, self.vocab_size_, run)

    def calibrate(self, train: Ids, valid: Ids, run: Run | None = None) -> Self:
        """Make a predictor of imported associations: p(w) from `train` (T,), β and λ from `valid` (T,)."""
        train, valid = check_ids(train, self.vocab_size_), check_ids(valid, self.vocab_size_)
        self.counts_ = _count_tokens(train, self.vocab_size_)
        self._fit_weights(valid, run or Run())
        return self

    def warm_up(self) -> None:
        """Compile the counting and scoring loops, or load them from numba's cache."""
        text = np.tile(np.arange(3, dtype=np.int32), 10)
        tiny: dict[str, Any] = getattr(self, "PRESETS", {}).get("tiny", {})
        type(self)(**tiny).fit(Data.of(text, text[::-1], 3), Run(device="cpu")).log_probs(text)

    def restore(self, arrays: dict[str, Array]) -> Self:
        """The inverse of `arrays`. Raises FormatError for arrays that no fit could have made."""
        super().restore(arrays)
        counts, lambdas = np.asarray(self.counts_), np.asarray(self.lambdas_)
        if counts.shape != (self.vocab_size_,) or counts.dtype.kind != "i" or counts.min() < 0:
            raise FormatError(f"the counts are not those of {self.vocab_size_} tokens: this run is damaged")
        if lambdas.shape != (self.window,) or not np.isfinite([self.exponent_, *lambdas]).all():
            raise FormatError(
                f"the predictor lacks β or some of its {self.window} λ, or they are not finite: this run is damaged"
            )
        return self

    def features(self, tokens: Ids, layer: int = -1) -> Array:  # noqa: ARG002 (there is one)
        """The vector of each token, regardless of its context: (T,) → (T, D)."""
        rows = self.vectors()[check_ids(tokens, self.vocab_size_)]
        return np.asarray(rows if isinstance(rows, np.ndarray) else rows.toarray())

    def features_many(self, texts: Sequence[Ids], layers: Sequence[int] = (-1,)) -> list[list[Array]]:
        """`features` of separate texts, looked up at once."""
        cuts = np.cumsum([len(text) for text in texts])
        rows = self.features(np.concatenate([np.empty(0, dtype=np.int32), *texts]))
        return [[part for _ in layers] for part in np.split(rows, cuts)[:-1]]

    def to(self, device: str) -> Self:
        """Score texts on `device` from now on: "cuda", or "auto", the GPU if there is one. Returns self."""
        name = accelerator(device)
        self._on_device = self._moved(name) if name else None
        return self

    # ── Prediction ────────────────────────────────────────────────────────────────────────────────

    @property
    def reach(self) -> int:
        """The window."""
        return self.window

    def start(self) -> State:
        """The last k ids, (k,): `end` before the first token, and NOWHERE before that."""
        state = np.full(self.window, NOWHERE, dtype=np.int32)
        state[-1] = self.vocab_size_ - 1
        return state

    def advance(self, state: State, tokens: Ids) -> State:
        """The last k ids after `tokens` (T,)."""
        tokens = check_ids(tokens, self.vocab_size_)
        return np.concatenate([state, tokens[-self.window :]]).astype(np.int32)[-self.window :]

    def next_log_probs(self, state: State) -> Array:
        """log p(w | state) of every w, (V,), in nats."""
        return self._rows(self._contexts(state))[0]

    def distributions(self, tokens: Ids, state: State | None = None) -> Array:
        """`next_log_probs` before each of `tokens` (T,) is read, in one pass: (T, V)."""
        tokens = check_ids(tokens, self.vocab_size_)
        read = np.concatenate([self.start() if state is None else state, tokens])[: self.window + len(tokens) - 1]
        return self._rows(self._contexts(read)) if len(tokens) else np.empty((0, self.vocab_size_))

    def _rows(self, contexts: Ids) -> Array:
        """log P of every w after each of N `contexts` (N, k): (N, V)."""
        rows, base, lambdas = np.empty((len(contexts), self.vocab_size_)), self._base(), self._lambdas()
        step, room = self._block(len(rows))
        for i in range(0, len(rows), step):
            part, logits = rows[i : i + step], room[: len(contexts[i : i + step])]
            self._put_scores(logits, contexts[i : i + step], lambdas)
            part[:] = np.add(logits, base, out=logits)
            # log-sum-exp by hand: scipy.special.logsumexp takes 440 µs for 10,000 words, this 18
            highest = part.max(axis=1, keepdims=True)
            part -= highest + np.log(np.exp(part - highest).sum(axis=1, keepdims=True))
        return rows

    def log_probs(self, tokens: ArrayLike, state: State | None = None) -> tuple[Array, State]:
        """log P of each of `tokens` (T,), in nats, and the state after the last."""
        tokens = check_ids(tokens, self.vocab_size_)
        state = self.start() if state is None else state
        text, scores = np.concatenate([state, tokens]), np.empty(len(tokens))
        for i in range(0, len(tokens), AT_ONCE):
            part = tokens[i : i + AT_ONCE]
            scores[i : i + AT_ONCE] = self._scored(self._contexts(text[i:][: self.window + len(part) - 1]), part)
        return scores, self.advance(state, tokens)

    def log_probs_many(self, texts: Sequence[ArrayLike], first: Sequence[int] | None = None) -> list[Array]:
        """`log_probs` of separate texts, or of each from its `first` token on.

        They are scored as one text with an `end` before each: contexts do not reach beyond an `end`.
        """
        ids = [check_ids(text, self.vocab_size_) for text in texts]
        first = [0] * len(ids) if first is None else first
        end = np.array([self.vocab_size_ - 1], dtype=np.int32)
        lead = np.full(self.window, NOWHERE, dtype=np.int32)
        one = np.concatenate([lead, *(part for text in ids for part in (end, text))])
        stops = np.cumsum([1 + len(text) for text in ids]).tolist()
        starts = [stop - len(text) + start for stop, text, start in zip(stops, ids, first, strict=True)]
        places = np.concatenate([np.empty(0, np.int64), *map(np.arange, starts, stops)])
        scores = self._scored(self._contexts(one[:-1])[places], one[self.window :][places])
        cuts = np.cumsum([stop - start for start, stop in zip(starts, stops, strict=True)])
        return np.split(scores, cuts[:-1]) if len(cuts) else []

    def _scored(self, contexts: Ids, tokens: Ids) -> Array:
        """log P of each of `tokens` (N,) after its `contexts` (N, k): (N,)."""
        if self._on_device:
            return self._on_device.log_probs(contexts, tokens)
        scores = np.empty(len(tokens))
        step, room = self._block(len(scores))
        base, lambdas = self._base(), self._lambdas()
        for i in range(0, len(scores), step):
            part = tokens[i : i + step]
            logits = room[: len(part)]
            self._put_scores(logits, contexts[i : i + step], lambdas)
            log_z = log_normalisers(logits, base)
            scores[i : i + step] = logits[np.arange(len(part)), part] - log_z
        return scores

    def _contexts(self, text: Ids) -> Ids:
        """The k tokens up to each of the last T of `text` (k + T - 1,), nearest first: (T, k)."""
        end, places = self.vocab_size_ - 1, len(text) - self.window + 1
        contexts = np.full((places, self.window), NOWHERE, dtype=np.int32)
        open_ = np.ones(places, dtype=bool)  # no `end` is nearer: contexts include an `end` and nothing beyond it
        for d in range(self.window):
            at_distance = text[self.window - 1 - d :][:places]
            contexts[open_, d] = at_distance[open_]
            open_ &= at_distance != end
        return contexts

    def _block(self, length: int) -> tuple[int, Array]:
        """How many of `length` positions to score at a time, and an array for their logits, to be reused."""
        step = max(1, min(BLOCK // self.vocab_size_, length))
        return step, np.empty((step, self.vocab_size_), dtype=np.float32)

    def _base(self) -> Array:
        """β log p(w), (V,) float32."""
        return np.float32(self.exponent_) * self._log_unigrams()

    def _lambdas(self) -> Array:
        return np.asarray(self.lambdas_, dtype=np.float32)

    def _log_unigrams(self) -> Array:
        """log p(w), (V,) float32: relative frequencies with add-one smoothing."""
        counts = np.asarray(self.counts_) + 1.0
        return np.log(counts / counts.sum()).astype(np.float32)

    # ── The weights of the log-linear model ───────────────────────────────────────────────────────

    def _fit_weights(self, valid: Ids, run: Run) -> None:
        """Fit β and λ to maximise the log-likelihood of `valid` (T,), or of a sample of its positions."""
        self.exponent_, self.lambdas_ = 1.0, np.zeros(self.window)
        if len(valid) == 0:
            self.remarks = (*self.remarks, "there is no validation text to fit λ on, so it predicts as a unigram does")
            return
        places = np.unique(np.linspace(0, len(valid) - 1, min(SAMPLE, len(valid))).astype(np.int64))
        contexts = self._contexts(np.concatenate([self.start(), valid[:-1]]))[places]
        with run.progress.task("weighing distances", ROUNDS) as task:
            weights = _maximise_likelihood(
                self, contexts, valid[places], lambda loss: task.advance(1, f"{loss:.4f} nats/token")
            )
        self.exponent_, self.lambdas_ = float(weights[0]), weights[1:]
        self.facts = {**self.facts, "exponent": self.exponent_, "lambdas": self.lambdas_.tolist()}


class LowRank(Association):
    """Associations that are inner products: s(w, c) = left(w) · right(c)."""

    dimensions: int  # D

    @abstractmethod
    def factors(self) -> tuple[Array, Array]:
        """left (V, D) and right (V, D)."""

    def restore(self, arrays: dict[str, Array]) -> Self:
        """The inverse of `arrays`. Raises FormatError for arrays that no fit could have made."""
        super().restore(arrays)
        shape = (self.vocab_size_, self.dimensions)
        for table in map(np.asarray, self.factors()):
            if table.shape != shape or table.dtype.kind != "f" or not np.isfinite(table).all():
                raise FormatError(
                    f"the vectors are not {shape[0]} of {shape[1]} numbers that are finite: this run is damaged"
                )
        return self

    def refuse_infinite(self) -> None:
        """Raise FormatError where the vectors, made from arrays that are finite, are not."""
        with np.errstate(over="ignore", invalid="ignore"):
            if not np.isfinite(self.vectors()).all():
                raise FormatError("the vectors are too large for single precision: this run is damaged")

    def scores(self, words: Ids, contexts: Ids) -> Array:
        """s(w, c) of N pairs: `words` (N,) and `contexts` (N,)."""
        left, right = self.factors()
        return np.einsum("nd,nd->n", left[words], right[contexts])

    def _put_scores(self, logits: Array, contexts: Ids, lambdas: Array) -> None:
        left, right = self.factors()
        hidden = np.zeros((len(contexts), right.shape[1]), dtype=np.float32)
        for d, weight in enumerate(lambdas):
            hidden += weight * _rows(right, contexts[:, d])
        with np.errstate(over="ignore", invalid="ignore"):  # the caller refuses what is not finite
            np.matmul(hidden, left.T, out=logits)

    def _moved(self, device: str) -> OnDevice:
        return OnDevice(self._base(), self.lambdas_, *self.factors(), device)

    def _expected_scores(self, probs: Array, contexts: Ids) -> Array:
        left, right = self.factors()
        mean = probs @ left  # the expected left vector, (N, D)
        return np.stack([np.einsum("nd,nd->n", mean, _rows(right, column)) for column in contexts.T], axis=1)


TOO_LARGE = "its scores are too large to be associations; train it with a lower learning rate"


def _count_tokens(tokens: Ids, vocab_size: int) -> Array:
    if isinstance(tokens, DistributedIds):
        return count_tokens(tokens, vocab_size)
    return np.bincount(tokens, minlength=vocab_size).astype(np.int64)


def _rows(table: Array, ids: Ids) -> Array:
    """The rows of `ids` (N,), zeros for NOWHERE: (N, D)."""
    rows: Array = table[ids]
    rows[ids == NOWHERE] = 0
    return rows


def _maximise_likelihood(model: Association, contexts: Ids, tokens: Ids, report: Any) -> Array:
    """The (β, λ_1 … λ_k) that maximise the log-likelihood of `tokens` (N,) after `contexts` (N, k): (1 + k,)."""
    from scipy.optimize import minimize

    unigrams, (step, room) = model._log_unigrams(), model._block(len(tokens))
    of_distances = [model.scores(tokens, np.maximum(column, 0)) for column in contexts.T]  # k of (N,)
    seen = np.where(contexts == NOWHERE, 0, np.stack(of_distances, axis=1))  # (N, k)
    # Features are scaled to unit root mean square, so that the optimiser's step suits all distances.
    with np.errstate(over="ignore", invalid="ignore"):
        size = np.sqrt((seen**2).mean(axis=0))
    if not np.isfinite(size).all():
        raise ScoreError(f"{model.name}: the square of a score is no number: {TOO_LARGE}")
    size[size == 0] = 1.0
    observed = np.concatenate([unigrams[tokens, None], seen / size], axis=1).mean(axis=0, dtype=np.float64)  # (1+k,)

    def loss(scalars: Array) -> tuple[float, Array]:
        """Nats a token, and their gradient: the model's expectation of each feature less its observed mean."""
        model.exponent_, model.lambdas_ = float(scalars[0]), scalars[1:] / size
        base, lambdas = np.float32(scalars[0]) * unigrams, model._lambdas()
        log_z, expected = 0.0, np.zeros_like(scalars)
        for i in range(0, len(tokens), step):
            probs = room[: len(contexts[i : i + step])]
            model._put_scores(probs, contexts[i : i + step], lambdas)
            log_z += float(log_normalisers(probs, base, exponentiate=True).sum())
            expected[0] += (probs @ unigrams).sum(dtype=np.float64)
            expected[1:] += model._expected_scores(probs, contexts[i : i + step]).sum(axis=0, dtype=np.float64) / size
        nats = log_z / len(tokens) - float(observed @ scalars)
        if not np.isfinite(nats):
            raise ScoreError(f"{model.name}: the predictor's loss is {nats} at β = {scalars[0]:.3g}: {TOO_LARGE}")
        return nats, expected / len(tokens) - observed

    start = np.concatenate([[1.0], np.zeros(contexts.shape[1])])
    optimum = minimize(
        loss, start, jac=True, method="L-BFGS-B", options={"maxiter": ROUNDS, "ftol": 1e-7, "gtol": 1e-5},
        callback=lambda intermediate_result: report(intermediate_result.fun),
    )  # fmt: skip
    return np.concatenate([optimum.x[:1], optimum.x[1:] / size])
