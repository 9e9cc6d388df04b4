"""A row of a comparison: from the words that name a contestant to a model, its score, and what it is known by.

What is finished is not done again. A model is trained only where the folder of runs has none with the same key (see
`train.key`), a training that was broken off goes on, and what a model is asked afterwards is kept (`runs/cache.py`),
by a
digest of the model. Two comparisons in one folder wait for each other rather than train the same model twice.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lmzoo import models
from lmzoo.data.corpus import Corpus
from lmzoo.data.tokenizers import Tokenizer
from lmzoo.errors import LmzooError, UsageError
from lmzoo.evaluation.perplexity import ADAPTS, Array, Score, evaluate
from lmzoo.evaluation.text_model import TextModel
from lmzoo.files import locked
from lmzoo.interface import LanguageModel, Run
from lmzoo.runs import store
from lmzoo.runs import train as training
from lmzoo.runs.cache import Kept, Lasts, always


@dataclass
class Contestant:
    """One row of the table, as it is filled in."""

    label: str
    row: dict[str, Any]
    model: LanguageModel | None = None
    tokenizer: Tokenizer | None = None
    score: Score | None = None
    blocks: tuple[Array, Array] | None = None  # the score's bits and characters by block, (K,) each
    folder: Path | None = None  # of its run
    code: Path | None = None  # the file of a model that is not of the zoo
    identity: str = ""  # a digest of the model and its tokenizer
    kept: Kept = field(default_factory=lambda: Kept(None))

    @property
    def reader(self) -> TextModel:
        """Its model and tokenizer, of a contestant that has them."""
        assert self.model is not None
        assert self.tokenizer is not None
        return TextModel(self.model, self.tokenizer)

    def keep(self, kind: str, of: Mapping[str, Any], work: Callable[[], Any], lasts: Lasts = always) -> Any:
        """What `work` finds out about this model, plain JSON: worked out once for what it is `of`, and kept."""
        return self.kept.facts(kind, {"model": self.identity, **of}, work, lasts)


def refuse_nonsense(words: str) -> None:
    """Say what is wrong with a contestant's name or settings before anything is computed. Raises UsageError."""
    if is_run(words):
        return
    if Path(words).is_dir():
        raise UsageError(f"{words} is a folder, but not a run: it has no {store.SUMS}")
    name, given = training.parse(words)
    models.make(models.find(name), given)


def is_run(words: str) -> bool:
    """Whether a contestant is the folder of a finished run."""
    return (Path(words) / store.SUMS).is_file()


def label(name: str, given: dict[str, str]) -> str:
    """('ngram', {'order': '3', 'smoothing': 'ml'}) → 'ngram order 3 ml': numbers with their names."""
    words = [value if value.isidentifier() or "-" in value[1:] else f"{key} {value}" for key, value in given.items()]
    return " ".join([name, *words])


def enter(words: str, text: training.Text, runs: Path, run: Run, kept: Kept | None = None) -> Contestant:
    """Train or load a contestant and score it; an error becomes its row's."""
    entry = Contestant(words, {"label": words, "model": words, "year": None, "paper": "", "config": {}})
    entry.kept = kept or Kept(None)
    entry.row |= {
        "tokenizer": text.tokenizer.spec,
        "train_seconds": None,
        "peak_bytes": None,
        "size": None,
        "tokens_per_second": None,
    }
    entry.row |= {"reach": None, "score": None, "interval": None, "error": None, "notes": []}
    try:
        if is_run(words):
            folder = Path(words)
            text_model = store.load(folder)
            entry.label = folder.name
        else:
            name, given = training.parse(words)
            text_model, folder = _trained(name, given, text, runs, run)
            entry.label = label(text_model.name, given)
            entry.code = Path(name) if Path(name).is_file() else None
        text_model.model.to(run.device)
        _describe(entry, text_model, folder)
        if is_run(words):
            entry.row["notes"] += _trained_elsewhere(text.corpus, entry.row["provenance"])
        _score(entry, text.corpus)
    except LmzooError as error:
        entry.row["error"] = str(error)
    except Exception as error:  # a file of somebody's own may fail in any way: that is its row's result
        entry.row["error"] = f"{type(error).__name__}: {error}"
    return entry


def _trained(name: str, given: dict[str, str], text: training.Text, runs: Path, run: Run) -> tuple[TextModel, Path]:
    """The model, its tokenizer and its run among `runs`, which is trained only where there is no such one."""
    slug = label(models.find(name).name, given).replace(" ", "-").replace("/", "_")
    folder = runs / (f"{slug}-seed-{run.seed}" if run.seed != 1 else slug)
    code = name if Path(name).is_file() else None
    with locked(runs / f".{slug}.lock"):
        key = training.key(name, given, text, run)
        try:
            if store.read_provenance(folder).get("key") == key:
                return store.load(folder, code), folder
        except LmzooError:
            pass  # there is none, or it is damaged: it is trained anew
        fitted = training.fit_going_on(name, given, text, run, folder)
        if not isinstance(fitted.model, LanguageModel):
            return fitted.text_model, folder  # it is refused, so there is no need to keep it
        training.save(fitted, folder)
        return fitted.text_model, folder


def _describe(entry: Contestant, text_model: TextModel, folder: Path) -> None:
    model, tokenizer = text_model.require(LanguageModel, "it has no bits"), text_model.tokenizer
    entry.model, entry.tokenizer = model, tokenizer
    entry.folder, entry.identity = folder, store.digest(folder)
    provenance = store.read_provenance(folder)
    count, unit = model.size()
    entry.row |= {
        "label": entry.label,
        "model": model.name,
        "year": model.origin.year,
        "paper": model.origin.paper,
        "config": model.config(),
        "tokenizer": tokenizer.spec,
        "reach": model.reach,
        "train_seconds": provenance.get("training_seconds"),
        "peak_bytes": provenance.get("peak_bytes"),
        "size": {"count": count, "unit": unit, "bytes": store.bytes_on_disk(folder)},
        "adapts_at_test_time": model.adapts,
        "notes": [*provenance.get("remarks", []), *([ADAPTS] if model.adapts else [])],
        "provenance": provenance,
    }


def _trained_elsewhere(corpus: Corpus, provenance: dict[str, Any]) -> list[str]:
    """What a reader must know of a finished run whose training text was not this corpus's."""
    then = provenance.get("sha256", {})
    if not then or then.get("train") == corpus.sha256["train"]:
        return []
    if provenance.get("corpus") == corpus.name:
        return [training.has_changed(corpus)]
    return [f"trained on {provenance.get('corpus')}, not on the training text of this comparison"]


def _score(entry: Contestant, corpus: Corpus) -> None:
    """The model's score of the test text."""
    model = entry.reader.model

    def work() -> tuple[dict[str, Any], dict[str, Array]]:
        model.warm_up()
        score = evaluate(entry.reader, corpus.test, corpus.protocol)
        return score.to_json(), {"token_bits": score.token_bits, "ids": score.ids}

    of = {"model": entry.identity, "test": corpus.sha256["test"], "protocol": corpus.protocol}
    facts, arrays = entry.kept.both("score", of, work)
    entry.score = Score.from_json(facts, arrays["token_bits"], arrays["ids"])
    entry.row |= {"score": entry.score.to_json(), "tokens_per_second": entry.score.tokens_per_second}


def over_seeds(words: str, text: training.Text, runs: Path, run: Run, seeds: int) -> list[dict[str, Any]]:
    """Bits per character of the same contestant trained with other seeds, after `run`'s: how much chance does."""
    found = []
    for seed in range(run.seed + 1, run.seed + seeds):
        entry = enter(words, text, runs, replace(run, seed=seed))
        bits = entry.score.bits_per_character if entry.score else None
        found.append({"seed": seed, "bits_per_character": bits, "error": entry.row["error"]})
    return found
