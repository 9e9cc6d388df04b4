"""Checks of what `fit` learns, and from which text. Each fits models of its own, by the `fit` that it is given."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from lmzoo.data import cards
from lmzoo.data.grammar import Grammar
from lmzoo.interface import Data, Ids, LanguageModel
from lmzoo.testing.practice import TOLERANCE, VOCAB_SIZE, practice_text, wrong_distributions

Fit = Callable[[Data], Any]
Score = Callable[[Any, Ids], float]  # (model, text) → mean nats a token
Answers = Callable[[Any], list[Any]]  # what a model says of some texts
LARGE = 0.05  # nats a token: chance in the training of a network
LEARNED = 0.1  # nats a token, beyond what a choice of settings explains
LEAST = 3000  # tokens of a training text, as in the check of `fit`: a network may need that many for a batch
PROSE = 6000  # characters to learn from
HELD_OUT = 3000  # contexts in which sums are checked


@cache
def prose(length: int) -> bytes:
    """English characters, all of them ASCII."""
    grammar = Grammar.load(cards.folder() / "storyworld.grammar.toml")
    return "".join(grammar.generate(length, "contract")).encode("ascii", "replace")[:length]


def _prose(numbers: Ids) -> tuple[Ids, Ids]:
    """Prose to learn from and prose held out, each character as its number in `numbers` (128,), the rest unseen."""
    ids = numbers[np.frombuffer(prose(PROSE + HELD_OUT), dtype=np.uint8)].astype(np.int32)
    train, held_out = ids[:PROSE].copy(), ids[PROSE:].copy()
    held_out[20::40] = numbers[np.arange(len(held_out[20::40])) % 128]  # what was never seen
    return train, held_out


def sums_along_prose(fit: Fit) -> str:
    """Fitted on English characters, it gives a distribution in each of thousands of contexts of text held out."""
    vocab_size = 129
    train, held_out = _prose(np.arange(128))
    model: LanguageModel = fit(Data.of(train, held_out[:0], vocab_size))
    rows = np.asarray(model.distributions(held_out))
    what = "along English text that was held out, distributions"
    if message := wrong_distributions(rows, (len(held_out), vocab_size), what):
        return message
    scores = np.asarray(model.log_probs_many([held_out])[0])
    wrong = np.flatnonzero(~np.isclose(scores, rows[np.arange(len(held_out)), held_out], atol=TOLERANCE, rtol=0))
    if len(wrong):
        t = int(wrong[0])
        return (
            f"along English text that was held out, log_probs_many says {scores[t]:.5f} nats for character {t}, and "
            f"distributions {rows[t, held_out[t]]:.5f}: what is scored is not what is predicted"
        )
    return ""


def large_ids(fit: Fit, score: Score) -> str:
    """Which numbers the tokens have does not matter: a model learns as much with numbers above 255."""
    numbers = np.arange(128)
    spread = np.where(numbers % 2, numbers - 1 + 256, numbers)  # half of them: a byte would take one for another
    nats = []
    for names in (numbers, spread):
        train, held_out = _prose(names)
        nats.append(score(fit(Data.of(train, held_out[:0], 400)), held_out))
    if nats[1] < nats[0] - LARGE:
        return (
            f"English text is learned to {-nats[0]:.2f} nats a character with ids below 128, and to {-nats[1]:.2f} "
            "when half of them have ids above 255: some ids are taken for others (are they kept in a byte?)"
        )
    return ""


def _cycle(*tokens: int) -> Ids:
    return np.resize(np.array(tokens, dtype=np.int32), 200)


def validation_is_not_learned(fit: Fit, score: Score) -> str:
    """What stands in the validation text alone is not learned from it: it may choose settings, no more."""
    train, forth, back = practice_text(LEAST), _cycle(9, 10, 0), _cycle(10, 9, 0)
    one, other = (fit(Data.of(train, valid, VOCAB_SIZE)) for valid in (forth, back))
    gain = score(one, forth) - score(one, back) - score(other, forth) + score(other, back)
    if gain > LEARNED:
        return (
            f"an order of words that only the validation text has is {gain:.2f} nats a token likelier after fit: learn "
            "from data.train alone (data.valid is for choosing settings and for stopping)"
        )
    return ""


def _apart(ours: list[Any], theirs: list[Any]) -> float:
    """How far the answers of two models are apart: the mean of absolute differences."""
    return float(np.mean([np.abs(np.subtract(a, b)).mean() for a, b in zip(ours, theirs, strict=True)]))


def refit_learns_once(fit: Fit, score: Score, answers: Answers) -> str:
    """Under `refit` the validation text, a part of `train`, is learned once, and nothing is fitted on it after that."""
    rng = np.random.default_rng(5)
    valid, fresh = (
        rng.integers(9, size=300).astype(np.int32) for _ in range(2)
    )  # noise: nothing to learn but by heart
    train = np.concatenate([practice_text(LEAST), valid])
    again = fit(Data.of(train, valid, VOCAB_SIZE, refit=True))
    once = fit(Data.of(train, valid[:0], VOCAB_SIZE))

    away = partial(_apart, answers(again))
    from_once = away(answers(once))
    if not from_once:
        return ""
    if away(answers(fit(Data.of(np.concatenate([train, valid]), valid[:0], VOCAB_SIZE)))) < from_once / 4:
        return (
            "under refit the validation text is learned twice: data.train ends with it already, so learn from "
            "data.train alone"
        )
    by_heart = [score(model, valid) - score(model, fresh) for model in (again, once)]
    if by_heart[0] > by_heart[1] + LEARNED:
        return (
            f"under refit the model knows its validation text by heart ({by_heart[0]:.2f} nats a token likelier than "
            f"fresh text, instead of {by_heart[1]:.2f}): something was fitted on data.valid after that text had been "
            "learned; learn from data.train_only while anything is chosen on data.valid"
        )
    return ""
