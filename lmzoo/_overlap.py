"""How much of a test set stands in a training text word for word: the share of its 8-grams, as GPT-2's authors count.

Texts are lower-cased and only their words of letters and digits are compared, so that punctuation and spacing hide
nothing (Radford et al. 2019, section 4). They looked 8-grams up in a Bloom filter, which says yes to one in 10⁸ that is
not there; ours are compared by a hash of 64 bits, which does so less often still.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

LENGTH = 8  # words
CHUNK = 1 << 22  # characters of the corpus that are read at a time
WORD = re.compile(r"[^\W_]+")
NO_WORD = re.compile(r"[\W_]")
FOREIGN = 0  # the number of a word that no text has, and of the gap between two texts


def overlap(texts: Iterable[str], corpus_text: str) -> float | None:
    """The share of the 8-grams of `texts` that occur in `corpus_text`, repeated ones counted again.

    An 8-gram is within one text. None where no text has eight words, so nothing can be said.
    """
    numbers: dict[str, int] = {}
    tokens: list[int] = []
    for text in texts:
        tokens += [numbers.setdefault(word, len(numbers) + 1) for word in WORD.findall(text.lower())]
        tokens.append(FOREIGN)
    codes = np.random.default_rng(0).integers(0, 1 << 64, size=len(numbers) + 1, dtype=np.uint64)
    ngrams = _hashed(np.array(tokens, dtype=np.int64), codes)
    if not len(ngrams):
        return None
    known, counts = np.unique(ngrams, return_counts=True)
    found = np.zeros(len(known), dtype=bool)
    for words in _chunks(corpus_text, numbers):
        seen = _hashed(words, codes)
        places = np.minimum(np.searchsorted(known, seen), len(known) - 1)
        found[places[known[places] == seen]] = True
    return float(counts[found].sum() / counts.sum())


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
