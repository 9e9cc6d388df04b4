"""Work on other processes: results of any worker, errors with its address, and ends that leave nothing behind."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from lmzoo import cluster
from lmzoo.cluster import connect
from lmzoo.data.remote import RemoteText
from lmzoo.errors import LmzooError, UsageError
from lmzoo.progress import Progress
from tests import workers
from tests.inline import spread


def square(number):
    time.sleep(0.05)
    return number * number


def fail(number):
    raise FileNotFoundError(2, "No such file or directory", "/data/x.txt")


class Counting(Progress):
    """Notes the bars and how far they came."""

    def __init__(self):
        self.done = {}

    def task(self, name, total=None):
        self.name, self.done[name] = name, 0
        return super().task(name, total)

    def advance(self, amount=1, note=""):
        self.done[self.name] += amount


def test_values_come_back_in_order_and_a_bar_counts_them(two_processes):
    two_processes.progress = progress = Counting()
    futures = [two_processes.submit(square, number) for number in range(20)]
    total = two_processes.reduce(sum, futures)
    assert two_processes.gather("squaring", futures) == [number * number for number in range(20)]
    assert two_processes.gather("adding", [total]) == [2470]
    assert progress.done == {"squaring": 20, "adding": 1}


def test_a_worker_killed_in_the_middle_changes_nothing(two_processes):
    pids = two_processes.client.run(os.getpid)
    futures = [two_processes.submit(square, number) for number in range(40)]
    two_processes.wait("some", futures[:6])
    os.kill(next(iter(pids.values())), signal.SIGKILL)
    assert two_processes.gather("squaring", futures) == [number * number for number in range(40)]


def test_what_fails_on_a_worker_is_named_with_it(two_processes):
    with pytest.raises(
        LmzooError, match=r"^worker tcp://127.0.0.1:\d+ on \S+: /data/x.txt: No such file or directory$"
    ):
        two_processes.gather("failing", [two_processes.submit(fail, 1)])
    with pytest.raises(UsageError, match=r"^worker tcp://\S+ on \S+: /nowhere/text.txt is not there: give a path"):
        two_processes.gather("reading", [two_processes.submit(RemoteText.read, RemoteText("/nowhere/text.txt", 5))])


def test_an_interruption_cancels_what_a_scheduler_has_to_do(two_processes):
    address = two_processes.client.scheduler.address

    def interrupted():
        with connect(address) as others:
            futures = [others.submit(square, number) for number in range(1000)]
            others.wait("some", futures[:2])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    until = time.monotonic() + 10  # a quarter of a minute before all would be done
    while (waiting := any(two_processes.client.processing().values())) and time.monotonic() < until:
        time.sleep(0.1)
    assert not waiting


def test_ctrl_c_ends_the_command_and_its_workers(tmp_path):
    (tmp_path / "words.txt").write_text(workers.text())
    command = [sys.executable, "-m", "lmzoo", "train", "ngram", "--corpus", "words.txt", "--cluster", "local:2"]
    running = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True)
    children = psutil.Process(running.pid).children
    while running.poll() is None and len(started := children(recursive=True)) < 4:  # two, their host, a tracker
        time.sleep(0.1)
    assert running.poll() is None, running.communicate()[1]
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert (running.returncode, said) == (130, "lmzoo: interrupted; nothing half-written was left\n")
    psutil.wait_procs(started, timeout=10)
    assert not [process for process in started if process.is_running()]
    assert [path.name for path in tmp_path.rglob("*")] == ["words.txt"]


def test_nobody_answers(monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 0.3)
    with pytest.raises(UsageError, match=r"nobody answers at 127\.0\.0\.1:9 .*: is `dask scheduler` running there"):
        connect("127.0.0.1:9").__enter__()


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("local:", r"'local:' has no number of processes: write local:N"),
        ("local:x", r"has no number of processes"),
        ("local:0", r"must be 1 or more, not 0"),
        ("somewhere", r"'somewhere' is none of: ADDRESS of a Dask scheduler"),
    ],
)
def test_where_must_be_a_cluster(where, message):
    with pytest.raises(UsageError, match=message):
        connect(where).__enter__()


def test_dask_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"--cluster needs lmzoo-lab\[cluster\], which is not installed: pip install"):
        connect("local:2").__enter__()


class TestSlurm:
    @pytest.fixture
    def jobqueue(self, monkeypatch):
        """A stand-in for dask_jobqueue, which submits nothing; what it was asked for."""
        asked = {}

        class SLURMCluster:
            def __init__(self, cores=0, memory="", queue=""):
                asked.update(cores=cores, memory=memory, queue=queue)

            def scale(self, jobs):
                asked["jobs"] = jobs

        monkeypatch.setitem(sys.modules, "dask_jobqueue", type(sys)("dask_jobqueue"))
        monkeypatch.setattr(sys.modules["dask_jobqueue"], "SLURMCluster", SLURMCluster, raising=False)
        return asked

    def test_jobs_and_settings_are_in_the_file(self, jobqueue, tmp_path):
        (tmp_path / "slurm.toml").write_text('jobs = 3\ncores = 8\nmemory = "16GB"\n')
        cluster._slurm(tmp_path / "slurm.toml")
        assert jobqueue == {"cores": 8, "memory": "16GB", "queue": "", "jobs": 3}

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ("cores = 8", "must say how many jobs to start"),
            ("jobs = 1\ncoers = 8", "unexpected keyword argument 'coers'"),
        ],
    )
    def test_what_is_wrong_in_it_is_named(self, jobqueue, tmp_path, settings, message):
        (tmp_path / "slurm.toml").write_text(settings)
        with pytest.raises(UsageError, match=message):
            cluster._slurm(tmp_path / "slurm.toml")


class TestIds:
    def test_the_beginning_may_end_within_a_chunk(self):
        ids = spread([0, 1, 2, 3, 4], [2, 4])[:3]
        assert [chunk.tolist() for chunk in ids.chunks] == [[0, 1], [2]]
        assert len(ids) == 3

    def test_what_is_before_a_chunk_may_be_in_several(self):
        assert [ids.tolist() for ids in spread([0, 1, 2, 3], [1, 2, 2]).before(2)] == [[], [0], [0, 1], [0, 1]]

    def test_they_are_never_in_one_place(self):
        import numpy as np

        with pytest.raises(UsageError, match="leave --cluster out"):
            np.asarray(spread([0, 1]))
