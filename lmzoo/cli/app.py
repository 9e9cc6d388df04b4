"""The application that commands are added to. Adding a command: a file in this folder, and its name in PANELS."""

import importlib
import pkgutil
from collections.abc import Callable
from typing import Annotated, Any

import typer

import lmzoo.cli
from lmzoo.cli.console import Commands
from lmzoo.cli.options import with_flags

# What `lmzoo --help` shows, in this order. A command that is not listed stands below, under "Commands".
PANELS = {
    "Start": ("compare", "serve", "models", "corpora"),
    "Train and measure": ("train", "eval", "score", "generate", "fill"),
    "Look inside": ("tokenize", "explain", "inside", "unit", "ngrams", "classes"),
    "Word vectors": ("neighbours", "analogy", "similarity", "odd", "map"),
    "Knowledge": ("probe", "zeroshot", "finetune", "transfer", "classify", "rescore", "solve"),
    "Exchange and compress": ("export", "import", "compress", "decompress", "certify"),
    "Teach": ("check", "course"),
}
ORDER = [name for names in PANELS.values() for name in names]


class _Lmzoo(Commands):
    def list_commands(self, ctx: Any) -> list[str]:
        names = super().list_commands(ctx)
        return sorted(names, key=[*ORDER, *sorted(names)].index)


app = typer.Typer(
    cls=_Lmzoo,
    help="Every kind of language model in history, trained on the same text, scored by one ruler.",
    epilog="Start with `lmzoo compare`: it trains models, scores them and writes a report to open. Then `lmzoo train "
    "ngram` trains one of them, and `lmzoo generate` samples text from it.",
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def command(name: str, epilog: str | None = None) -> Callable[[Any], Any]:
    """A decorator that makes a function the command `lmzoo NAME`: its parameters are arguments and flags."""
    declare = app.command(name, epilog=epilog, rich_help_panel=_panel(name))
    return lambda function: declare(with_flags(function))


def add_group(name: str, group: typer.Typer) -> None:
    """Make `group` the command `lmzoo NAME SUBCOMMAND`."""
    app.add_typer(group, name=name, rich_help_panel=_panel(name))


def add_all_commands() -> None:
    """Import every file of this folder. They import what is slow to load only when a command runs."""
    for module in pkgutil.iter_modules(lmzoo.cli.__path__):
        importlib.import_module(f"lmzoo.cli.{module.name}")


def _panel(name: str) -> str | None:
    return next((panel for panel, names in PANELS.items() if name in names), None)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        from lmzoo import __version__

        print(f"lmzoo {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help(), end="")
