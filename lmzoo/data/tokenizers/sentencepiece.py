"""T5's tokenizer (Kudo 2018, the unigram language model of SentencePiece): the likeliest pieces of each word.

    "Thank  you!"  --normalize-->  " Thank you!"  --encode-->  ▁Thank ▁you !

A text loses its line ends and all but one of the spaces between words, and its characters are in Unicode's form NFKC.
What is left, words with a space before each, is the only form that is encoded, and it comes back exactly. A character
that no piece has, which is <unk> in `transformers`, is refused here.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lmzoo.data.tokenizers.base import SURROGATES, to_bytes
from lmzoo.data.tokenizers.spaced import SpacedTokenizer
from lmzoo.errors import FormatError

SPACE = "▁"  # in the place of a space
SPECIAL = re.compile(r"<(pad|unk|s|/s|extra_id_\d+|unused\d+)>")  # in no text
NEVER = -1e9  # log P of a piece that stands in no text


class SentencePiece(SpacedTokenizer):
    """Imported with a model; nothing is learned. `end` is the token that `tokens` has last, and stands in no text."""

    SPEC = "sentencepiece"

    def __init__(self, tokens: Sequence[str], log_probs: Sequence[float]):
        """`tokens`: those with ids 0 … V-1; `log_probs` of each, by the unigram model.

        Raises FormatError where they are not distinct texts with a finite number each.
        """
        self.tokens, self.log_probs = list(tokens), [float(one) for one in log_probs]
        odd = not all(self.tokens) or any(map(SURROGATES.search, self.tokens))
        if odd or not self.tokens or len(set(self.tokens)) < len(self.tokens):
            raise FormatError("the tokens of a sentencepiece tokenizer must be distinct texts, one at least")
        if len(self.log_probs) != len(self.tokens) or not np.isfinite(self.log_probs).all():
            raise FormatError("a sentencepiece tokenizer has a finite log-probability for each token")
        super().__init__(self.SPEC, [_spelled(token) for token in self.tokens[:-1]], lines=False)
        from tokenizers import Tokenizer, models, pre_tokenizers

        # What no piece has becomes the last token, `end`, which no text has.
        self._none = self.end
        rows = [(t, NEVER if SPECIAL.fullmatch(t) else p) for t, p in zip(self.tokens, self.log_probs, strict=True)]
        self._cutter = Tokenizer(models.Unigram(rows, unk_id=self.end, byte_fallback=False))
        self._cutter.pre_tokenizer = pre_tokenizers.Metaspace(SPACE, prepend_scheme="never", split=True)

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> "SentencePiece":
        """The inverse of `to_json`. Raises FormatError for anything else."""
        tokens, log_probs = saved.get("tokens"), saved.get("log_probs")
        right = isinstance(tokens, list) and all(isinstance(token, str) for token in tokens)
        numbers = isinstance(log_probs, list) and all(type(one) in (int, float) for one in log_probs)
        if saved["lines"] or not right or not numbers:
            raise FormatError("a sentencepiece tokenizer has no lines, a list of strings, tokens, and log_probs")
        return cls(tokens, log_probs)  # type: ignore[arg-type]

    def to_json(self) -> dict[str, Any]:
        """See `Tokenizer.to_json`."""
        return {**self._header(), "tokens": self.tokens, "log_probs": self.log_probs}

    def normalize(self, text: str, context: str = "") -> str:  # noqa: ARG002
        """The words, a space before each."""
        plain = unicodedata.normalize("NFKC", SURROGATES.sub("", text)).replace(SPACE, " ")
        return "".join(f" {word}" for word in plain.split())

    def _unknown(self, text: str) -> str:
        return f"{text!r} is in none of the {self.vocab_size:,} tokens of this model: leave it out"


def _spelled(token: str) -> bytes:
    """What a token adds to a text: nothing, of one that no text has."""
    return b"" if SPECIAL.fullmatch(token) else to_bytes(token.replace(SPACE, " "))
