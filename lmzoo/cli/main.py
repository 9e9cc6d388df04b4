"""The entrance of the command line: `lmzoo --help`. Each command computes facts, then shows them as text or as JSON."""

import sys
from collections.abc import Sequence
from typing import NoReturn

from lmzoo.cli import signals


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line with `arguments` (None: those of the process) and exit with its code."""
    if arguments is None:
        signals.watch()
    try:
        from lmzoo.cli.app import add_all_commands, app
        from lmzoo.cli.console import run

        add_all_commands()
    except KeyboardInterrupt as stop:
        signals.take_the_last_word()
        print(f"lmzoo: {signals.NOTHING_LEFT}", file=sys.stderr)
        raise SystemExit(signals.code_of(stop)) from None
    run(app, arguments)
