"""Where two models differ that should be the same, and which known mistake gives the numbers of one of them.

Both learn the same short English text, word by word, and are asked for whole distributions after the same contexts:
none, one word, two, … so that the first difference is the easiest to compute by hand. A cause is named only where the
model with that mistake gives the same numbers.
"""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from lmzoo.analysis.explain_ngram import Reader, has_table
from lmzoo.analysis.misreadings import Misreading, misreadings
from lmzoo.data import tokenizers
from lmzoo.data.grammar import storyworld
from lmzoo.errors import UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Array, Data, Ids, LanguageModel, Model, Run
from lmzoo.models.ngram import Ngram

TOLERANCE = 1e-4  # nats
CHARACTERS = 2500  # of the text that both learn: some 500 words
CONTEXTS = 120
SHOWN = 3


@dataclass(frozen=True)
class Difference:
    """One context where the two differ, and the token where they differ most."""

    context: list[str]
    token: str
    yours: float  # its probability; NaN where the model gives none
    reference: float
    reference_sum: str = ""  # as terms of a sum, where the model is an n-gram
    your_sum: str = ""  # where a known mistake gives the same number


@dataclass(frozen=True)
class Comparison:
    """Whether two models are the same in all of `contexts`, the first differences, and what causes them."""

    reference: str
    contexts: int
    differing: int
    differences: list[Difference] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)  # each found by measurement; none where nothing known fits

    @property
    def same(self) -> bool:
        """Whether they agree everywhere."""
        return not self.differing

    def facts(self) -> dict[str, Any]:
        """For JSON: a probability that is no finite number is None."""
        facts = asdict(self) | {"same": self.same}
        for difference in facts["differences"]:
            difference["yours"] = difference["yours"] if math.isfinite(difference["yours"]) else None
        return facts


def compare(yours: LanguageModel, reference: Model, name: str, run: Run | None = None) -> Comparison:
    """Fit both models, and compare their distributions after some 120 contexts of increasing length.

    Raises UsageError where the reference does not predict the next token, and what `yours` raises.
    """
    if not isinstance(reference, LanguageModel):
        raise UsageError(f"{name} gives no probability to a text, so there is nothing to compare with")
    tokenizer, data = practice()
    run = run or Run(steps=50)
    contexts = _contexts(data)
    reference.fit(data, run)
    theirs = _rows(reference, contexts)
    yours.fit(data, run)
    rows = _rows(yours, contexts)
    wrong = [n for n in range(len(contexts)) if not _equal(rows[n], theirs[n])]
    if not wrong:
        return Comparison(name, len(contexts), 0)
    found = _measured(reference, data, contexts, rows, theirs) if isinstance(reference, Ngram) else []
    causes = [f"your numbers are those of {one.name}: {one.cause}" for one in found]
    causes = causes or _shape(rows, theirs, wrong)
    mistaken = found[0].model if found else None
    differences = [
        _difference(TextModel(reference, tokenizer), mistaken, contexts[n], rows[n], theirs[n]) for n in wrong[:SHOWN]
    ]
    return Comparison(name, len(contexts), len(wrong), differences, causes)


def practice() -> tuple[tokenizers.Tokenizer, Data]:
    """Sentences by storyworld's grammar, a word a token, each document ended by `end`; and its tokenizer."""
    grammar = storyworld()
    documents = [" ".join(document.split()) for document in grammar.generate(CHARACTERS, "same-as")]
    # With a word that does not occur: where all words do, discounting unigrams changes nothing.
    tokenizer = tokenizers.train("split", " ".join([*documents, "zebra"]))
    end = tokenizer.vocab_size - 1
    ids = np.concatenate([np.append(tokenizer.encode(document), end) for document in documents]).astype(np.int32)
    return tokenizer, Data.of(ids, ids[:0], tokenizer.vocab_size)


def _contexts(data: Data) -> list[Ids]:
    """No words, one, two, … from the text, then words in orders that it never had."""
    contexts = [data.train[:0]]
    for length in (1, 2, 3, 5, 8):
        starts = np.linspace(0, len(data.train) - length - 1, CONTEXTS // 6).astype(int)
        contexts += [data.train[start : start + length] for start in starts]
    shuffled = np.random.default_rng(0).permutation(data.train)
    return contexts + [shuffled[n : n + 4] for n in range(CONTEXTS // 6)]


def _rows(model: LanguageModel, contexts: list[Ids]) -> Array:
    """(N, V), log-probabilities after each context."""
    rows = np.full((len(contexts), model.vocab_size_), np.nan)
    for n, context in enumerate(contexts):
        row = np.asarray(model.next_log_probs(model.advance(model.start(), context)), dtype=np.float64)
        if row.shape != rows[n].shape:
            raise UsageError(
                f"next_log_probs must give one number for each of the {len(rows[n])} tokens, not {row.shape}"
            )
        rows[n] = row
    return rows


def _equal(a: Array, b: Array) -> bool:
    with np.errstate(invalid="ignore"):
        return bool((np.isclose(a, b, atol=TOLERANCE, rtol=0) | (a == b)).all())  # −∞ equals −∞


def _measured(meant: Ngram, data: Data, contexts: list[Ids], rows: Array, theirs: Array) -> list[Misreading]:
    """The first known mistake that gives all of `rows`, and is not the reference itself on this text."""
    for one in misreadings(meant):
        one.model.fit(data)
        variant = _rows(one.model, contexts)
        if not _equal(variant, theirs) and _equal(variant, rows):
            return [one]
    return []


def _shape(rows: Array, theirs: Array, wrong: list[int]) -> list[str]:
    """What is wrong with the numbers whatever the smoothing: their unit, their sum, or the contexts that differ."""
    with np.errstate(all="ignore"):
        for factor, unit in ((math.log(2), "bits (log₂)"), (math.log(10), "log₁₀")):
            if _equal(rows * factor, theirs):
                return [f"your numbers are right, but in {unit}: log-probabilities are in nats, np.log"]
        if _equal(np.log(rows), theirs):
            return ["your numbers are probabilities: next_log_probs returns their logarithms, np.log"]
        totals = np.exp(rows).sum(axis=1)
    off = np.flatnonzero(~(np.abs(totals - 1) < TOLERANCE))
    if len(off):
        return [
            f"your probabilities do not sum to one in {len(off)} of {len(rows)} contexts, to {totals[off[0]]:.6g} first"
        ]
    if len(wrong) < len(rows):
        return [f"{len(rows) - len(wrong)} of {len(rows)} contexts are right: look at what the others have in common"]
    return []


def _difference(reference: TextModel, mistaken: Ngram | None, context: Ids, row: Array, expected: Array) -> Difference:
    with np.errstate(all="ignore"):
        off = np.abs(np.exp(row) - np.exp(expected))
    token = int(np.argmax(np.where(np.isnan(off), np.inf, off)))
    names = ["<s>", *(reference.tokenizer.token(word) for word in context.tolist())]
    with np.errstate(all="ignore"):
        yours, theirs = float(np.exp(row[token])), float(np.exp(expected[token]))
    sums = [""]
    for model in filter(None, (reference.model, mistaken)):
        sums.append(_sum(TextModel(model, reference.tokenizer), context, token))
    sums = [*sums[1:], "", ""]
    return Difference(names, reference.tokenizer.token(token), yours, theirs, sums[0], sums[1])


def _sum(text_model: TextModel, context: Ids, token: int) -> str:
    if not has_table(text_model.model):
        return ""
    reader = Reader(text_model)
    kind = getattr(text_model.model, "kind", None)
    reader.backs_off = reader.backs_off or bool(kind and kind.backs_off)
    read = np.concatenate([[reader.end], context]).astype(np.int32)
    return str(reader.explain(reader.after(read), token, reader.reachable(read))["sum"])
