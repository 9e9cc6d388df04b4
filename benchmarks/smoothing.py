"""Chen & Goodman's tables (1998) with today's smoothings: every smoothing at every order, on one text.

    python benchmarks/smoothing.py CORPUS [--orders 1-7] [--tokenizer SPEC] [--refit] [--out reports/NAME]

Models are fitted on the training text. Settings are chosen on the validation text (k of add-k, the weights of
Jelinek-Mercer), figures are of the test text, with 95 % bootstrap intervals over blocks of it; differences are paired
on the same blocks. With --refit the final counts are of training and validation text, as is usual for short corpora.
Seconds are the median of --repeats fits, in memory, with all loops compiled.

Writes results.json, README.md and two figures (PNG, SVG) to --out.
"""

import argparse
import dataclasses
import shlex
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import smoothing_page
from numpy.typing import NDArray

from lmzoo.data import corpus, tokenizers
from lmzoo.data.corpus import Corpus
from lmzoo.data.tokenizers import Tokenizer
from lmzoo.errors import LmzooError
from lmzoo.evaluation.perplexity import Score, block_bits, block_interval, evaluate
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data, Ids, LanguageModel
from lmzoo.models.classes import Classes
from lmzoo.models.ngram import Ngram
from lmzoo.ngrams.smoothing import SMOOTHINGS
from lmzoo.runs import provenance

Array = NDArray[Any]
Row = dict[str, Any]

BASELINE = "jelinek-mercer"  # as in Chen & Goodman's figures
KS = (1.0, 0.1, 0.01, 0.001, 0.0001, 0.00001)  # candidates for k of add-k
CLASSES = 200
CUTOFFS = "0,0,1"  # SRILM's default for Good-Turing: singletons of order 3 and above are dropped


@dataclass(frozen=True)
class Texts:
    """The corpus as ids: `train` and `valid` to choose settings, `final` to train the models that are scored."""

    corpus: Corpus
    tokenizer: Tokenizer
    train: Ids
    valid: Ids
    final: Ids


@dataclass
class Entry:
    """A row of the results, with the test text's bits and tokens by block, (K,), for paired differences."""

    row: Row
    bits: Array = field(default_factory=lambda: np.zeros(0))
    tokens: Array = field(default_factory=lambda: np.zeros(0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("--orders", type=numbers, default=range(1, 8), metavar="1-7")
    parser.add_argument("--tokenizer", help="the corpus's own if not given")
    parser.add_argument("--refit", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    try:
        results = measure(arguments)
        folder = arguments.out or Path("reports") / f"{results['corpus']['name']}-ngrams"
        smoothing_page.write(folder, results)
    except LmzooError as error:
        sys.exit(f"smoothing.py: {error}")
    print(f"{folder}/README.md")


def numbers(text: str) -> range:
    """'1-7' → range(1, 8); '3' → range(3, 4)."""
    first, _, last = text.partition("-")
    orders = range(int(first), int(last or first) + 1)
    if not orders or orders[0] < 1:
        raise ValueError
    return orders


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """All rows with their provenance: the contents of results.json."""
    texts = encode(arguments.corpus, arguments.tokenizer, arguments.refit)
    for model in (Ngram(), Classes()):
        model.warm_up()
    entries: dict[tuple[str, int], Entry] = {}
    for order in arguments.orders:
        for name, models in contestants(order).items():
            entries[name, order] = entry = enter(name, order, models, texts, arguments.repeats)
            print(line(entry.row), flush=True)
    contrast(entries)
    rows = [entry.row for entry in entries.values()]
    candidates = [
        row for row in rows if row["test"] and row["smoothing"] != BASELINE
    ]  # whose weights have seen `valid`
    best = min(candidates, key=lambda row: row["valid"]["bits"])
    return {
        **provenance.provenance(),
        "command": shlex.join(["python", "benchmarks/smoothing.py", *sys.argv[1:]]),
        "corpus": facts(texts),
        "orders": list(arguments.orders),
        "repeats": arguments.repeats,
        "baseline": BASELINE,
        "chosen": {"smoothing": best["smoothing"], "order": best["order"]},  # by the validation text
        "rows": rows,
    }


def encode(name: str, spec: str | None, refit: bool) -> Texts:
    """The corpus as ids; the vocabulary is that of the final training text."""
    published = corpus.load(name)
    final = corpus.load(name, refit=True) if refit else published
    made = tokenizers.train(spec or final.tokenizer, final.train, final.lines)
    return Texts(published, made, made.encode(published.train), made.encode(published.valid), made.encode(final.train))


def facts(texts: Texts) -> dict[str, Any]:
    """The text and tokenizer: reports that agree in these can be compared."""
    source, refit = texts.corpus, len(texts.final) != len(texts.train)
    return {
        "name": source.name,
        "title": source.title,
        "split": source.split,
        "refit": refit,
        "protocol": source.protocol,
        "tokenizer": texts.tokenizer.spec,
        "vocab_size": texts.tokenizer.vocab_size,
        "kinds": int(np.unique(texts.final).size),  # distinct tokens in the training text
        "tokens": {"train": len(texts.train), "valid": len(texts.valid), "final": len(texts.final)},
        "sha256": source.sha256,
    }


def contestants(order: int) -> dict[str, list[LanguageModel]]:
    """The models of each row: the validation text chooses among those with several."""
    rows: dict[str, list[LanguageModel]] = {}
    for name in SMOOTHINGS:
        if name == "add-k":
            rows["add-one"] = [Ngram(order, name)]
            rows[name] = [Ngram(order, name, k) for k in KS]
        elif name != "arpa":  # read from files, cannot be fitted
            rows[name] = [Ngram(order, name)]
        if name == "katz":
            rows["katz-cutoffs"] = [Ngram(order, name, cutoffs=CUTOFFS)]
    return rows | {"classes": [Classes(CLASSES, order)]}


def enter(name: str, order: int, candidates: list[LanguageModel], texts: Texts, repeats: int) -> Entry:
    """Choose, time, fit and score one row; an LmzooError becomes the row's error."""
    entry = Entry({"smoothing": name, "order": order, "k": None, "size": None, "bytes": None, "fit_seconds": None})
    entry.row |= {"valid": None, "test": None, "error": None, "remarks": []}
    model = candidates[0]
    try:
        if name == "classes" and (kinds := len(np.unique(texts.final))) <= CLASSES:
            raise LmzooError(f"{CLASSES} classes for {kinds} kinds of token would put each into one of its own")
        model = choose(candidates, texts)
        seconds = statistics.median(timed_fit(model, texts) for _ in range(repeats))
        entry.row |= {"fit_seconds": round(seconds, 4), "k": model.config()["k"] if name == "add-k" else None}
        entry.row["valid"] = summary(scored(model, texts, "valid"))
        if len(texts.final) != len(texts.train):
            model.fit(Data.of(texts.final, texts.valid, texts.tokenizer.vocab_size))
        score = scored(model, texts, "test")
        entry.bits, entry.tokens = blocks(score, texts)
        entry.row["test"] = summary(score) | {"interval": block_interval(entry.bits, entry.tokens)}
        entry.row["test"]["interval_per_character"] = block_interval(*block_bits(score, texts.tokenizer))
    except LmzooError as error:
        entry.row |= {"error": str(error), "valid": None}
    if hasattr(model, "vocab_size_"):  # it was fitted, even if it could not be scored
        entry.row |= size(model)
    return entry


def size(model: LanguageModel) -> Row:
    """The number of n-grams, the bytes of their arrays, and the remarks of `fit`."""
    count, unit = model.size()
    total = sum(array.nbytes for array in model.arrays().values())
    return {"size": count, "unit": unit, "bytes": total, "remarks": list(model.remarks)}


def choose(candidates: list[LanguageModel], texts: Texts) -> LanguageModel:
    """The candidate with the lowest validation bits; if there are several, all are fitted."""
    if len(candidates) == 1:
        return candidates[0]
    for model in candidates:
        model.fit(Data.of(texts.train, texts.valid, texts.tokenizer.vocab_size))
    return min(candidates, key=lambda model: scored(model, texts, "valid").bits)


def timed_fit(model: LanguageModel, texts: Texts) -> float:
    """Seconds to learn from `train`, with `valid` at hand."""
    began = time.perf_counter()
    model.fit(Data.of(texts.train, texts.valid, texts.tokenizer.vocab_size))
    return time.perf_counter() - began


def scored(model: LanguageModel, texts: Texts, split: str) -> Score:
    return evaluate(TextModel(model, texts.tokenizer), getattr(texts.corpus, split), texts.corpus.protocol)


def summary(score: Score) -> Row:
    """The figures of a score."""
    keys = ("bits", "characters", "tokens", "words")
    ratios = ("bits_per_character", "perplexity_per_token", "perplexity_per_word")
    return {key: getattr(score, key) for key in keys + ratios} | {"bits_per_token": score.bits / score.tokens}


def blocks(score: Score, texts: Texts) -> tuple[Array, Array]:
    """(bits (K,), tokens (K,)) of the blocks that the bootstrap resamples."""
    bits, _ = block_bits(score, texts.tokenizer)
    tokens, _ = block_bits(dataclasses.replace(score, token_bits=np.ones(score.tokens)), texts.tokenizer)
    return bits, tokens


def contrast(entries: dict[tuple[str, int], Entry]) -> None:
    """Add to each row its difference from the baseline, from the best of its order, and from the order below."""
    with_bits = {key: entry for key, entry in entries.items() if len(entry.bits)}
    for (name, order), entry in with_bits.items():
        same_order = [other for (_, n), other in with_bits.items() if n == order]
        best = min(same_order, key=lambda other: other.bits.sum())
        others = {
            "baseline": with_bits.get((BASELINE, order)),
            "best": best,
            "shorter": with_bits.get((name, order - 1)),
        }
        entry.row |= {f"minus_{what}": minus(entry, other) for what, other in others.items()}


def minus(entry: Entry, other: Entry | None) -> Row | None:
    """The difference in bits per token and its paired 95 % interval, [] if the text is too short for one."""
    if other is None:
        return None
    bits = entry.bits - other.bits
    return {"delta": float(bits.sum() / entry.tokens.sum()), "interval": list(block_interval(bits, entry.tokens) or [])}


def line(row: Row) -> str:
    figure = f"{row['test']['perplexity_per_token']:10.3f}" if row["test"] else f"{'–':>10}"
    return f"{row['smoothing']:20} {row['order']} {figure}  {row['fit_seconds'] or 0:6.2f} s  {row['error'] or ''}"


if __name__ == "__main__":
    main()
