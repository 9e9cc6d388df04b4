"""Cheating hand-ins: none earns a point, and at level 2 none reads the secret.

They are graded at the highest level that this machine has. What a level does not promise is skipped there, and said.
"""

import os
import py_compile
import socket
import stat
import sys
import textwrap
import zipfile
from functools import cache
from pathlib import Path

import pytest

import lmzoo
from lmzoo.course import grading, jail, remote
from lmzoo.course.assignments import Assignment
from lmzoo.course.grading import source
from lmzoo.errors import UsageError
from tests.course.cheats import ANSWERS, PROBES, WRONG
from tests.course.counted import ADD_K, REFERENCE, SECRET, drawn_once, draws, only  # noqa: F401

HAND_IN = Path(__file__).parent / "counting" / "reference.py"
ROOT = str(Path(lmzoo.__file__).parents[1])
pytestmark = pytest.mark.usefixtures("drawn_once")


@pytest.fixture(scope="module")
def level():
    try:
        return jail.choose(None)
    except UsageError:  # root, where no other user can be taken
        return 0


@pytest.fixture
def grade(tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "PATIENCE", 0.5)

    def graded(code, level, student="ada"):
        (tmp_path / "counting.py").write_bytes(code if isinstance(code, bytes) else code.encode())
        return grading.grade(tmp_path, ADD_K, SECRET, student, level)

    return graded


@pytest.fixture(scope="module")
def probed(level, tmp_path_factory):
    """What each level's hand-in could get, by level: two runs, for the second may find what the first has left."""
    folder = tmp_path_factory.mktemp("host")
    folder.chmod(0o700)
    key = folder / "course.key"
    key.write_bytes(SECRET)
    key.chmod(0o600)
    handed = folder / "handed"
    handed.mkdir()

    def got(level, names):
        with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
            port = server.getsockname()[1]
            abstract.bind(f"\0lmzoo-{port}")
            abstract.listen()
            known = {"SECRET": str(key), "ROOT": ROOT, "HOST": str(folder), "PORT": port, "KEY": os.getpid(),
                     "TMP": "/tmp", "REFERENCE": str(HAND_IN)}  # fmt: skip
            bodies = {name: "def body():\n" + textwrap.indent(PROBES[name], "    ") for name in names}
            code = f"globals().update({known!r})\nBODIES = {bodies!r}\n{ATTEMPT}{WRONG}"
            (handed / "counting.py").write_text(code, "utf-8")
            lines = []
            for _ in range(2):
                result = grading.grade(handed, ADD_K, SECRET, "ada", level)
                lines += result.printed.splitlines()
        assert lines.count("end of probes") == 2
        assert result.points == 0
        return {line.removeprefix("got ") for line in lines if line.startswith("got ")}

    return cache(got)


ATTEMPT = """
for name, body in BODIES.items():
    made = dict(globals())
    exec(body, made)
    try:
        got = made["body"]()
    except BaseException:
        got = None
    if got:
        print("got", name, flush=True)
print("end of probes", flush=True)
"""


# By the user's own rights, where it is also the grader's: harmless, or what level 1 does not promise.
AT_LEVEL_ONE = ("a signal to its parent", "the files of its parent", "the environment of its parent")
# At level 0 all of these are to be had, so the probes do look where something is.
AT_LEVEL_ZERO = (
    "the secret by its path", "the secret by its folder", "other processes", "lmzoo without the hook",
    "lmzoo by sys.path", "lmzoo by its file", "lmzoo by exec", "lmzoo by another Python", "the hand-in of the tests",
    "a connection", "an abstract socket", "a file of the host", "a signal to its parent", "its own file",
)  # fmt: skip


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_gets_nothing(probed, level, name):
    if level == 0:
        pytest.skip("this machine refuses unshare, and level 0 promises limits alone")
    if level == 1 and (name in AT_LEVEL_ONE or name.startswith("the secret")):
        pytest.skip("only root can take another user, and a hand-in of the grader's own may do this")
    assert name not in probed(level, tuple(PROBES))


@pytest.mark.skipif(sys.platform != "linux", reason="the probes look in /proc")
def test_the_probes_find_what_nothing_keeps_from_them(probed):
    assert probed(0, AT_LEVEL_ZERO) == set(AT_LEVEL_ZERO)


@pytest.mark.parametrize("name", ANSWERS)
def test_no_answer_earns_points_without_the_formula(grade, level, name):
    if level == 0 and "lmzoo" in name:
        pytest.skip("this machine refuses unshare, and level 0 does not hide lmzoo")
    mark = f"a mark of process {os.getpid()}"
    result = grade(ANSWERS[name].replace("ROOT", repr(ROOT)).replace("MARK", repr(mark)), level)
    assert (result.points, result.finished) == (0, True)
    assert level == 0 or "got " not in result.printed
    assert len(result.checks[0].message) < 1000
    if level and "MARK" in ANSWERS[name]:
        assert not [one for one in Path("/proc").glob("[0-9]*/cmdline") if mark.encode() in _read(one)]


def _read(file):
    try:
        return file.read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("code", ["import time; time.sleep(99)", "import os; os.kill(os.getpid(), 19)", "input()"])
def test_one_that_waits_is_ended(grade, level, monkeypatch, code):
    monkeypatch.setattr(remote, "PATIENCE", 0.3)
    assert grade(f"{code}\n{WRONG}", level).points == 0


def table(drawn):
    """A hand-in that knows these answers."""
    cases = zip(drawn.question.cases, drawn.judge.expected, strict=True)
    known = {repr(arguments[0]): right for (_, arguments), right in cases}
    return f"""
TABLE = {known!r}
def kneser_ney(tables, V):
    return lambda history: TABLE.get(repr(history), [1.0] + [0.0] * (V - 1))
"""


def test_answers_of_another_time_are_worth_nothing(tmp_path, level, monkeypatch):
    """Those of the public check, of another student, and of the attempt before, which printed its cases."""
    one = only(4)
    monkeypatch.setattr(Assignment, "checks", lambda self, source: {"Kneser-Ney": draws(source)["Kneser-Ney"]})

    def points(code, student="ada"):
        (tmp_path / "counting.py").write_text(code, "utf-8")
        return grading.grade(tmp_path, one, SECRET, student, level).points

    def drawn(contents, secret, student="ada"):
        name = f"{one.name}/Kneser-Ney"
        return one.checks(lambda check: grading.source(secret, student, name, contents))["Kneser-Ney"]("")

    assert points(table(drawn(b"", grading.PUBLIC, "public"))) == 0
    assert points(table(drawn(REFERENCE.encode(), SECRET, "bob"))) == 0
    known = table(drawn(REFERENCE.encode(), SECRET))
    assert points(known) == 0
    # Were inputs those of the attempt before, the table would be worth nearly all: some are asked of two orders.
    monkeypatch.setattr(grading, "source", lambda *words: source(SECRET, "ada", words[2], REFERENCE.encode()))
    assert points(known) > 15


def a_zip(file, name="counting.py", size=1 << 20):
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(name, b"#" * size)
    return file


# What is handed in, made in a folder from the reference; what is said.
FILES = {
    "a link to the reference": (lambda f: (f / "counting.py").symlink_to(HAND_IN), "is a link"),
    "a link to a folder with it": (lambda f: (f / "sub").symlink_to(HAND_IN.parent), "there is no counting.py"),
    "a pipe": (lambda f: os.mkfifo(f / "counting.py"), "is not a regular file"),
    "a socket": (lambda f: os.mknod(f / "counting.py", stat.S_IFSOCK | 0o666), "cannot be read"),
    "a folder of that name": (lambda f: (f / "counting.py").mkdir(), "there is no counting.py"),
    "a zip bomb": (lambda f: a_zip(f / "counting.zip", size=1 << 26), "there is no counting.py"),
    "a zip of that name": (lambda f: a_zip(f / "counting.py"), "0 of 50 cases right"),
    "a package": (lambda f: a_zip(f / "counting.py", "__main__.py"), "0 of 50 cases right"),
    "byte code": (
        lambda f: py_compile.compile(str(HAND_IN), str(f / "counting.py"), doraise=True),
        "0 of 50 cases right",
    ),
    "a file of 9 MiB": (lambda f: (f / "counting.py").write_bytes(b"#" * (9 << 20)), "larger than 1 MiB"),
    "modules beside it": (lambda f: beside(f), "No module named 'mine'"),
}


def beside(folder):
    """Files that Python would import instead of its own, or before all others."""
    for name in ("json", "worker", "sitecustomize", "usercustomize", "traceback", "mine"):
        (folder / f"{name}.py").write_text("print('got in')", "utf-8")
    text = "import json, traceback\ndef add_k(tables, V, k):\n    import mine\n"
    (folder / "counting.py").write_text(text, "utf-8")


@pytest.mark.parametrize("name", FILES)
def test_no_file_is_worth_more_than_what_it_says(tmp_path, level, name):
    made, said = FILES[name]
    made(tmp_path)
    result = grading.grade(tmp_path, ADD_K, SECRET, "ada", level)
    assert result.points == 0
    assert said in result.checks[0].message
    assert "got" not in result.printed


def test_one_that_outlives_its_check_is_in_nobodys_way(grade, tmp_path):
    """At level 0 it may live on, and holds the pipe of what it prints, whose number is the next hand-in's."""
    stays = "import os, time\nif not os.fork():\n    os.setsid()\n    end = time.time() + 1.5\n"
    stays += "    while time.time() < end:\n        os.write(1, b'not you\\n'); time.sleep(0.01)\n    os._exit(0)\n"
    assert grade(stays + REFERENCE, 0).points == 10
    for _ in range(2):
        assert (after := grade(REFERENCE, 0)).points == 10
        assert after.printed == ""
