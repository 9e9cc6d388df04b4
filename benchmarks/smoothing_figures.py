"""The two figures of `smoothing.py`: the curves, and how far each is from Jelinek-Mercer (as Chen & Goodman plot).

Lines are named at their right ends. Their colours are Okabe & Ito's (2008), and no two have the same dash and marker,
so that they can be told apart without colour.
"""

from collections.abc import Sequence
from typing import Any

from lmzoo.report.canvas import Canvas

Results = dict[str, Any]
Curve = list[dict[str, Any]]  # the rows of one smoothing, by order
End = tuple[str, float, str]  # smoothing, height of its last point, what to write beside it

NAMES = {
    "ml": "maximum likelihood", "add-one": "add-one", "add-k": "add-k (best k)", "jelinek-mercer": "Jelinek–Mercer",
    "witten-bell": "Witten–Bell", "absolute": "absolute discounting", "katz": "Katz",
    "katz-cutoffs": "Katz with cut-offs", "kneser-ney": "Kneser–Ney", "modified-kneser-ney": "modified Kneser–Ney",
    "stupid-backoff": "stupid back-off", "classes": "200 word classes",
}  # fmt: skip
# Colour, dash and marker. Grey believes no shorter context, black is the baseline, green is Good & Turing's.
LOOKS = {
    "add-one": ("#777777", ":", "x"), "add-k": ("#777777", "-", "x"), "jelinek-mercer": ("#000000", "-", "s"),
    "witten-bell": ("#e69f00", "--", "^"), "absolute": ("#56b4e9", "-.", "D"), "katz": ("#009e73", "--", "v"),
    "katz-cutoffs": ("#009e73", ":", "<"), "kneser-ney": ("#0072b2", (0, (5, 1)), "X"),
    "modified-kneser-ney": ("#d55e00", "-", "o"), "classes": ("#cc79a7", (0, (1, 1)), "*"),
}  # fmt: skip
COUNTS_ONLY = ("add-one", "add-k")  # off every scale that shows the others
EMPHASIS = "modified-kneser-ney"
DODGE = 0.045  # orders, between the intervals of two lines at the same order


def headline(results: Results) -> tuple[str, str, int]:
    """What the text is measured in: its key in a score, its name, and the places worth printing."""
    if results["corpus"]["tokenizer"] in ("char", "byte"):
        return "bits_per_character", "bits per character", 3
    return "perplexity_per_token", "perplexity", 1


def per(results: Results) -> str:
    """What differences in bits are divided by, in words: a character is a token, where every token is one."""
    return "bits per character" if results["corpus"]["tokenizer"] == "char" else "bits per token"


def by_smoothing(results: Results) -> dict[str, Curve]:
    """{smoothing: its rows that have bits, by order}; those with a single one are no curve and are left out."""
    found: dict[str, Curve] = {}
    for row in sorted(results["rows"], key=lambda row: row["order"]):
        if row["test"] and row["smoothing"] in LOOKS:
            found.setdefault(row["smoothing"], []).append(row)
    return {name: found[name] for name in LOOKS if len(found.get(name, [])) > 1}


def curves(results: Results, canvas: Canvas) -> tuple[Any, str] | None:
    """The test text's perplexity, or bits per character, against order; the scale is logarithmic for perplexity.

    It shows what happens above the lowest order, where all are about alike and far above the rest: a note says where.
    """
    lines = by_smoothing(results)
    if not lines:
        return None
    key, unit, places = headline(results)
    heights = {name: [row["test"][key] for row in rows] for name, rows in lines.items()}
    figure, axes = _axes(canvas, results, f"{unit} of the test text", "lower is better")
    shown = [y for name, ys in heights.items() if name not in COUNTS_ONLY for y in ys[1:]]
    if key == "perplexity_per_token":
        axes.set_yscale("log")
        axes.set_ylim(min(shown) / 1.025, max(shown) * 1.25)
        _round_ticks(axes)
    else:
        axes.set_ylim(min(shown) - 0.06, max(shown) + 0.12)
    for name, rows in lines.items():
        _plot(axes, canvas, name, [row["order"] for row in rows], heights[name])
    _name_the_entering(axes, canvas, results["orders"][0], [ys[0] for ys in heights.values()])
    leaving = {name: ys for name, ys in heights.items() if ys[-1] > axes.get_ylim()[1]}
    _name_the_leaving(axes, canvas, leaving, results["orders"])
    ends = [(name, ys[-1], f"{NAMES[name]}  {ys[-1]:,.{places}f}") for name, ys in heights.items()]
    _name_the_ends(figure, axes, canvas, [end for end in ends if end[0] not in leaving], results["orders"][-1])
    return figure, f"{unit.capitalize()} of the test text against order: {_ends_in_words(ends)}."


def differences(results: Results, canvas: Canvas) -> tuple[Any, str] | None:
    """Bits per token above or below the baseline, with paired intervals, against order."""
    lines = {name: rows for name, rows in by_smoothing(results).items() if name not in COUNTS_ONLY}
    lines = {name: [row for row in rows if row["minus_baseline"]] for name, rows in lines.items()}
    if not any(lines.values()):
        return None
    title = f"{per(results)} above or below {NAMES[results['baseline']]}"
    figure, axes = _axes(canvas, results, title, "below is better; bars are paired 95 % intervals")
    ends: list[End] = []
    for i, (name, rows) in enumerate(lines.items()):
        y = [row["minus_baseline"]["delta"] for row in rows]
        shift = (i - (len(lines) - 1) / 2) * DODGE if name != results["baseline"] else 0
        _plot(axes, canvas, name, [row["order"] + shift for row in rows], y)
        for row in rows:
            if row["minus_baseline"]["interval"] and name != results["baseline"]:
                x, span = [row["order"] + shift] * 2, row["minus_baseline"]["interval"]
                axes.plot(x, span, color=LOOKS[name][0], linewidth=canvas.font / 9, zorder=2)
        ends.append((name, y[-1], f"{NAMES[name]}  {signed(y[-1])}" if name != results["baseline"] else NAMES[name]))
    axes.margins(y=0.05)
    axes.autoscale_view(scalex=False)  # now, since names are placed in pixels
    _name_the_ends(figure, axes, canvas, ends, results["orders"][-1] + len(lines) / 2 * DODGE)
    return figure, f"{title[0].upper()}{title[1:]}, against order: {_ends_in_words(ends)}."


def signed(number: float, places: int = 3) -> str:
    """'+0.012', '−0.012', and '0.000' for what is nothing at these places."""
    text = f"{number:+.{places}f}".replace("-", "\N{MINUS SIGN}")
    return text if float(f"{number:.{places}f}") else text[1:]


def _axes(canvas: Canvas, results: Results, title: str, hint: str) -> tuple[Any, Any]:
    """White, without a box, with room for names at the right; what is measured stands above, where it is read."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(canvas.width, canvas.width * 0.6), facecolor="white")
    left, right = (canvas.font * letters / 72 / canvas.width for letters in (3.4, 16.2))
    axes = figure.add_axes((left, 0.125, 1 - left - right, 0.735))
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=canvas.font * 0.9)
    orders = results["orders"]
    axes.set_xticks(orders)
    axes.set_xlim(orders[0] - 0.25, orders[-1] + 0.25)
    axes.set_xlabel("order: tokens in the longest n-gram", size=canvas.font)
    figure.text(0.015, 0.98, title[0].upper() + title[1:], size=canvas.font * 1.1, weight="bold", va="top")
    figure.text(0.015, 0.925, f"{results['corpus']['title']}; {hint}", size=canvas.font * 0.86, va="top")
    return figure, axes


def _round_ticks(axes: Any) -> None:
    """On a logarithmic scale, the round numbers that are in sight."""
    from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

    low, high = axes.get_ylim()
    steps = (1, 1.2, 1.4, 1.6, 1.8, 2, 2.2, 2.5, 3, 4, 5, 6, 7) if high / low < 20 else (1, 2, 5)
    round_ones = [step * 10**power for power in range(7) for step in steps]
    axes.yaxis.set_major_locator(FixedLocator([tick for tick in round_ones if low <= tick <= high]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.4g}"))


def _plot(axes: Any, canvas: Canvas, name: str, x: Sequence[float], y: Sequence[float]) -> None:
    colour, dash, marker = LOOKS[name]
    axes.plot(x, y, color=colour, linestyle=dash, marker=marker, zorder=4 if name == EMPHASIS else 3,
              linewidth=canvas.font / (4.5 if name == EMPHASIS else 7), markersize=canvas.font / 2.2)  # fmt: skip


def _name_the_entering(axes: Any, canvas: Canvas, order: int, heights: Sequence[float]) -> None:
    """Where the lines come from, if that is above the top: all of them from about one place."""
    if min(heights) > axes.get_ylim()[1]:
        low, high = _roughly(min(heights)), _roughly(max(heights))
        axes.annotate(f"↑ {low}" if low == high else f"↑ {low}\nto {high}", (order - 0.2, 1), (0, -canvas.font * 0.2),
                      xycoords=("data", "axes fraction"), textcoords="offset points", va="top",
                      size=canvas.font * 0.86)  # fmt: skip


def _roughly(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.2f}"


def _name_the_leaving(axes: Any, canvas: Canvas, leaving: dict[str, list[float]], orders: Sequence[int]) -> None:
    """Lines that leave through the top are named beside where the last one does, with where they end."""
    from matplotlib.transforms import offset_copy

    top, above = axes.get_ylim()[1], axes.get_xaxis_transform()  # x in orders, y = 1 at the top of the axes
    exits = [max(n for n, y in zip(orders, [0, *ys[1:]], strict=False) if y <= top) + 0.9 for ys in leaving.values()]
    for i, (name, ys) in enumerate(sorted(leaving.items(), key=lambda item: -item[1][-1])):
        at = offset_copy(above, axes.figure, y=-canvas.font * (0.7 + 1.3 * i), units="points")
        colour, dash, marker = LOOKS[name]
        x = [max(exits), max(exits) + 0.2, max(exits) + 0.4]
        axes.plot(x, [1, 1, 1], transform=at, color=colour, linestyle=dash, marker=marker,
                  markevery=[1], linewidth=canvas.font / 7, markersize=canvas.font / 2.2)  # fmt: skip
        axes.text(x[-1] + 0.1, 1, f"{NAMES[name]} ↑ {_roughly(ys[-1])} at order {orders[-1]}", transform=at,
                  size=canvas.font * 0.86, color=_darker(colour), va="center")  # fmt: skip


def _name_the_ends(figure: Any, axes: Any, canvas: Canvas, ends: Sequence[End], last: float) -> None:
    """Names beside the right ends of lines, pushed apart where they would overlap, each tied to its line."""
    size = canvas.font * 0.86
    bottom, top = axes.get_window_extent().y0, axes.get_window_extent().y1
    ordered = sorted(ends, key=lambda end: end[1])
    wanted = [float(axes.transData.transform((last, y))[1]) for _, y, _ in ordered]
    for (name, _, text), line, label in zip(
        ordered, wanted, spread(wanted, size * 1.32 * figure.dpi / 72, bottom, top), strict=True
    ):
        ends_at, named_at = ((pixel - bottom) / (top - bottom) for pixel in (line, label))
        start = axes.transAxes.inverted().transform(axes.transData.transform((last, 1)))[0] + 0.015
        axes.plot([start, 1.045], [ends_at, named_at], transform=axes.transAxes, color=LOOKS[name][0], linewidth=1,
                  clip_on=False)  # fmt: skip
        axes.text(1.055, named_at, text, transform=axes.transAxes, size=size, color=_darker(LOOKS[name][0]),
                  va="center", weight="bold" if name == EMPHASIS else "normal")  # fmt: skip


def spread(wanted: Sequence[float], gap: float, bottom: float, top: float) -> list[float]:
    """Heights as near to those `wanted` (rising) as lets each be `gap` above the one before, from `bottom` to `top`.

    Neighbours that are too close become one block around their mean (pool adjacent violators); the ends then push.
    """
    blocks: list[list[float]] = []  # the heights wanted, each less the room that those below it in the block take
    for y in wanted:
        blocks.append([y])
        while len(blocks) > 1 and _mean(blocks[-2]) + len(blocks[-2]) * gap > _mean(blocks[-1]):
            above = blocks.pop()
            blocks[-1] += [y - len(blocks[-1]) * gap for y in above]
    placed = [_mean(block) + i * gap for block in blocks for i in range(len(block))]
    placed = [max(y, bottom + i * gap) for i, y in enumerate(placed)]
    return [min(y, top - i * gap) for i, y in enumerate(placed[::-1])][::-1]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _darker(colour: str) -> str:
    """Text is thinner than a line: the light ones of the palette need to be darker to be read on white."""
    dark = {
        "#e69f00": "#8f5f00",
        "#56b4e9": "#1a6fa0",
        "#cc79a7": "#9a4574",
        "#009e73": "#00734f",
        "#777777": "#666666",
    }
    return dark.get(colour, colour)


def _ends_in_words(ends: Sequence[End]) -> str:
    return ", ".join(" ".join(text.split()) for _, _, text in sorted(ends, key=lambda end: end[1]))
