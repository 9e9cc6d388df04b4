"""Writing with a model: what is sampled is what is scored, for both go through `next_log_probs`."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from lmzoo.errors import UsageError
from lmzoo.interface import Ids, LanguageModel


def generate(
    model: LanguageModel,
    prompt: Ids,
    length: int,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
) -> Iterator[int]:
    """Up to `length` token ids that continue `prompt` (T,), one by one.

    `temperature` 0 is greedy; `top_k` keeps the k likeliest tokens, `top_p` the fewest whose probabilities reach p
    (nucleus sampling, Holtzman et al. 2020). The same seed gives the same text.
    """
    if temperature < 0:
        raise UsageError(f"temperature must be 0 (greedy) or more, not {temperature}")
    if top_k is not None and top_k < 1:
        raise UsageError(f"top-k must be at least 1, not {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise UsageError(f"top-p must be above 0 and at most 1, not {top_p}")
    rng = np.random.default_rng(seed)
    state = model.advance(model.start(), prompt)
    for _ in range(length):
        token = choose(model.next_log_probs(state), temperature, top_k, top_p, rng)
        yield token
        state = model.advance(state, np.array([token], dtype=np.int32))


def choose(
    log_probs: NDArray[np.floating],
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    rng: np.random.Generator,
) -> int:
    """One token of a distribution (V,), reshaped as `generate` says."""
    if temperature == 0:
        return int(np.argmax(log_probs))
    logits = np.asarray(log_probs, dtype=np.float64) / temperature
    if top_k is not None and top_k < len(logits):
        logits[np.argsort(-logits, kind="stable")[top_k:]] = -np.inf
    probs = np.exp(logits - logits.max())
    probs /= probs.sum()
    if top_p is not None and top_p < 1:
        likeliest = np.argsort(-probs, kind="stable")
        before = np.cumsum(probs[likeliest]) - probs[likeliest]
        probs[likeliest[before >= top_p]] = 0
        probs /= probs.sum()
    return int(np.searchsorted(np.cumsum(probs), rng.random() * probs.sum(), side="right").clip(0, len(probs) - 1))


def stream(tokens: Iterator[int], decode: Callable[[list[int]], str]) -> Iterator[str]:
    """The text of `tokens` as it comes, held back while a character is only partly there."""
    pending: list[int] = []
    for token in tokens:
        pending.append(token)
        text = decode(pending)
        if not text.endswith("\ufffd") or len(pending) > 4:  # no character is longer than four bytes
            yield text
            pending = []
    if pending:
        yield decode(pending)
