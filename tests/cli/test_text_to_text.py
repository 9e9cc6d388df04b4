"""A task as text, from a file of pairs to its answers: `lmzoo train t5 --goal pairs`, generate, fill, eval."""

import json
from pathlib import Path

import pytest

from lmzoo.cli.eval import evaluate_runs
from lmzoo.cli.fill import fill_blanks
from lmzoo.cli.generate import generate_text
from lmzoo.cli.main import main
from lmzoo.runs import store

PAIRS = "".join(f"is {a} {b}?\t{'yes' if a == b else 'no'}\n" for _ in range(40) for a in "abc" for b in "abc")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("t5")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("pairs.txt").write_text(PAIRS)
        sizes = "--layers 1 --heads 2 --width 16 --window 16 --sentinels 4 --batch 8"
        given = f"train t5 {sizes} --corpus pairs.txt --tokenizer word:40 --lines --quiet"
        for more in ("--budget 5steps --out spans",
                     "--goal pairs --learning-rate 2e-2 --budget 90steps --out answers"):  # fmt: skip
            with pytest.raises(SystemExit) as end:
                main(f"{given} {more}".split())
            assert end.value.code == 0
    return folder


@pytest.fixture
def lmzoo(calling, runs, monkeypatch):
    monkeypatch.chdir(runs)
    return calling(fill=fill_blanks, generate=generate_text, eval=evaluate_runs)


def test_a_task_is_learned_as_text(lmzoo):
    text_model = store.load("answers")
    for source, answer in (("is a a?", "yes"), ("is b c?", "no")):
        code, out, err = lmzoo("generate", "answers", "--prompt", source, "--top-k", "1")
        assert (code, out.strip(), err) == (0, answer, "")
        assert text_model.log_prob(answer, given=source) > -1
    facts = json.loads(lmzoo("generate", "answers", "--prompt", "is a a?", "--top-k", "1", "--json")[1])
    assert facts["text"] == "yes"


def test_spans_are_written_into_blanks_and_what_cannot_be_is_said_in_a_line(lmzoo):
    code, out, err = lmzoo("fill", "spans", "is [MASK] b? [MASK]")
    assert (code, err) == (0, "") and out.count("[MASK]") >= 2
    assert len(json.loads(lmzoo("fill", "spans", "is [MASK] b? [MASK]", "--json")[1])["spans"]) == 2
    for words, message in (
        (("fill", "spans", "[MASK] " * 4), "4 blanks need 5 sentinels, and this t5 has 4: leave out fewer spans"),
        (("fill", "spans", "is a b?"), "write [MASK] for each"),
        (("generate", "spans", "--beam", "2"), "of a text-to-text model take --top-k 1"),
        (("eval", "spans", "--corpus", "pairs.txt"), "gives no probability to a text"),
    ):
        code, out, err = lmzoo(*words)
        assert (code, out, err.count("\n")) == (2, "", 1), err
        assert message in err
