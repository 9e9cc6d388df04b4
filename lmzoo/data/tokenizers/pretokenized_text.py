"""Any text in the words of a corpus that was published already tokenised, so that a `split` tokenizer can read it.

Test sets are written as people write, "Who should Richard hug?"; such a corpus has " who should richard hug \\n".
So each word is looked up as it stands, then in lower case, then with its punctuation, clitics and hyphens set apart as
the corpus does it (PTB has "do n't", WikiText "don 't" and "well @-@ known"). A mark that the corpus never has is left
out, as the makers of the Penn Treebank's version left out all. What is unknown still becomes `<unk>`, if there is one.
"""

import re
from collections.abc import Iterable

from lmzoo.data.tokenizers import Tokenizer
from lmzoo.data.tokenizers.pretokenized import UNKNOWN

_PARTS = re.compile(r"\w+(?:['\u2019.-]\w+)*|[^\w\s]")
_CLITICS = (re.compile(r"(.+)(n't)", re.IGNORECASE), re.compile(r"(.+)('\w{1,2})"))
_HYPHEN = "@-@"  # WikiText's
_SPACED = re.compile(r"\n|[^\s\ud800-\udfff]+")


class ClosedVocabulary:
    """How texts are written for a `split` tokenizer, and how much of them it does not know."""

    def __init__(self, tokenizer: Tokenizer):
        saved = tokenizer.to_json()
        self.leading: bool = saved["layout"] == "leading"
        self.known = {"\n", *saved["words"]}
        self.reads_all = UNKNOWN in self.known  # whether it has <unk> for what it does not know
        self._parts: dict[str, tuple[str, ...]] = {}

    def write(self, beginning: str, continuation: str) -> tuple[str, str]:
        """Both as the corpus would have them, so that they join to one text; they must meet at white space."""
        before = self._words(beginning)
        start, whole = self._join(before), self._join([*before, *self._words(continuation)])
        return start, whole[len(start) :]

    def unknown(self, text: str) -> int:
        """How many words of `text` are read as <unk>."""
        return sum(word not in self.known for word in self._words(text))

    def share_unknown(self, texts: Iterable[str]) -> float:
        """The share of the words of `texts` that are read as <unk>; 0 where there are none."""
        words = [word for text in texts for word in self._words(text)]
        return sum(word not in self.known for word in words) / len(words) if words else 0.0

    def _words(self, text: str) -> list[str]:
        raw = _SPACED.findall(text)
        words = [part for word in raw for part in self._as_known(word)]
        return words or raw  # marks alone are not left out: nothing would be left to score

    def _join(self, words: list[str]) -> str:
        if self.reads_all:
            words = [word if word in self.known else UNKNOWN for word in words]
        if self.leading:
            return "".join(f" {word}" for word in words)
        return " ".join(words).replace("\n ", "\n").replace(" \n", "\n")

    def _as_known(self, word: str) -> tuple[str, ...]:
        if word not in self._parts:
            self._parts[word] = tuple(self._split(word))
        return self._parts[word]

    def _split(self, word: str) -> list[str]:
        whole = self._in_some_case(word)
        if whole:
            return [whole]
        found: list[str] = []
        for part in _PARTS.findall(word):
            if part.isalnum() or "_" in part or len(part) > 1:
                found += self._apart(part)
            elif part in self.known:
                found.append(part)
        return found

    def _apart(self, part: str) -> list[str]:
        """A word without punctuation around it, in pieces where that helps."""
        whole = self._in_some_case(part)
        if whole:
            return [whole]
        for clitic in _CLITICS:
            match = clitic.fullmatch(part.replace("\u2019", "'"))
            pieces = [self._in_some_case(piece) for piece in match.groups()] if match else [""]
            if all(pieces):
                return pieces
        if "-" in part and _HYPHEN in self.known:
            pieces = [self._in_some_case(piece) or piece for piece in part.split("-")]
            return [pieces[0], *(word for piece in pieces[1:] for word in (_HYPHEN, piece))]
        return [part]

    def _in_some_case(self, word: str) -> str:
        """The word as it is, or in lower case, whichever is known; else ""."""
        return word if word in self.known else word.lower() if word.lower() in self.known else ""
