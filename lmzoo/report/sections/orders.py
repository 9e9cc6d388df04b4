"""Bits per character against the order of the n-gram, for each smoothing among the models."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from typing import Any

from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry, scored
from lmzoo.comparison.results import Comparison
from lmzoo.evaluation.perplexity import evaluate
from lmzoo.interface import Run
from lmzoo.report.canvas import SOURCE, SOURCE_LINE, Canvas, Drawing, bare_axes, colour, curve_height, draw_curves
from lmzoo.report.labels import name_ends
from lmzoo.report.section import Section
from lmzoo.runs import train as training

ORDERS = range(1, 9)
MOST_TOKENS = 5_000_000  # of training text, above which eight orders take too long


@dataclass(frozen=True)
class Point:
    """An n-gram of one order and smoothing."""

    order: int
    smoothing: str
    bits_per_character: float | None


def compute(entries: Sequence[Entry], context: Context) -> tuple[Point, ...]:
    """A point for each order and each smoothing that is compared."""
    text, run = context.text, context.run
    ngrams = [entry for entry in scored(entries) if entry.row.model == "ngram"]
    smoothings = dict.fromkeys(str(entry.row.config["smoothing"]) for entry in ngrams)
    if len(text.train) > MOST_TOKENS or not smoothings:
        return ()
    points = []
    choices = list(product(smoothings, ORDERS))
    named = "{0[0]}, order {0[1]}".format
    for smoothing, order in context.progress.track("n-gram orders", choices, named):
        settings = {"order": str(order), "smoothing": smoothing}
        key = {"training": training.key("ngram", settings, text, run), "test": text.corpus.sha256["test"]}
        points.append(Point(order, smoothing, context.cached(float, key, partial(_bits, settings, text, run))))
    return tuple(points)


def _bits(settings: dict[str, str], text: training.Text, run: Run) -> float:
    fitted = training.fit("ngram", settings, text, run)
    return evaluate(fitted.text_model, text.corpus.test, text.corpus.protocol).bits_per_character


def figure(points: Sequence[Point], comparison: Comparison, canvas: Canvas) -> Drawing | None:
    """A curve for each smoothing."""
    curves = _curves(points)
    if not curves:
        return None
    figure, axes = bare_axes(canvas, curve_height(canvas, 0.42, len(curves)))
    hue = colour("count")
    lines = [(spelled(name), [n for n, _ in curve], [bits for _, bits in curve], hue) for name, curve in curves.items()]
    ends = draw_curves(axes, canvas, lines)
    orders = sorted({order for curve in curves.values() for order, _ in curve})
    axes.set_xticks(orders)
    axes.set_xlim(orders[0] - 0.3, orders[-1] + 0.3)
    axes.set_xlabel("order" if canvas.narrow else "order: tokens of an n-gram, the predicted one included")
    axes.set_ylabel("bits per character")
    floor = comparison.corpus.floor
    if floor is not None:
        axes.axhline(floor, linewidth=canvas.font / 8, **SOURCE_LINE)
        ends.append((floor, SOURCE, "black"))
    name_ends(figure, axes, canvas, ends)
    return figure, _in_words(curves)


def _curves(points: Sequence[Point]) -> dict[str, list[tuple[int, float]]]:
    """{smoothing: [(order, bits per character), …] by order}; points without a score are left out."""
    curves: dict[str, list[tuple[int, float]]] = {}
    for point in points:
        if point.bits_per_character is not None:
            curves.setdefault(point.smoothing, []).append((point.order, point.bits_per_character))
    return {smoothing: sorted(curve) for smoothing, curve in curves.items()}


def spelled(smoothing: str) -> str:
    """How a smoothing is written: 'modified-kneser-ney' → 'modified Kneser–Ney', with a dash between two people."""
    for people in ("kneser-ney", "witten-bell", "good-turing", "jelinek-mercer"):
        smoothing = smoothing.replace(people, people.title().replace("-", "\N{EN DASH}"))
    return smoothing.replace("-", " ")


def _in_words(curves: dict[str, list[tuple[int, float]]]) -> str:
    said = []
    for smoothing, curve in curves.items():
        order, bits = min(curve, key=lambda point: point[1])
        (first, start), (last, end) = curve[0], curve[-1]
        said.append(
            f"{spelled(smoothing)} goes from {start:.2f} at order {first} to {end:.2f} at order {last}, and is best at "
            f"order {order} with {bits:.2f}"
        )
    return f"Bits per character against order: {'; '.join(said)}."


def data(points: Sequence[Point], _: Comparison) -> list[dict[str, Any]]:
    """A line for each point."""
    return [asdict(point) for point in points]


section = Section("orders", "N-gram order", 40, facts=tuple[Point, ...], compute=compute, figure=figure, data=data)
