"""Shannon's game: a hidden text is guessed character by character, or bet on; machines do the same beside it.

The text stays here until its characters are found. Machines are asked about a character only when it has been, and so
is their answer known only then.
"""

import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Any

import msgspec
import numpy as np

from lmzoo.data import corpus as corpora
from lmzoo.errors import UsageError
from lmzoo.evaluation import guessing
from lmzoo.serve.contestants import Contestants, load_corpus
from lmzoo.serve.handlers import Handler, Request

MOST_GAMES = 64  # at once: the one that nobody has touched for longest is forgotten
IDLE = 3600.0  # seconds after which a game that nobody touches is forgotten
OPENING = 24  # characters that are shown at the beginning, up to the end of a word
FRESH = 4000  # characters of the built-in grammar of which a game is a part

Character = Annotated[str, msgspec.Meta(min_length=1, max_length=1)]
Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]


class New(Request):
    """A game on `length` characters of a text that `seed` chooses."""

    seed: Annotated[int, msgspec.Meta(ge=0, lt=2**31)] = 0
    length: Annotated[int, msgspec.Meta(ge=10, le=200)] = 60


class Guess(Request):
    """The next character is `char`; or a share of the capital on each of some; or neither: it is told."""

    id: Annotated[str, msgspec.Meta(max_length=40)]
    char: Character | None = None
    bets: Annotated[dict[Character, Share], msgspec.Meta(max_length=20)] | None = None


@dataclass
class Game:
    """A hidden text, how much of it is found, and what that took."""

    corpus: str
    text: str
    alphabet: frozenset[str]
    found: int  # characters, with the opening
    opening: int
    tries: int = 0  # wrong guesses of the next character
    ranks: list[int] = field(default_factory=list)  # guesses that each character took
    bits: list[float] = field(default_factory=list)  # of each character, where bets were made
    machines: dict[str, tuple[list[int], list[float]]] = field(default_factory=dict)  # their ranks and bits
    touched: float = field(default_factory=time.monotonic)

    @property
    def kinds(self) -> int:
        """How many characters there are."""
        return len(self.alphabet)

    @property
    def done(self) -> bool:
        """Whether all of the text is found."""
        return self.found == len(self.text)


_games: OrderedDict[str, Game] = OrderedDict()  # touched by the one thread that computes


def new(contestants: Contestants, request: New) -> Iterator[Any]:
    """{id, opening, length, kinds, corpus}."""
    name, source, alphabet = _source(contestants)
    text = _part(source(request.seed), request)
    opening = text.rfind(" ", 0, OPENING) + 1 or OPENING
    text = _whole_words(text, opening, opening + request.length)
    if len(text) <= opening:
        raise UsageError(f"the test text of {name} is too short to hide any of it")
    game = Game(name, text, alphabet | set(text), opening, opening)
    game.machines = {run.id: ([], []) for run in contestants if run.reader}
    number = secrets.token_urlsafe(12)
    _games[number] = game
    for old in [key for key, one in _games.items() if game.touched - one.touched > IDLE]:
        del _games[old]
    while len(_games) > MOST_GAMES:
        _games.popitem(last=False)
    yield {"id": number, "opening": text[:opening], "length": len(text), "kinds": game.kinds, "corpus": name}


def guess(contestants: Contestants, request: Guess) -> Iterator[Any]:
    """{right, guesses, found, you, machines, done}; `session`, when it is done: what `lmzoo compare --people` reads."""
    game = _games.get(request.id)
    if game is None:
        raise UsageError("this game is over: begin another")
    if game.done:
        raise UsageError("all of this text is found: begin another game")
    game.touched, at = time.monotonic(), game.found
    _games.move_to_end(request.id)
    _one_way(game, request)
    character = game.text[game.found]
    if request.char is not None and request.char != character:
        game.tries = min(game.tries + 1, game.kinds - 1)
        yield {"right": False, "guesses": game.tries}
        return
    if request.bets is not None:
        bits = -math.log2(guessing.share(request.bets, character, game.alphabet))
    before = game.text[: game.found]
    machines = {}
    for run in contestants:
        if run.reader and run.id in game.machines:
            chances = yield from run.reader.chances(before)
            p = chances.get(character, 0.0)
            machines[run.id] = guessing.rank(chances, character, game.kinds), -math.log2(p) if p else math.inf
            yield None
    if game.found != at:  # else two guesses at once would find two characters
        raise UsageError("another guess came first")
    # Only now, when all have answered: what is cancelled in between leaves the game as it was.
    for id_, (rank, cost) in machines.items():
        game.machines[id_][0].append(rank)
        game.machines[id_][1].append(cost)
    if request.bets is not None:
        game.bits.append(bits)
    else:
        game.ranks.append(game.tries + 1 if request.char is not None else game.kinds)
    game.found, game.tries = game.found + 1, 0
    yield _state(game, character)


def _one_way(game: Game, request: Guess) -> None:
    """Raises UsageError for a game that is guessed here and bet on there."""
    betting = request.bets is not None
    if betting and request.char is not None:
        raise UsageError("guess a character or bet, not both")
    if game.found > game.opening and betting != bool(game.bits):
        raise UsageError(f"this game is one of {'bets' if game.bits else 'guesses'}: begin another to change")


def _state(game: Game, character: str) -> dict[str, Any]:
    facts: dict[str, Any] = {"right": True, "char": character, "found": game.text[: game.found], "done": game.done}
    if game.bits:
        facts["you"] = {"bits": float(np.mean(game.bits))}
    else:
        facts["you"] = dict(zip(("lower", "upper"), guessing.bounds(game.ranks), strict=True))
    facts["machines"] = [_machine(id_, *measured) for id_, measured in game.machines.items()]
    if game.done:
        facts["session"] = {
            "corpus": game.corpus, "opening": game.opening, "text": game.text, "kinds": game.kinds,
            "ranks": game.ranks, "bits": game.bits,
        }  # fmt: skip
    return facts


def _machine(id_: str, ranks: list[int], bits: list[float]) -> dict[str, Any]:
    lower, upper = guessing.bounds(ranks)
    mean = float(np.mean(bits))
    return {"id": id_, "lower": lower, "upper": upper, "bits": mean if math.isfinite(mean) else None}


# ── The text ──────────────────────────────────────────────────────────────────────────────────────


def _source(contestants: Contestants) -> Any:
    """(name, text of a seed, its characters) that no model has read: of the first run whose corpus is here.

    The built-in grammar writes a new one; of other corpora it is the test text.
    """
    for run in contestants:
        if run.reader and (paths := run.corpus()):
            return _source_of(paths)
    raise UsageError(
        "none of these models says what text it has learned from, or it is not here: nothing can be hidden"
    )


@lru_cache(4)
def _source_of(paths: corpora.Paths) -> Any:
    corpus = load_corpus(paths)
    grammar = corpora.grammar_of(corpus)
    alphabet = frozenset(corpus.train) | set(corpus.test)

    def fresh(seed: int) -> str:
        if grammar:
            return "".join(grammar.generate(FRESH, f"game {seed}"))
        return corpus.test

    return corpus.name, fresh, alphabet


def _part(text: str, request: New) -> str:
    """The beginning of some line, long enough, in one line."""
    wanted = OPENING + request.length
    starts = [0, *(at + 1 for at, character in enumerate(text) if character == "\n")]
    starts = [at for at in starts if len(text) - at > 2 * wanted and text[at] != "\n"] or [0]
    at = starts[int(np.random.default_rng(request.seed).integers(len(starts)))]
    return " ".join(text[at : at + 3 * wanted].split())


def _whole_words(text: str, opening: int, end: int) -> str:
    """The text up to `end`, without the beginning of a word: what it may become would be a machine's loss alone."""
    if text[end : end + 1].strip():
        end = max(text.rfind(" ", 0, end), opening)
    return text[:end].rstrip()


HANDLERS = {"game/new": Handler(New, new, seconds=10), "game/guess": Handler(Guess, guess, seconds=4)}
