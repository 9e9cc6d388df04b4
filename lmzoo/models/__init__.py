"""The animals: one file, one idea, one paper. A model is found by its file name.

Adding a model is adding `models/NAME.py` with one dataclass derived from `interface.Model` (and its test). A file
of your own, given by its path, works wherever a name does. Nothing here is imported until it is asked for.
"""

import ast
import hashlib
import importlib
import importlib.util
import inspect
import io
import sys
import tokenize
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

from lmzoo.errors import UsageError, nearest
from lmzoo.interface import Model

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Setting:
    """A field of a model's dataclass: `help` is the comment behind it."""

    name: str
    type: type
    default: Any
    help: str


def names() -> list[str]:
    """The models of the zoo, oldest idea first."""
    found = [path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_")]
    return sorted(found, key=lambda name: (about(name)["year"], name))


def about(name: str) -> dict[str, Any]:
    """Year, paper and first line of a model's file, read from its source without importing it."""
    tree = ast.parse((HERE / f"{name}.py").read_text(encoding="utf-8"))
    facts = {"name": name, "year": 0, "paper": "", "summary": (ast.get_docstring(tree) or "").split("\n")[0]}
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id in facts:
            if isinstance(node.value, ast.Constant) and node.value.value:
                facts[node.target.id] = node.value.value
    return facts


def find(name: str) -> type[Model]:
    """The model class of a name in the zoo, or of a path to a Python file. Raises UsageError if there is none."""
    if name.endswith(".py") or "/" in name:
        return _only_model(_load_file(Path(name)), name)
    if name not in names():
        raise UsageError(f"no model named {name!r}; the zoo has: {', '.join(names())}{nearest(name, names())}")
    try:
        module = importlib.import_module(f"lmzoo.models.{name}")
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] != "lmzoo":
            raise UsageError(f"{name} needs {error.name}: pip install 'lmzoo[neural]'") from None
        raise
    return _only_model(module, name)


def settings(model: type[Model]) -> list[Setting]:
    """The fields of a model's dataclass with their types, defaults and comments, in order."""
    hints = get_type_hints(model)
    comments: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if base.__module__ not in ("builtins", "abc", "lmzoo.interface"):
            comments |= _field_comments(base)
    return [
        Setting(
            field.name,
            hints[field.name],
            None if field.default is MISSING else field.default,
            comments.get(field.name, ""),
        )
        for field in fields(model)  # type: ignore[arg-type]
    ]


def make(model: type[Model], given: dict[str, str]) -> Model:
    """A model from settings as text: {'order': '3'}. Raises UsageError naming a setting that cannot be."""
    known = {setting.name: setting for setting in settings(model)}
    values = {}
    for key, text in given.items():
        if key not in known:
            has = ", ".join(known) or "none"
            raise UsageError(f"{model.name} has no setting {key!r}; it has: {has}{nearest(key, known)}")
        values[key] = _parse(known[key], text)
    return model(**values)


def _parse(setting: Setting, text: str) -> Any:
    if setting.type is bool:
        if text.lower() not in ("true", "false"):
            raise UsageError(f"{setting.name} is true or false, not {text!r}")
        return text.lower() == "true"
    if setting.type in (int, float):
        try:
            return setting.type(text)
        except ValueError:
            kind = {int: "a whole number", float: "a number"}[setting.type]
            raise UsageError(f"{setting.name} must be {kind}, not {text!r}") from None
    return text


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError(f"no model file at {path}")
    # A name of its own for each file and content, so that two files called model.py do not mix.
    digest = hashlib.sha256(str(path.resolve()).encode() + path.read_bytes()).hexdigest()[:12]
    name = f"lmzoo_file_{path.stem}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, Exception):
            raise UsageError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
        raise
    return module


def _only_model(module: ModuleType, name: str) -> type[Model]:
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Model)
        and value.__module__ == module.__name__
        and not inspect.isabstract(value)
        and not value.__name__.startswith("_")
    ]
    if len(found) != 1:
        has = ", ".join(model.__name__ for model in found) or "none"
        raise UsageError(
            f"{name} must define exactly one model (a dataclass derived from lmzoo.interface.LanguageModel with "
            f"fit, reach, start, advance and next_log_probs); it has {has}"
        )
    if "__dataclass_fields__" not in vars(found[0]):
        raise UsageError(f"{found[0].__name__} in {name} must be a dataclass: put @dataclass above it")
    if not found[0].name:
        found[0].name = Path(name).stem
    return found[0]


def _field_comments(cls: type) -> dict[str, str]:
    """field name → the comment on its line."""
    try:
        source = inspect.getsource(cls)
    except (OSError, TypeError):
        return {}
    comments: dict[str, str] = {}
    words: list[str] = []
    for token in tokenize.generate_tokens(io.StringIO(inspect.cleandoc(source)).readline):
        if token.type == tokenize.COMMENT and len(words) > 1 and words[1] == ":":
            comments[words[0]] = token.string.lstrip("# ")
        words = [] if token.type in (tokenize.NEWLINE, tokenize.NL) else [*words, token.string]
    return comments
