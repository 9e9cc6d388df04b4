"""lmzoo: every kind of language model in history, trained on the same text, scored by one ruler.

    model, tokenizer = lmzoo.load("runs/shakespeare-6gram")
    score = lmzoo.evaluate.evaluate(model, tokenizer, text)
    print(score.bits_per_character)

Submodules load when they are first used, so `import lmzoo` costs nothing.
"""

import importlib
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

DISTRIBUTION = "lmzoo-lab"  # its name on the package index; the package and the command are lmzoo
SUBMODULES = ("corpus", "evaluate", "interface", "sample", "store", "testing", "tokenizer")
__all__ = ["__version__", "load"]

if TYPE_CHECKING:
    from lmzoo.evaluation.text_model import TextModel


def load(folder: str) -> "TextModel":
    """Read a run back: a model with its tokenizer, as which it also unpacks. Raises FormatError if it is damaged."""
    from lmzoo.runs.store import load as load_run

    return load_run(folder)


def _version() -> str:
    """The version: of the checkout that this package lies in, else of the installed distribution."""
    import tomllib

    checkout = Path(__file__).parents[1] / "pyproject.toml"
    if checkout.is_file():
        project = tomllib.loads(checkout.read_text(encoding="utf-8")).get("project", {})
        if project.get("name") == DISTRIBUTION:
            return str(project["version"])
    from importlib.metadata import version

    return version(DISTRIBUTION)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name in SUBMODULES:
        module: ModuleType = importlib.import_module(f"lmzoo.{name}")
        return module
    raise AttributeError(f"module 'lmzoo' has no attribute {name!r}")
