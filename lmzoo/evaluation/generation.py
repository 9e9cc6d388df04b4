"""Generation: sampling and beam search on ids. Both go through `next_log_probs`, as scoring does."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmzoo.errors import ScoreError, in_range
from lmzoo.interface import Decoder, Floats, Ids, LanguageModel, State, check_ids


def generate(
    model: Decoder,
    prompt: Ids,
    length: int,
    *,
    state: State | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
) -> Iterator[int]:
    """`length` token ids that continue `prompt` (T,), one by one, read from `state` (None: the start state).

    `temperature` 0 is greedy; `top_k` keeps the k likeliest tokens, `top_p` the fewest whose probabilities reach p
    (nucleus sampling, Holtzman et al. 2020). The same seed gives the same text. Raises UsageError at once for a
    setting out of range, or a prompt that the model's vocabulary does not have.
    """
    in_range("temperature", temperature, 0, why="0 is greedy")
    in_range("top-k", 1 if top_k is None else top_k, 1)
    in_range("top-p", 1 if top_p is None else top_p, above=0, most=1)
    in_range("length", length, 0)
    in_range("seed", seed, 0)
    prompt = check_ids(prompt, model.vocab_size_)
    rng = np.random.default_rng(seed)
    state = model.start() if state is None and isinstance(model, LanguageModel) else state
    return _continue(model, state, prompt, length, lambda log_probs: choose(log_probs, temperature, top_k, top_p, rng))


def _continue(model: Decoder, state: State, prompt: Ids, length: int, pick: Callable[[Any], int]) -> Iterator[int]:
    state = model.advance(state, prompt)
    for _ in range(length):
        token = pick(model.next_log_probs(state))
        yield token
        state = model.advance(state, np.array([token], dtype=np.int32))


def beam_search(model: LanguageModel, prompt: Ids, length: int, width: int) -> tuple[list[int], float]:
    """The best `length` token ids after `prompt` (T,) that beam search finds, and their log P in nats.

    After each token the `width` most probable hypotheses are kept (Lowerre 1976): 1 is greedy search, the number of all
    continuations an exhaustive one. Ties go to the more probable prefix, then to the lower id. Raises UsageError for a
    setting out of range or a prompt of another vocabulary, ScoreError where no token has a finite log-probability.
    """
    in_range("beam", width, 1)
    in_range("length", length, 0)
    state = model.advance(model.start(), check_ids(prompt, model.vocab_size_))
    beam: list[tuple[list[int], float, State]] = [([], 0.0, state)]
    for _ in range(length):
        longer = np.stack([total + np.asarray(model.next_log_probs(state), np.float64) for _, total, state in beam])
        best = likeliest(longer.ravel(), width)
        grown = []
        for prefix, token in zip(*np.divmod(best, longer.shape[1]), strict=True):
            tokens, _, state = beam[prefix]
            read = model.advance(state, np.array([token], dtype=np.int32))
            grown.append(([*tokens, int(token)], float(longer[prefix, token]), read))
        beam = grown
    tokens, total, _ = beam[0]
    return tokens, total


def likeliest(log_probs: NDArray[np.float64], most: int) -> NDArray[np.intp]:
    """The positions of the `most` highest of (N,), highest first, ties by position; none with a probability of zero."""
    _refuse_nothing(log_probs)
    most = min(most, len(log_probs))
    threshold = max(np.partition(log_probs, -most)[-most], np.finfo(np.float64).min)
    places = np.flatnonzero(log_probs >= threshold)  # few: only these need sorting
    return places[np.argsort(-log_probs[places], kind="stable")][:most]


def choose(
    log_probs: Floats,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    rng: np.random.Generator,
) -> int:
    """One token drawn from a distribution (V,), reshaped as `generate` says. Raises ScoreError where all are zero."""
    _refuse_nothing(log_probs)
    if temperature == 0:
        return int(np.argmax(log_probs))
    probs = reshape(log_probs, temperature, top_k, top_p)
    return int(
        np.searchsorted(np.cumsum(probs), rng.random() * probs.sum(), side="right").clip(0, probs.nonzero()[0][-1])
    )


def _refuse_nothing(log_probs: Floats) -> None:
    best = np.max(log_probs)
    if not np.isfinite(best):
        raise ScoreError(f"there is nothing to choose from: the likeliest token has a log-probability of {best}")


def reshape(log_probs: Floats, temperature: float, top_k: int | None, top_p: float | None) -> NDArray[np.float64]:
    """The distribution (V,) to draw from: tempered, then truncated to the most probable tokens, ties by id."""
    with np.errstate(over="ignore"):  # of a temperature near zero: all but the best become impossible
        logits = (np.asarray(log_probs, dtype=np.float64) - np.max(log_probs)) / temperature
    cut_short = top_k is not None or (top_p is not None and top_p < 1)
    likeliest = np.argsort(-logits, kind="stable") if cut_short else np.empty(0, dtype=np.intp)
    if top_k is not None:
        logits[likeliest[top_k:]] = -np.inf
    probs: NDArray[np.float64] = np.exp(logits)
    probs /= probs.sum()
    if top_p is not None and top_p < 1:
        before = np.cumsum(probs[likeliest]) - probs[likeliest]
        probs[likeliest[before >= top_p]] = 0
        probs /= probs.sum()
    return probs


def stream(tokens: Iterable[int], decode: Callable[[list[int]], str], before: Sequence[int] = ()) -> Iterator[str]:
    """The text that `tokens` add after the ids `before`, in pieces, as soon as each is certain.

    A character of which only some bytes are there is held back. `decode` is a tokenizer's.
    """
    last = list(before[-1:])  # whether a word needs a space before it depends on the token before
    pending: list[int] = []
    for token in tokens:
        pending.append(token)
        ready = _ready(pending, decode)
        if ready:
            yield _added(last, pending[:ready], decode)
            last, pending = pending[ready - 1 : ready], pending[ready:]
    if pending:
        yield _added(last, pending, decode)


def _ready(pending: list[int], decode: Callable[[list[int]], str]) -> int:
    """How many of `pending` have a text that no later token can change."""
    text = decode(pending)
    if not text.endswith("\ufffd"):
        return len(pending)
    # A final U+FFFD is the first one to three bytes of a character, or bytes that never become one. What is before the
    # last three tokens is certain if it decodes the same without them.
    head, tail = pending[:-3], pending[-3:]
    return len(head) if head and decode(head) + decode(tail) == text else 0


def _added(last: list[int], ids: list[int], decode: Callable[[list[int]], str]) -> str:
    return decode(last + ids)[len(decode(last)) :]
