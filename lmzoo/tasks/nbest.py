"""N-best lists: what a recogniser may have heard, made from a corpus by a noisy channel or read from a file.

A file is JSON lines, one list a line, and can come from any recogniser:

    {"reference": "what was said", "candidates": [{"text": "what was sad", "score": -3.2}, …]}
    {"reference": …, "candidates": […], "before": "text in front and a space ", "after": " and text behind"}

`score` is log P(heard | candidate) in nats, or on another scale, which the fitted weight makes up for. `before` and
`after` are surrounding text that was heard right; they may be left out. Other keys are ignored.
"""

import itertools
import json
import os
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lmzoo.data.corpus import Corpus
from lmzoo.data.reading import read_text
from lmzoo.errors import UsageError
from lmzoo.files import json_lines, parse_json
from lmzoo.interface import Progress
from lmzoo.tasks.noisy_channel import RATE, NoisyChannel, words_of

LISTS = 600  # lists to make
CANDIDATES = 50  # of a list, at most
FEWEST = 20  # lists: the word error rate of fewer has too wide an interval
SHORTEST, LONGEST = 5, 40  # words of a sentence
CONTEXT = 25  # words in front of it that a model reads too
VOCABULARY_FROM = 10_000_000  # characters of the training text that the channel's vocabulary is counted in
MIN_COUNT = 3  # of a word of that vocabulary
SENTENCE_END = re.compile(r"[.!?]['\"\u2019\u201d)]*$")


@dataclass(frozen=True)
class Candidate:
    """What may have been said."""

    text: str
    score: float  # log P(heard | it), nats


@dataclass(frozen=True)
class NBest:
    """One stretch of speech: what was said, and what may have been said."""

    reference: str
    candidates: tuple[Candidate, ...]
    before: str = ""  # text in front of it, with the white space between
    after: str = ""  # and behind

    def __post_init__(self) -> None:
        if not self.reference.strip():
            raise ValueError("the reference has no words, so no word can be wrong")
        if not self.candidates:
            raise ValueError("there must be one candidate or more")

    @property
    def has_reference(self) -> bool:
        """Whether the reference is among the candidates, word for word."""
        return any(candidate.text.split() == self.reference.split() for candidate in self.candidates)


# ── From a corpus ─────────────────────────────────────────────────────────────────────────────────


def make(
    corpus: Corpus, lists: int = LISTS, candidates: int = CANDIDATES, rate: float = RATE, seed: int = 0,
    progress: Progress | None = None,
) -> list[NBest]:  # fmt: skip
    """Lists of sentences of 5 to 40 words of the test text, drawn by `seed` and corrupted by the channel at `rate`.

    Raises UsageError for a corpus with fewer than 20 sentences whose lower-case words are all in the channel's
    vocabulary: the words that its training text has three times or more.
    """
    channel = NoisyChannel(words_of(corpus.train[:VOCABULARY_FROM], MIN_COUNT), rate)
    source, sentences = random.Random(f"{seed}/{corpus.name}"), _sentences(corpus)
    known = (one for one in source.sample(sentences, len(sentences)) if channel.knows(one[1]))
    drawn = list(itertools.islice(known, lists))
    if len(drawn) < FEWEST:
        raise UsageError(
            f"{corpus.name} has {len(drawn)} sentences of {SHORTEST} to {LONGEST} known words in its test text: "
            f"for n-best lists there must be {FEWEST} or more"
        )
    nbest_lists = []
    for before, sentence, after in (progress or Progress()).track("corrupting sentences", drawn):
        likeliest = channel.candidates(channel.corrupt(sentence, source), candidates)
        nbest_lists.append(NBest(sentence, tuple(Candidate(*one) for one in likeliest), before, after))
    return nbest_lists


def _sentences(corpus: Corpus) -> list[tuple[str, str, str]]:
    """Each sentence of the right length in the test text, with what is before and after it in its paragraph."""
    sentences = []
    for paragraph in corpus.test.split("\n") if corpus.lines else re.split(r"\n\s*\n", corpus.test):
        words, start = paragraph.split(), 0
        for end in range(1, len(words) + 1):
            if end < len(words) and not SENTENCE_END.search(words[end - 1]):
                continue
            if SHORTEST <= end - start <= LONGEST:
                before = " ".join(words[max(0, start - CONTEXT) : start])
                after = "\n" if corpus.lines and end == len(words) else ""
                sentences.append((before + " " * (before != ""), " ".join(words[start:end]), after))
            start = end
    return sentences


# ── In files ──────────────────────────────────────────────────────────────────────────────────────


def load(path: str | os.PathLike[str]) -> list[NBest]:
    """The lists in a file. Raises UsageError where it cannot be read, FormatError naming the line with a mistake."""
    name = os.fspath(path)
    try:
        return read(read_text(name, "n-best lists")[0], name)
    except OSError as error:
        raise UsageError(f"no n-best lists at {name!r}: {error.strerror}") from None


def read(text: str, where: str = "the text") -> list[NBest]:
    """The lists in JSON lines; blank lines are skipped. `where` is what a FormatError calls the text."""
    return [parse_json(line, NBest, place) for line, place in json_lines(text, where, "n-best lists")]


def to_json_lines(lists: Iterable[NBest], more: Sequence[dict[str, Any]] | None = None) -> str:
    """The inverse of `read`. `more`: further keys for each line."""
    lines = [asdict(one) | (more[n] if more else {}) for n, one in enumerate(lists)]
    return "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines)
