"""The card of a corpus: licence, files, split and counts. `corpora/README.md` says how to write one."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from lmzoo.data.download import File
from lmzoo.data.split import RULES
from lmzoo.errors import FormatError
from lmzoo.files import read_toml, typed

SPLITS = ("train", "valid", "test")
PACKAGE = Path(__file__).parents[1]
Described = TypeVar("Described")  # what a card describes


class Generator(TypedDict):
    """How a text is generated: by the grammar file, with the seed, at least so many characters of each split."""

    grammar: str
    seed: int
    train: int
    valid: int
    test: int


@dataclass(frozen=True)
class Card:
    """A corpus as described by its file in `corpora/`."""

    name: str
    title: str
    licence: str
    citation: str
    tokenizer: str  # the default, as `lmzoo.data.tokenizers.train` takes it
    split: dict[str, Any]  # "rule" (see RULES), "cuts", and "words": the rule in words
    lines: bool = False  # one sentence or name per line, each scored alone
    alone: bool = False  # lines have nothing to do with each other: networks too are trained on each alone
    encoding: str = "utf-8"
    files: tuple[File, ...] = ()
    generator: dict[str, Any] = field(default_factory=dict)  # instead of files: "grammar", "seed", characters
    counts: dict[str, dict[str, int]] = field(default_factory=dict)  # what `corpus.describe` should return
    note: str = ""

    @property
    def protocol(self) -> str:
        """How it is scored: "lines" (every line alone) or "stream" (context carries on)."""
        return "lines" if self.lines else "stream"


def cards() -> dict[str, Card]:
    """Every card, by name. Raises FormatError naming an invalid card."""
    return {path.stem: _card(path) for path in sorted(folder().glob("*.toml")) if "." not in path.stem}


def folder() -> Path:
    """`corpora/`: inside the package of a wheel, at the top of a checkout."""
    inside = PACKAGE / "corpora"
    return inside if inside.is_dir() else PACKAGE.parent / "corpora"


def read(path: Path, kind: type[Described]) -> Described:
    """The card at `path` as the dataclass `kind`, whose fields are the card's keys and `name`, that of the file.

    Raises FormatError for a card with a mistake.
    """
    try:
        table = read_toml(path, dict[str, Any])
    except OSError as error:
        raise FormatError(f"the card {path} cannot be read: {error.strerror}") from error
    return typed(table | {"name": path.stem}, kind, f"the card {path}", closed=True)


@cache
def _card(path: Path) -> Card:
    card = read(path, Card)
    rule = card.split.get("rule")
    if rule == "files" and {file.split for file in card.files} != set(SPLITS):
        raise FormatError(f"the card {path} must have a file for each of {', '.join(SPLITS)}")
    if rule not in {*RULES, "files"} and not card.generator:
        known = ", ".join([*RULES, "files"])
        raise FormatError(f"the card {path} has the split rule {rule!r}: the rules are {known}")
    if card.generator:
        typed(card.generator, Generator, f"the card {path}", closed=True)
    return card
