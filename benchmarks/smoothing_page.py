"""The page of `smoothing.py`: its tables, two figures drawn with the parts of `lmzoo.report`, and results.json."""

import json
import re
from collections.abc import Callable, Iterable
from itertools import cycle
from pathlib import Path
from typing import Any

from lmzoo.drafts import write_atomically
from lmzoo.report import canvas
from lmzoo.report.labels import name_ends

Row = dict[str, Any]
Results = dict[str, Any]

PUBLISHED = Path(__file__).with_name("smoothing_published.json")
NAMES = {
    "ml": "maximum likelihood", "add-one": "add-one", "add-k": "add-k (best k)", "jelinek-mercer": "Jelinek–Mercer",
    "witten-bell": "Witten–Bell", "absolute": "absolute discounting", "katz": "Katz",
    "katz-cutoffs": "Katz with cut-offs", "kneser-ney": "Kneser–Ney", "modified-kneser-ney": "modified Kneser–Ney",
    "stupid-backoff": "stupid back-off", "classes": "200 word classes",
}  # fmt: skip
NOT_DRAWN = ("ml", "add-one", "add-k", "stupid-backoff")  # without bits, or far above every other
NOTES = (
    "add-k: the k chosen on the validation text, by order: {ks}. Like add-one it uses the longest context only, and "
    "gives the mass of unseen tokens to all of them alike.",
    "Jelinek–Mercer: one weight for each order and size of the context's count, fitted by EM on the validation text. "
    "Its validation figure is therefore too good, and it is not among those chosen from.{refit}",
    "Katz: Good–Turing discounts for counts up to 7. With cut-offs, n-grams of three and more tokens that were seen "
    "once are dropped, as SRILM does by default; in all other rows nothing is dropped.",
    "200 word classes (Brown et al. 1992), found by exchange: modified Kneser–Ney over classes.",
)
REFIT = (
    " As in all rows the final counts are of training and validation text, with the same weights; validation figures "
    "are of the models before that."
)


def write(folder: Path, results: Results) -> None:
    """Write the report into `folder`."""
    pictures = {
        "curves": canvas.picture(lambda size: curves(results, size)),
        "differences": canvas.picture(lambda size: differences(results, size)),
    }
    images = {}
    for name, picture in pictures.items():
        if picture:
            images[name] = f"![{picture.alt}]({name}.png)"
            write_atomically(folder / f"{name}.png", picture.png)
            write_atomically(folder / f"{name}.svg", picture.wide)
    write_atomically(folder / "results.json", (json.dumps(results, indent=1, ensure_ascii=False) + "\n").encode())
    write_atomically(folder / "README.md", page(results, images).encode())


def page(results: Results, images: dict[str, str]) -> str:
    """The README: the result, figures, tables, and how to make them again."""
    test = next(row["test"] for row in results["rows"] if row["test"])
    base, unit = NAMES[results["baseline"]], headline(results)[1]
    parts = [
        f"# Smoothing × order: {results['corpus']['title']}",
        finding(results),
        images.get("curves", ""),
        f"## {unit.capitalize()} of the test text",
        f"The test text has {test['characters']:,} characters and {test['tokens']:,} tokens"
        f"{', line ends included' if results['corpus']['protocol'] == 'lines' else ''}. Bold is the best of its order; "
        "settings were chosen on validation text. The figure begins above the lowest order, where all are alike.",
        matrix(results, figure_cell(results)),
        footnotes(results),
        f"## Difference from {base}",
        f"Cross-entropy less that of {base} at the same order, in bits per token, as in Chen & Goodman (1998): below "
        "zero is better. Each difference has its paired 95 % interval; where that contains zero, this text cannot tell "
        "the two apart.",
        images.get("differences", ""),
        matrix(results, lambda row: difference(row.get("minus_baseline")), without=(*NOT_DRAWN, results["baseline"])),
        beside_others(results),
        "## Every figure",
        every_figure(results),
        "## How this was made",
        making(results),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def headline(results: Results) -> tuple[str, str, int]:
    """What the report is about: its key in a score, its name, and the decimals worth printing."""
    if results["corpus"]["tokenizer"] in ("char", "byte"):
        return "bits_per_character", "bits per character", 3
    return "perplexity_per_token", "perplexity", 1


def finding(results: Results) -> str:
    """The smoothing and order that the validation text chooses, and whether the longest order still helps."""
    rows = {(row["smoothing"], row["order"]): row for row in results["rows"]}
    name, order = results["chosen"]["smoothing"], results["chosen"]["order"]
    chosen, (key, unit, places) = rows[name, order], headline(results)
    text = (
        f"The validation text chooses {NAMES[name]} at order {order}: **{chosen['test'][key]:.{places}f} {unit}** on "
    )
    text += f"the test text, {difference(chosen['minus_baseline'])} bits per token beside {NAMES[results['baseline']]}."
    last = rows[name, results["orders"][-1]]
    if last["test"] and last["minus_shorter"]:
        text += f" The last order changes its bits per token by {difference(last['minus_shorter'], 4)}."
    return text


def matrix(results: Results, cell: Callable[[Row], str], without: Iterable[str] = ()) -> str:
    """A line for each smoothing, a column for each order."""
    rows = {(row["smoothing"], row["order"]): row for row in results["rows"]}
    names = [name for name in dict.fromkeys(name for name, _ in rows) if name not in without]
    lines = [[NAMES[name], *(cell(rows[name, order]) for order in results["orders"])] for name in names]
    return table(["smoothing", *map(str, results["orders"])], lines)


def table(head: list[str], lines: Iterable[list[str]]) -> str:
    """Markdown; all columns but the first are numbers."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, rule, *lines])


def figure_cell(results: Results) -> Callable[[Row], str]:
    """Writes a row's figure, bold if it is the best of its order, or a dash with its note."""
    (key, _, places), reasons = headline(results), failures(results)

    def cell(row: Row) -> str:
        if not row["test"]:
            return f"– [{reasons.index(failure(row)) + 1}]"
        figure = f"{row['test'][key]:,.{places}f}"
        return f"**{figure}**" if row["minus_best"]["delta"] == 0 else figure

    return cell


def difference(values: Row | None, places: int = 3) -> str:
    """'−0.231 (−0.240 to −0.222)', or nothing."""
    if not values:
        return ""
    low_high = " to ".join(signed(bits, places) for bits in values["interval"])
    return signed(values["delta"], places) + (f" ({low_high})" if low_high else "")


def signed(number: float, places: int = 3) -> str:
    """'+0.012', '−0.012', and '0.000' for what rounds to zero."""
    text = f"{number:+.{places}f}".replace("-", "\N{MINUS SIGN}")
    return text if float(f"{number:.{places}f}") else text[1:]


def failure(row: Row) -> str:
    """Why a row has no bits, without what differs from order to order."""
    text = re.sub(r"gives token .* a probability", "gives a token of this text a probability", row["error"])
    return re.sub(r" \([^)]*\)|, and the same to \d+ more", "", text).split(": ")[0]


def failures(results: Results) -> list[str]:
    """The distinct reasons why rows have no bits."""
    return list(dict.fromkeys(failure(row) for row in results["rows"] if row["error"]))


def footnotes(results: Results) -> str:
    """Why there are dashes, how settings were chosen, and where counts were too few for an estimate."""
    lines = [f"[{number}] No bits: {text}." for number, text in enumerate(failures(results), start=1)]
    ks = ", ".join(f"{row['k']:g}" for row in results["rows"] if row["k"])
    lines += [note.format(ks=ks, refit=REFIT * results["corpus"]["refit"]) for note in NOTES]
    remarks: dict[str, dict[str, None]] = {}
    for row in results["rows"]:
        for remark in row["remarks"] if row["test"] else []:
            remarks.setdefault(remark, {})[NAMES[row["smoothing"]]] = None
    return "\n".join(f"- {line}" for line in [*lines, *(f"{', '.join(who)}: {what}." for what, who in remarks.items())])


def every_figure(results: Results) -> str:
    """A line for each row with its figures, size and seconds."""
    head = ["smoothing", "order", "k", "validation ppl", "test ppl", "95 % interval", "ppl/word", "bits/char"]
    head += ["95 % interval", "n-grams", "MB", "fit s"]
    return table(head, [[NAMES[row["smoothing"]], str(row["order"]), *_figures(row)] for row in results["rows"]])


def _figures(row: Row) -> list[str]:
    test = row["test"]
    cost = [f"{row['size']:,}", f"{row['bytes'] / 1e6:.1f}"] if row["size"] else ["–", "–"]
    cost.append(f"{row['fit_seconds']:.2f}" if row["fit_seconds"] else "–")
    if not test:
        return ["", *["–"] * 6, *cost]
    perplexities = " to ".join(f"{2**bits:,.1f}" for bits in test["interval"] or []) or "–"
    bits = " to ".join(f"{bits:.3f}" for bits in test["interval_per_character"] or []) or "–"
    word = f"{test['perplexity_per_word']:,.1f}" if test["perplexity_per_word"] else "–"
    figures = [f"{row['k']:g}" if row["k"] else "", f"{row['valid']['perplexity_per_token']:,.2f}"]
    figures += [f"{test['perplexity_per_token']:,.2f}", perplexities, word, f"{test['bits_per_character']:.4f}", bits]
    return [*figures, *cost]


def beside_others(results: Results) -> str:
    """Figures of the literature and of KenLM for this corpus, beside ours."""
    published = json.loads(PUBLISHED.read_text(encoding="utf-8")).get(results["corpus"]["name"], {"rows": []})
    rows = {(row["smoothing"], row["order"]): row["test"] for row in results["rows"]}
    lines = []
    for theirs in published["rows"]:
        if test := rows.get((theirs["smoothing"], theirs["order"])):
            places = len(theirs["figure"].partition(".")[2])
            ours = test[published["unit"]]
            figures = [theirs["figure"], f"{ours:.{places}f}", signed(ours - float(theirs["figure"]), places)]
            lines.append([theirs["who"], NAMES[theirs["smoothing"]], str(theirs["order"]), *figures])
    if not lines:
        return ""
    head = ["who", "smoothing", "order", "theirs", "here", "difference"]
    notes = "\n".join(f"- {note}" for note in published["notes"])
    return f"## Beside others' figures\n\n{table(head, lines)}\n\n{notes}"


def making(results: Results) -> str:
    """The command and everything that its figures depend on."""
    text = results["corpus"]
    trained = "training and validation text, once settings were chosen" if text["refit"] else "the training text"
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    lines = [
        f"commit {results['commit'] or 'unknown'}, {results['date']}",
        results["machine"],
        versions,
        f"{text['name']}: {text['split']}; trained on {trained} ({text['tokens']['final']:,} tokens)",
        f"tokenizer {text['tokenizer']} (V = {text['vocab_size']:,}), protocol {text['protocol']}; "
        f"sha256 of the test text {text['sha256']['test']}",
        f"fit s: the median of {results['repeats']} fits on the training text, in memory, on a shared machine: good "
        "for ratios; MB: of the arrays that scoring needs",
    ]
    return f"```\n{results['command']}\n```\n\n" + "\n".join(f"- {line}" for line in lines)


# ── Figures ───────────────────────────────────────────────────────────────────────────────────────


def curves(results: Results, size: canvas.Canvas) -> canvas.Drawing | None:
    """The headline figure of each smoothing against order, above the lowest order; perplexity is logarithmic."""
    key, unit, places = headline(results)
    orders = results["orders"][1:] if len(results["orders"]) > 2 else results["orders"]
    scale = "log" if key == "perplexity_per_token" else "linear"
    title = f"{unit} of the test text"
    return draw(results, size, orders, lambda row: row["test"][key], title, f",.{places}f", scale)


def differences(results: Results, size: canvas.Canvas) -> canvas.Drawing | None:
    """Bits per token above or below the baseline against order."""
    title = f"bits per token above or below {NAMES[results['baseline']]}"
    return draw(results, size, results["orders"], lambda row: (row["minus_baseline"] or {}).get("delta"), title, "+.3f")


def draw(
    results: Results,
    size: canvas.Canvas,
    orders: Iterable[int],
    height: Callable[[Row], Any],
    title: str,
    spec: str,
    scale: str = "linear",
) -> canvas.Drawing | None:
    """A curve of `height` against order for each smoothing, named at its end."""
    lines: dict[str, list[tuple[int, float]]] = {}
    for row in results["rows"]:
        if row["test"] and row["order"] in orders and row["smoothing"] not in NOT_DRAWN and height(row) is not None:
            lines.setdefault(row["smoothing"], []).append((row["order"], height(row)))
    if not lines:
        return None
    figure, axes = canvas.bare_axes(size, canvas.curve_height(size, 0.52, len(lines)))
    axes.set_yscale(scale)
    axes.tick_params(which="both", labelsize=size.font * 0.9)
    ends = []
    for i, ((name, points), (marker, dash)) in enumerate(zip(lines.items(), cycle(canvas.strokes()), strict=False)):
        colour = canvas.shade(canvas.colour("count"), i)
        axes.plot(*zip(*points, strict=True), dash, color=colour, marker=marker, linewidth=size.font / 6,
                  markersize=size.font / 2.2)  # fmt: skip
        ends.append((points[-1][1], f"{canvas.MARKERS[marker]} {NAMES[name]}", colour))
    axes.set_xticks(sorted({order for points in lines.values() for order, _ in points}))
    axes.set_xlabel("order: tokens of an n-gram")
    axes.set_ylabel(title)
    axes.yaxis.set_major_formatter(f"{{x:{'+' if '+' in spec else ','}g}}")
    axes.yaxis.set_minor_formatter("{x:g}")
    name_ends(figure, axes, size, ends)
    ordered = ", ".join(f"{name[2:]} {value:{spec}}" for value, name, _ in sorted(ends))
    return figure, f"{title[0].upper()}{title[1:]} against order, at the highest order: {ordered}."
