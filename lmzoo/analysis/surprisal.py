"""One passage as one model reads it: the bits of every token, what else it expected there, and the bits of words.

The passage is the beginning of the scored text, and its bits are those that were scored. Beside each token stand the
tokens that the model found likeliest at that place, given what the ruler gave it: under the protocol `lines` nothing
of the lines before, unless it adapts.

The bits of a word are not those of its tokens (Pimentel & Meister 2024, How to Compute the Probability of a Word; Oh &
Schuler 2024). A token that begins with a space says that the word before it has ended, so it pays for that end, while
" the" is charged the same whether it becomes "the" or "then". Let c be a text that stops behind a word, w a word with
the white space before it, and B(c) the probability that what comes behind c begins with white space or is `end`: that
the last word of c is complete. Then

    P(c complete)      =  P(c) · B(c)
    P(w | c complete)  =  P(c w) · B(c w) / (P(c) · B(c))  =  ∏ P(token | before) · B(c w) / B(c)

which sums to one over all words and `end`, as the product alone does not. The first word of a text is divided by
nothing. The factors cancel along a passage: its words have the bits of its tokens, but for the last B.

Words are what stands between ASCII white space. A word that the passage or the text breaks off is counted as a
beginning, without B(c w), for nothing that was scored says that it is complete. Where lines are read alone, the line
end and the next line's first word are one word with its white space. Departing from the paper, tokens whose text
begins with any white space count, not those that a tokenizer marks: so it serves letters and bytes as well. Like the
paper, it takes a text to be written only in the tokens that `encode` chooses.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmzoo.data.tokenizers import Tokenizer
from lmzoo.evaluation.perplexity import Score
from lmzoo.evaluation.text_model import TextModel, likeliest_tokens
from lmzoo.interface import Ids, LanguageModel

CHARACTERS = 700  # of the passage
LIKELIEST = 5  # tokens told of each place
BLANKS = " \t\n\v\f\r"  # where words are cut: one byte each, so that every tokenizer cuts there


def facts_of(text_model: TextModel, score: Score, characters: int = CHARACTERS) -> dict[str, Any]:
    """The first `characters` of what `score` is of, without a word that is cut there, as plain JSON.

    `pieces`: of each token its `text`, its `bits` and `likeliest`, {text: probability}, the likeliest first.
    `words`: of each word, with the white space before it, its `text`, of how many `pieces` it is, and its `bits`.
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
    """The first `characters` of `text`, without the word that is cut there, unless that would be half of it."""
    if len(text) <= characters:
        return text
    end = max(text.rfind(blank, 0, characters + 1) for blank in " \n")
    return text[: end if end > characters // 2 else characters]


def _shown(texts: Sequence[str], characters: int) -> int:
    """How many of the tokens with these `texts` lie within the passage."""
    ends = np.cumsum([len(text) for text in texts])
    shown = int(np.searchsorted(ends, len(whole_words("".join(texts), characters)), side="right"))
    while shown and not texts[shown - 1]:  # the first bytes of a character that is not shown
        shown -= 1
    return shown


def _restarts(model: LanguageModel, score: Score, texts: Sequence[str]) -> list[bool]:
    """Whether each token was scored from a fresh start, as `evaluate` does."""
    alone = score.protocol == "lines" and not model.adapts
    return [t == 0 or (alone and texts[t - 1].endswith("\n")) for t in range(len(texts))]


def _distributions(model: LanguageModel, ids: Ids, restarts: Sequence[bool]) -> Iterator[NDArray[Any]]:
    """log P of all tokens, (V,), at the place of each of `ids`."""
    state = model.start()
    for t in range(len(ids)):
        state = model.start() if restarts[t] else state
        yield np.asarray(model.next_log_probs(state))
        state = model.advance(state, ids[t : t + 1])


def _word_ends(texts: Sequence[str]) -> list[int]:
    """The tokens before which a word is complete: those that begin with white space behind text that ends otherwise."""
    ends, last = [], BLANKS[0]
    for t, text in enumerate(texts):
        if text and text[0] in BLANKS and last not in BLANKS:
            ends.append(t)
        last = text[-1:] or last
    return ends


def _completes(tokenizer: Tokenizer, anchor: int) -> NDArray[np.bool_]:
    """Which tokens (V,) say that the word before them is complete; `anchor` is a token that a word ends with."""
    behind = np.full((tokenizer.vocab_size, 2), anchor)
    behind[:, 1] = np.arange(tokenizer.vocab_size)
    texts = tokenizer.pieces(behind.ravel())[1::2]
    return np.array([text[:1] != "" and text[0] in BLANKS for text in texts]) | (behind[:, 1] == tokenizer.end)


def _words(pieces: Sequence[dict[str, Any]], complete: dict[int, float]) -> list[dict[str, Any]]:
    """The words of `pieces`: `complete` gives log₂ B before each token that begins a word but the first."""
    words = []
    for start, end in pairwise(sorted({0, *complete, len(pieces)})):
        bits = sum(piece["bits"] for piece in pieces[start:end])
        corrected = bits + complete.get(start, 0.0) - complete.get(end, 0.0)
        text = "".join(piece["text"] for piece in pieces[start:end])
        words.append({"text": text, "pieces": end - start, "bits": max(0.0, corrected)})  # rounding may go below
    return words
