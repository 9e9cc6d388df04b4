"""A wheel and an sdist, built without a network, installed into an empty environment and run from another folder."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import lmzoo

ROOT = Path(__file__).parents[1]
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"


def run(*command, cwd, **environment):
    """stdout of a command that must succeed, without this checkout on its path."""
    inherited = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "LMZOO_MIRROR")}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, capture_output=True, text=True, env={**inherited, **environment}
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Folder with the sdist and the wheel that is built from it."""
    pytest.importorskip("build")
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    source = folder / "source"  # only what git knows: what lies about in a checkout must not get in
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True)
    if files.returncode:
        pytest.skip("this is no git checkout, so what belongs in a distribution is not known")
    for name in filter(None, files.stdout.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, source / name)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source, cwd=folder)
    return folder


def names_in(built):
    """The files of the wheel, and those of the sdist without its top folder."""
    (wheel,) = built.glob("*.whl")
    (sdist,) = built.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = set(archive.namelist())
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    return in_wheel, in_sdist


def test_the_wheel_holds_the_package_its_templates_and_the_corpora(built):
    in_wheel, in_sdist = names_in(built)
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "lmzoo").rglob("*")
               if path.is_file() and path.suffix not in (".pyc", ".nbi", ".nbc", ".loop")}  # fmt: skip
    assert any(name.endswith(".j2") for name in package)
    cards = {path.relative_to(ROOT).as_posix() for path in (ROOT / "corpora").rglob("*.toml")}
    assert "corpora/ptb.toml" in cards
    assert package | {f"lmzoo/{name}" for name in cards} <= in_wheel
    assert package | cards <= in_sdist
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= in_sdist


def test_neither_holds_tests_or_reports(built):
    for names in names_in(built):
        assert not [name for name in names if name.split("/")[0] in ("tests", "reports", "benchmarks")]


def test_it_is_called_lmzoo_lab_and_brings_what_a_default_comparison_needs(built):
    (wheel,) = built.glob("lmzoo_lab-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        text = archive.read(name).decode()
    required = {line.removeprefix("Requires-Dist: ").split(">")[0] for line in text.splitlines()
                if line.startswith("Requires-Dist: ") and "extra ==" not in line}  # fmt: skip
    assert {"torch", "gensim", "scikit-learn", "numba", "matplotlib"} <= required
    assert f"Version: {lmzoo.__version__}\n" in text


def find_python(version):
    """An interpreter of this version: the running one, on the PATH, or among pyenv's; else None."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [shutil.which(f"python{version}"), *sorted(pyenv.glob(f"{version}.*/bin/python"))]
    if version == RUNNING:
        return sys.executable
    for python in filter(None, candidates):  # pyenv's shims are on the PATH for versions that they refuse to run
        if subprocess.run([python, "-c", "import venv"], capture_output=True).returncode == 0:
            return python
    return None


@pytest.mark.parametrize("version", [version for version in PYTHONS if version != RUNNING])
def test_every_python_that_it_names_compiles_it_and_shows_its_help(built, version, tmp_path):
    """The dependencies are compiled for the running Python only; help needs none that is compiled."""
    python = find_python(version)
    if python is None:
        pytest.skip(f"there is no Python {version} here, and none is downloaded")
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    run(python, "-m", "compileall", "-q", tmp_path / "lmzoo", cwd=tmp_path)
    path = os.pathsep.join([str(tmp_path), sysconfig.get_path("purelib")])
    assert "compare" in run(python, "-m", "lmzoo", "--help", cwd=tmp_path, PYTHONPATH=path)


def test_installed_into_an_empty_environment_it_runs(built, tmp_path):
    environment, elsewhere = tmp_path / "environment", tmp_path / "elsewhere"
    elsewhere.mkdir()
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=tmp_path)
    installed = environment / "bin" / "python"
    (wheel,) = built.glob("*.whl")
    run(sys.executable, "-m", "pip", "--python", installed, "install", "-q", "--no-deps", "--no-index", wheel,
        cwd=tmp_path)  # fmt: skip
    # The dependencies are those of the running environment; a .pth file adds them behind the wheel.
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    lmzoo_ = environment / "bin" / "lmzoo"
    assert "compare" in run(lmzoo_, "--help", cwd=elsewhere)
    assert run(lmzoo_, "--version", cwd=elsewhere) == f"lmzoo {lmzoo.__version__}\n"
    assert "lstm" in run(lmzoo_, "models", cwd=elsewhere)
    place = run(installed, "-c", "import lmzoo; print(lmzoo.__file__)", cwd=elsewhere)
    assert Path(place.strip()).is_relative_to(environment)
    (elsewhere / "own.txt").write_text("the cat sat on the mat.\n" * 200)
    # A model without loops, which would be compiled for this place.
    run(lmzoo_, "train", "uniform", "--tokenizer", "byte", "--corpus", "own.txt", "--out", "run", cwd=elsewhere)
    assert "bits" in run(lmzoo_, "eval", "run", cwd=elsewhere)
    assert "storyworld" in run(lmzoo_, "corpora", cwd=elsewhere)
