"""`lmzoo compare --words`: the word tests are fetched first, asked of the vectors, and only when asked for."""

import inspect
import json
from pathlib import Path

import pytest
import typer

from lmzoo.cli.compare import compare_models
from lmzoo.cli.console import Commands
from lmzoo.cli.console import run as run_commands
from lmzoo.comparison import compare
from lmzoo.compression import codec
from lmzoo.data import corpus as corpora
from lmzoo.data import task_cards
from lmzoo.errors import DownloadError, UsageError
from lmzoo.report import page

TEXT = "the cat sat on the mat\na dog lay on a rug\nthe dog sat on a mat\na cat lay on the rug\n" * 30
WORD_TESTS = {"EN-MEN-TR-3k": "cat\tdog\t9\nmat\trug\t8\ncat\trug\t1\nsun\tmoon\t5\n"}


@pytest.fixture
def lmzoo(capsys, tmp_path, monkeypatch):
    """Call `lmzoo compare` of one model on a text of one's own: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.txt").write_text(TEXT, encoding="utf-8")
    app = typer.Typer(cls=Commands)
    app.command("compare")(compare_models)
    app.command("another")(lambda: None)

    def call(*arguments, models=("svd:dimensions=3,min_count=1",), out=("--out", "out")):
        settings = ["--corpus", "own.txt", "--tokenizer", "split", *out, "--quiet"]
        with pytest.raises(SystemExit) as exit_:
            run_commands(app, ["compare", *models, *settings, *arguments])
        return exit_.value.code, *capsys.readouterr()

    return call


def test_words_are_asked_for_by_a_flag(lmzoo, monkeypatch, tmp_path):
    monkeypatch.setattr(task_cards, "fetch", lambda name, *_: WORD_TESTS if name == "words" else None)
    code, out, _ = lmzoo("--words", "--json")
    assert code == 0
    (row,) = json.loads(out)["word_tests"]["rows"]
    assert (row["sets"]["MEN"]["pairs"], row["sets"]["MEN"]["unknown"]) == (3, 1)
    assert "(3 of 4)" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_without_the_flag_nothing_is_fetched(lmzoo, monkeypatch):
    def refuse(*_):
        raise AssertionError("nobody asked for a download")

    monkeypatch.setattr(task_cards, "fetch", refuse)
    code, out, _ = lmzoo("--json")
    assert code == 0
    assert "word_tests" not in json.loads(out)


def test_a_failed_download_is_said_before_anything_is_trained(lmzoo, monkeypatch, tmp_path):
    def fail(*_):
        raise DownloadError("EN-MEN-TR-3k.txt could not be fetched")

    monkeypatch.setattr(task_cards, "fetch", fail)
    code, _, error = lmzoo("--words")
    assert code == 1
    assert "could not be fetched" in error
    assert not (tmp_path / "out" / "runs").exists()


def test_a_report_on_other_models_is_replaced_only_when_asked(lmzoo, tmp_path):
    results = tmp_path / "out" / "results.json"
    results.parent.mkdir()
    facts = {"name": "own.txt", "sha256": corpora.load(tmp_path / "own.txt").sha256}
    results.write_text(before := json.dumps({"corpus": facts, "models": ["lstm"]}), encoding="utf-8")
    code, _, error = lmzoo(models=["uniform", "ngram:order=2"])
    assert code == 2
    assert error == (
        "lmzoo: out has a report on lstm, not on uniform, ngram:order=2: --overwrite replaces it, another --out leaves "
        "it\n"
    )
    assert results.read_text("utf-8") == before
    assert [*results.parent.iterdir()] == [results]  # it was refused before anything was trained
    assert lmzoo("--overwrite", models=["uniform"])[0] == 0
    assert json.loads(results.read_text("utf-8"))["models"] == ["uniform"]


def test_models_that_are_named_have_a_folder_of_their_own(lmzoo, monkeypatch):
    monkeypatch.setattr(page, "render", lambda *_: {"index.html": b""})
    code, out, _ = lmzoo(models=["uniform", "ngram:order=2"], out=())
    assert code == 0
    assert f"report: {Path('reports/own-uniform-ngram-order-2/index.html')}" in out


def test_ctrl_c_says_how_to_go_on(lmzoo, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt("interrupted at step 7; give --resume")

    monkeypatch.setattr(compare, "compare", interrupt)
    code, _, error = lmzoo()
    assert code == 130
    assert "the same command goes on from what is finished" in error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--preset", "laptop"], "--preset says which models to compare, and so do you"),
        (["--seeds", "0"], "--seeds must be 1 to 100, not 0"),
        (["--seeds", "x"], "--seeds must be a whole number"),
        (["--transfer"], "--transfer takes labels that a grammar wrote, as of storyworld, and own.txt has none"),
    ],
)
def test_what_does_not_go_together_is_said_at_once(lmzoo, words, said):
    code, _, error = lmzoo(*words)
    assert (code, said in error) == (2, True), error


def test_a_missing_coder_is_said_before_anything_is_trained(lmzoo, monkeypatch, tmp_path):
    def missing():
        raise UsageError("compressing needs the package constriction, which is not installed")

    monkeypatch.setattr(codec, "need_coder", missing)
    code, _, error = lmzoo("--certify")
    assert code == 2
    assert "needs the package constriction" in error
    assert not (tmp_path / "out" / "runs").exists()


def test_without_a_corpus_it_is_the_built_in_one():
    assert inspect.signature(compare_models).parameters["corpus"].default == "storyworld"
