"""The jobs of a comparison as a worker of a cluster does them (`on_cluster` hands them out).

Each thread of a Dask worker has a process beside it that does one job at a time, so that networks share neither threads
nor random numbers, and what is cancelled ends at once. It reads corpus, test sets and FILE.py at their own paths, and
holds their sha256 against what the command has read.
"""

import hashlib
import multiprocessing
import signal
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry, enter, finish, is_run, scores_kept
from lmzoo.comparison.references import references
from lmzoo.comparison.results import Computed
from lmzoo.comparison.side_by_side import end_with_parent, spawned
from lmzoo.data import corpus as corpora
from lmzoo.data import task_cards, tokenizers
from lmzoo.data.corpus import Corpus, Paths
from lmzoo.drafts import draft_folder_of, lock_of, locked, remove_folder, write_atomically
from lmzoo.errors import FormatError, LmzooError, UsageError
from lmzoo.evaluation.people import Session
from lmzoo.files import SETTINGS, read_file
from lmzoo.interface import Run
from lmzoo.runs import provenance, store
from lmzoo.runs import train as training
from lmzoo.runs.cache import ResultCache
from lmzoo.tasks import suite

IDLE = 60.0  # seconds without a job, after which a process ends
RUNS, KEPT = "runs", "kept"
GIVEN = "given"  # where finished runs are laid that the user named
Files = dict[str, bytes]  # by path in the folder of a comparison


@dataclass(frozen=True)
class Asked:
    """What all jobs of a comparison are about."""

    corpus: Corpus  # without its texts, which are
    paths: str | Paths  # there
    mirror: str | None
    code: Mapping[str, str]  # of each FILE.py by its path: the sha256
    tokenizer: Mapping[str, Any]  # as JSON
    chosen: bool
    run: Run
    threads: int  # of each process: the rounding is that of the comparison without a cluster
    tasks: str | None
    limit: int
    words: bool
    transfer: bool
    people: Sequence[Session]
    sections: Sequence[Computed]
    circumstances: Mapping[str, Any]  # of the command
    command: str
    id: str = field(default_factory=lambda: uuid4().hex)


@dataclass(frozen=True)
class Job:
    """Models to train and score, or those and a section to compute of them; no models: the compressors."""

    specs: tuple[str, ...] = ()
    seed: int = 0
    section: str = ""
    share: float | None = None  # of the training text, for the section


@dataclass(frozen=True)
class Done:
    """What a job has written, or a run and its scores as they are given to one; `error` is that of its model."""

    files: Files
    error: str | None = None


def do(asked: Asked, job: Job, *given: Done) -> Done | None:
    """Do a job on a Dask worker, in the process that belongs to this thread; None where that was killed.

    Raises UsageError where the worker lacks a file or has other versions.
    """
    child = getattr(_of_thread, "child", None)
    for _ in range(2):  # one that has waited for long may just have ended
        if child is None or child.asked != asked.id or not child.process.is_alive():
            if child:
                child.end()
            child = _of_thread.child = Child(asked)
        answer = child.do(job, given)
        if answer is not None or child.process.exitcode != 0:
            break
    if isinstance(answer, Exception):
        raise answer
    return answer


def lay(files: Files, folder: Path) -> None:
    """Write runs and what is cached into the folder of a comparison; a run is whole or absent, as ever."""
    whole: dict[str, Files] = {}
    for name, contents in sorted(files.items(), reverse=True):  # arrays come before the JSON that promises them
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or path.parts[0] not in (RUNS, KEPT, GIVEN):
            raise FormatError(f"a worker sent a file that is no part of a comparison: {name}")
        if path.parts[0] == KEPT:
            write_atomically(folder / path, contents)
        else:
            depth = 3 if path.parts[0] == GIVEN else 2
            whole.setdefault("/".join(path.parts[:depth]), {})["/".join(path.parts[depth:])] = contents
    for name, of_run in whole.items():
        place = folder / name
        with locked(lock_of(place)):
            sums = place / store.SUMS
            if sums.is_file() and sums.read_bytes() == of_run.get(store.SUMS):
                continue
            with draft_folder_of(place) as draft:
                for inner, contents in of_run.items():
                    (draft / inner).parent.mkdir(parents=True, exist_ok=True)
                    (draft / inner).write_bytes(contents)


def files_of(run: Path, name: str) -> Files:
    """The files of a run with the checkpoints in it, under another name."""
    return {f"{name}/{path.relative_to(run).as_posix()}": path.read_bytes()
            for path in run.rglob("*") if path.is_file()}  # fmt: skip


def sha256_of_code(path: str) -> str:
    """Of a FILE.py. Raises UsageError where it is not there."""
    try:
        return hashlib.sha256(read_file(path, SETTINGS)).hexdigest()
    except OSError:
        raise UsageError(f"{path} is not there: give a path that every worker can read, as on a shared disk") from None


# ── In a Dask worker ──────────────────────────────────────────────────────────────────────────────

_of_thread = threading.local()
_starting = threading.Lock()  # for what a process inherits is set in the environment


class Child:
    """The process beside a thread of a Dask worker."""

    def __init__(self, asked: Asked):
        from distributed import get_worker

        self.asked, self.worker = asked.id, get_worker()
        self.folder = Path(self.worker.local_directory) / f"comparison-{uuid4().hex}"
        self.pipe, theirs = multiprocessing.Pipe()
        with _starting:
            # Workers are daemons, which may start no process; ours ends with its worker by itself.
            vars(multiprocessing.current_process())["_config"]["daemon"] = False
            self.process = spawned(serve, asked.threads, (theirs, asked, self.folder))
        theirs.close()

    def do(self, job: Job, given: Sequence[Done]) -> Done | LmzooError | None:
        """What becomes of a job; None where the process died of it."""
        try:
            self.pipe.send((job, given))
            while not self.pipe.poll(0.2):
                if self._cancelled():
                    self.end()
                    return None
            answer: Done | LmzooError = self.pipe.recv()
            return answer
        except (EOFError, OSError):
            self.end()
            return None

    def end(self) -> None:
        """End it, whatever it is at."""
        self.process.join(0.1)
        self.process.kill()
        self.process.join()
        self.pipe.close()
        remove_folder(self.folder)

    def _cancelled(self) -> bool:
        """Whether nobody wants the result of this thread's task any more."""
        task = self.worker.state.tasks.get(self.worker.get_current_task())
        return task is None or task.state == "cancelled"


# ── In the process beside it ──────────────────────────────────────────────────────────────────────


def serve(pipe: "Connection[Any, Any]", asked: Asked, folder: Path) -> None:
    """Do the jobs that come through `pipe`, until none has come for long."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the command's, which cancels
    desk = None
    try:
        while pipe.poll(IDLE):
            job, given = pipe.recv()
            try:
                desk = desk or Desk(asked, folder)
                answer: Done | LmzooError = desk.do(job, given)
            except LmzooError as error:
                answer = error
            except Exception as error:
                answer = LmzooError(f"{type(error).__name__}: {error}")
            pipe.send(answer)
    except (EOFError, OSError):
        pass
    finally:
        remove_folder(folder)


class Desk:
    """Where jobs are done: a folder as that of the comparison, and the text and test sets as it has read them."""

    def __init__(self, asked: Asked, folder: Path):
        _refuse_others(asked.circumstances)
        for path, sha256 in asked.code.items():
            if sha256_of_code(path) != sha256:
                raise UsageError(f"{path} is another file here than the command's")
        provenance.work_for(asked.circumstances["machine"], asked.command)
        self.folder, self.sections = folder, {section.id: section for section in asked.sections}
        self.context = Context(
            _read(asked),
            asked.run,
            ResultCache(folder / KEPT),
            task_cards.fetch("words", asked.mirror) if asked.words else None,
            suite.read(asked.tasks, asked.limit, asked.mirror) if asked.tasks is not None else suite.Suite(),
            transfer=asked.transfer,
            people=asked.people,
        )
        self.last: tuple[str, int, Entry] | None = None

    def do(self, job: Job, given: Iterable[Done]) -> Done:
        """A job, and what it has written."""
        for one in given:
            lay(one.files, self.folder)
        before = self._kept()
        if not job.specs:
            references(self.context.corpus, self.context.cache, self.context.progress)
        entries = [self._entered(spec, job.seed) for spec in job.specs]
        error = next((entry.row.error for entry in entries if entry.row.error), None)
        if job.section and not error:
            self._compute(entries, job)
        files = {f"{KEPT}/{name}": (self.folder / KEPT / name).read_bytes() for name in self._kept() - before}
        for entry in entries:
            if not job.section:
                own = scores_kept(entry, self.context.corpus, self.context.run.exact)
                files |= {f"{KEPT}/{path.name}": path.read_bytes() for path in own}
                if entry.folder and entry.folder.parent == self.folder / RUNS:
                    files |= files_of(entry.folder, f"{RUNS}/{entry.folder.name}")
        return Done(files, error)

    def _entered(self, spec: str, seed: int) -> Entry:
        if self.last and self.last[:2] == (spec, seed):
            return self.last[2]
        context = self.context
        given = str(self.folder / spec)
        run = replace(context.run, seed=seed)
        entry = enter(given if is_run(given) else spec, context.text, self.folder / RUNS, run, context.cache)
        self.last = spec, seed, entry  # the sections of a model follow each other
        return entry

    def _compute(self, entries: Sequence[Entry], job: Job) -> None:
        section = self.sections[job.section]
        finish(entries)
        context = replace(self.context, shares=() if job.share is None else (job.share,)).of(section)
        with suppress(Exception):  # the comparison finds it again, and says it
            section.compute(entries, context)

    def _kept(self) -> set[str]:
        return {path.name for path in (self.folder / KEPT).glob("[!.]*")}


def _refuse_others(command: Mapping[str, Any]) -> None:
    """Raise UsageError where results would not be those of the command's machine."""
    here = provenance.circumstances()
    names = sorted(here["versions"].keys() | command["versions"].keys())
    for name in names:
        this, that = (which["versions"].get(name, "none") for which in (here, command))
        if this != that:
            raise UsageError(f"{name} is {this} here and {that} at the command: install the same, or results differ")
    if here["code"] != command["code"]:
        raise UsageError("this lmzoo is of the command's version and has other files: install the same")


def _read(asked: Asked) -> training.Text:
    """The text, encoded. Raises UsageError where it is not there, or is another."""
    known = asked.corpus
    there = corpora.load(asked.paths, mirror=asked.mirror, refit=known.refit, lines=known.alone)
    if there.sha256 != known.sha256:
        raise UsageError(f"{known.name} is another text here than the command's: its sha256 differs")
    corpus = replace(known, train=there.train, valid=there.valid, test=there.test)
    tokenizer = tokenizers.from_json(dict(asked.tokenizer))
    train, valid = tokenizer.encode(corpus.train), tokenizer.encode(corpus.valid)
    return training.Text(corpus, tokenizer, train, valid, corpus.refit, asked.chosen)
