"""`lmzoo export` and `lmzoo import`, as a person meets them."""

import gzip
import hashlib
import json
from pathlib import Path

import pytest
import typer

from lmzoo import _terminal, store, tokenizer
from lmzoo._exchange import export_run, import_file
from lmzoo.models.ngram import Ngram
from lmzoo.models.uniform import Uniform

GOLDEN = Path(__file__).with_name("golden.arpa")
TEXT = "the cat sat on the mat\nthe dog sat on the cat\n" * 5


@pytest.fixture
def lmzoo(capsys, tmp_path, monkeypatch):
    """Call a command; gives (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    app = typer.Typer(cls=_terminal.Commands, pretty_exceptions_enable=False)
    app.command("export")(export_run)
    app.command("import")(import_file)

    def call(*arguments):
        with pytest.raises(SystemExit) as stop:
            _terminal.run(app, [str(argument) for argument in arguments])
        return (stop.value.code, *capsys.readouterr())

    return call


@pytest.fixture
def run(lmzoo):
    return made("run", "split")


def made(folder, spec, model=None):
    text = tokenizer.train(spec, TEXT, spec == "split")
    ids = text.encode(TEXT)
    return store.save((model or Ngram(3)).fit(ids, ids, text.vocab_size), text, folder)


def test_a_run_goes_out_and_comes_back(lmzoo, run):
    assert lmzoo("export", run, "out.arpa.gz")[0] == 0
    assert lmzoo("import", "out.arpa.gz", "--out", "back")[0] == 0
    (model, words), (again, words_again) = store.load(run), store.load("back")
    ids = words.encode("the dog sat\n")
    assert words_again.encode("the dog sat\n").tolist() == ids.tolist()
    assert again.log_probs(ids)[0].tolist() == model.log_probs(ids)[0].tolist()


def test_export_says_what_is_in_the_file_and_in_which_unit(lmzoo, run):
    code, out, err = lmzoo("export", run, "out.arpa")
    lines = Path("out.arpa").read_text().splitlines()
    announced = sum(int(line.split("=")[1]) for line in lines if line.startswith("ngram "))
    size = Path("out.arpa").stat().st_size
    assert (code, err) == (0, "")
    assert out == f"wrote out.arpa: {announced} n-grams of order 1 to 3, {size:,} bytes; log10 p\n"


def test_export_says_how_pieces_of_text_are_spelled(lmzoo):
    made("chars", "char")
    assert "char tokens are written as words: a space is ▁" in lmzoo("export", "chars", "out.arpa")[1]


def test_export_as_json(lmzoo, run):
    facts = json.loads(lmzoo("export", run, "out.arpa", "--json")[1])
    assert facts.keys() == {"run", "file", "ngrams", "bytes"}
    assert f"ngram 2={facts['ngrams'][1]}\n" in Path("out.arpa").read_text()


def test_import_says_where_the_model_is_from(lmzoo):
    Path("kenlm.arpa").write_bytes(GOLDEN.read_bytes())
    facts = json.loads(lmzoo("import", "kenlm.arpa", "--out", "run", "--json")[1])
    assert facts["imported_from"] == str(Path("kenlm.arpa").absolute())
    assert facts["imported_sha256"] == hashlib.sha256(GOLDEN.read_bytes()).hexdigest()
    assert facts["config"]["order"] == 3
    assert facts["ngrams"] == 179  # 23 + 67 + 90, but <s> and </s> are one
    assert store.read_provenance("run") == {key: value for key, value in facts.items() if key != "run"}


def test_import_shows_remarks(lmzoo):
    text = GOLDEN.read_text().replace("-0.97420347\t</s>", "-3\t</s>")
    Path("odd.arpa").write_text(text)
    code, out, _ = lmzoo("import", "odd.arpa", "--out", "run")
    assert code == 0
    assert "179 n-grams of order 1 to 3 over 22 words" in out
    assert "note: no distribution: the probabilities" in out


def test_import_for_texts_with_a_space_before_every_word(lmzoo):
    assert lmzoo("import", GOLDEN, "--out", "run", "--layout", "leading")[0] == 0
    assert store.load("run")[1].decode([1, 21]) == " the \n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("export", "missing", "out.arpa"), "no run at missing"),
        (("export", "run", "there"), "there exists already: choose another name, or give --overwrite"),
        (("export", "run", "run"), "run is a folder: name a file in it, as in run/model.arpa"),
        (("export", "run", "no/out.arpa"), "no/out.arpa cannot be written: there is no folder no"),
        (
            ("export", "uniform", "out.arpa"),
            "uniform: only an ngram or a gpt can be exported, and this is a uniform",
        ),
        (("export", "stupid", "out.arpa"), "stupid-backoff gives scores that do not sum to one"),
        (("import", "missing.arpa", "--out", "new"), "missing.arpa cannot be read: No such file or directory"),
        (("import", "run", "--out", "new"), "run: config.json has no model_type, not 'gpt2'"),
        (("import", "there", "--out", "new"), "there, line 1: the file ends here and has no \\data\\ line"),
        (("import", "cut.arpa.gz", "--out", "new"), "line 1: the compressed file is damaged or cut short"),
        (("import", "there", "--out", "run"), "run exists already: choose another --out, or give --overwrite"),
        (("import", "there", "--out", "new", "--layout", "plane"), "no layout 'plane'; did you mean plain?"),
    ],
)
def test_what_cannot_be_is_said_in_one_line_and_leaves_nothing(lmzoo, run, arguments, says):
    made("uniform", "split", Uniform())
    made("stupid", "split", Ngram(2, "stupid-backoff"))
    Path("there").write_text("hello")
    Path("cut.arpa.gz").write_bytes(gzip.compress(GOLDEN.read_bytes())[:500])
    before = sorted(Path().iterdir())
    code, out, err = lmzoo(*arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert err.startswith("lmzoo: ") and err.count("\n") == 1
    assert sorted(Path().iterdir()) == before


def test_overwrite_replaces_what_is_there(lmzoo, run):
    Path("out.arpa").write_text("old")
    assert lmzoo("export", run, "out.arpa", "--overwrite")[0] == 0
    assert lmzoo("import", "out.arpa", "--out", run, "--overwrite")[0] == 0
    assert store.load(run)[0].smoothing == "arpa"
