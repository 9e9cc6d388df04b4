"""The socket that the page is served at, and the server."""

import errno
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lmzoo.errors import LmzooError, UsageError

PORTS = 50  # that are tried, from the one asked for
TAKEN = (errno.EACCES, errno.EADDRINUSE)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens at `port`, or at the next one that is free. Raises UsageError for a host that is not ours,
    LmzooError where no port is free.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in range(port, min(port + PORTS, 65536)):
        # Named, or asyncio leaves Nagle's algorithm on: a body then waits 40 ms for the ACK of its headers.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, number))
            listening.listen(128)
        except OSError as error:
            listening.close()
            if error.errno not in TAKEN:
                raise UsageError(f"cannot listen at {host}: {error.strerror or error}") from None
        else:
            return listening
    raise LmzooError(f"ports {port} to {port + PORTS - 1} are all taken: choose another with --port")


@contextmanager
def serving(app: Any, listening: socket.socket) -> Iterator[threading.Event]:
    """Serve `app`, an ASGI application, at a socket that listens, in a thread that ends with the `with` statement.

    What is yielded is set when it has ended. (To be waited for in place of the thread: Ctrl-C in `Thread.join` marks a
    thread as ended.)
    """
    import uvicorn

    server = uvicorn.Server(
        uvicorn.Config(
            app, log_level="error", access_log=False, server_header=False, lifespan="off", timeout_graceful_shutdown=1
        )
    )
    over = threading.Event()

    def run() -> None:
        try:
            server.run(sockets=[listening])
        finally:
            over.set()

    # Not in the main thread, in which Ctrl-C would be raised in the middle of an answer.
    threading.Thread(target=run, daemon=True, name="lmzoo page").start()
    try:
        yield over
    finally:
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # that answers are cut short is what was asked
        server.force_exit = server.should_exit = True
        over.wait(1.0)  # a process that takes longer is ended by `cli.signals`
