"""The runs of the page: loaded once, each with what the page says of it. One that cannot be read says why."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmzoo.errors import LmzooError, UsageError, one_line
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import LanguageModel, Progress
from lmzoo.runs import store
from lmzoo.serve.reading import Reader


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
            "unit": tokenizer.spec,
            "reach": model.reach,
            "size": f"{size:,} {unit}",
            "can": ["explain"] if "trie_" in vars(model) else [],
        }


def load_all(folders: Sequence[Path], progress: Progress | None = None) -> list[Contestant]:
    """The runs in `folders`, oldest idea first; those that cannot be read stand last.

    Raises UsageError where none can.
    """
    tracked = (progress or Progress()).track("loading", folders, lambda folder: folder.name)
    runs = sorted(map(_load, tracked), key=_age)
    if all(run.reader is None for run in runs):
        raise UsageError(f"none of the runs can be shown: {runs[0].error}" if runs else "there are no runs to show")
    return [Contestant(f"m{n}", run.name, run.folder, run.reader, run.error) for n, run in enumerate(runs)]


def _load(folder: Path) -> Contestant:
    try:
        text_model = store.load(folder, device="cpu")
        model = text_model.require(LanguageModel, "it cannot read one live")
        if not model.is_distribution:
            raise UsageError(f"{text_model.name} gives scores that are no probabilities, so they have no bits")
        return Contestant("", model.label, folder, Reader(text_model))
    except LmzooError as error:
        return Contestant("", folder.name, folder, None, one_line(str(error), 300))


def _age(run: Contestant) -> tuple[bool, int]:
    return (True, 0) if run.reader is None else (False, run.text_model.model.origin.year)
