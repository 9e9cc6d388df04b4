"""The figures of a report: drawn one after the other, or in several processes at once."""

import json
import multiprocessing
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from lmzoo.comparison.results import Comparison
from lmzoo.comparison.side_by_side import deaf, end_with_parent
from lmzoo.report.canvas import Picture, picture
from lmzoo.report.section import Section, find, sections

Drawn = Picture | str | None  # text: why it failed; None: there is nothing to draw

_comparison: Comparison  # in a process that draws


def draw(shown: Sequence[Section], comparison: Comparison, processes: int) -> dict[str, Drawn]:
    """The figures of the sections `shown`, by id: the same bytes whatever the number of processes."""
    if processes == 1 or len(shown) < 2:
        return {section.id: _drawn(section, comparison) for section in shown}
    context = multiprocessing.get_context("spawn")
    results = json.dumps(comparison.to_json())
    names = [section.id for section in shown]
    with ProcessPoolExecutor(min(processes, len(shown)), context, _begin, (results,)) as pool:
        with deaf():  # while they are started: Ctrl-C ends them from here
            figures = pool.map(_draw, names)
        return dict(zip(names, figures, strict=True))


def _begin(results: str) -> None:
    global _comparison
    threading.Thread(target=end_with_parent, daemon=True).start()
    _comparison = Comparison.from_json(json.loads(results), sections())


def _draw(section: str) -> Drawn:
    return _drawn(find(section), _comparison)


def _drawn(section: Section, comparison: Comparison) -> Drawn:
    try:
        return picture(lambda canvas: section.figure(comparison.facts.get(section.id), comparison, canvas))
    except Exception as error:  # the other figures stand
        return f"{type(error).__name__}: {error}"
