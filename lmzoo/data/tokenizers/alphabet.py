"""The characters that an imported model knows, and no others."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from lmzoo.data.tokenizers.base import HOLE, SURROGATES, ByteTokenizer, Tokens, line_and_column, spans, to_bytes
from lmzoo.errors import FormatError, TokenizerError


class Alphabet(ByteTokenizer):
    """A character a token, the newline being `end`: nanoGPT's, which starts a text with one.

    No other character has a token: `encode` raises TokenizerError, naming line and column.
    """

    SPEC = "alphabet"

    def __init__(self, chars: Sequence[str]):
        """`chars`: those with ids 0, 1, …, all but the newline."""
        if len(set(chars)) < len(chars) or any(len(c) != 1 or c == "\n" or SURROGATES.match(c) for c in chars):
            raise FormatError("an alphabet must be distinct single characters, and not the newline, which is its end")
        super().__init__(self.SPEC, list(map(to_bytes, chars)), lines=True)
        self._chars = list(chars)
        self._ids = np.full(0x110000, HOLE, np.int32)  # by code point
        self._ids[[ord(char) for char in [*chars, "\n"]]] = np.arange(len(chars) + 1)

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "Alphabet":
        """The inverse of `to_json`. Raises FormatError for anything else."""
        chars = saved.get("chars")
        if not isinstance(chars, list) or not all(isinstance(char, str) for char in chars) or not saved["lines"]:
            raise FormatError("an alphabet has lines, and chars, which are a list of single characters")
        return cls(chars)

    def to_json(self) -> dict[str, Any]:
        """See `Tokenizer.to_json`."""
        return {**self._header(), "chars": self._chars}

    def _is_whole(self, text: str) -> bool:  # noqa: ARG002
        return False

    def _encode(self, text: str) -> Iterator[Tokens]:
        for start, end in spans(text):
            ids = self._ids[np.frombuffer(text[start:end].encode("utf-32-le", "surrogatepass"), np.uint32)]
            if HOLE in ids:
                place = start + int(np.argmax(ids == HOLE))
                line, column = line_and_column(text, place)
                raise TokenizerError(
                    f"line {line}, column {column}: the character {text[place]!r} is none of the {self.vocab_size} "
                    "that this model was trained on, and no other token spells it"
                )
            yield ids
