"""The wording of settings in a model's label: "96 cells", "50 dimensions", "not tied", "k 0.5"."""

from collections.abc import Collection
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any


def other_settings(model: Any, named: Collection[str]) -> list[str]:
    """In words, the settings of `model` that are not the default ones, but for those in `named`."""
    changed: dict[str, Any] = {}
    for setting in fields(model) if is_dataclass(model) else ():
        value, default = getattr(model, setting.name), default_of(setting)
        if is_dataclass(default):  # settings in a dataclass of their own, as those of training
            for part in fields(default):
                if getattr(value, part.name) != getattr(default, part.name):
                    changed.setdefault(part.name, getattr(value, part.name))
        elif value != default:
            changed[setting.name] = value
    return [_in_words(name, value) for name, value in changed.items() if name not in named]


def count(value: Any, pattern: str) -> str:
    """(96, "{} cells") → "96 cells", (1, "{} layers") → "1 layer"."""
    text = pattern.format(f"{value:g}" if isinstance(value, float) else value)
    return text[:-1] if value == 1 and text.startswith("1 ") and text.endswith("s") else text


def default_of(setting: Field[Any]) -> Any:
    """The default of a dataclass's field; MISSING where it has none."""
    return setting.default if setting.default_factory is MISSING else setting.default_factory()


def _in_words(name: str, value: Any) -> str:
    name = name.replace("_", " ")
    match value:
        case bool():
            return name if value else f"not {name}"
        case int() if name.endswith("s"):
            return count(value, f"{{}} {name}")
        case str() if value.replace("-", "").isidentifier():
            return value.replace("-", " ")
    return count(value, f"{name} {{}}")
