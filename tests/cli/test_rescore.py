"""`lmzoo rescore`: tables, files, JSON and mistakes."""

import json
import random

import pytest

from lmzoo.cli.rescore import rescore_lists
from lmzoo.data import corpus
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Run
from lmzoo.runs import store, train
from lmzoo.tasks import nbest, rescoring

SENTENCES = [
    "the cat sat on the mat.",
    "then a dog saw the cat.",
    "a cart was in the log and sad.",
    "the mat was on a cart.",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A text of a few sentences over and over, with runs of a trigram and of a unigram on it."""
    place, source = tmp_path_factory.mktemp("rescore"), random.Random(0)
    (place / "own.txt").write_text("\n\n".join(source.choice(SENTENCES) for _ in range(2000)))
    text = train.encode(corpus.load(place / "own.txt"), "word:100", Run())
    for order in ("1", "3"):
        train.save(train.fit("ngram", {"order": order}, text, Run()), place / f"order{order}")
    fitted = train.fit("ngram", {"order": "2", "smoothing": "ml"}, text, Run())
    train.save(fitted, place / "zero")
    return place


@pytest.fixture
def lmzoo(calling, monkeypatch, folder):
    """Call `lmzoo rescore` alone in an application of its own: (exit code, stdout, stderr)."""
    monkeypatch.chdir(folder)
    return calling(rescore=rescore_lists)


def test_the_table_has_first_choices_runs_and_the_oracle(lmzoo):
    code, out, err = lmzoo("order1", "order3", "--lists", 60)
    assert (code, err) == (0, "")
    rows = [line.split("  ")[0].strip() for line in out.splitlines() if "%–" in line]
    assert rows == ["first choice of the channel", "order1", "order3", "oracle: best candidates"]
    assert "own.txt: 40 lists tested" in out
    assert "20 more are for fitting weights" in out


def test_a_better_model_has_a_lower_word_error_rate(lmzoo):
    facts = json.loads(lmzoo("order1", "order3", "--lists", 90, "--json")[1])
    unigram, trigram = (row["grade"] for row in facts["runs"])
    assert facts["oracle"]["value"] <= trigram["value"] < unigram["value"] < facts["channel"]["value"]
    assert trigram["chance"] == facts["channel"]["value"]
    assert {trigram["task"], trigram["metric"], trigram["kind"]} == {"n-best, own.txt", "word error rate", "rescoring"}
    assert trigram["items"] == facts["tested"] == 60


def test_lists_that_were_written_give_the_same_results(lmzoo, folder):
    made = json.loads(lmzoo("order3", "--lists", 30, "--out", "lists.jsonl", "--json")[1])
    read = json.loads(lmzoo("order3", "--nbest", "lists.jsonl", "--json")[1])
    assert read["lists"] == "lists.jsonl"
    assert {**read["runs"][0]["grade"], "task": ""} == {**made["runs"][0]["grade"], "task": ""}
    first = json.loads((folder / "lists.jsonl").read_text().splitlines()[0])
    model, tokenizer = store.load(folder / "order3")
    (expected,) = rescoring.log_probs(TextModel(model, tokenizer), nbest.load(folder / "lists.jsonl")[:1])
    assert first["log_probs"]["order3"] == pytest.approx(expected.tolist())


def test_the_overlap_of_references_with_the_training_text_is_shown(lmzoo, folder):
    """Of a text that is four sentences over and over all is known, and of other sentences nothing."""
    code, out, _ = lmzoo("order3", "--lists", 20)
    assert code == 0
    (row,) = [line.split() for line in out.splitlines() if line.strip().startswith("order3")]
    assert row[-1] == "100.00%"
    said = [f"a mat was on the log and then {n}" for n in range(20)]
    lists = [{"reference": text, "candidates": [{"text": "a mat", "score": 0}]} for text in said]
    (folder / "unseen.jsonl").write_text("\n".join(map(json.dumps, lists)))
    (unseen,) = json.loads(lmzoo("order3", "--nbest", "unseen.jsonl", "--json")[1])["runs"]
    assert unseen["overlap"] == 0


def test_a_given_weight_is_used_and_shown(lmzoo):
    facts = json.loads(lmzoo("order3", "--lists", 30, "--weight", 0, "--json")[1])
    (row,) = facts["runs"]
    assert row["weight"] == 0
    assert row["grade"]["value"] == facts["channel"]["value"]
    assert "weight given" in row["grade"]["protocol"]


def test_a_model_that_cannot_be_scored_has_a_dash_and_a_note(lmzoo):
    code, out, _ = lmzoo("zero", "order3", "--lists", 20)
    assert code == 0
    (row,) = [line.split() for line in out.splitlines() if line.strip().startswith("zero")]
    assert row[:4] == ["zero", "–", "–", "–"]
    assert "note: zero: the log-probability of token" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "no run at nowhere"),
        (["order3", "--nbest", "nowhere.jsonl"], "no n-best lists at 'nowhere.jsonl'"),
        (["order3", "--nbest", "bad.jsonl"], "bad.jsonl, line 1: lacks the field candidates"),
        (
            ["order3", "--nbest", "bad.jsonl", "--corpus", "own.txt"],
            "--corpus makes n-best lists and --nbest reads them",
        ),
        (["order3", "--weight", "-1"], "--weight must be 0 or more, not -1.0"),
        (["order3", "--weight", "nan"], "--weight must be 0 or more, not nan"),
        (["order3", "--weight", "heavy"], "--weight must be a number, not 'heavy'"),
        (["order3", "--lists", "3"], "there must be 20 --lists and 2 --candidates or more, not 3 and 50"),
        (["order3", "--rate", "1"], "rate of errors must be above 0 and below 1, not 1.0"),
    ],
)
def test_mistakes_are_named_in_one_line(lmzoo, folder, arguments, message):
    (folder / "bad.jsonl").write_text('{"reference": "a cat"}\n')
    code, out, err = lmzoo(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
