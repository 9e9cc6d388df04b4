"""Output in the terminal: results on stdout, progress and errors on stderr, and an exit code.

Exit codes: 0 success, 1 failure, 2 wrong usage or input, 130 interrupted, 143 asked to end. An error is one line.
"""

import json
import os
import re
import string
import sys
import textwrap
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn, TextIO, TypeVar

import typer
from typer.core import TyperGroup

from lmzoo.cli import signals
from lmzoo.errors import (
    LmzooError,
    ScoreError,
    UsageError,
    cleaned,
    is_out_of_memory,
    nearest,
    one_line,
    whole_number_in,
)
from lmzoo.progress import Progress

LONGEST_ERROR = 500  # characters of an error, of which a file or flag may have put any number in
LONGEST_NAME = 60  # characters of what a progress bar is about
UNITS = ("token", "word")  # of perplexities
LEAST_WIDTH = 16  # characters of a name that a narrow terminal still shows
PIPED_WIDTH = 200  # characters: width of a table that is written to a pipe or file
OUT_OF_MEMORY = "out of memory: a smaller model, vocabulary or text needs less, and so may other programs"
# click.UsageError, which some versions of Typer import from Click and others bring along.
WrongUsage: Any = typer.BadParameter.__mro__[2]

T = TypeVar("T")
_until_the_end = ExitStack()


class InterruptedByUserError(LmzooError):
    """The user pressed Ctrl-C, or asked the process to end."""

    def __init__(self, stop: KeyboardInterrupt):
        super().__init__(str(stop) or signals.NOTHING_LEFT)  # a training that can be resumed says so
        self.exit_code = signals.code_of(stop)


class ReaderGoneError(Exception):
    """The reader of stdout has closed it, as in `| head`."""


class Commands(TyperGroup):
    """A group of commands whose unknown names are errors that name the nearest one."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that `args` ask for."""
        known = self.list_commands(ctx)
        if args[0] not in known:
            flags = (flag for one in ctx.command.get_params(ctx) for flag in one.opts)  # also `version`, `help`
            near = nearest(args[0], [*known, *flags])
            raise UsageError(f"no command {args[0]!r} in {ctx.command_path}{near}; there are: {', '.join(known)}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run it. Ctrl-C and a closed pipe become our errors before Typer handles them."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except KeyboardInterrupt as stop:
            raise InterruptedByUserError(stop) from None
        except BrokenPipeError:
            raise ReaderGoneError from None
        return result


def run(app: typer.Typer, arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line `app`, print any error in one line, and exit."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a sampled text may have lone surrogates
    try:
        number = process()
    except UsageError as error:
        number, code, message = 0, error.exit_code, str(error)
    else:
        code, message = _outcome(app, arguments)
    if code not in (0, signals.asked()) and signals.asked():
        code, message = signals.asked(), signals.NOTHING_LEFT
    if code in (signals.INTERRUPTED, signals.TERMINATED):
        signals.take_the_last_word()
    if number and message:  # an error of all processes is printed by the first
        message = "" if code in (2, signals.INTERRUPTED, signals.TERMINATED) else f"process {number}: {message}"
    with suppress(OSError):  # stderr may be closed or full: the exit code is left
        if message:
            print(f"lmzoo: {one_line(message, LONGEST_ERROR)}", file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:  # its reader is gone, or its disk full, which has been said
        code = _forget_stdout()
    if code in (signals.INTERRUPTED, signals.TERMINATED):
        signals.end(code)
    raise SystemExit(code)


def hold(resource: AbstractContextManager[T]) -> T:
    """Enter a `with` statement whose block ends with the command."""
    return _until_the_end.enter_context(resource)


def process() -> int:
    """The rank of this process among those that `torchrun` started; 0 without torchrun."""
    return whole_number_in("RANK", 0) if whole_number_in("WORLD_SIZE", 1) > 1 else 0


@contextmanager
def interruptible(how: str) -> Iterator[None]:
    """Say on Ctrl-C that the work is not lost, and `how` it goes on."""
    try:
        yield
    except KeyboardInterrupt as stop:
        raise type(stop)(f"interrupted; {how}") from None


def _outcome(app: typer.Typer, arguments: Sequence[str] | None) -> tuple[int, str]:
    """The exit code and the error message."""
    try:
        with _until_the_end:
            code = app(arguments, standalone_mode=False)
    except LmzooError as error:
        if "memory" not in str(error) and is_out_of_memory(error.__context__):  # which is not what it says
            return 1, OUT_OF_MEMORY
        return error.exit_code, str(error)
    except WrongUsage as error:
        return 2, _wrong_usage(error)
    except (KeyboardInterrupt, typer.Abort) as stop:
        return signals.code_of(stop), signals.NOTHING_LEFT
    except ReaderGoneError:
        return _forget_stdout(), ""
    except Exception as error:
        if is_out_of_memory(error):
            return 1, OUT_OF_MEMORY
        if isinstance(error, OSError):
            return 1, f"{error.filename or 'input or output'}: {error.strerror or error}"
        # A bug, in lmzoo or in a FILE.py.
        if os.environ.get("LMZOO_TRACEBACK"):
            raise
        return 1, f"{where(error)}; LMZOO_TRACEBACK=1 shows the traceback"
    return (code, "") if isinstance(code, int) else (0, "")


def _wrong_usage(error: Any) -> str:
    """What is wrong with a flag or argument, the nearest valid one, and which help to read."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "lmzoo"
    message = str(error.format_message()).rstrip(".")
    if context and hasattr(error, "possibilities"):  # only an unknown flag has these
        known = [flag for parameter in context.command.params for flag in parameter.opts if flag.startswith("--")]
        message = f"no flag {error.option_name} in {path}{nearest(error.option_name, known)}"
        if path.endswith(" train"):
            message += "; flags come after the model: lmzoo train MODEL …"
    return f"{message}; see {path} --help"


def where(error: BaseException) -> str:
    """'ZeroDivisionError: division by zero (mine.py, line 12)'."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"


def _forget_stdout() -> int:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python would print an error when closing it
    return 1


# ── Results ───────────────────────────────────────────────────────────────────────────────────────


def width() -> int:
    """Characters in a line: of the terminal, and more where there is no terminal."""
    from rich.console import Console

    console = Console()
    return console.width if console.is_terminal or "COLUMNS" in os.environ else PIPED_WIDTH


def show(renderable: Any) -> None:
    """Print a table or text, as wide as the terminal; wider where there is no terminal."""
    from rich.console import Console

    console = Console(width=width())
    console.print(renderable, soft_wrap=not hasattr(renderable, "add_row"))


def show_table(columns: Sequence[str], rows: Sequence[Sequence[str]], numbers_from: int) -> None:
    """A table: text, which may wrap, in the first `numbers_from` columns, and numbers, which may not, in the others."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for n, column in enumerate(columns):
        longest = max((len(row[n]) for row in rows), default=0)
        if n < numbers_from:
            table.add_column(column, overflow="fold", min_width=min(longest, LEAST_WIDTH))
        else:
            table.add_column(column, justify="right", min_width=longest)  # so that only its head wraps
    for row in rows:
        table.add_row(*(Text(cleaned(cell)) for cell in row))  # a name in brackets is not markup
    show(table)


def show_rows(rows: Sequence[Any], columns: Mapping[str, str], numbers_from: int) -> None:
    """A table of `rows`, objects or mappings: for each column its heading and what is in its cells, as by `format`.

    {"task": "{task}", "95 % interval": "{interval:.3f}"}
    """
    facts = [row if isinstance(row, Mapping) else vars(row) for row in rows]
    cells = [[_CELLS.vformat(pattern, (), fact) for pattern in columns.values()] for fact in facts]
    show_table(list(columns), cells, numbers_from)


def figure(value: float | Sequence[float] | None, pattern: str) -> str:
    """A number in a table, formatted as by `format`, or the two ends of an interval; "–" where there is none."""
    if isinstance(value, tuple | list):
        return "–".join(format(end, pattern) for end in value)
    return "–" if value is None else format(value, pattern)


class _Cells(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        return figure(value, format_spec)


_CELLS = _Cells()


def show_wrapped(line: str, file: TextIO | None = None) -> None:
    """Print a long line of text, indented or not, on lines of at most 80 characters."""
    indent = " " * (2 + len(line) - len(line.lstrip()))
    wrapped = textwrap.fill(cleaned(line), 80, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    print(wrapped, file=file)


def show_json(value: Any) -> None:
    """Print JSON, with escapes for what a terminal would obey or refuse."""
    try:
        text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise ScoreError("one of the figures is NaN or infinite, and such a number is never shown") from None
    print(re.sub("[\x7f-\x9f\ud800-\udfff]", lambda match: f"\\u{ord(match[0]):04x}", text))


def say(*lines: str) -> None:
    """Print lines of text, with U+FFFD for what a terminal would obey: a file's name may have a control character."""
    print(*(cleaned(line.replace("\n", "\ufffd")) for line in lines), sep="\n")


def show_facts(facts: Any, as_json: bool, *lines: str) -> None:
    """Print `facts` as JSON, or the `lines` that state them."""
    if as_json:
        show_json(facts)
    else:
        say(*lines)


def show_notes(notes: Sequence[str]) -> None:
    """Remarks on a result: all of them, or the first two and the last of more than four."""
    shown = notes if len(notes) <= 4 else [*notes[:2], f"{len(notes) - 3} more such notes are in the run", notes[-1]]
    for note in shown:
        show_wrapped(f"note: {note}")


def show_scores(rows: Sequence[dict[str, Any]]) -> None:
    """Scores of runs: a table of ratios, then their numerators and denominators."""
    from lmzoo.evaluation.sums import Sums

    columns = {
        "run": "{name}",
        "bits/char": "{bits_per_character:.4f}",
        "95 % interval": "{interval:.3f}",
        "bits/byte": "{bits_per_byte:.4f}",
        "ppl/token": "{per_token}",
        "ppl/word": "{per_word}",
        "tokens/s": "{tokens_per_second:,.0f}",
    }
    shown = [
        {
            "name": Path(row["run"]).name or row["run"],
            **row,
            **{f"per_{unit}": _perplexity(row, unit) for unit in UNITS},
        }
        for row in rows
    ]
    show_rows(shown, columns, numbers_from=1)
    for row in rows:
        counts = ", ".join(f"{row[key]:,} {key}" for key in ("characters", "bytes", "tokens", "words"))
        bits = "no" if row["bits"] is None else f"{row['bits']:,.1f}"
        show_wrapped(f"{row['run']}: {bits} bits over {counts}")
        show_wrapped(f"  {row['corpus']} {row['split']}, {row['protocol']}, {row['tokenizer']}; sha256 {row['sha256']}")
        for part in row.get("weights", []):
            say(f"  weight: {part['weight']:.4f} {part['run']}")
        if not Sums(**row["sums"]).note:  # else it is among the notes
            show_wrapped(f"  {Sums(**row['sums']).remark}")
        for note in row["notes"]:
            show_wrapped(f"  note: {note}")


def _perplexity(row: dict[str, Any], unit: str) -> str:
    """The perplexity per token or word of a row of scores; a power of two where it has too many digits to read."""
    value, count = row[f"perplexity_per_{unit}"], row[f"{unit}s"]
    if value is not None and value < 1e12:
        return f"{value:.2f}"
    return f"2^{row['bits'] / count:.1f}" if count and row["bits"] else "–"


# ── Progress ──────────────────────────────────────────────────────────────────────────────────────


class Bars(Progress):
    """A progress bar with an ETA for each task, on stderr if that is a terminal; it disappears when done."""

    def __init__(self, quiet: bool = False):
        self.quiet = quiet or process() > 0
        self._bars: Any = None
        self._open: list[Any] = []
        self._borrowed = False  # the display is another's

    @contextmanager
    def task(self, name: str, total: float | None = None) -> Iterator["Bars"]:
        """A new bar; `advance` moves the innermost one."""
        self._start()
        bar = self._bars.add_task(one_line(name, LONGEST_NAME), total=total, note="")
        self._open.append(bar)
        try:
            yield self
        finally:
            self._open.remove(bar)  # not `pop`: after an error a loop over `track` may close before those inside it
            self._bars.remove_task(bar)
            if not self._open and not self._borrowed:
                self._bars.stop()
                self._bars = None

    def advance(self, amount: float = 1, note: str = "") -> None:
        """Move the innermost bar; `note` is shown beside it."""
        if self._open:
            self._bars.update(
                self._open[-1], advance=amount, **({"note": one_line(note, LONGEST_NAME)} if note else {})
            )

    def beside(self) -> "Bars":
        """Bars below those that are open: it must be closed before they are."""
        other = Bars(self.quiet)
        other._bars, other._borrowed = self._bars, self._bars is not None
        return other

    def _start(self) -> None:
        if self._bars is not None:
            return
        from rich import progress
        from rich.console import Console
        from rich.table import Column

        console = Console(stderr=True)
        self._bars = progress.Progress(
            progress.SpinnerColumn(),
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(bar_width=30 if console.width >= 120 else 12),
            progress.TaskProgressColumn(),
            progress.TimeElapsedColumn(),
            progress.TimeRemainingColumn(),
            # In a narrow terminal only what is at work is cut, never the time that is left.
            progress.TextColumn(
                "{task.fields[note]}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")
            ),
            expand=True,
            console=console,
            transient=True,
            disable=self.quiet or not console.is_terminal,
        )
        self._bars.start()
