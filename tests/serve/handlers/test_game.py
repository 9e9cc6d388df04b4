"""Shannon's game: nothing is known of the text before it is found, and bounds are those of what was guessed."""

import json
import math

import pytest

from lmzoo.evaluation import guessing
from lmzoo.serve.handlers import game
from lmzoo.serve.handlers.game import Guess, New


def answer(handle, contestants, request):
    results = [result for result in handle(contestants, request) if result is not None]
    assert len(results) == 1
    return results[0]


@pytest.fixture
def begun(contestants):
    """A game of ten characters, and its hidden text."""
    facts = answer(game.new, contestants, New(seed=3, length=10))
    return facts, game._games[facts["id"]]


def guessed(contestants, facts, **how):
    return answer(game.guess, contestants, Guess(facts["id"], **how))


def test_no_answer_holds_what_is_not_found(begun, contestants):
    facts, hidden = begun
    rest = hidden.text[len(facts["opening"]) :]
    assert facts["opening"] + rest == hidden.text
    assert len(rest) == 10
    assert rest not in json.dumps(facts)
    for n, character in enumerate(rest):
        wrong = guessed(contestants, facts, char="#")
        assert wrong == {"right": False, "guesses": 1}
        found = guessed(contestants, facts, char=character)
        assert found["right"]
        assert found["found"] == facts["opening"] + rest[: n + 1]
        assert ("session" in found) == found["done"] == (n == 9)
        if not found["done"]:
            assert rest[n:] not in json.dumps(found)


def test_bounds_are_those_of_the_guesses_and_machines_play_by_the_same_rule(begun, contestants):
    facts, hidden = begun
    found = {}
    for n in range(10):
        for _ in range(n % 3):
            guessed(contestants, facts, char="#")
        found = guessed(contestants, facts, char=hidden.text[hidden.found])
    ranks = [n % 3 + 1 for n in range(10)]
    assert found["session"]["ranks"] == ranks
    assert (found["you"]["lower"], found["you"]["upper"]) == pytest.approx(guessing.bounds(ranks))
    run = next(one for one in contestants if "3-gram" in one.name)
    (machine,) = [one for one in found["machines"] if one["id"] == run.id]
    chances = [run.text_model.next_characters(hidden.text[:t]) for t in range(hidden.opening, len(hidden.text))]
    true = hidden.text[hidden.opening :]
    bits = [-math.log2(one[c]) for one, c in zip(chances, true, strict=True)]
    assert machine["bits"] == pytest.approx(sum(bits) / 10, rel=1e-3)
    own = [guessing.rank(one, c, hidden.kinds) for one, c in zip(chances, true, strict=True)]
    assert (machine["lower"], machine["upper"]) == pytest.approx(guessing.bounds(own))


def test_a_character_that_is_told_took_every_guess(begun, contestants):
    facts, hidden = begun
    found = guessed(contestants, facts)
    assert found["right"]
    assert hidden.ranks == [hidden.kinds]


def test_bets_give_bits_and_do_not_mix_with_guesses(begun, contestants):
    facts, hidden = begun
    true = hidden.text[hidden.found]
    assert guessed(contestants, facts, bets={true: 0.25})["you"] == {"bits": 2.0}
    with pytest.raises(game.UsageError, match="one of bets"):
        guessed(contestants, facts, char="a")
    with pytest.raises(game.UsageError, match="bets are shares"):
        guessed(contestants, facts, bets={"a": 0.7, "b": 0.7})
    assert hidden.bits == [2.0]


def test_games_are_few_and_their_names_no_ones_guess(contestants, begun):
    facts, _ = begun
    for seed in range(game.MOST_GAMES):
        answer(game.new, contestants, New(seed=seed, length=10))
    assert len(game._games) == game.MOST_GAMES
    assert len(facts["id"]) >= 16
    with pytest.raises(game.UsageError, match="begin another"):
        guessed(contestants, facts, char="a")


def test_a_seed_chooses_the_text(contestants):
    texts = []
    for seed in (5, 5, 6):
        facts = answer(game.new, contestants, New(seed=seed, length=20))
        texts.append(game._games[facts["id"]].text)
    assert texts[0] == texts[1] != texts[2]
