"""P(next character | text) from a model over tokens.

Vieira et al. 2024, From Language Models over Tokens to Language Models over Characters. A text that ends in " th" may
be written with the token " th", or be the start of " the": the token sequences that spell the text, whose last token
may reach beyond it, are its covers, and share its probability:

    P(text …)     =  Σ P(cover) over the covers of the text
    P(c | text)   =  P(text c …) / P(text …)
"""

import codecs
import heapq
import math
import re
import sys
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from lmzoo.data.tokenizers import Tokenizer
from lmzoo.data.tokenizers.base import to_bytes
from lmzoo.interface import Ids, LanguageModel, State

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

NEGLIGIBLE = 1e-6  # covers less probable than this share of the most probable one are left out
PREFIXES = 1000  # beginnings of words whose tokens are remembered
LONGEST = 32  # characters of the last word, where it is longer, of which all covers are searched
MALFORMED = "\ufffd"

# Up to the last place that no token reaches across from the left: before white space that follows other text.
_HEAD = re.compile(r".*\S(?=[ \t-\r])", re.DOTALL)
_SPELLINGS: WeakKeyDictionary[Tokenizer, dict[int, "Spellings"]] = WeakKeyDictionary()


def next_characters(
    model: LanguageModel,
    ids: Ids,
    last_word: bytes,
    spellings: Callable[[int], "Spellings"],
    leave: float = 0.0,
    most: int = sys.maxsize,
) -> dict[str, float]:
    """P(character | text) for every character that can come next, the most probable first; they sum to one.

    The text is `ids` (T,) followed by `last_word`, which is spelled in all ways; `spellings` gives those of the tokens
    after a token. The key "" is the end of the text, where `end` is not a newline; U+FFFD is bytes that are not UTF-8,
    and characters of several tokens that are less probable than NEGLIGIBLE. Empty for a text of probability zero.
    The search ends when all covers that are left have together at most the share `leave` of the probability, or when
    `most` were looked at.
    """
    search = _Search(model, spellings)
    search.run(ids, last_word, leave, most)
    total = sum(search.masses.values())
    likeliest_first = sorted(search.masses.items(), key=lambda item: -item[1])
    return {character: mass / total for character, mass in likeliest_first if mass > 0}


def split_last_word(tokenizer: Tokenizer, text: str) -> tuple[Ids, bytes]:
    """The ids of the text before its last word, as `encode` writes it, and that word in UTF-8."""
    if spellings(tokenizer, tokenizer.end).single:  # the text has one cover: all of it can be read at once
        return tokenizer.encode(text), b""
    match = _HEAD.match(text)
    cut = match.end() if match else 0
    if tokenizer.lossy:  # the space behind a word belongs to it
        cut = text.rfind(" ") + 1
    if len(text) - cut <= LONGEST:
        return tokenizer.encode(text[:cut]), to_bytes(text[cut:])
    ids = tokenizer.encode(text)
    ends = np.cumsum([len(piece) for piece in tokenizer.pieces(ids)])
    read = int(np.searchsorted(ends, len(text) - LONGEST, side="right"))
    start = int(ends[read - 1]) if read else 0
    # Up to the token that ends there: those behind it that add "" are bytes of the next character.
    return ids[: int(np.searchsorted(ends, start)) + 1 if start else 0], to_bytes(text[start:])


class _Search:
    """Best-first search for the covers of a text; `masses` gives each next character the probability of its covers."""

    def __init__(self, model: LanguageModel, spellings: Callable[[int], "Spellings"]):
        self.model, self.spellings = model, spellings
        self.masses: dict[str, float] = defaultdict(float)
        self.best = -np.inf  # log P of the most probable cover
        self.serial = count()  # breaks ties, for states have no order
        self.found, self.waiting = 0.0, 0.0  # probability of `masses`, and of what is in the queue
        # (−log P, serial number, state, ids to read from it, bytes yet to spell, bytes of an unfinished character)
        self.queue: list[tuple[float, int, State, Ids, bytes, bytes]] = []

    def run(self, ids: Ids, rest: bytes, leave: float, most: int) -> None:
        """Spell `rest` and the character behind it in all ways, after `ids`."""
        self._push(0.0, self.model.start(), ids, rest, b"")
        while self.queue and -self.queue[0][0] >= self.best + np.log(NEGLIGIBLE):
            if self.waiting < leave * self.found or (most := most - 1) < 0:
                break
            cost, _, state, ids, rest, unfinished = heapq.heappop(self.queue)
            self.waiting -= math.exp(-cost)
            state = self.model.advance(state, ids)
            log_probs = np.asarray(self.model.next_log_probs(state), np.float64) - cost  # (V,)
            table = self.spellings(int(ids[-1]) if len(ids) else self.model.vocab_size_ - 1)
            if rest:
                self._spell(table, state, log_probs, rest)
            elif unfinished:
                self._finish(table, state, log_probs, unfinished)
            else:
                self._arrive(table, state, log_probs, np.arange(len(log_probs)), table.firsts, 0)
                self.best = max(self.best, -cost)
        for cost, *_, unfinished in self.queue:
            if unfinished:
                self.masses[MALFORMED] += math.exp(-cost)

    def _push(self, cost: float, state: State, ids: Ids, rest: bytes, unfinished: bytes) -> None:
        heapq.heappush(self.queue, (cost, next(self.serial), state, ids, rest, unfinished))
        self.waiting += math.exp(-cost)

    def _add(self, character: str, mass: float) -> None:
        self.masses[character] += mass
        self.found += mass

    def _spell(self, table: "Spellings", state: State, log_probs: Floats, rest: bytes) -> None:
        """Tokens that spell a part of `rest`, and those that spell all of it and more."""
        for token in table.within(rest):
            if log_probs[token] > -np.inf:
                left = rest[len(table.texts[token]) :]
                self._push(-log_probs[token], state, np.array([token], np.int32), left, b"")
        tokens, numbers = table.beyond(rest)
        if len(tokens):
            self.best = max(self.best, log_probs[tokens].max())
            self._arrive(table, state, log_probs, tokens, numbers, len(rest))

    def _arrive(
        self, table: "Spellings", state: State, log_probs: Floats, tokens: Integers, numbers: Integers, spelled: int
    ) -> None:
        """Covers whose last tokens are `tokens`, and beyond the text, in `spelled` of their bytes, these characters."""
        sums = np.bincount(numbers, weights=np.exp(log_probs[tokens]), minlength=1)
        for number in np.flatnonzero(sums).tolist():
            if number:
                self._add(table.characters[number], float(sums[number]))
        for token in tokens[numbers == 0].tolist():  # the character is cut short
            if log_probs[token] > -np.inf:
                beyond = table.texts[token][spelled:]
                self._push(-log_probs[token], state, np.array([token], np.int32), b"", beyond)

    def _finish(self, table: "Spellings", state: State, log_probs: Floats, unfinished: bytes) -> None:
        """Tokens that go on with a character; all others break it off."""
        going_on = table.continuing()
        for token in going_on:
            beyond = unfinished + table.texts[token]
            character = _first_character(beyond)
            if character is not None:
                self._add(character, math.exp(log_probs[token]))
            elif log_probs[token] > -np.inf:
                self._push(-log_probs[token], state, np.array([token], np.int32), b"", beyond)
        breaking_off = np.ones(len(log_probs), bool)
        breaking_off[going_on] = False
        self._add(MALFORMED, float(np.exp(log_probs[breaking_off]).sum()))


def _first_character(data: bytes) -> str | None:
    """The first character of some UTF-8, "" of nothing; None where it is cut short."""
    if not data:
        return ""
    if data[0] < 0x80:
        return chr(data[0])
    decoded = codecs.getincrementaldecoder("utf-8")("replace").decode(data[:4])
    return decoded[0] if decoded else None


def spellings(tokenizer: Tokenizer, previous: int) -> "Spellings":
    """The tokens as they are spelled after the token `previous`, sorted once for each tokenizer."""
    texts = tokenizer.spellings_after(previous)
    tables = _SPELLINGS.setdefault(tokenizer, {})
    if id(texts) not in tables:
        tables[id(texts)] = Spellings(texts)
    return tables[id(texts)]


class Spellings:
    """The tokens by their spellings."""

    def __init__(self, texts: Sequence[bytes]):
        self.texts = texts  # (V,) in UTF-8
        self.order = sorted(range(len(texts)), key=texts.__getitem__)
        self.sorted = [texts[token] for token in self.order]
        firsts = [_first_character(text) for text in texts]
        self.characters: list[Any] = [None]  # by number; None stands for a character that is cut short
        self._numbers: dict[str | None, int] = {None: 0}
        self._beyond: dict[bytes, tuple[Integers, Integers]] = {}
        self.firsts = np.array([self._number(character) for character in firsts])  # (V,) where `characters` has each
        # Whether no token spells more than one character: then a text has one cover.
        self.single = all(len(to_bytes(first or "x")) >= len(s) for first, s in zip(firsts, texts, strict=True))

    def starting(self, prefix: bytes) -> list[int]:
        """The tokens whose spelling starts with `prefix`."""
        return self._between(prefix, prefix + b"\xff")  # no UTF-8 has the byte FF

    def beyond(self, prefix: bytes) -> tuple[Integers, Integers]:
        """The tokens that spell `prefix` and more, and of each the number of its next character."""
        if prefix not in self._beyond:
            if len(self._beyond) >= PREFIXES:
                self._beyond.clear()
            tokens = [token for token in self.starting(prefix) if len(self.texts[token]) > len(prefix)]
            numbers = [self._number(_first_character(self.texts[token][len(prefix) :])) for token in tokens]
            self._beyond[prefix] = np.array(tokens, np.int64), np.array(numbers, np.int64)
        return self._beyond[prefix]

    def _number(self, character: str | None) -> int:
        if character not in self._numbers:
            self._numbers[character] = len(self.characters)
            self.characters.append(character)
        return self._numbers[character]

    def continuing(self) -> list[int]:
        """The tokens whose spelling starts inside a character."""
        return self._between(b"\x80", b"\xc0")

    def within(self, text: bytes) -> list[int]:
        """The tokens that `text` starts with."""
        prefixes = [text[:length] for length in range(1, len(text) + 1)]
        return [token for prefix in prefixes for token in self._between(prefix, prefix + b"\0")]

    def _between(self, first: bytes, end: bytes) -> list[int]:
        return self.order[bisect_left(self.sorted, first) : bisect_left(self.sorted, end)]
