"""Every command and every line of Python that the README shows, run as a stranger would run it."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lmzoo.cli.main import main

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```(\w+)( \w+)?\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def commands(kind):
    return [smaller(line.split("#")[0].strip()) for language, name, block in BLOCKS for line in block.splitlines()
            if language == "bash" and name.strip() == kind]  # fmt: skip


def smaller(command):
    """The command with little of the built-in text, where it takes that."""
    if re.match("lmzoo (train|compare) ", command) and "--corpus" not in command:
        command = f"{command} --corpus storyworld"
    return re.sub(r"\bstoryworld(?= |$)", "storyworld:500kB", command)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("readme")


@pytest.fixture
def run(folder, monkeypatch, capsys):
    """Run the commands of a block in `folder`: the first in a process of its own, as a stranger would, the rest in this
    one, which saves importing everything for each.
    """
    monkeypatch.chdir(folder)

    def run_all(block, needs=()):
        for made, command in needs:
            if not (folder / made).exists():
                call(command)
        first, *rest = block
        done = subprocess.run([sys.executable, "-m", *shlex.split(first)], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{first}\n{done.stderr}"
        assert done.stdout
        for command in rest:
            assert call(command)

    def call(command):
        program, *arguments = shlex.split(command)
        assert program == "lmzoo"
        with pytest.raises(SystemExit) as exit_:
            main(arguments)
        shown, errors = capsys.readouterr()
        assert exit_.value.code == 0, f"{command}\n{errors}"
        return shown

    return run_all


TRIGRAM = [("runs/trigram", smaller("lmzoo train ngram --order 3 --out runs/trigram"))]


def test_the_readme_shows_commands():
    assert len(commands("")) == 6
    assert len(commands("data")) == 5
    assert len(commands("vectors")) == 7
    assert len(commands("count")) == 8
    assert len(commands("mix")) == 3
    assert len(commands("net")) == 4
    assert len(commands("know")) == 5
    assert len(commands("codec")) == 3
    assert len(commands("compare")) == 2
    assert len(commands("mine")) == 3


def test_what_you_can_do(run, folder):
    run(commands(""))
    assert list((folder / "reports").glob("storyworld-500kB*/index.html"))
    (python,) = [block for language, _, block in BLOCKS if language == "python"]
    done = subprocess.run([sys.executable, "-c", python], capture_output=True, text=True, check=True)
    assert len(done.stdout.split()) >= 5


def test_counting(run):
    run(commands("count"), needs=TRIGRAM)


def test_mixing(run):
    run(commands("mix"), needs=TRIGRAM)


def test_comparing(run):
    run(commands("compare"), needs=TRIGRAM)


def test_words_as_vectors(run, folder):
    shutil.rmtree(folder / "runs" / "svd", ignore_errors=True)
    run(commands("vectors"))


def test_learning_to_predict(run):
    run(commands("net"), needs=TRIGRAM)


def test_bits_that_are_written_down(run, folder):
    pytest.importorskip("constriction")
    run(commands("codec"), needs=TRIGRAM)
    assert (folder / "config.json").read_bytes() == (folder / "runs" / "trigram" / "config.json").read_bytes()


@pytest.mark.data
def test_what_models_know(run, folder):
    shutil.rmtree(folder / "runs" / "svd", ignore_errors=True)  # another block makes it too
    run(commands("know"), needs=TRIGRAM)


@pytest.mark.data
def test_with_other_texts(run):
    run(commands("data"))


def test_a_model_of_your_own(run, folder):
    shutil.copy(ROOT / "lmzoo" / "models" / "uniform.py", folder / "mine.py")
    run(commands("mine"))


def test_the_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text(encoding="utf-8")):
        assert (ROOT / link).exists(), link
