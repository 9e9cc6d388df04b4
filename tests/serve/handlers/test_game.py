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
    assert 0 < len(rest) <= 10
    assert rest not in json.dumps(facts)
    for n, character in enumerate(rest):
        wrong = guessed(contestants, facts, char="#")
        assert wrong == {"right": False, "guesses": 1}
        found = guessed(contestants, facts, char=character)
        assert found["right"]
        assert found["found"] == facts["opening"] + rest[: n + 1]
        assert ("session" in found) == found["done"] == (n == len(rest) - 1)
        if not found["done"]:
            assert rest[n:] not in json.dumps(found)


def test_bounds_are_those_of_the_guesses_and_machines_play_by_the_same_rule(begun, contestants):
    facts, hidden = begun
    found, size = {}, len(hidden.text) - hidden.opening
    for n in range(size):
        for _ in range(n % 3):
            guessed(contestants, facts, char="#")
        found = guessed(contestants, facts, char=hidden.text[hidden.found])
    ranks = [n % 3 + 1 for n in range(size)]
    assert found["session"]["ranks"] == ranks
    assert (found["you"]["lower"], found["you"]["upper"]) == pytest.approx(guessing.bounds(ranks))
    run = next(one for one in contestants if "3-gram" in one.name)
    (machine,) = [one for one in found["machines"] if one["id"] == run.id]
    chances = [run.text_model.next_characters(hidden.text[:t]) for t in range(hidden.opening, len(hidden.text))]
    true = hidden.text[hidden.opening :]
    bits = [-math.log2(one[c]) for one, c in zip(chances, true, strict=True)]
    assert machine["bits"] == pytest.approx(sum(bits) / size, rel=1e-3)
    nats = run.text_model.log_prob(true, hidden.text[: hidden.opening])
    spelled = -nats / math.log(2) / size  # in the encoder's spelling alone, as a comparison has it
    assert machine["bits"] <= spelled * 1.001
    assert machine["bits"] == pytest.approx(spelled, rel=0.1)
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


def test_a_game_ends_with_a_word(contestants):
    for seed in range(12):
        facts = answer(game.new, contestants, New(seed=seed, length=30))
        hidden = game._games[facts["id"]]
        whole = game._part(game._source(contestants)[1](seed), New(seed=seed, length=30))
        assert whole.startswith(hidden.text)
        assert whole[len(hidden.text)] == " "
        assert not hidden.text.endswith(" ")


def test_two_guesses_at_once_find_one_character(begun, contestants):
    facts, hidden = begun
    first, second = (game.guess(contestants, Guess(facts["id"])) for _ in range(2))
    next(first), next(second)  # both have begun
    assert next(result for result in first if result)["right"]
    with pytest.raises(game.UsageError, match="another guess came first"):
        list(second)
    assert len(hidden.ranks) == 1


def test_a_game_that_nobody_touches_is_forgotten(begun, contestants, monkeypatch):
    facts, hidden = begun
    monkeypatch.setattr(hidden, "touched", hidden.touched - game.IDLE - 1)
    answer(game.new, contestants, New(seed=1, length=10))
    assert facts["id"] not in game._games


def test_a_text_that_is_too_short_is_refused(contestants, monkeypatch):
    monkeypatch.setattr(game, "_part", lambda *_: "Nothing")
    with pytest.raises(game.UsageError, match="too short to hide any of it"):
        answer(game.new, contestants, New(length=10))
