"""The figures of a report for slides: 16:9, with letters of 18 points or more, each with the data that it shows.

slides.write(Path("reports/storyworld"), comparison)   # slides/bars.png, slides/bars.svg, slides/bars.csv, …
"""

import csv
import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lmzoo.comparison.results import Comparison
from lmzoo.drafts import write_together
from lmzoo.errors import UsageError
from lmzoo.report.canvas import SLIDE, save, style
from lmzoo.report.section import Section, sections
from lmzoo.report.summary import plain, visible

FOLDER = "slides"


def write(folder: Path, comparison: Comparison) -> Path:
    """Write the slides of `comparison` into `folder`/slides, and return that path; those of an older one are deleted.

    Raises UsageError for a folder that cannot be written.
    """
    files, slides = render(comparison), Path(folder) / FOLDER
    try:
        slides.mkdir(parents=True, exist_ok=True)
        write_together(slides, files)
        for section in sections():
            for kind in ("png", "svg", "csv"):
                if f"{section.id}.{kind}" not in files:
                    (slides / f"{section.id}.{kind}").unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write slides into {slides}: {error.strerror or error}") from error
    return slides


def render(comparison: Comparison) -> dict[str, bytes]:
    """The slides as {file name: content}; the same comparison gives the same bytes."""
    comparison = Comparison.from_json(plain(comparison.to_json()), sections())  # as the page has it
    files: dict[str, bytes] = {}
    with style():
        for section in sections():
            with suppress(Exception):  # the page says what failed, and the other slides stand
                files |= _slide(section, comparison)
    return files


def _slide(section: Section, comparison: Comparison) -> dict[str, bytes]:
    """The files of one section; none where it has nothing to draw."""
    facts = comparison.facts.get(section.id)
    if section.facts is not None and not facts:
        return {}
    drawn = section.figure(facts, comparison, SLIDE)
    if drawn is None:
        return {}
    made = {f"{section.id}.{kind}": save(drawn[0], kind) for kind in ("svg", "png")}
    lines = section.data(facts, comparison)
    return made | ({f"{section.id}.csv": table(lines)} if lines else {})


def table(lines: Sequence[Mapping[str, Any]]) -> bytes:
    """CSV with the keys of all lines as its heads, empty where a line has no such key or None."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(key for line in lines for key in line)), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in line.items()} for line in lines)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    """A label that a spreadsheet would take for a formula is a text there, too."""
    if not isinstance(value, str):
        return value
    return ("'" if value[:1] in ("=", "+", "-", "@") else "") + visible(value)
