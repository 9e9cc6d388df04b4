"""`--corpus` and the flags of its parts: what is trained on and scored is what a person said."""

import json

import pytest

from lmzoo.cli.main import main
from lmzoo.data.own_text import LEAK

LINES = "".join(f"the cat sat on mat {n % 7}\n" for n in range(300))
TEST = "the dog sat on mat 1\n" * 10


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text(LINES)
    (tmp_path / "b.txt").write_text(TEST)
    (tmp_path / "c.jsonl").write_text("".join(json.dumps({"body": line}) + "\n" for line in LINES.splitlines()))
    return tmp_path


@pytest.fixture
def lmzoo(here, capsys):
    """Call `lmzoo` in this process; returns what it printed, as JSON if it is, or what it refused in one line."""

    def call(words):
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main(words.split())
        out, err = capsys.readouterr()
        assert exit_.value.code == (2 if err else 0)
        assert err.count("\n") <= 1
        return err or (json.loads(out) if "--json" in words else out)

    return call


def test_a_run_is_scored_on_the_test_text_that_was_said_and_found_again(lmzoo, here, monkeypatch):
    facts = lmzoo("train ngram --order 2 --train a.txt --test b.txt --json")
    assert facts["run"] == "runs/a-ngram"
    assert facts["corpus_parts"] == {"train": str(here / "a.txt"), "test": str(here / "b.txt")}
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    (row,) = lmzoo("eval ../runs/a-ngram --json")
    assert row["characters"] == len(TEST)
    assert row["notes"] == []
    (here / "b.txt").unlink()
    assert f"was trained on {here / 'b.txt'}, which is no longer there" in lmzoo("eval ../runs/a-ngram")


def test_a_text_too_short_to_be_split_can_be_scored(lmzoo, here):
    lmzoo("train uniform --corpus a.txt")
    (here / "short.txt").write_text("the cat\n")
    (row,) = lmzoo("eval runs/a-uniform --corpus short.txt --json")
    assert (row["split"], row["characters"]) == ("all", 8)
    assert "the text to score is empty" in lmzoo("eval runs/a-uniform --corpus short.txt --split test")
    assert "has 8 characters: a corpus needs at least 20" in lmzoo("train uniform --corpus short.txt")


def test_the_field_of_json_lines(lmzoo, here):
    assert "only body: --field NAME says which is the text" in lmzoo("corpora show c.jsonl")
    shown = lmzoo("corpora show c.jsonl --field body --json")
    assert sum(count["lines"] for count in shown["counts"].values()) == 300
    assert lmzoo("train uniform --corpus c.jsonl --field body --json")["corpus_parts"]["field"] == "body"
    assert lmzoo("eval runs/c-uniform --json")[0]["notes"] == []
    assert "--field is for a text of your own" in lmzoo("train uniform --field body")


def test_a_leak_is_noted_wherever_it_matters(lmzoo, here):
    (here / "b.txt").write_text(LINES[300:600])
    leak = f"the test text is in the training text, whole: {LEAK}"
    assert lmzoo("train uniform --train a.txt --test b.txt --json")["remarks"] == [leak]
    assert lmzoo("eval runs/a-uniform --json")[0]["notes"] == [leak]
    assert f"note: {leak}" in " ".join(lmzoo("corpora show a.txt --test b.txt").split())


def test_the_default_corpus_is_not_meant_where_parts_are_said(lmzoo):
    assert "--valid and --test go with --train or --corpus" in lmzoo("train uniform --test b.txt")
    assert "names has its own split" in lmzoo("train uniform --corpus names --test b.txt")
    assert "--test nothing.txt: there is no such file" in lmzoo("train uniform --corpus a.txt --test nothing.txt")
