"""A comparison on a cluster finds what one without it finds, and does nothing itself that a worker has done."""

import os
import signal
import time
from contextlib import suppress
from dataclasses import replace

import psutil
import pytest

from lmzoo.cluster import connect
from lmzoo.comparison import jobs
from lmzoo.comparison.compare import compare
from lmzoo.comparison.jobs import Job, do, lay
from lmzoo.comparison.on_cluster import Elsewhere, Team
from lmzoo.data import corpus as corpora
from lmzoo.errors import FormatError, UsageError
from lmzoo.interface import Run
from lmzoo.progress import Progress
from lmzoo.report.section import find
from lmzoo.runs import provenance, store
from lmzoo.runs import train as training
from tests.comparison.test_compare import FAILS, STUDENT
from tests.comparison.test_compare_again import without_times
from tests.comparison.test_side_by_side import DIES, TEXT

STEPS = Run(seed=1, steps=5)
SLEEPS = DIES.replace("os._exit(3)", "__import__('time').sleep(600)")
# One of models, one of all together, one of shares.
SECTIONS = [find("calibration"), find("neighbours"), find("curves")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("comparison")
    for name, contents in {
        "own.txt": TEXT,
        "unigram.py": STUDENT,
        "fails.py": FAILS,
        "dies.py": DIES,
        "sleeps.py": SLEEPS,
    }.items():
        (folder / name).write_text(contents, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def own(folder):
    return corpora.load(folder / "own.txt")


def found(comparison):
    return without_times(comparison.to_json())


def compared(specs, own, folder, run=STEPS, **how):
    return compare(specs, own, folder, run, "char", sections=SECTIONS, shares=(0.5, 1), seeds=2, **how)


class Noted:
    """What the comparison's own process trains, and which functions it submits."""

    def __init__(self, monkeypatch, workers):
        self.trained, self.submitted = [], []
        fit, submit = training.fit, workers.submit
        monkeypatch.setattr(training, "fit", lambda name, *rest: self.trained.append(name) or fit(name, *rest))
        monkeypatch.setattr(
            workers, "submit", lambda function, *rest: self.submitted.append(function) or submit(function, *rest)
        )


class Killing(Progress):
    """Kills a worker once one job is done."""

    def __init__(self, client):
        self.client, self.killed = client, False

    def advance(self, amount=1, note=""):
        if not self.killed:
            self.killed = True
            os.kill(next(iter(self.client.run(os.getpid).values())), signal.SIGKILL)


def test_it_finds_the_same_though_a_worker_is_killed_and_does_nothing_twice(two_processes, own, folder, monkeypatch):
    compare(["ngram:order=3"], own, folder / "before", Run(), "char")
    run = str(folder / "before" / "runs" / "ngram-order-3-seed-0")
    monkeypatch.chdir(folder)  # workers are elsewhere
    specs = ["uniform", "rnn:preset=tiny", "pmi:window=2", "unigram.py:add=0.5", "fails.py", run]
    alone = compared(specs, own, folder / "alone")
    noted, progress = Noted(monkeypatch, two_processes), Killing(two_processes.client)
    monkeypatch.setattr(two_processes, "progress", progress)
    there = compared(specs, own, folder / "there", cluster=Elsewhere(two_processes))
    assert found(there) == found(alone)
    assert progress.killed
    assert "homework is hard" in there.rows[4].error
    assert noted.trained == ["fails.py"] * 2  # for its curve, which knows of no run
    assert do in noted.submitted
    noted.submitted.clear()
    again = compared(specs[:4], own, folder / "there", cluster=Elsewhere(two_processes))
    assert do not in noted.submitted
    assert [row.score.bits for row in again.rows] == [row.score.bits for row in alone.rows[:4]]


class Interrupting(Progress):
    """Ctrl-C once a job is done."""

    def advance(self, amount=1, note=""):
        raise KeyboardInterrupt


def test_an_interruption_ends_what_workers_are_at_and_what_is_done_is_here(two_processes, own, folder, tmp_path):
    def interrupted():
        with connect(two_processes.client.scheduler.address, Interrupting()) as workers:
            specs = [str(folder / "sleeps.py"), "uniform"]
            compare(specs, own, tmp_path, Run(), "char", cluster=Elsewhere(workers))

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.glob("kept/*"))
    until = time.monotonic() + 30  # it would sleep for ten minutes
    while len(working := children(two_processes)) > 1 and time.monotonic() < until:
        time.sleep(0.1)
    assert len(working) < 2  # the one that is not asleep waits for jobs


def children(workers):
    """The living processes of `jobs` beside the workers."""
    found = [one for pid in workers.client.run(os.getpid).values() for one in psutil.Process(pid).children()]
    with suppress(psutil.NoSuchProcess):  # nor a zombie
        return [one for one in found if "spawn_main" in " ".join(one.cmdline())]
    return children(workers)


@pytest.fixture
def asked(two_processes, own, tmp_path, monkeypatch):
    """What workers are asked in a comparison."""
    monkeypatch.setattr(two_processes, "share", lambda value: value)
    text = training.encode(own, "char", STEPS)
    return Team(Elsewhere(two_processes), ["uniform"], text, tmp_path, STEPS, (), 1).asked


def test_what_a_worker_lacks_is_named_with_it(two_processes, asked):
    job = two_processes.submit(do, replace(asked, code={"/nowhere/mine.py": "ab12"}), Job(("uniform",), 1))
    missing = "/nowhere/mine.py is not there: give a path that every worker can read, as on a shared disk"
    with pytest.raises(UsageError, match=rf"^worker tcp://\S+ on \S+: {missing}"):
        two_processes.gather("training", [job])
    with pytest.raises(UsageError, match=r"no corpus, file or folder is called '/nowhere/own\.txt'"):
        jobs._read(replace(asked, paths="/nowhere/own.txt"))


def test_what_kills_its_process_is_left_to_the_comparison(two_processes, asked, folder):
    job = two_processes.submit(do, asked, Job((str(folder / "dies.py"),), 1))
    assert two_processes.gather("training", [job]) == [None]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"versions": {"numpy": "1.0"}}, r"numpy is \S+ here and 1\.0 at the command: install the same"),
        ({"code": "ab12"}, "has other files: install the same"),
    ],
)
def test_a_worker_with_other_versions_is_refused(changes, message):
    here = provenance.circumstances()
    others = here | changes
    others["versions"] = here["versions"] | changes.get("versions", {})
    with pytest.raises(UsageError, match=message):
        jobs._refuse_others(others)


def test_another_text_or_file_of_the_same_name_is_refused(asked, folder, tmp_path):
    with pytest.raises(UsageError, match=r"own\.txt is another text here than the command's"):
        jobs._read(replace(asked, corpus=replace(asked.corpus, sha256={})))
    with pytest.raises(UsageError, match=r"unigram\.py is another file here than the command's"):
        jobs.Desk(replace(asked, code={str(folder / "unigram.py"): "ab12"}), tmp_path)


@pytest.mark.parametrize("name", ["../x", "/etc/x", "kept/../../x", "elsewhere/x"])
def test_nothing_is_laid_outside(tmp_path, name):
    with pytest.raises(FormatError, match="no part of a comparison"):
        lay({name: b""}, tmp_path / "report")
    assert not list(tmp_path.rglob("x"))


def test_a_run_is_laid_whole(own, tmp_path):
    compare(["ngram:order=2"], own, tmp_path / "one", STEPS, "char")
    run = tmp_path / "one" / "runs" / "ngram-order-2"
    lay(jobs.files_of(run, "runs/ngram-order-2"), tmp_path / "other")
    assert store.digest(tmp_path / "other" / "runs" / "ngram-order-2") == store.digest(run)
    store.verify(tmp_path / "other" / "runs" / "ngram-order-2")
