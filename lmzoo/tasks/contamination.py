"""How much of a test set stands in a training text word for word: the share of its 8-grams, as GPT-2's authors count.

Texts are lower-cased and only their words of letters and digits are compared, so that punctuation and spacing hide
nothing (Radford et al. 2019, section 4). They looked 8-grams up in a Bloom filter, which says yes to one in 10⁸ that is
not there; ours are compared by a hash of 64 bits, which does so less often still.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmzoo.data import cards, corpus
from lmzoo.data.download import PACKINGS
from lmzoo.errors import LmzooError
from lmzoo.interface import Progress

LENGTH = 8  # words
CHUNK = 1 << 22  # characters of the corpus that are read at a time
WORD = re.compile(r"[^\W_]+")
NO_WORD = re.compile(r"[\W_]")
FOREIGN = 0  # the number of a word that no text has, and of the gap between two texts


def overlaps(sets: Iterable[Iterable[str]], corpus_text: str) -> list[float | None]:
    """For each set of texts the share of its 8-grams that occur in `corpus_text`, repeated ones counted again.

    An 8-gram is within one text. None for a set where no text has eight words, so nothing can be said. The corpus is
    read once for all sets.
    """
    numbers: dict[str, int] = {}
    tokens = [np.array(list(_numbered(texts, numbers)), dtype=np.int64) for texts in sets]
    codes = np.random.default_rng(0).integers(0, 1 << 64, size=len(numbers) + 1, dtype=np.uint64)
    ngrams = [np.unique(_hashed(words, codes), return_counts=True) for words in tokens]
    found = [np.zeros(len(known), dtype=bool) for known, _ in ngrams]
    for words in _chunks(corpus_text, numbers):
        seen = _hashed(words, codes)
        for (known, _), marks in zip(ngrams, found, strict=True):
            if len(known):
                places = np.minimum(np.searchsorted(known, seen), len(known) - 1)
                marks[places[known[places] == seen]] = True
    return [
        float(counts[marks].sum() / counts.sum()) if len(counts) else None
        for (_, counts), marks in zip(ngrams, found, strict=True)
    ]


def training_text(
    provenance: Mapping[str, Any], mirror: str | None = None, progress: Progress | None = None
) -> str | None:
    """The text that a run with this provenance was trained on; None where it would have to be fetched, or is lost."""
    name = provenance.get("corpus_path") or provenance.get("corpus") or ""
    card, source = cards.cards().get(name), os.environ.get("LMZOO_MIRROR", "") if mirror is None else mirror
    folders = [corpus.cache_folder(), *([Path(source)] if source else [])]
    for file in card.files if card else ():
        if not any((folder / f"{file.path}{end}").exists() for folder in folders for end in PACKINGS):
            return None
    try:
        return corpus.load(name, mirror=source, refit=bool(provenance.get("refit")), progress=progress).train
    except (LmzooError, OSError):
        return None


class Overlaps:
    """`overlaps` of sets of texts with the training texts of runs, each training text being read once."""

    def __init__(self, sets: Iterable[Iterable[str]], mirror: str | None = None, progress: Progress | None = None):
        self.sets, self.mirror, self.progress = [list(texts) for texts in sets], mirror, progress or Progress()
        self._known: dict[str, list[float | None]] = {}

    def of(self, provenance: Mapping[str, Any]) -> list[float | None] | None:
        """The share of each set, for the run with this provenance; None where its training text is not at hand."""
        trained_on = f"{provenance.get('sha256')} {provenance.get('refit')}"
        if trained_on not in self._known:
            with self.progress.task("comparing with the training text"):
                text = training_text(provenance, self.mirror, self.progress)
                self._known[trained_on] = overlaps(self.sets, text) if text else []
        return self._known[trained_on] or None


def _numbered(texts: Iterable[str], numbers: dict[str, int]) -> Iterator[int]:
    """The words of `texts` as numbers, new ones being given the next; a gap behind each text."""
    for text in texts:
        yield from (numbers.setdefault(word, len(numbers) + 1) for word in WORD.findall(text.lower()))
        yield FOREIGN


def _chunks(text: str, numbers: dict[str, int]) -> Iterator[NDArray[Any]]:
    """The words of `text` as numbers, a chunk at a time; each begins with the 8 - 1 words before it."""
    start, before = 0, np.empty(0, dtype=np.int64)
    while start < len(text):
        cut = NO_WORD.search(text, start + CHUNK)  # within a word it would make two
        end = cut.start() if cut else len(text)
        words = WORD.findall(text[start:end].lower())
        read = np.fromiter(map(numbers.get, words, repeat(FOREIGN)), dtype=np.int64, count=len(words))
        read = np.concatenate([before, read])
        yield read
        start, before = end, read[-(LENGTH - 1) :]


def _hashed(words: NDArray[Any], codes: NDArray[Any]) -> NDArray[Any]:
    """A hash (uint64) of each 8 words in a row, of those that have no foreign one: Σ_i code(word_i) · factor^i."""
    count = max(0, len(words) - LENGTH + 1)
    whole = np.ones(count, dtype=bool)
    hashes = np.zeros(count, dtype=np.uint64)
    factor = np.uint64(0x9E3779B97F4A7C15)  # odd, so that nothing is lost; products wrap
    for i in range(LENGTH):
        column = words[i : i + count]
        whole &= column != FOREIGN
        hashes = hashes * factor + codes[column]
    return hashes[whole]
