"""`lmzoo score`: sentences sorted by their bits, pairs, files, notes, JSON and mistakes."""

import json

import pytest

from lmzoo.cli.score import score_sentences
from lmzoo.data import tokenizers
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data
from lmzoo.models.ngram import Ngram
from lmzoo.models.uniform import Uniform
from lmzoo.runs import store

TEXT = "the cat sat. the dog sat. the hyena ran. " * 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Runs of one text: a trigram, an unsmoothed bigram, and the uniform distribution."""
    place = tmp_path_factory.mktemp("score")
    tokenizer = tokenizers.train("word:50", TEXT)
    ids = tokenizer.encode(TEXT)
    models = {"trigram": Ngram(order=3), "zero": Ngram(order=2, smoothing="ml"), "uniform": Uniform()}
    for name, model in models.items():
        store.save(TextModel(model.fit(Data.of(ids, ids, tokenizer.vocab_size)), tokenizer), place / name, {})
    return place


@pytest.fixture
def lmzoo(calling, monkeypatch, folder):
    """Call `lmzoo score` alone in an application of its own: (exit code, stdout, stderr)."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")
    return calling(score=score_sentences)


def rows(out, end="."):
    """The sentence and the figures of each row of the tables."""
    cut = [line.split() for line in out.splitlines() if line.startswith((" the ", " a ")) or line[1:2].isdigit()]
    return [cells for cells in cut if any(cell.replace(",", "").replace(".", "").isdigit() for cell in cells)]


def test_sentences_are_sorted_by_their_bits_with_the_difference_to_the_likeliest(lmzoo):
    code, out, err = lmzoo("trigram", "the hyena sat.", "the cat sats.", "the cat sat.")
    assert (code, err) == (0, "")
    first, second, third = rows(out)
    assert [" ".join(row[:3]) for row in (first, second, third)] == ["the cat sat.", "the hyena sat.", "the cat sats."]
    assert len(first) == 6  # no difference
    assert float(second[3]) - float(first[3]) == pytest.approx(float(second[-1]), abs=0.11)
    assert "note: not in its vocabulary and spelled in bytes: sats" in out
    assert "  the " in out and "␣cat " in out
    assert max(map(len, out.splitlines())) <= 80


def test_all_runs_are_scored_at_once_and_json_has_every_token(lmzoo):
    facts = json.loads(lmzoo("trigram", "uniform", "the cat sat.", "the cat sats.", "--json")[1])
    trigram, uniform = facts["runs"]
    assert [one["text"] for one in trigram["sentences"]] == ["the cat sat.", "the cat sats."]
    best, other = uniform["sentences"]
    assert best["bits"] == pytest.approx(sum(bits for _, bits in best["tokens"]))
    assert other["difference"] == pytest.approx(other["bits"] - best["bits"])
    # of the uniform distribution each token has as many bits: 4 tokens, or 4 of five letters and a space more
    assert best["bits_per_token"] == pytest.approx(other["bits_per_token"])
    assert other["unknown"] == ["sats"]


def test_pairs_are_compared_two_and_two(lmzoo):
    sentences = ["the cat sat.", "the cat ran.", "the cat sat.", "the cat sat.", "the cat ran.", "the dog sat."]
    code, out, _ = lmzoo("trigram", "--pairs", *sentences)
    assert code == 0
    assert "the first sentence is the likelier one in 1 of 3 pairs" in out
    (run,) = json.loads(lmzoo("trigram", "--pairs", *sentences, "--json")[1])["runs"]
    assert [pair["preferred"] for pair in run["pairs"]] == ["first", "neither", "second"]
    assert run["pairs"][0]["difference"] == pytest.approx(
        run["pairs"][0]["second"]["bits"] - run["pairs"][0]["first"]["bits"]
    )
    code, _, err = lmzoo("trigram", "--pairs", "the cat sat.")
    assert (code, err) == (2, "lmzoo: --pairs compares sentences two and two: there are 1\n")


def test_a_file_has_a_sentence_a_line_or_two_with_a_tab_between(lmzoo, tmp_path):
    (tmp_path / "one").write_text("the cat sat.\n\nthe hyena sat.\n")
    out = lmzoo("trigram", "--file", tmp_path / "one")[1]
    assert [" ".join(row[:3]) for row in rows(out)] == ["the cat sat.", "the hyena sat."]
    (tmp_path / "two").write_text("the cat sat.\tthe cat ran.\n")
    assert "in 1 of 1 pairs" in lmzoo("trigram", "--file", tmp_path / "two")[1]
    (tmp_path / "bad").write_text("the cat sat.\tthe cat ran.\nthe cat sat.\n")
    code, _, err = lmzoo("trigram", "--file", tmp_path / "bad")
    assert code == 2
    assert "bad, line 2: a pair is two sentences with one tab between, not 1" in err
    code, _, err = lmzoo("trigram", "--file", tmp_path / "none")
    assert code == 2 and "none" in err


def test_what_is_impossible_has_infinite_bits(lmzoo):
    out = lmzoo("zero", "the cat ran.", "the cat sat.")[1]
    assert "∞" in out
    (run,) = json.loads(lmzoo("zero", "the cat ran.", "the cat sat.", "--json")[1])["runs"]
    assert [one["text"] for one in run["sentences"]] == ["the cat sat.", "the cat ran."]
    assert run["sentences"][1]["bits"] is None
    assert run["sentences"][1]["difference"] is None


def test_after_is_read_and_not_scored(lmzoo):
    (alone,) = json.loads(lmzoo("trigram", "cat sat.", "--json")[1])["runs"]
    (behind,) = json.loads(lmzoo("trigram", "cat sat.", "--after", "the", "--json")[1])["runs"]
    names = [name for name, _ in behind["sentences"][0]["tokens"]]
    assert names == [" cat", " sat", "."]
    assert behind["sentences"][0]["bits"] < alone["sentences"][0]["bits"]


def test_tokens_are_shown_of_a_few_sentences_or_when_asked_for(lmzoo):
    code, out, _ = lmzoo("trigram", "the cat sat.", "--no-tokens")
    assert code == 0 and "the cat sat." in out and "␣cat" not in out
    many = [f"the cat sat{'.' * n}" for n in range(11)]
    assert "␣cat" not in lmzoo("trigram", *many)[1]
    assert "␣cat" in lmzoo("trigram", *many, "--tokens")[1]


def test_a_run_in_the_folder_of_runs_is_found_by_its_name(lmzoo, tmp_path, monkeypatch, folder):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "mine").symlink_to(folder / "trigram")
    monkeypatch.chdir(tmp_path)
    (run,) = json.loads(lmzoo("mine", "the cat sat.", "--json")[1])["runs"]
    assert run["run"] == "runs/mine"


def test_mistakes_are_one_line(lmzoo):
    assert lmzoo("nothing", "the cat sat.")[0] == 2
    assert "no run at runs/nothing" in lmzoo("trigram", "runs/nothing", "the cat sat.")[2]
    assert lmzoo("trigram")[::2] == (2, "lmzoo: give sentences behind the runs or a --file of them\n")
