"""Models trained in several processes are those that one process trains, and none is lost with a process."""

import multiprocessing
import os
import pickle
import signal
import time
from dataclasses import dataclass

import pytest

from lmzoo.comparison import side_by_side
from lmzoo.comparison.compare import compare
from lmzoo.comparison.results import Computed
from lmzoo.data import corpus as corpora
from lmzoo.interface import Run
from lmzoo.progress import Progress
from lmzoo.report.section import sections
from lmzoo.runs import train as training
from tests.processes import Started

TEXT = "".join(f"the {n % 7} cats sat on {n % 11} mats.\n" for n in range(600))
NETWORKS = ["rnn:preset=tiny", "mlp:preset=tiny"]
# A model that ends the process that trains it, if that is not the comparison's own.
DIES = """
import multiprocessing, os
from dataclasses import dataclass
from lmzoo.models.uniform import Uniform

@dataclass
class Dies(Uniform):
    def fit(self, data, run=None):
        if multiprocessing.parent_process():
            os._exit(3)
        return super().fit(data, run)
"""


@dataclass(frozen=True)
class Facts:
    """Which process computed it."""

    process: int


def first(entries, context):
    """Computed by the comparison, and not before the other process has computed the last."""
    awaited = "first" if multiprocessing.parent_process() else "last"
    deadline = time.monotonic() + 120
    while not [*context.cache.folder.glob(f"{awaited}-*.json")] and time.monotonic() < deadline:
        time.sleep(0.02)
    return last(entries, context)


def last(entries, context):
    return context.cached(Facts, {"models": [entry.identity for entry in entries]}, lambda: Facts(os.getpid()))


class Noted(Progress):
    """Remembers the names of tasks."""

    def __init__(self):
        self.names = []

    def task(self, name, total=None):
        self.names.append(name)
        return super().task(name, total)


@pytest.fixture
def own(tmp_path):
    (tmp_path / "own.txt").write_text(TEXT, encoding="utf-8")
    return corpora.load(tmp_path / "own.txt")


def bits(outcome):
    return {row.label: row.score.bits for row in outcome.rows}


def test_two_processes_train_what_one_would_and_one_that_dies_is_made_up_for(own, tmp_path, monkeypatch):
    (tmp_path / "dies.py").write_text(DIES, encoding="utf-8")
    specs, run = ["uniform", *NETWORKS, str(tmp_path / "dies.py")], Run(seed=1, steps=20, progress=Noted())
    alone = compare(specs, own, tmp_path / "alone", Run(seed=1, steps=20), "char")
    trained = []
    fit = training.fit
    monkeypatch.setattr(training, "fit", lambda name, *rest: trained.append(name) or fit(name, *rest))
    beside = compare(specs, own, tmp_path / "beside", run, "char", processes=2)
    assert bits(beside) == bits(alone)
    assert trained == [str(tmp_path / "dies.py")]  # all others were there already
    assert {"training", "learning"} <= {*run.progress.names}  # what the others do is shown


def test_another_process_computes_the_last_sections(own, tmp_path):
    both = [Computed("first", facts=Facts, compute=first), Computed("last", facts=Facts, compute=last)]
    outcome = compare(["uniform", "ngram:order=2"], own, tmp_path, Run(seed=1), "char", sections=both, processes=2)
    assert outcome.errors == {}
    assert outcome.facts["first"].process == os.getpid() != outcome.facts["last"].process


def test_what_the_sections_of_a_report_compute_can_be_sent_to_it():
    for section in sections():
        pickle.dumps((section.compute, section.facts, section.id))


def test_nothing_is_started_where_all_is_trained(own, tmp_path, monkeypatch):
    compare(["uniform"], own, tmp_path, Run(seed=1), "char")
    monkeypatch.setattr(side_by_side, "_started", None)
    assert compare(["uniform"], own, tmp_path, Run(seed=1), "char", processes=2).rows[0].score


@pytest.mark.parametrize(
    ("specs", "seeds", "cores", "processes"),
    [
        (["uniform", "ngram:order=2"], 1, 8, 1),  # no networks
        (["uniform", "lstm"], 1, 8, 1),
        (["uniform", "lstm"], 3, 8, 3),
        (["lstm", "gpt:preset=tiny"], 1, 8, 2),
        (["lstm", "rnn", "mlp", "gpt", "llama"], 1, 8, side_by_side.MOST),
        (["lstm", "rnn", "mlp"], 1, 2, 2),
        (["lstm", "rnn", "mlp"], 1, 1, 1),
    ],
)
def test_as_many_processes_as_networks_and_cores(specs, seeds, cores, processes, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", str(cores))
    assert side_by_side.workers(specs, seeds, Run(device="cpu")) == processes
    monkeypatch.setattr(side_by_side, "accelerator", lambda _: "cuda:0")
    assert side_by_side.workers(specs, seeds, Run()) == 1


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_saves_what_both_have_learned(own, tmp_path):
    words = ["compare", "rnn:preset=tiny", "lstm:preset=tiny", "--corpus", "own.txt", "--budget", "1Msteps"]
    process = Started(
        [*words, "--out", "out", "--quiet"], folder=tmp_path, environment=os.environ | {"OMP_NUM_THREADS": "2"}
    )
    runs, deadline = tmp_path / "out" / "runs", time.monotonic() + 120
    while len([*runs.glob("*.unfinished/metrics.jsonl")]) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(signal.SIGINT)  # to the comparison alone, which passes it on
    _, error = process.communicate()
    assert (process.returncode, error) == (
        130, "lmzoo: interrupted; the same command goes on from what is finished\n"
    )  # fmt: skip
    assert {path.parent.name for path in runs.glob("*/checkpoint*")} == {"rnn-tiny.unfinished", "lstm-tiny.unfinished"}
