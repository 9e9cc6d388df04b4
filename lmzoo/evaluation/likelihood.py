"""The log-likelihood of texts, and of continuations given a beginning: for rescoring, exams and zero-shot tasks.

Each text is scored on its own, from the start state. It is encoded as a whole, see `TextModel.encode_continuation`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lmzoo.data.tokenizers import Tokenizer
from lmzoo.errors import ScoreError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Floats, Ids, LanguageModel, Progress, State

TEXTS_AT_ONCE = 512  # texts of a batch, between two updates of the progress bar


@dataclass(frozen=True)
class Likelihood:
    """The log-likelihood of a continuation given its beginning."""

    log_prob: float  # nats, of all its tokens
    tokens: int

    @property
    def per_token(self) -> float:
        """Nats per token; 0 for an empty continuation."""
        return self.log_prob / self.tokens if self.tokens else 0.0


def likelihoods(
    text_model: TextModel, texts: Sequence[tuple[str, str]], progress: Progress | None = None
) -> list[Likelihood]:
    """log P of each continuation given its beginning: `texts` are pairs (beginning, continuation).

    The text is the two joined, so a space between them must be in one of them; with an empty beginning the whole text
    is scored. Raises UsageError for a model that is no language model, TokenizerError for a text that cannot be
    encoded, and ScoreError, naming text and token, for log-probabilities that are not finite.
    """
    pairs = list(dict.fromkeys(texts))
    scores = dict(zip(pairs, _scored(text_model, pairs, progress or Progress()), strict=True))
    return [scores[pair] for pair in texts]


def greedy(
    text_model: TextModel,
    texts: Sequence[tuple[str, str]],
    never_first: NDArray[np.bool_] | None = None,
    progress: Progress | None = None,
) -> list[NDArray[np.float64]]:
    """Whether greedy decoding reproduces each continuation: an array (2, C) for each of `texts`.

    `texts` are pairs (beginning, continuation), encoded as for `likelihoods`. For each of the C tokens of the
    continuation, given the true tokens before it: 1/k if it is one of k equally likely best tokens, else 0. The second
    row is the same with the tokens of the mask `never_first` (V,) excluded at the first position. Once both rows have
    missed, later tokens are 0 without being asked, except the last. Raises ScoreError for a NaN.
    """
    model = text_model.require(LanguageModel, "it cannot continue one")
    credits_, start = [], model.start()
    for beginning, continuation in (progress or Progress()).track("continuing", texts):
        ids, first = text_model.encode_continuation(beginning, continuation)
        credits_.append(_greedy_credit(model, model.advance(start, ids[:first]), ids[first:], never_first))
    return credits_


def _greedy_credit(
    model: LanguageModel, state: State, tokens: Ids, never_first: NDArray[np.bool_] | None
) -> NDArray[np.float64]:
    """The credit (2, C) of `tokens` (C,), read from `state`: see `greedy`."""
    credit, read, still_right = np.zeros((2, len(tokens))), 0, np.ones(2, dtype=bool)
    for t, token in enumerate(tokens.tolist()):
        if not (still_right.any() or t == len(tokens) - 1):
            continue
        state, read = model.advance(state, tokens[read:t]), t
        scores = model.next_log_probs(state)
        if np.isnan(scores).any():
            raise ScoreError(f"log-probabilities are NaN before token {t} of the continuation: none is the likeliest")
        credit[:, t] = _share_of_best(scores, token)
        if t == 0 and never_first is not None:
            credit[1, t] = _share_of_best(np.where(never_first, -np.inf, scores), token)
        still_right &= credit[:, t] > 0
    return credit


def _share_of_best(scores: Floats, token: int) -> float:
    """1/k where `token` is one of the k tokens with the highest score, else 0."""
    highest = scores.max()
    return 1 / int((scores == highest).sum()) if scores[token] == highest > -np.inf else 0.0


def _scored(text_model: TextModel, pairs: Sequence[tuple[str, str]], progress: Progress) -> list[Likelihood]:
    """`likelihoods` of distinct pairs."""
    model = text_model.require(LanguageModel, "it cannot choose between texts")
    scores = []
    with progress.task("scoring", len(pairs)) as task:
        for i in range(0, len(pairs), TEXTS_AT_ONCE):
            batch = pairs[i : i + TEXTS_AT_ONCE]
            ids, first = zip(*(text_model.encode_continuation(*pair) for pair in batch), strict=True)
            for n, log_probs in enumerate(model.log_probs_many(ids, first)):
                _refuse_nonsense(log_probs, ids[n][first[n] :], text_model.tokenizer, "".join(batch[n]))
                scores.append(Likelihood(float(log_probs.sum()), len(log_probs)))
            task.advance(len(batch))
    return scores


def _refuse_nonsense(log_probs: np.ndarray, tokens: Ids, tokenizer: Tokenizer, text: str) -> None:
    if not np.isfinite(log_probs).all():
        t = int(np.argmin(np.isfinite(log_probs)))
        raise ScoreError(
            f"the log-probability of token {t} ({tokenizer.token(int(tokens[t]))!r}) is {log_probs[t]} in the text "
            f"{text[:60]!r}: a model must give every token a probability above zero"
        )
