"""Generation: sampling and beam search on ids. Both follow `next_log_probs`, as scoring does."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from lmzoo.errors import in_range
from lmzoo.interface import Decoder, Ids, LanguageModel, State, check_ids
from lmzoo.sampling import choose, refuse_nothing


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
    (nucleus sampling, Holtzman et al. 2020). With none of them a model draws in its own way, an n-gram in time that
    does not grow with V; they need all V probabilities. The same seed gives the same text. Raises UsageError at once
    for a setting out of range, or a prompt that the model's vocabulary does not have.
    """
    in_range("temperature", temperature, 0, why="0 is greedy")
    in_range("top-k", 1 if top_k is None else top_k, 1)
    in_range("top-p", 1 if top_p is None else top_p, above=0, most=1)
    in_range("length", length, 0)
    in_range("seed", seed, 0)
    prompt = check_ids(prompt, model.vocab_size_)
    state = model.start() if state is None and isinstance(model, LanguageModel) else state
    if temperature == 1 and top_k is None and top_p in (None, 1):
        return _continue(model, state, prompt, length, seed, model.draw)
    settings = temperature, top_k, top_p
    return _continue(model, state, prompt, length, seed, lambda now, u: choose(model.next_log_probs(now), u, *settings))


def _continue(
    model: Decoder, state: State, prompt: Ids, length: int, seed: int, draw: Callable[[State, float], int]
) -> Iterator[int]:
    state, rng = model.advance(state, prompt), np.random.default_rng(seed)
    for _ in range(length):
        token = draw(state, rng.random())
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
    refuse_nothing(log_probs)
    most = min(most, len(log_probs))
    threshold = max(np.partition(log_probs, -most)[-most], np.finfo(np.float64).min)
    places = np.flatnonzero(log_probs >= threshold)  # few: only these need sorting
    return places[np.argsort(-log_probs[places], kind="stable")][:most]


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
