"""Surprisal of a passage: the bits of every token and word, and the most probable tokens in its place.

The bits of a word are not the sum of those of its tokens (Pimentel & Meister 2024, How to Compute the Probability of a
Word; Oh & Schuler 2024). A token that begins with a space implies that the word before it has ended, and includes the
cost of that end, while " the" costs the same whether the word is "the" or "then". Let c be a text that ends with a
word, w a word with the white space before it, and B(c) the probability that the next token begins with white space or
is `end`, so that the last word of c is complete. Then

    P(c complete)      =  P(c) · B(c)
    P(w | c complete)  =  P(c w) · B(c w) / (P(c) · B(c))  =  ∏ P(token | before) · B(c w) / B(c)

which sums to one over all words and `end`, as the product alone does not. The factors cancel along a passage: its words
have the bits of its tokens, but for the last B.

Words are separated by ASCII white space. Unlike in the paper, a token begins a word if its text begins with white
space, not if the tokenizer marks it so, which also covers tokenizers of characters and bytes. As in the paper, only
the tokenization that `encode` chooses is considered.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmzoo.data.tokenizers import Tokenizer
from lmzoo.evaluation.perplexity import Score
from lmzoo.evaluation.text_model import TextModel, likeliest_tokens
from lmzoo.interface import Array, Ids, LanguageModel

CHARACTERS = 700  # of the passage
LIKELIEST = 5  # tokens listed for each position
BLANKS = " \t\n\v\f\r"  # separate words: of one byte each, so that no token of any tokenizer hides one


def facts_of(text_model: TextModel, score: Score, characters: int = CHARACTERS) -> dict[str, Any]:
    """The first `characters` of the scored text, without a word that is cut off there, as plain JSON.

    `pieces`: the `text` and `bits` of each token, and the `likeliest` tokens in its place, {text: probability}, in the
    context in which it was scored. `words`: the `text` of each word with the white space before it, its number of
    `pieces`, and its `bits`.
    """
    model, tokenizer = text_model.require(LanguageModel, "it has no bits"), text_model.tokenizer
    ids = score.ids[: 4 * characters + 4]  # a character has at most four bytes, and so at most four tokens
    texts = tokenizer.pieces(ids)
    shown = _shown(texts, characters)
    ends = [t for t in _word_ends(texts) if t <= shown]
    completes = _completes(tokenizer, ids[ends[0] - 1]) if ends else np.zeros(0, dtype=bool)
    pieces, complete = [], dict.fromkeys(ends, 0.0)
    for t, log_probs in enumerate(_distributions(model, ids[: shown + 1], _restarts(model, score, texts))):
        if t in complete:
            complete[t] = float(np.logaddexp.reduce(log_probs[completes], dtype=np.float64) / np.log(2))
        if t < shown:
            likeliest = likeliest_tokens(tokenizer, ids[max(0, t - 1) : t], log_probs, LIKELIEST)
            rounded = {name: float(f"{probability:.4g}") for name, probability in likeliest}
            pieces.append({"text": texts[t], "bits": float(score.token_bits[t]), "likeliest": rounded})
    return {"pieces": pieces, "words": _words(pieces, complete)}


def whole_words(text: str, characters: int) -> str:
    """The first `characters` of `text`, without a word that is cut off there, unless that were half of it."""
    if len(text) <= characters:
        return text
    end = max(text.rfind(blank, 0, characters + 1) for blank in " \n")
    return text[: end if end > characters // 2 else characters]


def _shown(texts: Sequence[str], characters: int) -> int:
    """How many of the tokens with these `texts` are in the passage."""
    ends = np.cumsum([len(text) for text in texts])
    shown = int(np.searchsorted(ends, len(whole_words("".join(texts), characters)), side="right"))
    while shown and not texts[shown - 1]:  # the first bytes of a character outside the passage
        shown -= 1
    return shown


def _restarts(model: LanguageModel, score: Score, texts: Sequence[str]) -> list[bool]:
    """Whether each token was scored from the start state: under `lines`, at each line."""
    alone = score.protocol == "lines" and not model.adapts
    return [t == 0 or (alone and texts[t - 1].endswith("\n")) for t in range(len(texts))]


def _distributions(model: LanguageModel, ids: Ids, restarts: Sequence[bool]) -> Iterator[Array]:
    """log P of all tokens, (V,), before each of `ids` is read."""
    state = model.start()
    for t in range(len(ids)):
        state = model.start() if restarts[t] else state
        yield np.asarray(model.next_log_probs(state))
        state = model.advance(state, ids[t : t + 1])


def _word_ends(texts: Sequence[str]) -> list[int]:
    """The positions at which a word is complete: tokens that begin with white space, after other text."""
    ends, last = [], BLANKS[0]
    for t, text in enumerate(texts):
        if text and text[0] in BLANKS and last not in BLANKS:
            ends.append(t)
        last = text[-1:] or last
    return ends


def _completes(tokenizer: Tokenizer, anchor: int) -> NDArray[np.bool_]:
    """Which tokens (V,) imply that the word before them is complete; `anchor` is a token that ends a word."""
    pairs = np.full((tokenizer.vocab_size, 2), anchor)  # each token after the anchor: its spacing depends on it
    pairs[:, 1] = np.arange(tokenizer.vocab_size)
    texts = tokenizer.pieces(pairs.ravel())[1::2]
    return np.array([text[:1] != "" and text[0] in BLANKS for text in texts]) | (pairs[:, 1] == tokenizer.end)


def _words(pieces: Sequence[dict[str, Any]], complete: dict[int, float]) -> list[dict[str, Any]]:
    """The words of `pieces`; `complete` is log₂ B at each position where a word begins but the first.

    A word that the passage or the text cuts off has no B(c w): nothing scored says that it is complete.
    """
    words = []
    for start, end in pairwise(sorted({0, *complete, len(pieces)})):
        bits = sum(piece["bits"] for piece in pieces[start:end])
        corrected = bits + complete.get(start, 0.0) - complete.get(end, 0.0)
        text = "".join(piece["text"] for piece in pieces[start:end])
        words.append({"text": text, "pieces": end - start, "bits": max(0.0, corrected)})  # rounding may go below 0
    return words
