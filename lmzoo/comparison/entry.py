"""A model in a comparison: from its specification ("ngram:order=3", FILE.py, a run) to a trained model and its row.

A model is trained only where the folder of runs has none with the same key (`runs.train.key`); an interrupted
training is resumed; scores are cached by a digest of the model. Two comparisons in one folder wait for each other
rather than train the same model twice.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lmzoo import models
from lmzoo.comparison.results import Row, Scored, SeedScore, Size
from lmzoo.data.corpus import Corpus
from lmzoo.data.tokenizers import Tokenizer
from lmzoo.data.tokenizers.lower_bpe import LOSSY
from lmzoo.drafts import lock_of, locked
from lmzoo.errors import LmzooError, UsageError
from lmzoo.evaluation import out_of_domain
from lmzoo.evaluation.perplexity import (
    ADAPTS,
    Array,
    PseudoScore,
    Score,
    block_bits,
    block_interval,
    evaluate,
    pseudo_evaluate,
)
from lmzoo.evaluation.sums import Sums, below_source, floor_of, spot_check
from lmzoo.evaluation.text_model import TextModel
from lmzoo.files import typed
from lmzoo.interface import (
    Classifier,
    Encoder,
    LanguageModel,
    MaskedModel,
    Model,
    Run,
    SentenceEncoder,
    TextToText,
)
from lmzoo.runs import store
from lmzoo.runs import train as training
from lmzoo.runs.cache import ResultCache

# What a model can do that a comparison can show: bits, pseudo-perplexity, probes; else it is refused.
ABILITIES = (LanguageModel, MaskedModel, Encoder, SentenceEncoder, Classifier, TextToText)
PSEUDO_CHARACTERS = 2000  # of the test text, for pseudo-perplexity: a pass for each token, so all would take long


@dataclass
class Entry:
    """One model of a comparison and its row, which is filled in by what the model can do."""

    spec: str  # as the user named it
    row: Row
    loaded: TextModel | None = None  # None where training or loading failed
    score: Score | None = None  # None unless it is a LanguageModel
    blocks: tuple[Array, Array] | None = None  # the score's bits and characters by block, (K,) each
    folder: Path | None = None  # of its run
    code: Path | None = None  # FILE.py, of a model from outside the package
    identity: str = ""  # a digest of the model and its tokenizer
    cache: ResultCache = field(default_factory=lambda: ResultCache(None))

    @property
    def label(self) -> str:
        """Its label, unique in the comparison."""
        return self.row.label

    @property
    def model(self) -> Any:
        """Its model; None where training or loading failed."""
        return self.loaded and self.loaded.model

    @property
    def text_model(self) -> TextModel:
        """Model and tokenizer, of an entry that has them."""
        assert self.loaded
        return self.loaded

    @property
    def tokenizer(self) -> Tokenizer:
        """Its tokenizer, of an entry that has a model."""
        return self.text_model.tokenizer

    @property
    def named(self) -> dict[str, str]:
        """How each of its facts begins: label and model."""
        return {"label": self.row.label, "model": self.row.model}


def scored(entries: Sequence[Entry]) -> list[Entry]:
    """Those that are language models and have a score."""
    return [entry for entry in entries if entry.score and isinstance(entry.model, LanguageModel)]


def ranking(entries: Sequence[Entry]) -> list[Entry]:
    """Those that can rank texts: language models with a score, and masked models."""
    return [entry for entry in entries if entry.score or entry.row.pseudo]


def make_labels_unique(entries: Sequence[Entry]) -> None:
    """Where labels are equal, add the settings that differ; then the tokenizer, the model's name, or a number."""
    for label, same in _by_label(entries).items():
        configs = [entry.row.config for entry in same]
        for entry in same:
            own = entry.row.config
            differ = [key for key in own if any(config.get(key) != own[key] for config in configs)]
            entry.row.label = ", ".join([label, *(f"{key.replace('_', ' ')} {own[key]}" for key in differ)])
    for part in ("tokenizer", "model"):
        for label, same in _by_label(entries).items():
            if len({getattr(entry.row, part) for entry in same}) > 1:
                for entry in same:
                    entry.row.label = f"{label}, {getattr(entry.row, part)}"
    for label, same in _by_label(entries).items():
        for number, entry in enumerate(same, 1):
            entry.row.label = f"{label} ({number})"


def finish(entries: Sequence[Entry]) -> None:
    """What the entries of a comparison have only together: unique labels, and scores by block, with intervals."""
    make_labels_unique(entries)
    for entry in scored(entries):
        assert entry.score
        entry.blocks = block_bits(entry.score, entry.tokenizer)
        entry.row.interval = block_interval(*entry.blocks)


def _by_label(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """The entries that share a label, by that label."""
    by_label: dict[str, list[Entry]] = {}
    for entry in entries:
        by_label.setdefault(entry.label, []).append(entry)
    return {label: same for label, same in by_label.items() if len(same) > 1}


def check_spec(spec: str) -> None:
    """Check a model's name and settings before anything is computed. Raises UsageError."""
    if is_run(spec):
        return
    if Path(spec).is_dir():
        raise UsageError(f"{spec} is a folder, but not a run: it has no {store.SUMS}")
    name, settings = training.parse(spec)
    models.make(models.find(name), settings)


def is_run(spec: str) -> bool:
    """Whether it is the folder of a finished run."""
    return (Path(spec) / store.SUMS).is_file()


def describe(name: str, settings: dict[str, str]) -> str:
    """('ngram', {'order': '3', 'smoothing': 'ml'}) → 'ngram order 3 ml': numbers with their names."""
    numbers = re.compile(r"[-+.\d]+(e[-+]?\d+)?")
    parts = [
        v if (v.isidentifier() or "-" in v[1:]) and not numbers.fullmatch(v) else f"{key} {v}"
        for key, v in settings.items()
    ]
    return " ".join([name, *parts])


def slug(spec: str) -> str:
    """A name for a folder: 'ngram:order=3' → 'ngram-order-3'; that of its folder for a run."""
    return Path(spec).name if is_run(spec) else _slug(*training.parse(spec))


def _slug(name: str, settings: dict[str, str]) -> str:
    return describe(models.find(name).name, settings).replace(" ", "-").replace("/", "_")


def _folder(name: str, settings: dict[str, str], runs: Path, run: Run) -> Path:
    named = _slug(name, settings)
    return runs / (f"{named}-seed-{run.seed}" if run.seed != 1 else named)


def is_trained(spec: str, text: training.Text, runs: Path, run: Run) -> bool:
    """Whether the model `spec`, no run itself, is among `runs` as this `run` would train it."""
    name, settings = training.parse(spec)
    try:
        found = store.read_provenance(_folder(name, settings, runs, run)).get("key")
        return bool(found == training.key(name, settings, text, run))
    except LmzooError:
        return False


def enter(
    spec: str, text: training.Text, runs: Path, run: Run, cache: ResultCache | None = None, failed: str | None = None
) -> Entry:
    """Train or load a model and score it. An error becomes its row's, as the one with which its training `failed`."""
    row = Row(spec, spec, None, "", {}, text.tokenizer.spec)
    entry = Entry(spec, row, cache=cache or ResultCache(None))
    try:
        if is_run(spec):
            folder = Path(spec)
            text_model = store.load(folder)
            label = folder.name  # as the user called it
        else:
            if failed:
                raise LmzooError(failed)
            name, settings = training.parse(spec)
            text_model, folder = _trained(name, settings, text, runs, run)
            label = text_model.model.label
            entry.code = Path(name) if Path(name).is_file() else None
        _fill(entry, text_model, folder)
        row.label = label
        text_model.model.to(run.device)
        if run.exact:
            text_model.model.exactly()
        if is_run(spec):
            row.notes += _trained_elsewhere(text.corpus, row.provenance or {})
        _score(entry, text.corpus, run.exact)
        if is_run(spec) and entry.score:
            row.notes += out_of_domain.notes(
                text_model, text.corpus, text.corpus.test, entry.score, row.provenance or {}
            )
    except LmzooError as error:
        row.error = str(error)
    except Exception as error:  # somebody's own file may fail in any way: that is its row's result
        row.error = f"{type(error).__name__}: {error}"
    return entry


def _trained(name: str, settings: dict[str, str], text: training.Text, runs: Path, run: Run) -> tuple[TextModel, Path]:
    """The model and its run among `runs`; trained only where there is no such run."""
    folder = _folder(name, settings, runs, run)
    code = name if Path(name).is_file() else None
    training.remove_useless(runs)
    with locked(lock_of(folder)):
        key = training.key(name, settings, text, run)
        try:
            if store.read_provenance(folder).get("key") == key:
                return store.load(folder, code), folder
        except LmzooError:
            pass  # no such run, or a damaged one: train
        fitted = training.fit_going_on(name, settings, text, run, folder)
        _refuse_unable(fitted.model)  # before it is saved
        training.save(fitted, folder, overwrite=True)
        return fitted.text_model, folder


def _refuse_unable(model: Model) -> None:
    if not isinstance(model, ABILITIES):
        names = ", ".join(ability.__name__ for ability in ABILITIES)
        raise UsageError(f"{model.name} has no ability that can be compared: it is none of {names}")


def _fill(entry: Entry, text_model: TextModel, folder: Path) -> None:
    """The row, but for label and scores."""
    model, tokenizer = text_model
    _refuse_unable(model)
    entry.loaded = text_model
    entry.folder, entry.identity = folder, store.digest(folder)
    provenance = store.read_provenance(folder)
    count, unit = model.size()
    row = entry.row
    row.model, row.family = model.name, model.family
    row.year, row.paper = model.origin.year, model.origin.paper
    row.recipe = model.recipe
    row.config, row.tokenizer = model.config(), tokenizer.spec
    row.train_seconds, row.peak_bytes = provenance.get("training_seconds"), provenance.get("peak_bytes")
    row.size = Size(count, unit, store.bytes_on_disk(folder))
    row.notes, row.provenance = list(provenance.get("remarks", [])), provenance
    read, of = provenance.get("tokens_read"), provenance.get("training_tokens")
    if isinstance(read, int) and isinstance(of, int) and of > 0:
        row.tokens_read, row.passes = read, round(read / of, 3)
        row.notes += [f"read {row.passes:.0%} of the training text"] if row.passes < 0.99 else []
    if isinstance(model, LanguageModel):
        row.reach, row.adapts_at_test_time = model.reach, model.adapts
        row.notes += [ADAPTS] if model.adapts else []


def _trained_elsewhere(corpus: Corpus, provenance: dict[str, Any]) -> list[str]:
    """A note on a finished run whose training text was not this corpus's."""
    then = provenance.get("sha256", {})
    if not then or then.get("train") == corpus.sha256["train"]:
        return []
    if provenance.get("corpus") == corpus.name:
        return [training.has_changed(corpus)]
    return [f"trained on {provenance.get('corpus')}, not on the training text of this comparison"]


def _score(entry: Entry, corpus: Corpus, exact: bool) -> None:
    """Bits where it is a language model, pseudo-perplexity where it is a masked model."""
    model, text_model = entry.model, entry.text_model
    key = _score_key(entry, corpus, exact)
    if text_model.tokenizer.lossy:
        entry.row.notes.append(f"no bits of this text: {LOSSY}")
    elif isinstance(model, LanguageModel):

        def bits() -> tuple[dict[str, Any], dict[str, Array]]:
            model.warm_up()
            score = evaluate(text_model, corpus.test, corpus.protocol)
            return score.to_json(), {"token_bits": score.token_bits, "ids": score.ids}

        facts, arrays = entry.cache.get_with_arrays("score", key, bits)
        entry.score = Score.from_json(facts, arrays["token_bits"], arrays["ids"])
        entry.row.score = typed(entry.score.to_json(), Scored, "score")
        entry.row.tokens_per_second = entry.score.tokens_per_second
        score, floor = entry.score, floor_of(corpus, "test")
        found = entry.cache.get("sums", key, lambda: asdict(spot_check(text_model, corpus.test, score)))
        entry.row.sums = typed(found, Sums, "sums")
        entry.row.notes += [note for note in (below_source(score, floor),) if note]
    elif isinstance(model, MaskedModel):
        beginning = corpus.test[:PSEUDO_CHARACTERS]
        facts = entry.cache.get("pseudo", key, lambda: asdict(pseudo_evaluate(text_model, beginning)))
        entry.row.pseudo = typed(facts, PseudoScore, "pseudo")


def _score_key(entry: Entry, corpus: Corpus, exact: bool) -> dict[str, str]:
    key = {"model": entry.identity, "test": corpus.sha256["test"], "protocol": corpus.protocol}
    return key | ({"exact": "yes"} if exact else {})


def scores_kept(entry: Entry, corpus: Corpus, exact: bool) -> list[Path]:
    """The files of the cache that hold what `enter` has found of a model."""
    key = _score_key(entry, corpus, exact)
    return [path for kind in ("score", "sums", "pseudo") for path in entry.cache.files(kind, key)]


def over_seeds(
    spec: str,
    text: training.Text,
    runs: Path,
    run: Run,
    seeds: int,
    cache: ResultCache | None = None,
    failed: Mapping[tuple[str, int], str] = MappingProxyType({}),
) -> list[SeedScore]:
    """Bits per character of the same model trained with the seeds after `run`'s: the spread over seeds."""
    scores = []
    for seed in range(run.seed + 1, run.seed + seeds):
        entry = enter(spec, text, runs, replace(run, seed=seed), cache, failed.get((spec, seed)))
        bits = entry.score.bits_per_character if entry.score else None
        scores.append(SeedScore(seed, bits, entry.row.error))
    return scores
