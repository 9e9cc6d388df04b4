"""Contamination: the share of a test set's 8-grams that occur in a training text (Radford et al. 2019, section 4).

Only words of letters and digits are compared, in lower case, so that punctuation and spacing hide nothing.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from lmzoo.data import cards, corpus
from lmzoo.data.unpack import PACKINGS
from lmzoo.errors import LmzooError
from lmzoo.interface import Array, Progress

LENGTH = 8  # words of an n-gram
CHUNK = 1 << 22  # characters of the training text that are read at a time
WORD = re.compile(r"[^\W_]+")
NOT_WORD = re.compile(r"[\W_]")
FOREIGN = 0  # the number of a word that no test set has, and of the gap between two texts


def overlaps(sets: Iterable[Iterable[str]], training_text: str) -> list[float | None]:
    """For each set of texts the share of its 8-grams that occur in `training_text`, repeated ones counted again.

    An 8-gram lies within one text; None for a set where no text has eight words. The training text is read once.
    """
    numbers: dict[str, int] = {}
    tokens = [np.array(list(_numbered(texts, numbers)), dtype=np.int64) for texts in sets]
    # Compared by 64-bit hashes: fewer false positives than Radford et al.'s Bloom filter, which has one in 10⁸.
    codes = np.random.default_rng(0).integers(0, 1 << 64, size=len(numbers) + 1, dtype=np.uint64)
    ngrams = [np.unique(_hashed(words, codes), return_counts=True) for words in tokens]
    occurs = [np.zeros(len(known), dtype=bool) for known, _ in ngrams]
    for words in _chunks(training_text, numbers):
        hashes = _hashed(words, codes)
        for (known, _), marks in zip(ngrams, occurs, strict=True):
            if len(known):
                positions = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
                marks[positions[known[positions] == hashes]] = True
    return [
        float(counts[marks].sum() / counts.sum()) if len(counts) else None
        for (_, counts), marks in zip(ngrams, occurs, strict=True)
    ]


def training_text(
    provenance: Mapping[str, Any], mirror: str | None = None, progress: Progress | None = None
) -> str | None:
    """The training text of a run with this provenance; None where it would have to be downloaded, or is gone."""
    paths = corpus.trained_on(provenance)
    card, source = cards.cards().get(paths.corpus), os.environ.get("LMZOO_MIRROR", "") if mirror is None else mirror
    folders = [corpus.cache_folder(), *([Path(source)] if source else [])]
    for file in card.files if card else ():
        if not any((folder / f"{file.path}{end}").exists() for folder in folders for end in PACKINGS):
            return None
    try:
        refit, lines = bool(provenance.get("refit")), bool(provenance.get("lines"))
        return corpus.load(paths, mirror=source, refit=refit, lines=lines, progress=progress).train
    except (LmzooError, OSError):
        return None


class Overlaps:
    """`overlaps` of sets of texts with the training texts of runs; each training text is read once."""

    def __init__(self, sets: Iterable[Iterable[str]], mirror: str | None = None, progress: Progress | None = None):
        self.sets, self.mirror, self.progress = [list(texts) for texts in sets], mirror, progress or Progress()
        self._known: dict[str, list[float | None]] = {}

    def of(self, provenance: Mapping[str, Any]) -> list[float | None] | None:
        """The share of each set for a run with this provenance; None where its training text is not available."""
        trained_on = f"{provenance.get('sha256')} {provenance.get('refit')}"
        if trained_on not in self._known:
            with self.progress.task("comparing with the training text"):
                text = training_text(provenance, self.mirror, self.progress)
                self._known[trained_on] = overlaps(self.sets, text) if text else []
        return self._known[trained_on] or None


def _numbered(texts: Iterable[str], numbers: dict[str, int]) -> Iterator[int]:
    """The words of `texts` as numbers, a new word the next number; a gap after each text."""
    for text in texts:
        yield from (numbers.setdefault(word, len(numbers) + 1) for word in WORD.findall(text.lower()))
        yield FOREIGN


def _chunks(text: str, numbers: dict[str, int]) -> Iterator[Array]:
    """The words of `text` as numbers, a chunk at a time; each begins with the 8 − 1 words before it."""
    start, previous = 0, np.empty(0, dtype=np.int64)
    while start < len(text):
        cut = NOT_WORD.search(text, start + CHUNK)  # never within a word
        end = cut.start() if cut else len(text)
        words = WORD.findall(text[start:end].lower())
        chunk = np.fromiter(map(numbers.get, words, repeat(FOREIGN)), dtype=np.int64, count=len(words))
        chunk = np.concatenate([previous, chunk])
        yield chunk
        start, previous = end, chunk[-(LENGTH - 1) :]


def _hashed(words: Array, codes: Array) -> Array:
    """A hash (uint64) of each 8 words in a row without a foreign word: Σ_i code(word_i) · factor^i."""
    count = max(0, len(words) - LENGTH + 1)
    whole = np.ones(count, dtype=bool)
    hashes = np.zeros(count, dtype=np.uint64)
    factor = np.uint64(0x9E3779B97F4A7C15)  # odd, so that multiplication modulo 2^64 loses nothing
    for i in range(LENGTH):
        column = words[i : i + count]
        whole &= column != FOREIGN
        hashes = hashes * factor + codes[column]
    return hashes[whole]
