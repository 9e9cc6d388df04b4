"""The flags of each model, made from the fields of its class: `lmzoo train MODEL --help` and `--help-all`."""

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from lmzoo.cli.console import Commands
from lmzoo.cli.options import flag_of
from lmzoo.errors import UsageError

SHOWN = 10  # flags in the help of a model; --help-all shows the others too
FIRST = ("corpus", "tokenizer", "out", "seed")  # those of every model that are among them
BUDGET = "budget"  # as is this, where the model is trained by steps


class ModelCommands(Commands):
    """One subcommand for each model, created on demand from `action(name, settings, **shared flags)`."""

    action: Callable[..., None]

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """The names of the models, oldest idea first."""
        from lmzoo import models

        return models.names()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """A model with its one-line summary, for the list of models: nothing is imported."""
        from lmzoo import models

        def summary() -> None: ...

        summary.__doc__ = _escape(models.about(cmd_name)["summary"])
        return _command(cmd_name, summary)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ARG002
        """The command that trains a model, named or given as a FILE.py, with all its flags."""
        if args[0].startswith("-"):
            raise UsageError(f"say which model before its flags: lmzoo train MODEL {args[0]} …")
        name, given = args[0], dict[str, str]()
        if ":" in name and not Path(name).is_file():  # as in `lmzoo compare`
            from lmzoo.runs.train import parse

            name, given = parse(name)
        return name, model_command(name, type(self).action, given), args[1:]


def model_command(name: str, action: Callable[..., None], given: Mapping[str, str]) -> Any:
    """The command that trains the model `name`: the model's own flags first, then the keyword flags of `action`.

    What is typed in flags overrides the settings `given` with the name.
    """
    from lmzoo import models

    model = models.outline(name)
    settings = models.settings(model)
    shared = [p for p in inspect.signature(action).parameters.values() if p.kind is p.KEYWORD_ONLY]
    taken = {parameter.name for parameter in shared} | {"json", "help", "help_all", "preset", "click_context"}
    for setting in settings:
        if setting.name in taken:
            raise UsageError(f"{name}: its setting {setting.name!r} is a flag of every model: rename it")

    def train(click_context: typer.Context, **flags: Any) -> None:
        values = {setting.name: flags.pop(setting.name) for setting in settings}
        # What was not typed comes from the preset, or the model's defaults.
        typed = {key for key in values if click_context.get_parameter_source(key).name != "DEFAULT"}  # type: ignore[union-attr]
        chosen = dict(given) | {key: str(value) for key, value in values.items() if key in typed and value is not None}
        if flags.get("preset"):
            chosen["preset"] = flags["preset"]
        action(name, chosen, **{key: value for key, value in flags.items() if key not in ("preset", "help_all")})

    own = [*map(_flag, settings), *_preset_flag(models.presets(model))]
    parameters = [_CONTEXT, *own, *map(_in_panel, shared)]
    most_used = (
        _most_used(settings, own, model.resumes) if not name.endswith(".py") else [*taken, *(p.name for p in own)]
    )
    parameters = [_hidden(p) if p is not _CONTEXT and p.name not in most_used else p for p in parameters]
    parameters.append(_help_all(len(parameters) - 1))
    train.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    train.__annotations__ = {p.name: p.annotation for p in parameters}
    train.__doc__ = _escape("\n\n".join(filter(None, [inspect.getdoc(model), model.paper])))
    small = " --preset tiny" if "tiny" in models.presets(model) else ""
    example = f"Example: lmzoo train {name}{small}{' --budget 20s' if model.resumes else ''} --out runs/mine"
    return _command(name, train, example)


def _most_used(settings: Sequence[Any], own: Sequence[inspect.Parameter], by_steps: bool) -> list[str]:
    """The names of SHOWN flags: the model's first settings that are numbers or words, --preset, and those of FIRST."""
    shared = [*FIRST, *([BUDGET] if by_steps else []), *(p.name for p in own if p.name == "preset")]
    first = [setting.name for setting in settings if setting.type is not bool]
    return [*shared, *first[: SHOWN - len(shared)]]


def _hidden(parameter: inspect.Parameter) -> inspect.Parameter:
    """A flag that only --help-all shows."""
    kind, option = get_args(parameter.annotation)
    option = copy.copy(option)
    option.hidden = True
    return parameter.replace(annotation=Annotated[kind, option])


def _help_all(count: int) -> inspect.Parameter:
    def show(context: typer.Context, wanted: bool) -> None:
        if wanted:
            for parameter in context.command.params:
                parameter.hidden = False  # type: ignore[attr-defined]
            print(context.get_help(), end="")
            raise typer.Exit

    option = typer.Option(
        "--help-all",
        help=f"Show all {count} flags, of the model, its training, the data and the output.",
        is_eager=True,
        callback=show,
    )
    return inspect.Parameter(
        "help_all", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, option]
    )


_CONTEXT = inspect.Parameter("click_context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)


def _preset_flag(presets: dict[str, dict[str, Any]]) -> list[inspect.Parameter]:
    """--preset, for a model that has presets."""
    if not presets:
        return []
    help_text = f"A named set of settings, which the other flags override: {', '.join(presets)}."
    kind = Annotated[str | None, typer.Option("--preset", help=help_text)]
    return [inspect.Parameter("preset", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)]


def _flag(setting: Any) -> inspect.Parameter:
    """A setting as a parameter of the command's function, for Typer."""
    option = flag_of(setting.name, setting.type, _escape(setting.help), setting.type is bool)
    kind = setting.type | None if setting.default is None else setting.type
    default = inspect.Parameter.empty if setting.required else setting.default
    if setting.words:  # parsed by `models.make`, which knows the words
        metavar = "|".join(["INT" if setting.type is int else "NUMBER", *setting.words])
        kind, option = str, typer.Option(metavar=metavar, help=_escape(setting.help))
        default = default if setting.required else str(default)
    if setting.shared:
        option.rich_help_panel = "Training"
    return inspect.Parameter(
        setting.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
    )


def _in_panel(parameter: inspect.Parameter) -> inspect.Parameter:
    """A shared flag, in a panel below the model's own."""
    kind, option = get_args(parameter.annotation)
    option = copy.copy(option)
    option.rich_help_panel = "Options of every model"
    return parameter.replace(annotation=Annotated[kind, option])


def _command(name: str, function: Callable[..., None], epilog: str | None = None) -> Any:
    one = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
    one.command(name, epilog=epilog, context_settings={"help_option_names": ["-h", "--help"]})(function)
    command = typer.main.get_command(one)
    command.name = name
    return command


def _escape(text: str) -> str:
    return text.replace("[", "\\[")  # "in [0, 1]" is not Rich markup
