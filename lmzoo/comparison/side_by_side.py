"""A comparison in several processes at once, each with its share of the cores.

A small network makes poor use of a second core, so two networks side by side take less time than one after the other.
Each process trains and scores models into the folder of runs and the cache, where the comparison then finds them; and
while the comparison computes its sections from the first on, another does so from the last on, into the same cache.
What a process left undone, because it was killed or ran out of memory, the comparison does itself.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from lmzoo import models
from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry, enter, finish, is_run, is_trained
from lmzoo.comparison.references import references
from lmzoo.comparison.results import Computed
from lmzoo.embeddings.gpu import accelerator
from lmzoo.interface import Progress, Run
from lmzoo.neural.training.signals import Interruption
from lmzoo.runs import train as training
from lmzoo.runs.cache import ResultCache

MOST = 4  # processes: each holds the text, and PyTorch
THREADS = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")  # variables of the environment, which libraries read once
PATIENCE = 1.0  # seconds that a process has to end, unless
TO_SAVE = 60.0  # a network has a checkpoint to write
Job = tuple[str, int]  # a model and its seed, or
COMPRESSORS: Job = "", 0  # which take as long as a model where the training text is long


def cores() -> int:
    """How many threads this process may use: OMP_NUM_THREADS, else the cores it may run on."""
    from lmzoo.neural.barriers import available_cores  # with PyTorch, which a comparison without networks does not need

    given = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, int(given)) if given.isdecimal() else len(available_cores())


def workers(specs: Sequence[str], seeds: int, run: Run) -> int:
    """How many processes to train `specs` in: 1 where fewer than two networks are among them, or on a GPU.

    It depends on no more than that, and so do the threads of each process and the rounding of what it computes: an
    interrupted comparison that goes on finds the figures of an undisturbed one.
    """
    named = [training.parse(spec)[0] for spec in specs if not is_run(spec)]
    networks = seeds * sum(models.find(name).resumes for name in named)
    return min(MOST, cores(), networks) if networks > 1 and not accelerator(run.device) else 1


def train(
    specs: Sequence[str], text: training.Text, runs: Path, run: Run, cache: ResultCache, seeds: int, processes: int
) -> None:
    """Train and score what of `specs`, with `seeds` seeds each, is not among `runs` yet; errors are found again later.

    Ctrl-C stops the processes, which first write their checkpoints. The last models begin first: they take longest.
    """
    jobs = [(spec, seed) for spec in specs if not is_run(spec) for seed in range(run.seed, run.seed + seeds)]
    jobs = [(spec, seed) for spec, seed in jobs if not is_trained(spec, text, runs, replace(run, seed=seed))]
    if not jobs:
        return
    jobs.insert(0, COMPRESSORS)
    progress = run.progress
    task_ = (text, runs, replace(run, progress=Progress()), cache.folder)
    with (
        Interruption() as stop,
        progress.task("training", len(jobs)) as bar,
        _started(min(processes, len(jobs)), max(1, cores() // processes), task_, progress) as team,
    ):
        stop.to_save = True
        for worker in team:
            worker.give(jobs)
        while busy := [worker for worker in team if worker.job]:
            for pipe in wait([worker.pipe for worker in busy], timeout=0.2):
                worker = next(one for one in busy if one.pipe is pipe)
                if worker.listen():
                    bar.advance(1)
                    worker.give(jobs)
            if stop.requested:
                for worker in team:
                    worker.interrupt()
                raise stop.error("interrupted")


@contextmanager
def assisted(
    entries: Sequence[Entry], sections: Sequence[Computed], context: Context, runs: Path, processes: int
) -> Iterator[None]:
    """While the block computes `sections` in order, another process does so from the last on; both fill the cache."""
    if processes == 1 or len(sections) < 2:
        yield
        return
    import torch

    threads = torch.get_num_threads()
    each = max(1, cores() // processes)
    specs = [entry.spec for entry in entries if entry.loaded and not entry.row.error]
    computed = [section.bare for section in sections]
    silent = replace(context, run=replace(context.run, progress=Progress()))
    process = spawned(_assist, each, (specs, computed, silent, runs))
    torch.set_num_threads(each)  # as many as there: the rounding is the same, whoever is first
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        process.kill()
        process.join()


# ── In the comparison's process ───────────────────────────────────────────────────────────────────


@dataclass
class Worker:
    """A process that trains, as the comparison sees it."""

    process: BaseProcess
    pipe: "Connection[Any, Any]"
    progress: Progress
    job: Job | None = None
    bars: dict[int, tuple[ExitStack, Progress]] = field(default_factory=dict)  # of the tasks it is at, by number

    def give(self, jobs: list[Job]) -> None:
        """Have it do the last of `jobs`, if there is one and it is alive."""
        self.job = None
        if jobs and self.process.is_alive():
            with suppress(OSError):
                self.pipe.send(jobs[-1])
                self.job = jobs.pop()

    def listen(self) -> bool:
        """Take what it says of its progress; True where it is done with its job, or dead."""
        try:
            kind, *facts = self.pipe.recv()
        except (EOFError, OSError):
            self._close()
            return True
        if kind == "begin":
            number, name, total = facts
            stack = ExitStack()
            self.bars[number] = stack, stack.enter_context(self.progress.task(name, total))
        elif kind == "advance":
            number, amount, note = facts
            self.bars[number][1].advance(amount, note)
        elif kind == "end":
            self.bars.pop(facts[0])[0].close()
        return bool(kind == "done")

    def interrupt(self) -> None:
        """Pass Ctrl-C on, and wait until it has ended: a network first writes its checkpoint."""
        saves = self.job not in (None, COMPRESSORS) and models.find(training.parse(self.job[0])[0]).resumes
        if self.process.is_alive() and self.process.pid:
            os.kill(self.process.pid, signal.SIGINT)
            self.process.join(TO_SAVE if saves else PATIENCE)
        self.end()

    def end(self) -> None:
        """End it, whatever it is at."""
        self.process.kill()
        self.process.join()
        self._close()

    def _close(self) -> None:
        for stack, _ in reversed(self.bars.values()):
            stack.close()
        self.bars.clear()
        self.pipe.close()


@contextmanager
def _started(number: int, threads: int, task_: tuple[Any, ...], progress: Progress) -> Iterator[list[Worker]]:
    """So many processes with so many threads each that wait for jobs; they are ended with the block."""
    team: list[Worker] = []
    try:
        for _ in range(number):
            ours, theirs = multiprocessing.Pipe()
            process = spawned(_work, threads, (theirs, *task_))
            theirs.close()
            team.append(Worker(process, ours, progress.beside()))
        yield team
    finally:
        for worker in team:
            worker.end()


def spawned(work: Callable[..., None], threads: int, arguments: tuple[Any, ...]) -> BaseProcess:
    """A process with so many threads that does `work` and ends with this one."""
    before = {name: os.environ.get(name) for name in THREADS}
    # No fork: that of a process that has threads may hang.
    process = multiprocessing.get_context("spawn").Process(target=work, args=arguments, daemon=True)
    try:
        os.environ.update(dict.fromkeys(THREADS, str(threads)))
        with deaf():
            process.start()
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            os.environ.update({name: value} if value is not None else {})
    return process


@contextmanager
def deaf() -> Iterator[None]:
    """Ignore Ctrl-C for a moment, which what is started meanwhile does until it says otherwise."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


# ── In each of the others ─────────────────────────────────────────────────────────────────────────


def _work(pipe: "Connection[Any, Any]", text: training.Text, runs: Path, run: Run, cache: Path | None) -> None:
    """Do the jobs that come through `pipe`, until it is closed."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    with suppress(EOFError, OSError, KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        while True:
            spec, seed = pipe.recv()
            if (spec, seed) == COMPRESSORS:
                references(text.corpus, ResultCache(cache), Relay(pipe))
            else:
                enter(spec, text, runs, replace(run, seed=seed, progress=Relay(pipe)), ResultCache(cache))
            pipe.send(("done",))


def end_with_parent() -> None:
    """Wait for the process that began this one to end, however it does, and end with it."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)


def _assist(specs: Sequence[str], sections: Sequence[Computed], context: Context, runs: Path) -> None:
    """Compute the sections from the last on, for what they leave in the cache; the comparison says what fails."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    text, run = context.text, context.run
    ready = [spec for spec in specs if is_run(spec) or is_trained(spec, text, runs, run)]  # never to train one twice
    entries = [enter(spec, text, runs, run, context.cache) for spec in ready]
    finish(entries)
    for section in reversed(sections):
        with suppress(Exception):
            section.compute(entries, context.of(section))


class Relay(Progress):
    """Sends what is reported through a pipe, a few times a second."""

    EVERY = 0.1  # seconds

    def __init__(self, pipe: "Connection[Any, Any]"):
        self.pipe, self.numbers = pipe, count()
        self.open: list[int] = []
        self.waiting, self.sent = (0.0, ""), 0.0

    @contextmanager
    def task(self, name: str, total: float | None = None) -> Iterator["Relay"]:
        """As of any progress."""
        self._send()
        number = next(self.numbers)
        self.pipe.send(("begin", number, name, total))
        self.open.append(number)
        try:
            yield self
        finally:
            self._send()
            self.open.remove(number)
            self.pipe.send(("end", number))

    def advance(self, amount: float = 1, note: str = "") -> None:
        """As of any progress."""
        self.waiting = self.waiting[0] + amount, note or self.waiting[1]
        if time.monotonic() - self.sent > self.EVERY:
            self._send()

    def _send(self) -> None:
        if self.open and self.waiting != (0.0, ""):
            self.pipe.send(("advance", self.open[-1], *self.waiting))
            self.sent = time.monotonic()
        self.waiting = 0.0, ""
