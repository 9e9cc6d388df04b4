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


# `lmzoo train` and then `lmzoo compare`, with one section of the report, which is not written. It is the main program
# of the process on the cluster, and called in that of the tests.
BOTH = """
import argparse, json
from contextlib import suppress
from pathlib import Path
from lmzoo.cli.main import main
from lmzoo.cluster import connect
from lmzoo.comparison.compare import compare
from lmzoo.comparison.on_cluster import Elsewhere
from lmzoo.data import corpus
from lmzoo.interface import Run
from lmzoo.report.section import find
def both(out, cluster):
    with suppress(SystemExit):
        main(["train", "ngram", "--corpus", "words.txt", "--order", "3", "--out", f"{out}/trained", *cluster])
    words = corpus.load(Path("words.txt"))
    def compared(**where):
        specs = ["ngram:order=2", "rnn:preset=tiny"]
        return compare(specs, words, out, Run(seed=1, steps=5), sections=[find("calibration")], **where)
    if cluster:
        with connect(cluster[1]) as workers:
            comparison = compared(cluster=Elsewhere(workers))
    else:
        comparison = compared()
    (out / "results.json").write_text(json.dumps(comparison.to_json()))
if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--cluster")
    both(Path("together"), ["--cluster", parser.parse_args().cluster])
"""


def ip(*arguments, check=True):
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=check)


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with words.txt, which both hosts can read."""
    folder = tmp_path_factory.mktemp("hosts")
    (folder / "words.txt").write_text(workers.text(5000))
    return folder


@pytest.fixture(scope="module")
def cluster(on, place):
    """The address of a scheduler on one host, with a worker on each, whose text is words.txt."""
    on(0, "-m", "dask", "scheduler", "--host", HERE, "--port", "8786", "--no-dashboard")
    for host, address in enumerate((HERE, THERE)):
        worker = on(
            host, "-m", "dask", "worker", f"{HERE}:8786", "--host", address, "--no-dashboard", "--no-nanny",
            cwd=place,
        )  # fmt: skip
        assert any("Registered to" in line for line in worker.stdout)
    return f"{HERE}:8786"


@pytest.fixture(scope="module")
def both(on, cluster, place):
    """What is made on the cluster and in one process, in two folders."""
    process = on(0, "-c", BOTH, "--cluster", cluster, cwd=place)
    alone: dict = {}
    exec(BOTH, alone)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        alone["both"](Path("alone"), [])
    said = process.communicate(timeout=240)[0]
    assert process.returncode == 0, said
    return place / "together", place / "alone"


def test_workers_on_two_hosts_give_the_model_of_one_process(both):
    together, alone = (folder / "trained" for folder in both)
    for name in ("model.safetensors", "tokenizer.json"):
        assert (together / name).read_bytes() == (alone / name).read_bytes()


def test_a_comparison_on_two_hosts_finds_what_one_process_does(both):
    together, alone = (json.loads((folder / "results.json").read_text("utf-8")) for folder in both)
    assert [row["error"] for row in together["rows"]] == [None, None]
    assert together["calibration"]["rows"]
    assert without_times(together) == without_times(alone)
