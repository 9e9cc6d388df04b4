"""Text ↔ token ids, without loss: `decode(encode(text)) == text` for every string and every tokenizer.

    byte           the 256 bytes of UTF-8                                         V = 257
    char           the characters of the training text                            V = 257 + those not ASCII
    word:K         its K most frequent words, each with the space before          V = 257 + K, or less
    bpe:K          byte-pair encoding learned from it                             V = K, or less
    gpt2           GPT-2's byte-pair encoding, from its published files           V = 50257
    split          the words of a corpus that was published already tokenised     V = 1 + words
    split:min=N    those that occur N times or more; all others become <unk>      V = 2 + words

The first five have no `<unk>`: what a vocabulary lacks is spelled in the 256 byte tokens that each of them has. So
every model gives every text a probability, and bits per character are comparable. Only `split` is closed, as published
results on such corpora assume.

A text has many tokenisations (" the" or " ", "t", "h", "e"), and its probability is the sum over all of them. We score
only the canonical one, that of `encode`: an upper bound on the bits of the text.

Two more come with an imported model: `alphabet`, the characters of a nanoGPT, and `gpt1`, which is lossy.

Ids 0 … 255 are the bytes (for gpt2 in another order), then come the learned tokens; `end` is always the last. With
`lines=True` the newline is `end`, and no other token contains it.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from lmzoo.data.tokenizers.alphabet import Alphabet
from lmzoo.data.tokenizers.base import (
    BYTES,
    FORMAT,
    HOLE,
    NEWLINE,
    SURROGATES,
    ByteTokenizer,
    Tokenizer,
    Tokens,
    has_surrogates,
    spans,
    spell_holes,
    to_bytes,
)
from lmzoo.data.tokenizers.bpe import LARGEST, Bpe, find_gpt2, load_gpt2
from lmzoo.data.tokenizers.lower_bpe import LowerBpe
from lmzoo.data.tokenizers.pretokenized import Split
from lmzoo.data.tokenizers.sentencepiece import SentencePiece
from lmzoo.data.tokenizers.wordpiece import WordPiece
from lmzoo.data.tokenizers.words import encode_many, is_long, number, reader_of, utf8
from lmzoo.errors import FormatError, TokenizerError, nearest

if TYPE_CHECKING:
    from lmzoo.data.tokenizers.compiled import Reader

__all__ = [
    "KINDS",
    "Alphabet",
    "Bpe",
    "Byte",
    "Char",
    "LowerBpe",
    "SentencePiece",
    "Split",
    "Tokenizer",
    "Word",
    "WordPiece",
    "from_json",
    "load_gpt2",
    "train",
    "train_and_encode",
]

KINDS = ("byte", "char", "word:K", "bpe:K", "split", "split:min=N", "gpt2")

# Of a text whose tokenizer nobody names: words, where it has a space in so many characters; those seen so often, in so
# many of its first characters, and at most so many words. Rarer words are spelled in bytes, so that there is text to
# learn such spellings from.
CHARACTERS_A_SPACE, SEEN, LOOKED_AT, MOST_WORDS = 12, 3, 1 << 21, 10_000

_BYTE_SPELLINGS = [bytes([byte]) for byte in range(BYTES)]


class Byte(ByteTokenizer):
    """Every byte of UTF-8 is a token: V = 257, whatever the text."""

    def __init__(self, lines: bool = False):
        super().__init__("byte", _BYTE_SPELLINGS, lines)

    def _encode(self, text: str) -> Iterator[Tokens]:
        for start, end in spans(text):
            yield self._ended(np.frombuffer(to_bytes(text[start:end]), np.uint8).astype(np.int32))


class Char(ByteTokenizer):
    """Every character of the training text is a token; an ASCII character is its byte token."""

    def __init__(self, chars: Sequence[str], lines: bool = False):
        """`chars`: the non-ASCII characters that get ids 256, 257, …, in this order."""
        super().__init__("char", [*_BYTE_SPELLINGS, *map(to_bytes, chars)], lines)
        self._chars = list(chars)
        self._ids = np.full(0x110000, HOLE, np.int32)  # by code point
        self._ids[:128] = np.arange(128)
        self._ids[[ord(char) for char in chars]] = BYTES + np.arange(len(chars))

    @classmethod
    def train(cls, text: str, lines: bool) -> "Char":
        """The non-ASCII characters of `text` in Unicode order, without lone surrogates."""
        chars: set[str] = set()
        for start, end in spans(text):
            chars.update(text[start:end])
        return cls(sorted(char for char in chars if _can_be_learned(char)), lines)

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "Char":
        """The inverse of `to_json`. Raises FormatError for anything else."""
        chars = _learned(saved, "chars")
        if not all(len(char) == 1 for char in chars):
            raise FormatError("the chars of a char tokenizer must be single characters")
        return cls(chars, saved["lines"])

    def to_json(self) -> dict[str, Any]:
        """What `from_json` needs: the header and `chars`."""
        return {**self._header(), "chars": self._chars}

    def _is_whole(self, text: str) -> bool:  # noqa: ARG002
        return False  # no character is known to be a word of its own

    def _encode(self, text: str) -> Iterator[Tokens]:
        for start, end in spans(text):
            chars = text[start:end]
            codes = np.frombuffer(chars.encode("utf-32-le", "surrogatepass"), np.uint32)
            yield self._ended(spell_holes(self._ids[codes], chars))


class Word(ByteTokenizer):
    """The most frequent words are tokens, and the space before a word belongs to it: " the", "don't", " ,".

    A word is a run of letters, digits and underscores, possibly with apostrophes inside; other characters and white
    space are pieces of their own. Less frequent words are spelled in bytes.
    """

    PIECE = re.compile(r" ?\w+(?:['\u2019]\w+)*| ?[^\w\s]|\s")

    def __init__(self, spec: str, words: Sequence[str], lines: bool = False):
        """`words`: pieces of two bytes and more, which get ids 256, 257, …, in this order."""
        super().__init__(spec, [*_BYTE_SPELLINGS, *map(to_bytes, words)], lines)
        self._words = list(words)
        self._newline = self.end if lines else NEWLINE

    @cached_property
    def _ids(self) -> dict[str, int]:
        """piece → id, built when a short text is first encoded."""
        words = {word: BYTES + n for n, word in enumerate(self._words)}
        return {**{chr(byte): byte for byte in range(128)}, **words, "\n": self._newline}

    @classmethod
    def train(cls, size: int, text: str, lines: bool) -> tuple["Word", Tokens]:
        """The `size` most frequent pieces of `text` of more than one byte, ties by first occurrence; the ids of `text`.

        Its pieces are found once for both, and looked up once for each distinct one.
        """
        pieces, chunks = number(text, spans(text), cls.PIECE, pieces=True)
        numbers = BYTES + len(pieces)
        counts = sum((np.bincount(chunk, minlength=numbers) for chunk in chunks), np.zeros(numbers, np.int64))[BYTES:]
        frequent = np.argsort(-counts, kind="stable").tolist()
        if has_surrogates("".join(pieces)):
            frequent = [n for n in frequent if _can_be_learned(pieces[n])]
        frequent = frequent[:size]
        tokenizer = cls(f"word:{size}", [pieces[n] for n in frequent], lines)
        ids = np.full(numbers, HOLE, np.int32)
        ids[:BYTES] = tokenizer._ended(np.arange(BYTES, dtype=np.int32))
        ids[BYTES + np.array(frequent, np.int64)] = BYTES + np.arange(len(frequent))
        spelled = [spell_holes(ids[chunk], pieces, chunk - BYTES) for chunk in chunks]
        return tokenizer, np.concatenate([np.empty(0, np.int32), *spelled])

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "Word":
        """The inverse of `to_json`. Raises FormatError for anything else."""
        return cls(saved["spec"], _learned(saved, "words"), saved["lines"])

    def to_json(self) -> dict[str, Any]:
        """What `from_json` needs: the header and `words`."""
        return {**self._header(), "words": self._words}

    def unknown_words(self, text: str) -> tuple[list[str], int]:
        """See `Tokenizer.unknown_words`; a word with the space before it is another token than one without."""
        words = [piece for piece in self.PIECE.findall(text) if re.search(r"\w", piece)]
        return [word.strip() for word in words if word not in self._ids], len(words)

    def _is_whole(self, text: str) -> bool:  # noqa: ARG002
        return True

    @cached_property
    def _reader(self) -> "Reader | None":
        return reader_of(self._words, pieces=True)

    def encode_many(self, texts: Sequence[str]) -> list[Tokens]:
        """See `Tokenizer.encode_many`."""
        return encode_many(self, texts, self._newline)

    def _encode(self, text: str) -> Iterator[Tokens]:
        reader = self._reader if is_long(text) else None
        for start, end in spans(text):
            if reader:
                yield reader.read(utf8(text, start, end, surrogates=True), BYTES, self._newline)
                continue
            pieces = self.PIECE.findall(text, start, end)
            ids = np.fromiter(map(self._ids.get, pieces, repeat(HOLE)), np.int32, len(pieces))
            yield spell_holes(ids, pieces)


def train(spec: str, text: str, lines: bool = False) -> Tokenizer:
    """The tokenizer that `spec` names (see the top of this file), trained on `text`.

    `lines`: the newline is the `end` token (always so for `split`). For `gpt2` nothing is learned: its files
    are read from the folder gpt2-bpe/ of LMZOO_MIRROR. Raises TokenizerError for an unknown spec, and for
    a `text` that `split` cannot read.
    """
    kind, size = _parse(spec)
    if kind == "word":
        return Word.train(size, text, lines)[0]
    if kind == "bpe":
        return Bpe.train(size, text, lines)
    if kind == "char":
        return Char.train(text, lines)
    if kind == "split":
        return Split.train(text, least=size or 1)[0]
    return load_gpt2(find_gpt2(), lines) if kind == "gpt2" else Byte(lines)


def train_and_encode(spec: str, text: str, lines: bool = False) -> tuple[Tokenizer, Tokens]:
    """The tokenizer of `train`, and the ids of `text`, (T,) int32: `word` and `split` read it once for both."""
    kind, size = _parse(spec)
    if kind == "word":
        return Word.train(size, text, lines)
    if kind == "split":
        return Split.train(text, least=size or 1)
    tokenizer = train(spec, text, lines)
    return tokenizer, tokenizer.encode(text)


def choose(text: str) -> str:
    """The spec for a text whose tokenizer nobody names: words where it has spaces between them, else characters."""
    beginning = text[:LOOKED_AT]
    if beginning.count(" ") * CHARACTERS_A_SPACE < len(beginning):
        return "char"
    counts = Counter(Word.PIECE.findall(beginning))
    frequent = sum(count >= SEEN and len(piece) > 1 for piece, count in counts.items())
    return f"word:{min(max(frequent, 1), MOST_WORDS)}"


def from_json(saved: Any) -> Tokenizer:
    """The tokenizer whose `to_json()` this is. Raises FormatError for anything else."""
    if not isinstance(saved, dict) or saved.get("format") != FORMAT:
        raise FormatError(f"this is not a saved tokenizer: it has no 'format': {FORMAT!r}")
    spec, lines = saved.get("spec"), saved.get("lines")
    if not isinstance(spec, str) or not isinstance(lines, bool):
        raise FormatError("a saved tokenizer must have a 'spec', which is text, and 'lines', true or false")
    if spec == Alphabet.SPEC:
        return Alphabet.from_json(saved)
    if spec == LowerBpe.SPEC:
        return LowerBpe.from_json(saved)
    if spec == SentencePiece.SPEC:
        return SentencePiece.from_json(saved)
    if spec == WordPiece.SPEC:
        return WordPiece.from_json(saved)
    try:
        kind, _ = _parse(spec)
    except TokenizerError as error:
        raise FormatError(f"this saved tokenizer is damaged: {error}") from None
    if kind == "byte":
        return Byte(lines)
    readers = {"char": Char, "word": Word, "split": Split, "bpe": Bpe, "gpt2": Bpe}
    return readers[kind].from_json(saved)  # type: ignore[attr-defined]


def _parse(spec: str) -> tuple[str, int]:
    """'word:50000' → ('word', 50000); 'split:min=4' → ('split', 4); 'char' → ('char', 0). Raises TokenizerError."""
    kind, colon, size = spec.partition(":")
    sized = {known.partition(":")[0]: ":" in known for known in KINDS}
    if kind not in sized:
        raise TokenizerError(f"no tokenizer {spec!r}: there are {', '.join(KINDS)}{nearest(kind, sized)}")
    if kind == "split":
        return kind, _least(spec, size) if colon else 0
    if not sized[kind]:
        if colon:
            raise TokenizerError(f"the tokenizer {kind!r} has no size: write {kind!r}, not {spec!r}")
        return kind, 0
    smallest = BYTES + 1 if kind == "bpe" else 1
    if not re.fullmatch("[0-9]{1,9}", size) or not smallest <= int(size) <= LARGEST:
        raise TokenizerError(
            f"{spec!r}: the size of a {kind} vocabulary must be a whole number from {smallest} to {LARGEST}, "
            f"as in {kind}:8192"
        )
    return kind, int(size)


def _least(spec: str, least: str) -> int:
    """'min=4' → 4. Raises TokenizerError."""
    match = re.fullmatch("min=([0-9]{1,9})", least)
    if not match or int(match[1]) < 2:
        raise TokenizerError(
            f"{spec!r}: split takes the least count of a word that is known, from 2, as in split:min=4"
        )
    return int(match[1])


def _can_be_learned(piece: str) -> bool:
    """Whether `piece` has several bytes (single ones are tokens) and no lone surrogate (JSON may lose it)."""
    return len(to_bytes(piece)) > 1 and not SURROGATES.search(piece)


def _learned(saved: dict[str, Any], key: str) -> list[str]:
    """The list of learned pieces under `key`. Raises FormatError where it cannot be one."""
    pieces, name = saved.get(key), f"the {key} of a {saved['spec']} tokenizer"
    if not isinstance(pieces, list) or not all(isinstance(p, str) and _can_be_learned(p) for p in pieces):
        raise FormatError(f"{name} must be a list of strings of two bytes or more")
    if len(set(pieces)) < len(pieces):
        raise FormatError(f"{name} must be distinct: this one has some of them twice")
    return pieces
