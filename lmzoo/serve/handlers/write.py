"""Texts that all models write after one prompt from one seed, in turns; and what of them the training text has."""

from collections.abc import Generator, Iterator
from typing import Annotated, Any

import msgspec

from lmzoo.analysis.copies import Copies
from lmzoo.interface import LanguageModel
from lmzoo.runs import store
from lmzoo.serve.contestants import Contestant, Contestants
from lmzoo.serve.handlers import Handler, Names, Request, Text
from lmzoo.serve.worker import said
from lmzoo.tasks.contamination import training_text

LONGEST = 256  # tokens
MOST_SEARCHED = 50_000_000  # characters of a training text: to index so many takes two seconds
KEPT = 2  # indexes of training texts
NOT_HERE = "its training text is not on this computer, so what it copied is not known"
TOO_LONG = f"its training text is longer than {MOST_SEARCHED:,} characters, so copies are not searched for"


class Generate(Request):
    """What `models` (None: all) write after `prompt`: `length` tokens, sampled as `lmzoo generate` does."""

    prompt: Text
    models: Names | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] = 1.0
    top_p: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    length: Annotated[int, msgspec.Meta(ge=1, le=LONGEST)] = 100
    seed: Annotated[int, msgspec.Meta(ge=0, lt=2**32)] = 0


def generate(contestants: Contestants, request: Generate) -> Iterator[Any]:
    """{id, text}… of every model in turns; {id, done, copied: [[start, end]…], note} at a column's end.

    `copied` has the stretches of characters that occur in the training text; `note` says why there are none to be had.
    A model that fails has {id, error}.
    """
    columns = {run.id: _column(run, request) for run in contestants.chosen(request.models)}
    while columns:
        for id_, column in list(columns.items()):
            try:
                line = next(column)
                yield line and {"id": id_, **line}
            except StopIteration:
                del columns[id_]
            except Exception as error:  # the others go on
                del columns[id_]
                yield {"id": id_, "error": said(error)}


def _column(run: Contestant, request: Generate) -> Generator[dict[str, Any] | None, None, None]:
    if run.reader is None:
        yield {"error": run.error}
        return
    run.text_model.require(LanguageModel, "it cannot write one")
    top_p = request.top_p if request.top_p < 1 else None
    written = []
    pieces = run.text_model.generate(
        request.prompt, request.length, temperature=request.temperature, top_p=top_p, seed=request.seed
    )
    yield None
    for piece in pieces:
        written.append(piece.encode("utf-8", "replace").decode())  # JSON has no lone surrogates
        yield {"text": written[-1]}
    yield None
    copies, note = yield from _copies_of(run)
    yield {"done": True, "copied": copies.stretches("".join(written)) if copies else [], "note": note}


def training_of(run: Contestant) -> str | None:
    """The training text of a run; None where it is not on this computer."""
    return training_text(msgspec.json.decode(_facts(run)))


def _copies_of(run: Contestant) -> Generator[None, None, tuple[Copies | None, str]]:
    """The index of the training text of a run; None where there is none, and why."""
    facts = _facts(run)
    while True:
        if facts not in _INDEXED:
            building = _BUILDING.setdefault(facts, _indexing(facts))  # one for all columns, and for the next request
            next(building, None)
        if facts in _INDEXED:  # before a yield: columns with other texts, in which it would be dropped for theirs
            return _INDEXED[facts]
        yield


def _indexing(facts: bytes) -> Generator[None, None, None]:
    """Put the index of a training text into `_INDEXED`, a part of it at each step."""
    try:
        training = training_text(msgspec.json.decode(facts))
        found: tuple[Copies | None, str] = None, NOT_HERE if training is None else TOO_LONG
        if training is not None and len(training) <= MOST_SEARCHED:
            found = (yield from Copies.indexing(training)), ""
        while len(_INDEXED) >= KEPT:
            del _INDEXED[next(iter(_INDEXED))]
        _INDEXED[facts] = found
    finally:
        _BUILDING.pop(facts, None)


_INDEXED: dict[bytes, tuple[Copies | None, str]] = {}  # by which training text it is
_BUILDING: dict[bytes, Generator[None, None, None]] = {}


def _facts(run: Contestant) -> bytes:
    """Which training text a run has."""
    provenance = store.read_provenance(run.folder)
    return msgspec.json.encode({key: provenance.get(key) for key in FACTS if key in provenance})


FACTS = ("corpus", "corpus_path", "corpus_parts", "refit", "lines", "sha256")  # which training text a run has


def _frozen(_: Contestants, text: str) -> list[dict[str, Any]]:
    return [{"prompt": text, "temperature": 1, "top_p": 1, "length": 50, "seed": 1}]  # as the screen begins


HANDLERS = {"generate": Handler(Generate, generate, streams=True, seconds=30.0, frozen=_frozen)}
