"""From a model, a corpus and a tokenizer to a run, and from a run to its score: what the commands share."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmzoo import _machine, models, store, tokenizer
from lmzoo import corpus as corpora
from lmzoo.corpus import Corpus, cards
from lmzoo.errors import LmzooError, UsageError
from lmzoo.evaluate import block_bits, evaluate, interval
from lmzoo.interface import Ids, LanguageModel, Model, Progress, Run
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
        "corpus_path": own_path(corpus),
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


def own_path(corpus: Corpus) -> str | None:
    """The absolute path of a text of one's own, so that it is found from anywhere; None: the name says all."""
    card = cards().get(corpus.name)
    return None if card and card.title == corpus.title else str(Path(corpus.title).absolute())


def save(fitted: Fitted, text: Text, folder: Path) -> Path:
    """Write it as a run."""
    return store.save(fitted.model, text.tokenizer, folder, fitted.provenance)


# ── A run, scored again ───────────────────────────────────────────────────────────────────────────


def score_run(
    folder: Path,
    corpus: str | None,
    split: str,
    protocol: str | None,
    code: Path | None,
    mirror: str | None,
    progress: Progress,
) -> dict[str, Any]:
    """Score the run in `folder` on `split` of `corpus` (None: of what it was trained on): what `lmzoo eval` prints.

    `code` is the file of a model from outside the zoo. Raises as `store.load`, `corpus.load` and `evaluate` do.
    """
    model, text_tokenizer = store.load(folder, code)
    if not isinstance(model, LanguageModel):
        raise UsageError(f"{folder}: {model.name} gives no probability to a text, so it has no bits")
    provenance = store.read_provenance(folder)
    source = corpora.load(corpus or corpus_of(folder, provenance), mirror=mirror, progress=progress)
    text = source.train + source.valid + source.test if split == "all" else getattr(source, split)
    model.warm_up()
    try:
        score = evaluate(model, text_tokenizer, text, protocol or source.protocol)
    except LmzooError as error:  # of many runs, say which
        raise type(error)(f"{folder}: {error}") from None
    count, unit = model.size()
    notes = notes_on(source, split, provenance, own=corpus is None)
    if score.replaced:
        notes.append(f"{score.replaced:,} unknown words were read as <unk>: that text was scored")
    return {
        "run": str(folder),
        "model": model.name,
        "corpus": source.name,
        "split": split,
        **score.to_json(),
        "interval": interval(*block_bits(score, text_tokenizer)),
        "reach": model.reach,
        "adapts_at_test_time": False,
        "size": {"count": count, "unit": unit, "bytes": store.bytes_on_disk(folder)},
        "notes": notes,
        "provenance": provenance,
    }


def corpus_of(folder: Path, provenance: dict[str, Any]) -> str:
    """The name or path of what a run was trained on. Raises UsageError where it is not known, or gone."""
    path, name = provenance.get("corpus_path"), provenance.get("corpus")
    if not name:
        raise UsageError(f"{folder} does not say what it was trained on: give --corpus")
    if path and not Path(path).exists():
        raise UsageError(f"{folder} was trained on {path}, which is not there any more: give --corpus")
    return str(path or name)


def notes_on(corpus: Corpus, split: str, provenance: dict[str, Any], own: bool) -> list[str]:
    """What a reader must know of a score of `split`: that its text was trained on, or (its `own`) has changed."""
    then = provenance.get("sha256", {})
    refit = bool(provenance.get("refit"))  # then validation was part of training
    same = [part for part in ("valid", "test") if corpus.sha256[part] == then.get(part)]
    same_train = corpus.sha256["train"] == then.get("train")
    trained_on = "valid" in same if refit else same_train
    unseen = {"test"} if refit else {"valid", "test"}
    notes = []
    if own and (len(same) < 2 or not (same_train or refit)):
        notes.append(f"{corpus.name} has changed since: its sha256 is not that of the text this run was trained on")
    if trained_on and split not in unseen:
        notes.append("this text was part of the training: the score says nothing about unseen text")
    return notes
