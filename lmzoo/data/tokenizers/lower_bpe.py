"""GPT-1's tokenizer (Radford et al. 2018): byte-pair encoding of words in lower case, each of which `</w>` ends.

    "Don't stop, café!"  --normalize-->  "don ' t stop , cafe ! "  --encode-->  don</w> '</w> t</w> stop</w> ,</w> …

A text loses its capitals, accents, control characters and white space; punctuation is split off. What is left, words
with a space behind each, is the only form that is encoded, and it comes back exactly: bits are those of that form, and
never of the original text. Hugging Face `tokenizers` does the rewriting (BERT's) and the merging, so the ids are those
of `transformers`' OpenAIGPTTokenizer; but a character that has no token, which is `<unk>` there, is refused here.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmzoo.data.tokenizers.base import SURROGATES, ByteTokenizer, Tokens, line_and_column, spans, to_bytes
from lmzoo.errors import FormatError, TokenizerError
from lmzoo.interface import Ids

WORD_END = "</w>"
LOSSY = "its tokenizer loses capitals, accents and white space, and figures are of what is left, not of the text itself"
UNKNOWN = "<unk>"  # among the tokens: in no text


class LowerBpe(ByteTokenizer):
    """Imported with a model; nothing is learned. `end` is the token that `tokens` has last, and stands in no text."""

    SPEC = "gpt1"
    lossy = True

    def __init__(self, tokens: Sequence[str], merges: Sequence[str]):
        """`tokens`: those with ids 0 … V-1; `merges`, the oldest first. Raises FormatError where one makes no token."""
        self.tokens, self.merges = list(tokens), list(merges)
        self.ids_of_tokens = {token: n for n, token in enumerate(self.tokens)}
        odd = not all(self.tokens) or any(map(SURROGATES.search, self.tokens))
        if odd or not self.tokens or len(self.ids_of_tokens) < len(self.tokens):
            raise FormatError("the tokens of a gpt1 tokenizer must be distinct texts, none empty, and one at least")
        for n, merge in enumerate(self.merges):
            left, _, right = merge.partition(" ")
            if not {left, right, left + right} <= self.ids_of_tokens.keys():
                raise FormatError(f"merge {n}, {merge!r}, joins or makes what is no token: is the file damaged?")
        super().__init__(self.SPEC, [_spelled(token) for token in self.tokens[:-1]], lines=False)
        from tokenizers import normalizers, pre_tokenizers

        self._merger = merger(self.ids_of_tokens, self.merges)
        self._merger.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        self._rewrite = normalizers.BertNormalizer(lowercase=True).normalize_str
        self._cut = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
        # What has no token is merged into this one, so that it can be found; not the end, which a text never has.
        self._none = self.ids_of_tokens.get(UNKNOWN, self.end)

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> "LowerBpe":
        """The inverse of `to_json`. Raises FormatError for anything else."""
        lists = [saved.get(name) for name in ("tokens", "merges")]
        if saved["lines"] or not all(isinstance(one, list) and all(isinstance(s, str) for s in one) for one in lists):
            raise FormatError("a gpt1 tokenizer has no lines, and lists of strings: tokens and merges")
        return cls(*lists)  # type: ignore[arg-type]

    def to_json(self) -> dict[str, Any]:
        """See `Tokenizer.to_json`."""
        return {**self._header(), "tokens": self.tokens, "merges": self.merges}

    def normalize(self, text: str, context: str = "") -> str:  # noqa: ARG002
        """The words in lower case, without accents, a space behind each; marks of punctuation are words."""
        plain = SURROGATES.sub("", text)
        pieces = (self._cut(self._rewrite(plain[start:end])) for start, end in spans(plain))
        return "".join(f"{word} " for some in pieces for word, _ in some)

    def word_ends(self, words: Sequence[str], ids: Ids) -> NDArray[np.int64]:
        """See `Tokenizer.word_ends`: each word is as long as what is left of it."""
        ends = np.cumsum([len(self.normalize(word)) for word in words])
        return np.searchsorted(np.cumsum([len(piece) for piece in self.pieces(ids)]), ends)

    def _is_whole(self, text: str) -> bool:  # noqa: ARG002
        return False  # "the</w>" also ends "breathe"

    def _encode(self, text: str) -> Iterator[Tokens]:
        normal = self.normalize(text)
        if normal != text:
            same = next((n for n, (a, b) in enumerate(zip(text, normal, strict=False)) if a != b), None)
            place = min(len(text), len(normal)) if same is None else same
            line, column = line_and_column(text, place)
            raise TokenizerError(
                f"line {line}, column {column}: {text[place : place + 20]!r} is not as this tokenizer reads it, words "
                f"in lower case with a space behind each, as {normal[:40]!r}: give it normalize(text)"
            )
        for start, end in spans(text):
            part = text[start:end]
            found = self._merger.encode(part, add_special_tokens=False)
            ids = np.array(found.ids, np.int32)
            if self._none in ids:
                self._refuse(text, start + found.offsets[int(np.argmax(ids == self._none))][0])
            yield ids

    def _refuse(self, text: str, place: int) -> None:
        line, column = line_and_column(text, place)
        raise TokenizerError(
            f"line {line}, column {column}: the character {text[place]!r}, or it at the end of a word, has no token in "
            f"the {self.vocab_size:,} of this model: leave it out"
        )


def merger(vocabulary: Mapping[str, int], merges: Sequence[str]) -> Any:
    """The merges in Hugging Face `tokenizers`."""
    from tokenizers import Tokenizer, models

    pairs = [(left, right) for left, _, right in (merge.partition(" ") for merge in merges)]
    unknown = UNKNOWN if UNKNOWN in vocabulary else max(vocabulary, key=vocabulary.__getitem__)
    return Tokenizer(models.BPE(dict(vocabulary), pairs, unk_token=unknown, end_of_word_suffix=WORD_END))


def _spelled(token: str) -> bytes:
    """What a token adds to a text: nothing, of one that no text has."""
    if token == UNKNOWN or token.startswith("<unused "):
        return b""
    text = token.removesuffix(WORD_END)
    if text.split() != [text]:  # GPT-1's "\n</w>": white space is not read
        return b""
    return to_bytes(text + " " * token.endswith(WORD_END))
