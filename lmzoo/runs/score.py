"""Scoring a run: a row of `lmzoo eval`, and which part of a text it is scored on."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lmzoo.data.corpus import SPLITS, Corpus, Paths, trained_on
from lmzoo.data.own_text import LONG, PARTS
from lmzoo.errors import UsageError, naming
from lmzoo.evaluation import out_of_domain
from lmzoo.evaluation.interpolation import Mixture, fit_weights
from lmzoo.evaluation.perplexity import (
    ADAPTS,
    Score,
    UnknownWordsError,
    block_bits,
    block_interval,
    evaluate,
    mix,
)
from lmzoo.evaluation.sums import below_source, floor_of, spot_check
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import LanguageModel, Progress
from lmzoo.runs import store
from lmzoo.runs.train import SEEN, corpus_for, notes_on, respacing
from lmzoo.tasks.contamination import training_text

# Why all of a text, or only its test part, is scored.
NEW = "the run was not trained on it"
UNKNOWN = "what the run was trained on is not known"
REST = "the run was trained on the rest of it"
PART = "the run was trained on all of it"
MORE = "it contains the text that the run was trained on"
EARLIER = "the run was trained on an earlier version of it"
PERHAPS_SEEN = "this text contains the training text of the run, and the part that is scored may be from it"


@dataclass
class Scored:
    """A run and its score, with its row of `lmzoo eval`."""

    folder: Path
    text_model: TextModel
    corpus: Corpus
    protocol: str
    score: Score
    row: dict[str, Any]

    @property
    def split_in_words(self) -> str:
        """The part of the text that was scored, why, the sizes of the parts and the rule of the split, in a line."""
        part, why = self.row["split"], self.row["split_why"]
        because = f" ({why})" if why else ""
        if part == "all":
            of = {key: sum(size[key] for size in self.corpus.sizes.values()) for key in ("characters", "lines")}
            sizes = f"{of['characters']:,} characters, {of['lines']:,} lines"
            return f"{self.corpus.name}: all of it is scored{because}: {sizes}"
        scored = f"its {PARTS[part]} text"
        return f"{self.corpus.name}: {scored} is scored{because}; {self.corpus.split_in_words}"


def score_run(
    folder: Path,
    corpus: str | Paths | None,
    split: str | None,
    protocol: str | None,
    code: Path | None,
    mirror: str | None,
    progress: Progress,
    device: str = "auto",
    exact: bool = False,
) -> Scored:
    """Score the run in `folder` on `split` of `corpus` (None: the training corpus): a row of `lmzoo eval`.

    `split` is train, valid, test or all. None: test; or all of a text that has no split of its own and that the run was
    not trained on. `code` is the file of a model from outside the package. `exact`: see `Model.exactly`. Raises as
    `store.load`, `corpus.load` and `evaluate` do.
    """
    text_model = store.load(folder, code)
    with naming(folder):
        model = text_model.require(LanguageModel, "it has no bits")
    provenance = store.read_provenance(folder)
    source, part = part_for(folder, corpus, split, provenance, mirror, progress)
    text, split = part.text, part.split
    model.to(device).warm_up()
    if exact:
        model.exactly()
    protocol = protocol or source.protocol
    notes = [*part.notes]
    excluding: dict[str, Any] = {}
    try:
        score = _evaluate(folder, text_model, text, protocol)
    except UnknownWordsError as error:
        score, excluding = error.score, {"excluding_unknown": error.excluding}
        notes.append(str(error).removeprefix(f"{folder}: "))
    count, unit = model.size()
    if score.replaced and not excluding:
        notes.append(f"{score.replaced:,} unknown words were scored as <unk>")
    notes += respacing(text_model.tokenizer, text)
    if model.adapts:
        notes.append(ADAPTS)
    sums = spot_check(text_model, text, score, progress)
    notes += [note for note in (sums.note, below_source(score, floor_of(source, split))) if note]
    notes += out_of_domain.notes(text_model, source, text, score, provenance)
    row = {
        "run": str(folder),
        "model": model.name,
        "corpus": source.name,
        "split": split,
        "split_why": part.why,
        "split_rule": source.split,
        "split_sizes": source.sizes,
        **score.to_json(),
        **excluding,
        "interval": None if excluding else block_interval(*block_bits(score, text_model.tokenizer)),
        "reach": model.reach,
        "adapts_at_test_time": model.adapts,
        "size": {"count": count, "unit": unit, "bytes": store.bytes_on_disk(folder)},
        "sums": asdict(sums),
        "notes": notes,
        "provenance": provenance,
    }
    return Scored(folder, text_model, source, protocol, score, row)


class Part(NamedTuple):
    """The part of a corpus that a run is scored on."""

    split: str  # train, valid, test, or all
    text: str
    why: str  # "" where it goes without saying
    notes: list[str]  # on what of it was trained on


def part_for(
    folder: Path,
    corpus: str | Paths | None,
    split: str | None,
    provenance: dict[str, Any],
    mirror: str | None,
    progress: Progress,
) -> tuple[Corpus, Part]:
    """The corpus to score a run on, and which part: see `score_run`. Raises as `corpus_for`."""
    source = corpus_for(folder, corpus, provenance, mirror, progress)
    foreign = corpus is not None and source.cut  # it has no split, so what is new in it is up to the run
    seen = _seen(source, provenance, mirror, progress) if foreign else ""
    new = NEW if provenance.get("sha256") else UNKNOWN
    why = "as asked for" if split else seen or (new if foreign else "")
    split = split or ("all" if foreign and not seen else "test")
    notes = notes_on(source, split, provenance, own=corpus is None)
    notes += {PART: [SEEN], MORE: [PERHAPS_SEEN]}.get(seen, [])
    return source, Part(split, source.whole if split == "all" else getattr(source, split), why, notes)


def _seen(source: Corpus, provenance: dict[str, Any], mirror: str | None, progress: Progress) -> str:
    """How a text was in the training of a run with this provenance; "" where it was not."""
    then, whole = provenance.get("sha256", {}), hashlib.sha256(source.whole.encode()).hexdigest()
    if whole == then.get("test") or (whole == then.get("valid") and not provenance.get("refit")):
        return ""
    if any(source.sha256[part] == then.get(part) for part in SPLITS):
        return REST
    if whole in (then.get("train"), then.get("valid")):
        return PART
    paths = trained_on(provenance)
    if source.paths and os.path.realpath(source.paths.corpus) in [
        os.path.realpath(path) for path in (paths.corpus, paths.train) if path
    ]:
        return EARLIER
    text = training_text(provenance, mirror, progress) or ""
    if hashlib.sha256(text.encode()).hexdigest() == then.get("train"):
        own, trained = (" ".join(one.split()) for one in (source.whole, text))  # whatever its line ends and spaces
        if min(len(own), len(trained)) >= LONG and (own in trained or trained in own):
            return PART if own in trained else MORE
    return ""


def _evaluate(folder: Path, text_model: TextModel, text: str, protocol: str) -> Score:
    with naming(folder):
        return evaluate(text_model, text, protocol)


def mix_runs(parts: Sequence[Scored], progress: Progress) -> dict[str, Any]:
    """The row of the linear interpolation of `parts`, with weights fitted on the validation text of their corpus.

    Raises UsageError naming two runs with different tokenizers or texts.
    """
    first = parts[0]
    for part in parts:
        _refuse_unlike(first, part)
        if not np.isfinite(part.score.bits):
            raise UsageError(f"{part.folder} has no bits for the whole text, so it cannot be mixed: leave it out")
    valid_log_probs = []
    for part in progress.track("scoring validation text", parts, lambda part: part.folder.name):
        score = _evaluate(part.folder, part.text_model, first.corpus.valid, part.protocol)
        valid_log_probs.append(score.log_probs)
    mixture = Mixture([part.text_model.model for part in parts])
    weights = fit_weights(np.stack(valid_log_probs))
    score = mix([part.score for part in parts], weights)
    return first.row | {
        "run": "mixture",
        "model": mixture.name,
        **score.to_json(),
        "interval": block_interval(*block_bits(score, first.text_model.tokenizer)),
        "reach": mixture.reach,
        "adapts_at_test_time": mixture.adapts,
        "size": {"count": len(parts), "unit": "models", "bytes": sum(part.row["size"]["bytes"] for part in parts)},
        "sums": max((part.row["sums"] for part in parts), key=lambda sums: abs(sums["total"] - 1)),  # mixed, no worse
        "weights": [{"run": str(p.folder), "weight": float(w)} for p, w in zip(parts, weights, strict=True)],
        "notes": _notes_on_mixture(parts),
        "provenance": {"runs": [str(part.folder) for part in parts], "weights_fitted_on": first.corpus.sha256["valid"]},
    }


def _refuse_unlike(a: Scored, b: Scored) -> None:
    one, other = a.text_model.tokenizer, b.text_model.tokenizer
    if one.to_json() != other.to_json():
        how = f"{one.spec} and {other.spec}" if one.spec != other.spec else f"both {one.spec}, of other texts"
        raise UsageError(f"{a.folder} and {b.folder} have different tokenizers ({how}), so they cannot be mixed")
    texts = [(part.protocol, part.score.sha256, part.corpus.sha256["valid"]) for part in (a, b)]
    if texts[0] != texts[1]:
        raise UsageError(f"{a.folder} and {b.folder} were scored on different texts: give one with --corpus")


def _notes_on_mixture(parts: Sequence[Scored]) -> list[str]:
    notes = list(dict.fromkeys(note for part in parts for note in part.row["notes"]))
    seen = [str(p.folder) for p in parts if p.row["provenance"].get("refit")]
    if seen:
        notes.append(f"the weights were fitted on training text of {' and '.join(seen)}, which so has too much weight")
    if parts[0].row["split"] in ("valid", "all"):
        notes.append("the weights were fitted on this very text, or a part of it")
    return notes
