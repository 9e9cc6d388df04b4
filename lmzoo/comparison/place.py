"""Where a report goes, and that it replaces none of other models or of another corpus.

place.default(corpus, ["uniform", "ngram:order=2"])    # reports/storyworld-uniform-ngram-order-2
place.refuse_other(folder, corpus, specs)              # UsageError where another report is there
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lmzoo.comparison.entry import slug
from lmzoo.comparison.presets import GPU, Preset
from lmzoo.data.corpus import Corpus
from lmzoo.errors import FormatError, UsageError
from lmzoo.files import TEXTS, read_json, typed

RESULTS = "results.json"
LONGEST = 60  # characters of a folder's name that name models


def default(corpus: Corpus, specs: Sequence[str], preset: Preset | None = None) -> Path:
    """reports/CORPUS for the models of a preset for laptops; what was chosen for a GPU, or by name, has that added."""
    text = (corpus.paths.main.stem if corpus.paths else corpus.name).replace(":", "-")
    if preset:
        return Path("reports") / (f"{text}-{GPU}" if preset.name == GPU else text)
    names: list[str] = []
    for spec in specs:
        if names and len("-".join([*names, slug(spec)])) > LONGEST:
            names.append(f"and-{len(specs) - len(names)}-more")
            break
        names.append(slug(spec)[:LONGEST])
    return Path("reports") / "-".join([text, *names])


def refuse_other(folder: Path, corpus: Corpus, specs: Sequence[str]) -> None:
    """Raise UsageError where `folder` has the report of other models, or of another corpus or version of it."""
    if not (folder / RESULTS).exists():
        return
    try:
        found = read_json(folder / RESULTS, dict[str, Any], TEXTS)
        named = found.get("models") or (found.get("preset") or {}).get("models") or []
        models = typed(named, list[str], "models")
        of, sums = str(found["corpus"]["name"]), found["corpus"]["sha256"]
        same_text = all(sums[part] == corpus.sha256[part] for part in ("valid", "test"))  # --refit changes train
    except (FormatError, UsageError, OSError, KeyError, TypeError, AttributeError):
        there = f"has a {RESULTS} that is no report of this version"
    else:
        if of != corpus.name:
            there = f"has a report on {of}, not on {corpus.name}"
        elif not same_text:
            there = f"has a report on another text of the name {corpus.name}"
        elif not models:
            there = "has a report that does not say of which models"
        elif set(models) != set(specs):
            there = f"has a report on {_some(models)}, not on {_some(specs)}"
        else:
            return
    raise UsageError(f"{folder} {there}: --overwrite replaces it, another --out leaves it")


def _some(specs: Sequence[str]) -> str:
    """Up to three models by name, and how many more."""
    shown = ", ".join(specs[:3])
    return shown if len(specs) <= 3 else f"{shown} and {len(specs) - 3} more"
