"""lmzoo: every kind of language model in history, trained on the same text, scored by one ruler.

    text_model = lmzoo.load("runs/shakespeare-6gram")
    score = lmzoo.evaluate(text_model, text)
    print(score.bits_per_character, text_model.continuations("To be or not to"))

What is exported is imported when it is first used, so `import lmzoo` costs nothing.
"""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

DISTRIBUTION = "lmzoo-lab"  # its name on the package index; the package and the command are lmzoo
EXPORTS = {  # name → the module and the name in it
    "TextModel": ("evaluation.text_model", "TextModel"),
    "check": ("testing", "check_model"),
    "compare": ("comparison.compare", "compare"),
    "evaluate": ("evaluation.perplexity", "evaluate"),
    "load": ("runs.store", "load"),
}
SUBMODULES = ("interface", "testing")
__all__ = ["TextModel", "__version__", "check", "compare", "evaluate", "load"]

if TYPE_CHECKING:
    from lmzoo.comparison.compare import compare
    from lmzoo.evaluation.perplexity import evaluate
    from lmzoo.evaluation.text_model import TextModel
    from lmzoo.runs.store import load
    from lmzoo.testing import check_model as check


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
    if name in EXPORTS:
        module, attribute = EXPORTS[name]
        return getattr(importlib.import_module(f"lmzoo.{module}"), attribute)
    if name in SUBMODULES:
        return importlib.import_module(f"lmzoo.{name}")
    raise AttributeError(f"module 'lmzoo' has no attribute {name!r}")
