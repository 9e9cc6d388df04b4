"""The models: one file, one idea, one paper. A model is found by its file name.

To add one, write `models/NAME.py` with one dataclass derived from `interface.Model` (and its test). The path of a
FILE.py works wherever a name does. A model's module is imported when it is first used.
"""

import ast
import builtins
import copy
import hashlib
import importlib
import inspect
import io
import sys
import tokenize
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, dataclass, fields
from functools import cache
from pathlib import Path
from types import ModuleType, NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from lmzoo.errors import UsageError, nearest, not_installed, one_of
from lmzoo.files import SETTINGS, read_file, typed
from lmzoo.interface import Model
from lmzoo.labels import default_of
from lmzoo.neural.training.config import Training

HERE = Path(__file__).parent
# Modules that an outline imports as they are: they load nothing slow.
IMPORTED = ("lmzoo.errors", "lmzoo.interface", "lmzoo.neural.training.config")

KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


@dataclass(frozen=True)
class Setting:
    """A field of a model's dataclass: `type` is one of KINDS, `help` the comment behind the field."""

    name: str
    type: type
    default: Any
    help: str
    required: bool = False  # it has no default
    words: tuple[str, ...] = ()  # further values, as "auto" of `int | Literal["auto"]`
    shared: bool = False  # declared by a class that several models derive from


def names() -> list[str]:
    """The names of the models, oldest idea first."""
    stems = [path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_")]
    return sorted(stems, key=lambda name: (about(name)["year"], name))


@cache
def about(name: str) -> dict[str, Any]:
    """Year, paper and first line of a model's file, read from its source without importing it."""
    tree = ast.parse((HERE / f"{name}.py").read_text(encoding="utf-8"))
    facts = {"name": name, "year": 0, "paper": "", "summary": (ast.get_docstring(tree) or "").split("\n")[0]}
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(target=ast.Name(id=key), value=ast.Constant(value=value)) if key in facts and value:
                facts[key] = value
    return facts


def find(name: str) -> type[Model]:
    """The model class of a name, or of a path to a Python file. Raises UsageError if there is none."""
    if _is_path(name):
        return _only_model(_load_file(Path(name)), name)
    _check_name(name)
    try:
        module = importlib.import_module(f"lmzoo.models.{name}")
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] != "lmzoo":
            raise not_installed(name, error.name) from None
        raise
    return _only_model(module, name)


def outline(name: str) -> type[Model]:
    """What help texts need of a model's class: docstring, fields, PRESETS and paper, and no method.

    It is read from the source, since importing a network's file imports PyTorch, which takes 2 seconds. A file of
    one's own is imported, as by `find`, and so is a model whose source cannot be read alone.
    """
    if _is_path(name):
        return find(name)
    _check_name(name)
    module = f"lmzoo.models.{name}"
    try:
        classes = [node for node in _parse_module(module)[1].body if isinstance(node, ast.ClassDef)]
        named = [node.name for node in classes if f"name: ClassVar[str] = {name!r}" in map(ast.unparse, node.body)]
        model: type[Model] = _define(module, named[0])
    except Exception:
        return find(name)
    return model


def _is_path(name: str) -> bool:
    return name.endswith(".py") or "/" in name or "\\" in name


def _check_name(name: str) -> None:
    if name.startswith("_") or not (HERE / f"{name}.py").is_file():  # `names` would parse every model's file
        one_of("model named", name, names())


@cache
def _parse_module(module: str) -> tuple[list[str], ast.Module]:
    """The lines of a module of lmzoo and its syntax tree."""
    path = HERE.parents[1].joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    source = file.read_text(encoding="utf-8")
    return source.splitlines(), ast.parse(source)


@cache
def _define(module: str, name: str) -> Any:
    """The value of a top-level name of a module: only its statement is run and those it depends on, methods left out.

    Raises LookupError where the name is bound in another way than by an import, a class or an assignment, or where
    the statement needs another package than NumPy.
    """
    if module in IMPORTED or module.split(".")[0] in {"numpy", *sys.stdlib_module_names}:
        return getattr(importlib.import_module(module), name)
    if not module.startswith("lmzoo."):
        raise LookupError(module)
    lines, tree = _parse_module(module)
    for node in tree.body:
        match node:
            case ast.ImportFrom(module=str(source), names=aliases):
                for alias in aliases:
                    if (alias.asname or alias.name) == name:
                        return _define(source, alias.name)
            case (
                ast.Assign(targets=[ast.Name(id=bound)])
                | ast.AnnAssign(target=ast.Name(id=bound))
                | ast.ClassDef(name=bound)
            ) if bound == name:
                return _execute(module, name, node, lines)
    raise LookupError(name)


def _execute(module: str, name: str, statement: ast.stmt, lines: list[str]) -> Any:
    if isinstance(statement, ast.ClassDef):
        statement = copy.copy(statement)
        statement.body = [part for part in statement.body if isinstance(part, (ast.AnnAssign, ast.Expr))]
    used = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    namespace = {"__name__": module}
    namespace |= {other: _define(module, other) for other in used if not hasattr(builtins, other)}
    exec(compile(ast.Module([statement], []), module, "exec"), namespace)
    value = namespace[name]
    if isinstance(value, type) and isinstance(statement, ast.ClassDef):
        value.__source__ = "\n".join(lines[statement.lineno - 1 : statement.end_lineno])  # for the fields' comments
    return value


def settings(model: type[Model]) -> list[Setting]:
    """The fields of a model's dataclass, with types, defaults and comments; its own before inherited ones.

    Raises UsageError for a field whose type is not one of KINDS, or that or None: it could be no flag.
    """
    hints = _hints(model)
    comments: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if base.__module__ not in ("builtins", "abc", "lmzoo.interface"):
            comments |= _field_comments(base)
    shared = {name for base in model.__mro__[1:] for name in getattr(base, "__dataclass_fields__", ())}
    own = [
        Setting(
            field.name,
            _kind(model, field.name, hints[field.name]),
            None if (default := default_of(field)) is MISSING else default,
            comments.get(field.name, ""),
            default is MISSING,
            _words(hints[field.name]),
            field.name in shared,
        )
        for field in fields(model)  # type: ignore[arg-type]
        if not isinstance(field.default, Training)
    ]
    return sorted([*own, *_training_settings(model, own)], key=lambda setting: setting.shared)


def check_types(model: type[Model], config: Mapping[str, Any]) -> None:
    """Raise FormatError naming a setting in `config`, as read from a file, whose value is not of its field's type."""
    hints = get_type_hints(Training) | _hints(model)
    for name, value in config.items():
        if name in hints:
            with suppress(TypeError):  # a model from outside the package may have fields of any type
                typed(value, hints[name], f"the setting {name}")


def _training_settings(model: type[Model], own: list[Setting]) -> list[Setting]:
    """The fields of a network's `training`, with that model's defaults, but for those that are its own fields too."""
    taken = {setting.name for setting in own}
    return [
        Setting(part.name, type(part.default), getattr(field.default, part.name), comment, shared=True)
        for field in fields(model)  # type: ignore[arg-type]
        if isinstance(field.default, Training)
        for part, comment in zip(fields(Training), _field_comments(Training).values(), strict=True)
        if part.name not in taken
    ]


def labels(entries: Sequence[Model]) -> list[str]:
    """The label of each model; where several have the same one, with the settings that tell them apart."""
    plain = [model.label for model in entries]
    full = [", ".join([model.label, *model.other_settings]) for model in entries]
    return [long if plain.count(short) > 1 else short for short, long in zip(plain, full, strict=True)]


def presets(model: type[Model]) -> dict[str, dict[str, Any]]:
    """The named sets of settings in a model's PRESETS."""
    named: dict[str, dict[str, Any]] = getattr(model, "PRESETS", {})
    return named


def make(model: type[Model], given: dict[str, str], base: Mapping[str, Any] | None = None) -> Model:
    """A model from settings as text: {'order': '3'}. Raises UsageError for an unknown or invalid one.

    {'preset': 'tiny'} is a set of settings by name, which others in `given` override; `base` has those of all others
    that are not the default.
    """
    chosen = {**(base or {}), **settings_in(model, given)}
    for setting in settings(model):
        if setting.required and setting.name not in chosen:
            raise UsageError(
                f"{model.name} needs its setting {setting.name!r}, {KINDS[setting.type]}: it has no default"
            )
    return model.from_config(chosen)


def settings_in(model: type[Model], given: dict[str, str]) -> dict[str, Any]:
    """The values of settings as text, a preset's among them. Raises UsageError for an unknown or invalid one."""
    chosen = _preset(model, given["preset"]) if "preset" in given and presets(model) else {}
    given = {key: text for key, text in given.items() if key != "preset" or not presets(model)}
    known = {setting.name: setting for setting in settings(model)}
    for key in given:
        if key not in known:
            has = ", ".join(known) or "none"
            raise UsageError(f"{model.name} has no setting {key!r}; it has: {has}{nearest(key, known)}")
    return {**chosen, **{key: _parse(known[key], text) for key, text in given.items()}}


def _preset(model: type[Model], name: str) -> dict[str, Any]:
    known = presets(model)
    one_of(f"preset of {model.name}", name, known)
    return known[name]


def _hints(model: type[Model]) -> dict[str, Any]:
    try:
        return get_type_hints(model)
    except (NameError, TypeError) as error:
        raise UsageError(f"the types of {model.__name__}'s fields cannot be read: {error}") from None


def _kind(model: type[Model], name: str, hint: Any) -> type:
    """int, float, bool or str, also of `int | None`."""
    options = [
        option for option in get_args(hint) or (hint,) if option is not NoneType and get_origin(option) is not Literal
    ]
    if len(options) != 1 or options[0] not in KINDS:
        raise UsageError(
            f"the field {name!r} of {model.__name__} is {getattr(hint, '__name__', hint)}: a setting can be "
            "int, float, bool or str, or one of them or None"
        )
    kind: type = options[0]
    return kind


def _words(hint: Any) -> tuple[str, ...]:
    """('auto',) of `int | Literal["auto"]`."""
    return tuple(word for option in get_args(hint) if get_origin(option) is Literal for word in get_args(option))


def _parse(setting: Setting, text: str) -> Any:
    if text in setting.words:
        return text
    if setting.type is bool:
        if text.lower() not in ("true", "false"):
            raise UsageError(f"{setting.name} is true or false, not {text!r}")
        return text.lower() == "true"
    try:
        return setting.type(text)
    except ValueError:
        kinds = " or ".join([KINDS[setting.type], *setting.words])
        raise UsageError(f"{setting.name} must be {kinds}, not {text!r}") from None


def _load_file(path: Path) -> ModuleType:
    """The module of a FILE.py, executed from its source: no bytecode is written beside it or read."""
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a folder: a model is a Python file (a run can be compared, not trained)")
        source = read_file(path, SETTINGS)
    except FileNotFoundError:
        raise UsageError(f"no model file at {path}") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    # A name for each file and content, so that two files called model.py are not confused.
    digest = hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogatepass") + source).hexdigest()[:12]
    name = f"lmzoo_file_{path.stem}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = str(path.resolve())
    sys.modules[name] = module  # dataclasses look up their module
    try:
        exec(compile(source, module.__file__, "exec"), vars(module))
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, KeyboardInterrupt):
            raise
        raise UsageError(f"{path} cannot be imported: {_why(error, module.__file__)}") from error
    return module


def _why(error: BaseException, file: str) -> str:
    """'ZeroDivisionError in line 3: division by zero'."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"it needs {error.name}, which is not installed"
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__} in line {error.lineno}: {error.msg}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f"{type(error).__name__}{f' in line {lines[-1]}' if lines else ''}: {error}"


def _only_model(module: ModuleType, name: str) -> type[Model]:
    own = [
        value
        for value in dict.fromkeys(value for value in vars(module).values() if isinstance(value, type))
        if issubclass(value, Model) and value.__module__ == module.__name__ and not value.__name__.startswith("_")
    ]
    complete = [model for model in own if not inspect.isabstract(model)]
    # A class that another one builds on is a part of it.
    concrete = [model for model in complete if not any(m is not model and issubclass(m, model) for m in complete)]
    if not concrete and own:
        lacks = ", ".join(sorted(own[0].__abstractmethods__))
        raise UsageError(f"{own[0].__name__} in {name} is not a complete model yet: it lacks {lacks}")
    if len(concrete) != 1:
        has = ", ".join(model.__name__ for model in concrete) or "none"
        raise UsageError(
            f"{name} must define exactly one model (a dataclass derived from lmzoo.interface.LanguageModel with "
            f"fit, reach, start, advance and next_log_probs); it has {has}"
        )
    if "__dataclass_fields__" not in vars(concrete[0]):
        raise UsageError(f"{concrete[0].__name__} in {name} must be a dataclass: put @dataclass above it")
    _refuse_old_fit(concrete[0], name)
    if not concrete[0].name:
        concrete[0].name = Path(name).stem
    return concrete[0]


def _refuse_old_fit(model: type[Model], name: str) -> None:
    """Raise UsageError for the signature that `fit` once had, saying what to write now."""
    if "vocab_size" in inspect.signature(model.fit).parameters:
        raise UsageError(
            f"{model.__name__} in {name} has the old fit(train, valid, vocab_size, run): "
            "write fit(self, data, run=None) and use data.train, data.valid and data.vocab_size"
        )


@cache  # a comparison asks for the settings of each model some ten times
def _field_comments(cls: type) -> dict[str, str]:
    """field name → the comment on its line, or else on the lines above it."""
    try:
        source = vars(cls).get("__source__") or inspect.getsource(cls)
    except (OSError, TypeError):
        return {}
    comments: dict[str, str] = {}
    above: list[str] = []
    tokens: list[str] = []
    for token in tokenize.generate_tokens(io.StringIO(inspect.cleandoc(source)).readline):
        if token.type == tokenize.COMMENT:
            above = [token.string.lstrip("# ")] if tokens else [*above, token.string.lstrip("# ")]
        elif token.type == tokenize.NEWLINE:
            if above and tokens[1:2] == [":"]:
                comments[tokens[0]] = " ".join(above)
            above, tokens = [], []
        elif token.type not in (tokenize.NL, tokenize.INDENT, tokenize.DEDENT):
            tokens.append(token.string)
    return comments
