"""The positions of a text in the order of the n-grams that begin there: what n-grams are counted from.

In that order, a suffix array of the first few words, equal n-grams of every order stand side by side. One sort serves
all orders; each is then listed in one pass. Sorting is by first word (a counting sort), and within each word by the
words behind, several of which are one number (a radix sort). Time is O(T) for each order; memory is some 40 bytes a
token, 12 of them beside what `Scratch` keeps.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from lmzoo.interface import Array
from lmzoo.loops import loop
from lmzoo.ngrams.out_of_core import Scratch, ranges, release

RUN = 1 << 20  # positions that a thread sorts at a time, if no single word has more
THREADS = min(8, os.cpu_count() or 1)
FEW = 96  # keys: with fewer, merging is faster than a radix sort
BYTE, DIGITS = 256, 8


class Ordered:
    """The positions of a text (T+1,) in the order of the n-grams that begin there, compared word by word.

    As many of the words behind the first as fit in 64 bits are one number, the key of a position: a word plus one has
    `width` bits, and 0 is what is behind an `end`.

    Attributes: `seen`, (V,), the first position of each word, -1 for `end`; `new`, (R, order+2), how many n-grams of
    each order are in each of R runs, ranges of first words.
    """

    def __init__(self, text: Array, counts: Array, order: int, scratch: Scratch):
        size, width = len(text), len(counts).bit_length()
        self.text, self.width = text, width
        self.slots = slots = min(order - 1, 64 // width)  # words in a key
        self.starts = np.append(0, np.cumsum(counts, dtype=np.int64))  # (V+1,) the first place of each word
        self.runs = ranges(self.starts, RUN)
        self.new = np.zeros((len(self.runs), order + 2), np.int64)
        self.places = places = scratch.empty(size, np.int32)  # the positions in order
        self.keys = scratch.empty(size, np.uint64)  # of the places
        self.shared = scratch.empty(size, np.uint8)  # words at the beginning that are those of the place before
        self.lengths = scratch.empty(size, np.uint8)  # words up to an `end` behind the first, at most `order`
        lengths, keys = np.empty(size, np.uint8), np.empty(size, np.uint64)  # by position
        _put_keys(text, order, width, slots, lengths, keys)
        _place(text, keys, self.starts[:-1].copy(), places, self.keys)
        self.seen = places[self.starts[:-1]]
        self.seen[-1] = -1

        def sort_run(run: int) -> None:
            first, stop = self.runs[run]
            most = int(counts[first:stop].max())  # as many places are sorted at a time
            _sort_run(
                text, lengths, keys, self.starts, first, stop, order, width, slots, places, self.keys, self.shared,
                self.lengths, self.new[run], np.empty(most, np.int32), np.empty(most, np.uint64),
                np.empty(DIGITS * BYTE, np.int64),
            )  # fmt: skip

        _each(sort_run, len(self.runs))
        np.cumsum(self.new, axis=1, out=self.new)
        self.next = scratch.empty(size, np.int32)  # the place of the position behind that of each place
        _put_next(places, np.empty(size, np.int32), self.next)
        self._below, self._here = np.empty((2, size), np.int32)  # (T+1,) the number of the n-gram at each place

    def level(self, n: int, contexts: int, scratch: Scratch) -> tuple[Array, Array, Array, Array]:
        """The `word`, `suffix`, `count` and `children` of `Level` n, for n = 2, 3, … in turns.

        `contexts` is the number of n-grams of the order below.
        """
        sizes = self.new[:, n - 1 : n + 1]
        firsts = np.cumsum(sizes, axis=0) - sizes  # (R, 2) the first n-gram of order n-1 and of order n in each run
        word, suffix, count = (scratch.empty(int(sizes[:, 1].sum()), np.int32) for _ in range(3))
        children = np.zeros(contexts + 1, np.int32)
        below, here = self._below, self._here = self._here, self._below

        def list_run(run: int) -> None:
            context, ngram = (firsts[run] - 1).tolist()
            _list_run(
                n, self.text, self.width, self.slots, self.starts, *self.runs[run], self.places, self.keys, self.shared,
                self.lengths, self.next, context, ngram, below, here, word, suffix, count, children,
            )  # fmt: skip

        _each(list_run, len(self.runs))
        release(self.places, self.keys, self.shared, self.lengths, self.next)
        return word, suffix, count, scratch.keep(children)


def _each(work: Callable[[int], None], runs: int) -> None:
    """Do `work` for each run; the compiled loops release Python's lock."""
    if min(runs, THREADS) == 1:
        for run in range(runs):
            work(run)
        return
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(runs)))


@loop
def _put_keys(text, order, width, slots, lengths, keys):  # type: ignore[no-untyped-def]
    """The length and key of each position; see `Ordered`."""
    end = text[0]
    top = np.uint64(width * (slots - 1)) if slots > 0 else np.uint64(0)
    key, length = np.uint64(0), 0
    for t in range(len(text) - 1, -1, -1):
        length += 1 if length < order else 0
        lengths[t], keys[t] = length, key
        word = text[t]
        if word == end:
            key, length = np.uint64(0), 1
        key = key >> np.uint64(width) | np.uint64(word + 1) << top


@loop
def _place(text, keys, cursor, places, placed_keys):  # type: ignore[no-untyped-def]
    """A counting sort: the positions of each word in ascending order, from cursor[word] on, and their keys."""
    for t in range(len(text)):
        word = text[t]
        i = cursor[word]
        cursor[word] = i + 1
        places[i], placed_keys[i] = t, keys[t]


@loop
def _sort_run(  # type: ignore[no-untyped-def]
    text, lengths, keys, starts, first, stop, order, width, slots, places, placed_keys, shared, placed_lengths, new,
    spare_places, spare_keys, digits,
):  # fmt: skip
    """Sort the places of the words from `first` to `stop`, and compare each with the one before.

    Where not all words fit in a key, those behind are sorted by first, by the keys of later positions.
    """
    for word in range(first, stop):
        begin, after = starts[word], starts[word + 1]
        skip = (order - 2) // slots * slots if slots > 0 else 0
        while skip > 0:
            taken = min(slots, order - 1 - skip)
            surplus = np.uint64(width * (slots - taken))
            for i in range(begin, after):
                place = places[i]
                placed_keys[i] = keys[place + skip] >> surplus if lengths[place] > skip + 1 else np.uint64(0)
            _sort(placed_keys, spare_keys, places, spare_places, begin, after - begin, taken * width, digits)
            skip -= slots
            if skip == 0:
                for i in range(begin, after):
                    placed_keys[i] = keys[places[i]]
        _sort(placed_keys, spare_keys, places, spare_places, begin, after - begin, slots * width, digits)
        for i in range(begin, after):
            place = places[i]
            length = np.int64(lengths[place])
            same = 0
            if i > begin:
                different = placed_keys[i] ^ placed_keys[i - 1]
                same = 1
                while same <= slots and different >> np.uint64(width * (slots - same)) == 0:
                    same += 1
                if different == 0:
                    other = places[i - 1]
                    most = min(length, np.int64(lengths[other]))
                    same = same if same < most else int(most)
                    while same < most and text[place + same] == text[other + same]:
                        same += 1
            shared[i], placed_lengths[i] = same, length
            new[same + 1] += 1  # one more n-gram of orders same + 1 … length
            new[length + 1] -= 1


@loop
def _sort(keys, spare_keys, places, spare_places, begin, n, bits, digits):  # type: ignore[no-untyped-def]
    """Sort n keys, of so many bits, from `begin` on, and places with them; equal keys stay in their order."""
    if n < FEW:
        _merge_sort(keys, spare_keys, places, spare_places, begin, n)
        return
    passes = (bits + 7) // 8
    for i in range(passes * BYTE):
        digits[i] = 0
    for i in range(begin, begin + n):
        key = keys[i]
        for k in range(passes):
            digits[k * BYTE + np.int64(key >> np.uint64(8 * k) & np.uint64(BYTE - 1))] += 1
    is_spare = False
    for k in range(passes):
        shift = np.uint64(8 * k)
        if digits[k * BYTE + np.int64(keys[begin] >> shift & np.uint64(BYTE - 1))] == n:
            continue  # all have the same
        total = 0
        for i in range(k * BYTE, (k + 1) * BYTE):
            total, digits[i] = total + digits[i], total
        if is_spare:
            _scatter(spare_keys, spare_places, 0, keys, places, begin, n, shift, k * BYTE, digits)
        else:
            _scatter(keys, places, begin, spare_keys, spare_places, 0, n, shift, k * BYTE, digits)
        is_spare = not is_spare
    if is_spare:
        for i in range(n):
            keys[begin + i], places[begin + i] = spare_keys[i], spare_places[i]


@loop
def _scatter(  # type: ignore[no-untyped-def]
    keys, places, begin, to_keys, to_places, to_begin, n, shift, first, digits
):
    """One pass of a radix sort."""
    for i in range(begin, begin + n):
        key = keys[i]
        digit = first + np.int64(key >> shift & np.uint64(BYTE - 1))
        at = digits[digit]
        digits[digit] = at + 1
        to_keys[to_begin + at], to_places[to_begin + at] = key, places[i]


@loop
def _merge_sort(keys, spare_keys, places, spare_places, begin, n):  # type: ignore[no-untyped-def]
    width = 16
    for low in range(begin, begin + n, width):  # insertion sort of short runs: most words have no more places
        for i in range(low + 1, min(low + width, begin + n)):
            key, place = keys[i], places[i]
            k = i
            while k > low and keys[k - 1] > key:
                keys[k], places[k] = keys[k - 1], places[k - 1]
                k -= 1
            keys[k], places[k] = key, place
    while width < n:
        for low in range(begin, begin + n - width, 2 * width):
            high = min(low + 2 * width, begin + n)
            for i in range(width):
                spare_keys[i], spare_places[i] = keys[low + i], places[low + i]
            i, j, k = 0, low + width, low
            while i < width:  # what is left of the second run is in its place already
                if j < high and keys[j] < spare_keys[i]:
                    keys[k], places[k] = keys[j], places[j]
                    j += 1
                else:
                    keys[k], places[k] = spare_keys[i], spare_places[i]
                    i += 1
                k += 1
        width *= 2


@loop
def _put_next(places, ranks, behind):  # type: ignore[no-untyped-def]
    """The place of the position behind that of each place; `ranks` is work space."""
    for i in range(len(places)):
        ranks[places[i]] = i
    for i in range(len(places)):
        behind[i] = ranks[places[i] + 1] if places[i] + 1 < len(places) else 0


@loop
def _list_run(  # type: ignore[no-untyped-def]
    n, text, width, slots, starts, first, stop, places, keys, shared, lengths, behind, context, ngram, below, here,
    word, suffix, count, children,
):  # fmt: skip
    """List the n-grams of order n that begin with the words from `first` to `stop`.

    `context` and `ngram` are the numbers before the first ones of order n-1 and n, `below` and `here` those at each
    place. No branch depends on the text: the processor would guess wrong half of the time.
    """
    begin, valid, latest = ngram + 1, 0, 0
    for w in range(first, stop):
        for i in range(starts[w], starts[w + 1]):
            same, length = shared[i], lengths[i]
            context += np.int64(same < n - 1) & np.int64(length >= n - 1)
            ngram += np.int64(same < n) & np.int64(length >= n)
            valid += length >= n
            latest = i if length >= n else latest
            here[i] = ngram
            if ngram >= begin:
                word[ngram], count[ngram] = latest, valid  # for now: the last place that has the n-gram
            if n > 2:
                children[context + 1] = ngram + 1
        if n == 2:
            children[w + 1] = ngram + 1
    mask, valid = np.uint64((1 << width) - 1), 0
    for g in range(begin, ngram + 1):
        i, before, valid = word[g], valid, count[g]
        count[g] = valid - before
        if n - 1 <= slots:
            last = np.int64(keys[i] >> np.uint64(width * (slots - n + 1)) & mask) - 1
        else:
            last = np.int64(text[places[i] + n - 1])
        word[g] = last
        suffix[g] = last if n == 2 else behind[i]
    if n > 2:
        for g in range(begin, ngram + 1):  # a loop of its own: the look-ups wait for memory together
            suffix[g] = below[suffix[g]]
