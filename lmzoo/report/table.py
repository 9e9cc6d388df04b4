"""The columns of the headline table: what each says of a row, how it is written, and where it comes from.

A column that has no number in any row is left out, so there is a place here for whatever a comparison may know. A row
is one of `comparison["rows"]`, with the keys that `findings.ranked` and `with_grades` add.
"""

import math
import re
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

Row = dict[str, Any]

DASH = "\N{EN DASH}"
ANY = 10**15  # tokens: a reach longer than any text, so that what sees everything is sorted behind all else
PROBED = ("SST-2", "tags")  # a whole sentence's meaning, and a word's place in it: one probe of each kind
FLOPS_PER_WEIGHT = 6  # for each token read, forward and backward (Kaplan et al. 2020, section 2.1)


@dataclass(frozen=True)
class Column:
    """A column of the table: its head, what it means, a row's number, how it is written, and what to add."""

    head: str
    meaning: str
    number: Callable[[Row], float | None]
    text: Callable[[Any], str]
    aside: Callable[[Row], str] = lambda row: ""  # noqa: ARG005
    terminal: bool = True  # whether there is room for it there

    def cell(self, row: Row) -> dict[str, Any]:
        """What the table shows of `row`: {"number", "text", "aside"}, a dash where nothing is known."""
        number = self.number(row)
        if number is None:
            return {"number": None, "text": DASH, "aside": ""}
        return {"number": number, "text": self.text(number), "aside": self.aside(row)}


def amount(number: float) -> str:
    """A count in at most four figures: 950, 12.3 k, 1.23 M."""
    for size, letter in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size * 0.9995:
            return f"{number / size:.{max(0, 2 - int(math.log10(number / size + 1e-9)))}f} {letter}"
    return f"{number:.0f}" if number >= 100 or number == int(number) else f"{number:#.3g}"


def citation(paper: str) -> str:
    """Who and when, without the title: 'Chen & Goodman 1998, An Empirical …' → 'Chen & Goodman 1998'."""
    found = re.match(r"(.{1,60}?\b\d{4}\w?)\b", paper)
    return found.group(1) if found else ""


def with_grades(rows: list[Row], comparison: dict[str, Any]) -> list[Row]:
    """`rows`, each with what its model knows in single figures: "exam", and "probed" by task."""
    exam = {row["label"]: _mean_grade(row["grades"]) for row in (comparison.get("exam") or {}).get("rows", [])}
    probed = {
        row["label"]: {grade["task"]: grade["value"] for grade in row["grades"] if grade["metric"] == "accuracy"}
        for row in (comparison.get("probes") or {}).get("rows", [])
    }
    return [row | {"exam": exam.get(row["label"]), "probed": probed.get(row["label"], {})} for row in rows]


def _mean_grade(grades: list[dict[str, Any]]) -> float | None:
    """The mean over phenomena, each counting alike; None where one of them could not be asked."""
    values = [grade["value"] for grade in grades]
    return None if None in values or not values else float(sum(values) / len(values))


def flops(row: Row) -> float | None:
    """Floating-point operations of training: as the trainer counted them, else 6·N·D of N weights and D tokens read.

    None where no token was read step by step: counting is no matter of multiplying weights.
    """
    known = row.get("provenance") or {}
    size = row.get("size") or {}
    if known.get("flops"):
        return float(known["flops"])
    if known.get("tokens_read") and size.get("unit") == "parameters":
        return float(FLOPS_PER_WEIGHT * size["count"] * known["tokens_read"])
    return None


def _bytes(number: float) -> str:
    return f"{amount(number)}B" if number >= 999.5 else f"{number} B"


def _per_cent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _score(key: str) -> Callable[[Row], float | None]:
    return lambda row: row["score"][key] if row["score"] else None


def _interval(row: Row) -> str:
    return f"{row['interval'][0]:.3f}{DASH}{row['interval'][1]:.3f}" if row.get("interval") else ""


def _of_seeds(row: Row) -> list[float]:
    return [one["bits_per_character"] for one in row.get("seeds", []) if one["bits_per_character"] is not None]


def _spread(row: Row) -> float | None:
    bits = _of_seeds(row)
    return statistics.stdev(bits) if len(bits) > 1 else None


def _seeds(row: Row) -> str:
    bits = _of_seeds(row)
    return f"{len(bits)} seeds, mean {statistics.fmean(bits):.3f}"


def _certified(key: str) -> Callable[[Row], float | None]:
    return lambda row: (row.get("certified") or {}).get(key)


def _claimed(row: Row) -> str:
    return f"({row['certified']['evaluator_bits_per_character']:.3f})"


def _unit(row: Row) -> str:
    return str(row["size"]["unit"])


def _size(key: str) -> Callable[[Row], float | None]:
    return lambda row: (row.get("size") or {}).get(key)


def _row(key: str) -> Callable[[Row], float | None]:
    return lambda row: row.get(key)


def _probes() -> Iterator[Column]:
    for task in PROBED:
        yield Column(task, f"accuracy of a probe of its features on {task}", partial(_probed, task), _per_cent,
                     terminal=False)  # fmt: skip


def _probed(task: str, row: Row) -> float | None:
    return (row.get("probed") or {}).get(task)


def _reach(row: Row) -> float | None:
    return None if not row["score"] else ANY if row.get("reach") is None else float(row["reach"])


COLUMNS = (
    Column("year", "of the paper", lambda row: row["year"] or None, str),
    Column("bits/char", "bits per character, with its 95 % bootstrap interval",
           _score("bits_per_character"), "{:.3f}".format, aside=_interval),
    Column("± seeds", "standard deviation of bits per character over seeds of training", _spread, "{:.3f}".format,
           aside=_seeds, terminal=False),
    Column("certified", "bits per character of a file that another process turned back into the beginning of the test "
           "text, and in brackets those that the evaluator counts for it",
           _certified("bits_per_character"), "{:.3f}".format, aside=_claimed),
    Column("above", "bits per character above the true source", _row("above"), "{:.3f}".format),
    Column("ppl/token", "perplexity per token, comparable only where the tokenizer is the same",
           _score("perplexity_per_token"), amount),
    Column("ppl/word", "perplexity per word of the corpus", _score("perplexity_per_word"), amount),
    Column("exam", "right answers about the grammar of the text, the mean over its phenomena", _row("exam"), _per_cent),
    *_probes(),
    Column("size", "how much was learned", _size("count"), amount, aside=_unit),
    Column("on disk", "bytes of the saved model", _size("bytes"), _bytes),
    Column("train", "seconds to train", _row("train_seconds"), lambda value: f"{amount(value)} s"),
    Column("FLOPs", "floating-point operations of training by steps, six for each weight and token read (Kaplan et al. "
           "2020) and those of attention", flops, amount, terminal=False),
    Column("peak memory", "the most memory the process held while it trained, all else that it held included",
           _row("peak_bytes"), _bytes, terminal=False),
    Column("tokens/s", "tokens scored in a second", _row("tokens_per_second"), amount),
    Column("reach", "tokens before the next one that it can see", _reach,
           lambda tokens: "all" if tokens >= ANY else f"{tokens:,.0f}", terminal=False),
)  # fmt: skip
