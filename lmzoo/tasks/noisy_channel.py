"""A channel that mishears and mistypes: what was meant → what arrived, and back to all that may have been meant.

In the noisy channel (Shannon 1948) whoever receives a text o looks for the c with the largest P(c) P(o | c): a language
model gives the first factor, and the channel the second. Here the channel, which goes through a text from left to
right, replaces a word with probability `rate`, in parts by

    slips        of one finger on a QWERTY keyboard: a neighbouring key, a letter left out, doubled, or two swapped
    confusions   with a word of the vocabulary that is one edit away (Damerau 1964), as a tired reader has them
    sounds       with what sounds alike, by the list `corpora/english.confusions.toml`

and a phrase of that list by what sounds like it with the same probability. Where a word has nothing of a kind, that
part is left out and the word stays as it is so much oftener. Only words in small letters are touched: names, numbers
and marks arrive as they were. Since P(o | c) is known, so is the log-score of each candidate: that of the likeliest way
from c to o, but for the probability that phrases in it were left alone.

What was meant consists of words of the vocabulary: a word that arrived and is none of them is not a candidate itself,
except where nothing in the vocabulary can have become it.
"""

import heapq
import math
import random
import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from functools import lru_cache
from pathlib import Path
from string import ascii_lowercase
from typing import Any, NamedTuple

from lmzoo.data import cards
from lmzoo.errors import FormatError, UsageError

RATE = 0.12  # errors a word
SHARES = {"slips": 0.4, "confusions": 0.3, "sounds": 0.3}  # of `rate`
ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")  # each half a key or less to the right of the one above
_CORE = re.compile(r"([^A-Za-z]*)([A-Za-z]+(?:'[A-Za-z]+)*)([^A-Za-z]*)")
_CLITIC = re.compile(r"'[a-z]{1,2}")  # of a tokenised corpus: 's, 're
_SMALL = re.compile(r"[a-z]{2,}")


def _keys() -> dict[str, str]:
    """Each letter's neighbours: left and right, and the two above and two below that touch it."""
    place = {letter: (x + 0.5 * y, y) for y, row in enumerate(ROWS) for x, letter in enumerate(row)}
    return {
        one: "".join(o for o, (a, b) in place.items() if o != one and abs(a - x) <= 1 and abs(b - y) <= 1)
        for one, (x, y) in place.items()
    }


KEYS = _keys()


class Word(NamedTuple):
    """A piece of text between white space: the word itself, and the marks around it."""

    before: str
    core: str  # "" where there is no word in it
    behind: str


class NoisyChannel:
    """The channel over a vocabulary of words in small letters. `rate` is the probability of an error, a word."""

    def __init__(self, vocabulary: Collection[str], rate: float = RATE, sounds: Iterable[Iterable[str]] | None = None):
        if not 0 < rate < 1:
            raise UsageError(f"the channel's rate of errors must be above 0 and below 1, not {rate}")
        self.vocabulary, self.rate = frozenset(vocabulary), rate
        self._alike = self._known_sounds(confusions() if sounds is None else sounds)
        self._longest = max((phrase.count(" ") + 1 for phrase in self._alike), default=1)
        self._outcomes = lru_cache(maxsize=None)(self._weigh)
        self._meant = lru_cache(maxsize=None)(self._find_meant)

    def knows(self, text: str) -> bool:
        """Whether all words of `text` that are in small letters are in the vocabulary."""
        phrases = (_phrase([_taken_apart(piece)]) for piece in text.split())
        return all(phrase in self.vocabulary for phrase in phrases if phrase)

    def corrupt(self, text: str, source: random.Random) -> str:
        """What arrives when `text` is sent: its words, with one blank between them."""
        words, sent, i = [_taken_apart(piece) for piece in text.split()], [], 0
        while i < len(words):
            for size in range(min(self._longest, len(words) - i), 0, -1):
                phrase = _phrase(words[i : i + size])
                if size > 1 and phrase not in self._alike:
                    continue
                outcomes = self._outcomes(phrase) if phrase else {}
                heard = _draw(outcomes, source)
                if heard is not None or size == 1:
                    sent.append(_put_together(words[i : i + size], phrase if heard is None else heard))
                    i += size
                    break
        return " ".join(sent)

    def candidates(self, arrived: str, most: int) -> list[tuple[str, float]]:
        """Up to `most` texts that may have been meant, each with log P(arrived | it), in nats; the best first."""
        words = [_taken_apart(piece) for piece in arrived.split()]
        best: list[list[tuple[float, Any]]] = [[] for _ in range(len(words) + 1)]
        best[0] = [(0.0, None)]
        for i in range(len(words)):
            best[i] = heapq.nlargest(most, best[i], key=lambda path: path[0])
            for size in range(1, min(self._longest, len(words) - i) + 1):
                phrase = _phrase(words[i : i + size])
                for meant, log_prob in self._meant(phrase) if phrase or size == 1 else ():
                    text = _put_together(words[i : i + size], meant)
                    best[i + size] += [(score + log_prob, (path, text)) for score, path in best[i]]
        found: dict[str, float] = {}
        for score, path in sorted(best[-1], key=lambda path: -path[0]):
            found.setdefault(_text(path), score)
        return list(found.items())[:most]

    def _known_sounds(self, groups: Iterable[Iterable[str]]) -> dict[str, list[str]]:
        """What each word or phrase sounds like, of those that consist of words of the vocabulary."""
        alike: dict[str, dict[str, None]] = defaultdict(dict)
        for group in groups:
            known = [member for member in group if self.vocabulary.issuperset(member.split())]
            for member in known:
                alike[member].update(dict.fromkeys(other for other in known if other != member))
        return {member: list(others) for member, others in alike.items() if others}

    def _weigh(self, meant: str) -> dict[str, float]:
        """P(o | `meant`) of every o that is not `meant`; together at most `rate`."""
        if meant not in self.vocabulary and meant not in self._alike:
            return {}
        if " " in meant:
            return dict.fromkeys(self._alike[meant], self.rate / len(self._alike[meant]))
        kinds = {
            "slips": _slips(meant),
            "confusions": sorted((_edits(meant) & self.vocabulary) - {meant}) if _SMALL.fullmatch(meant) else [],
            "sounds": self._alike.get(meant, []),
        }
        weights: dict[str, float] = defaultdict(float)
        for kind, others in kinds.items():
            for other in others:
                weights[other] += self.rate * SHARES[kind] / len(others)
        return dict(weights)

    def _find_meant(self, arrived: str) -> list[tuple[str, float]]:
        """What may have been meant by a word or phrase, with log P(arrived | it)."""
        meant = set(self._alike.get(arrived, ()))
        if _SMALL.fullmatch(arrived):
            meant |= _edits(arrived) & self.vocabulary - {arrived}
        found = [(one, math.log(p)) for one in sorted(meant) if (p := self._outcomes(one).get(arrived, 0.0))]
        if " " not in arrived and (arrived in self.vocabulary or not found):
            found.append((arrived, math.log1p(-sum(self._outcomes(arrived).values()))))
        return found


def confusions() -> list[list[str]]:
    """The groups of words and phrases that sound alike. Raises FormatError where the file is not right."""
    path: Path = cards.folder() / "english.confusions.toml"
    try:
        listed = tomllib.loads(path.read_text("utf-8"))
        return [*listed["words"], *listed["phrases"]]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError) as error:
        raise FormatError(f"cannot read the confusions in {path}: {error}") from None


def _slips(word: str) -> list[str]:
    """What one slip of a finger makes of a word, each as often as there are ways to it; [] for what is not typed so."""
    if not _SMALL.fullmatch(word):
        return []
    cuts = [(word[:i], word[i], word[i + 1 :]) for i in range(len(word))]
    made = [head + key + tail for head, letter, tail in cuts for key in KEYS[letter]]
    made += [head + tail for head, _, tail in cuts]
    made += [head + letter * 2 + tail for head, letter, tail in cuts]
    made += [head + tail[0] + letter + tail[1:] for head, letter, tail in cuts if tail]
    return [slip for slip in made if slip != word and _SMALL.fullmatch(slip)]  # else nobody could tell what it was


def _edits(word: str) -> set[str]:
    """Every string of small letters that is one insertion, deletion, substitution or swap of neighbours away."""
    cuts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    made = {head + letter + tail for head, tail in cuts for letter in ascii_lowercase}
    made |= {head + letter + tail[1:] for head, tail in cuts if tail for letter in ascii_lowercase}
    made |= {head + tail[1:] for head, tail in cuts if tail}
    return made | {head + tail[1] + tail[0] + tail[2:] for head, tail in cuts if len(tail) > 1}


def words_of(text: str, least: int) -> list[str]:
    """The words in small letters that `text` has `least` times or more: a vocabulary for a channel."""
    counts: Counter[str] = Counter()
    for piece, count in Counter(text.split()).items():
        counts[_phrase([_taken_apart(piece)])] += count
    return sorted(word for word, count in counts.items() if word and count >= least)


def _taken_apart(piece: str) -> Word:
    if _CLITIC.fullmatch(piece):
        return Word("", piece, "")
    match = None if piece.startswith("<") else _CORE.fullmatch(piece)  # <unk> is no word, nor is what has a hyphen
    return Word(*match.groups()) if match else Word(piece, "", "")


def _phrase(words: list[Word]) -> str:
    """The words as one phrase; "" where there are marks between them, or a word in large letters."""
    inside = all(not word.behind for word in words[:-1]) and not any(word.before for word in words[1:])
    cores = [word.core for word in words]
    return " ".join(cores) if inside and all(core and core == core.lower() for core in cores) else ""


def _put_together(words: list[Word], core: str) -> str:
    """`core` with the marks around `words`; the one word as it was where `core` is ""."""
    return words[0].before + (core or words[0].core) + words[-1].behind


def _draw(outcomes: dict[str, float], source: random.Random) -> str | None:
    """One of the outcomes, or None: nothing happened."""
    left = source.random()
    for outcome, probability in outcomes.items():
        left -= probability
        if left < 0:
            return outcome
    return None


def _text(path: Any) -> str:
    words: list[str] = []
    while path:
        path, word = path
        words.append(word)
    return " ".join(reversed(words))
