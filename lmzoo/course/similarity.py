"""Which hand-ins share code, with one another and with lmzoo: winnowing (Schleimer, Wilkerson & Aiken 2003, section 3).

Names, numbers and strings count as one token each, whatever they are; comments and layout do not count. Of all runs of
K tokens a file keeps the hashes that are the least in some window of WINDOW runs. So whatever two files share of
WINDOW + K - 1 tokens or more leaves a hash in both, and nothing shorter than K does.
"""

import hashlib
import keyword
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import lmzoo

K = 14  # tokens: shorter than this, all Python is alike
WINDOW = 9  # so what is shared of 22 tokens, some two lines, is always found
OURS = ("models", "ngrams")  # folders of lmzoo's that hand-ins are held against
COMMON = 1 / 3  # of the hand-ins: what more than these have, the course has taught
LEAST_COMMON = 5  # hand-ins
TOKEN = re.compile(
    r"""(?P<skip>\#[^\n]*|[ \t\r\f\\]+)
    |(?P<string>[rbfuRBFU]{0,2}(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    |(?P<number>\d[\w.]*)|(?P<name>\w+)|(?P<line>\n)|(?P<sign>\*\*=?|//=?|->|:=|[-+*/%@&|^=<>!]=|.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Source:
    """A file: its lines, and where each of its hashes stands, as the first and last line."""

    name: str
    lines: Sequence[str]
    found: Mapping[int, tuple[int, int]]


@dataclass(frozen=True)
class Pair:
    """What a hand-in shares with another one, or with a file of lmzoo's."""

    a: str
    b: str
    share_of_a: float  # of its hashes, those that the other has
    share_of_b: float
    lines_of_a: Sequence[int] = field(default_factory=list)  # from 1
    lines_of_b: Sequence[int] = field(default_factory=list)

    @property
    def share(self) -> float:
        """The larger of the two: a copy with much added is a copy."""
        return max(self.share_of_a, self.share_of_b)


@dataclass(frozen=True)
class Report:
    """All pairs that share anything, the most alike first."""

    hand_ins: int
    pairs: Sequence[Pair]
    with_ours: Sequence[Pair]  # a: the hand-in, b: the file of lmzoo's
    median: float  # share of all pairs of hand-ins: what is usual

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        both = {"pairs": self.pairs, "with_lmzoo": self.with_ours}
        shown = {name: [{**asdict(one), "share": one.share} for one in pairs] for name, pairs in both.items()}
        return {"hand_ins": self.hand_ins, "median": self.median, **shown}


def tokens(text: str) -> list[tuple[str, int]]:
    """The tokens that count, each with its line; also of text that is no valid Python."""
    found, line = [], 1
    for match in TOKEN.finditer(text):
        kind = match.lastgroup
        if kind == "name":
            found.append((match[0] if keyword.iskeyword(match[0]) else "name", line))
        elif kind in ("number", "string", "sign"):
            found.append((kind if kind != "sign" else match[0], line))
        line += match[0].count("\n")
    return found


def winnow(text: str) -> dict[int, tuple[int, int]]:
    """The hashes that a text keeps, each with the first and last line of its first place."""
    read = tokens(text)
    runs = [" ".join(token for token, _ in read[n : n + K]) for n in range(len(read) - K + 1)]
    hashes = [int.from_bytes(hashlib.blake2b(run.encode(), digest_size=6).digest(), "big") for run in runs]
    kept: dict[int, tuple[int, int]] = {}
    for begin in range(max(1, len(hashes) - WINDOW + 1) if hashes else 0):
        window = hashes[begin : begin + WINDOW]
        # Of equal ones the last, which stays the least for longer.
        at = begin + max(range(len(window)), key=lambda n: (-window[n], n))
        kept.setdefault(hashes[at], (read[at][1], read[at + K - 1][1]))
    return kept


def source(name: str, text: str, without: Mapping[int, Any] | None = None) -> Source:
    """A text, whose hashes `without` do not count."""
    found = {key: place for key, place in winnow(text).items() if key not in (without or {})}
    return Source(name, text.splitlines(), found)


def ours() -> list[Source]:
    """The files of lmzoo that hand-ins are held against."""
    package = Path(lmzoo.__file__).parent
    files = [path for folder in OURS for path in sorted((package / folder).glob("*.py"))]
    return [source(f"lmzoo/{path.relative_to(package).as_posix()}", path.read_text("utf-8")) for path in files]


def compare(hand_ins: Mapping[str, str], starter: str = "", others: Sequence[Source] = ()) -> Report:
    """Each hand-in, by its student's name, against each other one and the `others`.

    What `starter` has does not count, and between hand-ins neither does what more than a third of them have.
    """
    given = winnow(starter)
    sources = [source(name, text, given) for name, text in hand_ins.items()]
    held = Counter(key for one in sources for key in one.found)
    most = max(LEAST_COMMON, COMMON * len(sources))
    taught = {key for key, count in held.items() if count > most}
    rare = [Source(s.name, s.lines, {k: at for k, at in s.found.items() if k not in taught}) for s in sources]
    shares: dict[tuple[int, int], int] = defaultdict(int)
    where: dict[int, list[int]] = defaultdict(list)
    for n, one in enumerate(rare):
        for key in one.found:
            where[key].append(n)
    for numbers in where.values():
        for a, b in combinations(numbers, 2):
            shares[a, b] += 1
    pairs = [_pair(rare[a], rare[b]) for a, b in shares]
    every = [pair.share for pair in pairs]
    every += [0.0] * (len(sources) * (len(sources) - 1) // 2 - len(every))
    mine = [_pair(one, other) for one in sources for other in others if one.found.keys() & other.found.keys()]
    return Report(len(sources), _sorted(pairs), _sorted(mine), statistics.median(every) if every else 0.0)


def _pair(a: Source, b: Source) -> Pair:
    shared = a.found.keys() & b.found.keys()
    lines = [sorted({n for key in shared for n in range(one.found[key][0], one.found[key][1] + 1)}) for one in (a, b)]
    return Pair(a.name, b.name, len(shared) / len(a.found), len(shared) / len(b.found), *lines)


def _sorted(pairs: Sequence[Pair]) -> list[Pair]:
    return sorted(pairs, key=lambda pair: (-pair.share, pair.a, pair.b))


def percent(share: float) -> str:
    """0.061 → "6 %"."""
    return f"{100 * share:.0f} %"


def ranges(numbers: Sequence[int]) -> str:
    """Line numbers in words: "3–8, 12"."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number <= parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(f"{first}–{last}" if last > first else str(first) for first, last in parts)


def page(report: Report, texts: Mapping[str, str], others: Sequence[Source], title: str, least: float) -> str:
    """A page for the lecturer: each pair that shares `least` or more, side by side, with what is shared marked."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    lines = {name: text.splitlines() for name, text in texts.items()} | {one.name: one.lines for one in others}
    sections = [
        (heading, [pair for pair in pairs if pair.share >= least])
        for heading, pairs in (("With one another", report.pairs), ("With lmzoo", report.with_ours))
    ]
    return environment.get_template("similar.html.j2").render(
        report=report, sections=sections, texts=lines, title=title, least=least, ranges=ranges, percent=percent
    )
