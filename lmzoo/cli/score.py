"""`lmzoo score RUN… "SENTENCE" …`: bits of one's own sentences, token by token, for several runs at once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmzoo.cli.app import command
from lmzoo.cli.console import Bars, show_json, show_notes, show_table, show_wrapped
from lmzoo.cli.options import Code, Device, Json, Quiet, option
from lmzoo.errors import FormatError, UsageError, cleaned, naming, one_line

if TYPE_CHECKING:
    from lmzoo.evaluation.sentences import SentenceBits

SPELLED_OUT = 10  # sentences of which each token is shown, unless --tokens says so
LONGEST = 36  # characters of a sentence in a table
MOST = 100_000  # sentences of a file

Arguments = Annotated[
    list[str], typer.Argument(metavar="RUN... SENTENCE...", help="Runs, then the sentences, each in quotes.")
]


@dataclass(frozen=True)
class _Asked:
    """The sentences, in groups that are compared with each other: all of them, or two and two."""

    groups: list[list[str]]
    pairs: bool

    @property
    def sentences(self) -> list[str]:
        return [sentence for group in self.groups for sentence in group]


@command(
    "score",
    epilog="Examples: lmzoo score runs/trigram runs/gpt 'The cat sat.' 'The cat sats.' 'The hyena sat.' · "
    "lmzoo score runs/gpt '2 + 2 = 4' '2 + 2 = 5' · lmzoo score runs/gpt 'recognise speech' 'wreck a nice beach'",
)
def score_sentences(
    arguments: Arguments,
    # Read the sentences from a FILE, one on each line; or two, with a tab between them, to compare with each other.
    file: Path | None = None,
    pairs: bool = False,  # Compare the first sentence with the second, the third with the fourth …
    # Text that is read before each sentence and not scored (\n in it is a line end). By default each sentence is read
    # as the start of a text, as in `zeroshot`; ' ' makes it the middle of a line, where "the" is a common word.
    after: str = "",
    tokens: Annotated[
        bool | None, option("--tokens/--no-tokens", "Show the bits of each token.", "of ten sentences or fewer")
    ] = None,
    code: Code = None,
    device: Device = "auto",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score sentences of your own, the likeliest first.

    Bits in all and per token, and by how many bits each is behind.
    """
    runs, typed = _split(arguments)
    if bool(typed) == bool(file):
        raise UsageError("give sentences behind the runs or a --file of them" + (", not both" if file else ""))
    asked = _read(file, pairs) if file else _grouped(typed, pairs)
    before = after.replace("\\n", "\n")
    before += " " if before and not before[-1].isspace() else ""
    bars = Bars(quiet)
    facts = [_score(run, asked, before, code, device) for run in bars.track("scoring", runs)]
    if as_json:
        return show_json({"after": before, "runs": facts})
    spelled_out = len(asked.sentences) <= SPELLED_OUT if tokens is None else tokens
    for n, fact in enumerate(facts):
        print("\n" if n else "", end="")
        _show(fact, asked.pairs, spelled_out)
    return None


# ── What is asked ─────────────────────────────────────────────────────────────────────────────────


def _split(arguments: Sequence[str]) -> tuple[list[Path], list[str]]:
    """The runs, which are folders, names in runs/ or look like paths, and the sentences, which begin behind them."""
    from lmzoo.runs import store

    def is_run(argument: str) -> bool:
        try:
            return store.named(argument).is_dir() or ("/" in argument and len(argument.split()) == 1)
        except (OSError, ValueError):  # too long for a path, or with a zero byte in it
            return False

    count = 1
    while count < len(arguments) and is_run(arguments[count]):
        count += 1
    return [store.named(argument) for argument in arguments[:count]], list(arguments[count:])


def _grouped(sentences: Sequence[str], pairs: bool) -> _Asked:
    if not pairs:
        return _Asked([list(sentences)], pairs=False)
    if len(sentences) % 2:
        raise UsageError(f"--pairs compares sentences two and two: there are {len(sentences)}")
    return _Asked([list(sentences[n : n + 2]) for n in range(0, len(sentences), 2)], pairs=True)


def _read(path: Path, pairs: bool) -> _Asked:
    """The sentences of a file, one a line; pairs with tabs between them where the first line has a tab, or `pairs`."""
    from lmzoo.data.reading import read_text

    try:
        text, _ = read_text(path)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from None
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines or len(lines) > MOST:
        raise UsageError(f"{path} has {len(lines):,} lines of text: from 1 to {MOST:,} sentences can be scored")
    if not pairs and not any("\t" in line for _, line in lines):
        return _Asked([[line.strip() for _, line in lines]], pairs=False)
    groups = [[part.strip() for part in line.split("\t")] for _, line in lines]
    for (number, _), group in zip(lines, groups, strict=True):
        if len(group) != 2 or not all(group):
            raise FormatError(f"{path}, line {number}: a pair is two sentences with one tab between, not {len(group)}")
    return _Asked(groups, pairs=True)


# ── The scores ────────────────────────────────────────────────────────────────────────────────────


def _score(run: Path, asked: _Asked, before: str, code: Path | None, device: str) -> dict[str, Any]:
    """What a run says of the sentences, as JSON: in each group the likeliest first."""
    from lmzoo.data.tokenizers.lower_bpe import LOSSY
    from lmzoo.evaluation import sentences
    from lmzoo.interface import LanguageModel
    from lmzoo.runs import store

    text_model = store.load(run, code, device)
    text_model.model.warm_up()
    distinct = list(dict.fromkeys(asked.sentences))
    with naming(run):
        scored = dict(zip(distinct, sentences.score(text_model, distinct, before), strict=True))
    pseudo = not isinstance(text_model.model, LanguageModel)
    notes = [LOSSY] if text_model.tokenizer.lossy else []
    if pseudo:
        notes.append("pseudo-bits: each token is predicted from those on both sides (Salazar et al. 2020)")
    elif not text_model.model.is_distribution:
        notes.append("its scores do not sum to one: they rank sentences, and are no bits")
    facts = {
        "run": str(run),
        "model": text_model.name,
        "tokenizer": text_model.tokenizer.spec,
        "trained_on": store.read_provenance(run).get("corpus"),
        "pseudo": pseudo,
    }
    groups = [[_facts(scored[sentence]) for sentence in group] for group in asked.groups]
    if asked.pairs:
        return {**facts, "notes": notes, "pairs": [_pair(*group) for group in groups]}
    (group,) = groups
    order = sorted(group, key=lambda one: _or_infinite(one["bits"]))
    for one in order:
        one["difference"] = _difference(one, order[0])
    return {**facts, "notes": notes, "sentences": order}


def _facts(one: "SentenceBits") -> dict[str, Any]:
    """A sentence as JSON; infinite bits, of a probability of zero, are None."""
    tokens = zip(one.tokens, map(float, one.token_bits), strict=True)
    return {
        "text": one.text,
        "bits": _finite(one.bits),
        "bits_per_token": _finite(one.per_token),
        "tokens": [[name, _finite(bits)] for name, bits in tokens],
        "unknown": list(one.unknown),
    }


def _pair(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Two sentences, which of them is likelier, and by how many bits (None: the other is impossible)."""
    bits = [_or_infinite(one["bits"]) for one in (first, second)]
    preferred = "neither" if bits[0] == bits[1] else "first" if bits[0] < bits[1] else "second"
    low, high = (first, second) if preferred == "first" else (second, first)
    return {"first": first, "second": second, "preferred": preferred, "difference": _difference(high, low)}


def _difference(one: dict[str, Any], best: dict[str, Any]) -> float | None:
    """The bits of `one` beyond those of `best`; 0 where both are impossible, None where only `one` is."""
    bits, least = _or_infinite(one["bits"]), _or_infinite(best["bits"])
    return 0.0 if bits == least else _finite(bits - least)


def _or_infinite(bits: float | None) -> float:
    return math.inf if bits is None else bits


def _finite(bits: float) -> float | None:
    return bits if math.isfinite(bits) else None


# ── Tables ────────────────────────────────────────────────────────────────────────────────────────


def _show(fact: dict[str, Any], pairs: bool, spelled_out: bool) -> None:
    """A run's sentences in a table, then the bits of each token."""
    print(cleaned(f"{fact['run']}: {fact['model']}, {fact['tokenizer']}"))
    heads = ["pseudo-bits" if fact["pseudo"] else "bits", "tokens", "bits/token", "difference"]
    if pairs:
        _show_pairs(fact["pairs"], heads)
    else:
        show_table(("sentence", *heads), [_row(one, one["difference"]) for one in fact["sentences"]], numbers_from=1)
    both = [one for pair in fact.get("pairs", []) for one in (pair["first"], pair["second"])]
    shown = fact.get("sentences") or both
    for one in shown if spelled_out else ():
        line = "  ".join(f"{name.replace(' ', '␣')} {_bits(bits)}" for name, bits in one["tokens"])
        show_wrapped(f"  {line}")
    show_notes(_notes(fact, shown))


def _show_pairs(pairs: Sequence[dict[str, Any]], heads: list[str]) -> None:
    """Two rows a pair, the likelier first, then how often the first sentence of a pair was."""
    rows = []
    for number, pair in enumerate(pairs, 1):
        order = ("second", "first") if pair["preferred"] == "second" else ("first", "second")
        for name in order:
            difference = 0.0 if name == order[0] else pair["difference"]
            rows.append([str(number), name, *_row(pair[name], difference)])
    show_table(("pair", "", "sentence", *heads), rows, numbers_from=3)
    first = sum(pair["preferred"] == "first" for pair in pairs)
    print(f"the first sentence is the likelier one in {first:,} of {len(pairs):,} pairs")


def _row(one: dict[str, Any], difference: float | None) -> list[str]:
    more = "" if difference == 0 else f"+ {_bits(difference)}"
    return [
        one_line(one["text"], LONGEST),
        _bits(one["bits"]),
        str(len(one["tokens"])),
        _bits(one["bits_per_token"], 2),
        more,
    ]


def _bits(bits: float | None, digits: int = 1) -> str:
    return "∞" if bits is None else f"{bits:,.{digits}f}"


def _notes(fact: dict[str, Any], shown: Sequence[dict[str, Any]]) -> list[str]:
    """What must be known of the figures, and which words the run has no token for."""
    unknown = list(dict.fromkeys(word for one in shown for word in one["unknown"]))
    how = "read as <unk>" if any("<unk>" in name for one in shown for name, _ in one["tokens"]) else "spelled in bytes"
    listed = ", ".join(unknown[:10]) + (" …" if len(unknown) > 10 else "")
    home = f", learned from {fact['trained_on']}," if fact["trained_on"] else ""
    return [*fact["notes"], *([f"not in its vocabulary{home} and {how}: {listed}"] if unknown else [])]
