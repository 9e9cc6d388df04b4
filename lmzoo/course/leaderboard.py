"""Whose own model needs the fewest bits: graded hand-ins under pseudonyms, tied where chance could have ordered them.

Each student's hidden text is another, so bits cannot be compared as they are. What is compared is how many bits a
hand-in needs more than lmzoo's own model on the same tokens, a paired difference with a standard error. A claim enters
only if the text was coded with it and decoded by a second process of the hand-in, token by token.
"""

import hmac
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lmzoo.errors import UsageError
from lmzoo.files import read_json

NORMAL = 1.96  # standard errors of a 95 % interval
KINDS = [
    "amber", "azure", "brisk", "calm", "coral", "dusky", "early", "fleet", "gilded", "hardy", "ivory", "jolly",
    "keen", "lucid", "mellow", "nimble", "olive", "plain", "quiet", "rapid", "sable", "tawny", "umber", "vivid",
]  # fmt: skip
ANIMALS = [
    "badger", "crane", "dormouse", "egret", "finch", "gecko", "heron", "ibis", "jackdaw", "kestrel", "lark",
    "marten", "newt", "otter", "plover", "quail", "raven", "shrew", "tern", "urchin", "vole", "wren",
]  # fmt: skip


@dataclass(frozen=True)
class Claim:
    """A student's figure: bits per token beyond the reference's, its standard error, and bytes of the decoded text."""

    student: str
    pseudonym: str
    behind: float
    error: float
    decoded_bytes: int

    @property
    def interval(self) -> tuple[float, float]:
        """95 %."""
        return self.behind - NORMAL * self.error, self.behind + NORMAL * self.error


@dataclass(frozen=True)
class Board:
    """Groups of claims, the fewest bits first; within a group no difference from its best is more than chance."""

    assignment: str
    figure: str
    groups: Sequence[Sequence[Claim]]
    left_out: Sequence[tuple[str, str]]  # student, why

    def facts(self) -> dict[str, Any]:
        """As JSON, with the names."""
        groups = [[{**asdict(claim), "interval": claim.interval} for claim in group] for group in self.groups]
        return {"assignment": self.assignment, "figure": self.figure, "groups": groups, "left_out": self.left_out}


def read(folder: Path, secret: bytes) -> Board:
    """The board of the results in a folder, as `lmzoo course grade --decode --results` leaves them.

    Raises UsageError where there is none, or where they are of several assignments.
    """
    results = [read_json(path, dict) for path in sorted(folder.glob("*.json"))]
    if not results:
        raise UsageError(f"{folder} has no results: lmzoo course grade … --decode --results {folder}")
    if len(names := {str(result.get("assignment")) for result in results}) > 1:
        raise UsageError(f"{folder} has results of several assignments, {', '.join(sorted(names))}: give each its own")
    claims, left_out, figure = [], [], ""
    for result in results:
        student = str(result.get("student"))
        checks = [check for check in result.get("checks", []) if isinstance(check, dict)]
        found = [check for check in checks if _number(check.get("behind")) and _number(check.get("error"))]
        if not found:
            told = [str(check.get("message")) for check in checks if check.get("value") is None][-1:]
            left_out.append((student, f"no figure ({told[0]})" if told else "no figure"))
        elif not isinstance(found[0].get("decoded_bytes"), int):
            left_out.append((student, str(found[0].get("not_decoded") or "not decoded: grade with --decode")))
        else:
            figure = str(found[0].get("name"))
            one = found[0]
            claims.append(Claim(student, "", float(one["behind"]), float(one["error"]), one["decoded_bytes"]))
    return Board(names.pop(), figure, grouped(named(claims, secret)), left_out)


def named(claims: Sequence[Claim], secret: bytes) -> list[Claim]:
    """The claims under pseudonyms, which nobody without the secret can trace to a name."""
    taken: set[str] = set()
    found = []
    for claim in sorted(claims, key=lambda claim: claim.student):
        number = int.from_bytes(hmac.digest(secret, f"pseudonym\0{claim.student}".encode(), "sha256"), "big")
        name = pseudonym = f"{KINDS[number % len(KINDS)]} {ANIMALS[number // len(KINDS) % len(ANIMALS)]}"
        while pseudonym in taken:
            pseudonym = f"{name} {1 + sum(one.startswith(name) for one in taken)}"
        taken.add(pseudonym)
        found.append(Claim(claim.student, pseudonym, claim.behind, claim.error, claim.decoded_bytes))
    return found


def grouped(claims: Sequence[Claim]) -> list[list[Claim]]:
    """Ties: a claim is in the group of one before it that it is not significantly behind, at 95 %."""
    groups: list[list[Claim]] = []
    for claim in sorted(claims, key=lambda claim: claim.behind):
        best = groups[-1][0] if groups else None
        if best and claim.behind - best.behind <= NORMAL * math.hypot(claim.error, best.error):
            groups[-1].append(claim)
        else:
            groups.append([claim])
    # Within a group the order would say what the figures do not.
    return [sorted(group, key=lambda claim: claim.pseudonym) for group in groups]


def page(board: Board, title: str) -> str:
    """A page for the class: pseudonyms alone."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    claims = [claim for group in board.groups for claim in group]
    ends = [end for claim in claims for end in claim.interval] + [0.0]
    low, high = min(ends), max(ends)

    def at(value: float) -> str:
        return f"{100 * (value - low) / ((high - low) or 1):.2f}"

    template = environment.get_template("leaderboard.html.j2")
    return template.render(board=board, title=title, at=at, bits=signed)


def signed(value: float) -> str:
    """-0.05 → "−0.050", with a minus sign as wide as the plus."""
    return f"{value:+.3f}".replace("-", "−")


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
