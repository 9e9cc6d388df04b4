"""Learning curves: bits per character against how much of the training text a model learned from.

A share is the beginning of the training text (`first_share`). All else is as with the whole text:

- The tokenizer is learned from all of the training text, so that a curve shows what the model learned and not how its
  units changed; a model of a small share knows which tokens there are, but not how often they occur.
- The validation and test texts are the same.
- The budget is the same. A model that trains by steps repeats a small text many times and overfits; of its
  evaluations on the validation text it keeps the best weights. At the larger shares it may not get through the text
  at all: its curve then flattens because the budget ends.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import cycle
from typing import Any

import numpy as np

from lmzoo.analysis.scaling_law import power_law, predict
from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry, is_run
from lmzoo.comparison.results import Comparison, Interval, OfModel, Rows
from lmzoo.errors import LmzooError, UsageError
from lmzoo.evaluation.perplexity import Score, evaluate
from lmzoo.files import typed
from lmzoo.interface import Run
from lmzoo.report.canvas import MARKERS, Canvas, Drawing, bare_axes, colour, curve_height, distinct, shade, strokes
from lmzoo.report.labels import name_ends
from lmzoo.report.section import Section
from lmzoo.report.table import DASH, MINUS, Cell, Table, amount
from lmzoo.runs import train
from lmzoo.runs.cache import succeeded

SHARES = tuple(1 / 2**n for n in range(6, -1, -1))  # of the training text: 1/64 … 1
BOUNDARIES = ("\n\n", "\n", " ")  # of documents or paragraphs, of lines, of words
TOLERANCE = 0.1  # of a share, which may be lost to end it at such a boundary


@dataclass(frozen=True)
class Law:
    """bits = floor + (constant / characters)^exponent (`analysis.scaling_law`)."""

    exponent: float
    standard_error: float
    interval: Interval
    r2: float
    points: int
    floor: float
    floor_is: str  # source, fitted or none
    constant: float


@dataclass(frozen=True)
class Point:
    """A model trained on a share of the text."""

    share: float
    characters: int | None
    tokens: int | None
    bits_per_character: float | None  # of the whole test text; None where it failed
    seconds: float | None
    error: str | None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Curve(OfModel):
    """One model's points, and the power law through them (None where there is none)."""

    points: tuple[Point, ...]
    fit: Law | None


Facts = Rows[Curve]


def compute(entries: Sequence[Entry], context: Context) -> Facts | None:
    """Train each model anew on each share, where that was asked for."""
    text, shares, corpus = context.text, context.shares, context.corpus
    if not shares:
        return None
    trained = [entry for entry in entries if not is_run(entry.spec)]
    floor = corpus.floor_bits["test"] / len(corpus.test) if corpus.floor_bits else None
    rows = []
    with context.progress.task("learning curves", len(trained) * len(shares)) as task:
        for entry in trained:
            key = {
                "training": train.key(*train.parse(entry.spec), text, context.run),
                "test": corpus.sha256["test"],
            }
            points = []
            for share in shares:
                task.doing(f"{entry.label}, 1/{1 / share:.0f}")
                if share == 1 and entry.score:
                    remarks = (entry.row.provenance or {}).get("remarks", [])
                    points.append(whole(text, entry.score, entry.row.train_seconds, remarks))
                else:
                    learn = partial(point, entry.spec, share, text, context.run)
                    points.append(context.cached(Point, {**key, "share": share}, learn, succeeded))
                task.advance(1)
            rows.append(curve(entry.label, entry.row.model, points, floor))
    return Rows(tuple(rows))


def first_share(text: str, share: float) -> str:
    """The first `share` of the characters of `text`, cut at the end of a document, else of a line, else of a word.

    The cut is at the last such boundary if that loses at most a tenth; where there is none, in the middle of a word.
    The beginning and not a sample of lines, because a text has an order that models learn from, and because every
    share is then part of the next larger one. Raises UsageError where nothing is left.
    """
    if not 0 < share <= 1:
        raise UsageError(f"a share of the training text lies above 0 and at most at 1; {share} does not")
    end = int(share * len(text))
    if end == len(text):
        return text
    if end == 0:
        raise UsageError(f"1/{1 / share:.0f} of a training text of {len(text)} characters is less than one")
    for boundary in BOUNDARIES:
        cut = text.rfind(boundary, 0, end) + len(boundary)
        if cut > max((1 - TOLERANCE) * end, len(boundary)):
            return text[:cut]
    return text[:end]


def point(spec: str, share: float, text: train.Text, run: Run) -> Point:
    """What the model `spec` ("ngram:order=5") scores on the test text after training on `share` of `text`.

    A failure is the point's error. Nothing is saved, and no checkpoint is resumed.
    """
    result = Point(share, None, None, None, None, None)
    try:
        part = _part(text, share)
        result = replace(result, characters=len(part.corpus.train), tokens=len(part.train))
        name, settings = train.parse(spec)
        fitted = train.fit(name, settings, part, replace(run, folder=None, resume=False, tensorboard=None))
        result = replace(result, seconds=fitted.seconds, remarks=tuple(fitted.model.remarks))
        score = evaluate(fitted.text_model, text.corpus.test, text.corpus.protocol)
        return replace(result, bits_per_character=score.bits_per_character)
    except LmzooError as error:
        return replace(result, error=str(error))
    except Exception as error:  # somebody's own file may fail in any way: that is its point's result
        return replace(result, error=f"{type(error).__name__}: {error}")


def whole(text: train.Text, score: Score, seconds: float | None, remarks: Sequence[str]) -> Point:
    """The point at all of `text`, of a model that was already trained on it and scored."""
    characters, tokens = len(text.corpus.train), len(text.train)
    return Point(1.0, characters, tokens, score.bits_per_character, seconds, None, tuple(remarks))


def curve(label: str, model: str, points: Sequence[Point], floor: float | None = None) -> Curve:
    """The curve of one model, with the power law through the points that have a score.

    `floor` is the true source's bits per character of the test text, where they are known.
    """
    done = [(one.characters or 0, one.bits_per_character) for one in points if one.bits_per_character is not None]
    law = power_law([characters for characters, _ in done], [bits for _, bits in done], floor)
    return Curve(label=label, model=model, points=tuple(points), fit=typed(law, Law, "curves") if law else None)


def _part(text: train.Text, share: float) -> train.Text:
    shorter = first_share(text.corpus.train, share)
    if shorter == text.corpus.train:
        return text
    sha256 = text.corpus.sha256 | {"train": hashlib.sha256(shorter.encode("utf-8", "surrogatepass")).hexdigest()}
    corpus = replace(text.corpus, train=shorter, sha256=sha256)
    return replace(text, corpus=corpus, train=text.tokenizer.encode(shorter), refit=False)


# ── The figure ──

TICKS = (1, 1.5, 2, 3, 4, 5, 6, 8)  # of each power of ten, on the axis of bits
STEPS = 40  # of a drawn law


def figure(facts: Facts, comparison: Comparison, canvas: Canvas) -> Drawing | None:
    """Bits against characters of training text, on log axes, each model with its power law.

    Where the entropy of the source is known, bits are counted from there: a power law towards the source is then a
    straight line, and a curve that bends away from it has a floor of its own.
    """
    rows = [(row, points) for row in facts.rows if len(points := _scored(row)) > 1]
    floor = comparison.corpus.floor
    if not rows:
        return None
    figure, axes = bare_axes(
        canvas, max(curve_height(canvas, 0.5, len(rows)), canvas.tall(canvas.width * 1.15) * canvas.narrow)
    )
    axes.spines["left"].set_visible(True)
    axes.set_xscale("log")
    axes.set_yscale("log")
    ends = []
    members: Counter[str] = Counter()
    names = distinct([row.label for row, _ in rows], 22)
    for (row, points), name, (marker, _) in zip(rows, names, cycle(strokes()), strict=False):
        family = comparison.family(row.label)
        look: Any = {"color": shade(colour(family), members[family]), "zorder": 3}
        members[family] += 1
        above = _above(points, floor)
        if above:
            _draw(axes, canvas, row, above, floor, marker, look)
            ends.append((above[-1][1], f"{MARKERS[marker]} {name} {_exponent(row)}", look["color"]))
    if not ends:
        return None
    _ticks(axes, canvas)
    axes.set_xlabel("characters of training text")
    beyond = " above the source" if floor is not None else ""
    axes.set_ylabel("bits per character" + ("\n" if beyond and canvas.narrow else "") + beyond)
    name_ends(figure, axes, canvas, ends)
    return figure, _in_words(rows)


def _scored(row: Curve) -> list[tuple[int, float]]:
    """(characters, bits per character) of the points that have a score."""
    return sorted(
        (one.characters, one.bits_per_character)
        for one in row.points
        if one.characters is not None and one.bits_per_character is not None
    )


def _above(points: Sequence[tuple[int, float]], floor: float | None) -> list[tuple[int, float]]:
    """Bits counted from the source. A log axis has no place for what is below it by chance."""
    return [(characters, bits - (floor or 0)) for characters, bits in points if bits > (floor or 0)]


def _draw(
    axes: Any, canvas: Canvas, row: Curve, points: list[tuple[int, float]], floor: float | None, marker: str, look: Any
) -> None:
    """Points with the law through them, or joined by dots where there is none."""
    x, y = zip(*points, strict=True)
    axes.plot(x, y, marker, markersize=canvas.font / 1.9, markeredgecolor="white", markeredgewidth=canvas.font / 20,
              **look | {"zorder": 4})  # fmt: skip
    if row.fit:
        at = np.geomspace(x[0], x[-1], STEPS)
        axes.plot(at, predict(asdict(row.fit), at) - (floor or 0), "-", linewidth=canvas.font / 5.5, **look)
    else:
        axes.plot(x, y, ":", linewidth=canvas.font / 7, **look)


def _exponent(row: Curve) -> str:
    """α, and the floor where it is the model's own: without it a steep law could not be told from a high one."""
    if not row.fit:
        return ""
    floor = row.fit.floor
    own = f", floor {floor:.2f}" if floor < 10 else f", floor {floor:.1f}"
    law = f"α {_two_figures(row.fit.exponent)}" + (own if row.fit.floor_is == "fitted" else "")
    return law.replace(" ", "\N{NO-BREAK SPACE}")  # so that it stays on one line


def _two_figures(exponent: float) -> str:
    """As exponents are usually given: 0.33, and 0.095 of small ones."""
    return f"{exponent:.2f}" if exponent >= 0.0995 else f"{exponent:.3f}"


def _ticks(axes: Any, canvas: Canvas) -> None:
    """Amounts of text as 30 k and 2 M, bits as plain numbers; a fifth of a decade apart at least."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low > 10 else TICKS, numticks=99))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if canvas.narrow else (1.0, 3.0)))
    axes.xaxis.set_major_formatter(EngFormatter())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())


def _in_words(rows: Sequence[tuple[Curve, list[tuple[int, float]]]]) -> str:
    said = []
    for row, points in rows:
        (least, first), (most, last) = points[0], points[-1]
        law = "which is no power law"
        if row.fit:
            towards = f" towards {row.fit.floor:.2f}" if row.fit.floor else ""
            law = f"exponent {_two_figures(row.fit.exponent)}{towards}"
        said.append(
            f"{row.label} goes from {first:.2f} at {amount(least)} characters to {last:.2f} at {amount(most)}, {law}"
        )
    return f"Bits per character against characters of training text, on logarithmic axes: {'; '.join(said)}."


def data(facts: Facts, _: Comparison) -> list[dict[str, Any]]:
    """A line for each point."""
    return [
        {"label": row.label, "characters": one.characters, "tokens": one.tokens,
         "bits per character": one.bits_per_character}
        for row in facts.rows
        for one in row.points
    ]  # fmt: skip


# ── The table ──


def table(facts: Facts, _: Comparison) -> Table | None:
    """The law of each model, its bits at each share, and what twice the text would save."""
    if not facts.rows:
        return None
    shares = sorted({one.share for row in facts.rows for one in row.points})
    lines = []
    for row in facts.rows:
        by_share = {one.share: one.bits_per_character for one in row.points}
        bits = [by_share.get(share) for share in shares]
        lines.append((row.label, [*_law(row), *(Cell(DASH if one is None else f"{one:.3f}") for one in bits)]))
    heads = ("exponent α", "floor", "R²", "twice the text", *(_share(share) for share in shares))
    return Table("model", heads, lines)


def _share(share: float) -> str:
    return "all of it" if share == 1 else f"1/{1 / share:.0f}"


def _law(row: Curve) -> list[Cell]:
    """Exponent with interval, floor and its kind, R², and what twice the text would save by the law."""
    fit = row.fit
    if not fit:
        return [Cell(DASH)] * 4
    low, high = (f"{end:.3f}".replace("-", MINUS) for end in fit.interval)
    kind = {"source": "the source", "fitted": "its own"}.get(fit.floor_is, "")
    most = max(characters for characters, _ in _scored(row))
    now, then = predict(asdict(fit), [most, 2 * most])
    return [
        Cell(f"{fit.exponent:.3f}", f"{low} to {high}"),
        Cell(f"{fit.floor:.3f}", kind) if kind else Cell(DASH),
        Cell(f"{fit.r2:.4f}"),
        Cell(f"{MINUS}{now - then:.3f}"),
    ]


def view(facts: Facts, _: Comparison) -> dict[str, Any] | None:
    """Errors and remarks, each once for a model with the shares it is of, in the numbers of the first of them."""
    said: dict[tuple[str, str], tuple[str, list[str]]] = {}
    for row in facts.rows:
        for one in row.points:
            for remark in [*([one.error] if one.error else []), *one.remarks]:
                without_numbers = (row.label, _DIGITS.sub("", remark))
                said.setdefault(without_numbers, (remark, []))[1].append(_share(one.share))
    notes = [f"{label} ({', '.join(shares)}): {remark}" for (label, _), (remark, shares) in said.items()]
    return {"notes": notes} if facts.rows else None


_DIGITS = re.compile(r"-?\d[\d,.]*")


section = Section(
    "curves",
    "Learning curves",
    20,
    "cost",
    facts=Facts,
    compute=compute,
    apart="shares",
    table=table,
    figure=figure,
    data=data,
    view=view,
)
