"""The flags of the command line: those that commands share, those of each command, and those of each model.

A command's flags are the parameters of its function, a model's the fields of its dataclass, and their help is the
comment behind each. So a new command, model or FILE.py has its help at once.
"""

import functools
import inspect
import linecache
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer

from lmzoo.errors import UsageError, in_range


def option(flag: str, help: str, shown: str | bool = True) -> Any:
    """An option; `shown` is what its help says of the default, where that is not the value itself."""
    return typer.Option(flag, help=help, show_default=shown)


def whole(flag: str, help: str, least: int | None = None) -> Any:
    """An option whose value is a whole number, `least` or more; its error says so."""
    return typer.Option(flag, parser=_reader(flag, int, "a whole number", least), metavar="INT", help=help)


def number(flag: str, help: str) -> Any:
    """An option whose value is a number; its error says so."""
    return typer.Option(flag, parser=_reader(flag, float, "a number"), metavar="NUMBER", help=help)


def _reader(flag: str, kind: type, expected: str, least: int | None = None) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            value = kind(str(text))
        except ValueError:
            raise UsageError(f"{flag} must be {expected}, not {text!r}") from None
        if least is not None:
            in_range(flag, value, least)
        return value

    return read


def run_argument(help: str, metavar: str = "RUN") -> Any:
    """An argument that is a run's folder, or its name alone where the folder is in `runs/`."""
    return typer.Argument(parser=_named, metavar=metavar, help=help)


def run_option(flag: str, help: str, metavar: str = "RUN") -> Any:
    """An option whose value is as that of `run_argument`."""
    return typer.Option(flag, parser=_named, metavar=metavar, help=help, show_default=False)


def _named(text: str | Path) -> Path:
    from lmzoo.runs import store

    return store.named(str(text))


def read_contestant(text: str) -> str:
    """A model's name, with settings or not, a FILE.py or a run's folder; the name alone of a run in `runs/` is too."""
    from lmzoo import models
    from lmzoo.runs import store

    if text.partition(":")[0] in models.names() or store.named(text) == Path(text):
        return text
    return str(store.named(text))


Runs = Annotated[list[Path], run_argument("Folders of runs, or their names in runs/.", "RUN...")]
RunFolder = Annotated[Path, run_argument("Folder of a run, or its name in runs/.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress bars.")]
Seed = Annotated[int, whole("--seed", help="Random seed, 0 or more: the same seed gives the same result.")]
Mirror = Annotated[
    str | None,
    typer.Option(envvar="LMZOO_MIRROR", help="Folder or URL that has the corpora, laid out as CORPUS/FILE."),
]
Texts = Any  # the type of a parameter `corpus`: --corpus and the flags of PARTS as `lmzoo.data.corpus.Paths`, or None
CorpusName = Annotated[
    Texts,
    typer.Option(
        "--corpus",
        help="A name from `lmzoo corpora`, a text file or a folder; storyworld:2MB: 2 MB of its training text.",
    ),
]
ELSE = "what the corpus says, else the last 5 % of the training text"
PARTS = {
    "train": option("--train", "The training text, a file or folder: a split of your own.", "what the corpus says"),
    "valid": option("--valid", "The validation text, a file or folder.", ELSE),
    "test": option("--test", "The test text, a file or folder.", ELSE),
    "field": option("--field", "The field of JSON lines that has the text; '': the lines are the text.", "text"),
}
TokenizerSpec = Annotated[
    str | None,
    typer.Option(
        "--tokenizer",
        help="byte, char, word:K (the K most frequent words, as in word:5000), bpe:K (byte-pair encoding with K "
        "tokens), split (words of a text that is tokenised already), split:min=N (words that occur less than N times "
        "become <unk>) or gpt2.",
        show_default="the corpus's own; of a text of your own words, where it has spaces, else characters",
    ),
]
Budget = Annotated[
    str | None,
    typer.Option(
        help="Training budget of each model that trains by steps: steps (2000steps), tokens (5Mtokens) and "
        "floating-point operations (1e15flops) mean the same on every machine, wall-clock time (90s, 3m, 1h) does not. "
        "Of several (5Mtokens,3m) the first that is spent ends the training. Models that count have none.",
        show_default="3m; of `compare` that of the preset for this machine",
    ),
]
Refit = Annotated[
    bool, option("--refit", "Train on the training and validation texts: for the final fit, once settings are chosen.")
]
Lines = Annotated[
    bool,
    option("--lines", "One line is one text (names, queries): each is trained on and scored from the start, alone."),
]
Code = Annotated[Path | None, typer.Option(help="The FILE.py of your own model, to load a run of it.")]


Count = Annotated[int, 0]  # 0 or more: types for parameters of a command
Size = Annotated[int, 1]  # 1 or more


def with_flags(function: Any) -> Any:
    """`function` with a flag for each parameter that is not declared yet, and an argument where that has no default.

    The comment, behind the parameter or above it, is its help, and may end with the default in words: [default: all].
    """
    parameters = inspect.signature(function).parameters
    comments = _comments_on_parameters(function)  # none where the program was installed without its source
    for name, parameter in parameters.items():
        kind, default = parameter.annotation, parameter.default
        if get_origin(kind) is Annotated and kind not in (Count, Size):
            continue
        kind, *least = get_args(kind) if kind in (Count, Size) else (kind,)
        text, _, shown = comments.get(name, "").removesuffix("]").partition(" [default: ")
        flag = typer.Argument(help=text)
        if default is not inspect.Parameter.empty:
            flag = flag_of(name, kind, text, default is True, *least)
            flag.show_default = shown or True
        function.__annotations__[name] = Annotated[kind, flag]
    return _with_parts(function) if "corpus" in parameters else function


def _with_parts(function: Any) -> Any:
    """`function` with the flags of PARTS behind `corpus`, which becomes one `Paths` of them all, or None."""
    parameters = list(inspect.signature(function).parameters.values())  # after the annotations were made
    at = next(i for i, parameter in enumerate(parameters) if parameter.name == "corpus")
    corpus = parameters[at]
    _, declared = get_args(corpus.annotation)
    needed = corpus.default is inspect.Parameter.empty
    parameters[at] = corpus.replace(annotation=Annotated[str if needed or corpus.default else str | None, declared])
    parts = [
        inspect.Parameter(name, corpus.kind, default=None, annotation=Annotated[str | None, part])
        for name, part in PARTS.items()
    ]

    @functools.wraps(function)
    def call(*arguments: Any, **flags: Any) -> None:
        from lmzoo.data.corpus import Paths

        given = {name: flags.pop(name, None) for name in PARTS}
        typed = flags["corpus"] is not None or any(value is not None for value in given.values())
        paths = Paths.of_flags(flags["corpus"] or "", corpus.default or "", **given) if typed else None
        return function(*arguments, **flags | {"corpus": paths})

    behind = parameters[at + 1 :]
    call.__signature__ = inspect.Signature([*parameters[: at + 1], *parts, *behind])  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in [*parameters, *parts]}
    return call


def _comments_on_parameters(function: Any) -> dict[str, str]:
    comments: dict[str, str] = {}
    parts: list[str] = []
    # By lines, not tokens: the flags of all commands are declared whenever one is called, and this takes no time.
    lines = linecache.getlines(function.__code__.co_filename, function.__globals__)  # also from a zip
    for line in lines[function.__code__.co_firstlineno :]:
        declaration, _, comment = line.strip().partition("# ")
        parts += [comment] if comment else []
        if declaration.startswith(") ->"):
            break
        if declaration and parts:
            comments[declaration.partition(":")[0]], parts = " ".join(parts), []
    return comments


def flag_of(name: str, kind: Any, text: str, negation: bool, least: int | None = None) -> Any:
    """An option of that type, or of that type or None; with `negation` also --no-NAME."""
    flag, kinds = "--" + name.replace("_", "-"), get_args(kind) or (kind,)
    if int in kinds:
        return whole(flag, text, least)
    return number(flag, text) if float in kinds else option(f"{flag}/--no-{flag[2:]}" if negation else flag, text)


def parse_device(text: str) -> str:
    """A valid name of a device, present or not. Raises UsageError."""
    if not re.fullmatch(r"auto|mps|(cpu|cuda)(:\d+)?", text):
        raise UsageError(f"no device {text!r}: it can be auto, cpu, cuda, cuda:N or mps")
    return text


Device = Annotated[
    str,
    typer.Option(
        "--device",
        parser=parse_device,
        metavar="TEXT",
        help="cpu, cuda, cuda:N, mps, or auto: the fastest available. Models that count use the CPU.",
    ),
]
Exact = Annotated[
    bool,
    typer.Option(
        "--exact",
        help="Have recurrent networks read a long text in order, not in parts side by side: the same bits up to "
        "rounding, in two to three times the time.",
    ),
]
Compile = Annotated[
    str,
    typer.Option(
        "--compile", help="Whether to use torch.compile: yes, no, or auto (where it saves time within the budget)."
    ),
]


def parse_memory(text: str | None) -> int | None:
    """'500M', '1G' or '2GB' → bytes. Raises UsageError for anything else, and for less than a megabyte."""
    if text is None:
        return None
    digits = text.upper().removesuffix("B").removesuffix("I")
    try:
        size = float(digits[:-1]) * {"M": 1 << 20, "G": 1 << 30}[digits[-1:]]
    except (ValueError, KeyError):
        size = 0
    if not 1 << 20 <= size < 1 << 50:
        raise UsageError(f"memory is a size of at least 1M, like 500M or 1G, not {text!r}")
    return int(size)


UNITS = {"s": ("seconds", 1), "m": ("seconds", 60), "h": ("seconds", 3600)}
UNITS |= {"steps": ("steps", 1), "tokens": ("tokens", 1), "flops": ("flops", 1)}
SIZES = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
BUDGETS = (
    "2000steps, 5Mtokens or 1e15flops, a time such as 90s, 3m or 1h, or several, such as 5Mtokens,3m: the first that "
    "is spent ends the training"
)


def parse_budget(text: str | None) -> dict[str, Any]:
    """'2000steps', '5Mtokens', '1e15flops', '90s', '3m', '1h', or several: '5Mtokens,3m' → {'tokens': 5e6, 'seconds':
    180.0}.

    Raises UsageError for anything else, for an amount without a unit, and for nothing at all. None → {}.
    """
    budget: dict[str, Any] = {}
    for part in [] if text is None else text.split(","):
        match = re.fullmatch(r"([\d.]+(?:e\d+)?)([kMGTP]?)(s|m|h|steps|tokens|flops|)", part.replace(" ", ""))
        try:
            amount = float(match[1]) * SIZES[match[2]] if match else -1.0
        except ValueError:
            amount = -1.0
        name, unit = UNITS.get((match and match[3]) or "", ("", 1))
        if match and not name:
            raise UsageError(f"a budget has a unit, and {part.strip()!r} has none: write {BUDGETS}")
        timed_size = match and match[2] and name == "seconds"  # 5Ms would be five million seconds
        if not 0 < amount < float("inf") or timed_size or (name == "steps" and amount < 1):
            raise UsageError(f"a budget is an amount above zero with its unit, not {part.strip()!r}: write {BUDGETS}")
        if name in budget:
            raise UsageError(f"the budget {text!r} has two limits in {name}: leave one out")
        budget[name] = int(amount) if name == "steps" else amount * unit
    return budget
