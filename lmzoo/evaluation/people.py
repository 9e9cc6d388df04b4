"""Games of Shannon's that people have played (`lmzoo serve`), read from the files in which the page saves them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lmzoo.errors import FormatError
from lmzoo.evaluation import guessing
from lmzoo.files import read_json

FORMAT, VERSION = "lmzoo people", 1


@dataclass(frozen=True)
class Session:
    """One text that was found, character by character, behind its opening: by `ranks`, or by `bits` of bets."""

    corpus: str
    opening: str
    text: str
    kinds: int  # of characters that there are
    ranks: list[int]  # guesses that each character took
    bits: list[float]  # of each character

    @property
    def rest(self) -> str:
        """What was guessed."""
        return self.text[len(self.opening) :]

    def problem(self) -> str:
        """What contradicts itself, "" if nothing does."""
        if not self.text.startswith(self.opening) or not self.rest:
            return "the text does not go on from its opening"
        if bool(self.ranks) == bool(self.bits) or len(self.rest) != len(self.ranks or self.bits):
            return f"there must be a rank or bits for each of the {len(self.rest)} characters behind the opening"
        if any(not 1 <= rank <= self.kinds for rank in self.ranks):
            return f"a rank is 1 to {self.kinds}, the kinds of characters"
        if any(not (math.isfinite(bits) and bits >= 0) for bits in self.bits):
            return "bits are finite and not negative"
        return ""


@dataclass(frozen=True)
class _Saved:
    format: str
    version: int
    sessions: list[Session]


def read(paths: Sequence[Path], corpus: str) -> tuple[Session, ...]:
    """The sessions of all files, on texts of `corpus`.

    Raises FormatError and OSError, naming the file, for what is none of ours, of another version or corpus, has
    a name that is unknown, or contradicts itself.
    """
    found: list[Session] = []
    for path in paths:
        saved = read_json(path, _Saved, closed=True)
        if (saved.format, saved.version) != (FORMAT, VERSION):
            raise FormatError(f"{path} is {saved.format[:40]!r}, version {saved.version}, not {FORMAT!r} {VERSION}")
        for n, session in enumerate(saved.sessions, 1):
            if problem := session.problem():
                raise FormatError(f"{path}, session {n}: {problem}")
            if session.corpus.partition(":")[0] != corpus.partition(":")[0]:  # storyworld:1MB is of the same source
                raise FormatError(
                    f"{path}, session {n}, is on a text of {session.corpus[:60]}, and this comparison of {corpus}"
                )
        found += saved.sessions
    if not found and paths:
        raise FormatError(f"{paths[0]} has no finished game")
    return tuple(found)


@dataclass(frozen=True)
class Estimate:
    """Bits per character, for people: `low` and `high` bounds, or of bets the same number twice."""

    sessions: tuple[Session, ...]  # of one way to play: the one that more characters were found by
    low: float
    high: float
    bias: float  # by which the upper bound of so few characters is too low, about

    @property
    def characters(self) -> int:
        """How many were found."""
        return sum(len(session.rest) for session in self.sessions)

    @property
    def bets(self) -> bool:
        """Whether these are games of bets."""
        return bool(self.sessions[0].bits)


def estimate(sessions: Sequence[Session]) -> Estimate:
    """What the games of guesses, or those of bets, say: whichever found more characters."""
    guessed, bet = (tuple(one for one in sessions if bool(one.bits) == way) for way in (False, True))
    ranks = [rank for session in guessed for rank in session.ranks]
    bits = [cost for session in bet for cost in session.bits]
    if len(ranks) >= len(bits):
        return Estimate(guessed, *guessing.bounds(ranks), guessing.bias(ranks))
    return Estimate(bet, *(sum(bits) / len(bits),) * 2, 0.0)
