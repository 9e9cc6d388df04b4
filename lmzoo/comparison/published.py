"""Published figures for the corpora that have a card: `corpora/figures.published.toml`, read and checked.

    published.figures("ptb", "perplexity per token")   # [Published(system="Good–Turing 3-gram", value=165.2, …), …]

A figure is comparable only where text, unit and protocol are the same. Figures are looked up by corpus, each has its
unit, and `same` says whether its protocol is that of `lmzoo compare`; if not, `why` says what differs.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from lmzoo.comparison.results import FAMILIES, Published
from lmzoo.data import cards
from lmzoo.data.corpus import Corpus
from lmzoo.errors import FormatError, nearest
from lmzoo.files import read_toml, typed

NAME = "figures.published.toml"
UNITS = ("bits per character", "bits per byte", "perplexity per token")


def figures(corpus: str, unit: str | None = None) -> list[Published]:
    """The figures for the corpus of that name, in that unit (None: in any), oldest first.

    Raises FormatError naming the figure that is malformed.
    """
    known = [one for one in _read(cards.folder() / NAME) if one.corpus == corpus and unit in (None, one.unit)]
    return sorted(known, key=lambda one: (one.year, one.system))


def beside(corpus: Corpus) -> list[Published]:
    """The figures to show beside scores on `corpus`; none for somebody's own text that has a known name.

    No protocol is the same where the models were also trained on the validation text.
    """
    card = cards.cards().get(corpus.name)
    if card is None or (card.title, card.citation) != (corpus.title, corpus.citation):
        return []
    known = figures(corpus.name)
    if corpus.refit:
        reason = "here the validation text was trained on too"
        known = [replace(one, same=False, why=one.why or reason) for one in known]
    return known


@cache
def _read(path: Path) -> tuple[Published, ...]:
    """Every figure with the keys of its group, in the order of the file."""
    try:
        groups = read_toml(path, dict[str, list[dict[str, Any]]])["group"]
        tables = [{"why": "", **group, **figure} for group in groups for figure in group["figures"]]
    except (OSError, KeyError, TypeError) as error:
        raise FormatError(f"cannot read the published figures in {path}: {error}") from error
    found = []
    for table in tables:
        del table["figures"]
        where = f"the figure of {table.get('system')!r} in {path}"
        found.append(typed(table, Published, where, closed=True))
        if wrong := _wrong(table):
            raise FormatError(f"{where} {wrong}")
    return tuple(found)


def _wrong(figure: dict[str, Any]) -> str:
    """What is wrong with a figure, as the end of a sentence that begins with its name; '' for nothing."""
    if ("value" in figure) == ("range" in figure):
        return "needs either a value or a range of two"
    numbers = figure.get("range", [figure.get("value")])
    if min(numbers) <= 0 or numbers != sorted(numbers):
        return f"is {numbers}: numbers must be positive, and of two the smaller first"
    for key, known in (("unit", UNITS), ("family", FAMILIES)):
        if figure[key] not in known:
            return f"has the {key} {figure[key]!r}, which is none of {', '.join(known)}{nearest(figure[key], known)}"
    if figure["same"] == bool(figure["why"]):
        return "must say why its protocol is not the same, and only then"
    return ""
