"""Two hosts, each a network namespace, with a slow link between them: the result is that of one process."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import workers
from tests.comparison.test_compare_again import without_times

pytestmark = pytest.mark.hosts
HERE, THERE = "10.231.7.1", "10.231.7.2"
# A slow link: 20 Mbit/s and 20 ms each way; without the kernel's netem module the rate alone.
SLOW = (["netem", "delay", "20ms", "rate", "20mbit"], ["tbf", "rate", "20mbit", "burst", "32kbit", "latency", "400ms"])


# `lmzoo compare` with one section of the report, which is not written.
COMPARE = """
import argparse, json
from pathlib import Path
from lmzoo.cluster import connect
from lmzoo.comparison.compare import compare
from lmzoo.comparison.on_cluster import Elsewhere
from lmzoo.data import corpus
from lmzoo.interface import Run
from lmzoo.report.section import find
parser = argparse.ArgumentParser()
parser.add_argument("--cluster")
parser.add_argument("--out", type=Path)
options = parser.parse_args()
words = corpus.load(Path("words.txt"))
def compared(**where):
    specs = ["ngram:order=2", "rnn:preset=tiny"]
    return compare(specs, words, options.out, Run(seed=1, steps=5), sections=[find("calibration")], **where)
if options.cluster:
    with connect(options.cluster) as workers:
        comparison = compared(cluster=Elsewhere(workers))
else:
    comparison = compared()
(options.out / "results.json").write_text(json.dumps(comparison.to_json()))
"""


def ip(*arguments, check=True):
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=check)


@pytest.fixture
def hosts():
    """The names of two namespaces whose only way to each other is a slow link."""
    if not shutil.which("ip") or not shutil.which("tc"):
        pytest.skip("ip and tc (iproute2) are not installed")
    names = [f"lmzoo-{side}-{os.getpid()}" for side in "ab"]
    with ExitStack() as undo:
        for name in names:
            added = ip("netns", "add", name, check=False)
            if added.returncode:
                pytest.skip(f"network namespaces are not permitted here: {added.stderr.strip()}")
            undo.callback(ip, "netns", "del", name, check=False)
        ends = [f"lz{side}{os.getpid()}" for side in "ab"]
        ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        for name, end, address in zip(names, ends, (HERE, THERE), strict=True):
            ip("link", "set", end, "netns", name)
            ip("-n", name, "addr", "add", f"{address}/24", "dev", end)
            ip("-n", name, "link", "set", end, "up")
            ip("-n", name, "link", "set", "lo", "up")
            tries = [["tc", "-n", name, "qdisc", "add", "dev", end, "root", *how] for how in SLOW]
            if all(subprocess.run(how, capture_output=True, check=False).returncode for how in tries):
                pytest.skip("tc can slow down no link here")
        yield names


@pytest.fixture
def on(hosts):
    """`on(n, *arguments)`: Python with these arguments on host n, ended with the test."""
    with ExitStack() as undo:

        def run(host, *command, cwd=None):
            where = ["ip", "netns", "exec", hosts[host], sys.executable, *command]
            environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
            process = subprocess.Popen(
                where, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            undo.enter_context(process)
            undo.callback(process.kill)
            return process

        yield run


@pytest.fixture
def cluster(on, tmp_path):
    """The address of a scheduler on one host, with a worker on each, whose text is words.txt."""
    (tmp_path / "words.txt").write_text(workers.text(5000))
    on(0, "-m", "dask", "scheduler", "--host", HERE, "--port", "8786", "--no-dashboard")
    for host, address in enumerate((HERE, THERE)):
        worker = on(
            host, "-m", "dask", "worker", f"{HERE}:8786", "--host", address, "--no-dashboard", "--no-nanny",
            cwd=tmp_path,
        )  # fmt: skip
        assert any("Registered to" in line for line in worker.stdout)
    return f"{HERE}:8786"


@pytest.fixture
def both(on, cluster, tmp_path):
    """`both(*command)`: what it makes on the cluster and in one process, in the folders together and alone."""

    def run(*command):
        started = [
            on(0, *command, "--cluster", cluster, "--out", "together", cwd=tmp_path),
            on(1, *command, "--out", "alone", cwd=tmp_path),
        ]
        for process in started:
            said = process.communicate(timeout=240)[0]
            assert process.returncode == 0, said
        return tmp_path / "together", tmp_path / "alone"

    return run


def test_workers_on_two_hosts_give_the_model_of_one_process(both):
    together, alone = both("-m", "lmzoo", "train", "ngram", "--corpus", "words.txt", "--order", "3")
    for name in ("model.safetensors", "tokenizer.json"):
        assert (together / name).read_bytes() == (alone / name).read_bytes()


def test_a_comparison_on_two_hosts_finds_what_one_process_does(both):
    found = both("-c", COMPARE)
    together, alone = (json.loads((folder / "results.json").read_text("utf-8")) for folder in found)
    assert [row["error"] for row in together["rows"]] == [None, None]
    assert together["calibration"]["rows"]
    assert without_times(together) == without_times(alone)
