"""The runs of the page: loaded once, each with what the page says of it. One that cannot be read says why."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from lmzoo.analysis import inside
from lmzoo.data import corpus as corpora
from lmzoo.data.corpus import Corpus, Paths
from lmzoo.errors import LmzooError, UsageError, one_line
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import LanguageModel, Progress
from lmzoo.report.canvas import colour
from lmzoo.runs import store
from lmzoo.runs.train import corpus_of
from lmzoo.serve.reading import REMEMBERED, Reader


@dataclass(frozen=True)
class Contestant:
    """A run as the page knows it: by its `id`, never by its folder."""

    id: str
    name: str
    folder: Path
    reader: Reader | None = None  # None where `error` says why it cannot be read
    error: str = ""

    @property
    def text_model(self) -> TextModel:
        """The model, of a run that could be loaded."""
        assert self.reader
        return self.reader.text_model

    def corpus(self) -> Paths | None:
        """What it was trained on, where that is known and on this computer: for `load_corpus`."""
        try:
            paths = corpus_of(self.folder, store.read_provenance(self.folder))
        except UsageError:
            return None
        return paths if corpora.is_here(paths) else None

    def to_json(self) -> dict[str, Any]:
        """What `GET /api/models` says of it."""
        if self.reader is None:
            return {"id": self.id, "name": self.name, "error": self.error}
        model, tokenizer = self.text_model
        size, unit = model.size()
        return {
            "id": self.id,
            "name": self.name,
            "year": model.origin.year,
            "paper": model.origin.paper,
            "family": model.family,
            "colour": colour(model.family),
            "unit": tokenizer.spec,
            "reach": model.reach,
            "size": f"{size:,} {unit}",
            "can": inside.abilities(self.text_model),
        }


@lru_cache(4)
def load_corpus(paths: Paths) -> Corpus:
    """The corpus there, once for all runs and screens."""
    return corpora.load(paths, short=True)


@dataclass(frozen=True)
class Contestants:
    """The runs of the page, oldest idea first."""

    runs: tuple[Contestant, ...]

    def __iter__(self) -> Iterator[Contestant]:
        return iter(self.runs)

    def chosen(self, ids: Sequence[str] | None) -> list[Contestant]:
        """The runs with these ids (None: all). Raises UsageError for an id that none has."""
        return list(self.runs) if ids is None else [self.one(one) for one in ids]

    def one(self, id_: str) -> Contestant:
        """The run with this id. Raises UsageError where there is none."""
        for run in self.runs:
            if run.id == id_:
                return run
        raise UsageError(f"there is no model {one_line(id_, 20)!r} here: m0 to m{len(self.runs) - 1}")


def load_all(folders: Sequence[Path], progress: Progress | None = None) -> Contestants:
    """The runs in `folders`, oldest idea first; those that cannot be read stand last.

    Raises UsageError where none can.
    """
    tracked = (progress or Progress()).track("loading", folders, lambda folder: folder.name)
    remembered = REMEMBERED // max(1, len(folders))
    runs = sorted((_load(folder, remembered) for folder in tracked), key=_age)
    if all(run.reader is None for run in runs):
        raise UsageError(f"none of the runs can be shown: {runs[0].error}" if runs else "there are no runs to show")
    return Contestants(tuple(replace(run, id=f"m{n}") for n, run in enumerate(runs)))


def _load(folder: Path, remembered: int) -> Contestant:
    try:
        text_model = store.load(folder, device="cpu")
        model = text_model.require(LanguageModel, "it cannot read one live")
        if not model.is_distribution:
            raise UsageError(f"{text_model.name} gives scores that are no probabilities, so they have no bits")
        reader = Reader(text_model, remembered)
        for _ in reader.read("The old ca"):  # loops are compiled and spellings sorted before anybody waits for them
            pass
        return Contestant("", model.label, folder, reader)
    except LmzooError as error:
        return Contestant("", folder.name, folder, None, one_line(str(error).replace(str(folder), folder.name), 300))


def _age(run: Contestant) -> tuple[bool, int]:
    return (True, 0) if run.reader is None else (False, run.text_model.model.origin.year)
