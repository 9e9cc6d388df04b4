"""lmzoo: every kind of language model in history, trained on the same text, scored by one ruler.

    text_model = lmzoo.load("runs/shakespeare-6gram")       # a model with its tokenizer
    score = lmzoo.evaluate(text_model, text)
    print(score.bits_per_character)

    comparison = lmzoo.compare(["ngram", "lstm:preset=tiny"], budget="10s", out="reports/mine")
    checks = lmzoo.check("mine.py")                          # the contract, on a model of your own

`lmzoo.interface` has the abilities that models can have, `lmzoo.errors` what is raised. Everything is imported when
it is first used, so `import lmzoo` costs nothing.
"""

import importlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lmzoo.comparison.results import Comparison
    from lmzoo.evaluation.perplexity import Score
    from lmzoo.evaluation.text_model import TextModel
    from lmzoo.interface import Model
    from lmzoo.testing import Check

DISTRIBUTION = "lmzoo-lab"  # its name on the package index; the package and the command are lmzoo
__all__ = ["TextModel", "__version__", "check", "compare", "errors", "evaluate", "interface", "load"]


def load(folder: str | os.PathLike[str]) -> "TextModel":
    """A saved run: the model with its tokenizer, which also unpacks as `model, tokenizer = lmzoo.load(folder)`.

    Raises FormatError where the folder is not a run, or is damaged.
    """
    from lmzoo.runs.store import load as load_run

    return load_run(Path(folder))


def evaluate(text_model: "TextModel | str | os.PathLike[str]", text: str, protocol: str = "stream") -> "Score":
    """Bits and perplexities of `text` under a model, or under the run in a folder.

    `protocol`: "stream" carries context through the text, "lines" scores each line from a fresh start. Raises
    UsageError for an empty text or one that the tokenizer cannot write, and for a model that gives no probability to
    a text; ScoreError for a probability of zero, NaN or infinity.
    """
    from lmzoo.evaluation.perplexity import evaluate as score

    return score(load(text_model) if isinstance(text_model, (str, os.PathLike)) else text_model, text, protocol)


def compare(
    models: Sequence[str],
    corpus: str | os.PathLike[str] = "storyworld",
    *,
    out: str | os.PathLike[str],
    tokenizer: str | None = None,
    budget: str | None = None,
    seed: int = 1,
    device: str = "auto",
    mirror: str | None = None,
    train: str | os.PathLike[str] | None = None,
    valid: str | os.PathLike[str] | None = None,
    test: str | os.PathLike[str] | None = None,
    field: str | None = None,
    lines: bool = False,
    overwrite: bool = False,
) -> "Comparison":
    """Train and score `models` on the same text and write a report to the folder `out`, as `lmzoo compare` does.

    A model is a name with settings ("ngram:order=3"), a run's folder or a FILE.py; `corpus` and `tokenizer` (None: the
    corpus's own) are as on the command line, and so are `budget` (None: three minutes) and, of a text of your own, the
    paths of its parts, `train`, `valid` and `test`, the `field` of JSON lines, and `lines` (one line is one text).
    `overwrite`: replace a report on other models or another corpus in that folder. A model that fails leaves its error
    in its row. Raises UsageError for what cannot be compared at all, or where such a report is there.
    """
    from lmzoo.cli.options import parse_budget
    from lmzoo.comparison import compare as comparing
    from lmzoo.comparison import place
    from lmzoo.data import corpus as corpora
    from lmzoo.interface import Run
    from lmzoo.report import page
    from lmzoo.report.section import sections

    run = Run(seed=seed, device=device, **parse_budget(budget))
    paths = corpora.Paths.of_flags(os.fspath(corpus), "storyworld", train=train, valid=valid, test=test, field=field)
    source = corpora.load(paths, mirror=mirror, lines=lines)
    if not overwrite:
        place.refuse_other(Path(out), source, models)
    comparison = comparing.compare(models, source, Path(out), run, tokenizer, sections=sections())
    page.write(Path(out), comparison)
    return comparison


def check(model: "str | type[Model]", steps: int = 50) -> "list[Check]":
    """Run the contract of its abilities over a model class, a model's name or a FILE.py: one `Check` each.

    A FILE.py runs in a process of its own, with limits on its time and memory (`lmzoo.testing.sandbox`).

    `steps` is the budget of each fit of a model that trains by steps. Raises UsageError where there is no such model,
    or it has no ability.
    """
    from lmzoo import models, testing

    if isinstance(model, str) and model.endswith(".py"):
        from lmzoo.testing import sandbox

        return list(sandbox.check_file(model, steps).checks)
    return testing.check_model(models.find(model) if isinstance(model, str) else model, steps)


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
    if name in ("errors", "interface"):
        return importlib.import_module(f"lmzoo.{name}")
    if name == "TextModel":
        return importlib.import_module("lmzoo.evaluation.text_model").TextModel
    raise AttributeError(f"module 'lmzoo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
