"""The commands that make committed reports: run whole, on a text small enough, and held to what they claim."""

import ast
import importlib.util
import json
import random
from pathlib import Path

import numpy as np
import pytest

from lmzoo.data import corpus
from lmzoo.interface import Data
from lmzoo.models.ngram import Ngram
from lmzoo.ngrams.smoothing import SMOOTHINGS
from tests.processes import Started

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
WORDS = [f"{first}{second}" for first in "bcdfghklmnprst" for second in ("a", "ade", "e", "ing", "o", "ore", "u", "um")]


def script(name, *arguments):
    """(exit code, stdout, stderr) of `python benchmarks/NAME.py ARGUMENTS`, in a process of its own."""
    path = str(BENCHMARKS / f"{name}.py")
    code = f"import runpy, sys; sys.path.insert(0, {str(BENCHMARKS)!r}); sys.argv[0] = {path!r}; "
    process = Started(arguments, f"{code}runpy.run_path({path!r}, run_name='__main__')")
    out, error = process.communicate(600)
    return process.returncode, out, error


def smoothing(*arguments, folder):
    return script("smoothing", *arguments, "--out", folder)


def chatter(size):
    """So many words, each one of three that may follow the one before: something that order 2 can learn."""
    dice, words = random.Random(0), [0]
    while len(words) < size:
        words.append((7 * words[-1] + dice.choice((1, 1, 2, 5))) % len(WORDS))
    return " ".join(WORDS[word] + ("\n" if i % 9 == 0 else "") for i, word in enumerate(words))


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """What the command leaves, refitted: long enough for intervals, which want ten blocks of 2,000 characters."""
    folder = tmp_path_factory.mktemp("smoothing")
    (folder / "chatter.txt").write_text(chatter(105_000), encoding="utf-8")
    settings = ("--orders", "1-3", "--repeats", "1", "--refit", "--tokenizer", "word:200")
    code, _, error = smoothing(folder / "chatter.txt", *settings, folder=folder / "report")
    assert code == 0, error
    return folder / "report"


@pytest.fixture(scope="module")
def rows(report):
    results = json.loads((report / "results.json").read_text(encoding="utf-8"))
    return {(row["smoothing"], row["order"]): row for row in results["rows"]}


def test_every_smoothing_that_can_be_fitted_has_a_row_at_every_order(rows):
    more = {"add-one", "katz-cutoffs", "classes"}
    names = {name for name, _ in rows}
    assert names == set(SMOOTHINGS) - {"arpa"} | more
    assert {order for _, order in rows} == {1, 2, 3}
    assert len(rows) == 3 * len(names)


def test_what_has_no_bits_says_why(rows):
    assert "a probability of zero" in rows["ml", 3]["error"]
    assert "do not sum to one" in rows["stupid-backoff", 2]["error"]
    assert "200 classes for" in rows["classes", 2]["error"]
    for row in rows.values():
        assert (row["test"] is None) == (row["error"] is not None)


def test_a_row_has_figures_with_intervals_size_and_seconds(rows):
    row = rows["modified-kneser-ney", 2]
    assert row["test"]["perplexity_per_token"] == pytest.approx(2 ** row["test"]["bits_per_token"])
    assert row["test"]["interval"][0] < row["test"]["bits_per_token"] < row["test"]["interval"][1]
    low, high = row["test"]["interval_per_character"]
    assert low < row["test"]["bits_per_character"] < high
    assert row["fit_seconds"] > 0
    assert row["bytes"] > 4 * row["size"] > 0


def test_differences_are_those_of_the_figures_and_paired(rows):
    row, base = rows["witten-bell", 3], rows["jelinek-mercer", 3]
    apart = row["test"]["bits_per_token"] - base["test"]["bits_per_token"]
    assert row["minus_baseline"]["delta"] == pytest.approx(apart, abs=1e-9)
    low, high = row["minus_baseline"]["interval"]
    assert low < apart < high
    assert high - low < np.ptp(row["test"]["interval"])  # as the same blocks are as hard for both
    assert min(r["minus_best"]["delta"] for (_, order), r in rows.items() if order == 3 and r["test"]) == 0
    assert row["minus_shorter"]["delta"] == pytest.approx(
        row["test"]["bits_per_token"] - rows["witten-bell", 2]["test"]["bits_per_token"], abs=1e-9
    )
    assert rows["witten-bell", 1]["minus_shorter"] is None


def test_add_k_has_the_k_that_validation_text_prefers(rows):
    for order in (1, 2, 3):
        chosen, one = rows["add-k", order], rows["add-one", order]
        assert chosen["valid"]["bits"] <= one["valid"]["bits"]
        assert chosen["k"] <= 1


def test_the_page_has_findings_tables_figures_and_how_it_was_made(report):
    page = (report / "README.md").read_text(encoding="utf-8")
    assert "The validation text chooses" in page
    for heading in ("Perplexity of the test text", "Difference from Jelinek–Mercer", "Every figure", "How this was"):
        assert f"## {heading}" in page
    assert "| modified Kneser–Ney | 3 |" in page
    assert "python benchmarks/smoothing.py" in page
    assert "--refit" in page
    for figure in ("curves", "differences"):
        assert f"]({figure}.png)" in page
        png = (report / f"{figure}.png").read_bytes()
        assert png.startswith(b"\x89PNG")
        assert 10_000 < len(png) < 300_000
        assert b"<svg" in (report / f"{figure}.svg").read_bytes()


def test_what_cannot_work_is_one_line(tmp_path):
    code, _, error = smoothing("no such corpus", folder=tmp_path / "report")
    assert code == 1
    assert error.startswith("smoothing.py: no corpus, file or folder")
    assert "Traceback" not in error
    assert smoothing("ptb", "--orders", "3-1", folder=tmp_path / "report")[0] == 2
    assert not (tmp_path / "report").exists()


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "flags", "order", "within"), [("ptb", [], 3, 0.0006), ("shakespeare", ["--refit"], 5, 0.0008)]
)
def test_figures_are_those_of_others(name, flags, order, within, tmp_path):
    """The published and KenLM's, to the digits that they were printed with (and 192 symbols more: see the notes)."""
    code, _, error = smoothing(name, "--orders", str(order), "--repeats", "1", *flags, folder=tmp_path)
    assert code == 0, error
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    ours = {row["smoothing"]: row["test"] for row in results["rows"]}
    theirs = json.loads((BENCHMARKS / "smoothing_published.json").read_text(encoding="utf-8"))[name]
    compared = [row for row in theirs["rows"] if row["order"] == order]
    assert compared
    for row in compared:
        digits = 0.5 * 10 ** -len(row["figure"].partition(".")[2])
        figure = ours[row["smoothing"]][theirs["unit"]]
        assert figure == pytest.approx(float(row["figure"]), abs=max(within, 1.01 * digits)), row["who"]
    assert "## Beside others' figures" in (tmp_path / "README.md").read_text(encoding="utf-8")


@pytest.mark.data
@pytest.mark.parametrize("order", [2, 5, 7])
def test_what_kenlm_has_less_of_is_vocabulary(order):
    """With the characters of the training text and `end` alone, Tiny Shakespeare has KenLM's bits to the last digit."""
    text = corpus.load("shakespeare", refit=True)
    kinds = sorted(set(text.train))
    train, test = (np.array([kinds.index(c) for c in part], dtype=np.int32) for part in (text.train, text.test))
    bits = -Ngram(order).fit(Data.of(train, train[:0], len(kinds) + 1)).log_probs(test)[0].mean() / np.log(2)
    theirs = json.loads((BENCHMARKS / "smoothing_published.json").read_text(encoding="utf-8"))["shakespeare"]["rows"]
    assert f"{bits:.4f}" == next(row["figure"] for row in theirs if row["order"] == order)


def test_what_wants_a_gpu_can_be_rehearsed_without_one(tmp_path):
    code, _, error = script("gpu", "--rehearse", "--out", tmp_path / "gpu.json")
    assert code == 0, error
    results = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    parts = ["agreement", "gpt2", "lstm", "profile", "associations", "sharded", "rates", "race", "awd", "books"]
    assert not [results[part]["error"] for part in parts if "error" in results[part]]
    assert results["rehearsal"]
    assert results["books"]["bits_per_character"] < 8
    assert results["race"]["lmzoo"]["losses"]
    assert 1 < results["awd"]["perplexity"] < 1000
    assert max(results["sharded"][name] for name in ("gpt", "llama", "speedrun")) < 1e-5
    assert set(results["agreement"]) == {"mlp", "rnn", "lstm", "gpt", "llama", "speedrun", "seconds"}


@pytest.mark.parametrize("script", sorted(BENCHMARKS.glob("*.py")), ids=lambda path: path.stem)
def test_every_name_that_a_benchmark_imports_exists(script):
    """Also inside functions, where a name that has moved would be missed only when the benchmark is run."""
    imports = [node for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))) if is_ours(node)]
    for node in imports:
        module = importlib.import_module(node.module)
        for alias in node.names:
            assert hasattr(module, alias.name) or importlib.util.find_spec(f"{node.module}.{alias.name}"), alias.name


def is_ours(node):
    return isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "lmzoo"
