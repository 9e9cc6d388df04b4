r"""N-best lists: what a recogniser may have heard, the choice that a language model makes, and its word error rate.

A list has the candidates for one stretch of speech or typing, each with the log-score log P(heard | candidate) that the
recogniser's own model gave it. The choice is the candidate with the largest

    log-score + λ · log P(candidate)

under the language model, λ being a weight that is fitted (Jelinek 1997, chapter 1; λ = 1 is Bayes' rule,
where both models are right). The word error rate is the least number of words to substitute, delete or insert to come
from the choice to the reference, summed over all lists, as a share of the words of the references.

A file of lists is JSON lines, one list a line, and so can come from any recogniser:

    {"reference": "what was said", "candidates": [{"text": "what was sad", "score": -3.2}, …]}
    {"reference": …, "candidates": […], "before": "text in front, and a blank ", "after": " and behind"}

`score` is in nats (from another scale, λ makes it so). `before` and `after` are text around it that was heard right and
that a model reads along; they may be left out. What else a line has is passed over. Lists can also be made (`make`):
sentences of a corpus's test text, sent through the channel of `tasks/noisy_channel.py`.
"""

import itertools
import json
import math
import os
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lmzoo.data.corpus import Corpus
from lmzoo.errors import FormatError, ScoreError, TokenizerError, UsageError
from lmzoo.evaluation.likelihood import likelihoods
from lmzoo.evaluation.statistics import interval, ratio
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Progress
from lmzoo.tasks.noisy_channel import RATE, NoisyChannel, words_of
from lmzoo.tasks.result import TaskResult

LISTS = 600  # that are made
CANDIDATES = 50  # of each, at most
FEWEST = 20  # that are worth making
SHORTEST, LONGEST = 5, 40  # words of a sentence
CONTEXT = 25  # words before it that are read along
LEARNED_FROM = 10_000_000  # characters of the training text that say which words there are
LEAST = 3  # times that a word of the vocabulary occurs in them
FITTED_ON = 3  # every third list is for fitting λ, and counts no more
WEIGHTS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 5.0, 7.0, 10.0, 14.0, 20.0)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Candidate:
    """What may have been said."""

    text: str
    score: float  # log P(heard | it), nats


@dataclass(frozen=True)
class NBest:
    """One stretch of speech: what was said, and what may have been."""

    reference: str
    candidates: tuple[Candidate, ...]
    before: str = ""  # text in front of it, with the white space between
    after: str = ""  # and behind

    @property
    def has_reference(self) -> bool:
        """Whether what was said is among the candidates, word for word."""
        return any(one.text.split() == self.reference.split() for one in self.candidates)


# ── Lists from a corpus ───────────────────────────────────────────────────────────────────────────


def make(
    corpus: Corpus, lists: int = LISTS, candidates: int = CANDIDATES, rate: float = RATE, seed: int = 0,
    progress: Progress | None = None,
) -> list[NBest]:  # fmt: skip
    """Lists of sentences of 5 to 40 words of the test text, drawn by `seed`, which the channel has garbled at `rate`.

    All their words in small letters are in the vocabulary: what the training text has three times or more. Raises
    UsageError for a corpus with fewer than 20 such sentences.
    """
    channel = NoisyChannel(words_of(corpus.train[:LEARNED_FROM], LEAST), rate)
    source, every, made = random.Random(f"{seed}/{corpus.name}"), _sentences(corpus), []
    known = (one for one in source.sample(every, len(every)) if channel.knows(one[1]))
    drawn = list(itertools.islice(known, lists))
    if len(drawn) < FEWEST:
        raise UsageError(
            f"{corpus.name} has {len(drawn)} sentences of {SHORTEST} to {LONGEST} known words in its test text: "
            f"for n-best lists there must be {FEWEST} or more"
        )
    with (progress or Progress()).task("garbling", len(drawn)) as task:
        for before, sentence, after in drawn:
            found = channel.candidates(channel.corrupt(sentence, source), candidates)
            made.append(NBest(sentence, tuple(Candidate(*one) for one in found), before, after))
            task.advance(1)
    return made


def _sentences(corpus: Corpus) -> list[tuple[str, str, str]]:
    """Every sentence of the right length in the test text, with what is before and after it in its paragraph."""
    found = []
    for paragraph in corpus.test.split("\n") if corpus.lines else re.split(r"\n\s*\n", corpus.test):
        words, start = paragraph.split(), 0
        for end in range(1, len(words) + 1):
            if end < len(words) and not re.search(r"[.!?]['\"\u2019\u201d)]*$", words[end - 1]):
                continue
            if SHORTEST <= end - start <= LONGEST:
                before = " ".join(words[max(0, start - CONTEXT) : start])
                after = "\n" if corpus.lines and end == len(words) else ""
                found.append((before + " " * (before != ""), " ".join(words[start:end]), after))
            start = end
    return found


# ── Lists in files ────────────────────────────────────────────────────────────────────────────────


def load(path: str | os.PathLike[str]) -> list[NBest]:
    """The lists in a file. Raises UsageError where it cannot be read, FormatError naming the line that is not right."""
    name = os.fspath(path)
    try:
        return read(Path(name).read_text("utf-8"), name)
    except UnicodeDecodeError as error:
        raise FormatError(f"{name} is not UTF-8: {error.reason} at byte {error.start:,}") from None
    except OSError as error:
        raise UsageError(f"no n-best lists at {name!r}: {error.strerror}") from None


def read(text: str, where: str = "the text") -> list[NBest]:
    """The lists of JSON lines; blank lines are passed over. `where` is what a FormatError calls the text."""
    found = [_parse(line, f"{where}, line {n}") for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not found:
        raise FormatError(f"{where} has no n-best lists: it must have one on each line, as JSON")
    return found


def to_json_lines(lists: Iterable[NBest], more: Sequence[dict[str, Any]] | None = None) -> str:
    """What `read` reads. `more`: other fields of each line, for those who come after."""
    lines = []
    for n, one in enumerate(lists):
        fields = {
            "reference": one.reference,
            "candidates": [{"text": c.text, "score": c.score} for c in one.candidates],
            "before": one.before,
            "after": one.after,
        }
        lines.append(json.dumps({**fields, **(more[n] if more else {})}, ensure_ascii=True, allow_nan=False) + "\n")
    return "".join(lines)


def _parse(line: str, where: str) -> NBest:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{where} is not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise FormatError(f"{where} is no n-best list: it must be an object with reference and candidates")
    for key in ("reference", "before", "after"):
        if not isinstance(fields.get(key, "" if key != "reference" else None), str):
            raise FormatError(f"{where}: {key} must be text")
    if not fields["reference"].strip():
        raise FormatError(f"{where}: the reference has no words, so there is nothing to be wrong about")
    listed = fields.get("candidates")
    if not isinstance(listed, list) or not listed:
        raise FormatError(f"{where}: candidates must be a list of one or more")
    candidates = tuple(_candidate(one, f"{where}, candidate {n}") for n, one in enumerate(listed, 1))
    return NBest(fields["reference"], candidates, fields.get("before", ""), fields.get("after", ""))


def _candidate(fields: Any, where: str) -> Candidate:
    if not isinstance(fields, dict) or not isinstance(fields.get("text"), str):
        raise FormatError(f"{where} must be an object with text and score")
    score = fields.get("score")
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        raise FormatError(f"{where}: its score must be a number, a log-probability, not {score!r}")
    return Candidate(fields["text"], float(score))


# ── Word error rate ───────────────────────────────────────────────────────────────────────────────


def word_errors(reference: str, text: str) -> int:
    """The least number of substitutions, deletions and insertions of words that make `text` the reference."""
    ids: dict[str, int] = {}
    one, other = (np.array([ids.setdefault(w, len(ids)) for w in t.split()], np.int64) for t in (reference, text))
    return int(_levenshtein(one, other))


@njit(cache=True, nogil=True)
def _levenshtein(one: NDArray[np.int64], other: NDArray[np.int64]) -> int:
    """Wagner and Fischer (1974), one row at a time."""
    row = np.arange(len(other) + 1)
    for i in range(len(one)):
        corner, row[0] = row[0], i + 1
        for j in range(len(other)):
            substituted = corner + (one[i] != other[j])
            corner = row[j + 1]
            row[j + 1] = min(substituted, corner + 1, row[j] + 1)
    return row[-1]


# ── The choice ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Marked:
    """Lists with what is known of them before any model has seen them: scores (N,) and errors (N,) of each."""

    lists: Sequence[NBest]
    scores: list[Floats]
    errors: list[NDArray[np.int64]]
    words: NDArray[np.int64]  # of each reference

    @classmethod
    def of(cls, lists: Sequence[NBest]) -> "Marked":
        """Count the errors of every candidate. Raises UsageError for fewer than two lists."""
        if len(lists) < 2:
            raise UsageError(
                f"there must be 2 n-best lists or more, to fit a weight on some and test others, not {len(lists)}"
            )
        return cls(
            lists,
            [np.array([candidate.score for candidate in one.candidates]) for one in lists],
            [np.array([word_errors(one.reference, candidate.text) for candidate in one.candidates]) for one in lists],
            np.array([len(one.reference.split()) for one in lists]),
        )

    @property
    def fitted_on(self) -> NDArray[np.bool_]:
        """(N,): True for the lists that λ is fitted on; the others are tested."""
        return np.arange(len(self.lists)) % FITTED_ON == FITTED_ON - 1

    def chosen(self, log_probs: Sequence[Floats], weight: float) -> NDArray[np.int64]:
        """The errors (N,) of each list's choice; of equals the first is taken."""
        totals = (score + weight * log_prob for score, log_prob in zip(self.scores, log_probs, strict=True))
        return np.array([wrong[np.argmax(total)] for wrong, total in zip(self.errors, totals, strict=True)])

    def rate(self, errors: NDArray[np.int64], which: NDArray[np.bool_]) -> float:
        """The word error rate of `errors` (N,) on the lists `which` (N,)."""
        return float(errors[which].sum() / self.words[which].sum())

    def fit(self, log_probs: Sequence[Floats]) -> float:
        """The λ of `WEIGHTS` with the fewest errors on the lists for fitting; of equals, the one nearest to 1."""
        which = self.fitted_on
        rates = {weight: self.rate(self.chosen(log_probs, weight), which) for weight in WEIGHTS}
        return min(WEIGHTS, key=lambda weight: (rates[weight], abs(math.log(weight)) if weight else math.inf))

    def grade(self, errors: NDArray[np.int64], task: str, protocol: str, note: str = "") -> TaskResult:
        """The word error rate on the tested lists, with what the channel's own first choices get as chance."""
        tested = ~self.fitted_on

        return TaskResult(
            task=task,
            metric="word error rate",
            value=self.rate(errors, tested),
            interval=interval(ratio, errors[tested], self.words[tested]),
            chance=self.rate(self.first, tested),
            items=int(tested.sum()),
            training=int(self.fitted_on.sum()),
            kind="rescoring",
            protocol=f"lower is better; {protocol}",
            note=note,
        )

    @property
    def first(self) -> NDArray[np.int64]:
        """The errors (N,) of the channel's first choices."""
        return self.chosen([np.zeros(len(scores)) for scores in self.scores], 0.0)

    @property
    def oracle(self) -> NDArray[np.int64]:
        """The errors (N,) of the best candidates: no choice has fewer."""
        return np.array([wrong.min() for wrong in self.errors])


def log_probs(text_model: TextModel, lists: Sequence[NBest], progress: Progress | None = None) -> list[Floats]:
    """log P of each candidate of each list (N,), with what comes after it, given what comes before; nats.

    For a tokenizer of a closed vocabulary texts are first written as its corpus has them.
    """
    texts = [(one.before, candidate.text + one.after) for one in lists for candidate in one.candidates]
    normalize = text_model.tokenizer.normalize
    texts = [(normalize(before), normalize(text, before)) for before, text in texts]
    found = iter(likelihoods(text_model, texts, progress))
    return [np.array([next(found).log_prob for _ in one.candidates]) for one in lists]


def rescore(
    text_model: TextModel,
    marked: Marked,
    weight: float | None = None,
    task: str = "n-best",
    progress: Progress | None = None,
) -> tuple[TaskResult, list[Floats]]:
    """The result of the model's choices, and log P of each candidate.

    λ is `weight`, or fitted where that is None; `details["weight"]` has it. A model whose scores are not finite
    somewhere, or whose tokenizer cannot encode a candidate, gets a result without a value, and the reason in its note.
    """
    try:
        found = log_probs(text_model, marked.lists, progress)
    except (ScoreError, TokenizerError) as error:
        return refused(task, str(error)), []
    how = f"weight fitted on {marked.fitted_on.sum()} other lists" if weight is None else "weight given"
    weight = marked.fit(found) if weight is None else weight
    result = marked.grade(marked.chosen(found, weight), task, f"weight {weight:g}, {how}")
    return replace(result, details={"weight": weight}), found


def refused(task: str, note: str) -> TaskResult:
    """The result of a model that cannot choose, and why it cannot."""
    return TaskResult(task, "word error rate", None, kind="rescoring", protocol="lower is better", note=note)
