"""`lmzoo serve RUN...`: a page on this computer where a sentence is typed and every model answers at once."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lmzoo.cli.app import command
from lmzoo.cli.console import Bars, interruptible, say
from lmzoo.cli.options import Quiet
from lmzoo.errors import UsageError

if TYPE_CHECKING:
    from lmzoo.serve.contestants import Contestants

PORT = 8765


@command("serve", epilog="Examples: lmzoo serve; lmzoo serve reports/storyworld/runs/*")
def serve_page(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Folders of runs, such as a comparison's: reports/NAME/runs/*.",
            show_default="15 models of the built-in corpus, trained once in two minutes",
        ),
    ] = None,
    prepare: bool = False,  # Train the 15 models where they are not trained yet, and do nothing else.
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write the page, with frozen answers to 20 sentences and a live character 5-gram, into this new or "
            "empty folder.",
        ),
    ] = None,
    host: str = "127.0.0.1",  # The address to listen at; 0.0.0.0 lets everybody in the network type and read.
    port: int = PORT,  # The port to listen at, or the next free one.
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Another name by which browsers may call this computer, with its port if it is another. May be "
            "repeated.",
        ),
    ] = None,
    browser: bool = True,  # Open the page in a browser.
    quiet: Quiet = False,
) -> None:
    """Show, live, what every model says of a sentence that is typed.

    The page asks nobody but this computer, and works without a network. Ctrl-C ends it.
    """
    if export:
        from lmzoo.serve.export import refuse

        refuse(export)  # before any work
    else:
        _need_server()
    from threadpoolctl import threadpool_limits

    from lmzoo.serve import bundle, contestants
    from lmzoo.serve.app import application
    from lmzoo.serve.safety import LOOPBACK, Guard, names
    from lmzoo.serve.server import listen, serving

    if not 0 <= port <= 65535:
        raise UsageError(f"--port must be 0 (any) to 65535, not {port}")
    if prepare and export:
        raise UsageError("--prepare trains models and does nothing else: leave --export out, or --prepare")
    if prepare and runs:
        raise UsageError("--prepare trains the models that are shown where no run is named: leave the runs out")
    shown = runs or bundle.prepared()
    if not shown:
        with interruptible("the same command goes on from what is finished"):
            shown = bundle.prepare(Bars(quiet))
    if prepare:
        say(f"{len(shown)} models are prepared: lmzoo serve")
        return
    loaded = contestants.load_all(shown, Bars(quiet))
    for run in loaded:
        if run.error:
            say(f"{run.name}: {run.error}")
    if export:
        _export(export, loaded, quiet)
        return
    everybody = host in ("0.0.0.0", "::")
    own = [*LOOPBACK, *([] if everybody else [f"[{host}]" if ":" in host else host])]
    with listen(host, port) as listening:
        chosen = listening.getsockname()[1]
        address = f"http://{'127.0.0.1' if everybody else own[-1]}:{chosen}/"
        if chosen != port and port:
            say(f"port {port} is taken")
        if not host.startswith("127.") and host not in ("localhost", "::1"):
            say(f"everybody who reaches {host} can type and read; a name that they call it by goes into --allow-host")
        say(f"{address} (Ctrl-C ends it)")
        if browser:
            import webbrowser

            webbrowser.open(address)  # it is listened to already, and answered in a moment
        # A token at a time is too little for two threads to share: they wait for each other.
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(1)
        app = Guard(application(loaded), names([*own, *(allow_host or [])], chosen))
        with threadpool_limits(1, user_api="blas"), serving(app, listening) as over:
            over.wait()


def _need_server() -> None:
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError:
        raise UsageError("the page needs Starlette and uvicorn: pip install 'lmzoo-lab[serve]'") from None


def _export(folder: Path, loaded: "Contestants", quiet: bool) -> None:
    from lmzoo.serve import export

    size = export.export(folder, loaded, Bars(quiet))
    say(f"{folder / 'index.html'}: {size:,} bytes; it needs no server, and nothing beside it")
