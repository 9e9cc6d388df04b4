"""What a masked model says of a text: its pseudo-log-likelihood, and what it would put into a blank.

    pseudo_log_probs(text_model, ids)       log P of each token given all others (Salazar et al. 2020, eq. 2)
    fill(text_model, "The [MASK] sat.")     the likeliest tokens of each blank

Of a word of several tokens those to the right of a token are hidden with it: seen, "##ple" would give "ap" away, and
rare words would look likely (Kauf & Ivanova 2023, "A Better Way to Do Masked Language Model Scoring").
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lmzoo.data.tokenizers import Tokenizer
from lmzoo.errors import UsageError, in_range
from lmzoo.evaluation.text_model import TextModel, likeliest_tokens
from lmzoo.interface import Floats, Ids, LanguageModel, MaskedModel, SpanFiller

MASK = "[MASK]"  # a blank in a text, as people write it


def is_pseudo(text_model: TextModel) -> bool:
    """Whether a model ranks texts by pseudo-log-likelihood: it fills blanks, and gives a text no probability."""
    return isinstance(text_model.model, MaskedModel) and not isinstance(text_model.model, LanguageModel)


def pseudo_log_probs(text_model: TextModel, ids: Ids, first: int = 0) -> Floats:
    """log P of each of `ids` (T,) given the others but for the later tokens of its word, in nats: (T - first,)."""
    words = words_of(text_model.tokenizer, ids)
    if len(np.unique(words)) == len(ids):
        scores: Floats = text_model.model.pseudo_log_probs(ids, first=first)
        return scores
    within: Floats = text_model.model.pseudo_log_probs(ids, words, first)
    return within


def words_of(tokenizer: Tokenizer, ids: Ids) -> Ids:
    """The number of the word that each token belongs to, (T,): one that goes on with letters or digits shares it.

    So do the tokens that spell one character. Each space, mark of punctuation and line end is a word by itself.
    """
    pieces, numbers, last = tokenizer.pieces(ids), np.zeros(len(ids), dtype=np.int64), ""
    for n, piece in enumerate(pieces):
        inside = bool(n) and (not pieces[n - 1] or (last.isalnum() and (piece[:1].isalnum() or not piece)))
        numbers[n] = numbers[n - 1] + (not inside) if n else 0
        last = piece[-1:] or last
    return numbers


@dataclass(frozen=True)
class Filled:
    """A blank, and the likeliest tokens for it with their probabilities."""

    position: int  # among the tokens of the text
    tokens: dict[str, float]


def fill(text_model: TextModel, text: str, top: int = 10) -> list[Filled]:
    """The `top` likeliest tokens of each [MASK] in `text`, all of them hidden at once.

    Raises UsageError for a model that fills no blanks, and for a text without one.
    """
    in_range("top", top, 1)
    model = text_model.require(MaskedModel, f"it cannot say what stands at {MASK}")
    ids, blanks = encode_blanks(text_model.tokenizer, text)
    if not blanks.any():
        raise UsageError(f"there is no blank in {text[:60]!r}: write {MASK} for each, as in 'The {MASK} sat.'")
    places, rows = np.flatnonzero(blanks).tolist(), model.fill_log_probs(ids, blanks)
    return [
        Filled(place, dict(likeliest_tokens(text_model.tokenizer, ids[:place], row, top)))
        for place, row in zip(places, rows, strict=True)
    ]


def fill_spans(text_model: TextModel, text: str, longest: int = 20) -> list[str]:
    """What a model writes into each [MASK] of `text`, tokens as many as it likes but at most `longest`.

    Raises UsageError as `fill` does, and where the blanks use up the sentinels.
    """
    in_range("longest", longest, 1)
    model = text_model.require(SpanFiller, f"it cannot say what stands at {MASK}")
    ids, blanks = encode_blanks(text_model.tokenizer, text)
    if not blanks.any():
        raise UsageError(f"there is no blank in {text[:60]!r}: write {MASK} for each, as in 'The {MASK} sat.'")
    return [text_model.tokenizer.decode(span) for span in model.fill_spans(ids, blanks, longest)]


def encode_blanks(tokenizer: Tokenizer, text: str) -> tuple[Ids, NDArray[np.bool_]]:
    """The ids of a text with [MASK]s, (T,), and where those stand, (T,) bool; each takes one token.

    A space before [MASK] belongs to the token that is hidden, where the tokenizer has tokens that begin with one.
    """
    spaced = any(len(word) > 1 and word[:1] == b" " for word in tokenizer.vocabulary.spellings)
    parts, pieces, before = text.split(MASK), list[Ids](), ""
    for n, part in enumerate(parts):
        if n < len(parts) - 1 and spaced and not tokenizer.closed:
            part = part.removesuffix(" ")
        pieces.append(tokenizer.encode(tokenizer.normalize(part, before)) if part else np.empty(0, np.int32))
        pieces.append(np.array([tokenizer.end], dtype=np.int32))  # any id: it is hidden
        before += part + "x"  # in place of what is hidden
    lengths = [len(piece) for piece in pieces[:-1]]
    blanks = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return np.concatenate(pieces[:-1]), blanks
