"""An archive that grades an assignment on another host, offline: lmzoo, what it needs, and the host's entry script."""

import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import lmzoo
from lmzoo.course.assignments import FOLDER, Assignment
from lmzoo.data import cards
from lmzoo.errors import LmzooError
from lmzoo.progress import Progress

HOSTS = Path(__file__).parent / "hosts"
NAMES = ("gradescope", "actions", "vpl")
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux2014_x86_64")
# Grades a file whose holes are open, and says what has been imported for it.
MEASURE = """
import sys
from lmzoo.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as stop:
    if stop.code: raise
finally:
    print(*{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""


def needed(assignment: Assignment) -> list[str]:
    """The distributions, of those that lmzoo depends on, which grading the assignment imports: measured, by grading.

    Raises LmzooError where that fails.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / assignment.rubric.file).write_bytes((FOLDER / assignment.name / "starter.py").read_bytes())
        (folder / "key").write_text("for this measurement alone", "utf-8")
        (folder / "key").chmod(0o600)
        words = ["course", "grade", name, "--assignment", assignment.name, "--secret", str(folder / "key"), "--json"]
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, *words, "--level", "0", "--quiet"], capture_output=True, text=True,
            check=False, env={"PYTHONPATH": str(Path(lmzoo.__file__).parents[1]), "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
    if done.returncode:
        raise LmzooError(f"{assignment.name} could not be graded here: {done.stderr.strip()[-300:]}")
    imported = done.stderr.split()
    owners = metadata.packages_distributions()
    found = {owner.lower() for top in imported for owner in owners.get(top, [])}
    # numba is not imported where its machine code is kept already, as on this machine.
    return sorted({"numba", *(found & dependencies())})


def dependencies() -> set[str]:
    """The names of what lmzoo depends on, without extras."""
    required = [one for one in metadata.requires("lmzoo-lab") or [] if "extra ==" not in one]
    return {one.partition(";")[0].strip().split(">")[0].split("=")[0].strip().lower() for one in required}


def fetch(names: list[str], version: str, into: Path) -> None:
    """Unpack the wheels of these, as installed here, and of what they need, for a Python of that version on Linux.

    pip takes them from its cache or its index. Raises LmzooError where it cannot.
    """
    wanted = [f"{name}=={metadata.version(name)}" for name in names]
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    words += ["--target", str(into), "--only-binary=:all:", "--no-compile", "--python-version", version]
    words += ["--implementation", "cp", *(word for one in PLATFORMS for word in ("--platform", one)), *wanted]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        why = next((line for line in reversed(done.stderr.splitlines()) if "ERROR" in line), done.stderr[-300:])
        raise LmzooError(f"pip could not get the wheels ({why.strip()}); --no-wheels leaves them to the host")


def pack(
    assignment: Assignment,
    host: str,
    secret: bytes | None,
    version: str,
    names: list[str] | None,
    progress: Progress | None = None,
) -> bytes:
    """The archive, a zip. With `names` it has the wheels of these; without, the host has what lmzoo needs."""
    progress = progress or Progress()
    files: dict[str, bytes] = {}
    for path, place in _of_lmzoo():
        files[f"grader/{place}"] = path.read_bytes()
    if names is not None:
        with tempfile.TemporaryDirectory() as folder, progress.task("getting wheels"):
            fetch(names, version, Path(folder))
            for path in sorted(Path(folder).rglob("*")):
                if path.is_file() and "bin" not in path.relative_to(folder).parts[:1]:
                    files[f"packages/{path.relative_to(folder).as_posix()}"] = path.read_bytes()
    if secret and host != "actions":  # where it is the repository's
        files["course.key"] = secret
    texts = _texts(assignment, host, version, names is not None)
    files["setup.sh"] = texts.pop("setup.sh")
    if host == "vpl":  # whose execution files lie flat beside the hand-in
        files = {"grader.zip": _zip(files)}
    return _zip({**texts, **files})


def _texts(assignment: Assignment, host: str, version: str, wheels: bool) -> dict[str, bytes]:
    """The scripts of a host, and what to do with them, by name."""
    major, minor = version.split(".")
    exactly, at_least = f"sys.version_info[:2] == ({major}, {minor})", "sys.version_info >= (3, 11)"
    installed = """"$found" -c 'import sys; print(*[p for p in sys.path if p.endswith("-packages")], sep="\\n")'"""
    known = {
        "ASSIGNMENT": assignment.name,
        "TITLE": assignment.rubric.title,
        "FILE": assignment.rubric.file,
        "POINTS": f"{assignment.points:g}",
        "VERSION": version,
        "FITS": exactly if wheels else at_least,
        "WANTED": f"Python {version}" if wheels else f"Python 3.11 or newer, with {', '.join(needed(assignment))}",
        "PACKAGES": 'echo "$PWD/packages"' if wheels else installed,
    }
    found = {"setup.sh": (HOSTS / "setup.sh").read_text("utf-8")}
    for path in sorted((HOSTS / host).rglob("*")):
        if path.is_file():
            found[path.relative_to(HOSTS / host).as_posix()] = path.read_text("utf-8")
    for name, text in found.items():
        for word, value in known.items():
            text = text.replace(f"@{word}@", value)
        found[name] = text
    return {name: text.encode() for name, text in found.items()}


def _of_lmzoo() -> Iterator[tuple[Path, str]]:
    """The files of lmzoo and of its corpora, and their places below `grader/`."""
    package = Path(lmzoo.__file__).parent
    for top, below in ((package, "lmzoo"), (cards.folder(), "lmzoo/corpora")):
        for path in sorted(top.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path, f"{below}/{path.relative_to(top).as_posix()}"


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, contents in files.items():
            # The same bytes whenever it is packed.
            info = zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0))
            runs = name.endswith(".sh") or name == "run_autograder"
            info.external_attr = (0o600 if name == "course.key" else 0o755 if runs else 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, contents)
    return buffer.getvalue()


def sizes(archive: bytes) -> dict[str, int]:
    """Bytes of each folder of the archive, packed, and of what it has in `packages`."""
    found: dict[str, int] = {}
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        for info in packed.infolist():
            parts = info.filename.split("/")
            top = "/".join(parts[:2]) if parts[0] == "packages" else parts[0]
            found[top] = found.get(top, 0) + info.compress_size
    return found
