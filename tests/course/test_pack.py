"""An archive that grades on another host: run there by its own scripts, in an empty folder, without a network."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from lmzoo.cli.main import main
from lmzoo.course import assignments, jail, pack, remote
from lmzoo.errors import LmzooError
from tests.course.counted import COUNTING, REFERENCE, SECRET

# Its first function.
COUNT = REFERENCE[: REFERENCE.index("def by_context")]


@pytest.fixture
def key(tmp_path):
    key = tmp_path / "course.key"
    key.write_bytes(SECRET)
    key.chmod(0o600)
    return key


@pytest.fixture
def offline():
    """The beginning of a command that has no network."""
    words = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    if not shutil.which("unshare") or subprocess.run([*words, "true"], capture_output=True).returncode:
        pytest.skip("this machine refuses unshare, so nothing can be kept from its network")
    return words


def run(words, folder, **environment):
    known = {
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        "PYTHON": sys.executable,
        "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
    }
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, env={**known, **environment})
    assert done.returncode == 0, done.stderr
    return done.stdout


def unpacked(archive, folder):
    with zipfile.ZipFile(archive) as packed:
        for info in packed.infolist():
            place = Path(packed.extract(info, folder))
            place.chmod(info.external_attr >> 16)
    return folder


def test_gradescope(tmp_path, key, offline, monkeypatch):
    monkeypatch.setattr(pack, "needed", lambda assignment: ["numpy"])
    with pytest.raises(SystemExit) as exit_:
        main(["course", "pack", "3", "--for", "gradescope", "--secret", str(key), "--no-wheels", "--quiet",
              "--out", str(tmp_path / "a.zip")])  # fmt: skip
    assert exit_.value.code == 0
    root = tmp_path / "autograder"
    source = unpacked(tmp_path / "a.zip", root / "source")
    rubric = source / "grader" / "lmzoo" / "course" / "assignments" / "03-counting" / "rubric.toml"
    title, first, *_ = rubric.read_text("utf-8").split("[[check]]")
    # Only the check of `count`: for the others numba would first compile what is kept, which takes half a minute.
    rubric.write_text(f"{title}[[check]]{first}", "utf-8")
    run([*offline, "sh", "setup.sh"], source)
    for name in ("submission", "results"):
        (root / name).mkdir()
    (root / "submission" / "counting.py").write_text(COUNT, "utf-8")
    (root / "submission_metadata.json").write_text('{"users": [{"id": 12}, {"id": 7}]}', "utf-8")
    shutil.copy(source / "run_autograder", root)
    assert run([*offline, "sh", str(root / "run_autograder")], root, AUTOGRADER=str(root)) == ""
    (written,) = (root / "results").iterdir()
    results = json.loads(written.read_text("utf-8"))
    assert [(test["name"], test["score"], test["max_score"]) for test in results["tests"]] == [("counts", 10, 10)]
    assert results["extra_data"]["assignment"] == "03-counting"
    assert (source / "grader").stat().st_mode & 0o077 == 0
    assert (source / "course.key").stat().st_mode & 0o077 == 0


def test_each_host_has_its_scripts_and_no_secret_where_it_is_the_repositorys(monkeypatch):
    monkeypatch.setattr(pack, "needed", lambda assignment: ["numpy"])
    found = {}
    for host in pack.NAMES:
        archive = pack.pack(COUNTING, host, SECRET, "3.12", None)
        with zipfile.ZipFile(io.BytesIO(archive)) as packed:
            names = packed.namelist()
            found[host] = {name.split("/")[0] for name in names}
            for name in names:
                if name.endswith((".sh", ".md", ".yml", "run_autograder")) and not name.startswith("grader/"):
                    assert not re.findall(r"@[A-Z]+@", packed.read(name).decode())
    assert archive == pack.pack(COUNTING, "vpl", SECRET, "3.12", None)  # the same bytes each time
    assert found["gradescope"] == {"README.md", "run_autograder", "setup.sh", "grader", "course.key"}
    assert found["actions"] == {"README.md", ".github", "grade.sh", "setup.sh", "grader"}
    assert found["vpl"] == {"README.md", "vpl_run.sh", "vpl_evaluate.sh", "grader.zip"}


def test_wheels_that_cannot_be_had_are_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    with pytest.raises(LmzooError, match="--no-wheels leaves them to the host"):
        pack.fetch(["msgspec"], "3.12", tmp_path)


def test_where_unshare_is_refused_another_user_can_still_not_read_the_secret(tmp_path, key, monkeypatch):
    """As in a container of Gradescope's, where root has few rights."""
    if sys.platform != "linux" or os.geteuid():
        pytest.skip("only root on Linux can take another user for a hand-in")
    monkeypatch.setattr(jail, "separates", lambda: False)
    monkeypatch.setattr(jail, "new_user", lambda: 7654321)
    left = Path("/tmp") / f"left-{os.getpid()}"
    code = f"""
import os, time
open({str(left)!r}, "w").write("for the next")
if not os.fork():
    os.setsid()
    time.sleep(99)
def f(path):
    return os.path.exists(path), open(path).read()
"""
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents[:2]:
        folder.chmod(0o755)
    question = remote.Question("f", [(None, (str(key),))])
    answers = remote.ask("counting.py", code.encode(), question, 2, 2)
    assert "PermissionError" in answers.values[0].message
    assert not left.exists()
    end = time.monotonic() + 10
    while alive(7654321) and time.monotonic() < end:
        time.sleep(0.05)
    assert not alive(7654321)
    assert "cannot read the secret" in jail.means(2)


def alive(user):
    statuses = [_read(one) for one in Path("/proc").glob("[0-9]*/status")]
    return [text for text in statuses if f"Uid:\t{user}\t".encode() in text and b"State:\tZ" not in text]


def _read(file):
    try:
        return file.read_bytes()
    except OSError:
        return b""


def test_what_grading_needs_is_measured():
    names = pack.needed(assignments.find("3"))
    assert {"numba", "numpy", "typer"} <= set(names)
    assert "torch" not in names
