"""Ordinary text in the spelling of a corpus that was published already tokenised.

Test sets are written as people write, "Who should Richard hug?"; the Penn Treebank has " who should richard hug \\n".
Each word is looked up as it stands, then in lower case, then with punctuation, clitics and hyphens split off as the
corpus splits them ("do n't" in PTB; "don 't" and "well @-@ known" in WikiText).
"""

import re
from collections.abc import Iterable

UNKNOWN = "<unk>"

_PARTS = re.compile(r"\w+(?:['\u2019.-]\w+)*|[^\w\s]")
_CLITICS = (re.compile(r"(.+)(n't)", re.IGNORECASE), re.compile(r"(.+)('\w{1,2})"))
_HYPHEN = "@-@"  # WikiText's
_RAW_WORD = re.compile(r"\n|[^\s\ud800-\udfff]+")


class Normalizer:
    """Rewrites texts in a closed vocabulary, and counts the words that are not in it."""

    def __init__(self, words: Iterable[str], leading: bool):
        """`words`: the vocabulary; `leading`: whether the corpus has a space before every word and newline."""
        self.vocabulary = {"\n", *words}
        self.leading = leading
        self._cache: dict[str, tuple[str, ...]] = {}  # a word as written → the words of the corpus

    def write(self, text: str, context: str = "") -> str:
        """`text` as the corpus would spell it after `context`, which ends, or `text` begins, with white space.

        What is written for the context and for the text joins to one text in the corpus's layout.
        """
        before = self._words(context)
        return self._join([*before, *self._words(text)])[len(self._join(before)) :]

    def unknown_share(self, texts: Iterable[str]) -> float:
        """The share of the words of `texts` that are not in the vocabulary; 0 where there are no words."""
        words = [word for text in texts for word in self._words(text)]
        return sum(word not in self.vocabulary for word in words) / len(words) if words else 0.0

    def _words(self, text: str) -> list[str]:
        raw = _RAW_WORD.findall(text)
        words = [part for word in raw for part in self._lookup(word)]
        return words or raw  # a text of nothing but unknown marks keeps them: else there would be nothing to score

    def _join(self, words: list[str]) -> str:
        if UNKNOWN in self.vocabulary:
            words = [word if word in self.vocabulary else UNKNOWN for word in words]
        if self.leading:
            return "".join(f" {word}" for word in words)
        return " ".join(words).replace("\n ", "\n").replace(" \n", "\n")

    def _lookup(self, word: str) -> tuple[str, ...]:
        if word not in self._cache:
            self._cache[word] = tuple(self._split(word))
        return self._cache[word]

    def _split(self, word: str) -> list[str]:
        whole = self._in_some_case(word)
        if whole:
            return [whole]
        parts: list[str] = []
        for part in _PARTS.findall(word):
            if part.isalnum() or "_" in part or len(part) > 1:
                parts += self._split_clitics(part)
            elif part in self.vocabulary:  # a mark that the corpus never has is dropped: PTB dropped all punctuation
                parts.append(part)
        return parts

    def _split_clitics(self, part: str) -> list[str]:
        """A word without surrounding punctuation, split at a clitic or hyphen where the vocabulary has the parts."""
        whole = self._in_some_case(part)
        if whole:
            return [whole]
        for clitic in _CLITICS:
            match = clitic.fullmatch(part.replace("\u2019", "'"))
            pieces = [self._in_some_case(piece) for piece in match.groups()] if match else [""]
            if all(pieces):
                return pieces
        if "-" in part and _HYPHEN in self.vocabulary:
            pieces = [self._in_some_case(piece) or piece for piece in part.split("-")]
            return [pieces[0], *(word for piece in pieces[1:] for word in (_HYPHEN, piece))]
        return [part]

    def _in_some_case(self, word: str) -> str:
        """The word as it is or in lower case, whichever is in the vocabulary; else ""."""
        return word if word in self.vocabulary else word.lower() if word.lower() in self.vocabulary else ""
