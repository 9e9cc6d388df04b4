"""`lmzoo solve`: tables, evidence, JSON and mistakes."""

import json

import pytest

from lmzoo.cli.solve import solve_questions

FILLER = "Then it was evening, and after that it was morning, and nobody said a word until the next day. "
TEXT = f"Blacktop is a smooth surface for a skating race. {FILLER} Gravel is rough. {FILLER}" * 30
QUESTIONS = [
    {"query": "Question: Which surface is best for a skating race?", "choices": ["gravel", "blacktop"], "gold": 1},
    {"query": "Question: Who wrote sonnets?", "choices": ["Keats", "Galileo", "[Nobody] else"], "gold": 0},
]


@pytest.fixture
def lmzoo(calling, tmp_path, monkeypatch):
    """Call `lmzoo solve` alone in an application of its own: (exit code, stdout, stderr)."""
    (tmp_path / "race.txt").write_text(TEXT)
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, QUESTIONS)))
    (tmp_path / "bad.jsonl").write_text(json.dumps({**QUESTIONS[0], "gold": 7}))
    monkeypatch.chdir(tmp_path)
    return calling(solve=solve_questions)


@pytest.mark.parametrize("columns", ["80", "200"])
def test_each_set_is_a_row_with_chance_and_accuracy(lmzoo, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)  # a narrow terminal wraps heads, and drops no name
    code, out, err = lmzoo("--questions", "mine.jsonl", "--corpus", "race.txt")
    assert (code, err) == (0, "")
    (row,) = [line.split() for line in out.splitlines() if line.strip().startswith("mine")]
    # One is right, one unknown: (1 + 1/3) / 2; a guess would have earned (1/2 + 1/3) / 2.
    assert row[:4] == ["mine", "2", "41.7%", "66.7%"]
    assert row[-2:] == ["1", "100.0%"]
    assert "words of race.txt, window 10, pairs that never co-occur: skip" in out


def test_several_sets_are_answered_at_once(lmzoo):
    out = lmzoo("--questions", "mine.jsonl", "--questions", "mine.jsonl", "--corpus", "race.txt", "--json")[1]
    first, second = json.loads(out)["sets"]
    assert first == second
    assert first["set"] == "mine"


def test_a_shown_question_has_scores_an_answer_and_evidence(lmzoo):
    code, out, _ = lmzoo("--questions", "mine.jsonl", "--corpus", "race.txt", "--show", 2)
    assert code == 0
    assert "mine: Which surface is best for a skating race?" in out
    (option,) = [line.split() for line in out.splitlines() if line.strip().startswith("B blacktop")]
    assert option[2:4] == ["given", "right"]
    assert "skating · blacktop" in out
    assert "the corpus has no evidence for this question" in out
    assert "C [Nobody] else" in out  # and is not taken for markup


def test_json_has_everything(lmzoo):
    facts = json.loads(lmzoo("--questions", "mine.jsonl", "--corpus", "race.txt", "--show", 1, "--json")[1])
    assert {key: facts[key] for key in ("corpus", "window", "unseen")} == {
        "corpus": "race.txt",
        "window": 10,
        "unseen": "skip",
    }
    (graded,), (shown,) = facts["sets"], facts["shown"]
    assert graded["questions"] == 2
    assert graded["interval"][0] < graded["accuracy"] < graded["interval"][1]
    assert shown["answers"] == [shown["right"]] == [1]
    best = shown["options"][1]["best_pairs"]
    assert [pair["pmi"] for pair in best] == sorted((pair["pmi"] for pair in best), reverse=True)


def test_flags_are_settings_of_the_solver(lmzoo):
    arguments = ["--questions", "mine.jsonl", "--corpus", "race.txt", "--json"]
    asked = ["--window", 4, "--unseen", "zero", "--function-words"]
    facts = json.loads(lmzoo(*arguments, *asked)[1])
    assert (facts["window"], facts["unseen"], facts["function_words"]) == (4, "zero", True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--questions", "nothing.jsonl"], "no questions at 'nothing.jsonl': give science or arc, or a file"),
        (["--questions", "bad.jsonl"], "bad.jsonl, line 1: the right answer is none of the 2 choices"),
        (["--questions", "mine.jsonl", "--window", "1"], "window must be 2 or more, not 1"),
        (["--questions", "mine.jsonl", "--window", "wide"], "--window must be a whole number, not 'wide'"),
        (["--questions", "mine.jsonl", "--unseen", "none"], "no value of unseen 'none'; there are: skip, zero"),
        (["--questions", "mine.jsonl", "--show", "-1"], "--show must be 0 or more, not -1"),
        (["--questions", "mine.jsonl", "--corpus", "nowhere"], "nowhere"),
    ],
)
def test_mistakes_are_named_in_one_line(lmzoo, arguments, message):
    corpus = [] if "--corpus" in arguments else ["--corpus", "race.txt"]
    code, out, err = lmzoo(*arguments, *corpus)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
