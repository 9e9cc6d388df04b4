"""What each distance contributes to an association's prediction: β, λ_d, and the bits it saves of its unigram."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry
from lmzoo.comparison.results import Comparison, OfModel
from lmzoo.report.associations import associations
from lmzoo.report.canvas import REFERENCE_LINE, Canvas, Drawing, bare_axes, colour, curve_height, draw_curves, shade
from lmzoo.report.labels import name_ends
from lmzoo.report.section import Section
from lmzoo.report.table import MINUS, Cell, Table


@dataclass(frozen=True)
class Distances(OfModel):
    """p(w | c_1 … c_k) ∝ p(w)^β exp(Σ_d λ_d s(w, c_d)), as fitted for one association."""

    exponent: float  # β
    lambdas: tuple[float, ...]  # λ_d, the nearest first
    bits_per_token: float  # of the test text
    unigram_bits_per_token: float  # of the model's own counts with one added to each


def compute(entries: Sequence[Entry], context: Context) -> tuple[Distances, ...] | None:  # noqa: ARG001
    """A row for each association."""
    return tuple(_of(entry) for entry in associations(entries)) or None


def _of(entry: Entry) -> Distances:
    model, score = entry.model, entry.score
    assert score
    counts = np.asarray(model.counts_) + 1.0
    unigram = np.log2(counts.sum()) - np.log2(counts[score.ids]).mean()
    return Distances(
        **entry.named,
        exponent=float(model.exponent_),
        lambdas=tuple(np.asarray(model.lambdas_).tolist()),
        bits_per_token=score.bits / score.tokens,
        unigram_bits_per_token=float(unigram),
    )


def figure(rows: Sequence[Distances], comparison: Comparison, canvas: Canvas) -> Drawing:
    """λ_d against the distance d: a curve for each association."""
    figure, axes = bare_axes(canvas, curve_height(canvas, 0.42, len(rows)))
    curves = [
        (row.label, range(1, len(row.lambdas) + 1), row.lambdas, shade(colour(comparison.family(row.label)), i))
        for i, row in enumerate(rows)
    ]
    ends = draw_curves(axes, canvas, curves)
    furthest = max(len(row.lambdas) for row in rows)
    axes.axhline(0, zorder=1, **REFERENCE_LINE)
    axes.set_xticks(range(1, furthest + 1) if furthest <= 12 else range(1, furthest + 1, furthest // 6))
    axes.set_xlim(0.7, furthest + 0.3)
    axes.set_xlabel("distance" if canvas.narrow else "distance: tokens back")
    axes.set_ylabel("weight λ" if canvas.narrow else "weight of the score, λ")
    name_ends(figure, axes, canvas, ends)
    return figure, _in_words(rows)


def _in_words(rows: Sequence[Distances]) -> str:
    said = []
    for row in rows:
        far = f" and {row.lambdas[-1]:.2f} at distance {len(row.lambdas)}" if len(row.lambdas) > 1 else ""
        said.append(f"{row.label} {row.lambdas[0]:.2f} at distance 1{far}")
    return f"The weight of a token's score in predicting the next token, against its distance: {'; '.join(said)}."


def data(rows: Sequence[Distances], _: Comparison) -> list[dict[str, Any]]:
    """A line for each point."""
    return [
        {"label": row.label, "distance": n, "weight": weight} for row in rows for n, weight in enumerate(row.lambdas, 1)
    ]


def table(rows: Sequence[Distances], _: Comparison) -> Table:
    """What each association saves of the unigram's bits, with its β and its λ."""
    lines = []
    for row in rows:
        saved = row.unigram_bits_per_token - row.bits_per_token
        numbers = (row.bits_per_token, row.unigram_bits_per_token, saved, row.exponent)
        lambdas = ", ".join(f"{weight:.2f}" for weight in row.lambdas).replace("-", MINUS)
        lines.append((row.label, [*(Cell(f"{number:.3f}") for number in numbers), Cell(lambdas)]))
    return Table("model", ("bits/token", "unigram", "saved", "β", "λ, nearest first"), lines)


section = Section(
    "distances",
    "Weights by distance",
    50,
    facts=tuple[Distances, ...],
    compute=compute,
    table=table,
    figure=figure,
    data=data,
)
