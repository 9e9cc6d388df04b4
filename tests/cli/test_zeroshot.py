"""`lmzoo zeroshot`: tables with chance and published figures, notes, JSON and mistakes."""

import json

import pytest

from lmzoo.cli.zeroshot import ask_zeroshot
from lmzoo.data import task_cards, tokenizers
from lmzoo.errors import DownloadError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data
from lmzoo.models.ngram import Ngram
from lmzoo.models.uniform import Uniform
from lmzoo.runs import store
from tests.tasks.test_zeroshot_items import TOY_FILES

TEXT = "Who should Ann hug? He said so to the dogs, and they sang. " * 20


def save(folder, model, spec):
    made = tokenizers.train(spec, TEXT if spec == "char" else " the man \n")
    ids = made.encode(TEXT if spec == "char" else " the man \n")
    model.fit(Data.of(ids, ids, made.vocab_size))
    store.save(TextModel(model, made), folder, {"corpus": "own.txt", "corpus_path": str(folder.parent / "own.txt")})


@pytest.fixture
def lmzoo(calling, tmp_path, monkeypatch):
    """Call `lmzoo zeroshot` alone in an application of its own, beside runs: (exit code, stdout, stderr)."""
    monkeypatch.setattr(task_cards, "fetch", lambda name, mirror=None, progress=None: TOY_FILES[name])
    (tmp_path / "own.txt").write_text(TEXT * 20)
    save(tmp_path / "learned", Ngram(order=4), "char")
    save(tmp_path / "uniform", Uniform(), "char")
    save(tmp_path / "closed", Ngram(order=2), "split")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return calling(zeroshot=ask_zeroshot)


def row(out, *begins):
    """The cells of the table's row that begins with these words."""
    (line,) = [line.split() for line in out.splitlines() if line.split()[: len(begins)] == list(begins)]
    return line[len(begins) :]


def test_each_task_is_a_row_with_chance_and_a_column_for_each_run(lmzoo):
    code, out, err = lmzoo("learned", "uniform", "--tasks", "blimp,copa")
    assert (code, err) == (0, "")
    assert row(out, "BLiMP", "accuracy") == ["2", "50.0%", "100.0%", "–", "50.0%", "–"]
    assert row(out, "COPA,", "PMI", "accuracy")[:2] == ["1", "50.0%"]
    assert "overlap: the share of a test set's 8-grams that occur in the run's training text" in out


def test_a_single_run_is_shown_with_intervals(lmzoo):
    out = lmzoo("learned", "--tasks", "blimp")[1]
    assert row(out, "BLiMP", "accuracy") == ["2", "50.0%", "100.0%", "100.0%–100.0%", "–"]


def test_groups_are_shown_on_request(lmzoo):
    out = lmzoo("learned", "uniform", "--tasks", "blimp", "--parts", "phenomenon")[1]
    assert row(out, "island_effects") == ["1", "50.0%", "100.0%", "50.0%"]


def test_a_dash_has_a_note(lmzoo):
    out = lmzoo("closed", "--tasks", "copa")[1]
    assert row(out, "COPA,", "log", "P", "accuracy")[2] == "–"
    note = "closed: COPA, log P; COPA, per character; COPA, PMI; COPA, answers alone: its vocabulary is closed"
    assert note in " ".join(out.split())


def test_published_figures_say_whether_the_protocol_was_the_same(lmzoo):
    out = lmzoo("uniform", "--tasks", "winograd,cola")[1]
    (same,) = [line for line in out.splitlines() if "GPT-2 1542M" in line]
    assert same.split()[-2:] == ["yes", "0.707"]
    (other,) = [line for line in out.splitlines() if "GPT-1" in line]
    assert "no: trained on the labels" in other


def test_json_has_everything(lmzoo):
    facts = json.loads(lmzoo("learned", "--tasks", "blimp,lambada", "--limit", 1, "--json")[1])
    (run,) = facts["runs"]
    assert (run["model"], run["tokenizer"], facts["limit"]) == ("ngram", "char", 1)
    blimp, *lambada = run["grades"]
    assert (blimp["value"], blimp["chance"], blimp["items"], blimp["kind"]) == (1, 0.5, 1, "zero-shot")
    assert [grade["task"] for grade in blimp["parts"]["set"]] == ["adjunct_island"]
    assert [grade["rule"] for grade in lambada] == ["greedy", "filtered", "last-token", "perplexity"]
    assert {figure["who"] for figure in facts["published"]} >= {"GPT-2 117M", "GPT-2 1542M", "5-gram", "people"}


def test_the_training_text_is_that_of_the_provenance(lmzoo, tmp_path, monkeypatch):
    seen = {"lambada_test": json.dumps({"text": "Who should Ann hug? He said so to the dogs"})}
    monkeypatch.setattr(task_cards, "fetch", lambda name, mirror=None, progress=None: seen)
    (run,) = json.loads(lmzoo("learned", "--tasks", "lambada", "--json")[1])["runs"]
    assert {grade["overlap"] for grade in run["grades"]} == {1.0}
    (tmp_path / "own.txt").unlink()
    (run,) = json.loads(lmzoo("learned", "--tasks", "lambada", "--json")[1])["runs"]
    assert {grade["overlap"] for grade in run["grades"]} == {None}
    assert run["note"] == "its training text is not available, so the overlap is not known"


def test_a_set_that_cannot_be_downloaded_is_left_out_unless_it_was_named(lmzoo, monkeypatch):
    def fetch(name, mirror=None, progress=None):
        if name == "blimp":
            raise DownloadError("nobody has it")
        return TOY_FILES[name]

    monkeypatch.setattr(task_cards, "fetch", fetch)
    code, out, _ = lmzoo("uniform")
    assert code == 0
    assert "blimp was left out: nobody has it" in out
    assert row(out, "Winograd,", "full")
    assert lmzoo("uniform", "--tasks", "blimp") == (1, "", "lmzoo: nobody has it\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["learned", "--tasks", "blmp"], "no zero-shot task 'blmp'; did you mean blimp"),
        (["learned", "--tasks", "blimp", "--limit", "-1"], "limit must be 0"),
        (["learned", "--tasks", "blimp", "--parts", "verse"], "no parts 'verse' in blimp; there are: phenomenon, set"),
        (["learned", "--tasks", "copa", "--parts", "set"], "no parts 'set' in copa; there are: none"),
        (["nowhere", "--tasks", "copa"], "no run at nowhere"),
    ],
)
def test_mistakes_are_named_in_one_line(lmzoo, arguments, message):
    code, out, err = lmzoo(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
