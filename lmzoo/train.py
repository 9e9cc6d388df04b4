"""From a model, a corpus and a tokenizer to a fitted model with its provenance: what `train` and `compare` share."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmzoo import _machine, models, store, tokenizer
from lmzoo.corpus import Corpus
from lmzoo.errors import UsageError
from lmzoo.interface import Ids, Model, Run
from lmzoo.tokenizer import Tokenizer


@dataclass
class Text:
    """A corpus as ids: what a model gets to see."""

    corpus: Corpus
    tokenizer: Tokenizer
    train: Ids
    valid: Ids


def encode(corpus: Corpus, spec: str | None, run: Run) -> Text:
    """Train the tokenizer `spec` (None: the corpus's own) on the training text and encode train and valid."""
    with run.progress.task("tokenizing", 3) as task:
        made = tokenizer.train(spec or corpus.tokenizer, corpus.train, corpus.lines)
        task.advance(1)
        train = made.encode(corpus.train)
        task.advance(1)
        valid = made.encode(corpus.valid)
        task.advance(1)
    return Text(corpus, made, train, valid)


def parse(words: str) -> tuple[str, dict[str, str]]:
    """'ngram:order=3,smoothing=ml' → ('ngram', {'order': '3', 'smoothing': 'ml'})."""
    name, _, settings = words.partition(":")
    given = {}
    for setting in filter(None, settings.split(",")):
        key, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"{words!r}: write settings as NAME=VALUE, as in {name}:order=3")
        given[key.strip()] = value.strip()
    return name, given


@dataclass
class Fitted:
    """A model that has learned, and how."""

    model: Model
    seconds: float
    provenance: dict[str, Any]


def fit(name: str, given: dict[str, str], text: Text, run: Run) -> Fitted:
    """Make the model `name` (or the one in that file) with the settings `given` and fit it on `text`."""
    model = models.make(models.find(name), given)
    model.warm_up()
    began = time.perf_counter()
    model.fit(text.train, text.valid, text.tokenizer.vocab_size, run)
    seconds = time.perf_counter() - began
    corpus = text.corpus
    provenance = {
        "model": model.name,
        "config": model.config(),
        "corpus": corpus.name,
        "source": corpus.source,
        "split": corpus.split,
        "refit": corpus.refit,
        "protocol": corpus.protocol,
        "sha256": corpus.sha256,
        "tokenizer": text.tokenizer.spec,
        "vocab_size": text.tokenizer.vocab_size,
        "training_tokens": len(text.train),
        "training_seconds": round(seconds, 3),
        "budget_seconds": run.seconds,
        "seed": run.seed,
        "device": run.device,
        "remarks": list(model.remarks),
        **_machine.provenance(),
    }
    return Fitted(model, seconds, provenance)


def save(fitted: Fitted, text: Text, folder: Path) -> Path:
    """Write it as a run."""
    return store.save(fitted.model, text.tokenizer, folder, fitted.provenance)
