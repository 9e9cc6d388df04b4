"""Lossless compression by a language model: its bits become the bytes of a file.

A text whose tokens w_1 … w_T have the probabilities P(w_t | w_1 … w_{t-1}) can be coded in −Σ log₂ P bits and hardly
more (Shannon 1948) by arithmetic coding (Rissanen 1976, Pasco 1976; as range coding, Martin 1979). The range coder is
constriction's (Bamler 2022). Probabilities become integer frequencies, for N symbols

    n_i = 1 + ⌊p_i (2²⁴ − N) / Σ p⌋,  and the most probable symbol gets the remainder, so that Σ n_i = 2²⁴.

A token is coded in two steps: its block of about √V consecutive ids, and its position in the block. So no vocabulary is
too large for 2²⁴ parts, and since no n_i is 0, every token can be coded, at no more than 24 bits for each step.

Decoding needs exactly the same floating-point numbers: the same processor, versions of NumPy, Numba and PyTorch, and
limit on the threads of matrix products. Elsewhere it may fail, and the checksum detects that: wrong data is never
returned.
"""

import math
import sys
import zlib
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lmzoo.compression.container import SIZE, SPELLINGS, Container, arithmetic, fingerprint
from lmzoo.data.tokenizers import Tokenizer
from lmzoo.errors import FormatError, LmzooError, ScoreError, TokenizerError, not_installed, one_of
from lmzoo.evaluation.perplexity import PROTOCOLS, parts_of
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Array, Decoder, Ids, LanguageModel, Progress, State
from lmzoo.progress import result_of

TOTAL = 1 << 24  # the sum of the integer frequencies: constriction's precision
TOLERANCE = 1e-3  # deviation of Σ p from one that is accepted: frequencies are normalized
END = 64  # bits of the range coder's final state
SHOWN_EVERY = 256  # tokens between two updates of the progress bar
# A model with a batched `advance_many` codes a long text in parallel lanes, each from the start state. The lost context
# costs an LSTM 15 bits for each lane and a GPT 12, on English prose: 0.1 % for 100,000 characters.
LANE = 6_250  # tokens of a lane, at least
LANES = 16  # lanes, at most


def need_coder() -> None:
    """Raise UsageError where constriction is not installed, before any work."""
    _Encoder()


def compress(text_model: TextModel, data: bytes, protocol: str = "stream", progress: Progress | None = None) -> bytes:
    """The bytes of a file that `decompress` turns back into `data`, with the same model and tokenizer.

    Under the protocol `lines` the model restarts at each line, as in the evaluator. Bytes that are not UTF-8 are read
    as Latin-1 or as single bytes, whichever takes fewer tokens. Raises TokenizerError for data that the tokenizer
    cannot reproduce, ScoreError, naming the position, for a probability of zero or NaN, and UsageError for a model that
    is no language model, or where constriction is not installed.
    """
    with _one_thread():
        return result_of(compressing(text_model, data, protocol, progress))


def compressing(
    text_model: TextModel, data: bytes, protocol: str = "stream", progress: Progress | None = None
) -> Generator[None, None, bytes]:
    """`compress`, a token at each step."""
    model = _check(text_model, protocol)
    spelling, ids = _spelled(text_model.tokenizer, data, protocol)
    coder, lines, lanes = _Encoder(), protocol == "lines", _lanes(model, len(ids))
    yield from _Reader(text_model, lines, lanes).read(ids, coder, progress or Progress(), "compressing")
    made_with, checksum = (fingerprint(text_model), arithmetic()), zlib.crc32(data)
    return Container(spelling, lines, lanes, *made_with, len(data), len(ids), checksum, coder.payload()).pack()


def decompress(text_model: TextModel, file: bytes, progress: Progress | None = None) -> bytes:
    """The inverse of `compress`.

    Raises FormatError for a file that is damaged or not compressed by lmzoo, UsageError for another model than it was
    compressed with, and LmzooError where this machine's arithmetic differs too much to decode it.
    """
    with _one_thread():
        return result_of(decompressing(text_model, file, progress))


def decompressing(text_model: TextModel, file: bytes, progress: Progress | None = None) -> Generator[None, None, bytes]:
    """`decompress`, a token at each step."""
    container = Container.unpack(file)
    container.refuse_another(text_model)
    _check(text_model, "stream")
    coder, reader = _Decoder(container.payload), _Reader(text_model, container.lines, container.lanes)
    if container.tokens * reader.least_bits() > coder.left:
        raise FormatError(f"it cannot have {container.tokens:,} tokens, as its header says, in {len(file):,} bytes")
    try:
        ids = np.zeros(container.tokens, dtype=np.int32)
    except MemoryError:
        raise FormatError(f"its header says that it has {container.tokens:,} tokens: no memory holds so many") from None
    try:
        yield from reader.read(ids, coder, progress or Progress(), "decompressing")
        data = text_model.tokenizer.decode(ids).encode(*SPELLINGS[container.spelling])
    except (EOFError, AssertionError, UnicodeError) as error:  # ours, constriction's, or text of no such bytes
        raise _lost(container, str(error)) from None
    if (len(data), zlib.crc32(data)) != (container.length, container.checksum):
        raise _lost(container, "it is another text")
    return data


def payload_bits(file: bytes) -> int:
    """The bits of the range coder's output in a compressed file: without header and checksum."""
    return 8 * (len(file) - SIZE)


def _lost(container: Container, why: str) -> LmzooError:
    elsewhere = container.arithmetic != arithmetic()
    cause = (
        "it was compressed on another processor or with other versions of NumPy, Numba or PyTorch: decompress it there"
        if elsewhere
        else "the model does not give the same probabilities twice"
    )
    return LmzooError(f"what was decoded is not what was compressed ({why}): {cause}")


# ── Text and tokens ───────────────────────────────────────────────────────────────────────────────


def _spelled(tokenizer: Tokenizer, data: bytes, protocol: str) -> tuple[int, Ids]:
    """How `data` is read as text (an index of SPELLINGS), and the ids (T,) of that text."""
    readings: list[tuple[int, Ids]] = []
    refused: TokenizerError | None = None
    for number, spelling in enumerate(SPELLINGS):
        try:
            text = data.decode(*spelling)
            ids = _encoded(tokenizer, text, protocol)
            if text.encode(*spelling) == data:
                readings.append((number, ids))
        except UnicodeError:
            continue
        except TokenizerError as error:
            refused = refused or error
        if readings and number == 0:
            break  # valid UTF-8, as nearly all files are
    if not readings:
        raise TokenizerError(f"it cannot be compressed with this run's tokenizer: {refused}")
    return min(readings, key=lambda reading: len(reading[1]))


def _encoded(tokenizer: Tokenizer, text: str, protocol: str) -> Ids:
    """The ids of `text`, as in the evaluator under `protocol`. TokenizerError where they do not decode to it."""
    ids = np.concatenate([np.empty(0, np.int32), *parts_of(tokenizer, text, protocol)])
    back = tokenizer.decode(ids)
    if back != text:
        at = first_difference(back, text)
        raise TokenizerError(
            f"{tokenizer.spec} reads {text[at : at + 20]!r} at character {at:,} as {back[at : at + 20]!r}, so the text "
            "would not come back: a run with byte, char, word:K or bpe:K can write any text"
        )
    return ids


def first_difference(a: Sequence[Any], b: Sequence[Any]) -> int:
    """The first position at which two different sequences differ."""
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _check(text_model: TextModel, protocol: str) -> LanguageModel:
    """The language model. Raises UsageError or ScoreError where no text can be coded with it."""
    one_of("protocol named", protocol, PROTOCOLS)
    model = text_model.require(LanguageModel, "it can compress none")
    if not model.is_distribution:
        raise ScoreError(
            f"{text_model.name} gives scores that do not sum to one over the vocabulary: they can rank texts, but no "
            "text can be coded by them"
        )
    return model


# ── The loop of both directions ───────────────────────────────────────────────────────────────────


class _Reader:
    """Reads a text token by token, coding each with the distribution before it.

    Encoder and decoder run this one loop, token by token, on the CPU in one thread: scores of a whole text in one pass
    differ from these in the last digits.
    """

    def __init__(self, text_model: TextModel, lines: bool, lanes: int):
        self.name, self.lanes = text_model.name, lanes
        model, tokenizer = text_model
        self.model: LanguageModel = model
        self.tokenizer: Tokenizer = tokenizer
        self.size = math.isqrt(model.vocab_size_ - 1) + 1  # tokens of a block
        self.ends_line = _line_ends(tokenizer) if lines and not model.adapts else None

    def least_bits(self) -> float:
        """What the most probable token costs: its block gets all of 2²⁴ but one for each other block."""
        blocks = -(-self.model.vocab_size_ // self.size)
        return -math.log2(1 - (max(blocks, 2) - 1) / TOTAL)

    def read(self, ids: Ids, coder: "_Coder", progress: Progress, name: str) -> Generator[None, None, None]:
        """Code `ids` (T,), one of each lane at a step; the decoder writes the tokens it finds into them."""
        lengths = len(ids) // self.lanes + (np.arange(self.lanes) < len(ids) % self.lanes)  # the longer lanes first
        starts = np.cumsum(lengths) - lengths
        first = self.model.start()
        states = [first] * self.lanes
        with progress.task(name, len(ids)) as task:
            for t in range(lengths[0]):
                places = starts[lengths > t] + t
                states = states[: len(places)]
                with _one_thread():
                    for row, place in zip(self._distributions(states), places.tolist(), strict=True):
                        ids[place] = self._token(row, ids, place, coder)
                    tokens = ids[places]
                    states = self.model.advance_many(states, tokens[:, None])
                if self.ends_line is not None:
                    states = [first if ends else s for s, ends in zip(states, self.ends_line[tokens], strict=True)]
                if (t + 1) % SHOWN_EVERY == 0:
                    task.advance(SHOWN_EVERY * len(places))
                yield

    def _distributions(self, states: list[State]) -> Sequence[Array]:
        """log P of each token (V,) in each of `states`, by the same method in both directions."""
        if len(states) == 1:
            return [self.model.next_log_probs(states[0])]
        return list(self.model.next_log_probs_many(states))

    def _token(self, log_probs: Array, ids: Ids, t: int, coder: "_Coder") -> int:
        """Code the token at position `t`, its block first, then its position in the block; returns the token."""
        log_probs = np.asarray(log_probs, dtype=np.float64)
        with np.errstate(all="ignore"):  # invalid probabilities are detected below
            probs = np.exp(log_probs)
        if probs.shape != (self.tokenizer.vocab_size,):
            raise self._no_distribution(probs, np.nan, ids, t)
        total, shares = _of_blocks(probs, self.size)
        if not abs(total - 1) <= TOLERANCE:
            raise self._no_distribution(probs, total, ids, t)
        block, place = divmod(int(ids[t]), self.size)
        block = coder.code(shares, block) if len(shares) > 1 else 0
        within = log_probs[block * self.size : (block + 1) * self.size]
        # A single symbol needs no bits.
        place = coder.code(_of_places(within), place) if len(within) > 1 else 0
        token = block * self.size + place
        if log_probs[token] == -np.inf:
            raise self._impossible(token, ids, t)
        return token

    def _no_distribution(self, probs: Array, total: float, ids: Ids, t: int) -> ScoreError:
        if probs.shape != (self.tokenizer.vocab_size,):
            what = f"{probs.shape} numbers, not one for each of {self.tokenizer.vocab_size} tokens,"
        elif np.isnan(total):
            token = self.tokenizer.token(int(np.argmax(np.isnan(probs))))
            what = f"the token {token!r} a probability of NaN"
        else:
            what = f"probabilities that sum to {total:.6g}, not 1,"
        return ScoreError(
            f"{self.name} gives {what} at position {t} (character {self._character(ids, t)}): no text can be coded so; "
            "for a model's own file, see `lmzoo check`"
        )

    def _impossible(self, token: int, ids: Ids, t: int) -> ScoreError:
        return ScoreError(
            f"{self.name} gives token {self.tokenizer.token(token)!r} at "
            f"position {t} (character {self._character(ids, t)}) a probability of zero: what is impossible cannot be "
            "coded (a smoothing that reserves probability for the unseen can)"
        )

    def _character(self, ids: Ids, t: int) -> int:
        return len(self.tokenizer.decode(ids[:t]))


@njit(cache=True, nogil=True, error_model="numpy")
def whole_numbers(weights: Array) -> Array:
    """n_i − 1 (N,) of the equation above, as floats: integers in proportion to `weights`, which sum to 2²⁴ − N."""
    total, likeliest = 0.0, 0
    for i, weight in enumerate(weights):
        total += weight
        if weight > weights[likeliest]:
            likeliest = i
    left = float(TOTAL - len(weights))
    shares, scale = np.empty(len(weights)), left / total
    for i, weight in enumerate(weights):
        shares[i] = np.floor(weight * scale)
        left -= shares[i]
    shares[likeliest] += left
    return shares


@njit(cache=True, nogil=True)
def _of_blocks(probs: Array, size: int) -> tuple[float, Array]:
    """The sum of `probs` (V,), and the frequencies of their blocks of `size`."""
    sums = np.zeros((len(probs) + size - 1) // size)
    for i, prob in enumerate(probs):
        sums[i // size] += prob
    return sums.sum(), whole_numbers(sums)


@njit(cache=True, nogil=True)
def _of_places(log_probs: Array) -> Array:
    """The frequencies of the tokens of a block; equal ones where all are impossible."""
    likeliest = log_probs.max()
    weights = np.ones(len(log_probs))
    if likeliest > -np.inf:
        for i, log_prob in enumerate(log_probs):
            weights[i] = np.exp(log_prob - likeliest)
    return whole_numbers(weights)


def _lanes(model: LanguageModel, tokens: int) -> int:
    """The number of lanes: more than one only for a model that reads a batch faster than one by one."""
    batched = type(model).advance_many is not Decoder.advance_many and not model.adapts
    return max(1, min(LANES, tokens // LANE)) if batched else 1


def _line_ends(tokenizer: Tokenizer) -> NDArray[np.bool_]:
    """(V,): which tokens end a line."""
    if tokenizer.lines:
        return np.arange(tokenizer.vocab_size) == tokenizer.end
    return np.array([tokenizer.decode([token]).endswith("\n") for token in range(tokenizer.vocab_size)])


# ── The range coder ───────────────────────────────────────────────────────────────────────────────


class _Coder(ABC):
    """Codes one of N symbols with the probabilities (shares + 1) / 2²⁴, `shares` (N,) from `whole_numbers`.

    constriction reserves 2⁻²⁴ for each symbol and scales the weights to the rest. These sum to that rest already, so
    they are used without rounding.
    """

    def __init__(self) -> None:
        try:
            from constriction import stream
        except ImportError:
            raise not_installed("compression", "constriction") from None
        self.stream = stream

    @abstractmethod
    def code(self, shares: Array, symbol: int) -> int:
        """The symbol: the given one when encoding, the decoded one when decoding."""


class _Encoder(_Coder):
    def __init__(self) -> None:
        super().__init__()
        self.coder = self.stream.queue.RangeEncoder()

    def code(self, shares: Array, symbol: int) -> int:
        self.coder.encode(symbol, self.stream.model.Categorical(shares, perfect=False))
        return symbol

    def payload(self) -> bytes:
        """The output, as 32-bit little-endian words."""
        return self.coder.get_compressed().astype("<u4").tobytes()


class _Decoder(_Coder):
    def __init__(self, payload: bytes) -> None:
        super().__init__()
        self.coder = self.stream.queue.RangeDecoder(np.frombuffer(payload, "<u4").astype(np.uint32))
        self.left: float = 8 * len(payload) + END  # bits

    def code(self, shares: Array, symbol: int) -> int:
        symbol = int(self.coder.decode(self.stream.model.Categorical(shares, perfect=False)))
        # The coder goes on for ever behind the end of its input: a header may claim any number of tokens.
        self.left += math.log2((shares[symbol] + 1) / TOTAL)
        if self.left < 0:
            raise EOFError("its tokens take more bits than it has")
        return symbol


@contextmanager
def _one_thread() -> Iterator[None]:
    """Limit PyTorch to one thread, so that it adds in one order whatever the number of cores."""
    torch = sys.modules.get("torch")
    if torch is None or (before := torch.get_num_threads()) == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
