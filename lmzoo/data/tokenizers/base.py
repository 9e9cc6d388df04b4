"""The base classes of tokenizers: texts are encoded in chunks, and tokens spell bytes.

"The café"  --encode-->  [84, 104, 101, 32, 99, 97, 102, 195, 169]  --decode-->  "The café"
"""

import codecs
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lmzoo.data.tokenizers.normalizer import UNKNOWN
from lmzoo.interface import Ids, Vocabulary, check_ids

Tokens = NDArray[np.int32]

CHUNK = 1 << 20  # characters read at a time, so that a large text never exists as a list of strings
BYTES = 256  # ids 0 … 255 are the byte tokens
HOLE = -1  # in place of the id of a piece that is not in the vocabulary
NEWLINE = ord("\n")
FORMAT = "lmzoo tokenizer 1"
SURROGATES = re.compile("([\ud800-\udfff]+)")

# Whitespace after a non-space: no token of any tokenizer crosses this point from the left.
_BOUNDARY = re.compile(r"\S(?=[ \t-\r])")


def spans(text: str, longest: int | None = None, least: int | None = None) -> Iterator[tuple[int, int]]:
    """Cut `text` into spans (start, end) of `least` (default CHUNK) characters and more, where a token must start.

    Where there is no such place within `longest` (default 2·CHUNK) characters, the text is cut hard.
    """
    start, least = 0, least or CHUNK
    while start < len(text):
        limit = start + (2 * CHUNK if longest is None else longest)
        place = _BOUNDARY.search(text, start + least - 1, limit)
        end = place.end() if place else min(limit, len(text))
        yield start, end
        start = end


def line_and_column(text: str, position: int) -> tuple[int, int]:
    """Where a character stands, for messages: both counted from 1."""
    return text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position)


def to_bytes(text: str) -> bytes:
    """UTF-8, where a lone surrogate is spelled like any other code point (Python's "surrogatepass")."""
    return text.encode("utf-8", "surrogatepass")


def has_surrogates(text: str) -> bool:
    """Whether `text` has a lone surrogate; encoding is twenty times as fast as searching."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _replace_or_pass(error: UnicodeError) -> tuple[str, int]:
    """Decoding errors: an encoded surrogate is decoded, everything else that is not UTF-8 becomes U+FFFD."""
    assert isinstance(error, UnicodeDecodeError)
    three = error.object[error.start : error.start + 3]
    if len(three) == 3 and three[0] == 0xED and 0xA0 <= three[1] <= 0xBF and 0x80 <= three[2] <= 0xBF:
        return three.decode("utf-8", "surrogatepass"), error.start + 3
    return "\ufffd", error.end


codecs.register_error("lmzoo", _replace_or_pass)


def printable(spelling: bytes) -> str:
    """Printable text for these bytes: printable characters as they are, the rest as <0xNN>."""

    def show(char: str) -> str:
        return char if char.isprintable() else "".join(f"<0x{byte:02X}>" for byte in to_bytes(char))

    try:
        return "".join(map(show, spelling.decode("utf-8")))
    except UnicodeDecodeError:
        return "".join(chr(byte) if 32 <= byte < 127 else f"<0x{byte:02X}>" for byte in spelling)


class Tokenizer(ABC):
    """Text ↔ ids 0 … V-1 without loss: `decode(encode(text)) == text`. `tokenizers.train` makes one.

    Attributes: `spec`, its specification ("word:50000"); `vocab_size`, V; `end`, the id V-1; `lines`, whether the
    newline is `end` (else `end` is decoded as "" and no encoded text contains it).
    """

    closed: ClassVar[bool] = False  # tokens are whole words; one that has no token is `<unk>` or an error
    lossy: ClassVar[bool] = False  # only what `normalize` writes is encoded, and it has less than the text

    def __init__(self, spec: str, vocab_size: int, lines: bool):
        self.spec = spec
        self.vocab_size = vocab_size
        self.end = vocab_size - 1
        self.lines = lines

    def __repr__(self) -> str:
        return f"<{self.spec} tokenizer, V={self.vocab_size}{', lines' if self.lines else ''}>"

    def encode(self, text: str) -> Tokens:
        """The ids of `text`, (T,) int32. Only `split` can fail: TokenizerError, naming line and column."""
        return np.concatenate([np.empty(0, np.int32), *self._encode(text)])

    def encode_many(self, texts: Sequence[str]) -> list[Tokens]:
        """`encode` of each of `texts`, which are separate. Raises as `encode` does, of the first that has an error."""
        return [self.encode(text) for text in texts]

    @abstractmethod
    def _encode(self, text: str) -> Iterator[Tokens]:
        """The ids of `text`, a chunk at a time."""

    @abstractmethod
    def decode(self, ids: ArrayLike) -> str:
        """The text of any `ids` (T,) below V. Bytes that are not UTF-8 become U+FFFD; else UsageError."""

    @abstractmethod
    def pieces(self, ids: ArrayLike) -> list[str]:
        """The text that each of `ids` (T,) adds: T strings that join to `decode(ids)`.

        A character spelled in several byte tokens stands at the last of them; the others add "".
        """

    @property
    @abstractmethod
    def vocabulary(self) -> Vocabulary:
        """The V tokens as models know them, each by its bytes."""

    def spellings_after(self, previous: int) -> Sequence[bytes]:  # noqa: ARG002
        """What each of the V tokens adds to a text after the token `previous`, in UTF-8."""
        return self.vocabulary.spellings

    @abstractmethod
    def token(self, token_id: int) -> str:
        """A printable name for one token: "a", " the", "<0x0A>", "<end>". UsageError if there is none."""

    @abstractmethod
    def word(self, token_id: int) -> str:
        """The whole word that a token is, without the space before it.

        "" for what is none: a byte, white space, `end`, `<unk>`, and what may be a part of a word.
        """

    # Written once for tokenizers that can spell every text; a closed vocabulary replaces them.

    @property
    def unknown(self) -> int | None:
        """The id of the token that every word outside the vocabulary is read as; None where there is none."""
        return None

    def normalize(self, text: str, context: str = "") -> str:  # noqa: ARG002
        """What `text`, as people write it, becomes before it is encoded: `text` itself where nothing is lost.

        `context` is the text before it, not normalized: `normalize(context) + normalize(text, context)` is the whole.
        """
        return text

    def unknown_share(self, texts: Iterable[str]) -> float:  # noqa: ARG002
        """The share of the words of `texts`, once normalized, that are not in a closed vocabulary: 0 to 1."""
        return 0.0

    def unknown_words(self, text: str) -> tuple[list[str], int]:  # noqa: ARG002
        """The words of `text` that are no token, each as often as it stands there, and how many words there are in all.

        They are spelled in bytes or read as `<unk>`. None, of 0, where words are cut into pieces (byte, char, bpe).
        """
        return [], 0

    def respaced(self, text: str) -> int:  # noqa: ARG002
        """The lines of `text` whose white space is read as another: none, where nothing is lost."""
        return 0

    def word_ends(self, words: Sequence[str], ids: Ids) -> NDArray[np.int64]:
        """The position in `ids` (T,), the normalized and encoded `" ".join(words)`, of each word's last token, (W,)."""
        lengths = [len(word) for word in words]
        ends = np.cumsum(lengths) + np.arange(len(words))  # characters before each word's end
        return np.searchsorted(np.cumsum([len(piece) for piece in self.pieces(ids)]), ends)

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """What `tokenizers.from_json` needs, as JSON values. No string has a lone surrogate."""

    def _header(self) -> dict[str, Any]:
        return {"format": FORMAT, "spec": self.spec, "lines": self.lines}


class ByteTokenizer(Tokenizer):
    """A tokenizer whose tokens are strings of bytes, the 256 single bytes among them.

    Joined in order they are the text in UTF-8, so decoding is the same for all of them.
    """

    def __init__(self, spec: str, spellings: Sequence[bytes], lines: bool):
        """`spellings`: the bytes of each token but `end`, V-1 of them."""
        super().__init__(spec, len(spellings) + 1, lines)
        self._spellings = [*spellings, b"\n" if lines else b""]

    def decode(self, ids: ArrayLike) -> str:
        """The text of ids (T,): the inverse of `encode`."""
        checked = check_ids(ids, self.vocab_size)
        decoder = codecs.getincrementaldecoder("utf-8")("lmzoo")
        blocks = (checked[start : start + CHUNK].tolist() for start in range(0, len(checked), CHUNK))
        texts = [decoder.decode(b"".join(map(self._spellings.__getitem__, block))) for block in blocks]
        return "".join([*texts, decoder.decode(b"", final=True)])

    def pieces(self, ids: ArrayLike) -> list[str]:
        """The text of each id (T,), such that they join to the decoded text."""
        checked = check_ids(ids, self.vocab_size).tolist()
        whole = [self._texts[i] for i in checked]
        if None not in whole:
            return whole
        decoder = codecs.getincrementaldecoder("utf-8")("lmzoo")
        texts = [decoder.decode(self._spellings[i]) for i in checked]
        if texts:
            texts[-1] += decoder.decode(b"", final=True)
        return texts

    @property
    def vocabulary(self) -> Vocabulary:
        """The V tokens, each by its bytes."""
        return Vocabulary(self._spellings)

    @cached_property
    def _texts(self) -> list[str | None]:
        """The text of each token alone (V,), None where that is a part of a character or not UTF-8."""
        return [_decoded(spelling) for spelling in self._spellings]

    def word(self, token_id: int) -> str:
        """The text of a learned token that is one stretch of characters after a space.

        Without the space it may be a part of a word: " the" is a word, and "the" perhaps the middle of "other".
        """
        (checked,) = check_ids([token_id], self.vocab_size).tolist()
        text = "" if checked < BYTES or checked == self.end else self._texts[checked] or ""
        word = text.removeprefix(" ")
        return word if self._is_whole(text) and is_word(word) else ""

    def _is_whole(self, text: str) -> bool:
        """Whether a learned token with this text is never a part of a longer word."""
        return text.startswith(" ")

    def token(self, token_id: int) -> str:
        """See `Tokenizer.token`."""
        (checked,) = check_ids([token_id], self.vocab_size).tolist()
        return "<end>" if checked == self.end else printable(self._spellings[checked]) or f"<unused {checked}>"

    def to_json(self) -> dict[str, Any]:
        """See `Tokenizer.to_json`."""
        return self._header()

    def _ended(self, ids: Tokens) -> Tokens:
        """`ids` with `end` in place of newline tokens, if the tokenizer has lines. Changes the array."""
        if self.lines:
            ids[ids == NEWLINE] = self.end
        return ids


def is_word(text: str) -> bool:
    """Whether `text` is one stretch without white space, and neither `<unk>` nor damaged (U+FFFD)."""
    return text.split() == [text] and text != UNKNOWN and "\ufffd" not in text


def _decoded(spelling: bytes) -> str | None:
    try:
        return spelling.decode()
    except UnicodeDecodeError:
        return None


def spell_holes(ids: Tokens, pieces: Sequence[str], which: Tokens | None = None) -> Tokens:
    """`ids` (N,) of `pieces`, or of pieces[which], with byte tokens for those that have none (a HOLE), (T,)."""
    holes = np.flatnonzero(ids == HOLE)
    spellings = [to_bytes(pieces[i]) for i in (holes if which is None else which[holes]).tolist()]
    lengths = np.ones(len(ids), np.int64)
    lengths[holes] = [len(spelling) for spelling in spellings]
    spelled = np.repeat(ids, lengths)
    spelled[spelled == HOLE] = np.frombuffer(b"".join(spellings), np.uint8)
    return spelled
