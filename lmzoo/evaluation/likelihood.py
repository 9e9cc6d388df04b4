"""How likely a model finds texts, or what follows a beginning: what rescoring, exams and zero-shot tasks rest on.

A text is scored as one that begins there: the model has read `end`, and each text stands for itself. It is tokenized
whole, for that is how the model knows it, and a token that reaches over the beginning's end counts as continuation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmzoo.data.tokenizers import Tokenizer
from lmzoo.errors import ScoreError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Ids, LanguageModel, Progress, State

TEXTS_AT_ONCE = 512  # between two steps of the progress bar


@dataclass(frozen=True)
class Likelihood:
    """What a model makes of a continuation."""

    log_prob: float  # of all its tokens together, given the beginning: nats
    tokens: int

    @property
    def per_token(self) -> float:
        """Nats per token; 0 for an empty continuation."""
        return self.log_prob / self.tokens if self.tokens else 0.0


def likelihoods(
    text_model: TextModel, texts: Sequence[tuple[str, str]], progress: Progress | None = None
) -> list[Likelihood]:
    """log P of each text's continuation, given its beginning: `texts` are pairs (beginning, continuation).

    A text is the two joined, so blanks between them must be in one of them; without a beginning ("") it is the whole
    text that is scored. Raises TokenizerError for a text that the tokenizer cannot encode, and ScoreError, which names
    text and token, for log-probabilities that are not finite.
    """
    pairs = list(dict.fromkeys(texts))
    found = dict(zip(pairs, _scored(text_model, pairs, progress or Progress()), strict=True))
    return [found[pair] for pair in texts]


def greedy(
    text_model: TextModel,
    texts: Sequence[tuple[str, str]],
    never_first: NDArray[np.bool_] | None = None,
    progress: Progress | None = None,
) -> list[NDArray[np.float64]]:
    """Whether a model that always takes the likeliest token would go on as each text does: (2, C) for each of `texts`.

    `texts` are pairs (beginning, continuation), tokenized as for `likelihoods`. For each of the C tokens of the
    continuation, what comes before it being read: 1/k if it is among the k likeliest to come next, else 0. So it is
    in the first row; in the second, the tokens of the mask `never_first` (V,) were not to choose from at first. A token
    behind one that was not taken in either row has 0 unasked, unless it is the last. Raises ScoreError for a NaN.
    """
    model = text_model.require(LanguageModel, "it cannot continue one")
    found, start = [], model.start()
    with (progress or Progress()).task("continuing", len(texts)) as task:
        for beginning, continuation in texts:
            ids, first = text_model.encode_continuation(beginning, continuation)
            found.append(_taken(model, model.advance(start, ids[:first]), ids[first:], never_first))
            task.advance(1)
    return found


def _taken(
    model: LanguageModel, state: State, tokens: Ids, never_first: NDArray[np.bool_] | None
) -> NDArray[np.float64]:
    """The shares (2, C) of `tokens` (C,), read from `state`: see `greedy`."""
    shares, read, on_the_way = np.zeros((2, len(tokens))), 0, np.ones(2, dtype=bool)
    for t, token in enumerate(tokens.tolist()):
        if not (on_the_way.any() or t == len(tokens) - 1):
            continue
        state, read = model.advance(state, tokens[read:t]), t
        scores = model.next_log_probs(state)
        if np.isnan(scores).any():
            raise ScoreError(f"log-probabilities are NaN before token {t} of the continuation: none is the likeliest")
        shares[:, t] = _share(scores, token)
        if t == 0 and never_first is not None:
            shares[1, t] = _share(np.where(never_first, -np.inf, scores), token)
        on_the_way &= shares[:, t] > 0
    return shares


def _share(scores: NDArray[np.floating[Any]], token: int) -> float:
    """1/k where `token` is one of the k of highest score, else 0."""
    highest = scores.max()
    return 1 / int((scores == highest).sum()) if scores[token] == highest > -np.inf else 0.0


def _scored(text_model: TextModel, pairs: Sequence[tuple[str, str]], progress: Progress) -> list[Likelihood]:
    """`likelihoods` of pairs that are all different."""
    model = text_model.require(LanguageModel, "it cannot choose between texts")
    found = []
    with progress.task("scoring", len(pairs)) as task:
        for i in range(0, len(pairs), TEXTS_AT_ONCE):
            some = pairs[i : i + TEXTS_AT_ONCE]
            ids, first = zip(*(text_model.encode_continuation(*pair) for pair in some), strict=True)
            for n, log_probs in enumerate(model.log_probs_many(ids, first)):
                _refuse_nonsense(log_probs, ids[n][first[n] :], text_model.tokenizer, "".join(some[n]))
                found.append(Likelihood(float(log_probs.sum()), len(log_probs)))
            task.advance(len(some))
    return found


def _refuse_nonsense(log_probs: np.ndarray, tokens: Ids, tokenizer: Tokenizer, text: str) -> None:
    if not np.isfinite(log_probs).all():
        t = int(np.argmin(np.isfinite(log_probs)))
        raise ScoreError(
            f"the log-probability of token {t} ({tokenizer.token(int(tokens[t]))!r}) is {log_probs[t]} in the text "
            f"{text[:60]!r}: a model must give every token a probability above zero"
        )
