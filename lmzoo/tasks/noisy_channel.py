"""A noisy channel of typing and hearing errors: what was meant → what arrived, and back to what may have been meant.

The receiver of a text o looks for the c with the largest P(c) P(o | c) (Shannon 1948): a language model gives the first
factor, and the channel the second. This channel, from left to right, replaces a word with probability `rate`, in parts
(`SHARES`) by

    slips        of one finger on a QWERTY keyboard: a neighbouring key, a letter omitted, doubled, or two swapped
    confusions   with a word of the vocabulary at edit distance 1 (Damerau 1964)
    sounds       with a homophone from the list `corpora/english.confusions.toml`

and a phrase of that list by one that sounds like it with the same probability.
"""

import heapq
import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from string import ascii_lowercase
from typing import Any, NamedTuple

from lmzoo.data import cards
from lmzoo.errors import in_range
from lmzoo.files import read_toml

RATE = 0.12  # errors per word
SHARES = {"slips": 0.4, "confusions": 0.3, "sounds": 0.3}  # of `rate`
ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")  # each half a key or less to the right of the one above
_CORE = re.compile(r"([^A-Za-z]*)([A-Za-z]+(?:'[A-Za-z]+)*)([^A-Za-z]*)")
_CLITIC = re.compile(r"'[a-z]{1,2}")  # of a tokenised corpus: 's, 're
_LOWER_CASE = re.compile(r"[a-z]{2,}")


_KEYS = [(letter, x + 0.5 * y, y) for y, row in enumerate(ROWS) for x, letter in enumerate(row)]
# Each letter's neighbours: left and right, and the two above and two below that touch it.
NEIGHBOURING_KEYS = {
    one: "".join(other for other, a, b in _KEYS if other != one and abs(a - x) <= 1 and abs(b - y) <= 1)
    for one, x, y in _KEYS
}


class Word(NamedTuple):
    """A piece of text between white space: the word itself, and the punctuation around it."""

    before: str
    core: str  # "" where there is no word in it
    after: str


class NoisyChannel:
    """The channel over a vocabulary of lower-case words. `rate` is the probability of an error per word.

    Only lower-case words are changed: names, numbers and punctuation arrive as they were. What was meant consists of
    words of the vocabulary, so a word that arrived and is none of them is no candidate itself, unless no word of the
    vocabulary can have become it.
    """

    def __init__(self, vocabulary: Collection[str], rate: float = RATE, sounds: Iterable[Iterable[str]] | None = None):
        in_range("the channel's rate of errors", rate, above=0, below=1)
        self.vocabulary, self.rate = frozenset(vocabulary), rate
        self._homophones = self._known_homophones(confusions() if sounds is None else sounds)
        self._longest = max((phrase.count(" ") + 1 for phrase in self._homophones), default=1)
        self._outcomes = lru_cache(maxsize=None)(self._outcome_probabilities)
        self._meant = lru_cache(maxsize=None)(self._possible_meanings)

    def knows(self, text: str) -> bool:
        """Whether all lower-case words of `text` are in the vocabulary."""
        phrases = (_phrase([_parse(piece)]) for piece in text.split())
        return all(phrase in self.vocabulary for phrase in phrases if phrase)

    def corrupt(self, text: str, source: random.Random) -> str:
        """What arrives when `text` is sent: its words, with single spaces between them."""
        words, sent, i = [_parse(piece) for piece in text.split()], [], 0
        while i < len(words):
            for size in range(min(self._longest, len(words) - i), 0, -1):  # the longest phrase first
                phrase = _phrase(words[i : i + size])
                if size > 1 and phrase not in self._homophones:
                    continue
                outcomes = self._outcomes(phrase) if phrase else {}
                heard = _draw(outcomes, source)
                if heard is not None or size == 1:
                    sent.append(_unparse(words[i : i + size], phrase if heard is None else heard))
                    i += size
                    break
        return " ".join(sent)

    def candidates(self, arrived: str, most: int) -> list[tuple[str, float]]:
        """Up to `most` texts that may have been meant, each with log P(arrived | it) in nats; the likeliest first.

        It is that of the most likely way from it to `arrived`, without the probability that its phrases were unchanged.
        """
        words = [_parse(piece) for piece in arrived.split()]
        # Beam search: best[i] has the most likely paths to the first i words, each a linked list of its words.
        best: list[list[tuple[float, Any]]] = [[] for _ in range(len(words) + 1)]
        best[0] = [(0.0, None)]
        for i in range(len(words)):
            best[i] = heapq.nlargest(most, best[i], key=lambda path: path[0])
            for size in range(1, min(self._longest, len(words) - i) + 1):
                phrase = _phrase(words[i : i + size])
                for meant, log_prob in self._meant(phrase) if phrase or size == 1 else ():
                    text = _unparse(words[i : i + size], meant)
                    best[i + size] += [(score + log_prob, (path, text)) for score, path in best[i]]
        scores: dict[str, float] = {}
        for score, path in sorted(best[-1], key=lambda path: -path[0]):
            scores.setdefault(_text(path), score)  # several paths may give the same text: the likeliest counts
        return list(scores.items())[:most]

    def _known_homophones(self, groups: Iterable[Iterable[str]]) -> dict[str, list[str]]:
        """The homophones of each word or phrase, of those that consist of words of the vocabulary."""
        alike: dict[str, dict[str, None]] = defaultdict(dict)
        for group in groups:
            known = [member for member in group if self.vocabulary.issuperset(member.split())]
            for member in known:
                alike[member].update(dict.fromkeys(other for other in known if other != member))
        return {member: list(others) for member, others in alike.items() if others}

    def _outcome_probabilities(self, meant: str) -> dict[str, float]:
        """P(o | `meant`) for every o other than `meant`; together at most `rate`."""
        if meant not in self.vocabulary and meant not in self._homophones:
            return {}
        if " " in meant:
            return dict.fromkeys(self._homophones[meant], self.rate / len(self._homophones[meant]))
        kinds = {
            "slips": _slips(meant),
            "confusions": sorted((_edits(meant) & self.vocabulary) - {meant}) if _LOWER_CASE.fullmatch(meant) else [],
            "sounds": self._homophones.get(meant, []),
        }
        weights: dict[str, float] = defaultdict(float)
        for kind, others in kinds.items():
            for other in others:  # where a word has nothing of a kind, it stays unchanged the more often
                weights[other] += self.rate * SHARES[kind] / len(others)
        return dict(weights)

    def _possible_meanings(self, arrived: str) -> list[tuple[str, float]]:
        """What may have been meant by a word or phrase, with log P(arrived | it)."""
        meant = set(self._homophones.get(arrived, ()))
        if _LOWER_CASE.fullmatch(arrived):
            meant |= _edits(arrived) & self.vocabulary - {arrived}
        scored = [(one, math.log(p)) for one in sorted(meant) if (p := self._outcomes(one).get(arrived, 0.0))]
        if " " not in arrived and (arrived in self.vocabulary or not scored):
            scored.append((arrived, math.log1p(-sum(self._outcomes(arrived).values()))))
        return scored


@dataclass(frozen=True)
class Confusions:
    """`corpora/english.confusions.toml`: groups of what sounds alike."""

    words: list[list[str]]
    phrases: list[list[str]]


def confusions() -> list[list[str]]:
    """Groups of homophones, words and phrases. Raises FormatError where the file has a mistake."""
    listed = read_toml(cards.folder() / "english.confusions.toml", Confusions)
    return [*listed.words, *listed.phrases]


def _slips(word: str) -> list[str]:
    """What one slip of a finger makes of a word, each as often as there are ways to it; [] unless it is lower-case."""
    if not _LOWER_CASE.fullmatch(word):
        return []
    cuts = [(word[:i], word[i], word[i + 1 :]) for i in range(len(word))]
    slips = [head + key + tail for head, letter, tail in cuts for key in NEIGHBOURING_KEYS[letter]]
    slips += [head + tail for head, _, tail in cuts]
    slips += [head + letter * 2 + tail for head, letter, tail in cuts]
    slips += [head + tail[0] + letter + tail[1:] for head, letter, tail in cuts if tail]
    return [slip for slip in slips if slip != word and _LOWER_CASE.fullmatch(slip)]  # a single letter could be anything


def _edits(word: str) -> set[str]:
    """Every lower-case string one insertion, deletion, substitution or swap of neighbours away (Damerau 1964)."""
    # To enumerate them and intersect with a vocabulary of 9,500 words takes 0.1 ms; to measure the distance to each of
    # these words with rapidfuzz takes 1 ms.
    cuts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    edits = {head + letter + tail for head, tail in cuts for letter in ascii_lowercase}
    edits |= {head + letter + tail[1:] for head, tail in cuts if tail for letter in ascii_lowercase}
    edits |= {head + tail[1:] for head, tail in cuts if tail}
    return edits | {head + tail[1] + tail[0] + tail[2:] for head, tail in cuts if len(tail) > 1}


def words_of(text: str, least: int) -> list[str]:
    """The lower-case words that occur at least `least` times in `text`: a vocabulary for a channel."""
    counts: Counter[str] = Counter()
    for piece, count in Counter(text.split()).items():
        counts[_phrase([_parse(piece)])] += count
    return sorted(word for word, count in counts.items() if word and count >= least)


def _parse(piece: str) -> Word:
    if _CLITIC.fullmatch(piece):
        return Word("", piece, "")
    match = None if piece.startswith("<") else _CORE.fullmatch(piece)  # neither <unk> nor a hyphenated word
    return Word(*match.groups()) if match else Word(piece, "", "")


def _phrase(words: list[Word]) -> str:
    """The words as one phrase; "" where there is punctuation between them, or a word with a capital letter."""
    inside = all(not word.after for word in words[:-1]) and not any(word.before for word in words[1:])
    cores = [word.core for word in words]
    return " ".join(cores) if inside and all(core and core == core.lower() for core in cores) else ""


def _unparse(words: list[Word], core: str) -> str:
    """`core` with the punctuation around `words`; the one word as it was where `core` is ""."""
    return words[0].before + (core or words[0].core) + words[-1].after


def _draw(outcomes: dict[str, float], source: random.Random) -> str | None:
    """One of the outcomes, or None: no error."""
    remaining = source.random()
    for outcome, probability in outcomes.items():
        remaining -= probability
        if remaining < 0:
            return outcome
    return None


def _text(path: Any) -> str:
    """The text of a path, a linked list from its last word to its first."""
    words: list[str] = []
    while path:
        path, word = path
        words.append(word)
    return " ".join(reversed(words))
