"""What word vectors are good for: neighbours, analogies, and how like two words are, beside people's judgments."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lmzoo._tokenizer_base import BYTES
from lmzoo.tokenizer import Tokenizer

UNKNOWN = "<unk>"


def words_of(tokenizer: Tokenizer, counts: ArrayLike) -> tuple[list[str], NDArray[np.int64]]:
    """The plain words (N,) among the tokens, most frequent first (ties by id), and the token id of each (N,).

    `counts` (V,) says how often each token occurred; one that never did is left out. A word has neither white space
    nor the space before it: of " king" and "king" the more frequent stands for both. No words are: bytes, white
    space, `end`, `<unk>` (it stands for many), and of byte-pair encodings what does not begin with a space, for it
    may be a part of a word.
    """
    occurred = np.asarray(counts)
    ids = np.flatnonzero(occurred)
    ids = ids[np.argsort(-occurred[ids], kind="stable")]
    kind = tokenizer.spec.partition(":")[0]
    if kind != "split":
        ids = ids[ids >= BYTES]
    found: dict[str, int] = {}
    for i in ids[ids != tokenizer.end].tolist():
        (piece,) = tokenizer.pieces([i])
        word = piece.removeprefix(" ")
        if _is_word(word) and (kind in ("word", "split") or (kind != "char" and piece != word)):
            found.setdefault(word, i)
    return list(found), np.fromiter(found.values(), np.int64, len(found))


def _is_word(text: str) -> bool:
    """One stretch of text, whole (a piece of a character is U+FFFD)."""
    return text.split() == [text] and text != UNKNOWN and "\ufffd" not in text
