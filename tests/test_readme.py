"""Every command and every line of Python that the README shows, run as a stranger would run it."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```(\w+)( \w+)?\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def commands(kind):
    return [line.split("#")[0].strip() for language, name, block in BLOCKS for line in block.splitlines()
            if language == "bash" and name.strip() == kind]  # fmt: skip


def run(command, folder):
    program = [sys.executable, "-m", *shlex.split(command)]
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, env=os.environ, timeout=300)
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("readme")


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


def test_what_you_can_do(folder):
    for command in commands(""):
        assert run(command, folder)
    assert (folder / "reports" / "storyworld" / "index.html").is_file()
    (python,) = [block for language, _, block in BLOCKS if language == "python"]
    done = subprocess.run([sys.executable, "-c", python], cwd=folder, capture_output=True, text=True, check=True)
    assert len(done.stdout.split()) >= 5


def test_counting(folder):
    if not (folder / "runs" / "trigram").exists():
        run("lmzoo train ngram --order 3 --out runs/trigram", folder)
    for command in commands("count"):
        assert run(command, folder)


def test_mixing(folder):
    if not (folder / "runs" / "trigram").exists():
        run("lmzoo train ngram --order 3 --out runs/trigram", folder)
    for command in commands("mix"):
        assert run(command, folder)


def test_comparing(folder):
    if not (folder / "runs" / "trigram").exists():
        run("lmzoo train ngram --order 3 --out runs/trigram", folder)
    for command in commands("compare"):
        assert run(command, folder)


def test_words_as_vectors(folder):
    shutil.rmtree(folder / "runs" / "svd", ignore_errors=True)
    for command in commands("vectors"):
        assert run(command, folder)


def test_learning_to_predict(folder):
    if not (folder / "runs" / "trigram").exists():
        run("lmzoo train ngram --order 3 --out runs/trigram", folder)
    for command in commands("net"):
        assert run(command, folder)


def test_bits_that_are_written_down(folder):
    pytest.importorskip("constriction")
    if not (folder / "runs" / "trigram").exists():
        run("lmzoo train ngram --order 3 --out runs/trigram", folder)
    for command in commands("codec"):
        assert run(command, folder)
    assert (folder / "config.json").read_bytes() == (folder / "runs" / "trigram" / "config.json").read_bytes()


@pytest.mark.data
def test_what_models_know(folder):
    if not (folder / "runs" / "trigram").exists():
        run("lmzoo train ngram --order 3 --out runs/trigram", folder)
    shutil.rmtree(folder / "runs" / "svd", ignore_errors=True)  # another block makes it too
    for command in commands("know"):
        assert run(command, folder)


@pytest.mark.data
def test_with_other_texts(folder):
    for command in commands("data"):
        assert run(command, folder)


def test_a_model_of_your_own(folder):
    shutil.copy(ROOT / "lmzoo" / "models" / "uniform.py", folder / "mine.py")
    for command in commands("mine"):
        assert run(command, folder)


def test_the_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text(encoding="utf-8")):
        assert (ROOT / link).exists(), link
