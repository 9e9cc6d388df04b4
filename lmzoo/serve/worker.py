"""One thread that computes for everybody. Work is cut into steps, and requests take turns after each."""

import asyncio
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from lmzoo.errors import LmzooError, one_line

DONE = object()  # what a job yields at its end


class Job:
    """The steps of one request, and what they yield, handed over to the event loop."""

    def __init__(self, who: str, steps: Iterator[Any], seconds: float) -> None:
        self.who, self.steps = who, steps
        self.left = seconds  # of computing
        self.cancelled = False
        self.results: asyncio.Queue[Any] = asyncio.Queue()
        self.loop = asyncio.get_running_loop()

    def cancel(self) -> None:
        """Let it end before its next step."""
        self.cancelled = True

    def put(self, result: Any) -> None:
        """Hand a result over, from the thread that computes."""
        try:
            self.loop.call_soon_threadsafe(self.results.put_nowait, result)
        except RuntimeError:  # the server has stopped
            self.cancelled = True


class Worker:
    """Runs jobs, a step of each in turn; a client's newest job cancels its older one."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self._there = threading.Condition()
        threading.Thread(target=self._work, daemon=True, name="lmzoo serve").start()

    @property
    def waiting(self) -> int:
        """How many jobs there are, the one at work included."""
        return len(self._jobs)

    def submit(self, who: str, steps: Iterator[Any], seconds: float) -> Job:
        """A job for the client `who`: its results, None skipped, come in order in `job.results`, then DONE.

        An exception is a result, too, and the last one but DONE.
        """
        job = Job(who, steps, seconds)
        with self._there:
            for other in self._jobs:
                if other.who == who:
                    other.cancel()
            self._jobs.append(job)
            self._there.notify()
        return job

    def _work(self) -> None:
        if "torch" in sys.modules:
            sys.modules["torch"].get_num_threads()  # from then on this thread has as many as the process was given
        while True:
            with self._there:
                self._there.wait_for(lambda: self._jobs)
                job = self._jobs[0]  # it stays there while it works, so that a newer one finds it
            going_on = self._step(job)
            with self._there:
                self._jobs.popleft()
                if going_on:
                    self._jobs.append(job)

    def _step(self, job: Job) -> bool:
        """Whether there is more to do."""
        try:
            if job.cancelled:
                raise SupersededError
            if job.left < 0:
                raise LmzooError("it took too long, and was stopped")
            began = time.perf_counter()
            result = next(job.steps)
            job.left -= time.perf_counter() - began
            if result is not None:
                job.put(result)
        except StopIteration:
            pass
        except Exception as error:
            job.put(error)
        else:
            return True
        job.put(DONE)
        return False


class SupersededError(LmzooError):
    """A newer request of the same client took the place of this one, or the client is gone."""

    def __init__(self) -> None:
        super().__init__("a newer request took its place")


def said(error: BaseException) -> str:
    """An error in one line, for the page: a bug names its kind."""
    text = str(error) if isinstance(error, LmzooError) else f"{type(error).__name__}: {error}"
    return one_line(text, 300)
