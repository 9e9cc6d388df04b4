"""`lmzoo serve RUN...`: a page on this computer where a sentence is typed and every model answers at once."""

from pathlib import Path
from typing import Annotated

import typer

from lmzoo.cli.app import command
from lmzoo.cli.console import Bars, say
from lmzoo.cli.options import Quiet
from lmzoo.errors import UsageError

PORT = 8765


@command("serve", epilog="Example: lmzoo serve reports/storyworld/runs/*")
def serve_page(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, such as a comparison's: reports/NAME/runs/*.")],
    host: str = "127.0.0.1",  # The address to listen at; 0.0.0.0 lets everybody in the network type and read.
    port: int = PORT,  # The port to listen at, or the next free one.
    # Another name by which browsers may call this computer, with its port if it is another. May be repeated.
    allow_host: Annotated[list[str] | None, typer.Option(metavar="NAME")] = None,
    browser: bool = True,  # Open the page in a browser.
    quiet: Quiet = False,
) -> None:
    """Show, live, what every model says of a sentence that is typed.

    The page asks nobody but this computer, and works without a network. Ctrl-C ends it.
    """
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError:
        raise UsageError("the page needs Starlette and uvicorn: pip install 'lmzoo-lab[serve]'") from None
    from lmzoo.serve import contestants
    from lmzoo.serve.app import application
    from lmzoo.serve.safety import LOOPBACK, Guard, names
    from lmzoo.serve.server import listen, server

    if not 0 <= port <= 65535:
        raise UsageError(f"--port must be 0 (any) to 65535, not {port}")
    listening = listen(host, port)
    chosen = listening.getsockname()[1]
    loaded = contestants.load_all(runs, Bars(quiet))
    for run in loaded:
        if run.error:
            say(f"{run.name}: {run.error}")
    known = [*LOOPBACK, *([] if host in ("0.0.0.0", "::") else [f"[{host}]" if ":" in host else host])]
    app = Guard(application(loaded), [*names(known, chosen), *names(allow_host or [], chosen)])
    address = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{chosen}/"
    if chosen != port and port:
        say(f"port {port} is taken")
    if not host.startswith("127.") and host not in ("localhost", "::1"):
        say(f"everybody who reaches {host} can type and read; they need a name of yours in --allow-host")
    say(f"{address} (Ctrl-C ends it)")
    if browser:
        import webbrowser

        webbrowser.open(address)  # it is listened to already, and answered in a moment
    server(app).run(sockets=[listening])
