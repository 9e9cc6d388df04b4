"""Tokenizers that come with a model and lose a part of each text: words, with a space before each, are what is left."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmzoo.data.tokenizers.base import ByteTokenizer, Tokens, line_and_column, spans
from lmzoo.errors import TokenizerError
from lmzoo.interface import Ids


class SpacedTokenizer(ByteTokenizer):
    """Encodes what `normalize` leaves of a text, words with a space before each, and nothing else."""

    lossy = True
    _cutter: Any  # of `tokenizers`: cuts words into tokens
    _none: int  # the token that it gives for what has none, which no text has, so that it can be found

    def word_ends(self, words: Sequence[str], ids: Ids) -> NDArray[np.int64]:
        """See `Tokenizer.word_ends`: each word is as long as what is left of it."""
        ends = np.cumsum([len(self.normalize(word)) for word in words])
        return np.searchsorted(np.cumsum([len(piece) for piece in self.pieces(ids)]), ends)

    def _is_whole(self, text: str) -> bool:  # noqa: ARG002
        return False  # " the" also begins " theory"

    def _unknown(self, text: str) -> str:
        """That a text, or a part of it, has no tokens."""
        raise NotImplementedError

    def _encode(self, text: str) -> Iterator[Tokens]:
        normal = self.normalize(text)
        if normal != text:
            same = next((n for n, (a, b) in enumerate(zip(text, normal, strict=False)) if a != b), None)
            line, column = line_and_column(text, min(len(text), len(normal)) if same is None else same)
            raise TokenizerError(
                f"line {line}, column {column}: this tokenizer reads words with a space before each, as "
                f"{normal[:40]!r}: give it normalize(text)"
            )
        for start, end in spans(text):
            found = self._cutter.encode(text[start:end], add_special_tokens=False)
            ids = np.array(found.ids, np.int32)
            if self._none in ids:
                place, stop = found.offsets[int(np.argmax(ids == self._none))]
                raise TokenizerError(self._unknown(text[start + place : start + stop]))
            yield ids
