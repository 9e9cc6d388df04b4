"""What a comparison finds, as dataclasses, and how they become `results.json` and come back."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field, fields, is_dataclass
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from lmzoo.evaluation.perplexity import PseudoScore
from lmzoo.evaluation.sums import Sums
from lmzoo.files import typed
from lmzoo.tasks.result import TaskResult

T = TypeVar("T")
# Of models (`Model.family`) and of published figures: a report has a colour for each.
FAMILIES = ("baseline", "count", "association", "feedforward", "recurrent", "masked", "transformer", "other")
Interval = tuple[float, float]  # 95 %


OPTIONAL = MappingProxyType({"optional": True})  # of a field that is left out of the JSON where it is None


@dataclass(frozen=True, kw_only=True)
class OfModel:
    """What a section knows of one model begins with this."""

    label: str  # of its row in the main table
    model: str = ""


@dataclass(frozen=True)
class Rows(Generic[T]):
    """A row for each model that a section has something on."""

    rows: tuple[T, ...]


def nothing(*_: Any) -> None:
    """Of a section that has no table, no figure, or computes nothing."""


@dataclass(frozen=True)
class Computed:
    """A part of a comparison beyond its rows: `lmzoo.report.section.Section` says how it is shown, too."""

    id: str  # its key in results.json; of a section also file name, anchor, and name of the figure's files
    _: KW_ONLY
    version: int = 1  # of the facts: raise it when `compute` gives others, for it is part of the cache's key
    facts: Any = None  # the type: a frozen dataclass, or a tuple of them; None: it computes nothing
    # What of it depends on no other model: "models" each model's part, "shares" that at each share of the text.
    apart: str = "whole"
    checkpoints: int = 0  # points at which it needs the networks of the comparison kept in their training
    compute: Callable[[Any, Any], Any] = nothing  # (entries, context) → facts, or None where it has nothing to say

    @property
    def bare(self) -> "Computed":
        """Without how it is shown, as other processes need it."""
        return Computed(**{one.name: getattr(self, one.name) for one in fields(Computed)})


@dataclass(frozen=True)
class Scored:
    """Bits of the test text and what they were divided by (`evaluation.perplexity.Score` without its tokens)."""

    bits: float
    characters: int
    bytes: int
    tokens: int
    words: int
    protocol: str
    sha256: str
    bits_per_character: float
    bits_per_byte: float
    perplexity_per_token: float | None  # None: 2^(bits / tokens) is larger than any float
    perplexity_per_word: float | None
    tokenizer: str = ""
    replaced: int = 0  # words that a closed vocabulary reads as <unk>
    seconds: float = 0.0
    tokens_per_second: float = 0.0


@dataclass(frozen=True)
class Size:
    """How much was learned, and the bytes of it on disk."""

    count: int
    unit: str  # parameters, n-grams, …
    bytes: int


@dataclass(frozen=True)
class SeedScore:
    """The same model trained with another seed."""

    seed: int
    bits_per_character: float | None
    error: str | None = None


@dataclass(frozen=True)
class Certificate:
    """Bits of a compressed file that another process decompressed to the beginning of the test text, or the error."""

    bits_per_character: float | None = None
    evaluator_bits_per_character: float | None = None
    characters: int | None = None
    seconds: float | None = None
    error: str | None = None


@dataclass
class Row:
    """One model of a comparison. What it cannot do is None, and `error` says what failed."""

    label: str  # unique among the rows
    model: str
    year: int | None
    paper: str
    config: dict[str, Any]
    tokenizer: str
    train_seconds: float | None = None
    peak_bytes: int | None = None
    tokens_read: int | None = field(default=None, metadata=OPTIONAL)  # in training, of a model that trains by steps
    passes: float | None = field(default=None, metadata=OPTIONAL)  # over the training text, that so many tokens are
    size: Size | None = None
    tokens_per_second: float | None = None
    reach: int | None = None
    score: Scored | None = None
    interval: Interval | None = None  # of bits per character
    error: str | None = None
    notes: list[str] = field(default_factory=list)
    adapts_at_test_time: bool = False
    provenance: dict[str, Any] | None = field(default=None, metadata=OPTIONAL)
    seeds: list[SeedScore] | None = field(default=None, metadata=OPTIONAL)
    certified: Certificate | None = field(default=None, metadata=OPTIONAL)
    pseudo: PseudoScore | None = field(default=None, metadata=OPTIONAL)
    family: str = "other"
    recipe: str = ""  # "period": trained as in its year; "today": with what was found since; "": unknown
    # Whether its probabilities sum to one and are those scored, along the scored text; None: that was not checked.
    sums: Sums | None = field(default=None, metadata=OPTIONAL)

    @property
    def bits(self) -> float:
        """Bits per character; infinity without a score, so that such rows come last."""
        return self.score.bits_per_character if self.score else float("inf")


@dataclass(frozen=True)
class Reference:
    """A compressor on the test text."""

    label: str
    given_train: bool
    note: str
    bits: float
    bits_per_character: float


@dataclass(frozen=True)
class Difference:
    """Bits per character of `a` minus those of `b`, on the same blocks of text, with the paired interval."""

    a: str
    b: str
    delta: float
    low: float
    high: float

    @property
    def is_real(self) -> bool:
        """Whether the 95 % interval excludes zero."""
        return not self.low <= 0 <= self.high


@dataclass(frozen=True)
class Published:
    """A figure that others published for a corpus: a value, or a range of two."""

    corpus: str
    system: str
    unit: str
    family: str
    year: int
    split: str
    protocol: str
    adapts: bool  # to the text that it is scored on
    same: bool  # whether the protocol is that of `lmzoo compare`
    why: str  # not, if so
    source: str
    value: float | None = field(default=None, metadata=OPTIONAL)
    range: Interval | None = field(default=None, metadata=OPTIONAL)


@dataclass(frozen=True)
class CorpusFacts:
    """The text that was trained on and scored."""

    name: str
    title: str
    licence: str
    citation: str
    source: str
    protocol: str
    sha256: dict[str, str]  # by split
    characters: dict[str, int]
    bytes: dict[str, int]
    floor_bits: float | None = None  # -log2 P(test text) under the true source, where that is known
    split: str = ""

    @property
    def floor(self) -> float | None:
        """Bits per character of the test text under the true source; None where it is unknown."""
        characters = self.characters["test"]
        return self.floor_bits / characters if self.floor_bits is not None and characters else None


@dataclass
class Comparison:
    """Models on one text: the rows, and the facts of each section by its id."""

    name: str
    title: str
    command: str
    date: str
    machine: str
    commit: str | None
    versions: dict[str, str]
    seconds: float
    corpus: CorpusFacts
    rows: list[Row]
    references: list[Reference] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    preset: dict[str, Any] | None = None
    models: list[str] = field(default_factory=list)  # as they were named; older reports do not say
    reading: str = ""  # the tokenizer that was chosen, where nobody named one
    # What could not be computed: test sets that were not fetched, and sections that failed.
    untested: list[str] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)  # of sections, by id
    facts: dict[str, Any] = field(default_factory=dict)  # of sections, by id

    def ranked(self) -> list[Row]:
        """The rows, fewest bits per character first, those without a score last."""
        return sorted(self.rows, key=lambda row: row.bits)

    def place(self, label: str) -> int:
        """The rank of a row; that of no row is the last."""
        places = {row.label: place for place, row in enumerate(self.ranked())}
        return places.get(label, len(places))

    def row(self, label: str) -> Row | None:
        """The row with this label, or None (a baseline, the test text itself)."""
        return next((row for row in self.rows if row.label == label), None)

    def family(self, label: str) -> str:
        """The family of the model with this label; 'other' where there is no such row."""
        row = self.row(label)
        return row.family if row else "other"

    def year(self, label: str) -> int | None:
        """The year of the idea behind the model with this label, where it is known."""
        row = self.row(label)
        return row.year if row else None

    def to_json(self) -> dict[str, Any]:
        """`results.json`: each section's facts stand under its id."""
        content = {part.name: to_json(getattr(self, part.name)) for part in fields(self) if part.name != "facts"}
        for key in ("untested", "errors"):
            if not content[key]:
                del content[key]
        return content | {key: to_json(facts) for key, facts in self.facts.items() if facts is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], sections: Iterable[Computed]) -> "Comparison":
        """The inverse of `to_json`. Raises FormatError naming what is wrong."""
        own = {part.name for part in fields(cls)} - {"facts"}
        comparison = typed({key: value for key, value in data.items() if key in own}, cls, "comparison")
        comparison.facts = {
            section.id: typed(data[section.id], section.facts, section.id)
            for section in sections
            if section.facts is not None and section.id in data
        }
        return comparison


def to_json(value: Any) -> Any:
    """A dataclass as JSON: its fields by name, without those marked optional that are None."""
    if isinstance(value, TaskResult):
        return to_json(value.to_json())
    if is_dataclass(value) and not isinstance(value, type):
        return {
            part.name: to_json(content)
            for part in fields(value)
            if not ((content := getattr(value, part.name)) is None and part.metadata.get("optional"))
        }
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value
