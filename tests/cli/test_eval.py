"""The line that says what a text was split into, in `train`, `eval` and `compare`; and texts of lines."""

import json
import random
import re
from pathlib import Path

import pytest

from lmzoo.cli.main import main
from lmzoo.comparison import entry
from lmzoo.data import corpus as corpora
from lmzoo.interface import Run
from lmzoo.neural import parts
from lmzoo.runs import store
from lmzoo.runs import train as training
from lmzoo.runs.cache import ResultCache


@pytest.fixture
def lmzoo(tmp_path, monkeypatch, capsys):
    """Call `lmzoo` in this process, in a folder with 400 words, one a line: what it printed."""
    monkeypatch.chdir(tmp_path)
    rng = random.Random(0)
    words = ["".join(rng.choices("aeioulnrst", k=rng.randint(3, 8))) for _ in range(400)]
    (tmp_path / "words.txt").write_text("\n".join(words) + "\n")
    (tmp_path / "more.txt").write_text("\n".join(word[::-1] for word in words[:60]) + "\n")

    def call(words):
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main(words.split())
        assert not exit_.value.code, capsys.readouterr().err
        return capsys.readouterr().out

    return call


def said(out, name):
    """The line about the split, which is wrapped at 80 characters, as one."""
    lines = out.split("\n")
    first = next(n for n, line in enumerate(lines) if line.startswith(f"{name}: "))
    more = lines[first + 1 :]
    wrapped = [lines[first], *more[: next(n for n, line in enumerate(more) if not re.match(r"  \S", line))]]
    assert all(len(line) <= 80 for line in wrapped)
    return " ".join(line.strip() for line in wrapped).strip()


RULE = "first 90 % of characters train, next 5 % validation, last 5 % test, cut at line ends"


def test_train_and_eval_say_the_split_its_sizes_and_its_rule(lmzoo):
    trained = lmzoo("train ngram --corpus words.txt --out run --quiet")
    provenance = store.read_provenance(Path("run"))
    sizes = provenance["split_sizes"]
    assert {split: size["lines"] for split, size in sizes.items()} == {"train": 362, "valid": 19, "test": 19}
    characters = " / ".join(f"{size['characters']:,}" for size in sizes.values())
    split = f"train / validation / test: {characters} characters, 362 / 19 / 19 lines; {RULE}"
    assert said(trained, "words.txt") == f"words.txt: {split}"
    assert said(lmzoo("eval run --quiet"), "words.txt") == f"words.txt: its test text is scored; {split}"


def test_the_same_as_json(lmzoo):
    facts = json.loads(lmzoo("train uniform --corpus words.txt --out run --quiet --json"))
    (row,) = json.loads(lmzoo("eval run --quiet --json"))
    assert (facts["split"], facts["split_sizes"]) == (row["split_rule"], row["split_sizes"])
    assert (facts["split"], facts["lines"], facts["protocol"]) == (RULE, False, "stream")
    assert (row["split"], row["split_why"]) == ("test", "")
    (row,) = json.loads(lmzoo("eval run --corpus more.txt --quiet --json"))
    assert (row["split"], row["split_why"]) == ("all", "the run was not trained on it")
    assert row["characters"] == len(Path("more.txt").read_text())


def test_a_file_that_is_new_to_the_run_is_scored_whole_and_the_split_can_be_said(lmzoo):
    lmzoo("train ngram --corpus words.txt --out run --quiet")
    size = len(Path("more.txt").read_text())
    new = f"more.txt: all of it is scored (the run was not trained on it): {size} characters, 60 lines"
    assert said(lmzoo("eval run --corpus more.txt --quiet"), "more.txt") == new
    asked = said(lmzoo("eval run --corpus more.txt --split test --quiet"), "more.txt")
    assert asked.startswith("more.txt: its test text is scored (as asked for); train / validation / test: ")


def test_of_two_runs_one_may_have_been_trained_on_the_file(lmzoo):
    for name in ("words", "more"):
        lmzoo(f"train ngram --order 2 --corpus {name}.txt --out {name} --quiet")
    out = lmzoo("eval words more --corpus more.txt --quiet")
    assert "more.txt: all of it is scored (the run was not trained on it)" in out
    assert "more.txt: its test text is scored (the run was trained on the rest of it)" in out
    mixed = lmzoo("eval words more --corpus more.txt --mix --quiet")  # weights are fitted on the validation text
    assert "all of it" not in mixed


@pytest.mark.parametrize("model", ["ngram --order 3", "gpt --preset tiny --budget 20steps"])
def test_lines_are_trained_on_and_scored_one_by_one(lmzoo, model):
    out = lmzoo(f"train {model} --lines --corpus words.txt --out run --quiet")
    assert said(out, "words.txt").endswith("; one line is one text")
    provenance = store.read_provenance(Path("run"))
    assert (provenance["lines"], provenance["protocol"]) == (True, "lines")
    for corpus in ("", "--corpus more.txt"):
        (row,) = json.loads(lmzoo(f"eval run {corpus} --quiet --json"))
        assert row["protocol"] == "lines"


def test_a_recurrent_network_reads_a_long_text_by_parts_and_with_exact_in_order(lmzoo, monkeypatch):
    for name, value in {"SHORTEST": 16, "LEAST": 64, "STEP": 8}.items():
        monkeypatch.setattr(parts, name, value)
    spans, original = [], parts._read_span
    monkeypatch.setattr(parts, "_read_span", lambda *given: spans.append(1) or original(*given))
    lmzoo("train lstm --preset tiny --corpus words.txt --budget 5steps --out run --quiet")
    spans.clear()
    by_parts, exact = (json.loads(lmzoo(f"eval run --quiet --json {flag}"))[0]["bits"] for flag in ("", "--exact"))
    assert exact == pytest.approx(by_parts, rel=1e-6)
    assert len(spans) == 1  # of the first
    text = training.encode(corpora.load("words.txt"), None, Run())
    cache = ResultCache(Path("kept"))
    scored = [entry.enter("run", text, Path("runs"), Run(exact=exact), cache) for exact in (False, True, True)]
    assert [one.row.error for one in scored] == [None, None, None]
    assert len(spans) == 2  # a comparison caches both, each for itself
    assert len({one.score.bits for one in scored[1:]}) == 1


def test_compare_says_its_split_and_reuses_no_rows_of_lines(lmzoo):
    (row,) = json.loads(lmzoo("compare uniform --lines --corpus words.txt --out report --quiet --json"))["rows"]
    assert (row["score"]["protocol"], row["provenance"]["lines"]) == ("lines", True)
    split = row["provenance"]["split"]
    out = said(lmzoo("compare uniform --corpus words.txt --out report --quiet"), "words.txt")
    assert out.startswith("words.txt: train / validation / test: ")
    assert out.endswith(f"characters, 362 / 19 / 19 lines; {split}")
    (again,) = json.loads(Path("report/results.json").read_text())["rows"]
    assert (again["score"]["protocol"], again["provenance"]["lines"]) == ("stream", False)
