"""Games that the page saved: read whole, or refused in one line that names what is wrong."""

import json

import pytest

from lmzoo.errors import FormatError
from lmzoo.evaluation import guessing, people

GUESSED = {"corpus": "storyworld", "opening": "The ", "text": "The cat", "kinds": 60, "ranks": [3, 1, 1], "bits": []}
BET = GUESSED | {"ranks": [], "bits": [2.0, 1.0, 0.5]}


@pytest.fixture
def saved(tmp_path):
    def save(*sessions, **changes):
        path = tmp_path / "people.json"
        path.write_text(json.dumps({"format": "lmzoo people", "version": 1, "sessions": list(sessions)} | changes))
        return people.read([path], "storyworld")

    return save


def test_guesses_give_bounds_and_bets_bits(saved):
    sessions = saved(GUESSED, GUESSED)
    assert sessions[0].rest == "cat"
    found = people.estimate(sessions)
    assert (found.low, found.high) == guessing.bounds([3, 1, 1] * 2)
    assert (found.characters, found.bets, found.bias) == (6, False, guessing.bias([3, 1, 1] * 2))
    found = people.estimate(saved(GUESSED, BET, BET))  # more were found by bets
    assert (found.low, found.high) == pytest.approx((3.5 / 3, 3.5 / 3))
    assert (found.characters, found.bets, len(found.sessions)) == (6, True, 2)


@pytest.mark.parametrize(
    ("session", "changes", "says"),
    [
        (GUESSED, {"format": "x"}, "is 'x', version 1, not 'lmzoo people' 1"),
        (GUESSED, {"version": 2}, "version 2"),
        (GUESSED, {"sessions": []}, "no finished game"),
        (GUESSED | {"ranks": [1, 2]}, {}, "session 1: there must be a rank or bits for each of the 3 characters"),
        (GUESSED | {"bits": [1, 1, 1]}, {}, "a rank or bits"),
        (GUESSED | {"ranks": [1, 61, 1]}, {}, "a rank is 1 to 60"),
        (BET | {"bits": [1.0, -1.0, 1.0]}, {}, "bits are finite and not negative"),
        (BET | {"bits": [1.0, float("nan"), 1.0]}, {}, "people.json"),
        (GUESSED | {"opening": "A "}, {}, "does not go on from its opening"),
        (GUESSED | {"corpus": "ptb"}, {}, "is on a text of ptb, and this comparison of storyworld"),
        (GUESSED | {"ranks": "x"}, {}, "ranks"),
        (GUESSED | {"rank": [1]}, {}, "people.json has the unknown name 'rank'"),
        (GUESSED, {"player": "Ann"}, "people.json has the unknown name 'player'"),
    ],
)
def test_what_is_none_is_refused_in_one_line(saved, session, changes, says):
    with pytest.raises(FormatError, match=r"people\.json") as error:
        saved(session, **changes)
    assert says in str(error.value)
    assert "\n" not in str(error.value)
