"""The figure of the section "What is learned when", and the facts that it shows."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from lmzoo.comparison.results import Comparison, Interval, OfModel
from lmzoo.report.canvas import SOURCE, SOURCE_LINE, Canvas, Drawing, colour, log_counts, new_figure, short
from lmzoo.report.labels import name_ends
from lmzoo.report.table import amount

PROBES = "probes"  # the group of what a linear classifier reads off a model's vectors, which n-grams do not have
HUES = ("#1b7f79", "#b3770b", "#6a51a3", "#b3123f", "#555555")  # of the groups, in their order
MARKS = ("o", "s", "^", "D", "v")


@dataclass(frozen=True)
class Group:
    """Phenomena that are learned alike; what guessing scores in them, and what the source of the text does."""

    name: str
    phenomena: tuple[str, ...]
    items: int
    chance: float
    ceiling: float

    def way(self, accuracy: float) -> float:
        """The share of the way from guessing to the source."""
        return (accuracy - self.chance) / (self.ceiling - self.chance)


@dataclass(frozen=True)
class Grade:
    """The mean accuracy in the phenomena of a group with its 95 % interval (Wilson's), and that in each of them."""

    accuracy: float
    interval: Interval
    phenomena: tuple[float, ...]


@dataclass(frozen=True)
class Point:
    """A model that has read so many tokens: bits per character, and a grade in each group where it has one."""

    tokens: int
    bits_per_character: float
    grades: tuple[Grade | None, ...]


@dataclass(frozen=True, kw_only=True)
class Curve(OfModel):
    """A model at its points, few tokens first."""

    title: str  # its label without the settings
    family: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Arrival:
    """The curves, n-grams first, then networks by year; and what each point was asked."""

    test: str  # "the grammar exam", "BLiMP", or "" where there is none
    groups: tuple[Group, ...]
    curves: tuple[Curve, ...]
    characters: int  # of the test text
    source: float | None  # bits per character on them of the source, where it is known


def graded(curve: Curve, place: int) -> list[tuple[int, Grade]]:
    """Tokens read, and the grade in the group at that place, wherever there is one."""
    return [(one.tokens, grade) for one in curve.points if (grade := one.grades[place])]


def half(curve: Curve, group: Group, place: int) -> float | None:
    """Tokens read when a model was first halfway from guessing to the source, between points on a log scale.

    None where it never is. `place` is the group's among the grades.
    """
    ways = [(n, group.way(grade.accuracy)) for n, grade in graded(curve, place)]
    if ways and ways[0][1] >= 0.5:
        return float(ways[0][0])
    for (before, low), (after, high) in pairwise(ways):
        if high >= 0.5:
            return float(before * (after / before) ** ((0.5 - low) / (high - low)))
    return None


def figure(facts: Arrival, comparison: Comparison, canvas: Canvas) -> Drawing | None:  # noqa: ARG001
    """Above, a panel for each model with a line for each group, n-grams first; below, bits of all models."""
    across = 2 if canvas.narrow else len(facts.curves)
    rows = -(-len(facts.curves) // across) if facts.groups else 0
    heights = [canvas.width * (0.5 * rows if canvas.narrow else 0.27)] * bool(rows)
    heights.append(canvas.width * (0.62 if canvas.narrow else 0.2))
    figure = new_figure(canvas.width, canvas.tall(sum(heights)))
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    if rows:
        panels = parts[0].subplots(rows, across, sharex=True, sharey=True, squeeze=False)
        for axes, curve in zip(panels.flat, facts.curves, strict=False):
            _draw_knowledge(axes, canvas, curve, facts)
        for axes in panels.flat[len(facts.curves) :]:
            axes.set_visible(False)
        handles, names = panels.flat[len(facts.curves) - 1].get_legend_handles_labels()
        parts[0].legend(handles, names, loc="outside upper center", ncols=2 if canvas.narrow else len(names),
                        fontsize=canvas.font, frameon=False, handlelength=1.6, columnspacing=1.4)  # fmt: skip
    _draw_bits(figure, parts[-1].subplots(), canvas, facts)
    return figure, _in_words(facts)


def _draw_knowledge(axes: Any, canvas: Canvas, curve: Curve, facts: Arrival) -> None:
    """A model's way from guessing to the source in each group, with 95 % intervals as bands."""
    for place, (group, hue, mark) in enumerate(zip(facts.groups, HUES, MARKS, strict=False)):
        if not (known := graded(curve, place)):
            continue
        x, grades = [tokens for tokens, _ in known], [grade for _, grade in known]
        low, high = ([group.way(grade.interval[end]) for grade in grades] for end in (0, 1))
        axes.fill_between(x, low, high, color=hue, alpha=0.18, linewidth=0)
        axes.plot(x, [group.way(grade.accuracy) for grade in grades], color=hue, marker=mark, label=group.name,
                  linestyle="--" if group.name == PROBES else "-",
                  linewidth=canvas.font / 6, markersize=canvas.font / 2.5)  # fmt: skip
    axes.axhline(1, **SOURCE_LINE, linewidth=1, zorder=1)
    axes.axhline(0, color="#777777", linewidth=1, zorder=1)
    axes.set_title(short(curve.title, 15 if canvas.narrow else 17), fontsize=canvas.font, parse_math=False)
    _log_tokens(axes, canvas)
    axes.set_ylim(-0.15, 1.1)
    axes.set_yticks([0, 0.5, 1], ["guessing", "half way", "source" if facts.source is not None else "perfect"])


def _draw_bits(figure: Any, axes: Any, canvas: Canvas, facts: Arrival) -> None:
    """Bits per character of every model, and of the source."""
    ends = []
    for curve in facts.curves:
        x, y = [one.tokens for one in curve.points], [one.bits_per_character for one in curve.points]
        axes.plot(x, y, color=colour(curve.family), linewidth=canvas.font / 6, marker=".", zorder=3)
        ends.append((y[-1], curve.title, colour(curve.family)))
    if facts.source is not None:
        axes.axhline(facts.source, **SOURCE_LINE, linewidth=1, zorder=1)
        ends.append((facts.source, SOURCE, "#000000"))
    lowest = min(bits for bits, _, _ in ends)
    _log_tokens(axes, canvas)
    axes.set_xlim(right=1.05 * max(curve.points[-1].tokens for curve in facts.curves))
    axes.set_ylim(0.9 * lowest, 2.5 * lowest)  # what a beginner has would squeeze the rest
    axes.set_xlabel("tokens read", fontsize=canvas.font)
    axes.set_ylabel("bits per\ncharacter", fontsize=canvas.font)
    name_ends(figure, axes, canvas, ends)


def _log_tokens(axes: Any, canvas: Canvas) -> None:
    log_counts(axes, canvas)
    axes.tick_params(labelsize=canvas.size(0.85))
    axes.spines[["top", "right"]].set_visible(False)


def _in_words(facts: Arrival) -> str:
    said = []
    for curve in facts.curves:
        last = curve.points[-1]
        bits = f"{last.bits_per_character:.2f} bits per character after {amount(last.tokens)} tokens"
        when = [f"{group.name} {_when(half(curve, group, n))}" for n, group in enumerate(facts.groups)]
        said.append(f"{curve.label}: {', '.join([*when, bits])}")
    learned = f"{facts.test}: halfway from guessing to the source; and bits" if facts.test else "Bits"
    return f"{learned} against tokens read, on a logarithmic axis. {'; '.join(said)}."


def _when(tokens: float | None) -> str:
    return "never" if tokens is None else f"after {amount(tokens)} tokens"


def data(facts: Arrival, _: Comparison) -> list[dict[str, Any]]:
    """A line for each point: its bits, and the accuracy with its interval in each group."""
    lines = []
    for curve in facts.curves:
        for one in curve.points:
            line: dict[str, Any] = {"label": curve.label, "tokens": one.tokens}
            for group, grade in zip(facts.groups if one.grades else (), one.grades, strict=True):
                low, high = grade.interval if grade else (None, None)
                accuracy = grade and grade.accuracy
                line |= {group.name: accuracy, f"{group.name}, low": low, f"{group.name}, high": high}
            lines.append(line | {"bits per character": one.bits_per_character})
    return lines
