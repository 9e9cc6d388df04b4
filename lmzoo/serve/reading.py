"""What a model says of a text that is being typed: bits and rank of each token, and what it expects next.

The last word may be unfinished: "The old ca". Its bits are those of all tokens that begin so, −log₂ Σ P(token), which
is exact for the tokenizer's own spelling of the text before; and what comes next completes it.
"""

import math
import sys
from collections import OrderedDict
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from lmzoo.evaluation.characters import Spellings, next_characters, spellings, split_last_word
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Floats, Ids, LanguageModel, State

REMEMBERED = 1 << 25  # bytes of the prefixes that are remembered, by all models together
STRIDE = 256  # tokens that are read at a time: between them a request can be cancelled
TOP = 5  # likeliest tokens that are remembered for each place
UNSEARCHED = 1e-3, 16  # share of the next characters that is left out; spellings that are looked at, at most
RARE = 1e-4, 64  # the same, where characters are guessed
NEXT = 6  # characters or words that can come next

Steps = Generator[None, None, dict[str, Any]]


@dataclass(frozen=True)
class Place:
    """A token that was read: its bits, its rank among all, and what was likeliest there."""

    bits: float | None  # None: infinitely many
    rank: int
    likeliest: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Prefix:
    """The state after a text, what it expects next (V,) in nats, and the places of the text."""

    state: State
    log_probs: Floats
    places: tuple[Place, ...]

    @cached_property
    def bytes(self) -> int:
        """Its memory, without the places, which prefixes share."""
        return _bytes(self.state) + _bytes(self.log_probs) + 8 * len(self.places)


class Reader:
    """Reads texts by one model, from the longest beginning that it has read before."""

    def __init__(self, text_model: TextModel, remembered: int = REMEMBERED) -> None:
        self.text_model = text_model
        self.remembered = remembered  # bytes of `known`, at most
        self.model: Any = text_model.model
        self.known: OrderedDict[bytes, Prefix] = OrderedDict()
        self.bytes = 0  # of them

    def read(self, text: str, likeliest: bool = False, characters: bool = True) -> Steps:
        """What the model says of `text`, a few tokens at each step.

        `bits` (None: infinitely many); `pieces`, for each token its text, bits and rank (with `likeliest`, also the
        likeliest tokens there); `next`, the likeliest characters; `words`, the likeliest tokens: how each is shown, its
        probability, and what it adds to the text. Without `characters`, `next` is empty where there are `words`: to
        sum over the spellings of every character takes as long as all else.
        """
        tokenizer = self.text_model.tokenizer
        ids, last_word = self._cut(text)
        prefix = yield from self.after(ids)
        table = spellings(tokenizer, int(ids[-1]) if len(ids) else tokenizer.end)
        pieces: list[Any] = []
        for piece, place in zip(tokenizer.pieces(ids), prefix.places, strict=True):
            pieces.append([piece, place.bits, place.rank, *([place.likeliest] if likeliest else [])])
        begun = self._begun(prefix, table, last_word) if last_word else None
        if begun:
            pieces.append(begun)
        bits = sum(piece[1] if piece[1] is not None else math.inf for piece in pieces)
        yield
        words = _words(prefix.log_probs, table, last_word)
        following = self._next(prefix, ids, last_word) if characters or not words else []
        return {"bits": _number(bits), "pieces": pieces, "next": following, "words": words}

    def chances(self, text: str) -> Generator[None, None, dict[str, float]]:
        """P(character) of each that can come after `text`, up to RARE of them all; "" is the end of the text."""
        ids, last_word = self._cut(text)
        prefix = yield from self.after(ids)
        return self._characters(prefix, ids, last_word, *RARE)

    def _cut(self, text: str) -> tuple[Ids, bytes]:
        return split_last_word(self.text_model.tokenizer, self.text_model.up_to_a_part_of_a_word(text))

    def after(self, ids: Ids) -> Generator[None, None, Prefix]:
        """The prefix `ids` (T,), read from the longest one that is known."""
        length = next((n for n in self._known_lengths(ids) if ids[:n].tobytes() in self.known), 0)
        prefix = self.known.get(ids[:length].tobytes()) or self._start()
        while length < len(ids):
            new = ids[length : length + STRIDE]
            before = int(ids[length - 1]) if length else self.text_model.tokenizer.end
            prefix = self._extended(prefix, new, before)
            length += len(new)
            self._remember(ids[:length], prefix)
            yield
        return prefix

    def _known_lengths(self, ids: Ids) -> Iterator[int]:
        """Lengths that a known beginning of `ids` (T,) may have, the longest first; after a key, it is of the first."""
        yield from range(len(ids), max(len(ids) - 2, 0), -1)
        lengths = {len(key) // ids.itemsize for key in self.known}
        yield from sorted((length for length in lengths if length <= len(ids)), reverse=True)

    def _start(self) -> Prefix:
        state = self.model.start()
        prefix = Prefix(state, self.model.next_log_probs(state), ())
        self._remember(np.empty(0, np.int32), prefix)
        return prefix

    def _extended(self, prefix: Prefix, ids: Ids, before: int) -> Prefix:
        if len(ids) == 1:
            rows, state = prefix.log_probs[None], self.model.advance(prefix.state, ids)
        else:
            rows, state = self.model.distributions_and_state(ids, prefix.state)
        places = self._places(np.asarray(rows, np.float64), ids, [before, *ids[:-1].tolist()])
        return Prefix(state, self.model.next_log_probs(state), (*prefix.places, *places))

    def _places(self, rows: Floats, ids: Ids, before: list[int]) -> list[Place]:
        """What `rows` (T, V), in nats, say of the tokens `ids` (T,), which follow those `before`."""
        own = np.take_along_axis(rows, ids[:, None].astype(np.int64), 1)  # (T, 1)
        ranks = (rows > own).sum(1) + 1
        top = np.argpartition(-rows, min(TOP, rows.shape[1]) - 1, 1)[:, :TOP]
        top = np.take_along_axis(top, np.argsort(-np.take_along_axis(rows, top, 1), 1, "stable"), 1)
        chances = np.exp(np.take_along_axis(rows, top, 1)).tolist()
        found = zip((-own[:, 0] / math.log(2)).tolist(), ranks.tolist(), before, top.tolist(), chances, strict=True)
        return [
            Place(_number(bits), rank, tuple(zip(self._spelled(last, tokens), p, strict=True)))
            for bits, rank, last, tokens, p in found
        ]

    def _remember(self, ids: Ids, prefix: Prefix) -> None:
        key = ids.tobytes()
        if old := self.known.pop(key, None):
            self.bytes -= old.bytes + len(key)
        self.known[key] = prefix
        self.bytes += prefix.bytes + len(key)
        while self.bytes > self.remembered and len(self.known) > 1:  # the one that is read next is always there
            key, old = self.known.popitem(last=False)
            self.bytes -= old.bytes + len(key)

    def _begun(self, prefix: Prefix, table: Spellings, last_word: bytes) -> list[Any]:
        """The last word as a piece: the bits of all tokens that begin so, or of its bytes where there is none."""
        text = last_word.decode("utf-8", "lmzoo")
        log_probs = np.asarray(prefix.log_probs, np.float64)
        beginning = table.starting(last_word)
        if beginning:
            rank = int((log_probs > log_probs[beginning].max()).sum()) + 1
            return [text, _number(-float(np.logaddexp.reduce(log_probs[beginning])) / math.log(2)), rank]
        # No token begins so: it is spelled in the longest tokens that it starts with.
        ids, rest = [], last_word
        while rest:
            token = max(table.within(rest), key=lambda token: len(table.texts[token]), default=None)
            if token is None:
                return [text, None, len(log_probs)]
            ids.append(token)
            rest = rest[len(table.texts[token]) :]
        scores, _ = self.model.log_probs(np.array(ids, np.int32), prefix.state)
        return [text, _number(-float(np.sum(scores)) / math.log(2)), int((log_probs > log_probs[ids[0]]).sum()) + 1]

    def _next(self, prefix: Prefix, ids: Ids, last_word: bytes) -> list[list[Any]]:
        """The likeliest characters."""
        chances = self._characters(prefix, ids, last_word, *UNSEARCHED)
        return [[character, float(p)] for character, p in list(chances.items())[:NEXT]]

    def _characters(self, prefix: Prefix, ids: Ids, last_word: bytes, *limits: Any) -> dict[str, float]:
        spelled = partial(spellings, self.text_model.tokenizer)
        return next_characters(_After(self.model, prefix), ids[-1:], last_word, spelled, *limits)

    def _spelled(self, before: int, tokens: list[int]) -> list[str]:
        texts = self.text_model.tokenizer.spellings_after(before)
        return [_text(texts[token]) for token in tokens]


class _After(LanguageModel):
    """The model as if it began with a prefix: whatever is read first has been read."""

    def __init__(self, model: LanguageModel, prefix: Prefix) -> None:
        self.model, self.prefix, self.vocab_size_ = model, prefix, model.vocab_size_

    reach = None

    def fit(self, data: Any, run: Any = None) -> Any:
        raise NotImplementedError

    def start(self) -> State:
        return None

    def advance(self, state: State, tokens: Ids) -> State:
        return self.prefix.state if state is None else self.model.advance(state, tokens)

    def next_log_probs(self, state: State) -> Floats:
        return self.prefix.log_probs if state is self.prefix.state else self.model.next_log_probs(state)


def _words(log_probs: Floats, table: Spellings, last_word: bytes) -> list[list[Any]]:
    """The likeliest tokens that go on with the last word: how each is shown, its share of them, what it adds."""
    log_probs = np.asarray(log_probs, np.float64)
    fitting = np.array(table.starting(last_word) if last_word else range(len(log_probs)), np.int64)
    if not len(fitting):
        return []
    shares = log_probs[fitting] - np.logaddexp.reduce(log_probs[fitting])
    order = np.argsort(-shares, kind="stable")[:NEXT]
    found = [(table.texts[fitting[n]], float(np.exp(shares[n]))) for n in order if shares[n] > -np.inf]
    return [[_text(spelling) or "<end>", p, _text(spelling[len(last_word) :])] for spelling, p in found]


def _bytes(state: State) -> int:
    """The memory of a state: of its arrays and tensors; of what is neither, Python's word."""
    if isinstance(state, Mapping):
        return _bytes((*state.keys(), *state.values()))
    if isinstance(state, tuple | list | set | frozenset):
        return sys.getsizeof(state) + sum(map(_bytes, state))
    return int(state.nbytes) if hasattr(state, "nbytes") else sys.getsizeof(state)


def _text(spelling: bytes) -> str:
    return spelling.decode("utf-8", "replace")


def _number(bits: float) -> float | None:
    return round(bits, 4) if math.isfinite(bits) else None
