"""What `smoothing.py` measured as a page to read: README.md with findings, tables and figures, and results.json."""

import json
import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from smoothing_figures import COUNTS_ONLY, LOOKS, NAMES, Results, curves, differences, headline, per, signed
from smoothing_findings import findings

from lmzoo.data.download import write_atomically
from lmzoo.report import canvas

Row = dict[str, Any]

PUBLISHED = Path(__file__).with_name("smoothing_published.json")
DASH = "–"


def write(folder: Path, results: Results) -> None:
    """Write the report into `folder`."""
    drawings = {"curves": curves, "differences": differences}
    pictures = {name: canvas.picture(partial(draw, results)) for name, draw in drawings.items()}
    for name, picture in pictures.items():
        if picture:
            write_atomically(folder / f"{name}.png", picture.png)
            write_atomically(folder / f"{name}.svg", picture.wide)
    alts = {name: picture.alt for name, picture in pictures.items() if picture}
    write_atomically(folder / "results.json", (json.dumps(results, indent=1, ensure_ascii=False) + "\n").encode())
    write_atomically(folder / "README.md", page(results, alts).encode())


def page(results: Results, alts: dict[str, str]) -> str:
    """The README: what was found, what it looks like, all figures, and how to make them again."""
    base = NAMES[results["baseline"]]
    parts = [
        f"# Smoothing × order: {results['corpus']['title']}",
        " ".join(findings(results)),
        picture("curves", alts),
        f"## {headline(results)[1].capitalize()} of the test text",
        _of_what(results),
        matrix(results, figure_cell(results)),
        footnotes(results),
        f"## Difference from {base}",
        f"Cross-entropy less that of {base} at the same order, in {per(results)}, as Chen & Goodman (1998) plot it: "
        "below zero is better. Behind each difference its paired 95 % interval, from the same blocks of 2,000 "
        "characters resampled 9,999 times; where it contains zero, this text cannot tell the two apart.",
        picture("differences", alts),
        matrix(results, difference_cell),
        beside_others(results),
        "## Every figure",
        every_figure(results),
        remarks(results),
        "## How this was made",
        making(results),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _of_what(results: Results) -> str:
    """What the figures of the table are divided by."""
    test = next(row["test"] for row in results["rows"] if row["test"])
    counts = f"{test['characters']:,} characters, {test['tokens']:,} tokens"
    lines = ", line ends among them" if results["corpus"]["protocol"] == "lines" else ""
    return f"The test text has {counts}{lines}. Bold is the best of its order; settings were chosen on validation text."


def picture(name: str, alts: dict[str, str]) -> str:
    return f"![{alts[name]}]({name}.png)" if name in alts else ""


# ── Tables ────────────────────────────────────────────────────────────────────────────────────────


def matrix(results: Results, cell: Callable[[Row], str]) -> str:
    """A smoothing a line, an order a column."""
    rows = {(row["smoothing"], row["order"]): row for row in results["rows"]}
    names = dict.fromkeys(name for name, _ in rows)
    lines = [[NAMES[name], *(cell(rows[name, order]) for order in results["orders"])] for name in names]
    lines = [line for line in lines if any(set(line[1:]) - {""})]
    return table(["smoothing", *map(str, results["orders"])], lines)


def table(head: list[str], lines: Iterable[list[str]]) -> str:
    """Markdown; all columns but the first are numbers."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, rule, *lines])


def figure_cell(results: Results) -> Callable[[Row], str]:
    """Writes a row's figure, bold where it is the best of its order, or a dash with its note."""
    key, _, places = headline(results)
    notes = noted(results)

    def cell(row: Row) -> str:
        if not row["test"]:
            return f"{DASH} [{notes[reason(row)]}]"
        figure = f"{row['test'][key]:,.{places}f}"
        return f"**{figure}**" if row["minus_best"]["delta"] == 0 else figure

    return cell


def difference_cell(row: Row) -> str:
    """'−0.231 (−0.240 to −0.222)'; nothing for a row without one, and for the rules that no scale can show."""
    difference = row.get("minus_baseline")
    if not difference or row["smoothing"] in COUNTS_ONLY or row["smoothing"] not in LOOKS:
        return ""
    if row["smoothing"] == "jelinek-mercer":
        return "0"
    span = " ({} to {})".format(*map(signed, difference["interval"])) if difference["interval"] else ""
    return signed(difference["delta"]) + span


def every_figure(results: Results) -> str:
    head = [
        "smoothing",
        "order",
        "k",
        "validation ppl",
        "test ppl",
        "95 % interval",
        "ppl/word",
        "bits/char",
        "95 % interval",
    ]
    head += ["n-grams", "MB", "fit s"]
    return table(head, [[NAMES[row["smoothing"]], str(row["order"]), *_figures(row)] for row in results["rows"]])


def _figures(row: Row) -> list[str]:
    test = row["test"]
    size = [f"{row['size']:,}", f"{row['bytes'] / 1e6:.1f}"] if row["size"] else [DASH] * 2
    cost = [*size, f"{row['fit_seconds']:.2f}" if row["fit_seconds"] else DASH]
    if not test:
        return ["", *[DASH] * 6, *cost]
    ppl = _span(test["interval"], lambda b: f"{2**b:,.1f}")
    bits = _span(test["interval_per_character"], lambda b: f"{b:.3f}")
    word = f"{test['perplexity_per_word']:,.1f}" if test["perplexity_per_word"] else DASH
    k = f"{row['k']:g}" if row["k"] else ""
    perplexities = [f"{row[split]['perplexity_per_token']:,.2f}" for split in ("valid", "test")]
    return [k, *perplexities, ppl, word, f"{test['bits_per_character']:.4f}", bits, *cost]


def _span(interval: list[float] | None, text: Callable[[float], str]) -> str:
    return " to ".join(map(text, interval)) if interval else DASH


# ── Notes ─────────────────────────────────────────────────────────────────────────────────────────


def reason(row: Row) -> str:
    """Why a row has no bits, without what differs from order to order."""
    text = re.sub(r"gives token .* a probability", "gives a token of this text a probability", row["error"])
    return re.sub(r" \([^)]*\)|, and the same to \d+ more", "", text).split(": ")[0]


def noted(results: Results) -> dict[str, int]:
    """The reasons for dashes, numbered."""
    reasons = dict.fromkeys(reason(row) for row in results["rows"] if row["error"])
    return {text: number for number, text in enumerate(reasons, 1)}


def footnotes(results: Results) -> str:
    """Why there are dashes, and what a reader has to know of those that were given a hand."""
    lines = [f"- [{number}] No bits: {text}." for text, number in noted(results).items()]
    chosen = [f"{row['k']:g}" for row in results["rows"] if row["k"]]
    lines += [
        f"- add-k: the k chosen on the validation text, by order: {', '.join(chosen)}. Like add-one it believes the "
        "longest context alone, and gives what it has not seen to all tokens alike.",
        "- Jelinek–Mercer: one weight for each order and size of the context's count, fitted by EM on the validation "
        "text, so its validation figure flatters it and is not among those chosen from."
        + (_REFIT if results["corpus"]["refit"] else ""),
        "- Katz: Good–Turing discounts for counts up to 7. With cut-offs, n-grams of three and more tokens that were "
        "seen once are dropped, as SRILM does by default; in all other rows nothing is dropped.",
    ]
    classes = [row for row in results["rows"] if row["smoothing"] == "classes" and row["test"]]
    if classes:
        lines.append("- 200 word classes (Brown et al. 1992), found by exchange: modified Kneser–Ney over classes.")
    return "\n".join(lines)


def remarks(results: Results) -> str:
    """What fits had to do otherwise, each once."""
    said: dict[str, list[str]] = {}
    for row in results["rows"]:
        for remark in row["remarks"] if row["test"] else []:
            said.setdefault(remark, []).append(NAMES[row["smoothing"]])
    lines = [f"- {', '.join(dict.fromkeys(names))}: {remark}." for remark, names in said.items()]
    return "\n".join(["## Where counts were too few", "", *lines]) if lines else ""


_REFIT = (
    " As for all rows the counts were then taken again from training and validation text, and the weights stayed; "
    "validation figures are from before that."
)


def beside_others(results: Results) -> str:
    """Our figures beside those of the literature and of KenLM, where there are any for this corpus."""
    published = json.loads(PUBLISHED.read_text(encoding="utf-8")).get(results["corpus"]["name"])
    rows = {(row["smoothing"], row["order"]): row["test"] for row in results["rows"]}
    lines = []
    for theirs in published["rows"] if published else []:
        test = rows.get((theirs["smoothing"], theirs["order"]))
        if test:
            places = len(theirs["figure"].partition(".")[2])
            ours = test[published["unit"]]
            compared = [theirs["figure"], f"{ours:.{places}f}", signed(ours - float(theirs["figure"]), places)]
            lines.append([theirs["who"], NAMES[theirs["smoothing"]], str(theirs["order"]), *compared])
    if not lines:
        return ""
    head = ["who", "smoothing", "order", "theirs", "here", "difference"]
    notes = "\n".join(f"- {note}" for note in published["notes"])
    return f"## Beside others' figures\n\n{table(head, lines)}\n\n{notes}"


def making(results: Results) -> str:
    """The command and everything that its figures depend on."""
    corpus = results["corpus"]
    trained = "training and validation text, once settings were chosen" if corpus["refit"] else "the training text"
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    return "\n".join(
        [
            f"```\n{results['command']}\n```\n",
            f"- commit {results['commit'] or 'unknown'}, {results['date']}",
            f"- {results['machine']}",
            f"- {versions}",
            f"- {corpus['name']}: {corpus['split']}; trained on {trained} ({corpus['tokens']['final']:,} tokens)",
            f"- tokenizer {corpus['tokenizer']} (V = {corpus['vocab_size']:,}), protocol {corpus['protocol']}; "
            f"sha256 of the test text {corpus['sha256']['test']}",
            f"- fit s: the median of {results['repeats']} fits on the training text, in memory, on a shared machine: "
            "good for ratios; MB: of the arrays that scoring needs",
        ]
    )
