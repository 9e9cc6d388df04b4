"""The entrance of the command line: `lmzoo --help`. Each command computes facts, then shows them as text or as JSON."""

import atexit
import gc
import os
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

from lmzoo.cli import signals


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line with `arguments` (None: those of the process) and exit with its code."""
    if arguments is None:
        _open_closed_streams()
        for name in ("COLUMNS", "LINES", "TERMINAL_WIDTH", "NUMBA_NUM_THREADS"):
            if not re.fullmatch("[1-9][0-9]{0,8}", os.environ.get(name, "1")):
                del os.environ[name]  # Rich would print tables of no width, Typer not start, Numba a traceback
        signals.watch()
        atexit.register(gc.freeze)  # what is still there need not be looked through before the process ends: 0.3 s
    try:
        from lmzoo.cli.app import add_all_commands, app
        from lmzoo.cli.console import run

        add_all_commands()
    except KeyboardInterrupt as stop:
        signals.take_the_last_word()
        print(f"lmzoo: {signals.NOTHING_LEFT}", file=sys.stderr)
        raise SystemExit(signals.code_of(stop)) from None
    run(app, arguments)


def _open_closed_streams() -> None:
    """What a shell has closed (`>&-`) goes nowhere: else the next file that is opened would take its number."""
    for number, (name, mode) in enumerate({"stdin": "r", "stdout": "w", "stderr": "w"}.items()):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free, this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
