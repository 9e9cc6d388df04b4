"""Corpora published already tokenised, word by word and line by line: the Penn Treebank, WikiText, Brown.

Each corpus has one of two layouts, learned from the training text:

    leading   a space before every word and before the newline: " no it was n't \n"  (blank line: " \n")
    plain     a space between words:                             "no it was n't\n"   (blank line: "\n")

White space that does not fit (tabs, several spaces, spaces at the edges of a line, the line ends of Windows, the other
layout) is read as if it did: words and lines are the same, and `decode` writes them in the corpus's layout.

The vocabulary is closed. Where the corpus itself has the word `<unk>`, unknown words become it. `split:min=4` adds it:
words that occur less than 4 times in the training text become `<unk>` (as Bengio et al. 2003 merged the rare words of
Brown), which is then learned like any other word.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lmzoo.data.split import lines_of
from lmzoo.data.tokenizers.base import HOLE, Tokenizer, Tokens, is_word, line_and_column, spans, to_bytes
from lmzoo.data.tokenizers.normalizer import UNKNOWN, Normalizer
from lmzoo.data.tokenizers.words import FIRST, LINE_END, encode_many, is_long, number, reader_of, utf8
from lmzoo.errors import FormatError, TokenizerError, nearest
from lmzoo.interface import Ids, Vocabulary, check_ids

if TYPE_CHECKING:
    from lmzoo.data.tokenizers.compiled import Reader

END = "</s>"

# Unicode's other white space (U+00A0, U+3000, U+0085 …) may stand in a word, as in KenLM; a lone surrogate is not text.
_WORD = r"[^ \t-\r\ud800-\udfff]+"
_IS_WORD = re.compile(_WORD).fullmatch
_WORD_OR_END = re.compile(rf"\n|{_WORD}")
_SPACES = ("\t", "\v", "\f", "\r", "  ")  # white space that is in no layout
LAYOUTS = ("leading", "plain")


class Split(Tokenizer):
    r"""Words in order of first appearance, then `</s>`, the newline; V = words + 1. Always with lines.

    An unknown word, or a lone surrogate, is a TokenizerError. If `<unk>` is in the vocabulary an unknown word becomes
    `<unk>` instead. `decode(encode(text))` is `text` with those words replaced and its white space in the corpus's
    layout, and encoding that again gives the same ids. A text of known words in the layout comes back exactly.
    """

    closed = True

    def __init__(self, words: list[str], layout: str, spec: str = "split"):
        """`words`: the vocabulary, distinct; `layout`: "leading" or "plain"."""
        super().__init__(spec, len(words) + 1, lines=True)
        self._words, self._layout = words, layout
        self._spaced = [*(f" {word}" for word in words), " \n" if layout == "leading" else "\n"]

    @cached_property
    def _ids(self) -> dict[str, int]:
        """word → id, built when a text is first encoded: vocabularies can be large."""
        return {word: i for i, word in enumerate([*self._words, "\n"])}

    @cached_property
    def normalizer(self) -> Normalizer:
        """Rewrites ordinary text in this vocabulary and layout."""
        return Normalizer(self._words, self._layout == "leading")

    @cached_property
    def unknown(self) -> int | None:
        """The id of `<unk>`, where the corpus has that word."""
        return self._words.index(UNKNOWN) if UNKNOWN in self._words else None

    def normalize(self, text: str, context: str = "") -> str:
        """Ordinary text in the corpus's layout, case and way of splitting words; see `normalizer.py`."""
        return self.normalizer.write(text, context)

    def unknown_share(self, texts: Iterable[str]) -> float:
        """The share of the words of `texts`, once normalized, that are not in the vocabulary."""
        return self.normalizer.unknown_share(texts)

    def unknown_words(self, text: str) -> tuple[list[str], int]:
        """See `Tokenizer.unknown_words`."""
        words = text.split()
        return [word for word in words if word not in self._ids], len(words)

    def word(self, token_id: int) -> str:
        """Every token is a word but `end`, and `<unk>`, which stands for many."""
        (checked,) = check_ids([token_id], self.vocab_size).tolist()
        return self._words[checked] if checked != self.end and is_word(self._words[checked]) else ""

    def word_ends(self, words: Sequence[str], ids: Ids) -> NDArray[np.int64]:  # noqa: ARG002
        """Token positions (W,), counted in normalized words: where `<unk>` stands for one, lengths do not match."""
        # Beside a known word, for alone a mark that the corpus never has would not be dropped.
        known = self._words[0]
        counts = [len(self.normalize(f"{known} {word}").split()) - 1 for word in words]
        return np.maximum(np.cumsum(counts) - 1, 0)

    @classmethod
    def train(cls, text: str, least: int = 1) -> tuple["Split", Tokens]:
        """Learn layout and words of `text`, and its ids, (T,); words that occur less than `least` times become `<unk>`,
        the last word if the text does not have it. Raises TokenizerError for a lone surrogate.
        """
        first_end = text.find("\n")
        layout = "leading" if text.startswith(" ") and (first_end < 0 or text[first_end - 1] == " ") else "plain"
        words, chunks = number(text, _word_spans(text), _WORD_OR_END, pieces=False)
        numbers = np.concatenate([np.empty(0, np.int32), *chunks])
        if least == 1:
            made = cls(words, layout)
            return made, np.where(numbers == LINE_END, np.int32(made.end), numbers - np.int32(FIRST))
        if UNKNOWN not in words:
            words = [*words, UNKNOWN]
        known = np.bincount(numbers, minlength=FIRST + len(words))[FIRST:] >= least
        unknown = words.index(UNKNOWN)
        known[unknown] = True
        made = cls([words[n] for n in np.flatnonzero(known)], layout, f"split:min={least}")
        ids = (np.cumsum(known) - 1).astype(np.int32)
        ids[~known] = ids[unknown]
        return made, np.append(np.int32(made.end), ids)[numbers]

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "Split":
        """The inverse of `to_json`. Raises FormatError for anything else."""
        words, layout = saved.get("words"), saved.get("layout")
        if layout not in LAYOUTS or not saved["lines"]:
            raise FormatError(f"a split tokenizer has lines and a layout, leading or plain, not {layout!r}")
        if not isinstance(words, list) or not all(map(_is_word, words)):
            raise FormatError("the words of a split tokenizer must be a list of strings without white space")
        if len(set(words)) < len(words):
            raise FormatError("the words of a split tokenizer must be distinct: this one has some twice")
        if saved["spec"] != "split" and UNKNOWN not in words:
            raise FormatError(f"the words of a {saved['spec']} tokenizer must have {UNKNOWN} among them")
        return cls(words, layout, saved["spec"])

    def to_json(self) -> dict[str, Any]:
        """See `Tokenizer.to_json`."""
        return {**self._header(), "layout": self._layout, "words": self._words}

    def decode(self, ids: ArrayLike) -> str:
        """The text of ids (T,): the inverse of `encode`."""
        return "".join(self.pieces(ids))

    def pieces(self, ids: ArrayLike) -> list[str]:
        """The text of each id (T,), such that they join to the decoded text."""
        checked = check_ids(ids, self.vocab_size)
        texts = [self._spaced[i] for i in checked.tolist()]
        if self._layout == "plain":
            starts = np.flatnonzero(np.concatenate([[True], checked == self.end])[: len(checked)])
            for t in starts.tolist():  # the first word of a line has no space
                texts[t] = texts[t].removeprefix(" ")
        return texts

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The V words in UTF-8, `end` as a line end."""
        return Vocabulary([*map(to_bytes, self._words), b"\n"])

    def spellings_after(self, previous: int) -> Sequence[bytes]:
        """What each token adds after `previous`: the first word of a line has no space in the layout "plain"."""
        first = self._layout == "plain" and previous == self.end
        return self.vocabulary.spellings if first else self._spaced_spellings

    @cached_property
    def _spaced_spellings(self) -> list[bytes]:
        return [to_bytes(text) for text in self._spaced]

    def token(self, token_id: int) -> str:
        """See `Tokenizer.token`."""
        (checked,) = check_ids([token_id], self.vocab_size).tolist()
        return END if checked == self.end else self._words[checked]

    @cached_property
    def _reader(self) -> "Reader | None":
        return reader_of(self._words, pieces=False)

    def encode_many(self, texts: Sequence[str]) -> list[Tokens]:
        """See `Tokenizer.encode_many`."""
        return encode_many(self, texts, self.end)

    def _encode(self, text: str) -> Iterator[Tokens]:
        reader = self._reader if is_long(text) else None
        unknown = HOLE if self.unknown is None else self.unknown
        for start, end in _word_spans(text):
            data = utf8(text, start, end, surrogates=False)
            if reader:
                ids = reader.read(data, 0, self.end, unknown)
            else:
                words = _WORD_OR_END.findall(text, start, end)
                ids = np.fromiter(map(self._ids.get, words, repeat(unknown)), np.int32, len(words))
            if HOLE in ids:
                raise self._unknown_word(text, start, end)
            yield ids

    def _unknown_word(self, text: str, start: int, end: int) -> TokenizerError:
        """The error that names the first word of text[start:end] that is not in the vocabulary."""
        match = next(match for match in _WORD_OR_END.finditer(text, start, end) if match[0] not in self._ids)
        line, column = line_and_column(text, match.start())
        return TokenizerError(
            f"line {line}, column {column}: the word {match[0]!r} is not in the closed vocabulary of "
            f"{len(self._words)} words{nearest(match[0], self._words)} (split:min=2 would read it as {UNKNOWN}; all "
            "other tokenizers can spell any word)"
        )

    def respaced(self, text: str) -> int:
        """The lines of `text` whose white space is not that of the corpus's layout."""
        return 0 if self._fits(text) else sum(not self._fits(line) for line in lines_of(text))

    def _fits(self, text: str) -> bool:
        if any(space in text for space in _SPACES) or (text.endswith(" ")):
            return False
        ends = text.count("\n")
        if self._layout == "plain":
            return not (text.startswith(" ") or " \n" in text or "\n " in text)
        begun = text.count("\n ") + text.endswith("\n")
        return not text or (text.startswith(" ") and text.count(" \n") == ends == begun)


def _is_word(word: Any) -> bool:
    return isinstance(word, str) and _IS_WORD(word) is not None


def _word_spans(text: str) -> Iterator[tuple[int, int]]:
    return spans(text, longest=len(text))  # never inside a word
