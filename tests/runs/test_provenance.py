"""Provenance that no one has to type."""

import json
import re
import shlex
import subprocess
import sys
from datetime import date

import numpy as np
import pytest

import lmzoo
from lmzoo.data import cards
from lmzoo.runs import provenance


def test_provenance_is_plain_json_and_whole():
    facts = provenance.provenance()
    assert json.loads(json.dumps(facts)) == facts
    assert set(facts) == {"date", "machine", "versions", "commit", "command"}
    date.fromisoformat(facts["date"])


def test_what_does_not_change_while_a_process_runs_is_asked_once(monkeypatch):
    first = provenance.provenance()
    assert first["commit"] == provenance.commit_of(cards.PACKAGE.parent)
    monkeypatch.setattr(provenance.metadata, "version", lambda _: 1 / 0)
    monkeypatch.setattr(provenance.subprocess, "run", lambda *_, **__: 1 / 0)
    first["versions"]["numpy"] = "another"  # is the caller's own
    assert provenance.provenance()["versions"] == provenance.versions() != first["versions"]
    assert provenance.provenance()["commit"] == first["commit"]


def test_versions_are_of_what_is_installed():
    found = provenance.versions()
    assert found["lmzoo"] == lmzoo.__version__
    assert found["numpy"] == np.__version__
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))


def test_the_machine_has_cores():
    assert re.search(r"\d+ cores", provenance.machine())


@pytest.mark.parametrize("program", ["/usr/bin/lmzoo", "/a/lmzoo/__main__.py"])
def test_the_command_can_be_typed_again(monkeypatch, program):
    monkeypatch.setattr(sys, "argv", [program, "generate", "my run", "--prompt", "it's"])
    assert shlex.split(provenance.command()) == ["lmzoo", "generate", "my run", "--prompt", "it's"]


@pytest.fixture
def checkout(tmp_path):
    """A folder with the package."""
    (tmp_path / "lmzoo").mkdir()
    (tmp_path / "lmzoo" / "provenance.py").write_text("")
    return tmp_path


def git(checkout, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", checkout, *identity, *arguments], check=True, capture_output=True)


def test_the_commit_says_whether_files_differ_from_it(checkout):
    git(checkout, "init")
    git(checkout, "add", ".")
    git(checkout, "commit", "-m", "one")
    clean = provenance.commit_of(checkout)
    assert re.fullmatch("[0-9a-f]{12}", clean)
    (checkout / "lmzoo" / "provenance.py").write_text("x = 1\n")
    assert provenance.commit_of(checkout) == f"{clean}+changes"


def test_outside_of_a_checkout_there_is_no_commit(checkout):
    assert provenance.commit_of(checkout) is None


def test_a_checkout_without_commits_or_git_has_none(checkout, monkeypatch):
    git(checkout, "init")
    assert provenance.commit_of(checkout) is None
    monkeypatch.setenv("PATH", "")
    assert provenance.commit_of(checkout) is None


MEASURED = """
import numpy as np
from lmzoo.runs import provenance

def fill(mebibytes):
    np.ones(mebibytes << 17).sum()  # touched, so that it is resident

fill(300)
with provenance.peak_memory() as little:
    fill(10)
with provenance.peak_memory() as much:
    fill(200)
print(little.bytes, much.bytes)
"""


@pytest.mark.skipif(not (provenance.PROCESS / "clear_refs").exists(), reason="only Linux keeps a high-water mark")
def test_peak_memory_is_of_what_ran_within_and_not_of_what_came_before():
    """In a process of its own: one in which a network has learned keeps what it once had."""
    done = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True)
    little, much = done.stdout.split()
    assert (little == "None") == (much == "None")  # a container may forbid it
    if little != "None":
        assert 150 << 20 < int(much) - int(little) < 250 << 20


def test_where_the_peak_cannot_be_measured_it_is_not_known(monkeypatch, tmp_path):
    monkeypatch.setattr(provenance, "PROCESS", tmp_path / "nowhere")
    with provenance.peak_memory() as peak:
        pass
    assert peak.bytes is None


def test_what_is_done_for_another_machine_counts_as_done_there(monkeypatch):
    monkeypatch.setattr(provenance, "_asking", {})
    try:
        provenance.work_for("a machine", "lmzoo compare")
        assert provenance.circumstances()["machine"] == "a machine"
        assert provenance.provenance()["command"] == "lmzoo compare"
        assert provenance.provenance()["machine"] == provenance.machine() != "a machine"
    finally:
        provenance.circumstances.cache_clear()
