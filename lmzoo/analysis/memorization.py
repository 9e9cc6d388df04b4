"""Memorisation: how much of what a model generates is copied verbatim from its training text.

Longest matches need no index of the training text: it is read once, and each pair of adjacent characters extends the
matches that end with the same pair in the sample. A pair is rare in 400 characters, and memory is that of the sample.
"""

import re
from collections.abc import Generator
from itertools import islice
from typing import Any

import numpy as np
from numba import njit

from lmzoo.analysis.surprisal import whole_words
from lmzoo.evaluation.generation import generate
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Array, LanguageModel
from lmzoo.progress import result_of

CHARACTERS = 400  # of each sample, and its most tokens
# Shorter matches do not count as copied. Papers ask for 50 tokens (Lee et al. 2022; Carlini et al. 2023), about 200
# characters, which is a whole document in small corpora; 30 are six or seven English words, more than a 5-gram sees.
LEAST = 30  # characters
PROMPT = 40  # its most characters
CHUNK = 1 << 17  # characters of the training text read at a time: a few milliseconds


def prompt_of(test: str) -> str:
    """The prompt of every sample: the first words of a document of the test text, at most PROMPT characters.

    Of the first document after a blank line that is long enough; in a text without blank lines, of such a line; in a
    text of one line, of its beginning.
    """
    return _prompt(test, _opening(test))


def facts_of(text_model: TextModel, prompt: str, seed: int, training: str) -> dict[str, Any]:
    """A sample that continues `prompt`, drawn by `seed`, and how much of it is `copied`; plain JSON."""
    model, tokenizer = text_model.require(LanguageModel, "it cannot write one"), text_model.tokenizer
    before = tokenizer.encode(prompt)
    read = tokenizer.decode(before)  # the prompt, but for <unk> in place of words outside a closed vocabulary
    ids: list[int] = []
    for token in islice(generate(model, before, CHARACTERS, seed=seed), CHARACTERS):
        if token == tokenizer.end and not tokenizer.lines:
            break  # the model ends the text
        ids.append(token)
        if len(ids) % 50 == 0 and len(tokenizer.decode(ids)) > CHARACTERS:
            break
    text = whole_words(tokenizer.decode([*before, *ids])[len(read) :], CHARACTERS)
    return {"prompt": read, "seed": seed, "text": text, **copied(text, training)}


def of_test(test: str, training: str) -> dict[str, Any]:
    """The test text's own continuation of the prompt: the baseline, for texts of one kind share phrases uncopied."""
    start = _opening(test)
    prompt = _prompt(test, start)
    text = whole_words(test[start + len(prompt) :][: CHARACTERS + 1], CHARACTERS)
    return {"label": "the test text itself", "prompt": prompt, "seed": None, "text": text, **copied(text, training)}


def _opening(test: str) -> int:
    for border in (r"\n\s*\n", r"\n"):
        for match in re.finditer(border, test):
            opening = test[match.end() : match.end() + PROMPT]
            if len(opening) == PROMPT and not re.search(border, opening):
                return match.end()
    return 0


def _prompt(test: str, start: int) -> str:
    return whole_words(test[start : start + PROMPT + 1], PROMPT).rstrip()


def copied(text: str, training: str) -> dict[str, Any]:
    """What of `text` occurs verbatim in `training`, as plain JSON.

    `copied`: the share of its characters in matches of `least` characters or more (None for an empty text);
    `stretches`: those matches as [start, end], merged where they overlap or meet; `longest`: the longest match of any
    length, with its `start` in the text and in the training text (`training_start`).
    """
    return result_of(copying(text, training))


def copying(text: str, training: str) -> Generator[None, None, dict[str, Any]]:
    """`copied`, a part of the training text at each step."""
    lengths, starts = yield from _matching(text, training)
    ends = np.arange(1, len(text) + 1)
    long = lengths >= LEAST
    depth = np.zeros(len(text) + 1, dtype=np.int64)  # the number of long matches over each character, as differences
    np.add.at(depth, (ends - lengths)[long], 1)
    np.add.at(depth, ends[long], -1)
    within = np.concatenate([[False], np.cumsum(depth) > 0])
    stretches = np.flatnonzero(within[1:] != within[:-1]).reshape(-1, 2).tolist()
    share = sum(end - start for start, end in stretches) / len(text) if text else None
    best = int(np.argmax(lengths)) if text else 0
    characters = int(lengths[best]) if text else 0
    longest = {
        "characters": characters,
        "start": best + 1 - characters if characters else None,
        "training_start": int(starts[best]) if characters else None,
    }
    return {"copied": share, "least": LEAST, "stretches": stretches, "longest": longest}


def longest_matches(text: str, training: str) -> tuple[Array, Array]:
    """For each character of `text`, the longest match that ends with it: its length (C,) and start in `training` (C,).

    The first of several in `training`; 0 and -1 for a character that `training` does not have.
    """
    return result_of(_matching(text, training))


def _matching(text: str, training: str) -> Generator[None, None, tuple[Array, Array]]:
    letters, which = np.unique(_codes(text), return_inverse=True)
    many = len(letters) + 1
    number = np.full(0x110000, len(letters), np.uint16)  # of each character: len(letters) for those not in the text
    number[letters] = np.arange(len(letters))
    pairs = which[:-1] * many + which[1:]  # the bigram of characters that ends at each place but the first
    order = np.lexsort((-np.arange(len(pairs)), pairs))  # by pair, the last place first
    places, bounds = order + 1, np.searchsorted(pairs[order], np.arange(many * many + 1))
    runs, lengths, starts = np.full((2, len(text)), -1), np.zeros(len(text), np.int64), np.full(len(text), -1)
    first = np.full(many, -1)
    last = len(letters)
    for offset in range(0, len(training), CHUNK):
        read = number[_codes(training[offset : offset + CHUNK])]
        _feed(read, last, offset, places, bounds, runs, lengths, starts, first)
        last = int(read[-1])
        yield
    single = (lengths == 0) & (first[which] >= 0)
    return np.where(single, 1, lengths), np.where(single, first[which], starts)


def _codes(text: str) -> Array:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


@njit(cache=True, nogil=True)
def _feed(
    read: Array,
    last: int,
    offset: int,
    places: Array,
    bounds: Array,
    runs: Array,
    lengths: Array,
    starts: Array,
    first: Array,
) -> None:
    """Extend the matches by the characters `read` (N,) of the training text, from `offset` on, after `last`.

    `places`: where each pair of characters ends in the text, the last place first, from `bounds[pair]` to
    `bounds[pair + 1]`. `runs` (2, C): the length of the latest match that ends at each place, and where it ends in the
    training text. Updates `lengths` and `starts` (C,) of matches of at least two characters, and where each character
    occurs `first` in the training text.
    """
    many = len(first)
    for n in range(offset, offset + len(read)):
        letter = int(read[n - offset])
        if first[letter] < 0:
            first[letter] = n
        pair = last * many + letter
        for k in range(bounds[pair], bounds[pair + 1]):
            place = places[k]
            # Descending places: the one before has not been updated for n yet, and still holds its match up to n - 1.
            run = runs[0, place - 1] + 1 if runs[1, place - 1] == n - 1 else 2
            runs[0, place], runs[1, place] = run, n
            if run > lengths[place]:
                lengths[place], starts[place] = run, n - run + 1
        last = letter
