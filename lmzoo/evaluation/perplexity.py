"""The evaluator: bits of a text under a model, and the counts they are divided by.

Bits are −Σ log₂ P over all tokens of the untouched text. Every ratio is taken over counts of that same text:

    bits_per_character     bits / characters (Unicode code points)
    bits_per_byte          bits / bytes (UTF-8)
    perplexity_per_token   2^(bits / tokens), comparable only between models with the same tokenizer
    perplexity_per_word    2^(bits / words): the words between white space, and under the protocol `lines` one more
                           for each line end, as PTB and WikiText have it

Since no tokenizer of lmzoo loses anything, the first two and the last compare any two models. A zero, NaN or
infinite probability is an error that names the position; nothing is ever left out of the sum. Only where unknown words
alone have probability zero does the error also have the figure without them, as KenLM and SRILM print it.
"""

import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from lmzoo.data.split import lines_of
from lmzoo.data.tokenizers import Tokenizer
from lmzoo.data.tokenizers.normalizer import UNKNOWN
from lmzoo.errors import ScoreError, UsageError, one_of
from lmzoo.evaluation.interpolation import combine
from lmzoo.evaluation.statistics import interval, ratio
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Array, Ids, LanguageModel, MaskedModel

PROTOCOLS = ("stream", "lines")
BLOCK = 2000  # characters of a block: the bootstrap resamples blocks, since neighbouring tokens are not independent
RESAMPLES = 9999
LARGEST = 1 << 20  # characters of a test text that analyses look at: no text is too long for them
# The note on every score of a model that adapts (a cache): dynamic evaluation, not comparable with static ones.
ADAPTS = "adapts to the test text as it reads it, across line ends: a dynamic evaluation, not a static one"


class UnknownWordsError(ScoreError):
    """A text with words outside the vocabulary, which have probability zero: `score` has infinite bits."""

    score: "Score"
    excluding: dict[str, Any]  # the number of unknown words, and the tokens, bits and perplexity of all others


@dataclass(frozen=True)
class Score:
    """A model's bits for a text, with every count they are divided by."""

    bits: float
    characters: int
    bytes: int
    tokens: int
    words: int
    protocol: str  # "stream": one text with unbroken context; "lines": every line alone
    tokenizer: str
    sha256: str  # of the text, in UTF-8
    seconds: float  # to score it
    replaced: int = 0  # words outside a closed vocabulary, scored as <unk>
    token_bits: Array = field(repr=False, compare=False, default_factory=lambda: np.zeros(0))
    ids: Array = field(repr=False, compare=False, default_factory=lambda: np.zeros(0, dtype=np.int32))

    @property
    def log_probs(self) -> Array:
        """log P of each token, (T,), in nats."""
        return -np.log(2) * self.token_bits

    @property
    def bits_per_character(self) -> float:
        """Bits for each Unicode code point."""
        return self.bits / self.characters

    @property
    def bits_per_byte(self) -> float:
        """Bits for each byte of UTF-8."""
        return self.bits / self.bytes

    @property
    def perplexity_per_token(self) -> float | None:
        """2^(bits / tokens): the effective number of equally likely tokens to choose from; None as for words."""
        return _perplexity(self.bits, self.tokens)

    @property
    def perplexity_per_word(self) -> float | None:
        """2^(bits / words); None for a text without words, or where it would overflow."""
        return _perplexity(self.bits, self.words)

    @property
    def tokens_per_second(self) -> float:
        """Scoring speed."""
        return self.tokens / max(self.seconds, 1e-9)

    def to_json(self) -> dict[str, Any]:
        """Everything but the arrays of tokens, for `--json` and reports; None for what is infinite."""
        names = ("bits", "characters", "bytes", "tokens", "words", "protocol", "tokenizer", "sha256", "replaced")
        ratios = ("bits_per_character", "bits_per_byte", "perplexity_per_token", "perplexity_per_word")
        values = {name: getattr(self, name) for name in names + ratios + ("seconds", "tokens_per_second")}
        return {name: None if value == np.inf else value for name, value in values.items()}

    @classmethod
    def from_json(cls, facts: Mapping[str, Any], token_bits: Array, ids: Array) -> "Score":
        """The inverse of `to_json`, given the arrays of tokens."""
        own = [part.name for part in fields(cls) if part.name not in ("token_bits", "ids")]
        return cls(**{name: facts[name] for name in own}, token_bits=token_bits, ids=ids)


def _perplexity(bits: float, units: int) -> float | None:
    """2^(bits / units); None of no units, or where no float is as large."""
    return float(np.exp2(bits / units)) if bits < 1000 * units else None


def evaluate(text_model: TextModel, text: str, protocol: str = "stream") -> Score:
    """Score `text` under `protocol`: "stream" keeps the context throughout, "lines" scores every line from the start.

    A model that adapts to the text it reads is never restarted, under either protocol.

    Of a text that the tokenizer rewrites (`lossy`) all figures are of what is left.

    Raises UsageError for an empty text or one that does not fit the model, ScoreError, naming the token and where it
    stands, for a probability of zero, NaN or infinity, and UnknownWordsError where only unknown words have zero.
    """
    one_of("protocol named", protocol, PROTOCOLS)
    if not text:
        raise UsageError("the text to score is empty: it has no characters to divide bits by")
    model, tokenizer = text_model.require(LanguageModel, "it has no bits"), text_model.tokenizer
    if not model.is_distribution:
        raise ScoreError(
            f"{text_model.name} gives scores that do not sum to one over the vocabulary "
            f"({', '.join(f'{k} {v}' for k, v in model.config().items())}): they can rank texts, but they are no "
            "probabilities, and their bits could be compared with nothing"
        )
    parts = parts_of(tokenizer, text, protocol)
    if not any(map(len, parts)):
        raise UsageError("the text to score has no words, only white space: it has nothing to divide bits by")
    ids = np.concatenate(parts)
    began = time.perf_counter()
    token_bits = np.concatenate(model.log_probs_many([ids] if model.adapts else parts)) / -np.log(2)
    seconds = time.perf_counter() - began
    unknown = (ids == (-1 if tokenizer.unknown is None else tokenizer.unknown)) & (token_bits == np.inf)
    _refuse_nonsense(np.where(unknown, 0, token_bits), ids, text_model)
    scored = tokenizer.decode(ids)  # the same text, but for <unk> in place of words outside a closed vocabulary
    replaced = (
        []
        if scored == text or tokenizer.lossy
        else [b for a, b in zip(_words(scored), _words(text), strict=True) if a != b]
    )
    score = Score(
        bits=float(token_bits.sum()),
        characters=len(scored),
        bytes=len(scored.encode("utf-8", "surrogatepass")),
        tokens=len(ids),
        words=count_words(scored, protocol),
        protocol=protocol,
        tokenizer=tokenizer.spec,
        sha256=_sha256(scored),
        seconds=seconds,
        replaced=len(replaced),
        token_bits=token_bits,
        ids=ids,
    )
    if unknown.any():
        raise _unknown_words(text_model.name, score, token_bits[~unknown], (replaced or [UNKNOWN])[0])
    return score


def _words(text: str) -> list[str]:
    return re.findall(r"[^ \t-\r]+", text)  # as a closed vocabulary has them: U+00A0 may stand in a word


def _unknown_words(name: str, score: Score, known: Array, first: str) -> UnknownWordsError:
    """The error of a text with unknown words; `known` (K,) are the bits of all other tokens, `first` the first word."""
    unknown, bits = score.tokens - len(known), float(known.sum())
    perplexity = _perplexity(bits, len(known))
    excluding = {"unknown": unknown, "tokens": len(known), "bits": bits, "perplexity_per_token": perplexity}
    figure = f"{bits:,.1f} bits, perplexity {perplexity:,.2f} per token" if perplexity else "no perplexity"
    error = UnknownWordsError(
        f"{unknown:,} of {score.tokens:,} tokens are unknown words, such as {first!r}, which {name} gives probability "
        f"zero: no bits can be given for the whole text; without them, {len(known):,} tokens: {figure}"
    )
    error.score, error.excluding = score, excluding
    return error


@dataclass(frozen=True)
class PseudoScore:
    """What a masked model scores on a text: a pseudo-log-likelihood, which is no probability of the text.

    Each token is predicted from those on both sides, so the product of the predictions does not sum to one over texts:
    there are no bits per character, and a pseudo-perplexity is comparable only between masked models of one tokenizer.
    """

    pseudo_perplexity: float  # exp(nats / tokens) (Salazar et al. 2020, equation 3)
    nats: float  # −Σ log P(token | all others)
    tokens: int
    protocol: str
    tokenizer: str
    sha256: str  # of the text, in UTF-8
    seconds: float


def pseudo_evaluate(text_model: TextModel, text: str) -> PseudoScore:
    """The pseudo-log-likelihood of `text` under a masked model: Salazar, Liang, Nguyen & Kirchhoff 2020.

    Every line is a text of its own, as every sentence is in the paper. A text of T tokens takes T passes. Raises
    UsageError for an empty text or a model that fills no blanks, ScoreError for a log-probability that is not finite.
    """
    if not text:
        raise UsageError("the text to score is empty: it has no tokens to divide by")
    model = text_model.require(MaskedModel, "it has no pseudo-perplexity")
    tokenizer = text_model.tokenizer
    parts = parts_of(tokenizer, text, "lines")
    began = time.perf_counter()
    log_probs = np.concatenate([model.pseudo_log_probs(part) for part in parts])
    seconds = time.perf_counter() - began
    ids = np.concatenate(parts)
    if not np.isfinite(log_probs).all():
        t = int(np.argmin(np.isfinite(log_probs)))
        raise ScoreError(
            f"{text_model.name} gives token {tokenizer.token(int(ids[t]))!r} at position {t} a log-probability of "
            f"{log_probs[t]}: no pseudo-perplexity can be given"
        )
    scored = tokenizer.decode(ids)
    nats, tokens = -float(log_probs.sum()), len(ids)
    perplexity = float(np.exp(nats / tokens))
    return PseudoScore(perplexity, nats, tokens, "lines", tokenizer.spec, _sha256(scored), seconds)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def mix(scores: Sequence[Score], weights: Array) -> Score:
    """The score of the linear mixture, with `weights` (M,), of models whose `scores` are of the same tokens."""
    token_bits = combine(np.stack([score.log_probs for score in scores]), weights) / -np.log(2)
    seconds = sum(score.seconds for score in scores)
    return replace(scores[0], bits=float(token_bits.sum()), token_bits=token_bits, seconds=seconds)


def count_words(text: str, protocol: str) -> int:
    """The words between white space; under `lines`, a line end is one more (as PTB's and WikiText's </s> is)."""
    return len(text.split()) + (text.count("\n") if protocol == "lines" else 0)


def parts_of(tokenizer: Tokenizer, text: str, protocol: str) -> Sequence[Ids]:
    """The ids of each part of `text` that is scored from the start state: the whole text, or each of its lines."""
    if tokenizer.lossy:
        parts = [text] if protocol == "stream" else lines_of(text)
        return [ids for ids in map(tokenizer.encode, map(tokenizer.normalize, parts)) if len(ids)]
    if protocol == "stream":
        return [tokenizer.encode(text)]
    if tokenizer.lines:  # a line ends with the token `end`, so the whole text can be encoded at once
        ids = tokenizer.encode(text)
        cuts = np.flatnonzero(ids == tokenizer.end) + 1
        return [part for part in np.split(ids, cuts) if len(part)]
    return tokenizer.encode_many(lines_of(text))


def opening(text: str, longest: int = LARGEST) -> str:
    """`text`; of a longer one its first lines, or its first characters where those are longer still."""
    if len(text) <= longest:
        return text
    return text[: text.rfind("\n", longest // 2, longest) + 1 or longest]


def scored_parts(text_model: TextModel, text: str, protocol: str) -> Sequence[Ids]:
    """The ids of what `evaluate` has the model read from a fresh start: all of `text`, or each of its lines."""
    if not text:
        return []
    parts = parts_of(text_model.tokenizer, text, protocol)
    adapts = text_model.require(LanguageModel, "it has no bits").adapts
    return [np.concatenate(parts)] if adapts else parts


def _refuse_nonsense(token_bits: Array, ids: Ids, text_model: TextModel) -> None:
    tokenizer = text_model.tokenizer
    wrong = np.flatnonzero(~np.isfinite(token_bits) | (token_bits < -1e-3))
    if len(wrong):
        t = int(wrong[0])
        probability = {"inf": "zero", "-inf": "infinity", "nan": "NaN"}.get(str(token_bits[t]))
        character = len(tokenizer.decode(ids[:t]))
        raise ScoreError(
            f"{text_model.name} gives token {tokenizer.token(int(ids[t]))!r} at position {t} "
            f"(character {character}) a probability of {probability or np.exp2(-token_bits[t])}, and the same to "
            f"{len(wrong) - 1} more: no bits can be given (a smoothing that reserves probability for the unseen can)"
        )


def block_bits(score: Score, tokenizer: Tokenizer, size: int = BLOCK) -> tuple[Array, Array]:
    """The score cut into blocks of `size` characters: (bits (K,), characters (K,)).

    A token belongs to the block it starts in. Two scores of one text have the same blocks whatever their tokenizers, so
    they can be compared by paired resampling.
    """
    lengths = np.array([len(piece) for piece in tokenizer.pieces(score.ids)])
    starts = np.cumsum(lengths) - lengths
    blocks = max(1, score.characters // size)  # the last block takes the remainder
    which = np.minimum(starts // size, blocks - 1)
    characters = np.full(blocks, size, dtype=np.float64)
    characters[-1] = score.characters - size * (blocks - 1)
    return np.bincount(which, weights=score.token_bits, minlength=blocks), characters


def block_interval(bits: Array, characters: Array, seed: int = 0) -> tuple[float, float] | None:
    """The 95 % bootstrap interval of Σ bits / Σ characters over blocks; None for fewer than ten blocks.

    Give the difference of two models' bits for the paired interval of their difference.
    """
    if len(bits) < 10:
        return None
    if np.ptp(bits / characters) == 0:  # scipy warns of a statistic without any spread
        return (float(bits[0] / characters[0]),) * 2
    return interval(ratio, bits, characters, seed=seed, resamples=RESAMPLES)
