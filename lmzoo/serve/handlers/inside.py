"""What the screens Why and Inside ask for: why a token has its probability, and what is inside a model."""

from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Annotated, Any, Literal
from weakref import WeakKeyDictionary

import msgspec
import numpy as np

from lmzoo.analysis import explain_ngram, inside, inside_measured, projection
from lmzoo.analysis.word_vectors import Vectors
from lmzoo.data import corpus as corpora
from lmzoo.errors import LmzooError, UsageError, in_range
from lmzoo.evaluation.text_model import TextModel
from lmzoo.serve.contestants import Contestant, Contestants, load_corpus
from lmzoo.serve.handlers import Handler, Name, Request, Text
from lmzoo.serve.worker import said

CONTEXT = 4  # words whose neighbours are shown
NEIGHBOURS = 6
MOVED = 6  # cells that changed most

Number = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Word = Annotated[str, msgspec.Meta(max_length=100)]
Facts = dict[str, Any]
Material = tuple[str, list[inside_measured.Pronoun]]
_NOTHING: Material = "", []


class Explain(Request):
    """Why the token at `place` of `text` has its probability; None: the last."""

    text: Text
    model: Name
    place: Number | None = None


class Measured(Request):
    """What was measured of the heads and cells of a model."""

    model: Name


class Inside(Request):
    """A head, a cell, what each layer would predict, or the vectors of positions."""

    model: Name
    what: Literal["attention", "cells", "lens", "positions"]
    text: Text = ""
    layer: Number = 1
    number: Number = 1


class Words(Request):
    """A map of frequent words; the neighbours of `words`; or the words nearest to a − b + c."""

    model: Name
    words: Annotated[tuple[Word, ...], msgspec.Meta(max_length=5)] = ()
    a: Word = ""
    b: Word = ""
    c: Word = ""


# ── Why ───────────────────────────────────────────────────────────────────────────────────────────


def explain(contestants: Contestants, request: Explain) -> Iterator[Facts]:
    """What decides the probability of a token: its `kind` says what the rest is.

    `pieces` are the tokens that can be asked about, `place` is the one that is explained.
    """
    text_model = _text_model(contestants.one(request.model))
    can = inside.abilities(text_model)
    if "explain" in can:
        yield _ngram(text_model, request)
    elif "attention" in can or "cells" in can:
        look = _look(text_model, request.text)
        yield _seen_by_heads(look, request) if "attention" in can else _gates(look, request)
    elif "vectors" in can:
        yield _near_words(text_model, request)
    else:
        yield {"kind": "none"}


def _ngram(text_model: TextModel, request: Explain) -> Facts:
    tokenizer = text_model.tokenizer
    ids = tokenizer.encode(tokenizer.normalize(request.text))
    facts = {"kind": "ngram", "pieces": tokenizer.pieces(ids)}
    place = _place(request, len(ids))
    return facts | {"place": place} | ({} if place is None else explain_ngram.trace(text_model, ids, place))


def _seen_by_heads(look: inside.Look, request: Explain) -> Facts:
    """Where each head looked before the token was read, that is where it was predicted: a row each."""
    pieces, place = look.pieces[1:], _place(request, len(look.pieces) - 1)
    at = 0 if place is None else place
    heads = [
        {"layer": layer, "head": head + 1, "weights": _rounded(weights[head, at, : at + 1])}
        for layer, weights in enumerate(look.inside.attention, 1)
        for head in range(len(weights))
    ]
    return {"kind": "attention", "pieces": pieces, "place": place, "before": look.pieces[: at + 1], "heads": heads}


def _gates(look: inside.Look, request: Explain) -> Facts:
    """The mean of each gate at each token, and the cells that the last token before the asked one changed most."""
    shown = inside.cells(look, len(look.inside.recurrent))
    place = _place(request, len(look.pieces) - 1)
    facts = {"kind": "gates", "pieces": look.pieces[1:], "place": place, "read": look.pieces}
    at = 0 if place is None else place
    held = inside.held(look.inside.recurrent[-1])  # (T, H)
    before = held[at - 1] if at else np.zeros_like(held[0])
    order = np.argsort(-np.abs(held[at] - before), kind="stable")[:MOVED]
    changed = [{"cell": int(cell) + 1, "before": float(before[cell]), "after": float(held[at, cell])} for cell in order]
    return facts | {"gates": shown["mean_gates"], "changed": changed, "units": shown["units"]}


def _near_words(text_model: TextModel, request: Explain) -> Facts:
    """The words within reach before the asked token, each with its nearest neighbours."""
    tokenizer, vectors = text_model.tokenizer, _vectors(text_model)
    ids = tokenizer.encode(tokenizer.normalize(request.text))
    place = _place(request, len(ids))
    reach = text_model.model.reach
    first = max(0, (place or 0) - (len(ids) if reach is None else reach))
    words = [tokenizer.word(token) for token in ids[first : place or 0].tolist()]
    known = [word for word in words if word and word in vectors.index][-CONTEXT:]
    context = [{"word": word, "neighbours": _scored(vectors.neighbours(word, NEIGHBOURS))} for word in known]
    return {"kind": "neighbours", "pieces": tokenizer.pieces(ids), "place": place, "context": context, "reach": reach}


def _place(request: Explain, count: int) -> int | None:
    """The token that is asked about; None where there is none."""
    if not count:
        return None
    place = count - 1 if request.place is None else request.place
    in_range("place", place, 0, below=count)
    return place


# ── Inside ────────────────────────────────────────────────────────────────────────────────────────


def measured(contestants: Contestants, request: Measured) -> Iterator[Facts | None]:
    """The best head for each task and the best cell for each property of a text: see `inside_measured`."""
    run = contestants.one(request.model)
    text_model = _text_model(run)
    if text_model not in _MEASURED:
        material = _NOTHING
        with suppress(LmzooError, OSError):
            material = _material(run)
        yield None
        _MEASURED[text_model] = yield from inside_measured.measuring(text_model, *material)
    yield {"measured": _MEASURED[text_model]}


# Once for each model, as long as it is there.
_MEASURED: WeakKeyDictionary[TextModel, list[dict[str, Any]]] = WeakKeyDictionary()


def look_inside(contestants: Contestants, request: Inside) -> Iterator[Facts]:
    """A part of what is inside a network; an `error`, where there is no such head or cell."""
    text_model = _text_model(contestants.one(request.model))
    try:
        if request.what == "positions":
            yield inside.positions(text_model)
        else:
            yield _SHOWN[request.what](_look(text_model, request.text), request)
    except UsageError as error:
        yield {"error": said(error)}


_SHOWN = {
    "attention": lambda look, request: inside.attention(look, request.layer, request.number),
    "cells": lambda look, request: inside.cells(look, request.layer, request.number),
    "lens": lambda look, _: {"pieces": look.pieces, "layers": inside.lens(look)},
}


@lru_cache(8)
def _look(text_model: TextModel, text: str) -> inside.Look:
    return inside.look(text_model, text)


def _material(run: Contestant) -> Material:
    """What a run is measured on: its own corpus, if that is on this computer."""
    paths = run.corpus()
    return _material_of(paths) if paths else _NOTHING


@lru_cache(4)
def _material_of(paths: corpora.Paths) -> Material:
    return inside_measured.material(load_corpus(paths))


# ── Words ─────────────────────────────────────────────────────────────────────────────────────────


def words(contestants: Contestants, request: Words) -> Iterator[Facts | None]:
    """The map of frequent words in the plane, `neighbours` of some, or the `answers` to a − b + c.

    An `error`, where a word has no vector.
    """
    text_model = _text_model(contestants.one(request.model))
    try:
        vectors = _vectors(text_model)
        yield None
        yield _about(vectors, request)
    except UsageError as error:
        yield {"error": said(error)}


def _about(vectors: Vectors, request: Words) -> Facts:
    if request.a or request.b or request.c:
        return {"answers": _scored(vectors.analogy(request.b, request.a, request.c, NEIGHBOURS))}
    if request.words:
        near = [{"word": word, "neighbours": _scored(vectors.neighbours(word, NEIGHBOURS))} for word in request.words]
        return {"neighbours": near}
    shown = projection.frequent_words(vectors)
    points, variance = projection.principal(vectors.dense(shown))
    return {"words": shown, "points": [_rounded(point) for point in points], "variance": _rounded(variance)}


@lru_cache(16)
def _vectors(text_model: TextModel) -> Vectors:
    return Vectors.of(text_model)


def _text_model(run: Contestant) -> TextModel:
    if run.reader is None:
        raise UsageError(run.error)
    return run.text_model


def _scored(pairs: list[tuple[str, float]]) -> list[list[Any]]:
    return [[word, round(score, 3)] for word, score in pairs]


def _rounded(values: Any) -> list[float]:
    return np.round(np.asarray(values, np.float64), 3).tolist()


# ── What the screens ask before anybody chooses, which an exported page has the answers to ─────────────────────────


def _explained(contestants: Contestants, text: str) -> list[Facts]:
    return [{"text": text, "model": run.id, "place": None} for run in contestants if run.reader]


def _seen(contestants: Contestants, text: str) -> list[Facts]:
    """Each view of each network, at the first head or cell and those that passed."""
    asked = []
    for run in contestants:
        can = inside.abilities(run.text_model) if run.reader else []
        for what in (one for one in ("cells", "attention", "lens", "positions") if one in can):
            facts = [facts for facts in measured(contestants, Measured(model=run.id)) if facts]
            passed = [one for one in facts[0]["measured"] if one["passed"]]
            if what in ("cells", "attention"):
                passed = [one for one in passed if (one["what"] == "cell") == (what == "cells")]
            places = {(1, 1), *((one["layer"], one["number"]) for one in passed)}
            asked += [
                {"model": run.id, "what": what, "text": text, "layer": layer, "number": number}
                for layer, number in sorted(places)
            ]
    return asked


def _able(contestants: Contestants) -> list[Contestant]:
    shown = {"attention", "cells", "lens", "positions", "vectors"}
    return [run for run in contestants if run.reader and shown & set(inside.abilities(run.text_model))]


def _named(contestants: Contestants, _: str) -> list[Facts]:
    asked: list[Facts] = []
    for run in _able(contestants):
        if "vectors" in inside.abilities(run.text_model):
            first = projection.frequent_words(_vectors(run.text_model))[0]
            asked += [{"model": run.id}, {"model": run.id, "words": [first]}]
            asked.append({"model": run.id, "a": "cats", "b": "cat", "c": "dog"})
    return asked


HANDLERS = {
    "explain": Handler(Explain, explain, frozen=_explained),
    "inside": Handler(Inside, look_inside, frozen=_seen),
    "measured": Handler(
        Measured, measured, seconds=20.0, frozen=lambda runs, _: [{"model": run.id} for run in _able(runs)]
    ),
    "words": Handler(Words, words, frozen=_named),
}
