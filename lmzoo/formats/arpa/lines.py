"""Parsing and printing ARPA files, line by line and in blocks of lines.

Files of 2 GB exist, so n-grams are parsed and printed by compiled loops. A line that the loop does not understand is
left to `parse`, which is slow, accepts everything allowed, and says what is wrong with the rest.
"""

import math
from itertools import accumulate

import numpy as np
from numba import njit

from lmzoo.data.reading import Source
from lmzoo.errors import FormatError
from lmzoo.formats.fields import MINUS, NEWLINE, POINT, SPACE, TAB, ZERO, fields, is_number, is_space, number, shown
from lmzoo.ngrams.trie import _find

BLOCK = 1 << 23  # bytes read and printed at a time
LONGEST_LINE = 1 << 20  # bytes
UNREACHABLE, UNKNOWN = -1, -2  # contexts
NEVER = -99.0  # stands for log10 0 in a file, as in SRILM
ROUNDING = 1e-6  # a log-probability above 0 by no more than this is a rounding error
HIGHEST_BACKOFF = 30.0  # 10^30 is still well within float32


class Lines:
    """The lines of an open file, one by one or in blocks. `number` is that of the line read last."""

    def __init__(self, source: Source):
        self._source, self._more = source, True
        self.block = b""
        self.at = 0
        self.number = 0

    def line(self) -> bytes | None:
        """The next line without its end; None at the end of the file. Raises FormatError as `fill` does."""
        while (stop := self.block.find(b"\n", self.at)) < 0 and self.fill():
            pass
        if stop < 0:
            stop = len(self.block)
            if self.at == stop:
                return None
        line = self.block[self.at : stop]
        self.at = min(stop + 1, len(self.block))
        self.number += 1
        return line

    def whole(self) -> int:
        """Where the last complete line of the block ends, after reading more if there was none."""
        while (stop := self.block.rfind(b"\n", self.at) + 1) <= self.at and self.fill():
            pass
        return max(stop, self.at)

    def fill(self) -> bool:
        """Read another block, keeping the unread rest; False at the end. FormatError if that fails."""
        if len(self.block) - self.at > LONGEST_LINE:  # `fill` is called only when no complete line is left
            raise self.error(f"this line is longer than {LONGEST_LINE:,} bytes, so this is not an ARPA file", 1)
        new = self._source.read(BLOCK) if self._more else b""
        self._more = bool(new)
        self.block, self.at = self.block[self.at :] + new, 0
        return self._more

    def error(self, message: str, ahead: int = 0) -> FormatError:
        """A FormatError that names the line read last, or one `ahead` of it."""
        return FormatError(f"line {max(1, self.number + ahead)}: {message}")


# ── One line, in Python ───────────────────────────────────────────────────────────────────────────


def parse(line: bytes, order: int, has_backoff: bool) -> tuple[float, list[bytes], float]:
    """'-1.2 the cat -0.3' → (-1.2, [b'the', b'cat'], -0.3), in log10. ValueError says what is wrong with it.

    There are more words than `order` where tabs part three columns, and the words between them have spaces in them.
    """
    log, *words = fields(line)
    backoff = words.pop() if len(words) == order + 1 and is_number(words[-1]) else b"0"
    fits = len(words) == order and _fits(float(backoff), has_backoff)
    if not fits and (spaced := _with_spaces(line, order)):
        return float(log), spaced, 0.0
    if len(words) != order:
        wanted = f"a log-probability, {order} word{'s' * (order > 1)}" + " and perhaps a back-off weight" * has_backoff
        raise ValueError(f"{len(fields(line))} fields, where a {order}-gram has {wanted}: {shown(line)}")
    log_prob, log_backoff = _below_infinity(log, "log-probability"), _below_infinity(backoff, "back-off weight")
    if log_prob > ROUNDING:
        raise ValueError(f"the log-probability {shown(log)} is positive: no probability is above 1")
    if log_backoff > HIGHEST_BACKOFF:
        raise ValueError(f"the back-off weight 10^{shown(backoff)} is too large to be one")
    if not _fits(log_backoff, has_backoff):
        raise ValueError(f"a back-off weight, {shown(backoff)}, on an n-gram of the highest order: {shown(line)}")
    return min(log_prob, 0.0), words, log_backoff


def _fits(log_backoff: float, has_backoff: bool) -> bool:
    return log_backoff <= HIGHEST_BACKOFF if has_backoff else log_backoff == 0


def _with_spaces(line: bytes, order: int) -> list[bytes]:
    """The words of a line whose columns are parted by tabs, where they are more than `order`; else none."""
    columns = line.split(b"\t")
    words = fields(columns[1]) if len(columns) in (2, 3) else []
    numbers = [column.strip() for column in (columns[0], *columns[2:])]
    return words if len(words) > order and all(map(is_number, numbers)) else []


def _below_infinity(field: bytes, what: str) -> float:
    """A logarithm: that of zero is minus infinity, which NEVER stands for elsewhere."""
    if not is_number(field):
        raise ValueError(f"{shown(field)} is not a number, and a {what} is due here")
    value = float(field)
    if math.isnan(value) or value == math.inf:
        raise ValueError(f"the {what} is {shown(field)}, and must be finite or -inf")
    return value


# ── Many lines, compiled ──────────────────────────────────────────────────────────────────────────


class Words:
    """The vocabulary for compiled loops: concatenated names, and a hash table from name to number."""

    def __init__(self, names: list[bytes]):
        """`names` are distinct; the number of a word is its index."""
        self.blob = np.frombuffer(b"".join(names), np.uint8)
        self.starts = np.array([0, *accumulate(map(len, names))])
        self.longest = max(map(len, names))
        self.table = np.full(1 << (2 * len(names)).bit_length(), -1, np.int32)
        _insert(self.table, self.blob, self.starts)


@njit(cache=True, nogil=True)
def _hash(text, a, b):  # type: ignore[no-untyped-def]
    """FNV-1a (Fowler, Noll & Vo), with its high bits mixed into the low ones."""
    value = np.uint64(0xCBF29CE484222325)
    for i in range(a, b):
        value = (value ^ np.uint64(text[i])) * np.uint64(0x100000001B3)
    return value ^ (value >> np.uint64(29))


@njit(cache=True, nogil=True)
def _slot(text, a, b, table, blob, starts):  # type: ignore[no-untyped-def]
    """The slot of the word text[a:b] in the table, or the empty one where it would go."""
    mask = np.uint64(len(table) - 1)
    slot = _hash(text, a, b) & mask
    while table[slot] >= 0:
        first = starts[table[slot]]
        if starts[table[slot] + 1] - first == b - a:
            i = 0
            while i < b - a and text[a + i] == blob[first + i]:
                i += 1
            if i == b - a:
                break
        slot = (slot + np.uint64(1)) & mask
    return slot


@njit(cache=True, nogil=True)
def _insert(table, blob, starts):  # type: ignore[no-untyped-def]
    for word in range(len(starts) - 1):
        table[_slot(blob, starts[word], starts[word + 1], table, blob, starts)] = word


@njit(cache=True, nogil=True)
def _skip(text, at):  # type: ignore[no-untyped-def]
    while is_space(text[at]):
        at += 1
    return at


@njit(cache=True, nogil=True)
def _backoff(text, at, has_backoff):  # type: ignore[no-untyped-def]
    """(the back-off weight in log10 at the end of a line, the next line); NaN for what is left to `parse`."""
    value = 0.0
    at = _skip(text, at)
    if text[at] != NEWLINE:
        value, at = number(text, at)
        at = _skip(text, at)
    if text[at] != NEWLINE or not value <= HIGHEST_BACKOFF or (value != 0 and not has_backoff):
        return np.nan, at
    return value, at + 1


@njit(cache=True, nogil=True)
def power(log):  # type: ignore[no-untyped-def]
    """10^log; 0 for -99 or less."""
    return 10.0**log if log > NEVER else 0.0


@njit(cache=True, nogil=True)
def _ngram(text, at, table, blob, starts, trie_words, children, words, path):  # type: ignore[no-untyped-def]
    """(node of the context, last word, where they end) of the n-gram at `at`; see `scan`.

    The node is UNREACHABLE if <s> is not first or </s> not last, and UNKNOWN if a word or the context is. `words` and
    `path` (order,) are the words and nodes of the previous n-gram, which often has the same context.
    """
    order, end = len(words), len(starts) - 3  # the last two words are </s> and <s>
    unreachable, node, word = False, 0, -1
    for k in range(order):
        begin = at = _skip(text, at)
        while not is_space(text[at]) and text[at] != NEWLINE:
            at += 1
        word = table[_slot(text, begin, at, table, blob, starts)] if at > begin else -1
        if word < 0:
            return UNKNOWN, word, at
        unreachable |= (k > 0 and word == end + 1) or (k < order - 1 and word == end)
        if k < order - 1 and not unreachable:
            if word != words[k]:
                words[k] = word
                words[k + 1] = -1  # the nodes below are those of another path
                path[k] = _find(node, min(word, end), trie_words, children)
            node = path[k]
            if node < 0:
                words[k] = -1
                return UNKNOWN, word, at
    return UNREACHABLE if unreachable else node, min(word, end), at


@njit(cache=True, nogil=True)
def scan(text, at, stop, has_backoff, table, blob, starts, trie_words, children, words, path, out):  # type: ignore[no-untyped-def]
    """Read n-grams from the complete lines text[at:stop], up to the first that is unusual, or until `out` is full.

    `out` has the columns (context node, word, p, γ); `words` (all -1) and `path`, (order,), are work space. Returns
    (where it stopped, lines read).
    """
    contexts, lasts, probs, gammas = out
    lines = 0
    while at < stop and lines < len(contexts):
        value, i = number(text, _skip(text, at))
        if not value <= ROUNDING or not is_space(text[i]):
            break
        node, word, i = _ngram(text, i, table, blob, starts, trie_words, children, words, path)
        if node == UNKNOWN:
            break
        weight, i = _backoff(text, i, has_backoff)
        if np.isnan(weight):
            break
        contexts[lines], lasts[lines] = node, word
        probs[lines], gammas[lines] = power(min(value, 0.0)), power(weight)
        lines += 1
        at = i
    return at, lines


@njit(cache=True, nogil=True)
def _put_number(out, at, value):  # type: ignore[no-untyped-def]
    """Print `value` with at most 8 decimals: enough to read a float32 probability back to the bit.

    Rounding log10 p to 8 decimals changes p by a factor within 1 ± 1.2e-8; half the gap to the next float32 is 3e-8.
    """
    scaled = np.int64(np.rint(abs(value) * 1e8))
    if value < 0 and scaled > 0:
        out[at] = MINUS
        at += 1
    whole, rest = scaled // 100_000_000, scaled % 100_000_000
    power = 1
    while whole // power >= 10:
        power *= 10
    while power > 0:
        out[at] = ZERO + whole // power % 10
        at += 1
        power //= 10
    if rest > 0:
        out[at] = POINT
        at += 1
        power = 10_000_000
        while rest > 0:
            out[at] = ZERO + rest // power
            at += 1
            rest %= power
            power //= 10
    return at


@njit(cache=True, nogil=True)
def _put_log(out, at, value):  # type: ignore[no-untyped-def]
    return _put_number(out, at, max(np.log10(value), NEVER) if value > 0 else NEVER)


@njit(cache=True, nogil=True)
def put_ngrams(out, cursors, stop, vocab_size, longest_line, words, probs, children, gammas, blob, starts):  # type: ignore[no-untyped-def]
    """Print the n-grams from node cursors[-1] up to `stop`, or until `out` is full. Returns the bytes used.

    `cursors` (order,) are the nodes of an n-gram's prefixes of 1, 2, … words. They only move forwards, because nodes
    are sorted by context. The names of words are in `blob` and `starts` (V+1,); the last is <s>.
    """
    at, order = 0, len(cursors)
    while cursors[-1] < stop and at + longest_line <= len(out):
        for k in range(order - 2, -1, -1):
            while children[cursors[k] + 1] <= cursors[k + 1]:
                cursors[k] += 1
        node = cursors[-1]
        at = _put_log(out, at, min(np.float64(probs[node]), 1.0))
        for k in range(order):
            out[at] = TAB if k == 0 else SPACE
            at += 1
            word = words[cursors[k]]
            name = vocab_size if k < order - 1 and word == vocab_size - 1 else word
            for i in range(starts[name], starts[name + 1]):
                out[at] = blob[i]
                at += 1
        if node < len(gammas) and children[node + 1] > children[node]:
            out[at] = TAB
            at = _put_log(out, at + 1, np.float64(gammas[node]))
        out[at] = NEWLINE
        at += 1
        cursors[-1] += 1
    return at
