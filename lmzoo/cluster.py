"""Other processes and machines, by Dask: connect, submit functions, gather results. What they compute is unknown here.

    with connect("local:4", progress) as workers:
        lengths = workers.gather("measuring", [workers.submit(len, text) for text in texts])

Where workers die, Dask computes again what they held, so a result never depends on who computed what. Dask sends
functions and arrays as pickles between scheduler and workers: connect only to a cluster that you trust.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from lmzoo.errors import LmzooError, UsageError, in_range, naming, not_installed
from lmzoo.files import read_toml
from lmzoo.progress import Progress

PATIENCE = 10  # seconds to wait for an answer
RANGES_A_WORKER = 2  # of keys: so that none waits long for the last
AT_ONCE = 8  # values that one task combines into one
# A lost worker is no error, and what is one is said in a line.
QUIET = {"logging": dict.fromkeys(("distributed", "distributed.client", "tornado", "asyncio"), "critical")}
WHERE = "ADDRESS of a Dask scheduler, as tcp://host:8786; local:N for N processes here; or slurm:FILE"
SLURM = "a TOML file with `jobs`, how many, and settings of dask_jobqueue.SLURMCluster: queue, cores, memory …"


# What a process runs that has workers below it: it ends when its stdin does, with the process that started it.
LOCAL = """
import shutil, sys, dask, distributed
dask.config.set({
    "distributed.worker.profile.enabled": False,  # with the ticks, 2 % of a core for each process at rest
    "distributed.admin.tick.interval": "500ms",
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.worker.memory.monitor-interval": "1s",
})
with distributed.LocalCluster(
    int(sys.argv[1]), threads_per_worker=1, dashboard_address=None, local_directory=sys.argv[2]
) as local:
    print(local.scheduler_address, flush=True)
    sys.stdin.read()
shutil.rmtree(sys.argv[2], ignore_errors=True)
"""


class Workers:
    """Those that answer at `where`. Values that `submit` and `share` return are futures: arguments of other calls."""

    def __init__(self, client: Any, where: str, progress: Progress):
        """`client`: Dask's."""
        self.client, self.where, self.progress = client, where, progress
        self._futures: WeakSet[Any] = WeakSet()

    def __len__(self) -> int:
        return len(self.client.nthreads())

    def cuts(self, counts: NDArray[Any]) -> list[int]:
        """Where ranges of keys begin, and how many keys there are: some for each worker, of about as many entries.

        `counts` are the entries of each key.
        """
        totals, ranges = np.cumsum(counts), RANGES_A_WORKER * len(self)
        inner = np.searchsorted(totals, totals[-1] * np.arange(1, ranges) / ranges, side="right")
        return np.unique([0, *inner, len(counts)]).tolist()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The future of `function(*arguments)`, computed by some worker; it may be computed more than once."""
        future = self.client.submit(_named, function, *arguments, pure=False, key=_key(function))
        self._futures.add(future)
        return future

    def share(self, value: Any) -> Any:
        """The future of a value that is here, to be sent once.

        The scheduler keeps it, unlike what Dask scatters, which is lost with the worker that has it.
        """
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
            return self.submit(_same, value)

    def reduce(self, function: Callable[[list[Any]], Any], futures: Sequence[Any]) -> Any:
        """The future of `function([…])` of all values: of neighbours first, in order, then of what that gives."""
        left = list(futures)
        while True:
            groups = [left[i : i + AT_ONCE] for i in range(0, len(left), AT_ONCE)]
            left = [self.submit(function, group) for group in groups]
            if len(left) <= 1:
                return left[0]

    def gather(self, name: str, futures: Sequence[Any]) -> list[Any]:
        """The values of `futures`; a bar called `name` shows how many are there.

        Raises LmzooError where a worker has failed, with its address, or has died again and again.
        """
        return self._collect(name, futures, fetch=True)

    def wait(self, name: str, futures: Sequence[Any]) -> None:
        """`gather` without bringing the values here."""
        self._collect(name, futures, fetch=False)

    def each(self, name: str, futures: Sequence[Any], fetch: bool = True) -> Iterator[tuple[Any, Any]]:
        """The futures with their values, or None, as they are done; as `gather` otherwise."""
        from distributed import as_completed

        with self.progress.task(name, len(futures)) as task, self._failing():
            for future in as_completed(futures, loop=self.client.loop):
                if future.status != "finished":
                    future.result()  # raises
                yield future, future.result() if fetch else None
                task.advance(1, f"{len(self)} workers")

    def _collect(self, name: str, futures: Sequence[Any], fetch: bool) -> list[Any]:
        values = {future.key: value for future, value in self.each(name, futures, fetch)}
        return [values.get(future.key) for future in futures]

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Errors of Dask become one line."""
        from distributed import KilledWorker
        from distributed.comm import CommClosedError

        try:
            yield
        except KilledWorker as error:
            raise LmzooError(
                f"{error.last_worker.address} died, as did others before it, at the same work: that needs more memory "
                "than a worker has, so give them more, or have fewer to a machine"
            ) from None
        except (CommClosedError, TimeoutError) as error:
            raise LmzooError(f"the scheduler at {self.where} no longer answers: {error or 'connection lost'}") from None

    def cancel(self) -> None:
        """Cancel all that is not yet computed."""
        with suppress(Exception):  # the scheduler may be gone
            self.client.cancel(list(self._futures), force=True)


@dataclass(frozen=True)
class DistributedIds:
    """The ids of a text, (T,), in chunks that lie on workers: what models that count can be given for an array."""

    workers: Workers
    chunks: tuple[Any, ...]  # futures of arrays of int32, in order
    lengths: tuple[int, ...]

    def __len__(self) -> int:
        return sum(self.lengths)

    def __getitem__(self, part: slice) -> "DistributedIds":
        """The beginning, `[:stop]`."""
        left = part.indices(len(self))[1]
        chunks, lengths = [], []
        for chunk, length in zip(self.chunks, self.lengths, strict=True):
            if left <= 0:
                break
            chunks.append(chunk if length <= left else self.workers.submit(_beginning, chunk, left))
            lengths.append(min(length, left))
            left -= length
        return DistributedIds(self.workers, tuple(chunks), tuple(lengths))

    def __array__(self, *arguments: Any, **keywords: Any) -> NoReturn:
        raise UsageError("a text on a cluster is counted there and never in one place: leave --cluster out")

    def starts(self) -> list[int]:
        """The position of each chunk's first token."""
        return np.cumsum([0, *self.lengths[:-1]]).tolist()

    def before(self, count: int) -> list[NDArray[Any]]:
        """The last `count` ids before each chunk, fewer where there are no more."""
        ends = self.workers.gather("looking at the seams", [self.workers.submit(_end, c, count) for c in self.chunks])
        found, last = [], np.empty(0, np.int32)
        for end in ends:
            found.append(last)
            last = _end(np.concatenate([last, end]), count)
        return found


def _beginning(ids: NDArray[Any], count: int) -> NDArray[Any]:
    return ids[:count]


def _end(ids: NDArray[Any], count: int) -> NDArray[Any]:
    return ids[max(0, len(ids) - count) :]


@contextmanager
def connect(where: str, progress: Progress | None = None) -> Iterator[Workers]:
    """The workers at `where`: ADDRESS, "local:N" or "slurm:FILE". Started ones end with the block.

    Raises UsageError where Dask is not installed, where `where` is none of these, or nobody answers there.
    """
    try:
        import dask
        import distributed
    except ImportError:
        raise not_installed("--cluster", "lmzoo-lab[cluster]") from None
    with dask.config.set(QUIET), _started(where) as address:
        try:
            client = distributed.Client(address, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError) as error:
            raise UsageError(f"nobody answers at {where} ({error}): is `dask scheduler` running there?") from None
        workers = Workers(client, where, progress or Progress())
        try:
            _check(workers)
            yield workers
        except BaseException:
            workers.cancel()
            raise
        finally:
            client.close(timeout=1)


@contextmanager
def _started(where: str) -> Iterator[Any]:
    """What a client connects to, started where that is asked for."""
    kind, _, what = where.partition(":")
    if kind == "local":
        if not re.fullmatch("[0-9]{1,4}", what):
            raise UsageError(f"--cluster {where!r} has no number of processes: write local:N, as in local:4")
        in_range("the number of processes of --cluster", int(what), 1)
        with _local(what) as address:
            yield address
    elif kind == "slurm":
        with _slurm(Path(what)) as slurm:
            yield slurm
    else:
        address = where if "://" in where else f"tcp://{where}"
        if not re.fullmatch(r"\w+://.+:[0-9]{1,5}/?", address):
            raise UsageError(f"--cluster {where!r} is none of: {WHERE}")
        yield address


@contextmanager
def _local(processes: str) -> Iterator[str]:
    """The address of a scheduler and so many workers on this machine.

    They are a session of their own, which Ctrl-C does not reach: when it ends, or this process does, they are killed.
    """
    with (
        tempfile.TemporaryDirectory(prefix="lmzoo-", ignore_cleanup_errors=True) as folder,
        subprocess.Popen(
            [sys.executable, "-c", LOCAL, processes, folder],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True, text=True,
        ) as host,
    ):  # fmt: skip
        try:
            assert host.stdout
            address = host.stdout.readline().strip()
            if not address:
                raise LmzooError(f"{processes} worker processes could not be started: is there memory for so many?")
            yield address
        finally:
            with suppress(ProcessLookupError):
                os.killpg(host.pid, signal.SIGKILL)


def _slurm(path: Path) -> Any:
    try:
        import dask_jobqueue
    except ImportError:
        raise not_installed("--cluster slurm:FILE", "dask-jobqueue") from None
    settings = read_toml(path, dict[str, Any])
    jobs = settings.pop("jobs", None)
    if not isinstance(jobs, int) or jobs < 1:
        raise UsageError(f"{path} must say how many jobs to start, as `jobs = 4`: it is {SLURM}")
    try:
        cluster = dask_jobqueue.SLURMCluster(**settings)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{path}: {error}; it is {SLURM}") from None
    cluster.scale(jobs=jobs)
    return cluster


def _check(workers: Workers) -> None:
    """Raise UsageError where there are no workers, or one that has another lmzoo or none."""
    from lmzoo import __version__

    try:
        workers.client.wait_for_workers(1, timeout=PATIENCE if not workers.where.startswith("slurm") else None)
    except TimeoutError:
        raise UsageError(f"the scheduler at {workers.where} has no workers: start `dask worker ADDRESS`") from None
    for address, version in workers.client.run(_version).items():
        if version != __version__:
            has = f"version {version}" if version else "none"
            raise UsageError(
                f"the worker {address} has {has} of lmzoo, where this is {__version__}: install that there"
            )


def _same(value: Any) -> Any:
    return value


def _version() -> str:
    from lmzoo import __version__

    return __version__


def _key(function: Callable[..., Any]) -> str:
    """A name for a task that no other has."""
    from uuid import uuid4

    return f"{function.__name__.strip('_')}-{uuid4().hex}"


def _named(function: Callable[..., Any], *arguments: Any) -> Any:
    """`function(*arguments)` on a worker, whose address stands before what goes wrong there."""
    from distributed import get_worker

    worker = f"worker {get_worker().address} on {socket.gethostname()}"
    with naming(worker):
        try:
            return function(*arguments)
        except OSError as error:
            raise LmzooError(f"{error.filename or 'input or output'}: {error.strerror or error}") from None
