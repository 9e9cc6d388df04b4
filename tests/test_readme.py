"""Every command and every line of Python that the README and docs/ show, run as a stranger would run it."""

import glob
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lmzoo.cli.main import main

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
FENCED = re.compile(r"```(\w+)( \w+)?\n(.*?)```", re.DOTALL)
BLOCKS = [(page, *block) for page in PAGES for block in FENCED.findall(page.read_text(encoding="utf-8"))]
# What the commands of a block take from those of another.
NEEDS = {
    "study": (),
    "show": ("trigram", "svd"),
    "measure": ("trigram", "lstm"),
    "networks": ("lstm",),
    "transfer": ("lstm",),
    "vectors": ("svd",),
    "data": ("trigram", "svd"),
    "course": (),
}


def commands(kind):
    return [smaller(line.split("#")[0].strip()) for _, language, name, block in BLOCKS for line in block.splitlines()
            if language == "bash" and name.strip() == kind]  # fmt: skip


def smaller(command):
    """The command with little of the built-in text, where it takes that; of comparisons one has it, with its exam.

    Others take a smaller corpus and fewer questions.
    """
    command = re.sub(r"--(limit|lists) \d+", r"--\1 20", command)
    command = re.sub(r"--budget \w+", "--budget 10steps", command)
    command = command.replace("--corpus ptb", "--corpus names").replace("--corpus wikitext2", "--corpus shakespeare")
    if re.match("lmzoo compare ", command) and not re.search("--corpus|--slides", command):
        return f"{command} --corpus own.txt"
    if re.match("lmzoo (finetune|transfer) ", command):
        command = f"{command} --settings epochs=1,least_steps=3 --limit 40"
    if re.match("lmzoo (train|compare|tokenize) ", command) and "--corpus" not in command:
        command = f"{command} --corpus storyworld"
    return re.sub(r"\bstoryworld(?= |$)", "storyworld:500kB", command)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readme")
    shutil.copy(ROOT / "lmzoo" / "models" / "uniform.py", folder / "mine.py")
    (folder / "own.txt").write_text((ROOT / "CHANGELOG.md").read_text(encoding="utf-8")[:12_000], encoding="utf-8")
    (folder / "handed-in").mkdir()
    (folder / "course.key").write_text("not a secret at all", encoding="utf-8")
    (folder / "course.key").chmod(0o600)
    return folder


@pytest.fixture
def run(folder, few_questions, little_patience, monkeypatch, capsys):
    """Run the commands of a kind of block in `folder`, in this process, which saves importing everything for each."""
    monkeypatch.chdir(folder)

    def run_all(kind):
        for name in NEEDS.get(kind, ("trigram",)):
            if not (folder / "runs" / name).exists():
                (command,) = [
                    one for block in ("teach", "study") for one in commands(block) if f"--out runs/{name} " in f"{one} "
                ]
                call(command)
        for command in commands(kind):
            out = re.search(r"^lmzoo train .*--out (\S+)", command)
            if not (out and Path(out[1]).exists()):  # another block needed it
                assert call(command), command

    def call(command):
        program, *words = shlex.split(command)
        arguments = [found for word in words for found in (sorted(glob.glob(word)) if "*" in word else [word])]
        assert program == "lmzoo"
        with pytest.raises(SystemExit) as exit_:
            main(arguments)
        shown, errors = capsys.readouterr()
        assert exit_.value.code == 0, f"{command}\n{errors}"
        return shown

    return run_all


def test_the_readme_has_a_hundred_lines_and_every_block_is_run():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 100
    kinds = {(language, name.strip()) for _, language, name, _ in BLOCKS}
    tested = {"teach", "study", "show", "measure", "smoothing", "vectors", "networks", "transfer", "compression",
              "measuring", "corpora", "own", "data", "course"}  # fmt: skip
    assert kinds == {("bash", kind) for kind in tested} | {("python", "")}
    assert all(2 <= len(commands(kind)) <= 12 for kind in tested)


def test_teaching(run, folder):
    first = commands("teach")[0]  # in a process of its own, as a stranger would
    command = [sys.executable, "-m", *shlex.split(first)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "lmzoo eval runs/trigram" in done.stdout
    run("teach")


def test_showing(run, folder):
    run("show")
    assert (folder / "reports" / "mine" / "index.html").is_file()
    assert list((folder / "reports" / "mine" / "slides").iterdir())
    assert (folder / "map.svg").is_file()


def test_compression(run, folder):
    pytest.importorskip("constriction")
    run("compression")
    assert (folder / "config.json").read_bytes() == (folder / "runs" / "trigram" / "config.json").read_bytes()


@pytest.mark.parametrize(
    "kind",
    ["study", "measure", "smoothing", "vectors", "networks", "transfer", "measuring", "corpora", "own", "course"],
)
def test_commands(run, kind):
    run(kind)


@pytest.mark.data
def test_what_needs_other_texts(run):
    run("data")


def test_python(run, folder):
    run("python")  # what its lines need
    python = next(block for page, language, _, block in BLOCKS if language == "python" and page.stem == "own-model")
    done = subprocess.run([sys.executable, "-c", python], cwd=folder, capture_output=True, text=True, check=True)
    assert len(done.stdout.split()) >= 5


def test_the_links_lead_somewhere():
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
