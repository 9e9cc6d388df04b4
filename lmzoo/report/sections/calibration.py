"""Calibration: whether a token that a model calls 80 % likely comes in four of five cases."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lmzoo.analysis import calibration
from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry
from lmzoo.comparison.results import Comparison, Interval, OfModel, Rows
from lmzoo.report.canvas import SOURCE_LINE, Canvas, Drawing, colour, distinct, in_two, new_figure
from lmzoo.report.section import Section, in_order
from lmzoo.report.table import Cell, Table, span


@dataclass(frozen=True)
class Bin:
    """Places where the model's confidence is about the same."""

    confidence: float  # mean probability of the likeliest token
    accuracy: float  # how often that token came
    low: float  # its 95 % Wilson interval
    high: float
    tokens: int


@dataclass(frozen=True)
class Reliability(OfModel):
    """One model's calibration."""

    tokens: int
    vocabulary: int
    accuracy: float
    interval: Interval
    among_five: float  # how often one of the five likeliest tokens came
    mean_rank: float  # of the token that came
    confidence: float
    error: float  # expected calibration error
    by_chance: float  # its 95 % quantile under perfect calibration
    bins: tuple[Bin, ...]


Facts = Rows[Reliability]


def compute(entries: Sequence[Entry], context: Context) -> Facts:
    """Of every scored model; one that fails leaves a note in its row of the table."""
    asked = (context.corpus.test, context.run.seed, context.progress, context.corpus.protocol)
    return Rows(context.each_scored(Reliability, entries, lambda one, _: calibration.facts_of(one.text_model, *asked)))


def figure(facts: Facts, comparison: Comparison, canvas: Canvas) -> Drawing | None:
    """A reliability diagram for each model: accuracy of its likeliest token against confidence."""
    rows = in_order(facts.rows, comparison)
    if not rows:
        return None
    said = _in_words(rows)
    most = 3 if canvas.narrow else 4 if canvas.height else 5
    if canvas.height:  # a slide has room for eight
        rows = _of_all_families(rows, comparison, 8)
    across = min(len(rows), most)
    down = -(-len(rows) // across)
    side = canvas.width / most
    figure = new_figure(canvas.width, canvas.tall(side * 1.2 * down + 0.5))
    panels = list(figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).flat)
    for axes, row, name in zip(panels, rows, distinct([row.label for row in rows], 28), strict=False):
        _reliability(axes, canvas, row, name, colour(comparison.family(row.label)))
    for n, axes in enumerate(panels):
        axes.set_visible(n < len(rows))
        axes.xaxis.set_tick_params(labelbottom=n + across >= len(rows))
    figure.supxlabel("confidence: probability of the likeliest token", size=canvas.size(0.85))
    figure.supylabel("accuracy", size=canvas.size(0.85))
    figure.get_layout_engine().execute(figure)  # square panels are laid out right the second time
    return figure, said


def _of_all_families(rows: Sequence[Reliability], comparison: Comparison, count: int) -> list[Reliability]:
    """So many of `rows`: the first of each family, then the first of the others, in their order."""
    families = [comparison.family(row.label) for row in rows]
    by_need = sorted(range(len(rows)), key=lambda n: (families[n] in families[:n], n))
    return [rows[n] for n in sorted(by_need[:count])]


def _reliability(axes: Any, canvas: Canvas, row: Reliability, name: str, hue: str) -> None:
    """One model's diagram: the diagonal, a point for each bin with its interval, and the error in its corner."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.plot([0, 1], [0, 1], linewidth=canvas.font / 14, zorder=1, **SOURCE_LINE)
    x, y = [one.confidence for one in row.bins], [one.accuracy for one in row.bins]
    low, high = [one.low for one in row.bins], [one.high for one in row.bins]
    axes.vlines(x, low, high, color=hue, linewidth=canvas.font / 10, alpha=0.5, zorder=2)
    axes.plot(x, y, "o-", color=hue, markersize=canvas.font * 0.24, linewidth=canvas.font / 14, zorder=3)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
    axes.set_xticks([0, 0.5, 1], ["0", "½", "1"])
    axes.set_yticks([0, 0.5, 1], ["0", "½", "1"])
    axes.tick_params(labelsize=canvas.size(0.7))
    size = canvas.size(0.66 if canvas.narrow else 0.72)
    axes.set_title(in_two(name, 20 if canvas.height else 16), size=size, parse_math=False)
    axes.text(0, 0.99, f"{row.error:.3f}", size=size, va="top")


def _in_words(rows: Sequence[Reliability]) -> str:
    said = []
    for row in rows:
        bias = "overconfident" if row.confidence > row.accuracy else "underconfident"
        said.append(f"{row.label} {row.error:.3f}" + (f", {bias}" if row.error > row.by_chance else ""))
    return f"Expected calibration error, a diagram for each model: {'; '.join(said)}."


def data(facts: Facts, comparison: Comparison) -> list[dict[str, Any]]:
    """A line for each point of each diagram."""
    return [{"label": row.label, **asdict(one)} for row in in_order(facts.rows, comparison) for one in row.bins]


def table(facts: Facts, comparison: Comparison) -> Table | None:
    """What each model's likeliest tokens are worth, a line for each."""
    rows = in_order(facts.rows, comparison)
    heads = ("calibration error", "by chance up to", "confidence", "accuracy", "top five", "mean rank", "of")
    return Table("model", heads, [(row.label, _cells(row)) for row in rows]) if rows else None


def _cells(row: Reliability) -> list[Cell]:
    return [
        Cell(f"{row.error:.3f}"),
        Cell(f"{row.by_chance:.3f}"),
        Cell(f"{row.confidence:.3f}"),
        Cell(f"{row.accuracy:.3f}", span(row.interval)),
        Cell(f"{row.among_five:.3f}"),
        Cell(f"{row.mean_rank:,.1f}"),
        Cell(f"{row.vocabulary:,}", "tokens"),
    ]


section = Section(
    "calibration",
    "Calibration",
    20,
    facts=Facts,
    compute=compute,
    apart="models",
    table=table,
    figure=figure,
    data=data,
)
