"""Memorisation: how much of what a model generates is copied verbatim from its training text.

Longest matches need no index of the training text: a suffix automaton of the sample (Blumer et al. 1985) reads the
training text, as in matching statistics (Chang & Lawler 1994). Time is linear in the training text, memory is that of
the sample.
"""

import re
from itertools import islice
from typing import Any

import numpy as np
from numba import njit

from lmzoo.analysis.surprisal import whole_words
from lmzoo.evaluation.generation import generate
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Array, LanguageModel

CHARACTERS = 400  # of each sample, and its most tokens
# Shorter matches do not count as copied. Papers ask for 50 tokens (Lee et al. 2022; Carlini et al. 2023), about 200
# characters, which is a whole document in small corpora; 30 are six or seven English words, more than a 5-gram sees.
LEAST = 30  # characters
PROMPT = 40  # its most characters
CHUNK = 1 << 22  # characters of the training text read at a time


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
    lengths, starts = longest_matches(text, training)
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

    0 and -1 for a character that `training` does not have.
    """
    automaton = _Automaton(text)
    state, matched = 0, 0
    best, ends = np.zeros(len(automaton.length), np.int64), np.zeros(len(automaton.length), np.int64)
    for start in range(0, len(training), CHUNK):
        chunk = training[start : start + CHUNK].encode("utf-32-le", "surrogatepass")
        codes = np.frombuffer(chunk, np.uint32)
        tables = automaton.letters, automaton.step, automaton.link, automaton.length
        state, matched = _feed(codes, *tables, best, ends, state, matched, start)
    return automaton.read_off(best, ends)


class _Automaton:
    """The suffix automaton of a text: a state is a set of substrings that end at the same positions.

    `letters` (0x110000,) numbers the characters of the text, 0 for all others; `step` (S, letters) is the next state,
    -1 where there is no such substring; `length` (S,) the longest substring of a state, and `link` (S,) its suffix
    link: the state of the longest suffix that ends at more positions. State 0 is the empty string.
    """

    def __init__(self, text: str):
        alphabet = {char: n for n, char in enumerate(dict.fromkeys(text), 1)}
        self.steps: list[dict[int, int]] = [{}]
        self.links, self.lengths, self.prefixes = [-1], [0], [0]
        for char in text:
            self.prefixes.append(self._extend(self.prefixes[-1], alphabet[char]))
        self.letters = np.zeros(0x110000, np.uint16)
        self.letters[[ord(char) for char in alphabet]] = list(alphabet.values())
        self.step = np.full((len(self.steps), len(alphabet) + 1), -1, np.int32)
        for state, steps in enumerate(self.steps):
            self.step[state, list(steps)] = list(steps.values())
        self.link, self.length = np.array(self.links), np.array(self.lengths)

    def _extend(self, last: int, letter: int) -> int:
        """Append a letter; `last` is the state of the whole text so far. Returns the new one."""
        state = self._add({}, self.lengths[last] + 1)
        from_state = last
        while from_state >= 0 and letter not in self.steps[from_state]:
            self.steps[from_state][letter] = state
            from_state = self.links[from_state]
        if from_state < 0:
            self.links[state] = 0
            return state
        there = self.steps[from_state][letter]
        if self.lengths[there] > self.lengths[from_state] + 1:  # its longer substrings do not end here: split it
            shorter = self._add(dict(self.steps[there]), self.lengths[from_state] + 1)
            self.links[shorter], self.links[there] = self.links[there], shorter
            while from_state >= 0 and self.steps[from_state].get(letter) == there:
                self.steps[from_state][letter] = shorter
                from_state = self.links[from_state]
            there = shorter
        self.links[state] = there
        return state

    def _add(self, steps: dict[int, int], length: int) -> int:
        self.steps.append(steps)
        self.links.append(-1)
        self.lengths.append(length)
        return len(self.steps) - 1

    def read_off(self, best: Array, ends: Array) -> tuple[Array, Array]:
        """`longest_matches`, from the longest match of each state (S,) and its end in the training text (S,)."""
        for state in np.argsort(-self.length).tolist():  # what matches a substring matches its suffixes
            shorter = self.links[state]
            if best[state] and shorter > 0:
                best[shorter], ends[shorter] = self.length[shorter], ends[state]
        lengths, starts = [], []
        for state in self.prefixes[1:]:
            while state and not best[state]:
                state = self.links[state]
            lengths.append(int(best[state]))
            starts.append(int(ends[state] - best[state]) if best[state] else -1)
        return np.array(lengths, np.int64), np.array(starts, np.int64)


@njit(cache=True, nogil=True)
def _feed(
    codes: Array,
    letters: Array,
    step: Array,
    link: Array,
    length: Array,
    best: Array,
    ends: Array,
    state: int,
    matched: int,
    offset: int,
) -> tuple[int, int]:
    """Run `codes` (N,) of the training text through an automaton, from a `state` with `matched` letters of match.

    Updates, for each state, the longest match that reached it, `best` (S,), and its end in the training text, `ends`.
    """
    for n in range(len(codes)):
        letter = letters[codes[n]]
        while state > 0 and step[state, letter] < 0:
            state = link[state]
            matched = length[state]
        if step[state, letter] >= 0:
            state = step[state, letter]
            matched += 1
        if matched > best[state]:
            best[state], ends[state] = matched, offset + n + 1
    return state, matched
