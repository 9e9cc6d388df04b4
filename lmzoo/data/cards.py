"""The card of a corpus: licence, files, split and counts. `corpora/README.md` says how to write one."""

import re
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from lmzoo.data.download import File
from lmzoo.data.split import RULES
from lmzoo.errors import FormatError, UsageError
from lmzoo.files import read_toml, typed

SPLITS = ("train", "valid", "test")
UNITS = {"MB": 1_000_000, "kB": 1_000, "": 1}
LARGEST = 1_000_000_000  # characters of generated training text
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


def find(name: str) -> Card | None:
    """The card of that name, None where there is none; "storyworld:2MB" has so much training text.

    Less text is the beginning of more. Raises UsageError for a size that is none, and for a text that is not generated.
    """
    base, colon, size = name.partition(":")
    card = cards().get(base)
    if card is None or not colon:
        return card
    if not card.generator:
        raise UsageError(f"{name}: {base} is a text of one size; only generated ones have another, as storyworld:2MB")
    match = re.fullmatch(r"([0-9]{1,10})(MB|KB|)", size.upper())
    characters = int(match[1]) * UNITS[match[2].replace("K", "k")] if match else 0
    if not 1_000 <= characters <= LARGEST:
        raise UsageError(
            f"{name}: the size of the training text is a whole number of characters, kB or MB, from 1kB to 1000MB, "
            f"as in {base}:2MB"
        )
    if characters == card.generator["train"]:
        return card
    unit = next(unit for unit, times in UNITS.items() if characters % times == 0)
    named = f"{base}:{characters // UNITS[unit]}{unit}"
    return replace(card, name=named, generator=card.generator | {"train": characters})


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
