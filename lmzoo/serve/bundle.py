"""The runs that the page shows where none are named: trained once, by tokens, so the same everywhere, and kept.

They are the models of `lmzoo compare`, on its built-in corpus, with less text for each network.
"""

import hashlib
import json
from pathlib import Path

import lmzoo
from lmzoo.comparison import presets
from lmzoo.comparison.compare import compare
from lmzoo.comparison.entry import is_run
from lmzoo.comparison.side_by_side import workers
from lmzoo.data import corpus as corpora
from lmzoo.drafts import write_atomically
from lmzoo.errors import LmzooError
from lmzoo.interface import Progress, Run

CORPUS = "storyworld"
TOKENS = 1e6  # that each network reads
DONE = "prepared.json"  # written when all runs are there


def folder() -> Path:
    """Where the bundle of this version is, or will be."""
    models = presets.presets()["laptop"].models
    made_of = json.dumps([lmzoo.__version__, CORPUS, TOKENS, models])
    return corpora.cache_folder() / "serve" / f"{CORPUS}-{hashlib.sha256(made_of.encode()).hexdigest()[:8]}"


def prepared() -> list[Path]:
    """The runs of the bundle; [] where it is not prepared."""
    runs = sorted((folder() / "runs").glob("*")) if (folder() / DONE).is_file() else []
    return [run for run in runs if is_run(str(run))]


def prepare(progress: Progress) -> list[Path]:
    """Train what is not there yet, and score it, as a comparison does. Interrupted, it goes on the next time.

    Raises LmzooError where a model failed.
    """
    specs = presets.presets()["laptop"].models
    run = Run(seed=1, tokens=int(TOKENS), progress=progress)
    source = corpora.load(CORPUS, progress=progress)
    made = compare(specs, source, folder(), run, processes=workers(specs, 1, run))
    if failed := [f"{row.label}: {row.error}" for row in made.rows if row.error]:
        raise LmzooError(f"the models of the page could not be trained: {failed[0]}")
    write_atomically(folder() / DONE, json.dumps([row.label for row in made.rows]).encode())
    return prepared()
