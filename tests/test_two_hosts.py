"""Two hosts, each a network namespace, with a slow link between them: the result is that of one process."""

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import workers

pytestmark = pytest.mark.hosts
HERE, THERE = "10.231.7.1", "10.231.7.2"
# A slow link: 20 Mbit/s and 20 ms each way; without the kernel's netem module the rate alone.
SLOW = (["netem", "delay", "20ms", "rate", "20mbit"], ["tbf", "rate", "20mbit", "burst", "32kbit", "latency", "400ms"])


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
    """`on(n, *command)`: Python's `-m` on host n, ended with the test."""
    with ExitStack() as undo:

        def run(host, *command, cwd=None):
            where = ["ip", "netns", "exec", hosts[host], sys.executable, "-m", *map(str, command)]
            environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
            process = subprocess.Popen(
                where, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            undo.enter_context(process)
            undo.callback(process.kill)
            return process

        yield run


def test_workers_on_two_hosts_give_the_model_of_one_process(on, tmp_path):
    (tmp_path / "words.txt").write_text(workers.text(5000))
    train = ["lmzoo", "train", "ngram", "--corpus", "words.txt", "--order", "3"]
    on(0, "dask", "scheduler", "--host", HERE, "--port", "8786", "--no-dashboard")
    for host, address in enumerate((HERE, THERE)):
        worker = on(
            host, "dask", "worker", f"{HERE}:8786", "--host", address, "--no-dashboard", "--no-nanny", cwd=tmp_path
        )
        assert any("Registered to" in line for line in worker.stdout)
    together = on(0, *train, "--cluster", f"{HERE}:8786", "--out", "together", cwd=tmp_path)
    alone = on(1, *train, "--out", "alone", cwd=tmp_path)
    for process in (together, alone):
        said = process.communicate(timeout=240)[0]
        assert process.returncode == 0, said
    for name in ("model.safetensors", "tokenizer.json"):
        assert (tmp_path / "together" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
