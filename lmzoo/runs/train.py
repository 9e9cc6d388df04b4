"""Training a run: what the commands and the comparison share."""

import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from lmzoo import drafts, models
from lmzoo.cluster import Workers
from lmzoo.data import corpus as corpora
from lmzoo.data import remote, tokenizers
from lmzoo.data.corpus import Corpus, Paths, trained_on
from lmzoo.data.remote_corpus import RemoteCorpus
from lmzoo.data.tokenizers import Tokenizer, distributed
from lmzoo.data.tokenizers.lower_bpe import LOSSY
from lmzoo.data.tokenizers.normalizer import UNKNOWN
from lmzoo.errors import FormatError, LmzooError, UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.files import SETTINGS, read_file, read_text
from lmzoo.interface import Data, Ids, Model, Progress, Run
from lmzoo.runs import provenance as machine
from lmzoo.runs import store
from lmzoo.runs.cache import digest

BUDGETS = ("seconds", "steps", "tokens", "flops")  # of `Run`
HOW = ("seed", "device", "precision", "compile", "memory")  # of `Run`: they may change the result
SEEN = "this text was part of the training: the score says nothing about unseen text"
KEY = "key"  # the file of an unfinished training that identifies it


@dataclass
class Text:
    """A corpus encoded by its tokenizer."""

    corpus: Corpus
    tokenizer: Tokenizer
    train: Ids
    valid: Ids
    refit: bool = False  # `train` ends with `valid`
    chosen: bool = False  # nobody named the tokenizer

    @property
    def data(self) -> Data:
        """The argument of `fit`."""
        return Data(self.train, self.valid, self.tokenizer.vocabulary, self.refit, self.corpus.alone)

    @property
    def reading(self) -> str:
        """A line on the tokenizer that was chosen for a text of one's own; "" where the user or the corpus names it."""
        spec = self.tokenizer.spec
        if not self.chosen:
            return ""
        _, words = self.tokenizer.unknown_words("word")
        if not words:  # it has no vocabulary of words
            return "read by characters, as it has few spaces: --tokenizer chooses another (word:5000, bpe:1000, byte)"
        return (
            f"read as {spec}: words that occur {tokenizers.SEEN} times or more are tokens, others are spelled in "
            "bytes; --tokenizer chooses another (char, bpe:1000, split)"
        )


def encode(corpus: Corpus, spec: str | None, run: Run, tokenizer: Tokenizer | None = None) -> Text:
    """Train the tokenizer `spec` (None: the corpus's own, else one that fits the text) on the training text and encode
    train and valid; with a `tokenizer`, encode them by that one.
    """
    if tokenizer:
        return _encode_by(tokenizer, corpus, run)
    named = spec or corpus.tokenizer
    alone = corpus.train[: -len(corpus.valid)] if corpus.refit and corpus.valid else corpus.train
    if run.cluster:
        return _encode_on(run.cluster, corpus, named, alone)
    with run.progress.task("tokenizing", 2) as task:
        task.doing("training text")
        tokenizer, train = tokenizers.train_and_encode(named or tokenizers.choose(alone), corpus.train, corpus.lines)
        task.advance(1)
        task.doing("validation text")
        valid = tokenizer.encode(corpus.valid)
        task.advance(1)
    return Text(corpus, tokenizer, train, valid, corpus.refit, chosen=not named)


def _encode_by(tokenizer: Tokenizer, corpus: Corpus, run: Run) -> Text:
    """`encode` by a tokenizer that was trained on another text."""
    if corpus.alone and not tokenizer.lines:
        raise UsageError(f"--lines: no token of this {tokenizer.spec} ends a line, as it learned running text")
    with run.progress.task("tokenizing"):
        texts = (corpus.train, corpus.valid)
        if tokenizer.lossy:
            texts = tokenizer.normalize(texts[0]), tokenizer.normalize(texts[1])
        train, valid = map(tokenizer.encode, texts)
    notes = corpus.notes
    if tokenizer.unknown is not None:
        unknown = int((train == tokenizer.unknown).sum()) - len(re.findall(rf"(?<!\S){UNKNOWN}(?!\S)", corpus.train))
        notes += (f"{unknown:,} unknown words of the training text were read as {UNKNOWN}",) * (unknown > 0)
    return Text(replace(corpus, notes=notes), tokenizer, train, valid, corpus.refit)


def _encode_on(workers: Workers, corpus: Corpus, spec: str, alone: str) -> Text:
    """`encode` on a cluster, whose workers read the training text where it is, or from a copy in the cache."""
    if isinstance(corpus, RemoteCorpus):
        text, alone = corpus.text, replace(corpus.text, tail="").beginning()
    else:
        text = remote.copy(corpus.train, corpora.cache_folder() / "cluster" / f"{corpus.sha256['train']}.txt")
    tokenizer = distributed.train(spec or tokenizers.choose(alone), text, corpus.lines, workers)
    train: Any = distributed.encode(tokenizer, text, workers)
    return Text(corpus, tokenizer, train, tokenizer.encode(corpus.valid), corpus.refit, chosen=not spec)


def respacing(tokenizer: Tokenizer, text: str) -> list[str]:
    """A note on a text whose white space is not in the layout of a closed vocabulary, or that is read as another."""
    if tokenizer.lossy:
        return [LOSSY]
    lines = tokenizer.respaced(text)
    note = f"the white space of {lines:,} lines was read as that of the training text, and characters are counted so"
    return [note] if lines else []


def parse(spec: str) -> tuple[str, dict[str, str]]:
    """'ngram:order=3,smoothing=ml' → ('ngram', {'order': '3', 'smoothing': 'ml'})."""
    name, _, settings = spec.partition(":")
    given = {}
    for setting in filter(None, settings.split(",")):
        key, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"{spec!r}: write settings as NAME=VALUE, as in {name}:order=3")
        given[key.strip()] = value.strip()
    return name, given


@dataclass
class Fitted:
    """A trained model, its training time and provenance."""

    text_model: TextModel
    seconds: float
    provenance: dict[str, Any]

    @property
    def model(self) -> Model:
        """The model alone."""
        model: Model = self.text_model.model
        return model


def key(name: str, given: dict[str, str], text: Text, run: Run) -> str:
    """A digest of everything that the result of `fit` depends on: equal keys, equal models."""
    model = _make(name, given, run)
    own = read_file(name, SETTINGS) if Path(name).is_file() else b""  # the code of a model from outside the package
    return digest(
        {
            "model": model.name,
            "config": model.config(),
            "own code": hashlib.sha256(own).hexdigest(),
            "text": text.corpus.sha256,
            "refit": text.corpus.refit,
            "lines": [text.corpus.lines, text.corpus.alone],
            "tokenizer": [text.tokenizer.spec, text.tokenizer.vocab_size],
            "tokens": [len(text.train), len(text.valid)],  # a point of a learning curve uses the beginning of the text
            "run": {name: getattr(run, name) for name in (*BUDGETS, *HOW)},
            "checkpoints": run.checkpoints if model.resumes else 0,
            **({"start": run.start.digest} if run.start else {}),
            **machine.circumstances(),
        }
    )


def _make(name: str, given: dict[str, str], run: Run) -> Model:
    return models.make(models.find(name), given, run.start.config if run.start else None)


def fit(name: str, given: dict[str, str], text: Text, run: Run) -> Fitted:
    """Make the model `name` (or the one in that file) with the settings `given`, else those of the start, and fit it
    on `text`.
    """
    model = _make(name, given, run)
    model.warm_up()
    known = {
        "model": model.name,
        "config": model.config(),
        **corpus_facts(text.corpus),
        "tokenizer": text.tokenizer.spec,
        "vocab_size": text.tokenizer.vocab_size,
        "training_tokens": len(text.train),
        "budget": {name: value for name in BUDGETS if (value := getattr(run, name)) is not None},
        "seed": run.seed,
        **(run.start.facts if run.start else {}),
    }
    run = replace(run, tokens_per_character=len(text.train) / text.corpus.sizes["train"]["characters"])
    if run.checkpoints and run.folder:
        run = replace(run, keep=partial(_keep, run.folder, text.tokenizer, known | machine.provenance()))
    remarks = [
        *text.corpus.notes,
        *respacing(text.tokenizer, text.corpus.train),
        *(run.start.remarks if run.start else ()),
    ]
    began = time.perf_counter()
    with machine.peak_memory() as peak:
        model.fit(text.data, run)
    seconds = time.perf_counter() - began
    provenance = {
        **known,
        "training_seconds": round(seconds, 3),
        **({"peak_bytes": peak.bytes} if peak.bytes else {}),
        "key": key(name, given, text, run),
        "device": "cpu",
        **model.facts,
        "remarks": [*remarks, *model.remarks],
        **machine.provenance(),
    }
    return Fitted(TextModel(model, text.tokenizer), seconds, provenance)


def _keep(left: Path, tokenizer: Tokenizer, known: dict[str, Any], model: Model, point: dict[str, Any]) -> None:
    """Save the model at a point of its training as a run of its own, beside the checkpoint to resume from."""
    facts = {"steps": point["step"], "tokens_read": point["tokens"], "training_seconds": point["seconds"]}
    store.save(TextModel(model, tokenizer), store.checkpoint(left, point["step"]), known | facts, overwrite=True)


def fit_going_on(name: str, given: dict[str, str], text: Text, run: Run, folder: Path) -> Fitted:
    """`fit` for the run `folder`, resumed where an interrupted training with the same key left checkpoints."""
    left = unfinished(folder)
    mark, this = left / KEY, key(name, given, text, run)
    if mark.is_file() and list(left.glob("checkpoint.*")):
        try:
            if read_text(mark) == this:
                return fit(name, given, text, replace(run, folder=left, resume=True))
        except (UsageError, FormatError):
            pass  # the checkpoint is damaged, or another process has just finished: train from scratch
    drafts.remove_folder(left)
    if models.find(name).resumes:
        drafts.write_atomically(mark, this.encode())
    try:
        return fit(name, given, text, replace(run, folder=left))
    finally:
        _remove_useless(left)


def corpus_facts(corpus: Corpus) -> dict[str, Any]:
    """The provenance of a text that a model was trained on."""
    own = corpus.paths
    return {
        "corpus": corpus.name,
        "source": corpus.source,
        "corpus_path": own and str(own.main.absolute()),  # so that it is found from any folder
        **({"corpus_parts": own.to_json()} if own and own != Paths(own.corpus) else {}),
        "split": corpus.split,
        "split_sizes": corpus.sizes,
        "refit": corpus.refit,
        "protocol": corpus.protocol,
        "lines": corpus.alone,  # each was a text of its own in training
        "sha256": corpus.sha256,
    }


def unfinished(folder: Path) -> Path:
    """The folder of the checkpoints of the training that will become the run `folder`."""
    if not folder.name:
        raise UsageError(f"--out {folder} is no name for a run: give one, as in --out runs/mine")
    return folder.with_name(f"{folder.name}.unfinished")


@contextmanager
def claimed(folder: Path, resume: bool, overwrite: bool) -> Iterator[None]:
    """Hold the place of the run `folder` from before any work until it is saved.

    Raises UsageError where it cannot be written or another process is at work on it, where an unfinished training would
    be overwritten, or there is none to resume.
    """
    with store.claimed(folder, overwrite):
        left = unfinished(folder)
        try:
            left.exists()
        except OSError as error:  # its name is too long
            raise UsageError(f"{left} cannot be written: {error.strerror}; choose another --out") from None
        remove_useless(folder.parent, except_for=left)
        _remove_useless(left)
        _check_for_checkpoints(left, resume, overwrite)
        try:
            yield
        finally:
            _remove_useless(left)


def _check_for_checkpoints(left: Path, resume: bool, overwrite: bool) -> None:
    checkpoints = list(left.glob("checkpoint.*"))
    if resume and not checkpoints:
        raise UsageError(f"there is nothing to resume: {left} holds no unfinished training; train without --resume")
    if checkpoints and not (resume or overwrite):
        raise UsageError(f"{left} is an unfinished training: --resume continues it, --overwrite starts from scratch")


def remove_useless(runs: Path, except_for: Path | None = None) -> None:
    """Remove what killed trainings left beside the runs in a folder, where none can go on from it."""
    for left in runs.glob("*.unfinished"):
        if left != except_for:
            with suppress(LmzooError, OSError), drafts.reserved(left.with_suffix("")):  # else its process lives
                _remove_useless(left)


def _remove_useless(left: Path) -> None:
    """Remove the folder of a training that has no checkpoint, or that was killed after it had saved its run."""
    drafts.remove_abandoned(left)
    names = {path.name for path in left.iterdir()} if left.is_dir() else {""}
    began, whole = left / store.METRICS, left.with_suffix("") / store.METRICS
    if names <= {KEY, store.METRICS} or (
        whole.is_file() and began.is_file() and whole.read_bytes() == began.read_bytes()  # to the millisecond
    ):
        drafts.remove_folder(left)


def save(fitted: Fitted, folder: Path, overwrite: bool = False) -> Path:
    """Write the run and remove its checkpoints. Raises as `store.save`."""
    try:
        history = fitted.model.history
        store.save(fitted.text_model, folder, fitted.provenance, history, overwrite, unfinished(folder))
    except drafts.TakenError:  # it is saved all the same
        drafts.remove_folder(unfinished(folder))
        raise
    drafts.remove_folder(unfinished(folder))
    return folder


# ── The corpus of a run ───────────────────────────────────────────────────────────────────────────


def corpus_of(folder: Path, provenance: dict[str, Any]) -> Paths:
    """The training corpus of a run. Raises UsageError where it is unknown or no longer there."""
    paths = trained_on(provenance)
    if not paths.main.name:
        raise UsageError(f"{folder} does not say what it was trained on: give --corpus")
    own = provenance.get("corpus_path")
    for path in [Path(paths.corpus or own), *paths.given.values()] if own else []:
        if not path.exists():
            raise UsageError(f"{folder} was trained on {path}, which is no longer there: give --corpus")
    return paths


def corpus_for(
    folder: Path, named: str | Paths | None, provenance: dict[str, Any], mirror: str | None, progress: Progress
) -> Corpus:
    """The corpus `named` to score a run on, or that of the run (None).

    A text without a card is read as the one that the run was trained on: line by line after `--lines`. Raises as
    `corpus_of` and `corpus.load` do.
    """
    corpus = corpora.load(named or corpus_of(folder, provenance), mirror=mirror, short=True, progress=progress)
    if provenance.get("lines") and (named is None or corpus.paths):
        return replace(corpus, lines=True, alone=True)
    return corpus


def has_changed(corpus: Corpus) -> str:
    """The note on a corpus that differs from the one a run was trained on."""
    return f"{corpus.name} has changed since: its sha256 is not that of the text this run was trained on"


def notes_on(corpus: Corpus, split: str, provenance: dict[str, Any], own: bool) -> list[str]:
    """Notes on a score of `split`: that the text was trained on or, of the run's `own` corpus, has changed since."""
    then = provenance.get("sha256", {})
    same = [part for part in ("valid", "test") if corpus.sha256[part] == then.get(part)]
    notes = list(corpus.notes)
    if own and (len(same) < 2 or not (corpus.sha256["train"] == then.get("train") or provenance.get("refit"))):
        notes.append(has_changed(corpus))
    if any(_was_learned(corpus, split, one) for one in (provenance, *provenance.get("earlier", []))):
        notes.append(SEEN)
    return notes


def _was_learned(corpus: Corpus, split: str, provenance: Mapping[str, Any]) -> bool:
    """Whether a training read a part of `split`."""
    refit = bool(provenance.get("refit"))  # then validation was part of training
    part, unseen = ("valid", {"test"}) if refit else ("train", {"valid", "test"})
    return corpus.sha256[part] == (provenance.get("sha256") or {}).get(part) and split not in unseen
