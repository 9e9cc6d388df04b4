"""The entrance of the command line: `lmzoo --help`. Each command computes facts, then shows them as text or as JSON."""

from collections.abc import Sequence
from typing import NoReturn

from lmzoo.cli.app import add_all_commands, app
from lmzoo.cli.console import run

add_all_commands()


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line with `arguments` (None: those of the process) and exit with its code."""
    run(app, arguments)
