r"""The sections of an ARPA file in order: \data\, \1-grams:, …, \end\. Errors name the line."""

import math
import os
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np

from lmzoo.data.reading import Source
from lmzoo.data.sniff import Kind
from lmzoo.data.tokenizers.pretokenized import UNKNOWN
from lmzoo.errors import FormatError
from lmzoo.formats.arpa.lines import UNREACHABLE, Lines, Words, parse, power, scan
from lmzoo.formats.arpa.trie import GrowingTrie, path_to
from lmzoo.formats.fields import NOT_UTF8, Tally, shown, spelled
from lmzoo.formats.files import instead
from lmzoo.interface import Array
from lmzoo.ngrams.trie import _find

HIGHEST_ORDER = 64
THREADS = min(8, os.cpu_count() or 1)
WORTH_A_THREAD = 1 << 20  # bytes: with fewer, starting a thread costs more than it saves
_COUNT = re.compile(rb"ngram\s+(\d{1,3})\s*=\s*(\d{1,18})")
_COLUMNS = (np.int32, np.int32, np.float32, np.float32)  # context, word, p, γ
_START, _END = b"<s>", b"</s>"
_ASCII_SPACE = re.compile("[\t-\r]")  # of which KenLM has \v and \f in words, and our tokenizers none
DUPLICATES = "duplicate n-grams, of which the first was kept"
UNREACHED = "n-grams with <s> after another word or </s> before one, which can never apply, left out"
SPACES = "n-grams with a space in a word, whose words cannot be told apart, left out"
WHITE_SPACE = "words with white space other than a space in them, kept whole"
MINUS_INFINITY = "logarithms of -inf, read as -99 is"


class Reader:
    """Reads one file. After `read`: `trie`, `names` (the words without `end`, in order), `idle`, `remarks`."""

    def __init__(self, source: Source, kind: Kind):
        """`kind` is what the file looks like."""
        self._lines, self._kind = Lines(source), kind
        self._heading = b""  # the line that ended the section before
        self._tally = Tally()
        self.names: list[str] = []
        self.remarks: list[str] = []

    def read(self) -> None:
        """Read the whole file. Raises FormatError naming the line."""
        counts = self._data()
        self._unigrams(counts[0])
        with ThreadPoolExecutor(THREADS) as self._pool:  # the compiled loop releases the GIL
            for order, count in enumerate(counts[1:], start=2):
                self._ngrams(order, count, order < len(counts))
        self._expect(b"\\end\\")
        while (line := self._lines.line()) is not None:
            if line.strip():
                raise self._lines.error(f"there is text behind \\end\\: {shown(line)}")
        self.remarks += self._tally.notes()
        self.trie, self.idle = self._trie.finish()

    # ── Counts and headings ──

    def _data(self) -> list[int]:
        r"""The counts announced by \data\, (N,). Any text may precede it."""
        while (line := self._lines.line()) is None or line.strip() != b"\\data\\":
            if line is None:
                none = f"the file ends here and has no \\data\\ line{instead(self._kind)}"
                raise self._lines.error(none if self._lines.number else "the file is empty")
        counts: list[int] = []
        while match := _COUNT.fullmatch(text := self._text()):
            if int(match[1]) != len(counts) + 1:
                raise self._lines.error(f"the count of {len(counts) + 1}-grams is due here, not {shown(text)}")
            counts.append(int(match[2]))
        if not counts or not text.startswith(b"\\"):
            raise self._lines.error(f"a count like 'ngram {len(counts) + 1}=1000' is due here, not {shown(text)}")
        if len(counts) > HIGHEST_ORDER or sum(counts) >= 2**31 - 2 or counts[0] == 0:
            raise self._lines.error(
                f"{sum(counts):,} n-grams of order 1 to {len(counts)} are announced, {counts[0]:,} of them 1-grams; "
                f"there must be a 1-gram, and at most {HIGHEST_ORDER} orders and 2^31 n-grams"
            )
        self._heading = text
        return counts

    def _text(self) -> bytes:
        """The next line that is not blank, stripped. FormatError at the end of the file."""
        while (line := self._lines.line()) is not None:
            if text := line.strip(b" \t\r"):
                return text
        raise self._lines.error("the file ends here, without \\end\\: it is cut short")

    def _expect(self, heading: bytes) -> None:
        if self._heading != heading:
            raise self._lines.error(f"{heading.decode()} is due here, not {shown(self._heading)}")

    def _entry(self, order: int, read: int, announced: int) -> bytes | None:
        """The next n-gram's line, or None where the section ends, as it may after `announced` of them."""
        text = self._text()
        if text.startswith(b"\\"):
            self._heading = text
            if read == announced:
                return None
            raise self._lines.error(f"{order}-grams end here: {read:,} of the {announced:,} that \\data\\ announces")
        if read == announced:
            raise self._surplus(order)
        return text

    def _surplus(self, order: int, ahead: int = 0) -> FormatError:
        return self._lines.error(f"one more {order}-gram than \\data\\ announces", ahead)

    def _parse(self, line: bytes, order: int, has_backoff: bool) -> tuple[float, list[bytes], float] | None:
        """The p, words and γ of a line, or None where a word has a space in it."""
        try:
            log_prob, words, log_gamma = parse(line, order, has_backoff)
        except ValueError as error:
            raise self._lines.error(str(error)) from None
        if len(words) > order:
            self._tally.add(SPACES, spelled(b" ".join(words)))
            return None
        if -math.inf in (log_prob, log_gamma):
            self._tally.add(MINUS_INFINITY, spelled(b" ".join(words)))
        return power(log_prob), words, power(log_gamma)

    # ── 1-grams, line by line: there are few ──

    def _unigrams(self, announced: int) -> None:
        self._expect(b"\\1-grams:")
        entries: dict[bytes, tuple[float, float]] = {}
        names: dict[str, None] = {}
        read = 0
        while (line := self._entry(1, read, announced)) is not None:
            read += 1
            if (entry := self._parse(line, 1, True)) is None:
                continue
            prob, (word,), gamma = entry
            if word in entries:
                self._tally.add(DUPLICATES, spelled(word))
                continue
            entries[word] = prob, gamma
            if word not in (_START, _END):
                name = self._name(word)
                while name in names:  # one that is spelled <0xNN>, and another that is so in the file
                    name += "_"
                names[name] = None
        self.names = [*names]
        if not {UNKNOWN, UNKNOWN.upper()} & names.keys():  # as in KenLM, of a probability of zero
            entries[UNKNOWN.encode()] = 0.0, 1.0
            self.names.append(UNKNOWN)
            self.remarks.append(
                f"there is no {UNKNOWN} among the 1-grams, so unknown words have probability zero: eval gives the "
                "perplexity without them"
            )
        # If one is missing, it gets a name that no word can have.
        edges = [edge if edge in entries else b" " * n for n, edge in enumerate((_END, _START), start=1)]
        if _END not in entries:
            self.remarks.append("there is no </s> among the 1-grams, so the end of a line has probability zero")
        start, end = entries.pop(_START, (0.0, 1.0)), entries.pop(_END, (0.0, 1.0))
        self._words = Words([*entries, *edges])
        self._numbers = {word: number for number, word in enumerate([*entries, *edges])}
        other = UNKNOWN.upper()
        if UNKNOWN not in self.names and other in self.names:
            self.names[self.names.index(other)] = UNKNOWN
            self.remarks.append(f"{other} is read as {UNKNOWN}")
        values = np.array([*entries.values(), (end[0], start[1])], np.float32)
        self._trie = GrowingTrie(values[:, 0].copy(), values[:, 1].copy())

    def _name(self, word: bytes) -> str:
        name = spelled(word)
        if name.encode() != word:
            self._tally.add(NOT_UTF8, name)
        if name.split() != [name]:
            self._tally.add(WHITE_SPACE, name)
            name = _ASCII_SPACE.sub(lambda match: f"<0x{ord(match[0]):02X}>", name)
        return name

    # ── Longer n-grams, in blocks ──

    def _ngrams(self, order: int, announced: int, has_backoff: bool) -> None:
        self._expect(b"\\%d-grams:" % order)
        parts: list[list[Array]] = [[] for _ in _COLUMNS]
        read = 0
        while True:
            read += self._scan(order, has_backoff, announced - read, parts)
            if (line := self._entry(order, read, announced)) is None:
                break
            read += 1
            if (entry := self._slowly(line, order, has_backoff)) is not None:
                for part, kind, value in zip(parts, _COLUMNS, entry, strict=True):
                    part.append(np.array([value], kind))
        self._add([np.concatenate([np.empty(0, kind), *part]) for kind, part in zip(_COLUMNS, parts, strict=True)])

    def _scan(self, order: int, has_backoff: bool, room: int, parts: list[list[Array]]) -> int:
        """Append to `parts` the lines that the compiled loop can read from here on; returns their number."""
        lines, words, trie, read = self._lines, self._words, self._trie, 0
        tables = (words.table, words.blob, words.starts, trie.words, trie.children)

        def run(start: int, stop: int) -> tuple[int, int, tuple[Array, ...]]:
            size = min(room - read, (stop - start) // (2 * order + 2) + 1)  # a word takes at least two bytes
            out = tuple(np.empty(size, kind) for kind in _COLUMNS)
            path = (np.full(order, -1), np.zeros(order, np.int64))
            at, done = scan(text, start, stop, has_backoff, *tables, *path, out)
            return at, done, tuple(column[:done].copy() for column in out)

        while (stop := lines.whole()) > lines.at:
            text = np.frombuffer(lines.block, np.uint8)
            runs = list(pairwise(self._cuts(stop)))
            for (at, done, out), (_, end) in zip(self._pool.map(run, *zip(*runs, strict=True)), runs, strict=True):
                if read + done > room:
                    raise self._surplus(order, room - read + 1)
                for part, column in zip(parts, out, strict=True):
                    part.append(column)
                lines.at = at
                lines.number += done
                read += done
                if at < end:  # an unusual line: drop what other threads have read after it
                    return read
        return read

    def _cuts(self, stop: int) -> list[int]:
        """Where to cut the lines up to `stop` into a part for each core, if that pays.

        Only at the start of a block: in a file full of unusual lines each would else cause a scan of all that follow.
        """
        at, block = self._lines.at, self._lines.block
        threads = THREADS if at == 0 and stop > WORTH_A_THREAD else 1
        inner = [block.rfind(b"\n", at, at + (stop - at) * k // threads) + 1 for k in range(1, threads)]
        return [at, *sorted({cut for cut in inner if cut > at}), stop]

    def _slowly(self, line: bytes, order: int, has_backoff: bool) -> tuple[int, int, float, float] | None:
        """A line that the compiled loop could not read: (context, word, p, γ), or None. Raises FormatError."""
        if (entry := self._parse(line, order, has_backoff)) is None:
            return None
        prob, words, gamma = entry
        for word in words:
            if word not in self._numbers:
                raise self._lines.error(f"the word {shown(word)} is not among the 1-grams")
        end, node = len(self.names), 0
        if _START in words[1:] or _END in words[:-1]:
            return UNREACHABLE, 0, 0.0, 0.0
        for n, word in enumerate(words[:-1], start=1):
            node = _find(node, min(self._numbers[word], end), self._trie.words, self._trie.children)
            if node < 0:
                missing = shown(b" ".join(words[:n]))
                raise self._lines.error(
                    f"{shown(b' '.join(words))} extends {missing}, which is not among the {n}-grams"
                )
        return node, min(self._numbers[words[-1]], end), prob, gamma

    def _add(self, columns: list[Array]) -> None:
        """Add the n-grams of one order to the trie, without those that can never apply and duplicates."""
        reachable = columns[0] != UNREACHABLE
        if not reachable.all():
            self._tally.add(UNREACHED, "", int((~reachable).sum()))
            columns = [column[reachable] for column in columns]
        repeated = self._trie.add(*columns)
        if len(repeated):
            path = [*path_to(self._trie, int(columns[0][repeated.min()])), int(columns[1][repeated.min()])]
            self._tally.add(DUPLICATES, as_written(path, [*self.names, _END.decode()]), len(repeated))


def as_written(path: list[int], names: list[str]) -> str:
    """The n-gram of these words, as a file spells it: `end` is </s> where it is the last of several words, else <s>."""
    *context, last = [names[word] for word in path]
    before = [_START.decode() if word == names[-1] else word for word in context or [last]]
    return " ".join([*before, last] if context else before)
