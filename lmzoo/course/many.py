"""Many hand-ins, several at once: each worker process grades one after the other, as one process would."""

import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from urllib.parse import quote

from lmzoo.course import grading
from lmzoo.course.assignments import Assignment
from lmzoo.course.grading import Result
from lmzoo.drafts import write_atomically
from lmzoo.errors import UsageError
from lmzoo.progress import Progress


@dataclass(frozen=True)
class HandIn:
    """A folder or file, and whose it is."""

    folder: Path
    student: str


@dataclass(frozen=True)
class Failure:
    """The grader's own fault, in words for the lecturer; no points were given."""

    student: str
    message: str


@dataclass(frozen=True)
class Grading:
    """What is the same for all hand-ins."""

    assignment: Assignment
    secret: bytes
    level: int
    unit: float  # of CPU time, measured once: limits must not depend on who grades
    results: Path | None = None  # where STUDENT.json is written after every check
    decode: bool = False  # have figures decoded by a second process

    def grade(self, hand_in: HandIn, progress: Progress | None = None) -> Result | Failure:
        """Grade one; whatever fails here is no fault of its student. Raises UsageError."""
        try:
            return grading.grade(
                hand_in.folder, self.assignment, self.secret, hand_in.student, self.level,
                self.save, progress, self.unit, self.decode,
            )  # fmt: skip
        except UsageError:
            raise
        except Exception as error:
            return Failure(hand_in.student, f"{type(error).__name__}: {error}")

    def save(self, result: Result) -> None:
        """Write STUDENT.json, if there is a place for it. Raises OSError."""
        if self.results is not None:
            self.results.mkdir(parents=True, exist_ok=True)
            text = json.dumps(result.facts(), indent=1)
            write_atomically(self.results / f"{quote(result.student, safe=' @')}.json", text.encode())


def grade_all(
    hand_ins: Sequence[HandIn], how: Grading, jobs: int, progress: Progress | None = None
) -> Iterator[Result | Failure]:
    """The result of each hand-in, in their order, as soon as those before it are there too; `jobs` at once."""
    progress = progress or Progress()
    if jobs == 1 or len(hand_ins) == 1:
        for one in progress.track("grading", hand_ins) if len(hand_ins) > 1 else iter(hand_ins):
            yield how.grade(one, progress)
        return
    # Spawned: a process that was forked from one with threads may wait for ever.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(jobs, len(hand_ins)), context, _begin)
    try:
        futures = {pool.submit(_graded, how, one): n for n, one in enumerate(hand_ins)}
        yield from _in_order(futures, hand_ins, progress)
    finally:
        processes = [*(pool._processes or {}).values()]
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()


def _in_order(
    futures: dict["Future[Result | Failure]", int], hand_ins: Sequence[HandIn], progress: Progress
) -> Iterator[Result | Failure]:
    done: dict[int, Result | Failure] = {}
    following = 0
    with progress.task("grading", len(hand_ins)) as task:
        for future in as_completed(futures):
            number = futures[future]
            try:
                done[number] = future.result()
            except BrokenProcessPool:
                done[number] = Failure(hand_ins[number].student, "a process of the grader was ended: out of memory?")
            task.advance(1, hand_ins[number].student)
            while following in done:
                yield done.pop(following)
                following += 1


def _graded(how: Grading, one: HandIn) -> Result | Failure:
    try:
        return how.grade(one)
    except SystemExit:  # of the signal below, after the hand-in's process was ended and its folder removed
        os._exit(143)


def _begin() -> None:
    """In a worker: it ends with the process that started it, which also answers Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parent = multiprocessing.parent_process()
    assert parent
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
