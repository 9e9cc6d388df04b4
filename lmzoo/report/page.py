"""A comparison as files: one page that loads nothing from outside, its figures, a README, and its JSON.

    page.write(Path("reports/storyworld"), comparison)   # index.html, *.png, *.svg, README.md, results.json
    page.redraw(Path("reports/storyworld"))              # again from its results.json: nothing is trained

Labels, titles and samples are other people's text: the templates escape all of it, `visible` strips control
characters, and nothing is trusted.
"""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lmzoo import models
from lmzoo.comparison.place import RESULTS
from lmzoo.comparison.results import Comparison
from lmzoo.drafts import write_together
from lmzoo.errors import LmzooError, UsageError, one_line
from lmzoo.files import TEXTS, read_json
from lmzoo.report import slides
from lmzoo.report.canvas import COLOURS, Picture
from lmzoo.report.drawing import Drawn, draw
from lmzoo.report.finding import finding
from lmzoo.report.section import FOLDER, Section, sections
from lmzoo.report.sections.table import main_table
from lmzoo.report.summary import plain, visible
from lmzoo.report.table import Table, amount, citation
from lmzoo.runs import upgrade


@dataclass(frozen=True)
class Shown:
    """What a section shows: what its template is given."""

    facts: Any
    tables: tuple[Table, ...]
    picture: Picture | None
    view: dict[str, Any] | None
    error: str = ""


def write(folder: Path, comparison: Comparison, with_slides: bool = False, processes: int = 1) -> Path:
    """Write the report of `comparison` into `folder`, which is created if missing; returns the path of index.html.

    `processes`: how many draw its figures.

    Everything is drawn before anything is written, and every file is renamed into place, index.html last: an old
    report stays whole until the new one is. Raises ScoreError for a number that is NaN or infinite, and UsageError for
    a folder that cannot be written or a value that JSON cannot hold.
    """
    files = render(comparison, processes)
    folder = Path(folder)
    try:
        _install(folder, files)
    except OSError as error:
        raise UsageError(f"cannot write the report into {folder}: {error.strerror or error}") from error
    if with_slides:
        slides.write(folder, comparison)
    return folder / "index.html"


def redraw(folder: Path, with_slides: bool = False) -> Path:
    """Write a report again from its results.json, as this version lays it out; returns the path of index.html.

    Raises FormatError naming what is wrong with results.json, UsageError where there is none.
    """
    path = folder / RESULTS
    try:
        results = read_json(path, dict[str, Any], TEXTS)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    comparison = Comparison.from_json(results, sections())
    for row in comparison.rows:
        if row.model not in models.names():
            continue
        if row.family == "other":  # of a version that did not save it
            row.family = models.find(row.model).family
        if not row.recipe:
            name, config = upgrade.current(row.model, row.config)  # what was gpt may be today's speedrun
            with suppress(TypeError, KeyError, LmzooError):  # settings that this version does not have
                row.recipe = models.find(name).from_config(config).recipe
    return write(folder, comparison, with_slides)


def render(comparison: Comparison, processes: int = 1) -> dict[str, bytes]:
    """The report as {file name: content}, index.html last. The same comparison gives the same bytes."""
    results = plain(comparison.to_json())
    comparison = Comparison.from_json(results, sections())  # what is shown is what is in results.json, and no more
    files = {RESULTS: (json.dumps(results, ensure_ascii=False, allow_nan=False, indent=1) + "\n").encode()}
    computed = [one for one in sections() if one.facts is None or comparison.facts.get(one.id)]
    figures = draw([one for one in computed if one.id not in comparison.errors], comparison, processes)
    shown = [(section, one) for section in sections() if (one := _show(section, comparison, figures.get(section.id)))]
    for section, one in shown:
        if one.picture:
            files[f"{section.id}.png"] = one.picture.png
            files[f"{section.id}.svg"] = one.picture.wide
    summary = re.sub(r"\n{3,}", "\n\n", _filled("README.md.j2", comparison, shown))
    files["README.md"] = f"{summary}\n".encode()
    files["index.html"] = _filled("page.html.j2", comparison, shown).encode()
    return files


def _show(section: Section, comparison: Comparison, figure: Drawn) -> Shown | None:
    """What a section shows, or why it failed; None where it has nothing to show."""
    facts = comparison.facts.get(section.id)
    if error := comparison.errors.get(section.id) or (figure if isinstance(figure, str) else ""):
        return Shown(None, (), None, None, error)
    if section.facts is not None and not facts:
        return None
    try:
        tables = section.table(facts, comparison)
        shown = Shown(
            facts,
            () if tables is None else (tables,) if isinstance(tables, Table) else tuple(tables),
            None if isinstance(figure, str) else figure,
            section.view(facts, comparison),
        )
    except Exception as error:  # the other sections stand
        return Shown(None, (), None, None, f"{type(error).__name__}: {error}")
    return shown if shown.tables or shown.picture or shown.view else None


# ── The terminal ──────────────────────────────────────────────────────────────────────────────────


# ── Templates ─────────────────────────────────────────────────────────────────────────────────────


def _filled(template: str, comparison: Comparison, shown: Sequence[tuple[Section, Shown]]) -> str:
    """A template with the comparison."""
    return environment(FOLDER).get_template(template).render(
        comparison=comparison, sections=shown, finding=finding(comparison), floor=comparison.corpus.floor,
        colours=COLOURS, main=main_table(comparison),
    )  # fmt: skip


@cache  # with the templates that it has compiled
def environment(*folders: Path) -> Any:
    """Templates in this folder and others; `visible` is applied to all that they print, so none is forgotten."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader([Path(__file__).parent, *folders]), undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, autoescape=lambda name: not str(name).endswith(".md.j2"),
        finalize=lambda value: visible(value) if type(value) is str else value,
    )  # fmt: skip
    made.filters |= {"csp": _csp, "data": _data_uri, "marked": _marked, "amount": amount, "citation": citation,
                     "one_line": one_line}  # fmt: skip
    return made


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


def _install(folder: Path, files: dict[str, bytes]) -> None:
    """Write `files` beside their places and rename each into it, in order; drop an old report's figures."""
    write_together(folder, files)
    known = {f"{section.id}.{kind}" for section in sections() for kind in ("png", "svg")}
    for stale in known - set(files):
        (folder / stale).unlink(missing_ok=True)
