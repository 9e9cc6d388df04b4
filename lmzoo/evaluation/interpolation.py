"""Linear interpolation of several models (Jelinek & Mercer 1980).

    p(w | h) = Σ_i λ_i p_i(w | h)        λ_i ≥ 0, Σ_i λ_i = 1

The weights λ maximise the likelihood of held-out text. It is concave in λ, so expectation-maximisation (Dempster, Laird
& Rubin 1977), which increases it with every step, converges to the maximum:

    λ_i ← 1/T Σ_t λ_i p_i(w_t) / Σ_j λ_j p_j(w_t)

M is the number of models.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from lmzoo.errors import ScoreError, UsageError
from lmzoo.interface import Array, Data, Ids, LanguageModel, Run, State, check_ids

TOLERANCE = 1e-6  # nats per token by which the optimal weights may be better
MOST_STEPS = 5000


def combine(log_probs: Array, weights: Array) -> Array:
    """log Σ_i λ_i p_i in nats, (…): from `log_probs` (M, …) in nats and `weights` (M,)."""
    highest = log_probs.max(axis=0)
    highest = np.where(np.isfinite(highest), highest, 0)  # where every model gives it zero, the result is −∞
    with np.errstate(divide="ignore"):
        mixed: Array = np.log(np.tensordot(weights, np.exp(log_probs - highest), 1)) + highest
    return mixed


def fit_weights(log_probs: Array) -> Array:
    """The λ (M,) that maximise the likelihood of a text, from the log P (M, T), in nats, of its tokens by each model.

    Raises UsageError for a text without tokens, ScoreError for one that is impossible under every model.
    """
    models, tokens = log_probs.shape
    if tokens == 0:
        raise UsageError("there is no validation text to fit the weights of a mixture on")
    highest = log_probs.max(axis=0)
    if not np.isfinite(highest).all():
        t = int(np.argmin(np.isfinite(highest)))
        raise ScoreError(f"no weights make this text possible: every part gives token {t} a probability of zero")
    probs = np.exp(log_probs - highest)  # a factor common to all models changes no EM step
    weights = np.full(models, 1 / models)
    for _ in range(MOST_STEPS):
        ratios = gains(weights, probs)
        weights = weights * ratios
        # By Jensen's inequality no weights are better by more than the log of the largest ratio, in nats per token.
        if np.log(ratios.max()) < TOLERANCE:
            break
    return weights


def gains(weights: Array, probs: Array) -> Array:
    """1/T Σ_t p_i / Σ_j λ_j p_j, (M,): the factor of an EM step for each of `weights` (M,). `probs` (M, T)."""
    ratios: Array = probs @ (1 / (weights @ probs)) / probs.shape[1]
    return ratios


@dataclass
class Mixture(LanguageModel):
    """Σ_i λ_i p_i of fitted models with one vocabulary. `fit` fits λ only."""

    parts: Sequence[LanguageModel]

    name: ClassVar[str] = "mixture"
    year: ClassVar[int] = 1980
    paper: ClassVar[str] = "Jelinek & Mercer 1980, Interpolated Estimation of Markov Source Parameters"

    def fit(self, data: Data, run: Run | None = None) -> Self:  # noqa: ARG002
        """Fit λ on `data.valid`. Raises UsageError for a part with another vocabulary."""
        for part in self.parts:
            if part.vocab_size_ != data.vocab_size:
                raise UsageError(
                    f"{part.name} knows {part.vocab_size_} tokens, not {data.vocab_size}: it cannot be mixed"
                )
        self.vocab_size_ = data.vocab_size
        self.weights_ = fit_weights(np.stack([part.log_probs(data.valid)[0] for part in self.parts]))
        return self

    @property
    def adapts(self) -> bool:  # type: ignore[override]
        """Whether any part adapts."""
        return any(part.adapts for part in self.parts)

    @property
    def reach(self) -> int | None:
        """The longest reach of any part."""
        reaches = [part.reach for part in self.parts if part.reach is not None]
        return max(reaches) if len(reaches) == len(self.parts) else None

    # A state is a tuple of the parts' states, (M,).

    def start(self) -> State:
        """The start state of each part."""
        return tuple(part.start() for part in self.parts)

    def advance(self, state: State, tokens: Ids) -> State:
        """The state of each part after reading `tokens` (T,)."""
        return tuple(part.advance(own, tokens) for part, own in zip(self.parts, state, strict=True))

    def next_log_probs(self, state: State) -> Array:
        """log P of every token, (V,), in nats."""
        pairs = zip(self.parts, state, strict=True)
        return combine(np.stack([part.next_log_probs(own) for part, own in pairs]), self.weights_)

    def log_probs(self, tokens: ArrayLike, state: State | None = None) -> tuple[Array, State]:
        """log P of each of `tokens` (T,), in nats, and the state after them."""
        tokens = check_ids(tokens, self.vocab_size_)
        state = self.start() if state is None else state
        read = [part.log_probs(tokens, own) for part, own in zip(self.parts, state, strict=True)]
        return combine(np.stack([scores for scores, _ in read]), self.weights_), tuple(after for _, after in read)
