"""BERT's tokenizer (Devlin et al. 2018; Wu et al. 2016): words cut into the longest pieces that are known.

    "Unhappy, café!"  --normalize-->  " unhappy , cafe !"  --encode-->  un ##happy , cafe !

A text loses its white space and control characters and, where the vocabulary is of lower case, capitals and accents;
punctuation is split off. What is left, words with a space before each, is the only form that is encoded, and it comes
back exactly. A word that has no pieces, which is [UNK] in `transformers`, is refused here.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lmzoo.data.tokenizers.base import SURROGATES, spans, to_bytes
from lmzoo.data.tokenizers.spaced import SpacedTokenizer
from lmzoo.errors import FormatError

CONTINUED = "##"  # before a piece that goes on with a word
UNKNOWN = "[UNK]"
SPECIAL = re.compile(r"\[(PAD|UNK|CLS|SEP|MASK|unused\d+)\]")  # in no text


class WordPiece(SpacedTokenizer):
    """Imported with a model; nothing is learned. `end` is the token that `tokens` has last, and stands in no text."""

    SPEC = "wordpiece"

    def __init__(self, tokens: Sequence[str], lower_case: bool):
        """`tokens`: those with ids 0 … V-1. Raises FormatError where they are not distinct texts."""
        self.tokens, self.lower_case = list(tokens), lower_case
        self.ids_of_tokens = {token: n for n, token in enumerate(self.tokens)}
        odd = not all(self.tokens) or any(map(SURROGATES.search, self.tokens))
        if odd or not self.tokens or len(self.ids_of_tokens) < len(self.tokens):
            raise FormatError("the tokens of a wordpiece tokenizer must be distinct texts, one at least")
        super().__init__(self.SPEC, [_spelled(token) for token in self.tokens[:-1]], lines=False)
        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

        # What has no pieces becomes a token that no text has, so that it can be found.
        self._none = self.ids_of_tokens.get(UNKNOWN, self.end)
        known = models.WordPiece(dict(self.ids_of_tokens), unk_token=self.tokens[self._none])
        self._cutter = Tokenizer(known)
        self._cutter.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        self._rewrite = normalizers.BertNormalizer(lowercase=lower_case).normalize_str
        self._words = pre_tokenizers.BertPreTokenizer().pre_tokenize_str

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> "WordPiece":
        """The inverse of `to_json`. Raises FormatError for anything else."""
        tokens, lower_case = saved.get("tokens"), saved.get("lower_case")
        right = isinstance(tokens, list) and all(isinstance(token, str) for token in tokens)
        if saved["lines"] or not right or not isinstance(lower_case, bool):
            raise FormatError("a wordpiece tokenizer has no lines, a list of strings, tokens, and lower_case")
        return cls(tokens, lower_case)  # type: ignore[arg-type]

    def to_json(self) -> dict[str, Any]:
        """See `Tokenizer.to_json`."""
        return {**self._header(), "tokens": self.tokens, "lower_case": self.lower_case}

    def normalize(self, text: str, context: str = "") -> str:  # noqa: ARG002
        """The words, a space before each; marks of punctuation are words."""
        plain = SURROGATES.sub("", text)
        pieces = (self._words(self._rewrite(plain[start:end])) for start, end in spans(plain))
        return "".join(f" {word}" for some in pieces for word, _ in some)

    def _unknown(self, text: str) -> str:
        return f"the word {text!r} has no pieces among the {self.vocab_size:,} tokens of this model: leave it out"


def _spelled(token: str) -> bytes:
    """What a token adds to a text: nothing, of one that no text has."""
    if SPECIAL.fullmatch(token) or token.split() != [token]:
        return b""
    return to_bytes(
        token.removeprefix(CONTINUED) if token.startswith(CONTINUED) and token != CONTINUED else f" {token}"
    )
