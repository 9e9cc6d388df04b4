"""Processes of their own that are there at once: forked from one that has imported what takes seconds to import.

They are killed, interrupted and waited for like those of a shell, and nothing that they change is seen by the tests.
What is about the start or the end of a process, or about the threads of PyTorch, is tested with `subprocess` instead.
"""

import atexit
import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(
    [
        "torch.distributed.checkpoint",
        "torch.distributed.fsdp",
        "matplotlib.backends.backend_agg",
        "scipy.stats",
        "sklearn.linear_model",
        "lmzoo.cli.compare",
        "lmzoo.cli.train",
        "lmzoo.neural.training.trainer",
        "lmzoo.report.page",
        "tests.neural.training.test_parallel",
    ]
)
MAIN = "from lmzoo.cli.main import main; main()"


class Started:
    """A process that runs `code` with the arguments `words`, as `python -c` does, in `folder`."""

    def __init__(
        self,
        words: Sequence[str],
        code: str = MAIN,
        folder: Path | str = ".",
        environment: Mapping[str, str] | None = None,
    ):
        self._folder = tempfile.TemporaryDirectory()
        streams = [Path(self._folder.name) / name for name in ("stdout", "stderr")]
        for stream in streams:
            stream.touch()  # it may be killed before it opens them
        given = (list(map(str, words)), code, str(folder), dict(environment or os.environ), list(map(str, streams)))
        self._streams, self._process = streams, FORKED.Process(target=_run, args=given)
        self._process.start()

    def poll(self) -> int | None:
        """Its exit code, negative where a signal ended it; None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """As a shell does; nothing where it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, number)

    def communicate(self, timeout: float = 300) -> tuple[str, str]:
        """Wait for its end: what it wrote to stdout and to stderr."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
            raise TimeoutError(f"it did not end within {timeout:g} s")
        self.returncode = self._process.exitcode
        out, error = (path.read_text(encoding="utf-8") for path in self._streams)
        self._folder.cleanup()
        return out, error


def _run(words: list[str], code: str, folder: str, environment: dict[str, str], streams: list[str]) -> None:
    for number, path in enumerate(streams, 1):
        with open(path, "wb") as file:
            os.dup2(file.fileno(), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["-c", *words]
    sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))  # noqa: SIM115
    try:
        exec(compile(code, "<code>", "exec"), {"__name__": "__main__"})
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()


def ranks(size: int) -> list[dict[str, str]]:
    """The environments of so many processes that train together, as torchrun sets them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    own = [{"RANK": rank, "LOCAL_RANK": rank} | shared for rank in range(size)]
    return [os.environ | {name: str(value) for name, value in one.items()} for one in own]
