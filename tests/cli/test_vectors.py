"""`lmzoo neighbours`, `analogy`, `similarity`, `odd` and `map`: what is shown, and what is said of what cannot be."""

import json

import numpy as np
import pytest

from lmzoo.analysis.word_similarity import judge, solve_analogies
from lmzoo.analysis.word_vectors import Vectors
from lmzoo.cli.app import PANELS, add_all_commands, app
from lmzoo.data import task_cards, tokenizers
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data
from lmzoo.models.svd import SVD
from lmzoo.models.uniform import Uniform
from lmzoo.runs import store

TEXT = "a cat eats fish .\na dog eats meat .\na cat drinks milk .\na dog drinks water .\nKing Arthur rules .\n" * 30
WORDS = {
    "man": [1, 0, 0],
    "woman": [1, 1, 0],
    "king": [1, 0, 1],
    "queen": [1, 1, 1],
    "King": [0.9, 0, 1.2],
    "as": [0, 1, -1],
}


@pytest.fixture
def lmzoo(calling):
    """Call a command: (exit code, stdout, stderr)."""
    add_all_commands()
    return calling(app)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Runs of svd and uniform, and a file of vectors."""
    made = tokenizers.train("split", TEXT)
    ids = made.encode(TEXT)
    folder = tmp_path_factory.mktemp("runs")
    for model in (SVD(dimensions=4), Uniform()):
        store.save(TextModel(model.fit(Data.of(ids, ids[:50], made.vocab_size)), made), folder / model.name)
    lines = [" ".join([word, *map(str, vector)]) for word, vector in WORDS.items()]
    (folder / "file.txt").write_text("\n".join(lines) + "\n")
    (folder / "broken.txt").write_text("man 1 0 0\nwoman 1 x 0\n")
    return folder


@pytest.fixture
def few_tests(monkeypatch):
    """A small task in place of the published one."""
    texts = {
        "EN-FEW": "man\twoman\t8\nman\tking\t6\nman\tas\t1\nman\tunseen\t1\n",
        "EN-NONE": "this\tthat\t2\n",
        "questions-words": ": family\nman woman king queen\nking queen man woman\n: gram1-none\nhim her his hers\n",
    }
    monkeypatch.setattr(task_cards, "fetch", lambda name, mirror, progress: texts if name == "words" else {})
    return texts


def test_neighbours_of_a_run_stand_in_a_column_for_each_word(lmzoo, folder):
    code, out, err = lmzoo("neighbours", folder / "svd", "cat", "fish", "--top", 3)
    assert (code, err) == (0, "")
    header, _, *rows = [line.split() for line in out.splitlines() if line.split()]
    assert header == ["cat", "fish"]
    assert len(rows) == 3
    expected = Vectors.of(store.load(folder / "svd")).neighbours("cat", 3)
    assert [(row[1], float(row[0])) for row in rows] == [(word, pytest.approx(c, abs=6e-4)) for word, c in expected]


def test_a_file_of_vectors_is_as_good_as_a_run(lmzoo, folder):
    found = json.loads(lmzoo("neighbours", folder / "file.txt", "king", "--top", 2, "--json")[1])
    assert found["run"] == str(folder / "file.txt")
    assert [row["word"] for row in found["neighbours"]["king"]] == ["King", "queen"]
    assert found["neighbours"]["king"][1]["cosine"] == pytest.approx(2 / np.sqrt(6))


def test_what_was_odd_in_a_file_of_vectors_is_noted_beside_the_result(lmzoo, folder):
    (folder / "odd.txt").write_text((folder / "file.txt").read_text() + "man 0 0 1\n")
    code, out, err = lmzoo("neighbours", folder / "odd.txt", "king", "--top", 2, "--json")
    assert code == 0
    assert (
        json.loads(out)["neighbours"]
        == json.loads(lmzoo("neighbours", folder / "file.txt", "king", "--top", 2, "--json")[1])["neighbours"]
    )
    said = "duplicate words, of which the first was kept: 1 ('man')"
    assert " ".join(err.split()) == f"note: {folder / 'odd.txt'}: {said}"
    assert all(len(line) <= 80 or str(folder) in line for line in err.splitlines())
    assert lmzoo("neighbours", folder / "odd.txt", "king", "--quiet")[2] == ""


def test_an_analogy_is_asked_in_words_and_answered_by_either_method(lmzoo, folder):
    code, out, err = lmzoo("analogy", folder / "file.txt", "man", "woman", "king", "--method", "both", "--top", 2)
    assert (code, err) == (0, "")
    first, header, _, *rows = [line.split() for line in out.splitlines() if line.split()]
    assert " ".join(first) == "man is to woman as king is to …"
    assert header == ["3CosAdd", "3CosMul"]
    assert rows[0][1::2] == ["queen", "queen"]
    found = json.loads(lmzoo("analogy", folder / "file.txt", "man", "woman", "king", "--json")[1])
    assert found["words"] == ["man", "woman", "king"]
    assert list(found["answers"]) == ["add"]
    assert found["answers"]["add"][0]["word"] == "queen"


def test_without_words_the_questions_are_counted_by_section(lmzoo, folder, few_tests):
    code, out, err = lmzoo("analogy", folder / "file.txt", "--method", "both")
    assert (code, err) == (0, "")
    rows = [line.split() for line in out.splitlines() if line.split()]
    assert rows[0] == ["section", "add", "right", "mul", "right", "asked", "of", "all"]
    assert ["family", "100.0%", "2", "100.0%", "2", "2", "2"] in rows
    assert ["gram1-none", "–", "0", "–", "0", "0", "1"] in rows
    assert ["total", "100.0%", "2", "100.0%", "2", "2", "3"] in rows
    assert "2 of 3 questions could be asked: their words are all among the 6 most frequent" in out


def test_fewer_words_take_part_where_that_is_asked(lmzoo, folder, few_tests):
    found = json.loads(lmzoo("analogy", folder / "file.txt", "--restrict", 3, "--json")[1])["questions"]
    words = Vectors(list(WORDS), np.array(list(WORDS.values())))
    assert found == {"add": solve_analogies(words, few_tests["questions-words"], 3)}
    assert found["add"]["total"]["questions"] == 0


def test_two_words_have_a_similarity(lmzoo, folder):
    assert lmzoo("similarity", folder / "file.txt", "man", "woman")[:2] == (0, "0.7071\n")
    found = json.loads(lmzoo("similarity", folder / "file.txt", "man", "woman", "--json")[1])
    assert found["cosine"] == pytest.approx(1 / np.sqrt(2))


def test_without_words_the_judged_pairs_are_scored(lmzoo, folder, few_tests):
    code, out, err = lmzoo("similarity", folder / "file.txt")
    assert (code, err) == (0, "")
    rows = [line.split() for line in out.splitlines()]
    facts = judge(Vectors(list(WORDS), np.array(list(WORDS.values()))), few_tests["EN-FEW"])
    assert ["FEW", f"{facts['spearman']:.3f}", f"{facts['pearson']:.3f}", "3", "4"] in rows
    assert ["NONE", "–", "–", "0", "1"] in rows
    found = json.loads(lmzoo("similarity", folder / "file.txt", "--json")[1])["sets"]
    assert found["FEW"] == pytest.approx(facts)
    assert found["NONE"]["spearman"] is None


def test_the_odd_one_out_is_named_and_all_are_ranked(lmzoo, folder):
    code, out, _ = lmzoo("odd", folder / "file.txt", "man", "woman", "as", "queen")
    assert code == 0
    assert out.startswith("as does not belong\n")
    found = json.loads(lmzoo("odd", folder / "file.txt", "king", "as", "man", "--json")[1])
    assert found["odd"] == found["words"][0]["word"] == "as"
    assert len(found["words"]) == 3


def test_a_map_is_drawn_where_it_is_asked_for(lmzoo, folder, tmp_path):
    pytest.importorskip("sklearn")
    code, out, err = lmzoo("map", folder / "file.txt", "man", "woman", "king", "--out", tmp_path / "words.svg")
    assert (code, err) == (0, "")
    assert f"{tmp_path / 'words.svg'}: 3 words by PCA, 100% of their variance" in out
    assert (tmp_path / "words.svg").read_text().startswith("<?xml")


def test_a_map_of_no_words_in_particular_shows_frequent_ones(lmzoo, folder, tmp_path):
    pytest.importorskip("sklearn")
    facts = json.loads(lmzoo("map", folder / "svd", "--out", tmp_path / "map.png", "--method", "tsne", "--json")[1])
    assert set(facts["words"]) == {"eats", "drinks", "fish", "meat", "milk", "water", "King", "Arthur", "rules"}
    assert len(facts["points"]) == len(facts["words"])
    assert (tmp_path / "map.png").exists()


@pytest.mark.parametrize("command", PANELS["Word vectors"])
def test_each_command_has_help_with_an_example(lmzoo, command):
    code, out, _ = lmzoo(command, "--help")
    assert code == 0
    assert f"lmzoo {command} " in out
    assert "Example" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["neighbours", "svd", "dgo"], "no vector for 'dgo' (perhaps dog): it must be one of the"),
        (["analogy", "file.txt", "kin", "man", "quen"], "no vector for 'kin' (perhaps king), 'quen' (perhaps queen)"),
        (["neighbours", "svd", "dog", "--top", "0"], "--top must be 1 or more, not 0"),
        (["neighbours", "svd", "dog", "--top", "ten"], "--top must be a whole number, not 'ten'"),
        (["neighbours", "svd"], "Missing argument"),
        (["neighbours", "uniform", "dog"], "uniform: uniform has no word vectors; lmzoo train svd learns some"),
        (["neighbours", "nowhere", "dog"], "no run at"),
        (["neighbours", "broken.txt", "man"], "broken.txt, line 2"),
        (["analogy", "file.txt", "man", "woman"], "an analogy takes three words"),
        (["analogy", "file.txt", "--method", "sum"], "no method 'sum'; there are: add, mul, both"),
        (["analogy", "file.txt", "--restrict", "0"], "--restrict must be 1 or more, not 0"),
        (["similarity", "file.txt", "man"], "or none for the sets of human judgments; not 1"),
        (["odd", "file.txt", "man", "king"], "three different words"),
        (["map", "file.txt", "--out", "map.gif"], "map.gif: a map is written as PNG or SVG"),
        (["map", "file.txt", "--method", "umap"], "no map 'umap'"),
        (["map", "file.txt", "--seed", "x"], "--seed must be a whole number"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(lmzoo, folder, arguments, message):
    command, run, *rest = arguments
    code, out, err = lmzoo(command, folder / run, *rest)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
