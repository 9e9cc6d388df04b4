"""A comparison as something to read: one page that loads nothing from outside, its figures, and its JSON.

    report.write(Path("reports/storyworld"), comparison)   # index.html, *.png, *.svg, results.json
    rich.print(report.table(comparison))                   # the same table in the terminal

A comparison is a plain dict (its shape is `results.json`'s): `corpus`, `rows`, and wherever there are any
`references`, `published`, `differences`, `orders`, `passages`, `samples`, and what `lmzoo.comparison.associations`
gives. Labels,
titles and samples are other people's text, so all of it is escaped by the template, stripped of control characters
and never trusted.

The page is a list of SECTIONS. To add one: a function here that returns what it shows (None leaves it out),
a figure in `lmzoo.report.canvas`, or both, its name in SECTIONS, and a macro of that name in `report.html.j2`.
"""

import base64
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmzoo.errors import UsageError
from lmzoo.report import (
    association_figures,
    canvas,
    context_figures,
    context_tables,
    curve_figures,
    heatmap,
    history_figures,
)
from lmzoo.report.canvas import family
from lmzoo.report.page_texts import EDGES, SCALE, passages, samples
from lmzoo.report.summary import (
    Comparison,
    Grid,
    amount,
    beside_pmi,
    cells,
    every_test,
    examined,
    finding,
    floor,
    gains,
    knowledge,
    nearest_words,
    notes_on,
    one_line,
    plain,
    ranked,
    references,
    signed,
    tested,
    verdicts,
    visible,
)
from lmzoo.report.table import citation

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Section:
    """A part of the page: its anchor (and macro), its heading, and what it shows, None being nothing.

    Its macro is given its figure, then its view, as far as it has those.
    """

    id: str
    title: str
    view: Callable[[Comparison], Any] | None = None
    figure: canvas.Drawing | None = None
    summary: Callable[[Comparison], Grid | None] | None = None  # what of it the README shows beside its figure


def write(folder: Path, comparison: Comparison) -> Path:
    """Write the report of `comparison` into `folder` (made if missing) and return the path of its index.html.

    Everything is drawn before anything is written, and every file is renamed into place, index.html last: an
    old report stays whole until the new one is. Raises ScoreError for a number that is NaN or infinite, and
    UsageError for a folder that cannot be written or a value that JSON cannot hold.
    """
    files = render(comparison)
    folder = Path(folder)
    try:
        _install(folder, files)
    except OSError as error:
        raise UsageError(f"cannot write the report into {folder}: {error.strerror or error}") from error
    return folder / "index.html"


def render(comparison: Comparison) -> dict[str, bytes]:
    """The report as {file name: content}, index.html last. The same comparison gives the same bytes."""
    comparison = plain(comparison)
    files = {"results.json": _json(comparison)}
    shown = []
    for section in SECTIONS:
        content: list[Any] = []
        if section.figure:
            picture = canvas.picture(section.figure, comparison)
            content.append(picture)
            if picture:
                files[f"{section.id}.png"] = picture.png
                files[f"{section.id}.svg"] = picture.wide
        if section.view:
            content.append(section.view(comparison))
        if any(content):
            shown.append((section, content))
    files["README.md"] = _summary(comparison, [section for section, _ in shown], set(files)).encode()
    files["index.html"] = _page(comparison, shown).encode()
    return files


def _summary(comparison: Comparison, shown: list[Section], files: set[str]) -> str:
    """The finding, the table, the figures and where it all comes from, as Markdown: what a repository shows."""
    view = cells(comparison)
    lines = []
    for found in view["lines"]:
        marks = "".join(f" [{mark}]" for mark in found["marks"])
        lines.append((one_line(found["row"]["label"]) + marks, [_cell(cell) for cell in found["cells"]]))
    notes = [f"{number}. {one_line(note)}" for number, note in enumerate(view["notes"], 1)]
    facts = {key: comparison.get(key) for key in ("command", "commit", "machine", "date")}
    facts["versions"] = ", ".join(f"{name} {version}" for name, version in (comparison.get("versions") or {}).items())
    parts = [
        f"# {one_line(comparison['title'])}",
        " ".join(finding(comparison)),
        _markdown([column.head for column in view["columns"]], lines),
        "\n".join(notes),
        *(part for section in shown for part in _summary_of(section, comparison, files)),
        "\n".join(f"- {key}: `{one_line(str(value))}`" for key, value in facts.items() if value),
        "The page is `index.html`, one file to open; `results.json` holds every figure and what it was divided by.",
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _summary_of(section: Section, comparison: Comparison, files: set[str]) -> list[str]:
    """A section's figure and table, as far as it has those."""
    grid = section.summary(comparison) if section.summary else None
    parts = [f"![{section.title}]({section.id}.png)"] if f"{section.id}.png" in files else []
    if grid:
        lines = [
            (one_line(label), [text + (f" ({aside})" if aside else "") for text, aside in found])
            for label, found in grid.lines
        ]
        parts += [f"**{section.title}**", _markdown(grid.heads, lines)]
    return parts


def _markdown(heads: Sequence[str], lines: Sequence[tuple[str, Sequence[str]]]) -> str:
    """A table in Markdown, a line of cells behind each label."""

    def line(*words: str) -> str:
        return "| " + " | ".join(word.replace("|", "\\|").replace("\n", " ") for word in words) + " |"

    rows = [line("model", *heads), line("---", *("---:" for _ in heads))]
    return "\n".join([*rows, *(line(label, *found) for label, found in lines)])


def table(comparison: Comparison) -> "Table":
    """The table for a terminal (a rich Table), fewest bits per character first, footnotes as its caption."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    view = cells(plain(comparison))
    # Tight, and only the labels may be broken, so that all ten columns fit into 80 characters.
    made = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False, caption_justify="left")
    made.add_column("model", overflow="fold")
    fits = [column.terminal for column in view["columns"]]
    for column in compress(view["columns"], fits):
        made.add_column(column.head.replace("/", "/\n"), justify="right", no_wrap=True)
    for line in view["lines"]:
        marks = "".join(f" [{mark}]" for mark in line["marks"])
        label = Text(one_line(line["row"]["label"]) + marks)
        made.add_row(label, *(Text(_cell(cell)) for cell in compress(line["cells"], fits)))
    notes = [f"[{number}] {one_line(note)}" for number, note in enumerate(view["notes"], 1)]
    made.caption = Text("\n".join(notes)) if notes else None
    return made


def _cell(cell: dict[str, Any]) -> str:
    return "\n".join(filter(None, (cell["text"], cell["aside"])))


# What the sections show that is more than a table.


def _exam(comparison: Comparison) -> dict[str, Any] | None:
    """The exam's grades, and an example of each of its questions."""
    facts = comparison.get("exam")
    return facts and {"grades": examined(comparison), "about": facts["about"]}


def _tests(key: str) -> Callable[[Comparison], dict[str, Any] | None]:
    """What a section on test sets shows: their grades, what is to be said of them, and others' figures."""

    def view(comparison: Comparison) -> dict[str, Any] | None:
        grades = tested(comparison, key)
        if grades is None:
            return None
        return {"grades": grades, "notes": notes_on(comparison, key), "published": comparison[key].get("published")}

    return view


def _knowledge(comparison: Comparison) -> dict[str, Any] | None:
    """What everybody reports of word vectors, and every test."""
    tests = comparison.get("word_tests")
    return tests and {"reported": knowledge(comparison), "every": every_test(comparison), "restrict": tests["restrict"]}


SECTIONS = (
    Section("table", "The table", view=lambda c: cells(c) if c["rows"] else None),
    Section("history", "Seventy years", view=lambda c: c.get("published"), figure=history_figures.history),
    Section("bars", "Bits per character", view=references, figure=canvas.bars),
    Section("differences", "Which differences are real", view=verdicts),
    Section("cost", "What the bits cost", figure=history_figures.cost),
    Section("curves", "What more text is worth", view=curve_figures.table, figure=curve_figures.curves),
    Section("orders", "What looking further back is worth", figure=canvas.orders),
    Section("context", "How much of the past each uses", view=context_tables.contexts, figure=context_figures.context),
    Section(
        "calibration",
        "Does it know what it does not know",
        view=context_tables.trusted,
        figure=context_figures.calibration,
    ),
    Section("exam", "What of its grammar each has learned", view=_exam, figure=heatmap.examined),
    Section("probes", "What can be read off their features", view=_tests("probes"), figure=heatmap.probed),
    Section("zeroshot", "What they answer without training", view=_tests("zeroshot"), figure=heatmap.asked),
    Section("rescoring", "Which words were said", view=_tests("rescoring")),
    Section("distances", "What each distance contributes", view=gains, figure=association_figures.distances),
    Section("factorised", "One thing under two names", view=beside_pmi, figure=association_figures.factorised),
    Section("word_tests", "What the vectors know", view=_knowledge, summary=knowledge),
    Section("neighbours", "Nearest neighbours", view=nearest_words),
    Section("map", "A map of words", figure=association_figures.word_plane),
    Section("passages", "One passage through seventy years", view=passages),
    Section("samples", "What each model writes", view=samples),
    Section("provenance", "Every number, and what it was divided by", view=lambda c: {"rows": ranked(c)}),
)


# The page and the files.


def _page(comparison: Comparison, sections: list[tuple[Section, list[Any]]]) -> str:
    """index.html. `visible` runs over every value that the template prints, so none can be forgotten."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )  # fmt: skip
    environment.filters |= {
        "csp": _csp,
        "data": _data_uri,
        "marked": _marked,
        "amount": amount,
        "citation": citation,
        "signed": signed,
    }
    return environment.get_template("report.html.j2").render(
        comparison=comparison, sections=sections, finding=finding(comparison), floor=floor(comparison),
        families=canvas.FAMILIES, scale=SCALE, edges=EDGES, family=family,
    )  # fmt: skip


def _marked(text: str) -> Any:
    """A piece of a passage, escaped, with a sign before every line end and tab."""
    from markupsafe import Markup, escape

    signs = escape(visible(text)).replace("\n", Markup("<i>↵</i>\n")).replace("\t", Markup("<i>→</i>\t"))
    return Markup(f'<b class="space">{signs}</b>') if text.strip(" ") == "" else signs


def _csp(source: str) -> str:
    """The hash by which a Content-Security-Policy allows one inline <style> or <script> and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _data_uri(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"


def _json(comparison: Comparison) -> bytes:
    return (json.dumps(comparison, ensure_ascii=False, allow_nan=False, indent=1) + "\n").encode()


def _install(folder: Path, files: dict[str, bytes]) -> None:
    """Write `files` beside their places and rename each into it, in order; drop an old report's figures."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".writing-") as beside:
        for name, content in files.items():
            (Path(beside) / name).write_bytes(content)
        for name in files:
            os.replace(Path(beside) / name, folder / name)
    known = {f"{section.id}.{kind}" for section in SECTIONS if section.figure for kind in ("png", "svg")}
    for stale in known - set(files):
        (folder / stale).unlink(missing_ok=True)
