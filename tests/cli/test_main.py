"""The command line as a person meets it: what it prints, what it leaves behind, and what it says when it cannot."""

import functools
import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

from lmzoo import drafts, models
from lmzoo.cli.app import PANELS, add_all_commands, app
from lmzoo.cli.main import main
from lmzoo.cli.model_flags import model_command
from lmzoo.cli.train import _Train
from lmzoo.runs import store

WORDS = ["the", "cat", "sat", "on", "a", "mat", "and", "the", "dog", "ran", "off", "to", "see", "café", "😀", "trees"]
MINE = '''
from dataclasses import dataclass
import numpy as np
from lmzoo.interface import LanguageModel, check_ids

@dataclass
class Mine(LanguageModel):
    """Unigrams, [as] counted."""

    its_own_flag: float = 1.0  # what every count starts from, in (0, 1]
    fail: bool = False  # whether to fail
    reach = 0

    def fit(self, data, run=None):
        self.vocab_size_ = data.vocab_size
        counts = np.bincount(data.train, minlength=data.vocab_size) + self.its_own_flag
        self.probs_ = np.log(counts / counts.sum())
        if self.fail:
            1 / 0
        return self

    def start(self):
        return ()

    def advance(self, state, tokens):
        check_ids(tokens, self.vocab_size_)
        return ()

    def next_log_probs(self, state):
        return self.probs_
'''
SCORE = {
    "bits", "characters", "bytes", "tokens", "words", "bits_per_character", "bits_per_byte", "perplexity_per_token",
    "perplexity_per_word", "protocol", "sha256",
}  # fmt: skip


class Outcome:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def lmzoo(capsys, monkeypatch):
    """Call `lmzoo` in this process."""
    monkeypatch.delenv("COLUMNS", raising=False)

    def call(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        return Outcome(exit_.value.code, *capsys.readouterr())

    return call


@pytest.fixture
def refuses(lmzoo):
    """Call `lmzoo` with something that cannot work: one line on stderr, nothing on stdout, the right exit code."""

    def call(*arguments, says, code=2):
        outcome = lmzoo(*arguments)
        assert outcome.code == code
        assert outcome.out == ""
        assert outcome.err.startswith("lmzoo: ")
        assert outcome.err.count("\n") == 1
        for words in [says] if isinstance(says, str) else says:
            assert words in outcome.err
        return outcome

    return call


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in, with a text and a model of one's own."""
    monkeypatch.chdir(tmp_path)
    dice = random.Random(1)
    text = "".join(dice.choice(WORDS) + dice.choice([" ", " ", ". ", "\n"]) for _ in range(3000))
    (tmp_path / "own.txt").write_text(text, encoding="utf-8")
    (tmp_path / "mine.py").write_text(MINE, encoding="utf-8")
    return tmp_path


@pytest.fixture
def run(here, lmzoo):
    """A run of a bigram on that text."""
    assert lmzoo("train", "ngram", "--order", "2", "--corpus", "own.txt", "--out", "run").code == 0
    return here / "run"


def folders(path):
    return sorted(file.name for file in path.iterdir() if file.is_dir())


# ── Help ──────────────────────────────────────────────────────────────────────────────────────────


def test_commands_are_listed_as_a_newcomer_needs_them(lmzoo):
    out = lmzoo("--help").out
    titles = [f"─ {panel} ─" for panel in PANELS]
    commands = [f"│ {name} " for names in PANELS.values() for name in names]
    for shown in (titles, commands):
        places = [out.index(text) for text in shown]
        assert places == sorted(places)
    assert "─ Commands ─" not in out  # none is without a panel
    assert all(
        line[2] != " " for line in out[out.index("─ Start ─") :].splitlines() if line.startswith("│")
    )  # a line each


def test_a_command_is_a_file_that_nothing_else_names(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from lmzoo.cli.app import command\n@command('mine')\ndef mine() -> None:\n    'My own.'\n    print('yes')\n"
    )
    code = f"import lmzoo.cli; lmzoo.cli.__path__.append({str(tmp_path)!r}); from lmzoo.cli.main import main; main()"
    shown = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True).stdout
    assert "My own." in shown[shown.index("─ Commands ─") :]
    assert subprocess.run([sys.executable, "-c", code, "mine"], capture_output=True, text=True).stdout == "yes\n"


def test_without_arguments_there_is_help(lmzoo):
    outcome = lmzoo()
    assert (outcome.code, outcome.err) == (0, "")
    assert "compare" in outcome.out


def _noted(called, command, /, **_):
    called.append(command)


def test_every_help_has_examples_whose_words_and_flags_there_are(monkeypatch):
    add_all_commands()
    root = typer.main.get_command(app)
    called, examples = [], []
    trained = functools.wraps(_Train.action)(lambda *_, **__: called.append("train"))  # with the same flags
    monkeypatch.setattr(_Train, "action", staticmethod(trained))
    asked = {}
    for name, one in root.commands.items():
        within = {} if name == "train" else getattr(one, "commands", {})  # of corpora and course
        asked |= {f"{name} {part}": command for part, command in within.items()} or {name: one}
    del asked["train"]
    for name, one in asked.items():
        one.callback = functools.partial(_noted, called, name.split()[0])
    for name, one in asked.items() | {("train", root.commands["train"])}:
        found = re.findall(r"lmzoo [^;·]+", one.epilog or "")
        assert any(line.startswith(f"lmzoo {name}") for line in found), name
        examples += found
    for name in models.names():
        examples += re.findall(r"lmzoo .+", model_command(name, _Train.action, {}).epilog)
    for line in examples:
        root(shlex.split(line)[1:], standalone_mode=False)
        assert called.pop() == line.split()[1], line


def test_help_of_a_model_shows_ten_flags_and_help_all_every_one(lmzoo):
    few, every = ("train", "lstm", "--help"), ("train", "lstm", "--help-all")
    shown = [
        set(re.findall(r"│ (--[a-z0-9-]+)", lmzoo(*command).out)) - {"--help", "--help-all"} for command in (few, every)
    ]
    few, every = shown
    assert few == {"--layers", "--hidden", "--embedding", "--dropout", "--preset", "--corpus", "--tokenizer", "--out",
                   "--budget", "--seed"}  # fmt: skip
    assert few < every > {"--weight-drop", "--learning-rate", "--refit", "--json", "--mirror"}
    assert f"Show all {len(every)} flags" in lmzoo("train", "lstm", "--help").out
    assert "--smoothing" in lmzoo("train", "ngram", "--help").out
    assert "--budget" not in lmzoo("train", "ngram", "--help").out


def test_a_models_own_settings_come_first_with_their_ranges(lmzoo):
    out = lmzoo("train", "ngram", "--help").out
    assert out.index("--order") < out.index("--smoothing") < out.index("--corpus")
    assert "1 to 64" in out
    assert "modified-kneser-ney" in out


def test_help_of_a_file_of_ones_own_is_its_comments(lmzoo, here, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    out = lmzoo("train", "./mine.py", "--help").out
    assert "--its-own-flag" in out
    assert "what every count starts from, in (0, 1]" in out
    assert "[as] counted" in out


@pytest.mark.parametrize(
    "arguments", [["-c", "import lmzoo"], *(["-m", "lmzoo", c] for c in ("--help", "models", "corpora"))]
)
def test_what_needs_no_model_loads_none(arguments, tmp_path):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not loaded & {"torch", "gensim", "matplotlib", "numba", "scipy", "tokenizers"}
    assert "lmzoo" in loaded


# ── Words that cannot be understood ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("trian", ["'trian'", "did you mean train?"]),
        ("corpora shw", ["'shw'", "did you mean show?"]),
        ("--bogus", "no flag --bogus"),
        ("train", "which model? lmzoo train MODEL"),
        ("train ngrm", ["'ngrm'", "did you mean ngram?"]),
        ("train ngram --ordr 3", ["--ordr", "did you mean --order?"]),
        ("train --corpus own.txt ngram", "flags come after the model"),
        ("train ngram --order three", ["order", "whole number or auto", "'three'"]),
        ("train ngram --order 0", "1 to 64 or auto, not 0"),
        ("train ngram --order 65", "1 to 64 or auto, not 65"),
        ("train ngram --smoothing kneser-nay", ["'kneser-nay'", "did you mean kneser-ney?"]),
        ("train ngram --corpus storywrld", ["'storywrld'", "did you mean storyworld?"]),
        ("train ngram --corpus own.txt --tokenizer wrd:5", ["'wrd:5'", "did you mean word?"]),
        ("train ngram --budget 0", "'0'"),
        ("train ngram --budget soon", "'soon'"),
        ("train ngram --budget inf", "'inf'"),
        (
            "train ngram --budget 45",
            ["'45' has none", "2000steps, 5Mtokens or 1e15flops, a time such as 90s, 3m or 1h"],
        ),
        ("train ngram --budget 5M", "'5M' has none"),
        ("train ngram --budget 5Mtokens,", "not ''"),
        ("train ngram --budget 5Mtokens,3Mtokens", "two limits in tokens"),
        ("train ngram --seed x", ["--seed", "'x'"]),
        ("train ngram --order", "--order"),
        ("train nothere.py", "no model file at nothere.py"),
        ("compare ngrm --corpus own.txt", "did you mean ngram?"),
        ("compare ngram:ordr=3 --corpus own.txt", "did you mean order?"),
        ("compare ngram:3 --corpus own.txt", "NAME=VALUE"),
        ("eval", "eval --help"),
        ("eval nothere", "no run at nothere"),
        ("eval nothere --split tst", ["'tst'", "did you mean test?"]),
        ("eval nothere --protocol streem", ["'streem'", "did you mean stream?"]),
        ("generate nothere", "no run at nothere"),
        ("generate nothere --length two", "'two'"),
        ("check nothere.py", "no model file at nothere.py"),
        ("check ngrm", "did you mean ngram?"),
        ("corpora fetch storywrld", "did you mean storyworld?"),
        # What others call it.
        ("version", "did you mean --version?"),
        ("help", "did you mean --help?"),
        ("sample", "did you mean generate?"),
        ("perplexity runs/x", "did you mean eval?"),
        ("train transformer", "did you mean gpt?"),
        ("train GPT", "did you mean gpt?"),
        ("train skip-gram", "did you mean word2vec?"),
        ("train elman", "did you mean rnn?"),
        ("train trigram", "did you mean ngram:order=3?"),
        ("train kn", "did you mean ngram:smoothing=kneser-ney?"),
        ("train ngram --smoothing kn", "did you mean kneser-ney?"),
        ("compare unigram", "did you mean ngram:order=1?"),
        ("train ngram --corpus own.txt --tokenizer unigram", "did you mean bpe:1000?"),
        ("train ngram --corpus own.txt --tokenizer characters", "did you mean char?"),
        ("train ngram --corpus tinyshakespeare", "did you mean shakespeare?"),
        ("train ngram --corpus shakespear", "did you mean shakespeare?"),
        ("train lstm --epochs 3", "did you mean --budget?"),
        ("train gpt --n_layer 3", "did you mean --layers?"),
        ("compare ngram:n=3", "did you mean order?"),
        ("generate runs/x --max-tokens 3", "did you mean --length?"),
    ],
)
def test_one_line_says_what_is_wrong_and_what_comes_nearest(refuses, here, arguments, says):
    refuses(*arguments.split(), says=says)


def test_a_comparison_of_what_is_no_model_reads_no_corpus(refuses, here, monkeypatch):
    monkeypatch.setattr("lmzoo.data.corpus.load", lambda *_, **__: 1 / 0)
    refuses("compare", "ngram", "unigram", says="did you mean ngram:order=1?")
    assert folders(here) == []


def test_a_broken_line_or_escape_code_in_a_name_stays_one_harmless_line(refuses):
    assert "\x1b" not in refuses("train", "ng\nr\x1b[31mam", says="no model named").err


# ── train ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("contents", "says"),
    [
        (b"", "is empty"),
        (b"a", "1 character"),
        (b"here are some letters \xff and more of them", ["0xff", "offset 22"]),
    ],
)
def test_a_text_that_cannot_be_trained_on(refuses, here, contents, says):
    (here / "text").write_bytes(contents)
    refuses("train", "ngram", "--corpus", "text", says=says)
    assert folders(here) == []


@pytest.mark.parametrize(
    ("text", "flags", "remark"),
    [
        ("a" * 500, [], "too few n-grams"),  # one token repeated
        (
            "abcdefghij klmno pqrst uvw\n",
            ["--order", "40", "--tokenizer", "char"],
            "no n-grams longer than 25: order 40 adds none",
        ),
        ("\n" * 100, ["--tokenizer", "split"], "V = 1)"),  # a vocabulary of one
    ],
)
def test_a_strange_text_is_learned_with_a_remark(lmzoo, here, text, flags, remark):
    (here / "text").write_text(text, encoding="utf-8")
    outcome = lmzoo("train", "ngram", "--corpus", "text", "--out", "run", *flags)
    assert (outcome.code, outcome.err) == (0, "")
    assert remark in outcome.out
    assert lmzoo("eval", "run").code == 0


def test_a_folder_that_exists_is_named_before_any_work(refuses, here):
    (here / "full").mkdir()
    (here / "full" / "thesis.txt").write_text("mine")
    refuses("train", "ngram", "--corpus", "there is none", "--out", "full", says=["full exists already", "--overwrite"])
    refuses("train", "ngram", "--out", "full", "--overwrite", says="not a run, so it is not overwritten")
    assert (here / "full" / "thesis.txt").read_text() == "mine"


def test_settings_may_stand_behind_the_name_as_in_compare(lmzoo, here):
    given = ("train", "ngram:order=3,smoothing=ml", "--corpus", "own.txt", "--json")
    config = lmzoo(*given).json["config"]
    assert (config["order"], config["smoothing"]) == (3, "ml")
    assert lmzoo(*given, "--order", "2", "--overwrite").json["config"]["order"] == 2


def test_overwrite_replaces_a_run(lmzoo, run):
    assert lmzoo("train", "uniform", "--corpus", "own.txt", "--out", run, "--overwrite").code == 0
    assert store.load(run).model.name == "uniform"
    assert folders(run.parent) == ["run"]


@pytest.mark.parametrize("command", ["train uniform", "compare uniform"])
def test_a_place_that_cannot_be_written_is_named_before_any_work(refuses, here, command):
    refuses(*command.split(), "--corpus", "own.txt", "--out", "own.txt/run", says=["own.txt/run", "Not a directory"])


def test_train_as_json_is_the_provenance(lmzoo, here):
    facts = lmzoo("train", "ngram", "--corpus", "own.txt", "--json").json
    assert facts["run"] == "runs/own-ngram"
    assert facts["config"]["order"] == 5
    assert facts["corpus_path"] == str(here / "own.txt")
    assert 0 < facts["valid_bits_per_character"] < 8


# ── One place, one writer ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "command",
    [
        "train uniform --corpus own.txt --out place",
        "train uniform --corpus own.txt --out place --overwrite",
        "import model.arpa --out place",
        "export run place",
        "export run place --overwrite",
        "compress run own.txt --out place",
        "decompress run own.txt --out place",
    ],
)
def test_a_place_that_another_process_will_write_is_refused_before_any_work(lmzoo, refuses, run, command):
    lmzoo("export", "run", "model.arpa")
    with drafts.reserved(run.with_name("place")):
        refuses(*command.split(), says="another lmzoo is at work on place")
    assert not [path for path in run.parent.iterdir() if path.name.startswith((drafts.DRAFT, "place"))]


def test_a_run_that_came_there_during_a_training_stays_and_the_new_one_is_kept(lmzoo, here):
    """It came from a program that asks no lock, as `cp`: exactly one is called saved."""
    during = MINE.replace("self.fail:", "True:").replace("1 / 0", "import shutil; shutil.copytree('other', 'run')")
    (here / "mine.py").write_text(during, encoding="utf-8")
    lmzoo("train", "uniform", "--corpus", "own.txt", "--out", "other")
    outcome = lmzoo("train", "./mine.py", "--corpus", "own.txt", "--out", "run")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == f"lmzoo: run exists and is not replaced: this result is in {here / 'run-2'}\n"
    assert store.digest("run") == store.digest("other")
    assert store.read_config(here / "run-2")["model"] == "mine"
    assert folders(here) == ["other", "run", "run-2"]


@pytest.mark.parametrize(
    ("command", "limit"),
    [("train ngram --corpus own.txt --out new", 20_000), ("export run new", 1000), ("compress run own.txt", 100)],
)
def test_a_full_disk_is_said_in_one_line_and_nothing_is_left(run, command, limit):
    """A limit on the size of files stands for the end of the disk."""
    before = sorted(os.listdir(run.parent))
    code = "import sys; sys.dont_write_bytecode = True; "  # bytecode would be cut short, and stay
    code += f"import resource as r; r.setrlimit(r.RLIMIT_FSIZE, ({limit}, {limit})); "
    code += "from lmzoo.cli.main import main; main()"
    with start(*command.split(), code=code, cwd=run.parent) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.count(b"\n"), b"File too large" in err) == (1, b"", 1, True), err
    assert sorted(os.listdir(run.parent)) == before


# ── eval ──────────────────────────────────────────────────────────────────────────────────────────


def test_eval_as_json_has_every_numerator_and_denominator(lmzoo, run):
    rows = lmzoo("eval", run, run, "--json").json
    assert len(rows) == 2
    for row in rows:
        assert row.keys() >= SCORE
        assert row["bits_per_character"] == row["bits"] / row["characters"]
        assert row["notes"] == []


def test_eval_shows_what_the_bits_were_divided_by(lmzoo, run):
    row = lmzoo("eval", run, "--json").json[0]
    out = " ".join(lmzoo("eval", run).out.split())
    assert f"{row['characters']:,} characters, {row['bytes']:,} bytes, {row['tokens']:,} tokens" in out
    assert row["sha256"] in out


def test_a_run_finds_its_own_text_from_anywhere(lmzoo, run, tmp_path_factory, monkeypatch):
    row = lmzoo("eval", run, "--json").json[0]
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert lmzoo("eval", run, "--json").json[0]["sha256"] == row["sha256"]


def test_a_run_in_runs_is_found_by_its_name(lmzoo, refuses, here):
    lmzoo("train", "ngram", "--order", "2", "--corpus", "own.txt", "--out", "runs/bigram")
    lmzoo("train", "svd", "--dimensions", "2", "--corpus", "own.txt", "--tokenizer", "word:9", "--out", "runs/svd")
    assert lmzoo("eval", "bigram", "--json").json[0]["run"] == "runs/bigram"
    for command in (
        "generate bigram",
        "explain bigram the",
        "ngrams bigram",
        "export bigram a.arpa",
        "neighbours svd the",
    ):
        assert lmzoo(*command.split()).code == 0, command
    compared = lmzoo("compare", "uniform", "bigram", "--corpus", "own.txt", "--json").json
    assert [row["label"] for row in compared["rows"]] == ["uniform", "bigram"]
    refuses("eval", "bigrams", says="did you mean runs/bigram?")
    (here / "bigram").mkdir()
    refuses("eval", "bigram", says="there are two called bigram: write runs/bigram or ./bigram")
    refuses("eval", "./bigram", says="not a whole run")
    assert lmzoo("eval", "runs/bigram").code == 0


def test_eval_says_that_the_text_has_changed_since(lmzoo, run, here):
    with (here / "own.txt").open("a", encoding="utf-8") as file:
        file.write("the dog sat on the mat.\n" * 50)
    assert "has changed since" in lmzoo("eval", run, "--json").json[0]["notes"][0]
    assert "note: own.txt has changed since" in lmzoo("eval", run).out


def test_eval_says_that_the_text_is_gone(refuses, run, here):
    (here / "own.txt").unlink()
    refuses("eval", run, says=[str(here / "own.txt"), "no longer there", "--corpus"])


@pytest.mark.parametrize(("flags", "seen"), [([], ["train", "all"]), (["--refit"], ["train", "valid", "all"])])
def test_eval_says_that_the_text_was_trained_on(lmzoo, here, flags, seen):
    lmzoo("train", "uniform", "--corpus", "own.txt", "--out", "r", *flags)
    notes = {s: lmzoo("eval", "r", "--split", s, "--json").json[0]["notes"] for s in ("train", "valid", "test", "all")}
    assert [split for split, said in notes.items() if said] == seen


def test_split_all_is_the_whole_text(lmzoo, run, here):
    row = lmzoo("eval", run, "--split", "all", "--json").json[0]
    assert row["characters"] == len((here / "own.txt").read_text(encoding="utf-8"))


def test_eval_of_another_text_given_as_a_path(lmzoo, run, here):
    (here / "other.txt").write_text("a dog and a cat see trees. " * 40, encoding="utf-8")
    row = lmzoo("eval", run, "--corpus", "other.txt", "--split", "all", "--json").json[0]
    assert (row["corpus"], row["characters"], row["notes"]) == ("other.txt", 1080, [])


def test_eval_mixes_runs_with_weights_fitted_on_the_validation_text(lmzoo, run):
    lmzoo("train", "cache", "--corpus", "own.txt", "--window", "300", "--out", "cache")
    flags = ["--split", "valid", "--mix"]
    ngram, cache, mixture = lmzoo("eval", run, "cache", *flags, "--json").json
    assert mixture.keys() >= ngram.keys()
    assert mixture["bits"] <= min(ngram["bits"], cache["bits"])  # on the text that the weights were fitted on
    assert mixture["bits_per_character"] == mixture["bits"] / mixture["characters"]
    assert [part["run"] for part in mixture["weights"]] == [str(run), "cache"]
    assert sum(part["weight"] for part in mixture["weights"]) == pytest.approx(1)
    assert [row["adapts_at_test_time"] for row in (ngram, cache, mixture)] == [False, True, True]
    assert mixture["reach"] == 300
    assert any("adapts to the test text" in note for note in mixture["notes"])
    assert any("fitted on this very text" in note for note in mixture["notes"])
    out = lmzoo("eval", run, "cache", *flags).out
    assert f"weight: {mixture['weights'][1]['weight']:.4f} cache" in out


def test_a_mixture_says_that_its_weights_trust_a_part_too_much(lmzoo, here):
    settings = ("--corpus", "own.txt", "--tokenizer", "char")
    lmzoo("train", "ngram", "--order", "2", *settings, "--out", "first")
    lmzoo("train", "ngram", "--order", "1", *settings, "--out", "refit", "--refit")
    notes = lmzoo("eval", "first", "refit", "--mix", "--json").json[-1]["notes"]
    assert notes == ["the weights were fitted on training text of refit, which so has too much weight"]


def test_what_cannot_be_mixed_is_refused(lmzoo, refuses, run, here):
    refuses("eval", run, "--mix", says="two runs or more")
    (here / "other.txt").write_text("a dog and a cat see trees. " * 99, encoding="utf-8")
    lmzoo("train", "uniform", "--tokenizer", "byte", "--corpus", "own.txt", "--out", "bytes")
    lmzoo("train", "uniform", "--tokenizer", "word:9", "--corpus", "own.txt", "--out", "words")
    lmzoo("train", "uniform", "--tokenizer", "word:9", "--corpus", "other.txt", "--out", "others")
    lmzoo("train", "uniform", "--tokenizer", "byte", "--corpus", "other.txt", "--out", "other-bytes")
    refuses("eval", "bytes", "words", "--mix", says=["bytes and words have different tokenizers", "byte and word:9"])
    refuses("eval", "words", "others", "--mix", says="both word:9, of other texts")
    refuses("eval", "bytes", "other-bytes", "--mix", says=["bytes and other-bytes were scored", "--corpus"])


@pytest.mark.parametrize("width", [80, 200])
def test_tables_fit_the_width_they_are_given(lmzoo, run, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    for command in (["models"], ["corpora"]):
        assert max(map(len, lmzoo(*command).out.splitlines())) <= width
    assert "bits/char" in lmzoo("eval", run).out


def test_a_run_in_brackets_is_no_markup(lmzoo, run):
    run.rename("[red]x")
    assert "[red]x" in lmzoo("eval", "[red]x").out


def test_what_is_piped_has_no_escape_codes(lmzoo, run, here):
    for command in (
        ["models"],
        ["corpora"],
        ["eval", run],
        ["check", "./mine.py"],
        ["compare", "uniform", "--corpus", "own.txt"],
    ):
        outcome = lmzoo(*command)
        assert "\x1b" not in outcome.out + outcome.err


# ── A run that is not what it claims to be ────────────────────────────────────────────────────────


@pytest.mark.parametrize("command", ["eval", "generate"])
@pytest.mark.parametrize("name", [*store.FILES, store.SUMS])
def test_a_run_without_one_of_its_files(refuses, run, command, name):
    (run / name).unlink()
    refuses(command, run, says=name)


@pytest.mark.parametrize("name", store.FILES)
def test_a_run_cut_short(refuses, run, name):
    (run / name).write_bytes((run / name).read_bytes()[:-1])
    refuses("eval", run, says=[name, "damaged"])


def test_a_folder_that_is_no_run(refuses, here):
    refuses("eval", here, says="not a whole run")


# ── A model of one's own ──────────────────────────────────────────────────────────────────────────


def test_a_file_works_wherever_a_name_does(lmzoo, refuses, here):
    trained = lmzoo("train", "./mine.py", "--its-own-flag", "0.5", "--corpus", "own.txt", "--out", "run", "--json")
    assert trained.json["config"]["its_own_flag"] == 0.5
    refuses("eval", "run", says="--code FILE.py")
    assert lmzoo("eval", "run", "--code", "mine.py", "--json").json[0]["model"] == "mine"
    assert lmzoo("generate", "run", "--code", "mine.py", "--length", "9").code == 0
    compared = lmzoo("compare", "./mine.py", "uniform", "--corpus", "own.txt", "--json").json
    assert [row["error"] for row in compared["rows"]] == [None, None]
    assert not list(here.glob("__pycache__"))


def test_an_error_in_a_file_of_ones_own_names_its_line(refuses, here):
    line = MINE[: MINE.index("1 / 0")].count("\n") + 1
    refuses(
        "train", "./mine.py", "--fail", "--corpus", "own.txt", code=1,
        says=["ZeroDivisionError", f"mine.py, line {line}"],
    )  # fmt: skip
    assert folders(here) == []


def test_a_run_loaded_with_the_wrong_file(lmzoo, refuses, here):
    lmzoo("train", "./mine.py", "--corpus", "own.txt", "--out", "run")
    (here / "mine.py").rename("yours.py")
    refuses("eval", "run", "--code", "yours.py", says=["'mine'", "'yours'"])


# ── compare ───────────────────────────────────────────────────────────────────────────────────────


def test_compare_leaves_a_report(lmzoo, run, here):
    outcome = lmzoo("compare", "uniform", "run", "--corpus", "own.txt", "--out", "out/report")
    assert outcome.code == 0
    assert "report: out/report/index.html" in outcome.out
    assert (here / "out/report/index.html").is_file()


def test_compare_fails_only_where_every_model_fails(lmzoo, here):
    impossible = ["ngram:order=9,smoothing=ml", "--corpus", "own.txt"]
    assert lmzoo("compare", *impossible).code == 1
    assert lmzoo("compare", *impossible, "--json").code == 1
    assert lmzoo("compare", "uniform", *impossible).code == 0


# ── generate ──────────────────────────────────────────────────────────────────────────────────────


def test_the_same_seed_writes_the_same_text(lmzoo, run):
    one, same, other = (lmzoo("generate", run, "--seed", seed).out for seed in (1, 1, 2))
    assert one == same != other


def test_a_prompt_of_unknown_characters_is_spelled_in_bytes(lmzoo, run):
    outcome = lmzoo("generate", run, "--prompt", "漢字", "--length", "3")
    assert outcome.code == 0
    assert outcome.out.startswith("漢字")


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_is_not_sent_what_it_would_obey(lmzoo, run, monkeypatch, terminal):
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal, raising=False)
    out = lmzoo("generate", run, "--prompt", "the \x1b[2J", "--length", "0").out
    assert out == ("the \ufffd[2J\n" if terminal else "the \x1b[2J\n")


def test_what_streams_is_what_is_in_the_json(lmzoo, run):
    flags = ["--prompt", "the c", "--length", "300", "--temperature", "1.5"]
    assert lmzoo("generate", run, *flags).out == "the c" + lmzoo("generate", run, *flags, "--json").json["text"] + "\n"


def test_words_of_a_split_corpus_keep_their_spaces(lmzoo, refuses, here):
    (here / "split.txt").write_text("the cat sat\nthe dog ran\n" * 60)
    lmzoo("train", "ngram", "--corpus", "split.txt", "--tokenizer", "split", "--out", "run")
    out = lmzoo("generate", "run", "--prompt", "the cat", "--temperature", "0", "--length", "3").out
    assert out == "the cat sat\nthe\n"
    refuses("generate", "run", "--prompt", "the hyena", says="'hyena'")


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--temperature", "-1"], "-1"),
        (["--temperature", "nan"], "nan"),
        (["--top-k", "0"], "top-k"),
        (["--top-p", "0"], "top-p"),
        (["--top-p", "1.1"], "top-p"),
        (["--length", "-1"], "length"),
        (["--seed", "-1"], "seed"),
        (["--beam", "0"], "beam must be 1 or more"),
        (["--beam", "2", "--temperature", "1"], "--beam looks for the likeliest text"),
        (["--beam", "2", "--top-k", "1"], "--beam looks for the likeliest text"),
        (["--beam", "2", "--top-p", "1"], "--beam looks for the likeliest text"),
    ],
)
def test_settings_out_of_range_are_named_before_a_word_is_written(refuses, run, flags, says):
    refuses("generate", run, "--prompt", "the", *flags, says=says)


def test_a_beam_writes_one_text_and_says_how_likely_it_is(lmzoo, run):
    flags = ["--prompt", "the c", "--length", "20"]
    facts = lmzoo("generate", run, *flags, "--beam", "8", "--json").json
    assert facts["beam"] == 8
    assert lmzoo("generate", run, *flags, "--beam", "8").out == "the c" + facts["text"] + "\n"
    one = lmzoo("generate", run, *flags, "--beam", "1", "--json").json
    assert one["text"] == lmzoo("generate", run, *flags, "--temperature", "0", "--json").json["text"]
    assert one["log_probability"] <= facts["log_probability"] < 0
    assert "beam search" in lmzoo("generate", "--help").out


def test_nothing_more_than_asked_for(lmzoo, run):
    assert lmzoo("generate", run, "--prompt", "the", "--length", "0").out == "the\n"


# ── Lists ─────────────────────────────────────────────────────────────────────────────────────────


def test_lists_as_json(lmzoo, here):
    assert {"uniform", "ngram"} <= {fact["name"] for fact in lmzoo("models", "--json").json}
    assert "storyworld" in {card["name"] for card in lmzoo("corpora", "--json").json}
    shown = lmzoo("corpora", "show", "own.txt", "--json").json
    characters = sum(count["characters"] for count in shown["counts"].values())
    assert characters == len((here / "own.txt").read_text(encoding="utf-8"))
    assert lmzoo("corpora", "fetch", "storyworld:200kB", "--json").json == []


def test_version(lmzoo):
    assert lmzoo("--version").out.startswith("lmzoo ")


# ── Interruptions ─────────────────────────────────────────────────────────────────────────────────

SLOW_TO_FIT = MINE.replace("self.fail:", "True:").replace(
    "1 / 0", "import time; print('at work', flush=True); time.sleep(60)"
)
SLOW_TO_WRITE = MINE.replace("return self.probs_", "import time; time.sleep(0.01); return self.probs_")


def start(*arguments, code="from lmzoo.cli.main import main; main()", **kwargs):
    # A shell may have us ignore SIGINT, which children would inherit.
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler), **kwargs,
    )  # fmt: skip


def interrupt(process, said="nothing half-written was left", by=signal.SIGINT):
    """Press Ctrl-C once it is at work."""
    with process:
        assert process.stdout.read(7) == b"at work"
        time.sleep(0.3)  # for it to be in the middle of it
        process.send_signal(by)
        _, err = process.communicate(timeout=30)
    assert err.decode() == f"lmzoo: interrupted; {said}\n"
    assert process.returncode == (130 if by == signal.SIGINT else 143)


@pytest.mark.parametrize(
    ("command", "said"),
    [("train", "nothing half-written was left"), ("compare", "the same command goes on from what is finished")],
)
def test_ctrl_c_while_a_model_learns_leaves_nothing(here, command, said):
    (here / "slow.py").write_text(SLOW_TO_FIT, encoding="utf-8")
    interrupt(start(command, "./slow.py", "--corpus", "own.txt", cwd=here), said)
    left = {path.name for path in here.rglob("*") if path.is_file()}
    assert left == {"own.txt", "mine.py", "slow.py"}


LONG_CALL = "import hashlib; hashlib.pbkdf2_hmac('sha256', b'', b'', 1 << 30)"  # of a library: minutes
REPLACING = "\ntry:\n time.sleep(60)\nexcept KeyboardInterrupt:\n raise RuntimeError('of a library') from None"
SWALLOWING = "\ntry:\n time.sleep(60)\nexcept KeyboardInterrupt:\n time.sleep(60)"


@pytest.mark.parametrize(
    ("by", "long"),
    [
        (signal.SIGINT, LONG_CALL),
        (signal.SIGINT, SWALLOWING),
        (signal.SIGINT, REPLACING),
        (signal.SIGTERM, LONG_CALL),
        (signal.SIGHUP, "time.sleep(60)"),
    ],
)
def test_a_request_to_end_is_answered_in_the_middle_of_a_library(here, by, long):
    slow = f"print('at work', flush=True)\nimport time\n{long}\n"
    (here / "slow.py").write_text(slow, encoding="utf-8")
    code = "import runpy, lmzoo.cli.app as app; app.command('slow')(lambda: runpy.run_path('slow.py'))"
    code += "; from lmzoo import drafts; from pathlib import Path; from lmzoo.cli.console import hold"
    code += "; hold(drafts.reserved(Path('new/run'))); hold(drafts.draft_of(Path('file'))); import sys"
    code += "; sys.argv = ['lmzoo', 'slow']; from lmzoo.cli.main import main; main()"
    began = time.monotonic()
    interrupt(start(code=code, cwd=here), by=by)
    assert time.monotonic() - began < 30
    assert sorted(path.name for path in here.iterdir()) == ["mine.py", "own.txt", "slow.py"]


def test_ctrl_c_while_a_run_writes(lmzoo, here):
    lmzoo("train", "./mine.py", "--corpus", "own.txt", "--out", "run")
    (here / "mine.py").write_text(SLOW_TO_WRITE, encoding="utf-8")
    interrupt(start("generate", "run", "--code", "mine.py", "--prompt", "at work", "--length", "100000", cwd=here))


def test_a_reader_may_leave(run):
    with start("generate", run, "--length", "100000", cwd=run.parent) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_a_reader_may_leave_before_anything_is_written(run):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "lmzoo", "models"], stdout=write, stderr=subprocess.PIPE, cwd=run.parent, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_behind_stdout(tmp_path):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "lmzoo", "models"], stdout=full, stderr=subprocess.PIPE, cwd=tmp_path, check=False
        )
    assert done.returncode == 1
    assert done.stderr.decode().count("\n") == 1
    assert "No space left" in done.stderr.decode()


def test_what_is_loaded_is_not_looked_through_at_the_end(tmp_path):
    code = (
        "import atexit, gc; from lmzoo.cli.main import main; atexit.register(lambda: print(gc.get_freeze_count())); "
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code, "--version"], capture_output=True, text=True, cwd=tmp_path)
    assert int(done.stdout.split()[-1]) > 1000
