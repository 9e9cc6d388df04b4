"""How likely a model finds texts, or what follows a beginning: what rescoring, exams and zero-shot tasks rest on.

A text is scored as one that begins there: the model has read `end`, and each text stands for itself. It is tokenized
whole, for that is how the model knows it, and a token that reaches over the beginning's end counts as continuation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lmzoo.errors import ScoreError
from lmzoo.interface import Ids, LanguageModel, Progress
from lmzoo.tokenizer import Tokenizer

TEXTS_AT_ONCE = 512  # between two steps of the progress bar


@dataclass(frozen=True)
class Likelihood:
    """What a model makes of a continuation."""

    log_prob: float  # of all its tokens together, given the beginning: nats
    tokens: int
    characters: int

    @property
    def per_token(self) -> float:
        """Nats per token; 0 for an empty continuation."""
        return self.log_prob / self.tokens if self.tokens else 0.0

    @property
    def per_character(self) -> float:
        """Nats per character; 0 for an empty continuation."""
        return self.log_prob / self.characters if self.characters else 0.0


def likelihoods(
    model: LanguageModel, tokenizer: Tokenizer, texts: Sequence[tuple[str, str]], progress: Progress | None = None
) -> list[Likelihood]:
    """log P of each text's continuation, given its beginning: `texts` are pairs (beginning, continuation).

    A text is the two joined, so blanks between them must be in one of them; without a beginning ("") it is the whole
    text that is scored. Raises TokenizerError for a text that the tokenizer cannot encode, and ScoreError, which names
    text and token, for log-probabilities that are not finite.
    """
    whole = list(dict.fromkeys(beginning + continuation for beginning, continuation in texts))
    scores = dict(zip(whole, _scored(model, tokenizer, whole, progress or Progress()), strict=True))
    found = []
    for beginning, continuation in texts:
        log_probs, ends = scores[beginning + continuation]
        kept = log_probs[first_token(ends, len(beginning)) :]
        found.append(Likelihood(float(kept.sum()), len(kept), len(continuation)))
    return found


def first_token(ends: Sequence[int], start: int) -> int:
    """The first token that belongs to what follows the text's first `start` characters.

    `ends` says where each token's piece ends, in characters. A character spelled in several tokens stands at the last
    of them, so those before it end where it starts and still belong to it.
    """
    before = 0
    for n, end in enumerate(ends):
        if end > start:
            break
        if end > (ends[n - 1] if n else 0):
            before = n + 1
    return before


def _scored(
    model: LanguageModel, tokenizer: Tokenizer, texts: Sequence[str], progress: Progress
) -> list[tuple[np.ndarray, list[int]]]:
    """For each text the log-probabilities of its tokens, and where each token ends in it."""
    found = []
    with progress.task("scoring", len(texts)) as task:
        for i in range(0, len(texts), TEXTS_AT_ONCE):
            some = texts[i : i + TEXTS_AT_ONCE]
            ids = [tokenizer.encode(text) for text in some]
            for text, tokens, log_probs in zip(some, ids, model.log_probs_many(ids), strict=True):
                _refuse_nonsense(log_probs, tokens, tokenizer, text)
                found.append((log_probs, np.cumsum([len(p) for p in tokenizer.pieces(tokens)], dtype=int).tolist()))
            task.advance(len(some))
    return found


def _refuse_nonsense(log_probs: np.ndarray, tokens: Ids, tokenizer: Tokenizer, text: str) -> None:
    if not np.isfinite(log_probs).all():
        t = int(np.argmin(np.isfinite(log_probs)))
        raise ScoreError(
            f"the log-probability of token {t} ({tokenizer.token(int(tokens[t]))!r}) is {log_probs[t]} in the text "
            f"{text[:60]!r}: a model must give every token a probability above zero"
        )
